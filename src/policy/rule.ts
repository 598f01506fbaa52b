/** One rule of `allow` or `deny`, compiled. */

import type { AccessRule } from '../config/keys/rules.ts'
import type { Identity } from '../identity/identity.ts'
import type { StepUp } from '../identity/step-up.ts'
import { type Condition, type Facts, type Needs, NOTHING, type PersonCondition } from './condition.ts'
import type { Missing } from './reasons.ts'
import { compileRequest } from './request-conditions.ts'
import type { Roles } from './roles.ts'
import { compileSignIn } from './sign-in-conditions.ts'
import { all, any, negate, type Truth } from './truth.ts'
import { compilePerson } from './user-conditions.ts'

/** One rule, compiled: everything in it must hold. */
export interface Rule {
  readonly conditions: readonly Condition[]
  readonly all: readonly Rule[]
  /** Null: no such key. */
  readonly any: readonly Rule[] | null
  readonly not: Rule | null
  /**
   * It says nothing about the user apart from the provider. So it is for users, and not for programs that act in their
   * own name.
   */
  readonly isWide: boolean
}

/**
 * The user who asks, and what is assumed about them.
 *
 * - `now`: the user as they are; an anonymous client satisfies no condition.
 * - `signed-in`: whether an anonymous client could pass after a sign-in. Conditions about users are unknown.
 * - `stepped-up`: as if the user had just signed in again in the way that the rules want.
 */
export interface Asker {
  readonly identity: Identity | null
  readonly facts: Facts
  readonly light: 'now' | 'signed-in' | 'stepped-up'
}

/** What a rule asks the portal: who has its roles, and whose word counts. */
export type RuleRoles = Pick<Roles, 'judges' | 'aboutEmail' | 'trusted' | 'fileGroups'>

/** A rule of the file as closures; roles by what the portal says of them. `isInNamed`: a rule around it names providers. */
export function compileRule(rule: AccessRule, roles: RuleRoles, isInNamed = false): Rule {
  const isNamed = isInNamed || rule.providers !== null
  const about = [
    ...(rule.roles === null ? [] : [compileRoleNames(rule.roles, roles)]),
    ...compilePerson(rule, roles, isNamed),
  ]
  const all = (rule.all ?? []).map(part => compileRule(part, roles, isNamed))
  const any = rule.any === null ? null : rule.any.map(part => compileRule(part, roles, isNamed))
  return Object.freeze({
    conditions: [...about, ...compileSignIn(rule), ...compileRequest(rule)],
    all,
    any,
    not: rule.not === null ? null : compileRule(rule.not, roles, isNamed),
    isWide:
      about.length === (rule.providers === null ? 0 : 1) &&
      all.every(part => part.isWide) &&
      (any === null || any.some(part => part.isWide)),
  })
}

export function compileRoleRule(names: readonly string[], roles: RuleRoles): Rule {
  return Object.freeze({ conditions: [compileRoleNames(names, roles)], all: [], any: null, not: null, isWide: false })
}

function compileRoleNames(names: readonly string[], { judges, aboutEmail }: RuleRoles): PersonCondition {
  const wanted = names.map(name => judges.get(name)).filter(judge => judge !== undefined)
  return {
    kind: 'person',
    isAboutEmail: names.some(name => aboutEmail.has(name)),
    missing: () => ({ reason: 'role.missing', kind: 'person', roles: names, detail: '' }),
    judge: identity => any(wanted, judge => judge(identity)),
  }
}

/** Whether a rule holds. An empty rule is always unknown, in `allow` as in `deny`. */
export function judgeRule(rule: Rule, asker: Asker): Truth {
  let truth = all(rule.conditions, condition => judgeCondition(condition, asker))
  if (rule.all.length > 0) truth = both(truth, () => all(rule.all, part => judgeRule(part, asker)))
  const { any: alternatives, not } = rule
  if (alternatives !== null) truth = both(truth, () => any(alternatives, part => judgeRule(part, asker)))
  if (not !== null) truth = both(truth, () => negate(judgeRule(not, asker)))
  return truth === 'yes' && saysNothing(rule) ? 'unknown' : truth
}

/** Whether a rule has nothing in it. */
export function saysNothing({ conditions, all, any, not }: Rule): boolean {
  return conditions.length === 0 && all.length === 0 && any === null && not === null
}

