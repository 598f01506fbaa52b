import { GateError } from '../../base/errors.ts'
import type { Session, Sessions } from '../../session/session.ts'

/**
 * Takes back a token or guest link that was just made where its maker's session is over by now: a form may take hours to arrive,
 * and whoever was put out meanwhile makes nothing more. Asks the store, which knows of ends in other processes too.
 *
 * Called once what was made is stored, so that whoever ends the session either puts that to rest or is seen here.
 * Throws `access.sign_in`.
 */
export async function revokeIfEnded(
  sessions: Pick<Sessions, 'describe' | 'end'>,
  maker: Session,
  madeId: string,
): Promise<void> {
  if ((await sessions.describe(maker.id)) !== null) return
  await sessions.end(madeId)
  throw new GateError('access.sign_in', 'the session ended before the form was there', { facts: { made: madeId } })
}
