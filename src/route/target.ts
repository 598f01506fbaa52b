/** The target of a request: host, path and query in one spelling; ambiguous ones are refused. */

import { GateError } from '../base/errors.ts'
import { ambiguous, hasReadings, malformed, readPath } from './readings.ts'

/** Where a request is going, in its one canonical spelling. The only reader of Host and of the request's address. */
export interface Target {
  readonly method: string
  /** Lower-case, without port and without a trailing dot. */
  readonly host: string
  /** host, or host:port as the client named it: what redirects and X-Forwarded-Host are made from. */
  readonly authority: string
  /** Begins with `/`; exactly what is matched and what is forwarded. */
  readonly path: string
  /** Empty, or begins with `?`. */
  readonly query: string
  /**
   * Other ways in which a backend could read `path` (decoded, slashes merged, parameters cut, lower-cased, normalised).
   * Empty for nearly all; each must be reachable too, or the request is refused.
   */
  readonly readings: readonly string[]
  /** Whether the path is below `/.sallyport`: the portal answers it, and it is never forwarded. */
  readonly isReserved: boolean
}

/** Everything of our own lives at and below this path, on every host. */
export const RESERVED_PATH = '/.sallyport'

/** Methods that are forwarded: RFC 9110 §9, PATCH, WebDAV and its kin. TRACE and CONNECT never are. */
const METHODS = new Set(
  (
    'GET HEAD POST PUT DELETE PATCH OPTIONS PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK SEARCH REPORT MKACTIVITY CHECKOUT ' +
    'MERGE M-SEARCH NOTIFY SUBSCRIBE UNSUBSCRIBE PURGE MKCALENDAR LINK UNLINK BIND REBIND UNBIND ACL SOURCE QUERY'
  ).split(' '),
)

const NO_READINGS: readonly string[] = Object.freeze([])

/** Lower-case letters, digits, dots, dashes and underscores, or an IPv6 literal; a port may follow. */
const AUTHORITY = /^(?:([a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?)\.?|(\[[0-9a-f:.]+\]))(?::([0-9]{1,5}))?$/i

/**
 * The canonical Target of a request.
 *
 * Shape: `address` is what Bun.serve calls `req.url`, `hostHeader` the Host field (two Host fields arrive joined by a
 * comma).
 * Throws: target.method, target.host, target.malformed (no path, a malformed escape, one of a control character or of
 * overlong UTF-8, `#`, bytes that are not UTF-8), target.ambiguous (a dot segment in any reading, or a reading that is
 * reserved when the path is not).
 * Source: RFC 9110 §4.2.3 and §7.2, RFC 3986 §6.2, RFC 9112 §3.2.
 *
 * The `#` and lone-byte rules are for Bun 1.4.5. It leaves a fragment in `req.url`, and turns a byte that is not UTF-8
 * into U+FFFD. In a query that becomes `%EF%BF%BD`, in capitals, so that a client's own replacement character passes
 * only in small letters.
 */
export function parseTarget(method: string, address: string, hostHeader: string | null): Target {
  if (!METHODS.has(method)) throw new GateError('target.method', `method ${method.slice(0, 20)} is not forwarded`)
  const { host, authority } = parseAuthority(hostHeader)

  // "http://host/path?query": the path starts at the first slash after the scheme's two. "/path" where Host was unusable.
  const scheme = address.charCodeAt(0) === 0x2f ? -1 : address.indexOf('://')
  const pathStart = scheme === -1 ? 0 : address.indexOf('/', scheme + 3)
  if (pathStart === -1 || address.charCodeAt(pathStart) !== 0x2f) throw malformed('the target has no path')
  const queryStart = address.indexOf('?', pathStart)
  const rawPath = queryStart === -1 ? address.slice(pathStart) : address.slice(pathStart, queryStart)
  // Bun's fetch sends a run of leading slashes as one: so is it matched.
  const path = rawPath.charCodeAt(1) === 0x2f ? rawPath.replace(/^\/+/, '/') : rawPath
  const query = queryStart === -1 ? '' : address.slice(queryStart)
  if (query.includes('#')) throw malformed('the target has a fragment')
  if (query.includes('%EF%BF%BD')) throw malformed('the query is not UTF-8')
  const readings = hasReadings(path) ? readPath(path) : NO_READINGS
  const isReserved = isReservedPath(path)
  if (!isReserved && readings.length > 0 && readings.some(isReservedPath)) {
    throw ambiguous(`the path can be read as one under ${RESERVED_PATH}`)
  }
  return { method, host, authority, path, query, readings, isReserved }
}

/** How a browser asked for a host, and by which address it knows it. */
interface AskedHost {
  readonly scheme: 'http' | 'https'
  readonly target: Pick<Target, 'host' | 'authority'>
}

/** The port by which a browser reaches a host: the one that it names, or its scheme's own. */
export function portAt({ scheme, target: { host, authority } }: AskedHost): number {
  return authority.length === host.length ? (scheme === 'https' ? 443 : 80) : Number(authority.slice(host.length + 1))
}

/** The origin by which a browser knows a host; as everywhere, without the port that its scheme has anyway. */
export function originAt({ scheme, target: { host, authority } }: AskedHost): string {
  const isUsual = authority === `${host}:${scheme === 'https' ? 443 : 80}`
  return `${scheme}://${isUsual ? host : authority}`
}

function isReservedPath(path: string): boolean {
  return (
    path.startsWith(RESERVED_PATH) &&
    (path.length === RESERVED_PATH.length || path.charCodeAt(RESERVED_PATH.length) === 0x2f)
  )
}

/**
 * Host and authority in canonical spelling.
 *
 * Throws target.host for none, several, user information, percent-encoding, or anything that is not a name or an address.
 */
export function parseAuthority(hostHeader: string | null): { readonly host: string; readonly authority: string } {
  const cached = hostHeader === null ? undefined : AUTHORITIES.get(hostHeader)
  if (cached !== undefined) return cached
  const match = hostHeader === null ? null : AUTHORITY.exec(hostHeader)
  const name = match?.[1] ?? match?.[2]
  const port = match?.[3]
  if (
    hostHeader === null ||
    name === undefined ||
    name.includes('..') ||
    name.length > 253 ||
    Number(port ?? 1) > 65_535
  ) {
    throw new GateError('target.host', 'the Host field is missing, repeated or not a host name')
  }
  const host = name.toLowerCase()
  const parsed = Object.freeze({ host, authority: port === undefined ? host : `${host}:${Number(port)}` })
  if (AUTHORITIES.size >= MAX_AUTHORITIES) AUTHORITIES.clear()
  AUTHORITIES.set(hostHeader, parsed)
  return parsed
}

/** Pure memo of spellings: bounded, and never holds a refusal. */
const AUTHORITIES = new Map<string, { readonly host: string; readonly authority: string }>()
const MAX_AUTHORITIES = 1024
