import type { Session } from '../../session/session.ts'
import type { PortalRequest } from '../portal.ts'

/** Whether someone has the portal's admin role, by the file in force now. */
export function isAdmin({ portal, rolesOf }: Pick<PortalRequest, 'portal' | 'rolesOf'>, session: Session): boolean {
  return portal.adminRole !== null && rolesOf(session).includes(portal.adminRole)
}
