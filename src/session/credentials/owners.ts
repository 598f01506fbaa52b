import { sha256 } from '../../base/bytes.ts'
import type { Era, Identity } from '../../identity/identity.ts'
import type { Session } from '../session.ts'
import type { StoredOwner } from '../store.ts'

/** Someone whose tokens follow them: who it is, at which portal. */
export type Owner = Pick<Session, 'portal' | 'identity'>

/** No id of a session has a colon. */
const OWNER_ID = 'person:'

/**
 * The id of an owner: the same for every token of theirs, and another one for whoever has the same name of a file later. Hashed, since
 * what providers say may hold anything, at any length.
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
 * Whether something that was made for a user of a file is over, since their password or their epoch of tokens is another now. What a
 * client of an MCP server was given ends with the password, whoever had that; a token or a link is a thing of its own, and
 * ends with the epoch.
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
export function storedClaims({ identity }: Owner): string {
  return JSON.stringify(withoutSignIn(identity))
}

/** Who the tokens of a stored owner stand for now; null where they rest, and for a row that is not one of ours. */
export function identityOf(owner: StoredOwner): Identity | null {
  if (owner.standing !== 'good') return null
  try {
    const identity = JSON.parse(owner.identity) as Identity
    return typeof identity.subject === 'string' && Array.isArray(identity.groups) ? Object.freeze(identity) : null
  } catch {
    return null
  }
}

/** The same as it counts now; null where whoever vouched for them does not count at their portal any more, or says that they are not active. */
export function vouchedIdentity(
  owner: StoredOwner | null,
  portal: string,
  vouch: (owner: Owner) => Identity | null,
): Identity | null {
  const identity = owner === null ? null : identityOf(owner)
  return identity === null ? null : vouch({ portal, identity })
}
