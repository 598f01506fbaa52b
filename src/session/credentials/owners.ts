import { sha256 } from '../../base/bytes.ts'
import type { Era, Identity } from '../../identity/identity.ts'
import type { Session } from '../session.ts'
import type { StoredOwner } from '../store.ts'

/** Someone whose tokens follow them: who it is, at which portal. */
export type TokenOwner = Pick<Session, 'portal' | 'identity'>

/** No id of a session has a colon. */
const OWNER_ID = 'person:'

/**
 * The id of an owner: the same for all their tokens, and another one for a later user with the same name in a file.
 * Hashed, since a provider's claims may have any content and length.
 */
export function ownerIdOf({
  portal,
  identity: { issuer, subject, userId },
}: {
  readonly portal: string
  readonly identity: Pick<Identity, 'issuer' | 'subject' | 'userId'>
}): string {
  const own = userId === undefined ? [] : [userId]
  return OWNER_ID + sha256(JSON.stringify([portal, issuer, subject, ...own]))
}

/**
 * Whether something that was made for a user of a file has ended, since the password or the epoch of tokens has
 * changed. Tokens of an MCP client end with the password, since an attacker may have had it. A token or a link does
 * not depend on the password, and ends with the epoch.
 */
export function isOfPastEra(made: Era | undefined, now: Era | undefined, kind: 'client' | 'token'): boolean {
  if (now === undefined) return false
  if (kind === 'client' && made?.password !== now.password) return true
  return (made?.tokens ?? 0) !== now.tokens
}

/** Whether an id is that of an owner of tokens, and not of a session or a token. */
export function isOwnerId(id: string): boolean {
  return id.startsWith(OWNER_ID)
}

/** How and when someone signed in (`auth_time`, `acr`, `amr`, `sid`, Keycloak's `session_state`) is not true of a token of theirs. */
export function withoutSignIn(identity: Identity): Identity {
  const { auth_time: _time, acr: _acr, amr: _amr, sid: _sid, session_state: _state, ...claims } = identity.claims
  return { ...identity, claims }
}

/** What a store keeps of an owner's claims. */
export function storedClaims({ identity }: TokenOwner): string {
  return JSON.stringify(withoutSignIn(identity))
}

/** The current identity of a stored owner's tokens; null where they are suspended, and for a row in another form. */
export function identityOf(owner: StoredOwner): Identity | null {
  if (owner.standing !== 'good') return null
  try {
    const identity = JSON.parse(owner.identity) as Identity
    return typeof identity.subject === 'string' && Array.isArray(identity.groups) ? Object.freeze(identity) : null
  } catch {
    return null
  }
}

/**
 * The same as of now; null where the portal no longer trusts their provider, or the provider says that they are not
 * active.
 */
export function vouchedIdentity(
  owner: StoredOwner | null,
  portal: string,
  trustedIdentity: (owner: TokenOwner) => Identity | null,
): Identity | null {
  const identity = owner === null ? null : identityOf(owner)
  return identity === null ? null : trustedIdentity({ portal, identity })
}
