/** Which of several providers a browser has used last: the page that asks offers it first. */

import { cookieName, readCookie, writeCookie } from '../../session/cookie.ts'
import { isSecure } from '../paths.ts'
import type { PortalRequest } from '../portal-request.ts'

const LIFETIME_MS = 180 * 24 * 60 * 60_000

/** The portal's providers in the order of the file, but the one that was used last before all others. */
export function lastUsedFirst(ctx: PortalRequest): readonly string[] {
  const { providers } = ctx.portal
  const value = readCookie(ctx.request.headers.get('cookie'), cookieName('provider', isSecure(ctx)))
  const last = providers.find(name => encodeURIComponent(name) === value)
  return last === undefined ? providers : [last, ...providers.filter(name => name !== last)]
}

/** The cookie that says so, after a sign-in; none where there is nothing to choose. It holds a name of the file, and is trusted with nothing. */
export function lastUsedCookies(ctx: PortalRequest, provider: string): readonly string[] {
  if (ctx.portal.providers.length < 2 || !ctx.portal.providers.includes(provider)) return []
  return [writeCookie(cookieName('provider', isSecure(ctx)), encodeURIComponent(provider), isSecure(ctx), LIFETIME_MS)]
}
