/** The paths of a host that one route serves, and whether a test holds for all of them. */

import { parseRoutePath } from '../../config/values/path.ts'
import { behindPrefix, holdsFor, pathRule, spelledOut, withoutAdded } from './patterns.ts'
import type { AskedPath, Conditions, Test } from './rules.ts'
import { isUnder } from './servers.ts'

/**
 * Paths of a host that one route serves: a path itself (`point`), or everything below it that is below no other
 * boundary (`below`), or both of these (`whole`).
 *
 * `path` is lower-case, `/` or `/x/y`; Caddy's own path matchers ignore case.
 */
export interface RoutePlace {
  readonly host: string
  readonly path: string
  readonly cell: 'point' | 'below' | 'whole'
  /** Where other routes begin, this one's among them. */
  readonly boundaries: readonly string[]
  /** What has been taken off the beginning of these paths before they are looked at, and put there; absent: nothing. */
  readonly stripped?: string
  readonly added?: string
  /** Whether patterns of a rule are kept that hold for none of these paths; absent: they are left out. */
  readonly isVerbose?: boolean
  readonly isSecure: boolean
}

/**
 * What can be said of a test at a place: the same for every request there, or what a rule says of the request (`isHeld`: or the
 * contrary of it), or `unknown`: it may hold for some and not for others. `bounded` is unknown where the rule holds, and known elsewhere:
 * it is as `otherwise` says.
 */
export type Verdict =
  | { readonly kind: 'yes' }
  | { readonly kind: 'no' }
  | { readonly kind: 'unknown' }
  | ({ readonly kind: 'rule' } & Ruled)
  | ({ readonly kind: 'bounded'; readonly otherwise: boolean } & Ruled)

/** What a rule says, or the contrary of it. */
export interface Ruled {
  readonly rule: Conditions
  readonly isHeld: boolean
}

const YES: Verdict = { kind: 'yes' }
const NO: Verdict = { kind: 'no' }
const UNKNOWN: Verdict = { kind: 'unknown' }

/** What holds of a test at a place. */
export function judge(test: Test, place: RoutePlace): Verdict {
  switch (test.kind) {
    case 'path':
      return judgePatterns(test.patterns, place)
    case 'asked':
      return judgeAsked(test, place)
    case 'host':
      return some(test.names.map(name => judgeHost(name, place.host, test.isSite)))
    case 'protocol':
      return test.isSecure === place.isSecure ? YES : NO
    case 'rule':
      return { kind: 'rule', rule: test.rule, isHeld: true }
    case 'named':
    case 'unknown':
      return UNKNOWN
    case 'all':
      return every(test.parts.map(part => judge(part, place)))
    case 'not':
      return contrary(judge(test.part, place))
  }
}

/** Where routes have to begin to separate a path pattern from the rest; null where the pattern begins with no path. */
export function boundaryOf(pattern: string): string | null {
  const literal = spelledOut(pattern)
  if (!literal.startsWith('/')) return null
  const whole = literal === pattern || pattern === `${literal}*`
  const path = whole ? literal : literal.slice(0, literal.lastIndexOf('/'))
  return path.replace(/\/+$/, '') || '/'
}

/** Whether a place has paths that begin like this. */
function mayBegin(prefix: string, { path, cell, boundaries }: RoutePlace): boolean {
  if (path.startsWith(prefix)) return true
  if (cell === 'point') return false
  const under = path === '/' ? '/' : `${path}/`
  if (under.startsWith(prefix)) return true
  if (!prefix.startsWith(under)) return false
  // A path that continues in the segment where the prefix ends belongs to the nearest boundary above it.
  const above = prefix.slice(0, prefix.lastIndexOf('/')) || '/'
  return !boundaries.some(other => other !== path && isBelow(other, path) && isBelow(above, other))
}

/** Whether all of a place's paths begin like this. */
function mustBegin(prefix: string, { path, cell }: RoutePlace): boolean {
  return (cell === 'below' && path !== '/' ? `${path}/` : path).startsWith(prefix)
}

/** Whether a path is `scope` or below it, at segment boundaries. */
export function isBelow(path: string, scope: string): boolean {
  return scope === '/' || path === scope || path.startsWith(`${scope}/`)
}

/**
 * Any of the patterns. Places separate the patterns that begin and end with whole names. All other patterns that may
 * hold at the place or below it become one rule, so that it is the same rule for every path in it.
 */
function judgePatterns(patterns: readonly string[], place: RoutePlace): Verdict {
  const { stripped = '', added = '', isVerbose = false } = place
  const verdicts = patterns.map(pattern => judgePattern(pattern.toLowerCase(), place))
  const byPlace: Verdict = verdicts.some(({ kind }) => kind === 'yes')
    ? YES
    : verdicts.some(({ kind }) => kind === 'unknown')
      ? UNKNOWN
      : NO
  if (patterns.every(isWhole)) return byPlace
  const asRule = (some: readonly string[]): Verdict => {
    const rule = pathRule(some, stripped, added)
    return rule === null ? byPlace : { kind: 'rule', rule, isHeld: true }
  }
  if (isVerbose) return asRule(patterns)
  if (byPlace === YES || (byPlace === NO && place.cell === 'point')) return byPlace
  const own = patterns.filter(pattern => mayHold(pattern, place))
  if (own.length === 0) return NO
  const rule = asRule(own)
  if (rule.kind === 'rule' || byPlace !== UNKNOWN) return rule
  // What cannot be said of all of them may be said of those in question.
  return asRule(own.filter(pattern => verdicts[patterns.indexOf(pattern)]?.kind === 'unknown'))
}

