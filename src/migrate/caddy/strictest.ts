/** The strictest of the outcomes at a place, and for which requests it holds. */

import type { End, Guard, Outcome } from './outcomes.ts'
import type { Ruled } from './route-place.ts'
import { type Conditions, isRule } from './rules.ts'

/** An answer of the old file's, with what is done to a request for it. */
export interface Served extends Pick<Outcome, 'stripPrefix' | 'addPrefix' | 'requestHeaders' | 'identity'> {
  readonly replaced: Pick<NonNullable<Outcome['replaced']>, 'find' | 'put'> | null
  readonly answer: Extract<End, { kind: 'answer' }>
}

/**
 * The result for requests with the same known facts: `served` to users that pass the guards, `closed` where something
 * else guarded it, `refused` to everyone, answered by a `portal`, or by `nothing`.
 */
type Fate =
  | { readonly kind: 'served'; readonly served: Served; readonly guards: readonly Guard[] }
  | {
      readonly kind: 'closed'
      readonly served: Served | null
      readonly guards: readonly Guard[]
      readonly why: readonly string[]
    }
  | { readonly kind: 'refused' | 'portal' | 'nothing' }

/** The fate of those requests that all of the literals hold for. */
export interface Branch {
  readonly literals: readonly Ruled[]
  readonly fate: Fate
}

/** More rules of one place than these are not followed. */
const MAX_RULES = 4

/**
 * One fate for each kind of request, where the outcomes name possible fates. Where they differ, it is the strictest:
 * the guards of all of them, and no user at all where they have different answers.
 */
export function ruleOn(outcomes: readonly Outcome[]): readonly Branch[] {
  const literals = literalsOf(outcomes)
  const all = [...literals.keys()]
  // For the paths that a pattern separates, the strictest fate is always right, too.
  const keys = isPrecise(outcomes) ? all : all.filter(key => !asksPath(literals.get(key)?.rule ?? {}))
  if (keys.length > MAX_RULES) {
    const fate = join(outcomes)
    const why = ['more matchers than rules can say']
    const served = fate.kind === 'served' || fate.kind === 'closed' ? fate.served : null
    return [{ literals: [], fate: { kind: 'closed', served, guards: guardsOf(outcomes), why } }]
  }
  return settle(outcomes, keys, literals)
}

/** Whether `ruleOn` returns every distinction of the outcomes. */
export function isPrecise(outcomes: readonly Outcome[]): boolean {
  return literalsOf(outcomes).size <= MAX_RULES
}

function literalsOf(outcomes: readonly Outcome[]): ReadonlyMap<string, Ruled> {
  return new Map(outcomes.flatMap(({ literals }) => [...literals]))
}

function settle(
  outcomes: readonly Outcome[],
  keys: readonly string[],
  literals: ReadonlyMap<string, Ruled>,
): readonly Branch[] {
  const [key, ...rest] = keys
  const literal = key === undefined ? undefined : literals.get(key)
  if (key === undefined || literal === undefined) return [{ literals: [], fate: join(outcomes) }]
  const those = (isHeld: boolean) => outcomes.filter(({ literals: own }) => own.get(key)?.isHeld !== !isHeld)
  const held = settle(those(true), rest, literals)
  const missed = settle(those(false), rest, literals)
  if (meaningOf(held) === meaningOf(missed)) return held
  const under = (branches: readonly Branch[], isHeld: boolean) =>
    branches.map(branch => ({ ...branch, literals: [{ ...literal, isHeld }, ...branch.literals] }))
  return [...under(held, true), ...under(missed, false)]
}

interface Leaf {
  /** Null for all that is left. */
  readonly when: Conditions | null
  readonly outcomes: readonly Outcome[]
}

/** More than these have no routes of their own. */
const MAX_PARTED = 8

/**
 * The outcomes of a place, grouped by the conditions that `when` of a route can express, in an order in which the
 * first match counts. All of them are one group where they have one answer, or where `when` cannot express their
 * difference. `tells`: whether a policy has identity fields, which an application has to miss where no route asks for
 * the user.
 */
export function partOutcomes(outcomes: readonly Outcome[], tells: (guard: Guard) => boolean): readonly Leaf[] {
  const whole: readonly Leaf[] = [{ when: null, outcomes }]
  const literals = literalsOf(outcomes)
  const keys = [...literals].flatMap(([key, { rule }]) => (mergeWhen([rule]) === null ? [] : [key]))
  if (keys.length === 0 || keys.length > MAX_PARTED) return whole
  const answersOf = (some: readonly Outcome[]) =>
    new Set(
      ruleOn(some).flatMap(({ fate }) => {
        if (fate.kind !== 'served' || isRefusal(fate.served)) return []
        const { identity, answer } = fate.served
        const isTold = Object.keys({ ...identity, ...answer.answer.headers }).length > 0 && fate.guards.length > 0
        return `${keyOf(fate.served)} ${isTold || fate.guards.some(tells)}`
      }),
    )
  if (answersOf(outcomes).size < 2) return whole
  const parted = (some: readonly Outcome[], [key, ...rest]: readonly string[]): readonly Parted[] => {
    const rule = key === undefined ? undefined : literals.get(key)?.rule
    if (key === undefined || rule === undefined || answersOf(some).size < 2) return [{ rules: [], outcomes: some }]
    const those = (isHeld: boolean) =>
      some.flatMap(one => {
        const literal = one.literals.get(key)
        if (literal === undefined) return one
        const others = [...one.literals].filter(([other]) => other !== key)
        return literal.isHeld === isHeld ? { ...one, literals: new Map(others) } : []
      })
    const held = parted(those(true), rest).map(leaf => ({ ...leaf, rules: [rule, ...leaf.rules] }))
    return [...held, ...parted(those(false), rest)]
  }
  // As few conditions as possible: the rules of a route express the other differences.
  const pairs = keys.flatMap(key => keys.flatMap(other => (other === key ? [] : [[key, other]])))
  for (const some of [...keys.map(key => [key]), ...pairs, keys]) {
    const found = parted(outcomes, some)
    const leaves = found.map(({ rules, outcomes: own }) => ({ when: mergeWhen(rules), outcomes: own }))
    const isSaid = leaves.every(({ when }, at) => when !== null || at === leaves.length - 1)
    if (isSaid && leaves.every(leaf => answersOf(leaf.outcomes).size < 2)) return leaves
  }
  return whole
}

