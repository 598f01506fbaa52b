import { GateError } from '../../base/errors.ts'
import type { Session } from '../../session/session.ts'
import { isAdmin } from '../account/admins.ts'
import type { PortalRequest } from '../portal.ts'

/** Throws `route.none` where the portal has no admins, `access.denied` for whoever is none. */
export function admitAdmin(ctx: PortalRequest, session: Session): void {
  if (ctx.portal.adminRole === null) throw new GateError('route.none', 'this portal has no admin_role')
  if (!isAdmin(ctx, session)) throw new GateError('access.denied', 'the portal’s admin role is missing')
}
