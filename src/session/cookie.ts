/**
 * Our cookies: names, reading, writing, and taking them out of what goes upstream.
 *
 * Every name begins with one of two prefixes, so that one rule removes all of ours and no one else's.
 * Bytes are compared as they are: no trimming beyond the optional white space of RFC 6265 §5.4's serialisation.
 */
const SECURE_PREFIX = '__Host-sallyport'
const PLAIN_PREFIX = 'sallyport'

/** What a cookie of ours is for. */
export type CookieUse = 'session' | 'login' | 'ask'

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
  return rest === '' || rest === '-login' || rest === '-ask'
}

/** A Cookie field without our cookies, every other byte as it came; null when nothing is left. */
export function stripOwnCookies(header: string): string | null {
  const kept = header.split(';').filter(pair => {
    const equals = pair.indexOf('=')
    return !isOwnCookie((equals === -1 ? pair : pair.slice(0, equals)).replace(/^[ \t]+|[ \t]+$/g, ''))
  })
  if (kept.length === 0) return null
  kept[0] = (kept[0] ?? '').replace(/^ +/, '')
  return kept.join(';')
}

/** Whether a Set-Cookie value from an upstream would write a cookie of ours. */
export function setsOwnCookie(setCookie: string): boolean {
  const end = setCookie.search(/[=;]/)
  return isOwnCookie((end === -1 ? setCookie : setCookie.slice(0, end)).replace(/^[ \t]+|[ \t]+$/g, ''))
}
