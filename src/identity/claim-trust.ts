/** Which claims count in rules: e-mail addresses that are verified or trusted, and groups of a file of users. */

import type { PortalConfig } from '../config/resolve/portals.ts'
import type { ProviderConfig } from '../config/resolve/providers.ts'
import { HTPASSWD } from '../config/values/htpasswd.ts'
import type { Identity } from './identity.ts'

/** The providers whose e-mail addresses count without their saying that they verified them, by the names of their tables. */
export type TrustedEmails = ReadonlySet<string>

export const NO_TRUSTED_EMAILS: TrustedEmails = new Set()

/** Those of which the file says `emails = "trusted"`. */
export function trustedEmails(providers: ReadonlyMap<string, ProviderConfig>): TrustedEmails {
  return new Set([...providers.values()].filter(provider => provider.trustsEmails).map(({ name }) => name))
}

/**
 * At a portal with a file of users and another provider: the groups that routes.toml gives all users of the file, by
 * each provider of the file. A group that only the file says counts in rules that name such a provider, so that a line
 * in a file makes nobody an admin. Empty at any other portal.
 */
export type FileGroups = ReadonlyMap<string, ReadonlySet<string>>

/** Whose word rules take that name no provider. */
export interface RuleTrust {
  readonly trusted: TrustedEmails
  readonly fileGroups: FileGroups
}

export const NO_TRUST: RuleTrust = Object.freeze({ trusted: NO_TRUSTED_EMAILS, fileGroups: new Map() })

/** What the rules of a portal take. */
export function ruleTrust(
  portal: Pick<PortalConfig, 'providers' | 'passwords' | 'passwordGroups'>,
  providers: ReadonlyMap<string, ProviderConfig>,
): RuleTrust {
  const own = portal.providers.flatMap(name => providers.get(name) ?? [])
  const files: [string, ReadonlySet<string>][] = own.flatMap(({ name, users }) =>
    users === null ? [] : [[name, new Set(users.groups)]],
  )
  if (portal.passwords !== null) files.push([HTPASSWD, new Set(portal.passwordGroups)])
  const isMixed = own.some(({ users }) => users === null)
  return Object.freeze({ trusted: trustedEmails(providers), fileGroups: new Map(isMixed ? files : []) })
}

/**
 * Whether the user's e-mail address counts as verified: the provider says that it has verified it, or the file trusts
 * the provider's addresses. At many providers users enter it themselves, and it may be another user's.
 *
 * Source: OpenID Connect Core 1.0 §5.1 (email_verified); without the claim the provider has not verified it.
 */
export function isEmailVouched({ provider, emailVerified }: Identity, trusted: TrustedEmails): boolean {
  return emailVerified === true || trusted.has(provider)
}

/**
 * The identity that applications may get: without an unverified e-mail address, in `email` and among the claims. The
 * same object where there is nothing to leave out.
 */
export function vouchedPart(identity: Identity, trusted: TrustedEmails): Identity {
  if (isEmailVouched(identity, trusted) || !Object.hasOwn(identity.claims, 'email')) return identity
  const { email: _unvouched, ...claims } = identity.claims
  return Object.freeze({ ...identity, email: null, claims: Object.freeze(claims) })
}
