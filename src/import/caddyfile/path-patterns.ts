import { parsePathPattern } from '../../config/values/path-pattern.ts'
import { readExpression } from './expression.ts'

/**
 * `bypass uri MANNER TEXT` as patterns of whole paths, in the words of `paths`; null for what they cannot say.
 *
 * Source: go-authcrunch, pkg/authz/bypass (read, and held against what it answers: test/recorded).
 */
export function bypassPatterns(manner: string, text: string): readonly string[] | null {
  if (manner === 'regex') return expressionPatterns(text)
  if (text.includes('*') || text === '') return null
  const stars: Readonly<Record<string, string>> = {
    exact: text,
    prefix: `${text}*`,
    partial: `*${text}*`,
    suffix: `*${text}`,
  }
  const pattern = stars[manner]
  // A path begins with a slash: none is, or begins with, anything else.
  const isAnchored = manner === 'exact' || manner === 'prefix'
  return pattern === undefined || (isAnchored && !text.startsWith('/')) ? null : checked([pattern])
}

/**
 * A pattern of Caddy's path matcher, which heeds no case, as one of `paths`; null for one that is more than a text with a star at either
 * end, or cannot be spelt. In the middle, Caddy's star ends at a slash.
 */
export function matcherPattern(pattern: string): string | null {
  const [found = null] = pattern.slice(1, -1).includes('*') ? [] : (checked([pattern.toLowerCase()]) ?? [])
  return found
}

/**
 * An expression as patterns, of which any is enough; null where they would hold for other paths.
 *
 * Without `^` and `$` whatever may be around it, as Go has it: `^/api/(v1|v2)/`, `\.(css|js)$`, `^/public`. Where it heeds no case
 * (`(?i)`) the patterns are in small letters, and of a path in others neither holds nor does not.
 */
export function expressionPatterns(expression: string): readonly string[] | null {
  const read = readExpression(expression)
  return read?.isExact ? checked(ofPaths(read.texts)) : null
}

/** Patterns outside of which an expression does not hold; null where that is nowhere. */
export function expressionBounds(expression: string): readonly string[] | null {
  return boundsOf(ofPaths(readExpression(expression)?.texts ?? []))
}

/** The same of a pattern of Caddy's path matcher. */
export function matcherBounds(pattern: string): readonly string[] | null {
  const [literal = ''] = /^(?:(?!\/\/)[^?[\\{%])*/.exec(pattern.toLowerCase()) ?? []
  return boundsOf([literal.length < pattern.length ? `${literal}*` : literal])
}

/** What an expression is of any text, as patterns in which a star is anything; null for what is no such pattern. */
export function expressionTexts(expression: string): readonly string[] | null {
  const read = readExpression(expression)
  return read?.isExact && !read.isFolded && read.texts.every(text => text !== '') ? read.texts : null
}

function boundsOf(texts: readonly string[]): readonly string[] | null {
  const patterns = [...new Set(texts.map(boundOf))]
  return patterns.length === 0 || patterns.includes('*') ? null : patterns
}

/** Without those that no path is, as each begins with a slash. */
function ofPaths(texts: readonly string[]): readonly string[] {
  return texts.filter(text => /^[/*]/.test(text))
}

/** A pattern for a text that may be none: with a star for what is not spelt in a path, or for all that comes after. */
function boundOf(text: string): string {
  const spelt = text.replace(/[^A-Za-z0-9._~!$&'()+,=:@*/-]/g, '*')
  const begun = `${/^\/(?:(?!\/[./])[^*])*/.exec(spelt)?.[0] ?? ''}*`
  const found = [spelt, begun].map(parsePathPattern).find(({ ok }) => ok)
  return found?.ok === true ? found.value : '*'
}

/** Patterns that `paths` takes; null where it refuses any. An end in the middle of one is refused as well. */
function checked(patterns: readonly string[]): readonly string[] | null {
  const read = patterns.map(parsePathPattern)
  const good = read.flatMap(one => (one.ok ? [one.value] : []))
  return good.length > 0 && good.length === read.length ? [...new Set(good)] : null
}
