/** The decision about a request: allow, sign in, sign in again, or deny, with its reason. */

import type { Allow } from '../config/keys/allow.ts'
import type { RouteConfig } from '../config/resolve/routes.ts'
import { NO_TRUST, type TrustedEmails } from '../identity/claim-trust.ts'
import { lacksGroups } from '../identity/claims.ts'
import type { Identity } from '../identity/identity.ts'
import type { StepUp } from '../identity/step-up.ts'
import { type Facts, type Needs, NOTHING } from './condition.ts'
import { chooseTold, findNearest, type Reason, type Told, type Trial, tellReason, tellRoles } from './reasons.ts'
import type { Roles, RolesOf } from './roles.ts'
import type { Asker, RuleRoles } from './rule.ts'
import {
  allows,
  compileRuleSet,
  denies,
  findStepUp,
  isSetAboutEmail,
  maySignInHelp,
  needsOfSet,
  type RuleSet,
  tryRuleSet,
} from './rule-set.ts'

/** A verdict with its reasons. `roles` are those that this person has at the route's portal. */
export type Decision =
  | { readonly verdict: 'allow'; readonly reason: Reason; readonly roles: readonly string[] }
  | { readonly verdict: 'sign-in'; readonly reason: Reason }
  /** Signed in, and nothing is missing but a newer or a stronger sign-in. */
  | {
      readonly verdict: 'step-up'
      readonly reason: Reason
      readonly roles: readonly string[]
      readonly demand: StepUp
      readonly trials: readonly Trial[]
    }
  | Denial

/** A refusal, with what the user may see: any one of the roles in `needed` would be enough. */
export interface Denial extends Told {
  readonly verdict: 'deny'
  readonly reason: Reason
  readonly roles: readonly string[]
  readonly trials: readonly Trial[]
  /** What was thrown, for `rule.broken`. */
  readonly fault?: unknown
}

/** The rules of one route, compiled. */
export interface Policy {
  readonly allow: Allow
  readonly methods: ReadonlySet<string> | null
  /** Whether the method has a part in which route of its host a request is for. */
  readonly isChosenByMethod: boolean
  readonly rolesOf: RolesOf
  readonly hasPortal: boolean
  /** Whose e-mail addresses count; null where no rule looks at any. */
  readonly emails: TrustedEmails | null
  /** Null where `allow` says it all without a rule: then nothing else is looked at. */
  readonly rules: RuleSet | null
  /** Whether one decision holds for every request of a user. If not, each request is decided on its own. */
  readonly isStatic: boolean
  /** Which facts decisions depend on, apart from `methods`. */
  readonly needs: Needs
}

const NO_ROLES: readonly string[] = Object.freeze([])
const NO_TRIALS: readonly Trial[] = Object.freeze([])
/** For a route without a portal. */
export const NO_PORTAL: RuleRoles = Object.freeze({
  judges: new Map(),
  aboutEmail: new Set<string>(),
  ...NO_TRUST,
})
const NOTHING_TOLD: Told = Object.freeze({ needed: [], reasons: [] })

/** The rules of a route with its portal's roles; null for a route without a portal. */
export function compilePolicy(
  route: Pick<RouteConfig, 'allow' | 'deny' | 'methods'>,
  roles: Roles | null,
  isChosenByMethod = false,
): Policy {
  const rules = compileRuleSet(route, roles ?? NO_PORTAL)
  const needs = rules === null ? NOTHING : needsOfSet(rules)
  return Object.freeze({
    allow: route.allow,
    methods: route.methods === null ? null : new Set(route.methods),
    isChosenByMethod,
    rolesOf: roles?.of ?? (() => NO_ROLES),
    hasPortal: roles !== null,
    emails: looksAtEmails(route.allow, rules, roles ?? NO_PORTAL) ? (roles ?? NO_PORTAL).trusted : null,
    rules,
    isStatic: !Object.values(needs).includes(true),
    needs,
  })
}

function looksAtEmails(allow: Allow, rules: RuleSet | null, { aboutEmail }: RuleRoles): boolean {
  if (rules !== null) return isSetAboutEmail(rules)
  return allow.kind === 'roles' && allow.roles.some(role => aboutEmail.has(role))
}

/**
 * Whether a user (null: an anonymous client) may do this. Pure: no clock, no network. It denies what is not clearly
 * allowed.
 *
 * The gate, the portal's list and `explain` all ask this function.
 */
export function decidePolicy(policy: Policy, identity: Identity | null, facts: Facts): Decision {
  return allowsMethod(policy, facts.method)
    ? decideAccess(policy, identity, facts)
    : deny('method.not_listed', NO_ROLES, NO_TRIALS, NOTHING_TOLD)
}

/**
 * The decision without the route's `methods`. For a policy that `isStatic` the facts do not matter, and the gate keeps
 * the decision per session and route. A rule that throws denies.
 */
export function decideAccess(policy: Policy, identity: Identity | null, facts: Facts): Decision {
  try {
    return policy.rules === null
      ? decidePlain(policy, identity)
      : decideRules(policy, policy.rules, { identity, facts, light: 'now' })
  } catch (fault) {
    return { ...deny('rule.broken', NO_ROLES, NO_TRIALS, NOTHING_TOLD), fault }
  }
}

/** Whether `deny` alone keeps a user (null: an anonymous client) out, or may do so. A rule that throws does. */
export function isShutOut({ rules }: Policy, identity: Identity | null, facts: Facts): boolean {
  try {
    return rules !== null && denies(rules, { identity, facts, light: 'now' }) !== 'no'
  } catch {
    return true
  }
}

