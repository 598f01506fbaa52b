import type { ProviderConfig } from '../config/resolve/providers.ts'
import type { Identity } from './identity.ts'

/** The providers whose e-mail addresses count without their saying that they verified them, by the names of their tables. */
export type TrustedEmails = ReadonlySet<string>

export const NO_TRUSTED_EMAILS: TrustedEmails = new Set()

/** Those of which the file says `emails = "trusted"`. */
export function trustedEmails(providers: ReadonlyMap<string, ProviderConfig>): TrustedEmails {
  return new Set([...providers.values()].filter(provider => provider.trustsEmails).map(({ name }) => name))
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
