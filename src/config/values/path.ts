/** Paths of routes, callbacks and old addresses: one spelling, and nothing that backends read in two ways. */

import { bad, good, type Parsed } from '../text/diagnostic.ts'
import { quote } from '../text/raw.ts'

/** Characters of a path that every backend reads the same way (RFC 3986 §3.3, without escapes and parameters). */
const SEGMENTS = /^(?:\/[A-Za-z0-9._~!$&'()+,=:@-]*)+$/

/** What Sallyport answers itself, on every host. */
const RESERVED_PREFIX = '/.sallyport'

/**
 * A path in its one spelling: `/`, or `/x/y` without a trailing slash ("/x/" and "/x" mean the same).
 *
 * Refused: every form that some backend reads in another way (escapes, parameters, doubled slashes, dot segments, dots
 * at the end). A rule with such a form would not protect the path that it names.
 */
export function parsePath(text: string): Parsed<string> {
  const not = `${quote(text)} is not a path`
  if (/^https?:\/\//i.test(text)) {
    const path = /^https?:\/\/[^/?#]*(\/[^?#]*)/i.exec(text)?.[1] ?? '/'
    return bad('path.invalid', not, `only what comes after the host: "${path}"`)
  }
  const literal = literalPart(text)
  if (literal !== null) {
    const hint = `a path is no regular expression, and serves everything below it: "${literal}"`
    return bad('path.invalid', not, hint, /[~^$|()[\]{}\\+*]|\.\*/.exec(text)?.[0] ?? null)
  }
  if (!text.startsWith('/')) return bad('path.invalid', not, `begin with a slash: "/${text}"`)
  if (text.includes('*')) {
    const base = text.slice(0, text.indexOf('*')).replace(/\/+$/, '') || '/'
    return bad('path.invalid', not, `a path serves everything below it: "${base}"`, '*')
  }
  if (text.includes('//')) {
    return bad('path.invalid', not, `single slashes only: "${text.replace(/\/{2,}/g, '/')}"`, '//')
  }
  const dots = /\/(\.{1,2})(?:\/|$)/.exec(text)?.[1]
  if (dots !== undefined) return bad('path.invalid', not, 'write the path without . and ..', dots)
  const dropped = /(\.)(?:\/|$)/.exec(text)?.[1] ?? /:\$/.exec(text)?.[0]
  if (dropped !== undefined) {
    return bad('path.invalid', not, 'no dot at the end of a name, and no ":$": Windows leaves them out', dropped)
  }
  if (text.includes('%'))
    return bad('path.invalid', not, 'no percent-escapes: requests are matched before decoding', '%')
  if (text.includes('?')) {
    const path = text.slice(0, text.indexOf('?'))
    return bad('path.invalid', not, `routes are chosen by path, and the query is passed on: "${path}"`, '?')
  }
  if (!SEGMENTS.test(text)) {
    const odd = [...text].find(character => !SEGMENTS.test(`/${character}`)) ?? ''
    return bad('path.invalid', not, `${quote(odd)} cannot be in a path`, odd)
  }
  return good(text.length > 1 && text.endsWith('/') ? text.slice(0, -1) : text)
}

/**
 * The path that a regular expression begins with, to its last whole segment; null where the text is no expression. A
 * star at the end has a separate message, and so have characters that a path may have.
 */
function literalPart(text: string): string | null {
  const isExpression = /^(?:~|\/?\^)|\.\*|[[{|\\^]/.test(text)
  if (!isExpression) return null
  const body = text
    .replace(/^~\*?\s*/, '')
    .replace(/^\/?\^/, '')
    .replace(/\\([./-])/g, '$1')
  const plain = /^[A-Za-z0-9._~!&',=:@/-]*/.exec(body)?.[0] ?? ''
  const whole = plain.length === body.length ? plain : plain.slice(0, plain.lastIndexOf('/') + 1)
  const path = `/${whole}`.replace(/\/{2,}/g, '/').replace(/(?<=.)\/$/, '')
  return parsePath(path).ok ? path : '/'
}

/** As `parsePath`, outside of what Sallyport answers itself. */
export function parseRoutePath(text: string): Parsed<string> {
  const path = parsePath(text)
  if (path.ok && isUnder(path.value.toLowerCase(), RESERVED_PREFIX)) {
    return bad(
      'path.reserved',
      `${quote(text)} belongs to Sallyport itself`,
      `everything below ${RESERVED_PREFIX} is reserved on every host`,
    )
  }
  return path
}

export interface RoutePath {
  /** As `parsePath` gives it. */
  readonly path: string
  /** Whether nothing below it is meant. */
  readonly isExact: boolean
}

/** As `parseRoutePath`; with `=` before it, as nginx writes it, only the exact path. */
export function parsePlace(text: string): Parsed<RoutePath> {
  const isExact = text.startsWith('=')
  const stated = isExact ? text.slice(1) : text
  const not = `${quote(text)} is not a path`
  if (isExact && !stated.startsWith('/'))
    return bad('path.invalid', not, `the path alone begins with a slash: "=/${stated}"`)
  if (isExact && stated.length > 1 && stated.endsWith('/')) {
    return bad('path.invalid', not, `a path alone has no slash at its end: "${text.replace(/\/+$/, '')}"`)
  }
  const path = parseRoutePath(stated)
  return path.ok ? good({ path: path.value, isExact }) : path
}

/** Where a provider sends users back to: any path outside of the reserved ones, and of those only the default. */
export function parseCallbackPath(text: string): Parsed<string> {
  const path = parsePath(text)
  if (!path.ok) return path
  if (path.value === '/') return bad('portal.callback', 'the callback cannot be "/"', 'it needs a path of its own')
  if (path.value !== `${RESERVED_PREFIX}/callback` && isUnder(path.value.toLowerCase(), RESERVED_PREFIX)) {
    const hint = `of the paths below ${RESERVED_PREFIX} only ${RESERVED_PREFIX}/callback, the default`
    return bad('portal.callback', `${quote(text)} is another page of Sallyport's`, hint)
  }
  return path
}

/** Whether a path is a prefix path or below it, at a segment boundary. */
export function isUnder(path: string, prefix: string): boolean {
  return prefix === '/' || path === prefix || path.startsWith(`${prefix}/`)
}
