/** What becomes of the fields of an application's answer: those that end here, cookies, places and scopes. */

import { GateError } from '../../base/errors.ts'
import { memoize } from '../../base/memoize.ts'
import type { UpstreamAddress } from '../../config/values/address.ts'
import { isForCachesAlone } from '../../config/values/cache-control.ts'
import { HOST_WIDE } from '../../config/values/headers.ts'
import { setsOwnCookie } from '../../session/cookie.ts'
import { privateControl } from './caching.ts'
import { ANSWER_HOP_BY_HOP } from './hop-by-hop.ts'
import {
  type Asked,
  isOwnHost,
  type OwnAddresses,
  publicPath,
  rewriteAddress,
  rewriteRefresh,
} from './rewrite-location.ts'

/** How far the answers of a route's application may act. */
export interface AnswerBounds {
  /** Fields that act on the whole host and pass all the same, in lower case. */
  readonly passed: ReadonlySet<string>
  /** The route's path with a slash at its end: what is below it is the application's own. */
  readonly below: string
  /** By which its answers' addresses and cookies are written as the browser knows them; null: they stay as they are. */
  readonly own: OwnAddresses | null
  /** Whether no shared cache may keep them. */
  readonly isPrivate: boolean
}

/** No further than anybody's. */
export const OWN_PATHS_ONLY: AnswerBounds = Object.freeze({
  passed: new Set<string>(),
  below: '/',
  own: null,
  isPrivate: false,
})

/**
 * How far the answers of a route reach: the fields that `pass_fields` names, `passFields` in lower case, paths below `path`, and the upstream’s
 * own addresses; no shared cache, where they are `isPrivate`.
 */
export function compileBounds(
  path: string,
  passFields: readonly string[],
  own: OwnAddresses,
  isPrivate: boolean,
): AnswerBounds {
  return Object.freeze({ passed: new Set(passFields), below: path.endsWith('/') ? path : `${path}/`, own, isPrivate })
}

/** Why a field of an answer is checked; `none`: it passes. */
type Concern = 'hop' | 'connection' | 'coding' | 'host' | 'scope' | 'here' | 'ours' | 'caches' | 'none'

const CACHE_CONTROL = 'cache-control'
const SCOPE_FIELD = 'service-worker-allowed'

const CONCERNS: ReadonlyMap<string, Concern> = new Map<string, Concern>([
  ['connection', 'connection'],
  ['transfer-encoding', 'coding'],
  ...ANSWER_HOP_BY_HOP.map((name): [string, Concern] => [name, 'hop']),
  ['set-cookie', 'here'],
  ...HOST_WIDE.map((name): [string, Concern] => [name.toLowerCase(), 'host']),
  [SCOPE_FIELD, 'scope'],
  ...['location', 'content-location', 'refresh'].map((name): [string, Concern] => [name, 'here']),
])

/** Fields that only the gate sends, to proxies in front. */
const OURS = 'x-sallyport-'

function judge(name: string): Concern {
  const listed = CONCERNS.get(name)
  if (listed !== undefined) return listed
  if (name.startsWith(OURS)) return 'ours'
  return name !== CACHE_CONTROL && isForCachesAlone(name) ? 'caches' : 'none'
}

/** Applications use a few dozen names, and one of several may make up any number. */
const concernOf = memoize(judge, 2048, 64)

/**
 * Removes fields from an upstream's answer: those that end at this hop, and those that would overwrite Sallyport's
 * cookies or speak in its name. It also removes those that would act on the whole host or let a shared cache keep one
 * user's answer (`bounds`). One application of several must not sign users out of the others, or have their addresses
 * reported. Addresses that name the application as browsers do not know it are rewritten for the client of `asked`
 * (null: none is). Works in place: Bun sends an untouched response most cheaply.
 *
 * Set-Cookie fields keep their order and are never combined (RFC 9110 §5.3). A length beside a transfer coding is not
 * believed, nor passed on (RFC 9112 §6.3). Reading all fields once costs as much as reading a dozen by name (Bun
 * 1.4.5).
 *
 * Answers the fields as they came, less what was taken away by Connection and a transfer coding.
 *
 * Throws `upstream.broken` for a transfer coding other than chunked: Bun does not decode it, and the client would not
 * know of it (RFC 9112 §6.1).
 * Source: RFC 9110 §7.6.1 (Connection, and the fields that end at a hop without it).
 */
export function cleanResponseFields(
  headers: Headers,
  bounds: AnswerBounds,
  asked: Asked | null,
  address: UpstreamAddress,
): Readonly<Record<string, string | undefined>> {
  const fields = headers.toJSON() as Record<string, string | undefined>
  let hasOptions = false
  for (const name in fields) {
    const concern = concernOf(name)
    if (concern === 'none') continue
    if (concern === 'here') writeHere(headers, name, fields[name] ?? '', bounds.own, asked, address)
    else {
      const value = fields[name] ?? ''
      settle(headers, name, concern, value, bounds)
      if (concern === 'coding') fields['content-length'] = undefined
      else if (concern === 'connection' && value !== 'keep-alive' && value !== 'close') hasOptions = true
    }
  }
  if (bounds.isPrivate) {
    const control = fields[CACHE_CONTROL] ?? null
    const made = privateControl(control)
    // Connection may have taken it away.
    if (made !== control || !headers.has(CACHE_CONTROL)) headers.set(CACHE_CONTROL, made)
  }
  return hasOptions ? (headers.toJSON() as Record<string, string>) : fields
}

