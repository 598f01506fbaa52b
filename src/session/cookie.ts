/**
 * Sallyport's own cookies: their names, how to read and write them, and how to remove them from requests to an
 * application.
 *
 * Every name begins with one of two prefixes, so that one rule removes all own cookies and no others. Bytes are
 * compared exactly: only the optional white space of RFC 6265 §5.4's serialisation is trimmed.
 */
const SECURE_PREFIX = '__Host-sallyport'
const PLAIN_PREFIX = 'sallyport'

/** The uses of own cookies; `several`: a browser may have more than one of it, each with a suffix (`suffixedName`). */
const USES = {
  session: 'bare',
  login: 'several',
  ask: 'several',
  rounds: 'one',
  owner: 'one',
  form: 'one',
  guest: 'several',
  known: 'one',
  last: 'one',
  provider: 'one',
  bound: 'several',
} as const

type CookieUse = keyof typeof USES

/** All of them. */
export const COOKIE_USES = Object.keys(USES) as readonly CookieUse[]

/** The cookie's name; plain HTTP has no `__Host-` prefix, since a browser would refuse it there (RFC 6265bis §4.1.3.2). */
export function cookieName(use: CookieUse, isSecure: boolean): string {
  const base = isSecure ? SECURE_PREFIX : PLAIN_PREFIX
  return use === 'session' ? base : `${base}-${use}`
}

/** The first value of a named cookie in a Cookie field, or null. */
export function readCookie(header: string | null, name: string): string | null {
  if (header === null) return null
  for (let start = 0; start < header.length; ) {
    let end = header.indexOf(';', start)
    if (end === -1) end = header.length
    while (header.charCodeAt(start) === 0x20) start++
    if (header.startsWith(name, start) && header.charCodeAt(start + name.length) === 0x3d) {
      return header.slice(start + name.length + 1, end)
    }
    start = end + 1
  }
  return null
}

/** An own cookie as received. */
export interface Cookie {
  readonly name: string
  readonly value: string
}

/** The cookies with this name, and those with this name and a short suffix (`suffixedName`), in the order they were sent. */
export function readCookies(header: string | null, name: string): readonly Cookie[] {
  if (header === null) return []
  const found: Cookie[] = []
  for (const pair of header.split(';')) {
    const text = pair.replace(/^ +/, '')
    const equals = text.indexOf('=')
    if (equals === -1 || !text.startsWith(name)) continue
    const suffix = text.slice(name.length, equals)
    if (suffix === '' || SUFFIX.test(suffix)) found.push({ name: text.slice(0, equals), value: text.slice(equals + 1) })
  }
  return found
}

const SUFFIX = /^-[A-Za-z0-9_-]{3}$/

/** An own cookie name with a suffix, where one browser may have several; `seed` is base64url text. */
export function suffixedName(name: string, seed: string): string {
  return `${name}-${seed.slice(0, 3)}`
}

/** A Set-Cookie value: host-only, HttpOnly, SameSite=Lax, whole host; a null lifetime ends with the browser, 0 removes it. */
export function writeCookie(name: string, value: string, isSecure: boolean, lifetimeMs: number | null): string {
  const age = lifetimeMs === null ? '' : `; Max-Age=${Math.floor(lifetimeMs / 1000)}`
  return `${name}=${value}; Path=/${age}; HttpOnly${isSecure ? '; Secure' : ''}; SameSite=Lax`
}

/** Whether a cookie of this name is ours, on either scheme. */
export function isOwnCookie(name: string): boolean {
  const rest = name.startsWith(SECURE_PREFIX)
    ? name.slice(SECURE_PREFIX.length)
    : name.startsWith(PLAIN_PREFIX)
      ? name.slice(PLAIN_PREFIX.length)
      : null
  if (rest === null || rest === '') return rest === ''
  return OWN_RESTS.has(rest) || (SUFFIX.test(rest.slice(-4)) && SEVERAL_RESTS.has(rest.slice(0, -4)))
}

const OWN_RESTS: ReadonlySet<string> = new Set(COOKIE_USES.filter(use => USES[use] !== 'bare').map(use => `-${use}`))
const SEVERAL_RESTS: ReadonlySet<string> = new Set(
  COOKIE_USES.filter(use => USES[use] === 'several').map(use => `-${use}`),
)

/** A Cookie field without our cookies, every other byte as it came; null when nothing is left. */
export function stripOwnCookies(header: string): string | null {
  let kept: string | null = null
  let keptFrom = 0
  for (let start = 0; start <= header.length; ) {
    const semicolon = header.indexOf(';', start)
    const end = semicolon === -1 ? header.length : semicolon
    if (isOwnPair(header, start, end)) {
      if (start > keptFrom) kept = joinKept(kept, header.slice(keptFrom, start - 1))
      keptFrom = end + 1
    }
    start = end + 1
  }
  if (keptFrom === 0) return header
  return keptFrom > header.length ? kept : joinKept(kept, header.slice(keptFrom))
}

/** The first kept pair begins without the white space that followed an own pair. */
function joinKept(before: string | null, pairs: string): string {
  return before === null ? pairs.replace(/^ +/, '') : `${before};${pairs}`
}

/** A longer field is read each time: one is kept for each session on each of its routes. */
export const LONGEST_KEPT = 1024

/** What was left of the Cookie field of one browser, which says the same with each request. */
export class KeptCookies {
  #header: string | null = null
  #rest: string | null = null

  /** What `stripOwnCookies` answers. */
  withoutOwn(header: string): string | null {
    if (header === this.#header) return this.#rest
    const rest = stripOwnCookies(header)
    if (header.length <= LONGEST_KEPT) {
      this.#header = header
      this.#rest = rest
    }
    return rest
  }
}

/** Whether the pair between two semicolons has an own name. */
function isOwnPair(header: string, start: number, end: number): boolean {
  let from = start
  while (from < end && isBlank(header.charCodeAt(from))) from++
  if (!header.startsWith(PLAIN_PREFIX, from) && !header.startsWith(SECURE_PREFIX, from)) return false
  // Only within the pair: thousands of pairs without a value must not each be searched to the end of the field.
  let to = from
  while (to < end && header.charCodeAt(to) !== 0x3d) to++
  while (to > from && isBlank(header.charCodeAt(to - 1))) to--
  return isOwnCookie(header.slice(from, to))
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09
}

/**
 * Whether a Set-Cookie value from an upstream would write an own cookie, or one that looks like it later: a browser
 * sends a cookie without a name as only its value (RFC 6265bis §5.8.3), so that `=a=b` is read as `a=b`.
 */
export function setsOwnCookie(setCookie: string): boolean {
  const semicolon = setCookie.indexOf(';')
  const end = semicolon === -1 ? setCookie.length : semicolon
  let start = 0
  while (start < end && (isBlank(setCookie.charCodeAt(start)) || setCookie.charCodeAt(start) === 0x3d)) start++
  return isOwnPair(setCookie, start, end)
}
