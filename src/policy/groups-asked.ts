/** For the log of a refusal: the groups that a user has, beside those that rules ask for. */

import type { Allow } from '../config/keys/allow.ts'
import type { RoleRule } from '../config/keys/portals.ts'
import type { AccessRule } from '../config/keys/rules.ts'
import type { PortalConfig } from '../config/resolve/portals.ts'
import { lacksGroups } from '../identity/claims.ts'
import type { Identity } from '../identity/identity.ts'
import type { Reason } from './reasons.ts'

/** Of somebody's groups, and of those that rules ask for: a log is no place for thousands. */
const MOST_TOLD = 20
const LONGEST_NAME = 60

/**
 * The groups of a user who was refused for a missing group, and those that rules ask for: `has family; rules ask for
 * Family`. For a group in `deny` or under `not`: `has interns; rules refuse interns`. Null where no group matters.
 *
 * Only for operators. It shows them a group that the provider spells in another way.
 */
export function tellGroups(
  { allow, deny }: { readonly allow: Allow; readonly deny: readonly AccessRule[] },
  roles: PortalConfig['roles'],
  identity: Identity,
  missing: readonly Reason[],
): string | null {
  const isLacking = missing.includes('group.missing') || missing.includes('role.missing')
  const rules = allow.kind === 'rules' ? allow.rules : []
  const refusing = [
    ...(missing.includes('rule.denied') ? deny : []),
    ...(missing.includes('rule.excluded') ? rules.flatMap(excludedBy) : []),
  ]
  const named = (some: readonly Rule[]) => new Set(some.flatMap(rule => groupsOf(rule, identity.provider)))
  const asked = isLacking ? named(askedBy(allow, roles)) : new Set<string>()
  const refused = named(refusing.flatMap(rule => partsOf(rule, roles)))
  for (const group of identity.groups) asked.delete(group)
  const said = [
    ...(asked.size === 0 ? [] : [`rules ask for ${listed([...asked])}`]),
    ...(refused.size === 0 ? [] : [`rules refuse ${listed([...refused])}`]),
  ]
  if (said.length === 0) return null
  const held = lacksGroups(identity) ? 'groups that its provider does not tell' : listed(identity.groups)
  return [`has ${held}`, ...said].join('; ')
}

/** What is under `not` in a rule, and in its parts. */
function excludedBy(rule: AccessRule): readonly AccessRule[] {
  const parts = [...(rule.all ?? []), ...(rule.any ?? [])].flatMap(excludedBy)
  return rule.not === null ? parts : [rule.not, ...parts]
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
