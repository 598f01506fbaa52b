/** Patterns of paths in rules (`paths`), held against every reading of a path. */

import { compileExpression, type Expression, isFault } from '../base/regular-expression.ts'
import { compileStars, type TextTest } from '../base/wildcard.ts'
import { decodeOnce } from '../route/readings.ts'
import type { Target } from '../route/target.ts'
import type { Truth } from './truth.ts'

/** A path with every other way in which a backend may read it. */
export type ReadPath = Pick<Target, 'path' | 'readings'>

export type AskedPath = Pick<Target, 'path' | 'readings' | 'query'>

/** Whether a path is as one of some patterns say. */
export type PathJudge = (asked: ReadPath) => Truth

/**
 * Compiles patterns of `paths`. A star matches anything, slashes included.
 *
 * `yes`: the path matches as it is written, and so does every reading of it. `no`: none of them matches, in any letter
 * case. Everything else is `unknown`, since a backend may read the path either way. A reading matches in any letter
 * case, since some backends ignore case.
 *
 * For each star it takes time in proportion to the path's length: it looks for the pieces from left to right, each
 * once. With `ignore_case` the path itself matches in any letter case, too.
 */
export function compilePaths(patterns: readonly string[], ignoresCase = false): PathJudge {
  const exact = ignoresCase ? null : patterns.map(compileStars)
  const folded = patterns.map(pattern => compileStars(pattern.toLowerCase()))
  const isAny = (tests: readonly TextTest[], path: string) => tests.some(test => test(path))
  return ({ path, readings }) => {
    const held = readings.reduce((count, reading) => count + Number(isAny(folded, reading.toLowerCase())), 0)
    const isFolded = isAny(folded, path.toLowerCase())
    if (held === readings.length && (exact === null ? isFolded : isAny(exact, path))) return 'yes'
    return held === 0 && !isFolded ? 'no' : 'unknown'
  }
}

/**
 * Compiles expressions of `path_regexp`. They see the path as Go's `URL.Path` has it: decoded once, as text.
 *
 * `yes`: one of them matches that and every reading of the path, with letter case and without. `no`: none of them
 * matches any. Everything else is `unknown`. So is a path that would take too long: expression and path together are
 * bounded. The last answer is kept: a repeated question about the same request costs nothing.
 */
export function compileExpressions(sources: readonly string[], ignoresCase = false): PathJudge {
  const folded = sources.map(source => compiled(source, false))
  const exact = ignoresCase ? folded : sources.map(source => compiled(source, true))
  const size = exact.reduce((sum, one) => sum + one.size, 0)
  const isAny = (tests: readonly Expression[], text: string | Uint8Array) => tests.some(one => one.test(text))
  const judge = ({ path, readings }: ReadPath): Truth => {
    const texts = [...new Set([decodeOnce(path), ...[path, ...readings].map(literalPath)])]
    if (texts.reduce((sum, text) => sum + text.length, 0) * size > MOST_STEPS) return 'unknown'
    let held = 0
    let isExact = false
    for (const [index, bytes] of texts.entries()) {
      const text = textOf(bytes)
      const matches = isAny(exact, text)
      if (index === 0) isExact = matches
      if (isAny(folded, text)) held++
      else if (matches) return 'unknown'
      if (held > 0 && held <= index) return 'unknown'
    }
    return held === 0 ? 'no' : isExact ? 'yes' : 'unknown'
  }
  // Of one request it is asked for the verdict, for whether a sign-in would help, and for what a refusal says.
  let last: (ReadPath & { readonly truth: Truth }) | null = null
  return ({ path, readings }) => {
    if (last === null || last.path !== path || last.readings !== readings) {
      last = { path, readings, truth: judge({ path, readings }) }
    }
    return last.truth
  }
}

/** Instructions times characters: a tenth of a second for the worst expression and path, and for nearly all a thousandth of that. */
const MOST_STEPS = 125_000

function compiled(source: string, heedsCase: boolean): Expression {
  const expression = compileExpression(source, heedsCase)
  if (isFault(expression)) throw new TypeError(`an expression that was checked does not compile: ${expression.message}`)
  return expression
}

const ESCAPE = /%[0-9a-f]{2}/gi

/** The path with those escapes decoded without which no client could send it: a backend that decodes nothing reads the others as they are. */
function literalPath(path: string): string {
  if (!path.includes('%')) return path
  return path.replace(ESCAPE, whole => {
    const character = decodeOnce(whole)
    return /[!$&-;=?-Z_a-z~#%[\]]/.test(character) ? whole : character
  })
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: where ASCII ends
const NOT_ASCII = /[^\x00-\x7f]/

/** Bytes as characters, as what they are: text, or bytes again where they are no UTF-8. */
function textOf(bytes: string): string | Uint8Array {
  if (!NOT_ASCII.test(bytes)) return bytes
  const buffer = Buffer.from(bytes, 'latin1')
  const text = buffer.toString('utf8')
  return text.includes('\uFFFD') ? buffer : text
}
