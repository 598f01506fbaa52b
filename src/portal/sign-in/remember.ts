/** "Keep me signed in on this device". */

import { sha256 } from '../../base/bytes.ts'
import type { Ports } from '../../base/ports.ts'
import type { Sealer } from '../../session/seal.ts'
import { checkLoginCookie, setLoginCsrfCookie } from '../login-csrf-cookie.ts'
import type { PortalRequest } from '../portal-request.ts'

interface Tools {
  readonly ports: Pick<Ports, 'now' | 'random'>
  readonly seal: Sealer
}

/** How long the sign-in page may stay open before what was chosen on it is forgotten. */
const CHOICE_LIFETIME_MS = 60 * 60_000

/** "Keep me signed in on this device", as an address says it: the parameter's value, and the fields that bind it to this browser. */
export interface RememberOffer {
  readonly value: string
  readonly setCookies: readonly string[]
}

/**
 * The choice for this browser to make. It is made by a link on our own page, since a form's redirects are held against its page's policy;
 * and it is sealed for this browser and host, so that no other site's link makes it for somebody.
 */
export async function offerRemember(ctx: PortalRequest, { ports, seal }: Tools): Promise<RememberOffer> {
  const { secret, setCookies } = setLoginCsrfCookie(ctx, 'login', CHOICE_LIFETIME_MS, ports.random)
  const value = await seal.seal({ browser: sha256(secret) }, purposeOf(ctx), ports.now() + CHOICE_LIFETIME_MS)
  return { value, setCookies }
}

/** Whether this browser has made the choice; false for any value that was not made for it here. */
export async function hasChosenRemember(ctx: PortalRequest, seal: Sealer, value: string | null): Promise<boolean> {
  if (value === null || ctx.portal.lifetimes.rememberMs === null) return false
  const opened = await seal.open(value, purposeOf(ctx))
  if (typeof opened !== 'object' || opened === null || !('browser' in opened)) return false
  return typeof opened.browser === 'string' && checkLoginCookie(ctx, 'login', opened.browser) === 'same'
}

function purposeOf({ portal, origin }: PortalRequest): string {
  return `remember at ${portal.name} on ${origin}`
}
