/** Who is an admin, and who is still signed in, by what the file and the store say now. */

import { GateError } from '../base/errors.ts'
import { GRANTED } from '../identity/identity.ts'
import type { Grants } from '../session/grants/grants.ts'
import type { Session, Sessions } from '../session/session.ts'
import { asShown, shownBy } from '../session/sign-in-claims.ts'
import { isSamePerson } from './layout/person.ts'
import type { PortalRequest } from './portal-request.ts'
import { usersOf } from './sign-in/user-form.ts'

/** Whether a user has the portal's admin role, by the current file. */
export function isAdmin({ portal, rolesOf }: Pick<PortalRequest, 'portal' | 'rolesOf'>, session: Session): boolean {
  return portal.adminRole !== null && rolesOf(session).includes(portal.adminRole)
}

/** Throws `route.none` where the portal has no admins, `access.denied` for a user who is not an admin. */
export function admitAdmin(ctx: Pick<PortalRequest, 'portal' | 'rolesOf'>, session: Session): void {
  if (ctx.portal.adminRole === null) throw new GateError('route.none', 'this portal has no admin_role')
  if (!isAdmin(ctx, session)) throw new GateError('access.denied', 'the portal’s admin role is missing')
}

/**
 * Until when an admin is one, by what the store has granted now: no act of an admin may give any user more for longer.
 * Null: the file gives the role, or it was granted permanently.
 *
 * Throws `access.denied` for a user who is not an admin, `session.store`.
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
 * The sender of a form, read again once the whole form has arrived. That may take a while, and a user whose session
 * was ended meanwhile must do nothing more. Asks the store, which also knows of sessions that other processes ended.
 * How and when they signed in is what the sender's own cookie shows: another one of the session may show more.
 *
 * Throws `access.sign_in`.
 */
export async function stillSignedIn({ describe }: Pick<Sessions, 'describe'>, sender: Session): Promise<Session> {
  const entry = await describe(sender.id)
  if (entry === null) throw new GateError('access.sign_in', 'the session ended before the form was there')
  return asShown(entry.session, shownBy(sender), false)
}

/**
 * Whether the portal has a page of users: people of a file, who have passkeys. Only for admins: users of the portal with its admin
 * role.
 */
export function hasPeople(ctx: PortalRequest): boolean {
  return ctx.portal.rpId !== null && ctx.portal.adminRole !== null && usersOf(ctx) !== null
}
