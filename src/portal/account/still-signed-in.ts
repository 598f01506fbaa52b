import { GateError } from '../../base/errors.ts'
import type { Session, Sessions } from '../../session/session.ts'

/**
 * Whoever sent a form, as they are once all of it is there: it may take a while to arrive, and whoever was put out meanwhile does nothing
 * more. Asks the store, which knows of ends in other processes too. Throws `access.sign_in`.
 */
export async function stillSignedIn({ describe }: Pick<Sessions, 'describe'>, { id }: Session): Promise<Session> {
  const entry = await describe(id)
  if (entry === null) throw new GateError('access.sign_in', 'the session ended before the form was there')
  return entry.session
}