/** Whether it holds for a path and all that is below it, or for one path, where a route may begin; or everywhere. */
function isWhole(pattern: string): boolean {
  const literal = spelledOut(pattern)
  const boundary = boundaryOf(pattern)
  if (boundary !== null && !parseRoutePath(boundary).ok) return false
  return literal === pattern || (pattern === `${literal}*` && literal.endsWith('/')) || pattern === '*'
}

/**
 * Rules about the path in its letter case. Behind a prefix that was taken off they are expressions; where one was put before, those are
 * left that ask for a text anywhere.
 */
function judgeAsked({ key, any }: Extract<Test, { kind: 'asked' }>, place: RoutePlace): Verdict {
  const { stripped = '', added = '', isVerbose = false } = place
  const mayHold = ({ text, begin }: AskedPath) =>
    mayBegin(begin.toLowerCase(), { ...place, boundaries: [] }) &&
    (key !== 'paths' || place.cell !== 'point' || holdsFor(text.toLowerCase(), place.path) !== false)
  const own = any.filter(one => isVerbose || mayHold(one))
  if (own.length === 0) return NO
  const seen = own.map(({ text, expression }) => {
    if (added !== '') return stripped === '' && key === 'paths' ? withoutAdded(text, added) : null
    return stripped === '' ? text : behindPrefix(expression, stripped)
  })
  const known = seen.filter(text => text !== null)
  if (known.length < seen.length) return UNKNOWN
  return { kind: 'rule', rule: { [stripped === '' ? key : 'path_regexp']: known }, isHeld: true }
}

/** Unknown where a verdict's rule holds. */
function within(verdict: Verdict): Verdict {
  return verdict.kind === 'rule' ? { ...verdict, kind: 'bounded', otherwise: false } : verdict
}

/** Whether a pattern of a rule may hold for any of the paths at a place, or below it. */
function mayHold(pattern: string, place: RoutePlace): boolean {
  const all = { ...place, boundaries: [] }
  const literal = spelledOut(pattern.toLowerCase())
  return literal.length < pattern.length ? mayBegin(literal, all) : judgePattern(literal, all).kind !== 'no'
}

function judgePattern(pattern: string, place: RoutePlace): Verdict {
  if (pattern === '*' || pattern === '/*') return YES
  if (place.cell === 'point') {
    const holds = holdsFor(pattern, place.path)
    return holds === null ? UNKNOWN : holds ? YES : NO
  }
  const literal = spelledOut(pattern)
  if (literal === pattern) {
    if (place.boundaries.includes(pattern) && (place.cell !== 'whole' || pattern !== place.path)) return NO
    return mayBegin(pattern, place) ? UNKNOWN : NO
  }
  if (!mayBegin(literal, place)) return NO
  return pattern === `${literal}*` && mustBegin(literal, place) ? YES : UNKNOWN
}

/** A name for the host itself, or for the wildcard that it is under. Hosts that are named elsewhere have places of their own. */
function judgeHost(name: string, host: string, isSite: boolean): Verdict {
  if (name === host || name === '*') return YES
  // A variable may hold any name; but sites are separate.
  if (/[{<$]/.test(name + host)) return isSite ? NO : UNKNOWN
  if (!name.includes('*')) return NO
  // A star is one label, at any position.
  if (host.includes('*') && host.split('.').length === name.split('.').length) return UNKNOWN
  return isUnder(host, name) ? YES : NO
}

function contrary(verdict: Verdict): Verdict {
  if (verdict.kind === 'rule') return { ...verdict, isHeld: !verdict.isHeld }
  if (verdict.kind === 'bounded') return { ...verdict, otherwise: !verdict.otherwise }
  return verdict.kind === 'yes' ? NO : verdict.kind === 'no' ? YES : UNKNOWN
}

function every(verdicts: readonly Verdict[]): Verdict {
  if (verdicts.some(({ kind }) => kind === 'no')) return NO
  const open = verdicts.filter(verdict => verdict.kind !== 'yes')
  const [first, ...others] = open
  if (first === undefined || others.length === 0) return first ?? YES
  // Where one of these does not hold, all of them together do not.
  const rules = open.flatMap(verdict =>
    verdict.kind === 'rule' || (verdict.kind === 'bounded' && !verdict.otherwise) ? [verdict] : [],
  )
  const [only, ...more] = rules
  if (only === undefined) return UNKNOWN
  const { rule, isHeld }: Ruled = more.length === 0 ? only : { rule: { all: rules.map(spellRule) }, isHeld: true }
  const all: Verdict = { kind: 'rule', rule, isHeld }
  return open.every(({ kind }) => kind === 'rule') ? all : within(all)
}

function some(verdicts: readonly Verdict[]): Verdict {
  return contrary(every(verdicts.map(contrary)))
}

export function spellRule({ rule, isHeld }: Ruled): Conditions {
  return isHeld ? rule : { not: rule }
}
