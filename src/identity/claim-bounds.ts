/** Bounds of what a provider may say: e-mail domains of its own, a prefix for its names, and the prefixes of others. */

import type { ProviderConfig } from '../config/resolve/providers.ts'
import type { Identity } from './identity.ts'

/** What a table of the file says of how much a provider may say. */
export type Bounds = Pick<ProviderConfig, 'emailDomains' | 'prefix' | 'othersPrefixes'>

/** The claims with names that a prefix is put before. */
const NAMES = ['preferred_username', 'groups'] as const

/**
 * Claims within the bounds of their provider. Its names of users and groups begin with the prefix, so that no other
 * provider has the same: one that another provider states is unknown there. An address of a domain that is not the
 * provider's own is unknown, even when it is verified.
 */
export function boundClaims(
  claims: Readonly<Record<string, unknown>>,
  { emailDomains, prefix, othersPrefixes }: Bounds,
): Record<string, unknown> {
  const bounded = { ...claims }
  if (emailDomains !== null && claims.email !== undefined && !isWithin(claims.email, emailDomains)) bounded.email = null
  for (const name of NAMES) {
    if (!Object.hasOwn(claims, name)) continue
    bounded[name] = prefix === '' ? withoutOthers(claims[name], othersPrefixes) : prefixed(claims[name], prefix)
  }
  if (prefix === '') return bounded
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

/**
 * Whether a name begins with one of these prefixes: another provider's users, groups and roles are called so. Applications
 * and databases that ignore case, accents or marks that nobody sees would take it for theirs.
 */
export function isOthers(name: string, othersPrefixes: readonly string[]): boolean {
  return othersPrefixes.some(prefix => folded(name).startsWith(folded(prefix)))
}

/** Upper case first: only that turns a sharp s into two letters. */
function folded(name: string): string {
  return name
    .normalize('NFKD')
    .replace(/[\p{M}\p{Cf}]/gu, '')
    .trimStart()
    .toUpperCase()
    .toLowerCase()
}

/** The same value where none of its names is another provider's. */
function withoutOthers(value: unknown, othersPrefixes: readonly string[]): unknown {
  const isTheirs = (entry: unknown) => typeof entry === 'string' && isOthers(entry, othersPrefixes)
  if (!Array.isArray(value)) return isTheirs(value) ? null : value
  return value.some(isTheirs) ? value.map(entry => (isTheirs(entry) ? null : entry)) : value
}

/** The subject that an application gets. */
export function toldSubject({ subject, prefix = '' }: Pick<Identity, 'subject' | 'prefix'>): string {
  return prefix + subject
}
