/** Roles that admins granted, as a preview counts them. */

import type { Config } from '../../config/resolve/config.ts'
import { GRANTED, type Identity } from '../../identity/identity.ts'
import { isSameGrantee, type RoleGrant } from '../../session/grants/document.ts'
import { offeredRoles } from '../../session/grants/offered.ts'

/** What was granted at each portal, by its name. */
export type Grants = ReadonlyMap<string, readonly RoleGrant[]>

/** What somebody was granted at a portal, as far as it counts by a file. */
export type GrantedAt = (identity: Identity | null, portal: string | null, nowMs: number) => readonly RoleGrant[]

/** What counts of these grants by a file. */
export function countGrants(config: Config, grants: Grants): GrantedAt {
  const offered = offeredRoles(config)
  return (identity, portal, nowMs) => {
    const own = offered.get(portal ?? '')
    if (identity === null || own === undefined) return []
    return (grants.get(portal ?? '') ?? []).filter(
      ({ who, role, untilMs }) =>
        own.has(role) && isSameGrantee(who, identity) && (untilMs === null || nowMs < untilMs),
    )
  }
}

/** The names of the roles that were granted, in their order. */
export function rolesIn(granted: readonly RoleGrant[]): readonly string[] {
  return granted.map(({ role }) => role)
}

/** The same user, with roles in addition to those of the rules. */
export function withRoles(identity: Identity, roles: readonly string[]): Identity {
  return { ...identity, [GRANTED]: roles }
}
