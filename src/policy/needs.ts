/** Why a request was refused, for log and operators: what it needs, by rules and groups, and whether an unverified address is in the way. */

import type { Allow } from '../config/keys/allow.ts'
import type { RoleRule } from '../config/keys/portals.ts'
import type { AccessRule } from '../config/keys/rules.ts'
import type { PortalConfig } from '../config/resolve/portals.ts'
import type { RouteConfig } from '../config/resolve/routes.ts'
import { isEmailVouched } from '../identity/claim-trust.ts'
import { lacksGroups } from '../identity/claims.ts'
import type { Identity } from '../identity/identity.ts'
import type { Facts } from './condition.ts'
import { describeRule } from './describe.ts'
import { type Decision, decideAccess, type Policy } from './policy.ts'
import { findNearest, type Reason, type Trial } from './reasons.ts'

/** A log is no place for a list of a thousand addresses. */
const MAX_LENGTH = 300

/**
 * What a refused request needs to pass, in the words of the file: the closest entry of `allow`, or the entry of `deny`
 * that refuses it. Null where it passed, or where no rule refused it.
 *
 * Only for operators, since it names users, groups and networks.
 */
export function tellNeeds(
  { allow, deny, methods }: Pick<RouteConfig, 'allow' | 'deny' | 'methods'>,
  { verdict, reason }: Decision,
  trials: readonly Trial[],
  isSignedIn: boolean,
): string | null {
  if (verdict === 'allow' || reason === 'rule.broken' || reason === 'portal.unknown' || reason.startsWith('token.'))
    return null
  if (reason === 'method.not_listed') return cut(`method ${(methods ?? []).join(' or ')}`)
  if (verdict === 'deny' && reason === 'rule.denied') {
    const inTheWay = trials.filter(({ list, outcome }) => list === 'deny' && outcome !== 'fails')
    const rules = inTheWay.flatMap(({ index }) => deny[index] ?? [])
    return rules.length === 0 ? null : cut(`not ${rules.map(describeRule).join(', not ')}`)
  }
  const signedIn = isSignedIn ? '' : 'signed in, '
  if (allow.kind === 'roles') return cut(`${signedIn}role ${allow.roles.join(' or ')}`)
  if (allow.kind !== 'rules') return isSignedIn ? null : 'signed in'
  const nearest = allow.rules[findNearest(trials, isSignedIn)?.index ?? -1]
  if (nearest === undefined) return isSignedIn ? null : 'signed in'
  return cut((nearest.isAnonymous || nearest.isForGuests ? '' : signedIn) + describeRule(nearest))
}

function cut(text: string): string {
  return text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH - 1)}…` : text
}

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

/** Somebody was refused whose e-mail address counts for nothing, where rules look at addresses. */
export interface UnverifiedEmail {
  readonly email: string
  /** The name of the table of the provider that does not say that it is verified. */
  readonly provider: string
  /**
   * Whether it is the only obstacle. Only for operators: users who enter an address at a provider must not learn which
   * addresses may pass.
   */
  readonly isAlone: boolean
}

/** What an unverified e-mail address has to do with a refusal by these rules; null for nothing. */
export function findUnverifiedEmail(policy: Policy, identity: Identity, facts: Facts): UnverifiedEmail | null {
  const { email, provider } = identity
  if (policy.emails === null || email === null || isEmailVouched(identity, policy.emails)) return null
  const { verdict } = decideAccess(policy, { ...identity, emailVerified: true }, facts)
  return { email, provider, isAlone: verdict === 'allow' || verdict === 'step-up' }
}

/** The two ways to fix it, as operators read them. */
export function waysOut({ provider }: Pick<UnverifiedEmail, 'provider'>): string {
  return `verify it there; or set emails = "trusted" in [providers.${provider}], if users cannot enter an address that is not theirs, as they can at Keycloak and Pocket ID`
}
