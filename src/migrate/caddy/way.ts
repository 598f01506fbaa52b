import { type FieldChanges, NO_CHANGES } from './fields.ts'
import { type Names, resolveNames } from './named.ts'
import { isBelow, judge, type RoutePlace, spellRule, type Verdict } from './place.ts'
import { type Conditions, isRule, type Test } from './rules.ts'
import { type HeaderChanges, type RouteAnswer, UNCHANGED } from './services.ts'

/** An authorizer that a request meets. */
export interface Guard {
  readonly policy: string
  /** Where it stands, as the report says it. */
  readonly where: string
  /** Whether it sees another path than the one that was asked for. */
  readonly isMoved: boolean
}

/** What a rule says of the requests that go one way, or the contrary of it. */
export interface Literal {
  readonly rule: Conditions
  readonly isHeld: boolean
}

/** One folder's name for another, anywhere in a path. */
export interface Replaced {
  readonly find: string
  readonly put: string
}

/** What has happened to a request until somebody answers it. */
export interface Way {
  /** By the text of the rule. */
  readonly literals: ReadonlyMap<string, Literal>
  /** In the order in which they are met. */
  readonly guards: readonly Guard[]
  /** Guards of it that are not carried over: no user may pass. */
  readonly closed: readonly string[]
  readonly stripPrefix: string | null
  readonly addPrefix: string | null
  /** A text of the path in whose place another one is. */
  readonly replaced: Replaced | null
  /** Whether its path was changed in a way that cannot be determined. */
  readonly isRewritten: boolean
  /** Groups of routes of which it has met one. */
  readonly groups: readonly string[]
  /** What took its session off before anything asked for it; null: nothing. */
  readonly hidden: string | null
  /** The handler that tries another path, which only file servers may do. */
  readonly tried: string | null
  /** The file that is tried where there is none at the path itself; null: none, or more than one. */
  readonly page: string | null
  /** The folder for files. */
  readonly root: string | null
  readonly requestHeaders: HeaderChanges
  /** Fields with facts about the user, by the fact. */
  readonly identity: Readonly<Record<string, string>>
  readonly fields: FieldChanges
  /** What names of the file stand for. */
  readonly names: Names
  /** Files that are served before the final handler; null: none are. */
  readonly first: First | null
}

/** Files before an answer, with all that has to be the same for both. */
export interface First {
  readonly answer: RouteAnswer
  readonly where: string
  readonly around: string
}

/** What guards a way, and what its path has become. */
export function aroundOf({ guards, stripPrefix, addPrefix, replaced, isRewritten }: Way): string {
  return JSON.stringify([guards.map(({ policy }) => policy), stripPrefix, addPrefix, replaced, isRewritten])
}

/**
 * The final handler. `refused` is none: with an unchanged error (`isKept`), or where the answer cannot be carried
 * over.
 */
export type End =
  | { readonly kind: 'answer'; readonly answer: RouteAnswer; readonly name: string; readonly where: string }
  | { readonly kind: 'refused'; readonly isKept: boolean; readonly what: string }
  | { readonly kind: 'portal' }
  | { readonly kind: 'nothing' }

/** A way to its end. */
export interface Outcome extends Way {
  readonly end: End
}

export const START: Way = {
  literals: new Map(),
  guards: [],
  closed: [],
  stripPrefix: null,
  addPrefix: null,
  replaced: null,
  isRewritten: false,
  tried: null,
  page: null,
  groups: [],
  hidden: null,
  root: null,
  requestHeaders: UNCHANGED,
  identity: {},
  fields: NO_CHANGES,
  names: new Map(),
  first: null,
}

/**
 * Ways that a test separates: those where it holds, and those where it does not. An undetermined test continues both
 * ways.
 */
export interface Parting {
  readonly held: Way | null
  readonly missed: Way | null
  /** The requests for which it cannot be determined; null: none. */
  readonly untold: 'all' | Conditions | null
}

/** What a test does to a way at a place. */
export function part(test: Test, way: Way, place: RoutePlace): Parting {
  const verdict = judgeOn(test, way, place)
  switch (verdict.kind) {
    case 'yes':
      return { held: way, missed: null, untold: null }
    case 'no':
      return { held: null, missed: way, untold: null }
    case 'unknown':
      return { held: way, missed: way, untold: 'all' }
    case 'rule':
      return { held: whereRule(way, verdict, true), missed: whereRule(way, verdict, false), untold: null }
    case 'bounded': {
      // Where it is known it is `otherwise`: that way is for all requests, and the other one for those that the rule is about.
      const known = whereRule(way, verdict, true)
      const untold = known === null ? null : spellRule(verdict)
      return verdict.otherwise ? { held: way, missed: known, untold } : { held: known, missed: way, untold }
    }
  }
}

