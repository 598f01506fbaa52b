/** Regular expressions of a file, in the syntax of Go (RE2), which other gates use. */

import { RE2JS, RE2JSSyntaxException } from 're2js'

/** A regular expression as Go's `regexp` understands it, compiled. */
export interface Expression {
  /** Whether it matches anywhere in a text, or in bytes of UTF-8; a byte that is no UTF-8 counts as U+FFFD, as in Go. */
  test(text: string | Uint8Array): boolean
  /**
   * A text with `to` in place of each match, in which `$1` is the first group; null where there are more than `most`. Each match may take
   * as long as one test of the whole text.
   */
  replace(text: string, to: string, most: number): string | null
  /** How many groups it has. */
  readonly groups: number
  /** How many instructions it has: a text takes at most so many steps for each of its characters. */
  readonly size: number
}

/** What is wrong with an expression. */
export interface ExpressionFault {
  readonly message: string
  /** The part that is wrong; empty where that is not known. */
  readonly part: string
}

/**
 * An expression, or what is wrong with it. RE2's syntax (https://github.com/google/re2/wiki/Syntax): no look-around, no back-references,
 * and time in proportion to the text.
 *
 * `test` answered as Go 1.26 did for all of 2 000 recorded expressions, but for two groups of one name, which are refused here.
 */
export function compileExpression(source: string, heedsCase = true): Expression | ExpressionFault {
  try {
    const compiled = RE2JS.compile(source, heedsCase ? 0 : RE2JS.CASE_INSENSITIVE)
    return Object.freeze({
      test: (text: string | Uint8Array) => compiled.test(text),
      replace(text: string, to: string, most: number) {
        const matcher = compiled.matcher(text)
        for (let count = 0; matcher.find(); count++) if (count >= most) return null
        return compiled.matcher(text).replaceAll(to)
      },
      groups: compiled.groupCount(),
      size: compiled.programSize(),
    })
  } catch (error) {
    if (!(error instanceof RE2JSSyntaxException)) throw error
    return { message: error.getDescription(), part: error.getPattern() ?? '' }
  }
}

/** Whether something is wrong with an expression. */
export function isFault(compiled: Expression | ExpressionFault): compiled is ExpressionFault {
  return 'message' in compiled
}
