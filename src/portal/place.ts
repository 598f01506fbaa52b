import { RESERVED_PATH } from '../route/target.ts'
import type { KeptForm, PortalRequest } from './portal.ts'

/** Our own pages, by what they do. */
export type OwnPage =
  | ''
  | 'login'
  | 'callback'
  | 'enter'
  | 'logout'
  | 'signed-out'
  | 'me'
  | 'verify'
  | 'sessions'
  | 'tokens'
  | 'icons'
  | 'jwks.json'
  | 'kept'
  | 'admin'
  | 'guest'
  | 'guests'
  | 'provider-logout'
  | 'backchannel-logout'
  | 'frontchannel-logout'

/** The path of a page of ours, the same on every host. */
export function ownPath(page: OwnPage): string {
  return `${RESERVED_PATH}/${page}`
}

/** Whether people sign in at this very host: the portal's own, or any host of a portal without one. */
export function isPortalHost({ portal, target }: Pick<PortalRequest, 'portal' | 'target'>): boolean {
  return portal.url === null || portal.url.host === target.host
}

/** Whether a path is where providers send people back to: on every other host of a portal it is the application's own. */
export function isCallback(ctx: Pick<PortalRequest, 'portal' | 'target'>): boolean {
  return ctx.target.path === ctx.portal.callbackPath && isPortalHost(ctx)
}

/** The origin where people sign in for this request's portal. */
export function portalOrigin({ portal, origin }: PortalRequest): string {
  return portal.url === null ? origin : `${portal.url.scheme}://${portal.url.authority}`
}

/** The address that providers send this request's browser back to: it is registered there, to the letter. */
export function callbackAddress(ctx: PortalRequest): string {
  return `${portalOrigin(ctx)}${ctx.portal.callbackPath}`
}

/** Whether this host's cookies are Secure and carry the `__Host-` prefix. */
export function isSecure({ origin }: PortalRequest): boolean {
  return origin.startsWith('https:')
}

/** The parameter by which a form is sent from where it was first sent to: always the last one of the address. */
const SEND = 'sallyport-send'

const SENT = new RegExp(`[?&]${SEND}=([A-Za-z0-9_-]{43})$`)

/** Where the button leads that sends a form: its own address, so that the application's answer stands under it. */
export function sendAddress({ path }: Pick<KeptForm, 'path'>, id: string): string {
  return `${path}${path.includes('?') ? '&' : '?'}${SEND}=${id}`
}

/** The id in such an address, and the query without it; null for any other. */
export function readSendAddress(query: string): { readonly id: string; readonly query: string } | null {
  const found = SENT.exec(query)
  return found?.[1] === undefined ? null : { id: found[1], query: query.slice(0, found.index) }
}
