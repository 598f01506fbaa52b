/** The login CSRF cookie: binds each step of a sign-in to the browser that began it. */

import { isToken, randomToken, sha256 } from '../base/bytes.ts'
import type { Ports } from '../base/ports.ts'
import { cookieName, readCookies, suffixedName, writeCookie } from '../session/cookie.ts'
import { isSecure } from './paths.ts'
import type { PortalRequest } from './portal-request.ts'

/** What a step of a sign-in is bound to: a secret of this browser, and the fields that make the browser keep it. */
export interface LoginCookie {
  readonly secret: string
  readonly setCookies: readonly string[]
}

/**
 * How many a browser keeps. Only tabs that ask in the same instant, before the browser has any, make more than one.
 * The oldest go first; a tab whose cookie is gone restarts its sign-in.
 */
const MOST_KEPT = 16

/**
 * A secret that this browser has already, or a new one.
 *
 * Each cookie has a different name, made from the secret's hash. So tabs that start in the same instant do not
 * overwrite each other's cookie.
 */
export function setLoginCsrfCookie(
  ctx: PortalRequest,
  use: 'login' | 'ask',
  lifetimeMs: number,
  random: Ports['random'],
): LoginCookie {
  const name = cookieName(use, isSecure(ctx))
  const kept = loginCookies(ctx, use)
  const secret = kept.at(-1)?.value ?? randomToken(random)
  const own = suffixedName(name, sha256(secret))
  const surplus = kept.slice(0, -MOST_KEPT).filter(cookie => cookie.name !== own)
  return {
    secret,
    setCookies: [
      writeCookie(own, secret, isSecure(ctx), lifetimeMs),
      ...surplus.map(cookie => writeCookie(cookie.name, '', isSecure(ctx), 0)),
    ],
  }
}

/** Whether this browser has the secret with this SHA-256; `none` when it has none at all. */
export function checkLoginCookie(ctx: PortalRequest, use: 'login' | 'ask', hash: string): 'same' | 'other' | 'none' {
  const kept = loginCookies(ctx, use)
  if (kept.length === 0) return 'none'
  return kept.some(({ value }) => sha256(value) === hash) ? 'same' : 'other'
}

/**
 * By what this browser is known before it has a session: by the oldest of these, which tabs that ask at once all send by the time that
 * they come back. Null where it has none.
 */
export function browserKey(ctx: PortalRequest, use: 'login' | 'ask'): string | null {
  const [oldest] = loginCookies(ctx, use)
  return oldest === undefined ? null : sha256(oldest.value)
}

/** Whether this browser has any such secret. */
export function hasLoginCookie(ctx: PortalRequest, use: 'login' | 'ask'): boolean {
  return loginCookies(ctx, use).length > 0
}

/** Those of the shape that we give them: anything else was not ours. */
function loginCookies(ctx: PortalRequest, use: 'login' | 'ask') {
  const cookies = readCookies(ctx.request.headers.get('cookie'), cookieName(use, isSecure(ctx)))
  return cookies.filter(({ value }) => isToken(value))
}
