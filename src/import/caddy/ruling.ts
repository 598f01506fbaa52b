import type { Conditions } from './rules.ts'
import type { End, Guard, Literal, Outcome } from './way.ts'

/** An answer of the old file's, with what is done to a request for it. */
export interface Served extends Pick<Outcome, 'stripPrefix' | 'addPrefix' | 'requestHeaders' | 'identity'> {
  readonly answer: Extract<End, { kind: 'answer' }>
}

/**
 * What becomes of the requests of which the same is known: `served` to whoever passes the guards, `closed` where something else
 * guarded it, `refused` to everyone, a `portal`'s, or `nothing` answers.
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
  readonly literals: readonly Literal[]
  readonly fate: Fate
}

/** More rules of one place than these are not followed. */
const MAX_RULES = 4

/**
 * One fate for each kind of request, where the outcomes say what may become of it. Where they do not agree, it is the strictest:
 * the guards of all of them, and nobody at all where not all of them have the same answer.
 */
export function ruleOn(outcomes: readonly Outcome[]): readonly Branch[] {
  const literals = literalsOf(outcomes)
  const all = [...literals.keys()]
  // Of the paths that a pattern tells apart, the strictest fate is always right too.
  const keys = isPrecise(outcomes) ? all : all.filter(key => !asksPath(literals.get(key)?.rule ?? {}))
  if (keys.length > MAX_RULES) {
    const fate = join(outcomes)
    const why = ['more matchers than rules can say']
    const served = fate.kind === 'served' || fate.kind === 'closed' ? fate.served : null
    return [{ literals: [], fate: { kind: 'closed', served, guards: guardsOf(outcomes), why } }]
  }
  return settle(outcomes, keys, literals)
}

/** Whether all that is told apart is told apart in what `ruleOn` answers. */
export function isPrecise(outcomes: readonly Outcome[]): boolean {
  return literalsOf(outcomes).size <= MAX_RULES
}

function literalsOf(outcomes: readonly Outcome[]): ReadonlyMap<string, Literal> {
  return new Map(outcomes.flatMap(({ literals }) => [...literals]))
}

function settle(
  outcomes: readonly Outcome[],
  keys: readonly string[],
  literals: ReadonlyMap<string, Literal>,
): readonly Branch[] {
  const [key, ...rest] = keys
  const literal = key === undefined ? undefined : literals.get(key)
  if (key === undefined || literal === undefined) return [{ literals: [], fate: join(outcomes) }]
  const those = (isHeld: boolean) => outcomes.filter(({ literals: own }) => own.get(key)?.isHeld !== !isHeld)
  const held = settle(those(true), rest, literals)
  const missed = settle(those(false), rest, literals)
  if (JSON.stringify(held) === JSON.stringify(missed)) return held
  const under = (branches: readonly Branch[], isHeld: boolean) =>
    branches.map(branch => ({ ...branch, literals: [{ ...literal, isHeld }, ...branch.literals] }))
  return [...under(held, true), ...under(missed, false)]
}

function asksPath(rule: Conditions): boolean {
  return Object.hasOwn(rule, 'paths') || Object.hasOwn(rule, 'path_regexp')
}

function join(outcomes: readonly Outcome[]): Fate {
  const ended = outcomes.filter(({ end }) => end.kind !== 'portal')
  if (ended.length === 0) return { kind: outcomes.length === 0 ? 'nothing' : 'portal' }
  const fate = joinEnded(ended)
  if (ended.length === outcomes.length || (fate.kind !== 'served' && fate.kind !== 'closed')) return fate
  // What a portal may have answered is open to nobody.
  const why = ['what may be an address of a portal', ...(fate.kind === 'closed' ? fate.why : [])]
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
  return { kind: 'closed', served, guards, why: [...new Set(ended.map(({ end }) => describe(end)))] }
}

function servedBy({ end, stripPrefix, addPrefix, requestHeaders, identity }: Outcome): readonly Served[] {
  return end.kind === 'answer' ? [{ answer: end, stripPrefix, addPrefix, requestHeaders, identity }] : []
}

function guardsOf(outcomes: readonly Outcome[]): readonly Guard[] {
  return [...new Map(outcomes.flatMap(({ guards }) => guards).map(guard => [JSON.stringify(guard), guard])).values()]
}

function describe(end: End): string {
  return end.kind === 'answer' ? end.where : end.kind === 'refused' ? end.what : 'nothing else'
}

/** What tells an answer from others. */
export function keyOf({ answer, stripPrefix, addPrefix, requestHeaders, identity }: Served): string {
  return JSON.stringify([answer.answer, stripPrefix, addPrefix, requestHeaders, identity])
}

/** Whether it is an application that answers, or files: not an answer of the file's own. */
export function isApplication({ answer }: Served): boolean {
  return answer.answer.entries.some(({ key }) => key === 'upstream' || key === 'files')
}

/** Whether it is an answer of the file's own that keeps everyone out. */
export function isRefusal({ answer }: Served): boolean {
  return answer.answer.isRefusal
}