function settle(
  headers: Headers,
  name: string,
  concern: Exclude<Concern, 'here' | 'none'>,
  value: string,
  bounds: AnswerBounds,
): void {
  switch (concern) {
    case 'hop':
    case 'ours':
      headers.delete(name)
      return
    case 'caches':
      if (bounds.isPrivate) headers.delete(name)
      return
    case 'connection':
      headers.delete(name)
      if (value !== 'keep-alive' && value !== 'close') dropOptions(headers, value)
      return
    case 'coding':
      headers.delete('content-length')
      if (!/^(?:chunked|identity)$/i.test(value)) {
        throw new GateError('upstream.broken', 'an upstream used a transfer coding that was not requested')
      }
      headers.delete(name)
      return
    case 'host':
      if (!bounds.passed.has(name)) headers.delete(name)
      return
    case 'scope':
      if (!bounds.passed.has(name) && !isBelow(value, bounds.below)) headers.delete(name)
  }
}

/** Writes what says where something is; a field that Connection took away stays away. */
function writeHere(
  headers: Headers,
  name: string,
  value: string,
  own: OwnAddresses | null,
  asked: Asked | null,
  address: UpstreamAddress,
): void {
  if (name === 'set-cookie') {
    writeCookies(headers, own, asked, address)
    return
  }
  if (own === null || asked === null || !own.isRewritten) return
  const rewrite = (one: string) => rewriteAddress(one, own, asked, address)
  const made = name === 'refresh' ? rewriteRefresh(value, rewrite) : rewrite(value)
  if (made !== value && headers.has(name)) headers.set(name, made)
}

function dropOptions(headers: Headers, connection: string): void {
  for (const option of connection.split(',')) {
    const name = option.trim()
    if (FIELD_NAME.test(name)) headers.delete(name)
  }
}

/**
 * Whether a service worker's widest scope is within what is below a path; a relative one is not looked into.
 * Source: Service Workers §4.6 (the scope is the beginning of an address).
 */
function isBelow(scope: string, below: string): boolean {
  if (!/^\/(?![/\\])/.test(scope)) return false
  const { pathname } = new URL(scope, 'http://host')
  return pathname.startsWith(below)
}

/** As wide as a service worker of such an application may act: the beginning of a path. */
export function widestScope({ passed, below }: AnswerBounds): string {
  return passed.has(SCOPE_FIELD) ? '/' : below
}

function writeCookies(headers: Headers, own: OwnAddresses | null, asked: Asked | null, address: UpstreamAddress): void {
  const cookies = headers.getSetCookie()
  let isChanged = false
  const kept: string[] = []
  for (const cookie of cookies) {
    const made = own === null || asked === null ? cookie : rewriteCookie(cookie, own, asked, address)
    isChanged ||= made !== cookie || setsOwnCookie(cookie)
    if (!setsOwnCookie(cookie)) kept.push(made)
  }
  if (!isChanged) return
  headers.delete('set-cookie')
  for (const cookie of kept) headers.append('set-cookie', cookie)
}

const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/i

/** Whether a Set-Cookie value has an attribute that may be rewritten. */
const SAYS_WHERE = /;[ \t]*(?:domain|path)[ \t]*=/i

/**
 * A Set-Cookie value as the browser can keep it: without a Domain that is the application's own name, which the browser would refuse
 * (it is of the one host that was asked for then), and with its Path as the browser knows it, where the route asks for that.
 *
 * `__Host-` cookies stay as they are: they have no Domain, and only `/` for a path. All else stays byte for byte.
 * Source: RFC 6265 §5.2.3 (Domain), §5.2.4 (Path), §5.3 (what is refused); RFC 6265bis §4.1.3.2.
 */
export function rewriteCookie(cookie: string, own: OwnAddresses, asked: Asked, address: UpstreamAddress): string {
  if (!SAYS_WHERE.test(cookie) || /^[ \t]*__Host-/i.test(cookie)) return cookie
  const [pair = '', ...attributes] = cookie.split(';')
  const kept = attributes.flatMap(attribute => {
    const [lead, name] = ATTRIBUTE.exec(attribute) ?? []
    if (lead === undefined || name === undefined) return attribute
    const value = withoutBlanksBehind(attribute.slice(lead.length))
    if (name.toLowerCase() === 'path')
      return own.hasCookiePaths ? lead + cookiePath(value, own, asked, address) : attribute
    const host = value.replace(/^\./, '').toLowerCase()
    const isKept = `.${asked.target.host}`.endsWith(`.${host}`)
    return !isKept && isOwnHost(host, own, address) ? [] : attribute
  })
  return [pair, ...kept].join(';')
}

/** Of the whole application it is of all that is below the prefix, and of the prefix itself. */
function cookiePath(path: string, own: OwnAddresses, asked: Asked, address: UpstreamAddress): string {
  if (!path.startsWith('/')) return path
  const made = publicPath(path, own, asked, address)
  const prefix = asked.prefix + own.stripped
  return made !== path && prefix !== '' && made === `${prefix}/` ? prefix : made
}

/** Not a regular expression: searching for the last of many blanks would start again at each of them. */
function withoutBlanksBehind(text: string): string {
  let end = text.length
  while (end > 0 && (text[end - 1] === ' ' || text[end - 1] === '\t')) end--
  return text.slice(0, end)
}

const ATTRIBUTE = /^[ \t]*(domain|path)[ \t]*=[ \t]*/i