interface Parted {
  readonly rules: readonly Conditions[]
  readonly outcomes: readonly Outcome[]
}

/** Rules that all have to hold, as `when` of a route; null for none, and where it does not say them. */
function mergeWhen(rules: readonly Conditions[]): Conditions | null {
  const [first, ...others] = rules
  if (first === undefined) return null
  const { all, ...own } = first
  const parts = Array.isArray(all) ? all.filter(isRule) : []
  const isKnown = Object.keys(own).every(key => WHEN.includes(key)) && (all === undefined || parts.length > 0)
  if (!isKnown) return null
  const rest = [...parts, ...others]
  if (rest.length === 0) return Object.keys(own).length === 0 ? null : own
  const merged = mergeWhen(rest)
  if (merged === null || Object.keys(own).length === 0) return merged
  const [one, other] = [own, merged].map(({ ignore_case: _, ...said }) => said)
  const asksPaths = [own, merged].filter(asksPath)
  if (Object.keys(one ?? {}).some(key => Object.hasOwn(other ?? {}, key))) return null
  if (asksPaths.length > 1 && own.ignore_case !== merged.ignore_case) return null
  return { ...merged, ...own }
}

const WHEN = ['methods', 'paths', 'path_regexp', 'ignore_case', 'query']

/** The fates of requests, from every place in the file that sets them. */
function meaningOf(branches: readonly Branch[]): string {
  return JSON.stringify(branches, (key, value) => (key === 'where' ? undefined : value))
}

function asksPath(rule: Conditions): boolean {
  return Object.hasOwn(rule, 'paths') || Object.hasOwn(rule, 'path_regexp')
}

function join(outcomes: readonly Outcome[]): Fate {
  const ended = outcomes.filter(({ end }) => end.kind !== 'portal')
  if (ended.length === 0) return { kind: outcomes.length === 0 ? 'nothing' : 'portal' }
  const fate = joinEnded(ended)
  if (ended.length === outcomes.length || (fate.kind !== 'served' && fate.kind !== 'closed')) return fate
  // A path that a portal may have answered is closed for everyone.
  const why = ['a possible address of a portal', ...(fate.kind === 'closed' ? fate.why : [])]
  return { kind: 'closed', served: fate.served, guards: fate.guards, why }
}

function joinEnded(ended: readonly Outcome[]): Fate {
  if (ended.length === 0) return { kind: 'nothing' }
  const why = [...new Set(ended.flatMap(({ closed }) => closed))]
  const answers = new Map(ended.flatMap(outcome => servedBy(outcome)).map(one => [keyOf(one), one]))
  const served = [...answers.values()].at(-1) ?? null
  const guards = guardsOf(ended)
  if (why.length > 0) return { kind: 'closed', served, guards, why }
  const others = ended.filter(({ end }) => end.kind !== 'answer')
  if (served !== null && answers.size === 1 && others.length === 0) return { kind: 'served', served, guards }
  const lost = others.flatMap(({ end }) => (end.kind === 'refused' && !end.isKept ? [end.what] : []))
  if (served === null && lost.length > 0) return { kind: 'closed', served, guards, why: [...new Set(lost)] }
  if (served === null) return { kind: others.some(({ end }) => end.kind === 'refused') ? 'refused' : 'nothing' }
  const all = ended.map(({ end }) =>
    end.kind === 'answer' ? end.where : end.kind === 'refused' ? end.what : 'nothing else',
  )
  return { kind: 'closed', served, guards, why: [...new Set(all)] }
}

function servedBy({ end, stripPrefix, addPrefix, replaced, requestHeaders, identity }: Outcome): readonly Served[] {
  if (end.kind !== 'answer') return []
  const folder = replaced === null ? null : { find: replaced.find, put: replaced.put }
  return [{ answer: end, stripPrefix, addPrefix, replaced: folder, requestHeaders, identity }]
}

function guardsOf(outcomes: readonly Outcome[]): readonly Guard[] {
  return [...new Map(outcomes.flatMap(({ guards }) => guards).map(guard => [JSON.stringify(guard), guard])).values()]
}

/** The key that separates an answer from others. */
export function keyOf({ answer, stripPrefix, addPrefix, replaced, requestHeaders, identity }: Served): string {
  return JSON.stringify([answer.answer, stripPrefix, addPrefix, replaced, requestHeaders, identity])
}

/** Whether it is an application that answers, or files: not an answer of the file's own. */
export function isApplication({ answer }: Served): boolean {
  return answer.answer.entries.some(({ key }) => key === 'upstream' || key === 'files')
}

/** Whether it is an answer of the file's own that keeps everyone out. */
export function isRefusal({ answer }: Served): boolean {
  return answer.answer.isRefusal
}
