/** `allow` and `deny` of one route, compiled to closures. */

import type { AccessRule } from '../config/keys/rules.ts'
import type { RouteConfig } from '../config/resolve/routes.ts'
import type { StepUp } from '../identity/step-up.ts'
import type { Needs } from './condition.ts'
import type { Missing, Trial } from './reasons.ts'
import {
  type Asker,
  compileRoleRule,
  compileRule,
  findDemand,
  findMissing,
  isAboutEmail,
  joinDemands,
  joinNeeds,
  judgeRule,
  needsOf,
  type Rule,
  type RuleRoles,
  saysNothing,
} from './rule.ts'
import { any, type Truth } from './truth.ts'

/** `allow` and `deny` of one route, compiled. */
export interface RuleSet {
  /** Whom `allow` names: everyone, every signed-in user, or those for whom one of its entries holds. */
  readonly open: 'everyone' | 'signed-in' | 'listed'
  /** Rules with an expression behind all others: those may decide before it is asked. */
  readonly allow: readonly AllowRule[]
  readonly deny: readonly DenyRule[]
}

interface DenyRule {
  readonly rule: Rule
  /** Its place in the file's list, from 0. */
  readonly index: number
  /** Whether it has a regular expression. */
  readonly isDear: boolean
}

interface AllowRule extends DenyRule {
  readonly isAnonymous: boolean
  readonly isForGuests: boolean
}

/** The rules of a route; null where `allow` says it all without a rule. */
export function compileRuleSet(route: Pick<RouteConfig, 'allow' | 'deny'>, roles: RuleRoles): RuleSet | null {
  return route.allow.kind !== 'rules' && route.deny.length === 0 ? null : compileLists(route, roles)
}

/** `allow` and `deny` of a route as rules, in each of their forms. */
export function compileLists({ allow, deny }: Pick<RouteConfig, 'allow' | 'deny'>, roles: RuleRoles): RuleSet {
  return Object.freeze({
    open: allow.kind === 'public' ? 'everyone' : allow.kind === 'authenticated' ? 'signed-in' : 'listed',
    allow:
      allow.kind === 'rules'
        ? inTurn(
            allow.rules.map((entry, index) => {
              const { isAnonymous, isForGuests } = entry
              return { ...denyRule(entry, index, roles), isAnonymous, isForGuests }
            }),
          )
        : allow.kind === 'roles'
          ? [{ ...ROLES_ALONE, rule: compileRoleRule(allow.roles, roles) }]
          : [],
    deny: inTurn(deny.map((entry, index) => denyRule(entry, index, roles))),
  })
}

const ROLES_ALONE = { index: 0, isDear: false, isAnonymous: false, isForGuests: false }

function denyRule(entry: AccessRule, index: number, roles: RuleRoles): DenyRule {
  return { rule: compileRule(entry, roles), index, isDear: hasExpression(entry) }
}

function hasExpression({ pathRegexp, all, any, not }: AccessRule): boolean {
  const parts = [...(all ?? []), ...(any ?? []), ...(not === null ? [] : [not])]
  return pathRegexp !== null || parts.some(hasExpression)
}

function inTurn<T extends DenyRule>(entries: readonly T[]): readonly T[] {
  return entries.toSorted((one, other) => Number(one.isDear) - Number(other.isDear))
}

/** What of the facts the rules look at. */
export function needsOfSet({ allow, deny }: RuleSet): Needs {
  return joinNeeds([...allow, ...deny].map(({ rule }) => needsOf(rule)))
}

/** Whether e-mail addresses have a part in any of the rules. */
export function isSetAboutEmail({ allow, deny }: RuleSet): boolean {
  return [...allow, ...deny].some(({ rule }) => isAboutEmail(rule))
}

/** Whether any entry of `deny` holds. What is not certain counts as held. */
export function denies({ deny }: RuleSet, asker: Asker): Truth {
  return any(deny, ({ rule }) => judgeRule(rule, asker))
}

/** Whether any entry of `allow` holds. */
export function allows({ open, allow }: RuleSet, asker: Asker): Truth {
  if (open === 'everyone') return 'yes'
  if (open === 'listed') return any(allow, entry => judgeAllow(entry, asker))
  if (asker.identity?.isGuest === true || asker.identity?.isClient === true) return 'no'
  return asker.identity !== null ? 'yes' : asker.light === 'signed-in' ? 'unknown' : 'no'
}

