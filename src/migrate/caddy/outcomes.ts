/** What becomes of requests on their way through handlers: who guards them, what changes them, how they end. */

import { NO_CHANGES, UNCHANGED } from './fields.ts'
import type { RouteAnswer } from './reverse-proxy.ts'
import { isBelow, judge, type RoutePlace, type Ruled, spellRule, type Verdict } from './route-place.ts'
import { type Conditions, leavesOf, type Test } from './rules.ts'
import { type Names, resolveNames } from './variables.ts'

/** An authorizer that a request meets. */
export interface Guard {
  readonly policy: string
  /** Where it stands, as the report says it. */
  readonly where: string
  /** Whether it sees another path than the one that was asked for. */
  readonly isMoved: boolean
}

/** What has been done to a request, or is known of it, until somebody answers it. */
export class Way {
  readonly place: RoutePlace
  /** What rules say of it, by their text. */
  literals: ReadonlyMap<string, Ruled> = new Map()
  guards: readonly Guard[] = []
  /** Guards of it that are not carried over: no user may pass. */
  closed: readonly string[] = []
  stripPrefix: string | null = null
  addPrefix: string | null = null
  /** One folder's name for another, anywhere in its path; `isFirst`: the first one is such a folder. */
  replaced: { readonly find: string; readonly put: string; readonly isFirst: boolean } | null = null
  /** What was taken off its path so that the rest begins with no slash, and the handler that did it; null: nothing. */
  cut: { readonly path: string; readonly where: string } | null = null
  /** Whether its path was changed in a way that cannot be determined. */
  isRewritten = false
  /** Groups of routes of which it has met one. */
  groups: readonly string[] = []
  /** What took its session off before anything asked for it; null: nothing. */
  hidden: string | null = null
  /** The handler that tries another path, which only file servers may do. */
  tried: string | null = null
  /** The file that is tried where there is none at the path itself; null: none, or more than one. */
  page: string | null = null
  /** The folder for files. */
  root: string | null = null
  requestHeaders = UNCHANGED
  /** Fields with facts about the user, by the fact. */
  identity: Readonly<Record<string, string>> = {}
  fields = NO_CHANGES
  /** What names of the file stand for. */
  names: Names = new Map()
  /** Files that are served before the final handler, with all that has to be the same for both; null: none are. */
  first: { readonly answer: RouteAnswer; readonly where: string; readonly around: string } | null = null

  constructor(place: RoutePlace) {
    this.place = place
  }
}

/** The final handler. `refused` is none: with an unchanged error (`isKept`), or where the answer cannot be carried over. */
export type End =
  | { readonly kind: 'answer'; readonly answer: RouteAnswer; readonly name: string; readonly where: string }
  | { readonly kind: 'refused'; readonly isKept: boolean; readonly what: string }
  | { readonly kind: 'portal' }
  | { readonly kind: 'nothing' }

export interface Outcome extends Readonly<Way> {
  readonly end: End
}