function both(before: Truth, judge: () => Truth): Truth {
  if (before === 'no') return 'no'
  const truth = judge()
  return truth === 'no' || before === 'yes' ? truth : 'unknown'
}

function judgeCondition(condition: Condition, { identity, facts, light }: Asker): Truth {
  if (condition.kind === 'request') return condition.judge(facts)
  if (identity === null) return light === 'signed-in' ? 'unknown' : 'no'
  if (condition.kind === 'person') return condition.judge(identity)
  if (identity.isSketch === true) return 'unknown'
  return light === 'stepped-up' ? 'yes' : condition.judge(identity, facts)
}

/** What of the facts a rule looks at. */
export function needsOf(rule: Rule): Needs {
  const own = rule.conditions.map(condition => (condition.kind === 'person' ? NOTHING : condition.needs))
  return joinNeeds([...own, ...partsOf(rule).map(needsOf)])
}

/** Whether e-mail addresses have a part in a rule. */
export function isAboutEmail(rule: Rule): boolean {
  return (
    rule.conditions.some(condition => condition.kind === 'person' && condition.isAboutEmail) ||
    partsOf(rule).some(isAboutEmail)
  )
}

/** What any of these looks at. */
export function joinNeeds(needs: readonly Needs[]): Needs {
  return Object.freeze({
    client: needs.some(({ client }) => client),
    fields: needs.some(({ fields }) => fields),
    method: needs.some(({ method }) => method),
    path: needs.some(({ path }) => path),
    time: needs.some(({ time }) => time),
  })
}

function partsOf(rule: Rule): readonly Rule[] {
  return [...rule.all, ...(rule.any ?? []), ...(rule.not === null ? [] : [rule.not])]
}

/** Everything in a rule that does not hold for certain. */
export function findMissing(rule: Rule, asker: Asker): readonly Missing[] {
  const found = rule.conditions
    .filter(condition => judgeCondition(condition, asker) !== 'yes')
    .map(condition => {
      if (condition.kind === 'request') return condition.missing(asker.facts)
      return condition.kind === 'person' ? condition.missing(asker.identity) : condition.missing
    })
  for (const part of rule.all) found.push(...findMissing(part, asker))
  if (rule.any !== null && any(rule.any, part => judgeRule(part, asker)) !== 'yes') {
    found.push(...rule.any.flatMap(part => findMissing(part, asker)))
  }
  if (rule.not !== null && judgeRule(rule.not, asker) !== 'no') {
    found.push({ reason: 'rule.excluded', kind: kindOf(rule.not), roles: [], detail: '' })
  }
  return found
}

/** A rule that mentions people anywhere is about people. */
function kindOf(rule: Rule): Missing['kind'] {
  const kinds = [...rule.conditions.map(({ kind }) => kind), ...partsOf(rule).map(kindOf)]
  return kinds.includes('person') ? 'person' : kinds.includes('sign-in') ? 'sign-in' : 'request'
}

/**
 * What a new sign-in has to show for a rule to come out as it does in the light of `stepped-up`.
 *
 * Of alternatives, the first that would hold; of several lists for one claim, the first: the rest is asked for next.
 */
export function findDemand(rule: Rule, asker: Asker): StepUp {
  let demand: StepUp = { maxAgeS: null, acr: [], amr: [] }
  for (const condition of rule.conditions) {
    if (condition.kind !== 'sign-in' || judgeCondition(condition, asker) === 'yes') continue
    demand = joinDemands(demand, { maxAgeS: null, acr: [], amr: [], ...condition.demand })
  }
  const stepped: Asker = { ...asker, light: 'stepped-up' }
  const chosen = rule.any?.find(part => judgeRule(part, stepped) === 'yes')
  const parts = [...rule.all, ...(chosen === undefined ? [] : [chosen]), ...(rule.not === null ? [] : [rule.not])]
  return parts.reduce((total, part) => joinDemands(total, findDemand(part, asker)), demand)
}

/** Both at once. */
export function joinDemands(one: StepUp, other: StepUp): StepUp {
  return {
    maxAgeS:
      one.maxAgeS === null
        ? other.maxAgeS
        : other.maxAgeS === null
          ? one.maxAgeS
          : Math.min(one.maxAgeS, other.maxAgeS),
    acr: one.acr.length > 0 ? one.acr : other.acr,
    amr: one.amr.length > 0 ? one.amr : other.amr,
  }
}