/**
 * Without `anonymous`, an entry of `allow` never holds for an anonymous client. An entry with `guest_link` holds only
 * for guests. An entry without it holds for a guest only with `anonymous`. An entry that says nothing about the user
 * apart from the provider holds for a program in its own name only with `anonymous`, too.
 */
function judgeAllow({ rule, isAnonymous, isForGuests }: AllowRule, asker: Asker): Truth {
  const isGuest = asker.identity?.isGuest === true
  if (isForGuests ? !isGuest : isGuest && !isAnonymous) return 'no'
  if (isForGuests && !saysNothing(rule)) return judgeRule(rule, asker)
  if (isForGuests) return 'yes'
  if (rule.isWide && !isAnonymous && asker.identity?.isClient === true) return 'no'
  const truth = judgeRule(rule, asker)
  if (asker.identity !== null) return truth
  // Nothing in an anonymous entry is about people: a sign-in would not make it any clearer.
  if (isAnonymous) return asker.light === 'signed-in' && truth === 'unknown' ? 'no' : truth
  return asker.light === 'signed-in' && truth !== 'no' ? 'unknown' : 'no'
}

/** Whether an anonymous client could pass by signing in. */
export function maySignInHelp(rules: RuleSet, asker: Asker): boolean {
  const later: Asker = { ...asker, light: 'signed-in' }
  return denies(rules, later) !== 'yes' && allows(rules, later) !== 'no'
}

/** What a new sign-in would have to show for everything to hold; null where that would not be enough. */
export function findStepUp(rules: RuleSet, asker: Asker): StepUp | null {
  const stepped: Asker = { ...asker, light: 'stepped-up' }
  if (denies(rules, stepped) !== 'no' || allows(rules, stepped) !== 'yes') return null
  const demands = rules.deny
    .filter(({ rule }) => judgeRule(rule, asker) !== 'no')
    .map(({ rule }) => findDemand(rule, asker))
  if (allows(rules, asker) !== 'yes') {
    const chosen = rules.allow.find(entry => judgeAllow(entry, stepped) === 'yes')
    if (chosen !== undefined) demands.push(findDemand(chosen.rule, asker))
  }
  return demands.reduce(joinDemands, { maxAgeS: null, acr: [], amr: [] })
}

/** Every entry of both lists in the order of the file, with its result. */
export function tryRuleSet({ allow, deny }: RuleSet, asker: Asker): readonly Trial[] {
  const inOrder = <T extends DenyRule>(entries: readonly T[]) =>
    entries.toSorted((one, other) => one.index - other.index)
  return [
    ...inOrder(deny).map(({ rule, index }) => trial('deny', index, judgeRule(rule, asker), findMissing(rule, asker))),
    ...inOrder(allow).map(entry => {
      const missing = findMissing(entry.rule, asker)
      return trial('allow', entry.index, judgeAllow(entry, asker), [...missingOf(entry, asker), ...missing])
    }),
  ]
}

/** What an entry misses before any of its keys is looked at. */
function missingOf({ isAnonymous, isForGuests }: AllowRule, { identity }: Asker): readonly Missing[] {
  if (isForGuests) return identity?.isGuest === true ? [] : [GUESTS_ONLY]
  if (isAnonymous) return []
  return identity === null ? [NOBODY] : identity.isGuest === true ? [NO_GUESTS] : []
}

const GUESTS_ONLY: Missing = Object.freeze({ reason: 'guest.only', kind: 'person', roles: [], detail: '' })
const NO_GUESTS: Missing = Object.freeze({ reason: 'guest.none', kind: 'person', roles: [], detail: '' })
const NOBODY: Missing = Object.freeze({ reason: 'identity.none', kind: 'person', roles: [], detail: '' })

function trial(list: Trial['list'], index: number, truth: Truth, missing: readonly Missing[]): Trial {
  const outcome = truth === 'yes' ? 'holds' : truth === 'no' ? 'fails' : 'unknown'
  return { list, index, outcome, missing: truth === 'yes' ? [] : missing }
}