/** Answers to what only a request can tell: those that are given, in the order of the questions, and then "yes". */
class Answers {
  readonly given: boolean[]
  #asked = 0
  constructor(given: readonly boolean[]) {
    this.given = [...given]
  }
  next(): boolean {
    if (this.#asked === this.given.length) this.given.push(true)
    return this.given[this.#asked++] === true
  }
}

/** A request that is followed, and its answers. */
export interface Followed {
  readonly way: Way
  readonly answers: Answers
  /** What holds of tests at its place for all requests whose path is as they were asked for. */
  readonly verdicts: Map<Test, Verdict>
}

/**
 * What may become of requests for a place: one walk for each set of answers to what only a request can tell, and no more than `most`. Each
 * walk follows one request; every question that was new in it is answered the other way in a later one.
 */
export function outcomesOf(place: RoutePlace, most: number, walk: (request: Followed) => End) {
  const found = new Map<string, Outcome>()
  const verdicts = new Map<Test, Verdict>()
  const open: (readonly boolean[])[] = [[]]
  let walks = 0
  for (let given = open.pop(); given !== undefined; given = open.pop()) {
    if (++walks > most) return { outcomes: [...found.values()], isWhole: false }
    const request: Followed = { way: new Way(place), answers: new Answers(given), verdicts }
    const end = walk(request)
    const outcome: Outcome = { ...request.way, end }
    found.set(JSON.stringify({ ...outcome, place: null, literals: [...outcome.literals], names: null }), outcome)
    const all = request.answers.given
    for (let at = given.length; at < all.length; at++) open.push([...all.slice(0, at), false])
  }
  return { outcomes: [...found.values()], isWhole: true }
}

/**
 * Whether a test holds for a request. What a rule says of it is known from then on. `untold` is called where only Caddy can tell, with
 * the requests for which it cannot be told (null: all of them); it may answer in place of both.
 */
export function holds(
  test: Test,
  request: Followed,
  untold: (some: Conditions | null) => boolean | null = () => null,
): boolean {
  const { way, answers } = request
  const verdict = judgeOn(test, request)
  if (verdict.kind === 'unknown') return untold(null) ?? answers.next()
  if (verdict.kind === 'yes' || verdict.kind === 'no') return verdict.kind === 'yes'
  const { rule, isHeld } = verdict
  const key = JSON.stringify(rule)
  const known = way.literals.get(key)
  const learn = (isIt: boolean) => {
    way.literals = new Map([...way.literals, [key, { rule, isHeld: isIt }]])
  }
  if (verdict.kind === 'rule') {
    if (known !== undefined) return known.isHeld === isHeld
    const answer = answers.next()
    learn(answer === isHeld)
    return answer
  }
  // Where the rule does not hold, it is known.
  if (known !== undefined && known.isHeld !== isHeld) return verdict.otherwise
  const answer = untold(spellRule(verdict)) ?? answers.next()
  if (answer !== verdict.otherwise) learn(isHeld)
  return answer
}

/** What holds of a test for a request that came this way: it sees the path as it has become. */
export function judgeOn(stated: Test, { way, verdicts }: Followed): Verdict {
  const { place, stripPrefix, addPrefix } = way
  const test = resolveNames(stated, way.names)
  const leaves = leavesOf(test)
  const asksPath = leaves.some(({ kind }) => kind === 'path' || kind === 'asked')
  if (asksChanged(leaves, way) || (way.isRewritten && asksPath)) return { kind: 'unknown' }
  // Once a prefix is off, the first name is what was below it.
  const isFirstKept = way.replaced === null || (stripPrefix === null && leaves.every(asksFirstName))
  if (!isFirstKept && asksPath) return { kind: 'unknown' }
  // Another first name is a prefix that is taken off, and one that is put there.
  const [find, put] = way.replaced?.isFirst === true ? [way.replaced.find, way.replaced.put] : ['', '']
  const [stripped, added] = [stripPrefix ?? find.slice(0, -1), (addPrefix ?? '') + put.slice(0, -1)]
  if (way.isRewritten || (stripped === '' && added === '')) {
    const verdict = verdicts.get(test) ?? judge(test, place)
    verdicts.set(test, verdict)
    return verdict
  }
  const prefix = stripped.toLowerCase()
  const base = (path: string) => added.toLowerCase() + path.slice(prefix.length).replace(/^\/$/, '') || '/'
  const isRoot = place.path === '/' || place.path === prefix
  const path = place.cell === 'point' && isRoot ? `${added.toLowerCase()}/` : base(place.path)
  const boundaries = place.boundaries.filter(at => prefix === '' || isBelow(at, prefix)).map(base)
  const seen = judge(test, { ...place, path, boundaries, stripped, added })
  // A rule is about the whole path, and says what holds of either.
  if (seen.kind === 'rule' || place.path !== prefix || place.cell === 'point') return seen
  // What is below the prefix is the root as well.
  const root = judge(test, { ...place, path: `${added.toLowerCase()}/`, boundaries, stripped, added, cell: 'point' })
  return JSON.stringify(root) === JSON.stringify(seen) ? seen : { kind: 'unknown' }
}

/** Whether any of them asks for a field that is another one by then. */
function asksChanged(leaves: readonly Test[], { requestHeaders: { set, append, remove }, identity }: Way): boolean {
  const asked = leaves.flatMap(test => (test.kind === 'rule' ? Object.keys(test.rule.headers ?? {}) : []))
  if (asked.length === 0) return false
  const changed = [...Object.keys({ ...set, ...append, ...identity }), ...remove].map(name => name.toLowerCase())
  return asked.some(name => changed.includes(name.toLowerCase()))
}

/**
 * Whether all that it asks of a path is how its first name begins, which is the same whether or not a folder below it has another name.
 * What is below the folder at the root has no part in it.
 */
function asksFirstName(test: Test): boolean {
  if (test.kind === 'asked') return false
  return test.kind !== 'path' || test.patterns.every(pattern => /^\/[^/*?[\\{%]+\/?\*$|^\/?\*$/.test(pattern))
}

/** What guards a way, and what its path has become. */
export function aroundOf({ guards, stripPrefix, addPrefix, replaced, isRewritten }: Readonly<Way>): string {
  return JSON.stringify([guards.map(({ policy }) => policy), stripPrefix, addPrefix, replaced, isRewritten])
}

/** Closes a way for good. */
export function close(way: Way, what: string): void {
  if (!way.closed.includes(what)) way.closed = [...way.closed, what]
}
