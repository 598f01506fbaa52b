/** Path patterns of Caddy: globs, regular expressions and bypasses, as rules. */

import { compileExpression, isFault } from '../../base/regular-expression.ts'
import { parsePathExpression, parsePathPattern } from '../../config/values/pattern.ts'
import type { Conditions, Test } from './rules.ts'

/** The literal beginning of a pattern of Caddy's path matcher, before its first star or another special character. */
export function spelledOut(pattern: string): string {
  const end = pattern.search(/[*?[\\{%]|\/\//)
  return end === -1 ? pattern : pattern.slice(0, end)
}

/**
 * Patterns of Caddy's path matcher, any of which is enough, as a rule; null where no rule says the same.
 *
 * A star at one end, or at both, matches everything. Any other pattern is one of Go's `path.Match`, in which a star or
 * a question mark does not match a slash. Both ignore case. `before` is the part that was removed from the beginning
 * of each path, and `added` the part that was put there since.
 *
 * Source: Caddy, modules/caddyhttp/matchers.go (read, and compared with its answers: test/recorded).
 */
export function pathRule(patterns: readonly string[], before: string, added: string): Conditions | null {
  const folded = patterns.map(pattern => pattern.toLowerCase())
  if (added !== '') {
    const asked = folded.map(pattern => withoutAdded(pattern, added.toLowerCase()))
    const known = asked.filter(pattern => pattern !== null)
    return known.length < asked.length ? null : pathRule(known, before, '')
  }
  const plain = folded.map(pattern => plainPattern(pattern, before))
  const known = plain.filter(pattern => pattern !== null)
  if (known.length === plain.length) return { paths: [...new Set(known)], ignore_case: true }
  const expressions = folded.map(pattern => expressionOf(pattern, before))
  const usable = expressions.filter(expression => expression !== null)
  if (usable.length < expressions.length) return null
  return { path_regexp: [...new Set(usable)], ignore_case: true }
}

/**
 * A pattern for paths without what was put before them: it asks for all of that, or for a text of which none of it is a part, in any
 * letter case. Null for any other.
 */
export function withoutAdded(pattern: string, added: string): string | null {
  if (pattern.startsWith(added)) return pattern.slice(added.length)
  if (!isFast(pattern) || !pattern.startsWith('*')) return null
  const [text, before] = [pattern.replace(/^\*|\*$/g, '').toLowerCase(), added.toLowerCase()]
  const begins = Array.from(text, (_, at) => text.slice(0, at + 1))
  return text === '' || before.includes(text) || begins.some(begin => before.endsWith(begin)) ? null : pattern
}

/** Whether a pattern holds for a path, both in small letters; null where that cannot be determined. */
export function holdsFor(pattern: string, path: string): boolean | null {
  const expression = compileExpression(expressionOf(pattern, '') ?? '(')
  return isFault(expression) ? null : expression.test(path)
}

/** One that means the same in `paths`. */
function plainPattern(pattern: string, before: string): string | null {
  if (pattern.includes('*') && !isFast(pattern)) return null
  const parsed = parsePathPattern(before + pattern)
  return parsed.ok ? parsed.value : null
}

/** Whether it has no star but at its ends, at one of them or at both: nothing else in it is more than itself then. */
function isFast(pattern: string): boolean {
  const stars = pattern.split('*').length - 1
  const [begins, ends] = [pattern.startsWith('*'), pattern.endsWith('*')]
  return stars === 1 ? begins || ends : stars === 2 && begins && ends && pattern.length > 2
}

function expressionOf(pattern: string, before: string): string | null {
  if (/[{}%]|\/\//.test(pattern) || !/^[ -~]+$/.test(pattern)) return null
  const isText = isFast(pattern)
  const [begins, ends] = [isText && pattern.startsWith('*'), isText && pattern.endsWith('*')]
  const text = isText ? quote(pattern.slice(Number(begins), ends ? -1 : undefined)) : globExpression(pattern)
  if (text === null) return null
  const start = !begins ? `^${quote(before)}` : before === '' ? '' : `^${quote(before)}(?s:.*)`
  const expression = `${start}${text}${ends ? '' : '$'}`
  return parsePathExpression(expression).ok ? expression : null
}

/** A pattern of Go's `path.Match`; null for one that is not known to be good. */
export function globExpression(pattern: string): string | null {
  let expression = ''
  let read = 0
  for (const [part, escaped, not, letters] of pattern.matchAll(GLOB)) {
    read += part.length
    if (part === '*') expression += '[^/]*'
    else if (part === '?') expression += '[^/]'
    else if (letters !== undefined) expression += `[${not}${letters}]`
    else expression += quote(escaped ?? part)
  }
  return read === pattern.length ? expression : null
}

const GLOB = /\\(.)|\[(\^?)((?:\w(?:-\w)?)+)\]|[*?]|[^*?[\]\\]+/g

/** A text as an expression of it. */
export function quote(text: string): string {
  return text.replace(/[.+*?()|[\]{}^$\\]/g, letter => `\\${letter}`)
}

/** An unchanged expression of Caddy's; unknown where no rule takes it. */
export function expressionTest(pattern: string): Test {
  if (!parsePathExpression(pattern).ok || /\{[A-Za-z$]/.test(pattern)) return { kind: 'unknown' }
  return { kind: 'asked', key: 'path_regexp', any: [{ text: pattern, expression: pattern, begin: beginOf(pattern) }] }
}

/** What every path begins with that an expression matches, as far as it is spelled out; empty where that is nothing. */
function beginOf(pattern: string): string {
  if (/\||\(\?/.test(pattern)) return ''
  const [, literal = '', next = ''] = /^\^((?:[\w/~-]|\\[./-])*)(.?)/.exec(pattern) ?? []
  const sure = /[?*{]/.test(next) ? literal.replace(/\\?.$/, '') : literal
  return sure.replaceAll('\\', '')
}

/**
 * `bypass`, which compares the path in its letter case; unknown where no rule says the same.
 *
 * Source: go-authcrunch, pkg/authz/bypass (read, and compared with its answers: test/recorded).
 */
export function bypassTest(manner: string, text: string): Test {
  if (manner === 'regex') return expressionTest(text)
  if (text === '' || !Object.hasOwn(MANNERS, manner)) return { kind: 'unknown' }
  const [before = '', after = ''] = MANNERS[manner] ?? []
  const begin = before === '' ? text : ''
  // A path begins with a slash: none is, or begins with, anything else.
  if (begin !== '' && !begin.startsWith('/')) return { kind: 'not', part: { kind: 'all', parts: [] } }
  const expression = `${before === '' ? '^' : ''}${quote(text)}${after === '' ? '$' : ''}`
  const pattern = text.includes('*') ? null : parsePathPattern(before + text + after)
  if (pattern?.ok === true) return { kind: 'asked', key: 'paths', any: [{ text: pattern.value, expression, begin }] }
  return /^[ -~]+$/.test(text) ? expressionTest(expression) : { kind: 'unknown' }
}

/** An expression of paths, for those of which a prefix, in any letter case, was taken off before it is asked; null where none says that. */
export function behindPrefix(expression: string, prefix: string): string | null {
  const isBound = expression.startsWith('^')
  const rest = isBound ? expression.slice(1) : expression
  // What asks for a beginning, or is one of several, would see the prefix.
  if (/\\[AbB]|\(\?|[|^]/.test(rest.replaceAll('[^', '['))) return null
  const moved = `^(?i:${quote(prefix)})${isBound ? '' : '(?s:.*)'}${rest}`
  return parsePathExpression(moved).ok ? moved : null
}

/** Tests of which any is enough, as few as they can be. */
export function joinTests(tests: readonly Test[]): readonly Test[] {
  const asked = tests.filter(test => test.kind === 'asked')
  const byKey = (['paths', 'path_regexp'] as const).map(key => ({
    kind: 'asked' as const,
    key,
    any: asked.filter(one => one.key === key).flatMap(({ any }) => any),
  }))
  return [...byKey.filter(({ any }) => any.length > 0), ...tests.filter(test => test.kind !== 'asked')]
}

/** What is around the text of a `bypass`. */
const MANNERS: Readonly<Record<string, readonly [before: string, after: string]>> = {
  exact: ['', ''],
  prefix: ['', '*'],
  partial: ['*', '*'],
  suffix: ['*', ''],
}