/** The requests of a way for which a rule holds, or its contrary; null for none. */
export function whereRule(way: Way, { rule, isHeld }: Literal, holds: boolean): Way | null {
  const key = JSON.stringify(rule)
  const isAsked = isHeld === holds
  const known = way.literals.get(key)
  if (known !== undefined) return known.isHeld === isAsked ? way : null
  return { ...way, literals: new Map([...way.literals, [key, { rule, isHeld: isAsked }]]) }
}

/** What holds of a test for a request that came this way: it sees the path as it has become. */
export function judgeOn(stated: Test, way: Way, place: RoutePlace): Verdict {
  const test = resolveNames(stated, way.names)
  if (asksChanged(test, way) || (way.isRewritten && asksPath(test))) return { kind: 'unknown' }
  // Once a prefix is off, the first name is what was below it.
  const isFirstKept = way.replaced === null || (way.stripPrefix === null && asksFirstName(test))
  if (!isFirstKept && asksPath(test)) return { kind: 'unknown' }
  const { stripPrefix, addPrefix } = way
  if (way.isRewritten || (stripPrefix === null && addPrefix === null)) return judge(test, place)
  const [stripped, added] = [stripPrefix ?? '', addPrefix ?? '']
  const prefix = stripped.toLowerCase()
  const base = (path: string) => added.toLowerCase() + path.slice(prefix.length).replace(/^\/$/, '') || '/'
  const isRoot = place.path === '/' || place.path === prefix
  const path = place.cell === 'point' && isRoot ? `${added.toLowerCase()}/` : base(place.path)
  const boundaries = place.boundaries.filter(at => prefix === '' || isBelow(at, prefix)).map(base)
  const seen = judge(test, { ...place, path, boundaries, stripped, added })
  // A rule is about the whole path, and says what holds of either.
  if (seen.kind === 'rule' || place.path !== prefix || place.cell === 'point') return seen
  // What is below the prefix is the root as well.
  const point = `${added.toLowerCase()}/`
  const root = judge(test, { ...place, path: point, boundaries, stripped, added, cell: 'point' })
  return JSON.stringify(root) === JSON.stringify(seen) ? seen : { kind: 'unknown' }
}

/** Whether it asks for a field that is another one by then. */
function asksChanged(test: Test, way: Way): boolean {
  if (test.kind === 'all') return test.parts.some(one => asksChanged(one, way))
  if (test.kind === 'not') return asksChanged(test.part, way)
  if (test.kind !== 'rule' || !isRule(test.rule.headers ?? null)) return false
  const { set, append, remove } = way.requestHeaders
  const changed = [...Object.keys({ ...set, ...append, ...way.identity }), ...remove].map(name => name.toLowerCase())
  return Object.keys(test.rule.headers ?? {}).some(name => changed.includes(name.toLowerCase()))
}

/**
 * Whether all that it asks of a path is how its first name begins, which is the same whether or not a folder below it has another name.
 * What is below the folder at the root has no part in it.
 */
function asksFirstName(test: Test): boolean {
  if (test.kind === 'all') return test.parts.every(part => asksFirstName(part))
  if (test.kind === 'not') return asksFirstName(test.part)
  if (test.kind === 'asked') return false
  return test.kind !== 'path' || test.patterns.every(pattern => /^\/[^/*?[\\{%]+\/?\*$|^\/?\*$/.test(pattern))
}

function asksPath(test: Test): boolean {
  if (test.kind === 'all') return test.parts.some(asksPath)
  return test.kind === 'not' ? asksPath(test.part) : test.kind === 'path' || test.kind === 'asked'
}

/** The same way, closed. */
export function close(way: Way, what: string): Way {
  return way.closed.includes(what) ? way : { ...way, closed: [...way.closed, what] }
}

/** What is said of the requests that come a way, as rules that all hold. */
export function spellLiterals(literals: readonly Literal[]): readonly Conditions[] {
  return literals.map(spellRule)
}