/** Whether a route takes this method; null is any. */
export function allowsMethod(policy: Policy, method: string | null): boolean {
  return policy.methods === null || (method !== null && policy.methods.has(method))
}

/**
 * Whether what a backend may read as a path of a route never passes, whoever asks: the route sends everybody away, or what is open there
 * is judged by bodies, which another route does not read.
 */
export function barsReadings({ answer, tools }: Pick<RouteConfig, 'answer' | 'tools'>): boolean {
  return tools !== null || answer?.kind === 'redirect' || (answer?.kind === 'respond' && answer.status >= 400)
}

/** Whether the verdict may be another for another method: then an application must not act on one that was not judged. */
export function looksAtMethod({ methods, needs, isChosenByMethod }: Policy): boolean {
  return methods !== null || needs.method || isChosenByMethod
}

/** Every entry of `allow` and `deny`, with its result; empty where `allow` has no rules. For `explain`. */
export function tryRules(policy: Policy, identity: Identity | null, facts: Facts): readonly Trial[] {
  return policy.rules === null ? NO_TRIALS : tryRuleSet(policy.rules, { identity, facts, light: 'now' })
}

function decidePlain(policy: Policy, identity: Identity | null): Decision {
  const { allow } = policy
  if (allow.kind === 'public') {
    return { verdict: 'allow', reason: 'route.public', roles: identity === null ? NO_ROLES : policy.rolesOf(identity) }
  }
  if (!policy.hasPortal) return deny('portal.unknown', NO_ROLES, NO_TRIALS, NOTHING_TOLD)
  if (identity === null) return { verdict: 'sign-in', reason: 'identity.none' }
  if (identity.isGuest === true) return deny('guest.none', NO_ROLES, NO_TRIALS, tellReason('person.other'))
  const roles = policy.rolesOf(identity)
  if (allow.kind === 'authenticated' && identity.isClient === true) {
    return deny('client.none', roles, NO_TRIALS, tellReason('client.none'))
  }
  if (allow.kind === 'authenticated') return { verdict: 'allow', reason: 'identity.signed_in', roles }
  if (allow.kind === 'rules') throw new TypeError('a list of rules is compiled to a rule set')
  if (allow.roles.some(role => roles.includes(role))) return { verdict: 'allow', reason: 'role.held', roles }
  return withoutGroups(identity, deny('role.missing', roles, NO_TRIALS, tellRoles(allow.roles)))
}

function decideRules(policy: Policy, rules: RuleSet, asker: Asker): Decision {
  const { identity } = asker
  const roles = identity === null ? NO_ROLES : policy.rolesOf(identity)
  const isDenied = denies(rules, asker) !== 'no'
  if (!isDenied && allows(rules, asker) === 'yes')
    return { verdict: 'allow', reason: REASON_TO_ALLOW[policy.allow.kind], roles }
  const needsSignIn = identity === null && maySignInHelp(rules, asker)
  if (needsSignIn && policy.hasPortal) return { verdict: 'sign-in', reason: 'identity.none' }
  const trials = tryRuleSet(rules, asker)
  if (needsSignIn) return deny('portal.unknown', NO_ROLES, trials, chooseTold(trials))
  const demand = identity === null || identity.isGuest === true ? null : findStepUp(rules, asker)
  if (demand !== null) return { verdict: 'step-up', reason: reasonToStepUp(demand), roles, demand, trials }
  if (!isDenied && policy.allow.kind === 'authenticated' && identity?.isClient === true) {
    return deny('client.none', roles, trials, tellReason('client.none'))
  }
  const reason = isDenied ? 'rule.denied' : reasonToDeny(trials, identity !== null)
  return withoutGroups(identity, deny(reason, roles, trials, chooseTold(trials)))
}

/** The reasons that may be others for somebody whose groups are known. */
const BY_GROUPS: ReadonlySet<Reason> = new Set<Reason>(['role.missing', 'group.missing'])

/** A denial of somebody whose groups their provider keeps to itself: that is no word about what they are in. */
function withoutGroups(identity: Identity | null, denial: Denial): Denial {
  if (identity === null || !lacksGroups(identity) || !BY_GROUPS.has(denial.reason)) return denial
  return { ...denial, reason: 'group.unknown', reasons: [...denial.reasons, ...tellReason('group.unknown').reasons] }
}

const REASON_TO_ALLOW = {
  public: 'route.public',
  authenticated: 'identity.signed_in',
  roles: 'role.held',
  rules: 'rule.held',
} as const satisfies Record<Allow['kind'], Reason>

function reasonToStepUp({ maxAgeS, acr }: StepUp): Reason {
  return maxAgeS !== null ? 'sign_in.old' : acr.length > 0 ? 'acr.other' : 'amr.other'
}

/**
 * The first thing that is missing in the closest entry. For an anonymous client, conditions about the request come
 * before those about the user, since no sign-in can change them.
 */
function reasonToDeny(trials: readonly Trial[], isSignedIn: boolean): Reason {
  const missing = findNearest(trials, isSignedIn)?.missing ?? []
  const first = isSignedIn ? missing[0] : (missing.find(({ kind }) => kind === 'request') ?? missing[0])
  return first?.reason ?? 'person.other'
}

function deny(reason: Reason, roles: readonly string[], trials: readonly Trial[], told: Told): Denial {
  return { verdict: 'deny', reason, roles, trials, ...told }
}
