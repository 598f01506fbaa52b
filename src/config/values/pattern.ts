/**
 * Patterns: of texts, e-mail addresses, paths and files, in which a star is anything; and regular expressions of
 * paths.
 */

import { basename, dirname } from 'node:path'
import { compileExpression, isFault } from '../../base/regular-expression.ts'
import { bad, good, type Parsed } from '../text/diagnostic.ts'
import { quote } from '../text/raw.ts'
import { parsed } from './value.ts'

const MAX_LENGTH = 512

/** A pattern of whole texts, in which a star is anything at all: `*-admins`. */
export const starPattern = parsed(
  { label: 'pattern', expected: 'text in which a star is anything, such as "*-admins"' },
  parseStarPattern,
)

/** The same for e-mail addresses, lower-case: `*@example.com`. */
export const emailPattern = parsed(
  { label: 'pattern', expected: 'a pattern of e-mail addresses such as "*@example.com"' },
  parseEmailPattern,
)

/** A pattern in its one spelling: no two stars side by side. */
export function parseStarPattern(text: string): Parsed<string> {
  if (text.length > MAX_LENGTH)
    return bad('pattern.invalid', `${quote(text)} is too long for a pattern`, `${MAX_LENGTH} characters are the most`)
  return good(text.replace(/\*{2,}/g, '*'))
}

/** Refused: what can hold for no address that counts, which has ASCII letters and one @. */
export function parseEmailPattern(text: string): Parsed<string> {
  const not = `${quote(text)} is not a pattern of e-mail addresses`
  if (!/^[!-~]+$/.test(text)) return bad('pattern.invalid', not, 'ASCII letters only, and no spaces')
  if (text.split('@').length > 2) return bad('pattern.invalid', not, 'an address has one @', '@')
  if (!/[@*]/.test(text)) return bad('pattern.invalid', not, `a star is anything: "${text}@*", "*@${text}"`)
  return parseStarPattern(text.toLowerCase())
}

/**
 * The end of a pattern of addresses that is meant for a domain, and holds for others that end in the same letters; null for any other.
 */
export function looseDomain(pattern: string): string | null {
  return /\*([a-z0-9-]+(?:\.[a-z0-9-]+)+)$/.exec(pattern)?.[1] ?? null
}

/** What every backend reads the same way, as in a path (RFC 3986 §3.3), with stars. */
const PATTERN = /^[A-Za-z0-9._~!$&'()+,=:@*/-]+$/

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

/** Larger ones are lists of paths, and say so more clearly as `paths`. */
const MAX_SIZE = 1000
const MAX_REGEXP_LENGTH = 4096

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

/** An expression, unchanged, once it is known that it compiles. */
export function parsePathExpression(text: string): Parsed<string> {
  const not = `${quote(text)} is not a regular expression`
  if (text.length > MAX_REGEXP_LENGTH)
    return bad('expression.invalid', not, `${MAX_REGEXP_LENGTH} characters are the most`)
  const compiled = compileExpression(text)
  if (isFault(compiled)) {
    const { message, part } = compiled
    const hint = HINTS.find(([form]) => form.test(part))?.[1] ?? `${message}${part === '' ? '' : `: ${quote(part)}`}`
    return bad('expression.invalid', not, hint, part !== '' && text.includes(part) ? part : null)
  }
  if (compiled.size <= MAX_SIZE) return good(text)
  const hint = `it compiles to ${compiled.size} steps; the maximum is ${MAX_SIZE}. Split it, or use paths`
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

/** A path of files, in whose last part a star is anything but a slash. */
export const includePattern = parsed(
  { label: 'path, a star for any name', expected: 'a path such as "conf.d/*.toml"' },
  (text, _, isFilled) =>
    isFilled || text.includes('${')
      ? bad('include.pattern', 'include takes paths as they stand, without references', 'write the path itself')
      : parseIncludePattern(text),
)

/** A pattern that can be looked for in one folder. */
export function parseIncludePattern(text: string): Parsed<string> {
  const not = (hint: string, mark?: string) =>
    bad('include.pattern', `${quote(text)} cannot be included`, hint, ...(mark === undefined ? [] : [mark]))
  if (text.includes('${')) return not('write the path itself, without references')
  if (text.endsWith('/')) return not('name the files in it: "conf.d/*.toml"')
  if (dirname(text).includes('*')) return not('a star matches the name of a file, not folders', '*')
  if (basename(text).includes('**')) return not('one star is enough: no folders are looked through', '**')
  const odd = /[?[\]{}]/.exec(text)?.[0]
  if (odd !== undefined) return not('a star matches any name: "conf.d/*.toml"', odd)
  return good(text)
}
