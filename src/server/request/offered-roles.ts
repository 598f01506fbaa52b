import { isSignIn } from '../../session/credentials/credential-sessions.ts'
import type { Session } from '../../session/session.ts'
import type { GatePortal } from '../config/snapshot.ts'

/** Of roles that would do, those that somebody may ask for: who signed in here, and not by a token, a password or a guest link. */
export function rolesToAskFor(portal: GatePortal, session: Session, needed: readonly string[]): readonly string[] {
  if (!isSignIn(session) || !portal.config.providers.includes(session.identity.provider)) return []
  return needed.filter(role => portal.offeredRoles.has(role))
}
