import { compileExpression, isFault } from '../../base/expression.ts'
import { bad, good, type Parsed } from '../text/outcome.ts'
import { quote } from '../text/raw.ts'
import { parsed } from './value.ts'

/** Larger ones are lists of paths, and say so more clearly as `paths`. */
const MAX_SIZE = 1000
const MAX_LENGTH = 4096

/** A regular expression that a path is held to: `^/items/[0-9]+$`. */
export const pathExpression = parsed(
  { label: 'regular expression', expected: 'a regular expression such as "^/items/[0-9]+$"' },
  parsePathExpression,
)

/** What people write who know other dialects, and what to write here. */
const HINTS: readonly (readonly [RegExp, string])[] = [
  [/^\(\?<?[=!]/, 'there is no look-ahead or look-behind in RE2; write two rules, one of them under not'],
  [/^\\[1-9]/, 'there are no back-references in RE2'],
  [/^\\Z/, 'write $ for the end'],
]

/** An expression as it stands, once it is known that it compiles. */
export function parsePathExpression(text: string): Parsed<string> {
  const not = `${quote(text)} is not a regular expression`
  if (text.length > MAX_LENGTH) return bad('expression.invalid', not, `${MAX_LENGTH} characters are the most`)
  const compiled = compileExpression(text)
  if (isFault(compiled)) {
    const { message, part } = compiled
    const hint = HINTS.find(([form]) => form.test(part))?.[1] ?? `${message}${part === '' ? '' : `: ${quote(part)}`}`
    return bad('expression.invalid', not, hint, part !== '' && text.includes(part) ? part : null)
  }
  if (compiled.size <= MAX_SIZE) return good(text)
  const hint = `it comes to ${compiled.size} steps, ${MAX_SIZE} are the most; make several of it, or use paths`
  return bad('expression.invalid', `${quote(text)} is too large`, hint)
}

/** A path that an expression matches, made from its letters, with a name for what may be anything; none where that matches no path. */
export function samplePath(source: string, name: string): readonly string[] {
  const sample = source
    .replace(/^\(\?i\)|^\^|\$$/g, '')
    .replace(/\[\^[^\]]*\][*+?]?|\.[*+]/g, name)
    .replace(/(?:\[0-9[^\]]*\]|\\d)(?:[*+?]|\{\d[^}]*\})?/g, '1')
    .replace(/(?:\[[^\]]*\]|\\w)(?:[*+?]|\{\d[^}]*\})?/g, 'a')
    .replace(/\((?:\?:)?([^()|]*)[^()]*\)[*+?]?/g, '$1')
    .replace(/\\(.)/g, '$1')
  const path = sample.startsWith('/') ? sample : `/${sample}`
  const expression = compileExpression(source)
  return !isFault(expression) && expression.test(path) && /^[!-~]+$/.test(path) ? [path] : []
}
