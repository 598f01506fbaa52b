import type { PortalConfig } from '../config/types/portals.ts'
import type { AccessRule, Allow, RoleRule } from '../config/types/rules.ts'
import { lacksGroups } from '../identity/claims.ts'
import type { Identity } from '../identity/identity.ts'
import type { Reason } from './reasons.ts'

/** Of somebody's groups, and of those that rules ask for: a log is no place for thousands. */
const MOST_TOLD = 20
const LONGEST_NAME = 60

/**
 * The groups that somebody came with who was refused for want of a group, and those that rules ask for: `has family; rules ask for Family`.
 * Null where groups have no part in it.
 *
 * For operators alone: with a name that is spelled otherwise at the provider nobody is let in, and nothing else would show it.
 */
export function tellGroups(
  allow: Allow,
  roles: PortalConfig['roles'],
  identity: Identity,
  missing: readonly Reason[],
): string | null {
  if (!missing.includes('group.missing') && !missing.includes('role.missing')) return null
  const asked = new Set(askedBy(allow, roles).flatMap(rule => groupsOf(rule, identity.provider)))
  for (const group of identity.groups) asked.delete(group)
  if (asked.size === 0) return null
  const held = lacksGroups(identity) ? 'groups that its provider does not tell' : listed(identity.groups)
  return `has ${held}; rules ask for ${listed([...asked])}`
}

type Rule = RoleRule | AccessRule

function askedBy(allow: Allow, roles: PortalConfig['roles']): readonly Rule[] {
  if (allow.kind === 'roles') return allow.roles.flatMap(name => roles.get(name) ?? [])
  return allow.kind === 'rules' ? allow.rules.flatMap(rule => partsOf(rule, roles)) : []
}

/** A rule with those of its roles, and with all that are in it; what is under `not` asks for nothing. */
function partsOf(rule: AccessRule, roles: PortalConfig['roles']): readonly Rule[] {
  const ofRoles = (rule.roles ?? []).flatMap(name => roles.get(name) ?? [])
  return [rule, ...ofRoles, ...[...(rule.all ?? []), ...(rule.any ?? [])].flatMap(part => partsOf(part, roles))]
}

function groupsOf({ providers, groups, like }: Rule, provider: string): readonly string[] {
  if (providers !== null && !providers.includes(provider)) return []
  return [...(groups ?? []), ...(like?.get('groups') ?? [])]
}

function listed(groups: readonly string[]): string {
  if (groups.length === 0) return 'no groups'
  const shown = groups
    .slice(0, MOST_TOLD)
    .map(name => (name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME)}…` : name))
  return `${shown.join(', ')}${groups.length > MOST_TOLD ? ` and ${groups.length - MOST_TOLD} more` : ''}`
}
