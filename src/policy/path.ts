import { compileExpression, type Expression, isFault } from '../base/expression.ts'
import { compileStars, type TextTest } from '../base/stars.ts'
import { decodeOnce } from '../route/readings.ts'
import type { Target } from '../route/target.ts'
import type { Truth } from './truth.ts'

/** A path with every other way in which a backend may read it. */
export type ReadPath = Pick<Target, 'path' | 'readings'>

/** The same with its query. */
export type AskedPath = Pick<Target, 'path' | 'readings' | 'query'>

/** Whether a path is as one of some patterns say. */
export type PathJudge = (asked: ReadPath) => Truth

/**
 * Patterns of `paths`, compiled; a star in one is anything at all, slashes among it.
 *
 * `yes`: the path is, as it is spelt, and so is every reading of it. `no`: none of them is, in any letter case. Everything between
 * is `unknown`, since a backend may take it for the one or for the other. A reading counts in any letter case, as whoever
 * does not heed case sees the pattern too.
 *
 * Takes the length of the path for each star, whatever the path is: pieces are looked for from left to right, and none twice.
 * Where letter case does not count (`ignore_case`), the path itself is read in any too.
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
 * Expressions of `path_regexp`, compiled. They see the path as Go's `URL.Path` has it: decoded once, as text.
 *
 * `yes`: one of them matches that, and every reading of the path, whoever heeds case and whoever does not. `no`: none of them matches
 * any. Everything between is `unknown`, and so is a path that would take too long: expression and path together are bounded.
 */
export function compileExpressions(sources: readonly string[], ignoresCase = false): PathJudge {
  const folded = sources.map(source => compiled(source, false))
  const exact = ignoresCase ? folded : sources.map(source => compiled(source, true))
  const size = exact.reduce((sum, one) => sum + one.size, 0)
  const isAny = (tests: readonly Expression[], text: string | Uint8Array) => tests.some(one => one.test(text))
  return ({ path, readings }) => {
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
