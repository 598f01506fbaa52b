import { bad, good, type Parsed } from '../text/outcome.ts'
import { quote } from '../text/raw.ts'
import { parsed } from './value.ts'

/** What every backend reads the same way, as in a path (RFC 3986 §3.3), with stars. */
const PATTERN = /^[A-Za-z0-9._~!$&'()+,=:@*/-]+$/

const MAX_LENGTH = 512

/** A pattern of whole paths, in which a star is anything at all, slashes among it: `/public*`, `*.css`. */
export const pathPattern = parsed(
  { label: 'path pattern', expected: 'a path pattern such as "/public/*" or "*.css"' },
  parsePathPattern,
)

/**
 * A pattern of paths in its one spelling: no two stars side by side.
 *
 * Refused: what can hold for no path, or for none that every backend reads the same way (escapes, parameters, doubled slashes, dot
 * segments).
 */
export function parsePathPattern(text: string): Parsed<string> {
  const not = `${quote(text)} is not a path pattern`
  if (!/^[/*]/.test(text)) {
    return bad('path.invalid', not, `begin with a slash, or with a star for whatever is before: "/${text}", "*${text}"`)
  }
  if (text.length > MAX_LENGTH) return bad('path.invalid', not, `${MAX_LENGTH} characters are the most`)
  if (text.includes('//')) return bad('path.invalid', not, 'single slashes only', '//')
  const dots = /\/(\.{1,2})(?:\/|$)/.exec(text)?.[1]
  if (dots !== undefined) return bad('path.invalid', not, 'no path has . or .. left in it', dots)
  if (!PATTERN.test(text)) {
    const odd = [...text].find(character => !PATTERN.test(character)) ?? ''
    return bad('path.invalid', not, `${quote(odd)} cannot be in a path pattern; a star is anything at all`, odd)
  }
  return good(text.replace(/\*{2,}/g, '*'))
}
