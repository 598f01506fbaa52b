/** Bounds of what a provider may say: e-mail domains of its own, and a prefix for its names. */

import type { ProviderConfig } from '../config/resolve/providers.ts'
import type { Identity } from './identity.ts'

/** What a table of the file says of how much a provider may say. */
export type Bounds = Pick<ProviderConfig, 'emailDomains' | 'prefix'>

/**
 * Claims within the bounds of their provider. Its names of users and groups begin with the prefix, so that no other
 * provider has the same. An address of a domain that is not the provider's own is unknown, even when it is verified.
 */
export function boundClaims(
  claims: Readonly<Record<string, unknown>>,
  { emailDomains, prefix }: Bounds,
): Record<string, unknown> {
  const bounded = { ...claims }
  if (emailDomains !== null && claims.email !== undefined && !isWithin(claims.email, emailDomains)) bounded.email = null
  if (prefix === '') return bounded
  for (const name of ['preferred_username', 'groups']) {
    if (Object.hasOwn(claims, name)) bounded[name] = prefixed(claims[name], prefix)
  }
  // As a claim it would be the same name without a prefix. Rules have `subjects` for it, and applications get `{sub}`.
  if (Object.hasOwn(claims, 'sub')) bounded.sub = null
  return bounded
}

function isWithin(email: unknown, domains: readonly string[]): boolean {
  if (typeof email !== 'string' || !/^[!-?A-~]+@[!-?A-~]+$/.test(email)) return false
  return domains.includes(email.slice(email.indexOf('@') + 1).toLowerCase())
}

function prefixed(value: unknown, prefix: string): unknown {
  if (typeof value === 'string') return prefix + value
  return Array.isArray(value) ? value.map(entry => prefixed(entry, prefix)) : value
}

/** The subject that an application gets. */
export function toldSubject({ subject, prefix = '' }: Pick<Identity, 'subject' | 'prefix'>): string {
  return prefix + subject
}
