/** Which roles of a portal people may ask for. */

import type { AccessRule } from '../../config/keys/rules.ts'
import type { Config } from '../../config/resolve/config.ts'
import type { PortalConfig } from '../../config/resolve/portals.ts'

/** The roles that may be asked for, by portal; a portal that is not among them has nothing to ask for, and no grant of it counts. */
export type OfferedRoles = ReadonlyMap<string, ReadonlySet<string>>

/**
 * The roles that a file lets people ask for: those that a route of the portal lets in by, of which `requests` names the ones that
 * are meant; where it names none, all but the admins' role.
 */
export function offeredRoles({ portals, routes }: Pick<Config, 'portals' | 'routes'>): OfferedRoles {
  const asking = [...portals.values()].filter(({ requests }) => requests !== null)
  return new Map(
    asking.map(portal => {
      const needed = routes.flatMap(({ portal: name, allow }) => {
        if (name !== portal.name) return []
        return allow.kind === 'roles' ? allow.roles : allow.kind === 'rules' ? allow.rules.flatMap(rolesIn) : []
      })
      return [portal.name, new Set(needed.filter(role => isOffered(portal, role)))]
    }),
  )
}

function isOffered({ roles, adminRole, requests }: PortalConfig, role: string): boolean {
  if (!roles.has(role)) return false
  return requests?.roles === null ? role !== adminRole : requests?.roles.includes(role) === true
}

function rolesIn({ roles, all, any }: AccessRule): readonly string[] {
  return [...(roles ?? []), ...[...(all ?? []), ...(any ?? [])].flatMap(rolesIn)]
}
