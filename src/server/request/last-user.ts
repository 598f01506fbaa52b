/** Another user in the same browser: makes the application's cookies of the user before go. */

import { andThen } from '../../base/maybe-promise.ts'
import type { Ports } from '../../base/ports.ts'
import { keepFromSharedCaches } from '../../proxy/fields/caching.ts'
import type { NoteCookies } from '../../proxy/forwarded.ts'
import type { Target } from '../../route/target.ts'
import { cookieName, isOwnCookie, LONGEST_KEPT, readCookie, writeCookie } from '../../session/cookie.ts'
import type { CompiledGrant } from '../config/snapshot.ts'
import type { Decided, MaybeResponse } from './context.ts'

/** As long as browsers keep any cookie (RFC 6265bis §5.5), and when it is written again. */
const KEPT_MS = 400 * 24 * 60 * 60_000
const MONTH_MS = 30 * 24 * 60 * 60_000

/** Cookies that are removed at most, and those of which is noted where they are. */
const MOST_REMOVED = 50
const MOST_NOTED = 20

/**
 * Domain and path of an application's cookie that is not simply for this host and `/`; `domain` is empty for a cookie
 * of this host.
 */
interface Placed {
  readonly name: string
  readonly path: string
  readonly domain: string
}

/**
 * The content of the cookie `last`: the last user that an application of this host has seen, and the domains and paths
 * of its cookies, which a request does not show. It outlives sessions, since no session has it after a sign-out.
 */
interface Last {
  readonly mark: string
  readonly month: number
  readonly placed: readonly Placed[]
}

/** A request of somebody who came by a cookie to an application whose own session has to end with its user. */
export interface LastUser {
  /** Whether somebody else was last at this host: the application must not get their cookies. */
  readonly isOther: boolean
  /**
   * Looks at the cookies that an answer sets, where the browser knows this user already; null: `finish` has to write
   * the cookie.
   */
  readonly noteCookies: NoteCookies | null
  /** The answer, with what makes the browser forget the user before, and remember this one. */
  finish(answer: MaybeResponse): MaybeResponse
}

/**
 * Whether a request is the first of another user at this host; null where it does not matter.
 *
 * The application's cookies are removed one by one: `Clear-Site-Data: "cookies"` would remove those of every host of
 * the domain.
 */
export function lookAtLastUser(
  context: Decided,
  { ports }: { readonly ports: Pick<Ports, 'now' | 'log'> },
): LastUser | null {
  const { userMark } = context.grant
  return userMark === null || context.token !== null ? null : lookAt(userMark, context, ports)
}

function lookAt(mark: string, context: Decided, ports: Pick<Ports, 'log'>): LastUser {
  const { grant } = context
  const sent = context.sent.cookie ?? null
  const { scheme, prefix: outer } = context
  const month = Math.floor(context.decidedMs / MONTH_MS)
  const known = KNOWN.get(grant)
  if (known !== undefined && isSame(known, sent, scheme, outer, month)) return known.user
  const user = lookAnew(mark, context, ports, { sent, scheme, outer, month })
  // Its browser knows this user, and says so with each request.
  if (user.noteCookies !== null && sent !== null && sent.length <= LONGEST_KEPT) {
    KNOWN.set(grant, { sent, scheme, outer, month, user })
  }
  return user
}

/** What was seen of a user at a route. */
interface Known extends Seen {
  readonly user: LastUser
}

/** What of a request it depends on whether a browser knows its user. */
interface Seen {
  readonly sent: string | null
  readonly scheme: 'http' | 'https'
  /** What a trusted proxy took off the path before. */
  readonly outer: string
  readonly month: number
}

function isSame(known: Known, sent: string | null, scheme: Seen['scheme'], outer: string, month: number): boolean {
  return known.sent === sent && known.scheme === scheme && known.outer === outer && known.month === month
}

const KNOWN = new WeakMap<CompiledGrant, Known>()

function lookAnew(
  mark: string,
  context: Decided,
  ports: Pick<Ports, 'log'>,
  { sent, scheme, outer, month }: Seen,
): LastUser {
  const { target } = context
  const { config } = context.route
  const isSecure = scheme === 'https'
  const name = cookieName('last', isSecure)
  const text = readCookie(sent, name)
  const last = text === null ? null : readLast(text)
  const isOther = last !== null && last.mark !== mark
  const prefix = outer + (config.path === '/' ? '' : config.path)
  const remember = (headers: Headers, set: readonly string[], placed: readonly Placed[]) => {
    // What the application sets now is this user's: it comes last, and stays.
    for (const cookie of set) headers.append('set-cookie', cookie)
    headers.append('set-cookie', writeCookie(name, writeLast({ mark, month, placed }), isSecure, KEPT_MS))
    // No cache may say this to anyone again.
    keepFromSharedCaches(headers)
  }
  if (last !== null && !isOther && last.month === month) {
    return {
      isOther,
      finish: answer => answer,
      noteCookies(headers, asked) {
        const placed = withPlaced(last.placed, headers.getSetCookie(), asked, prefix)
        if (placed !== last.placed) remember(headers, [], placed)
      },
    }
  }
  return {
    isOther,
    noteCookies: null,
    finish: answer =>
      andThen(answer, response => {
        if (response === undefined) return response
        const { headers } = response
        const set = headers.getSetCookie()
        const placed = withPlaced(isOther || last === null ? [] : last.placed, set, target, prefix)
        headers.delete('set-cookie')
        if (isOther) {
          const { left, cookies } = removals(sent ?? '', last.placed, target.host, prefix, isSecure)
          if (left > 0) {
            ports.log.warn('Cookies of the user before stay in the browser: more than 50, or names that are none', {
              route: config.id,
              left,
            })
          }
          headers.append('clear-site-data', '"storage"')
          for (const cookie of cookies) headers.append('set-cookie', cookie)
        }
        remember(headers, set, placed)
        if (isOther) headers.set('cache-control', 'no-store')
        return response
      }),
  }
}

