/** Who is an admin, and who is still signed in, by what the file and the store say now. */

import { GateError } from '../../base/errors.ts'
import { GRANTED } from '../../identity/identity.ts'
import type { Grants } from '../../session/grants/grants.ts'
import type { Session, Sessions } from '../../session/session.ts'
import { isSamePerson } from '../pages/person.ts'
import type { PortalRequest } from '../portal.ts'

/** Whether someone has the portal's admin role, by the file in force now. */
export function isAdmin({ portal, rolesOf }: Pick<PortalRequest, 'portal' | 'rolesOf'>, session: Session): boolean {
  return portal.adminRole !== null && rolesOf(session).includes(portal.adminRole)
}

/**
 * Until when an admin is one, by what the store has granted now: nothing that they do may give anyone more for longer. Null: the file
 * says so, or it was granted for good. Throws `access.denied` for whoever is none, `session.store`.
 */
export async function adminUntilMs(
  ctx: Pick<PortalRequest, 'portal' | 'rolesOf'>,
  grants: Pick<Grants, 'list'>,
  session: Session,
): Promise<number | null> {
  const { identity } = session
  if (isAdmin(ctx, { ...session, identity: { ...identity, [GRANTED]: undefined } })) return null
  const { name, adminRole } = ctx.portal
  const own = (await grants.list(name)).grants.filter(one => one.role === adminRole && isSamePerson(one.who, identity))
  if (own.length === 0) throw new GateError('access.denied', 'the portal’s admin role is missing')
  return own.some(({ untilMs }) => untilMs === null) ? null : Math.max(...own.map(({ untilMs }) => untilMs ?? 0))
}

/**
 * Whoever sent a form, as they are once all of it is there: it may take a while to arrive, and whoever was put out meanwhile does nothing
 * more. Asks the store, which knows of ends in other processes too. Throws `access.sign_in`.
 */
export async function stillSignedIn({ describe }: Pick<Sessions, 'describe'>, { id }: Session): Promise<Session> {
  const entry = await describe(id)
  if (entry === null) throw new GateError('access.sign_in', 'the session ended before the form was there')
  return entry.session
}
