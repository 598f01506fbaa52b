/** The claims about a sign-in (`auth_time`, `acr`, `amr`), which an older cookie may not have shown. */

import type { Identity } from '../identity/identity.ts'
import { ownerIdOf } from './credentials/owners.ts'
import type { Session } from './session.ts'

/**
 * Claims about when and how a user signed in. A cookie has only those that the user had shown when the cookie was
 * made.
 */
const CLAIMS = ['auth_time', 'acr', 'amr'] as const

type Claims = Identity['claims']

type Shown = Pick<Session, 'createdAtMs' | 'expiresAtMs'> & { readonly claims: Claims }

/** What was shown by the sign-in that a session comes from, as a store keeps it with a cookie that is older than the session's latest. */
export function shownBy({
  createdAtMs,
  expiresAtMs,
  identity,
}: Pick<Session, 'createdAtMs' | 'expiresAtMs' | 'identity'>): string {
  return JSON.stringify({ createdAtMs, expiresAtMs, claims: pick(identity.claims) })
}

/** A session as it counts for such a cookie; `isReplaced`: for one in whose place there is another by now. */
export function asShown(session: Session, shown: string, isReplaced: boolean): Session {
  const { createdAtMs, expiresAtMs, claims } = JSON.parse(shown) as Shown
  const identity = Object.freeze(withShown(session.identity, claims))
  const replaced = isReplaced ? { isReplaced } : {}
  return Object.freeze({ ...session, identity, createdAtMs, expiresAtMs, ...replaced })
}

/** Someone with what was shown at another sign-in of theirs. */
export function withShown(identity: Identity, claims: Claims): Identity {
  const { auth_time: _time, acr: _acr, amr: _amr, ...rest } = identity.claims
  return { ...identity, claims: { ...rest, ...pick(claims) } }
}

/** Whether the provider authenticated someone at an earlier sign-in later than at this one, as where tabs finish in another order. */
export function isShownLater(earlier: Claims, now: Claims): boolean {
  return typeof earlier.auth_time === 'number' && typeof now.auth_time === 'number' && earlier.auth_time > now.auth_time
}

/** What someone is vouched for by: a table of `[providers.*]`, and for a user of a file the password that was given. */
export function trustOf({ provider, credential }: Pick<Identity, 'provider' | 'credential'>): string {
  return JSON.stringify([provider, credential ?? null])
}

/**
 * Whether a session may go on by another sign-in: of the same person at one portal (by issuer and subject, and for a user of a file by
 * their id), who is vouched for by the same. All cookies of a session count for as long as its latest sign-in does: one that was made
 * by a password of before, or by another client of the issuer, would count again by this one.
 */
export function canGoOnBy(
  one: Pick<Session, 'portal' | 'identity'>,
  other: Pick<Session, 'portal' | 'identity'>,
): boolean {
  return ownerIdOf(one) === ownerIdOf(other) && trustOf(one.identity) === trustOf(other.identity)
}

function pick(claims: Claims): Record<string, unknown> {
  return Object.fromEntries(CLAIMS.flatMap(name => (claims[name] === undefined ? [] : [[name, claims[name]]])))
}