/** The Set-Cookie values that remove what a request brings, and what is known to be elsewhere; and how many cookies stay. */
function removals(
  sent: string,
  placed: readonly Placed[],
  host: string,
  prefix: string,
  isSecure: boolean,
): { readonly cookies: readonly string[]; readonly left: number } {
  const names = new Set<string>()
  let left = 0
  for (const pair of sent.split(';')) {
    const equals = pair.indexOf('=')
    const name = (equals === -1 ? '' : pair.slice(0, equals)).trim()
    if (pair.trim() === '' || isOwnCookie(name) || names.has(name)) continue
    if (TOKEN.test(name) && names.size < MOST_REMOVED) names.add(name)
    else left++
  }
  const paths = prefix === '' ? ['/'] : ['/', prefix, `${prefix}/`]
  const here = [...names].flatMap(name =>
    (HOST_PREFIX.test(name) ? ['/'] : paths).map(path => ({ name, path, domain: '' })),
  )
  const elsewhere = placed.filter(({ domain }) => domain === '' || `.${host}`.endsWith(`.${domain}`))
  const secure = isSecure ? '; Secure' : ''
  return {
    left,
    cookies: [...here, ...elsewhere].map(
      ({ name, path, domain }) =>
        `${name}=; Path=${path}; Max-Age=0${domain === '' ? '' : `; Domain=${domain}`}${secure}`,
    ),
  }
}

/** What is known of where cookies are, and what an answer sets elsewhere than at `/` of this host; the same list where that is nothing new. */
function withPlaced(
  known: readonly Placed[],
  set: readonly string[],
  target: Target,
  prefix: string,
): readonly Placed[] {
  let all = known
  for (const cookie of set) {
    const one = placeOf(cookie, target)
    const isHere = one === null || (one.domain === '' && ['/', prefix, `${prefix}/`].includes(one.path))
    if (isHere || all.length >= MOST_NOTED) continue
    if (all.some(({ name, path, domain }) => name === one.name && path === one.path && domain === one.domain)) continue
    all = [...all, one]
  }
  return all
}

/** Where a Set-Cookie value puts its cookie (RFC 6265 §5.2, §5.3); null for what is not looked at. */
function placeOf(cookie: string, { host, path: asked }: Target): Placed | null {
  const [pair = '', ...attributes] = cookie.split(';')
  const name = pair.slice(0, Math.max(0, pair.indexOf('='))).trim()
  let path = asked.slice(0, Math.max(1, asked.lastIndexOf('/')))
  let domain = ''
  for (const attribute of attributes) {
    const equals = attribute.indexOf('=')
    const key = attribute.slice(0, equals).trim().toLowerCase()
    const value = attribute.slice(equals + 1).trim()
    if (equals === -1) continue
    if (key === 'path' && value.startsWith('/')) path = value
    if (key === 'domain') domain = value.replace(/^\./, '').toLowerCase()
  }
  return isPlaced({ name, path, domain }) && (domain === '' || `.${host}`.endsWith(`.${domain}`))
    ? { name, path, domain }
    : null
}

function isPlaced({ name, path, domain }: Placed): boolean {
  return TOKEN.test(name) && !isOwnCookie(name) && PATH.test(path) && DOMAIN.test(domain)
}

function writeLast({ mark, month, placed }: Last): string {
  const text = placed.map(({ name, path, domain }) => [name, path, domain])
  return `${mark}.${month.toString(36)}.${placed.length === 0 ? '' : Buffer.from(JSON.stringify(text)).toString('base64url')}`
}

/**
 * Null for a value in another form. Domains and paths need no more trust: they only remove cookies of this browser at
 * this host.
 */
function readLast(text: string): Last | null {
  const [, mark, month, places] = LAST.exec(text) ?? []
  if (mark === undefined || month === undefined || places === undefined) return null
  return { mark, month: Number.parseInt(month, 36), placed: readPlaces(places) }
}

function readPlaces(text: string): readonly Placed[] {
  if (text === '') return []
  let read: unknown
  try {
    read = JSON.parse(Buffer.from(text, 'base64url').toString())
  } catch {
    return []
  }
  if (!Array.isArray(read)) return []
  return read.slice(0, MOST_NOTED).flatMap((one: unknown) => {
    if (!Array.isArray(one)) return []
    const [name, path, domain]: unknown[] = one
    if (typeof name !== 'string' || typeof path !== 'string' || typeof domain !== 'string') return []
    const placed = { name, path, domain }
    return isPlaced(placed) ? [placed] : []
  })
}

/** RFC 9110 §5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/
const HOST_PREFIX = /^__Host-/i
const PATH = /^\/[!-:<-~]{0,255}$/
const DOMAIN = /^[a-z0-9.-]{0,253}$/
const LAST = /^([A-Za-z0-9_-]{8})\.([0-9a-z]{1,8})\.([A-Za-z0-9_-]{0,3000})$/
