/** A cookie that notes that a browser is reading what became of its form. */

import { cookieName, readCookie, writeCookie } from '../../session/cookie.ts'
import { isSecure } from '../paths.ts'
import type { PortalRequest } from '../portal-request.ts'

/** As long as someone takes to read what became of their form, and to follow its link. */
const READING_MS = 5 * 60_000

/** The Set-Cookie that notes that this browser shows what became of a form, at an address that leads to nothing of it. */
export function readingCookie(ctx: PortalRequest): string {
  return writeCookie(nameFor(ctx), '1', isSecure(ctx), READING_MS)
}

/** Whether someone may be reading that: they are led nowhere by anyone but themselves. */
export function isReading(ctx: PortalRequest): boolean {
  return readCookie(ctx.request.headers.get('cookie'), nameFor(ctx)) !== null
}

function nameFor(ctx: PortalRequest): string {
  return cookieName('form', isSecure(ctx))
}
