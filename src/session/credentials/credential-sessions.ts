/** Sessions that no sign-in made: of access tokens and of passwords. */

import { randomToken } from '../../base/bytes.ts'
import type { Ports } from '../../base/ports.ts'
import type { AccessToken } from '../../identity/access-token.ts'
import type { Identity } from '../../identity/identity.ts'
import type { AccessKind, Session } from '../session.ts'
import { isApiTokenId } from './api-tokens.ts'
import { isGuestLinkId } from './guest-links.ts'

/** Ids of sessions from an access token or a password; no id of a stored session has a colon. */
const ACCESS_ID = 'access:'
const PASSWORD_ID = 'password:'

/** How long a stream may go on that a password opened. */
const PASSWORD_LIFETIME_MS = 24 * 60 * 60 * 1000

/** The session of a provider's access token, as long as the token is valid. No store has it. */
export function accessSession(
  portal: string,
  { identity, audiences, issuedAtMs, expiresAtMs }: AccessToken,
  by: AccessKind,
  random: Ports['random'],
): Session {
  const id = ACCESS_ID + randomToken(random)
  const access = { audiences, by }
  return Object.freeze({ id, portal, identity, isRemembered: false, createdAtMs: issuedAtMs, expiresAtMs, access })
}

/** What a name and a password stand for: a session that no store knows. */
export function passwordSession(portal: string, identity: Identity, nowMs: number, random: Ports['random']): Session {
  const id = PASSWORD_ID + randomToken(random)
  const expiresAtMs = nowMs + PASSWORD_LIFETIME_MS
  return Object.freeze({ id, portal, identity, isRemembered: false, createdAtMs: nowMs, expiresAtMs })
}

/** Whether an id belongs to the session of an access token. */
export function isAccessId(id: string): boolean {
  return id.startsWith(ACCESS_ID)
}

/** The key by which a route says that it takes this; null where none is needed: for people who signed in, and for guests, whom a rule lets in. */
export function keyFor({ id }: Pick<Session, 'id'>): 'tokens' | 'passwords' | null {
  if (id.startsWith(PASSWORD_ID)) return 'passwords'
  return isApiTokenId(id) || isAccessId(id) ? 'tokens' : null
}

/** Whether somebody has signed in for this: it is no API token's, access token's, password's or guest link's. */
export function isSignIn({ id }: Session): boolean {
  return !(isApiTokenId(id) || isAccessId(id) || id.startsWith(PASSWORD_ID) || isGuestLinkId(id))
}
