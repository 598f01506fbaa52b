/** Addresses of our own: `/.sallyport/…`, well-known documents, callbacks and old addresses of other programs. */

import type { CompatConfig, OldPortal, OldProxy } from '../config/keys/compat.ts'
import type { PortalConfig } from '../config/resolve/portals.ts'
import type { ProviderConfig } from '../config/resolve/providers.ts'
import { RESERVED_PATH, type Target } from '../route/target.ts'
import type { CompatPage, PortalRequest } from './portal-request.ts'

/** Our own pages, by what they do. */
export type OwnPage =
  | ''
  | 'login'
  | 'again'
  | 'ask'
  | 'callback'
  | 'enter'
  | 'logout'
  | 'signed-out'
  | 'me'
  | 'address'
  | 'verify'
  | 'sessions'
  | 'account'
  | 'tokens'
  | 'icons'
  | 'fonts'
  | 'jwks.json'
  | 'client-jwks.json'
  | 'kept'
  | 'admin'
  | 'route'
  | 'editor.js'
  | 'audit'
  | 'file'
  | 'edit'
  | 'guest'
  | 'guests'
  | 'invitation'
  | 'people'
  | 'provider-logout'
  | 'backchannel-logout'
  | 'frontchannel-logout'
  | 'authorize'
  | 'token'
  | 'register'
  | 'scim'
  | 'bind'
  | 'renew'
  | 'device'

/** The path of one of Sallyport's own pages, the same on every host. */
export function ownPath(page: OwnPage): string {
  return `${RESERVED_PATH}/${page}`
}

/** Where a protected resource is described, before its own path (RFC 9728 §3.1), and an authorization server (RFC 8414 §3.1). */
export const RESOURCE_METADATA = '/.well-known/oauth-protected-resource'
export const SERVER_METADATA = '/.well-known/oauth-authorization-server'

/** MCP servers of a portal as one host has them. */
interface Servers<Server> {
  /** The one whose own path this is; null for any other. */
  at(path: string): Server | null
  /** Those of all hosts. */
  all(): readonly Server[]
  pathOf(server: Server): string
}

/** The MCP server that is described at a path: between both, or for the one of a host at its root as well (RFC 9728 §3.1). */
export function findDescribed<Server>(path: string, { at, all, pathOf }: Servers<Server>): Server | null {
  if (!path.startsWith(RESOURCE_METADATA)) return null
  const rest = path.slice(RESOURCE_METADATA.length)
  if (rest !== '') return rest.startsWith('/') ? at(rest) : null
  const whole = at('/')
  if (whole !== null) return whole
  const own = all().filter(server => at(pathOf(server)) === server)
  return own.length === 1 ? (own[0] ?? null) : null
}

/** Which address of a program that stood here before a target is; null for one that it would have handed on. */
export type CompatPages = (target: Pick<Target, 'host' | 'path'>) => CompatPage | null

/** The addresses of a portal's `compat`, by what they are for. */
export function compileCompatPages(portal: Pick<PortalConfig, 'url'>, compat: CompatConfig): CompatPages {
  return compat.program === 'oauth2-proxy' ? proxyPages(compat) : portalPages(portal, compat)
}

/** oauth2-proxy's addresses. Only the path shows which of them served its own pages. */
function proxyPages({ prefix, pingPath, readyPath }: OldProxy): CompatPages {
  const below = (['sign_in', 'sign_out', 'start', 'userinfo', 'auth'] as const).map(
    page => [`${prefix}/${page}`, page] as const,
  )
  const pages = new Map<string, CompatPage>([
    [ROBOTS, 'robots.txt'],
    [readyPath, 'ready'],
    [pingPath, 'ping'],
    ...below,
  ])
  const files = `${prefix}/static/`
  return ({ path }) => pages.get(path) ?? (path.startsWith(files) ? 'static' : null)
}

/** caddy-security's: on other hosts than those where people signed in, its paths were the applications'. */
function portalPages({ url }: Pick<PortalConfig, 'url'>, { prefix }: OldPortal): CompatPages {
  const pages = new Map<string, CompatPage>(
    (['portal', 'login', 'logout', 'whoami'] as const).map(page => [`${prefix}/${page}`, page]),
  )
  if (prefix !== '') pages.set(prefix, 'portal').set(`${prefix}/`, 'portal')
  const realms = `${prefix}/oauth2/`
  const isRealm = (path: string) => path.startsWith(realms) && /^[\w-]+$/.test(path.slice(realms.length))
  return ({ host, path }) => {
    if (url !== null && url.host !== host) return null
    return pages.get(path) ?? (isRealm(path) ? 'login' : null)
  }
}

/** RFC 9309 §2.3. */
const ROBOTS = '/robots.txt'

/** Whether people sign in at this very host: the portal's own, or any host of a portal without one. */
export function isPortalHost({ portal, target }: Pick<PortalRequest, 'portal' | 'target'>): boolean {
  return portal.url === null || portal.url.host === target.host
}

/** Whether a path is where providers send people back to: on every other host of a portal it is the application's own. */
export function isCallback(ctx: Pick<PortalRequest, 'portal' | 'target'>): boolean {
  return ctx.target.path === ctx.portal.callbackPath && isPortalHost(ctx)
}

/**
 * Where a provider sends users back to: the portal's one address. A provider whose responses do not name their issuer
 * gets a separate address (RFC 9700 §4.4.2.2).
 */
export function callbackPathFor(
  portal: Pick<PortalConfig, 'callbackPath'>,
  { name, oauth2 }: Pick<ProviderConfig, 'name' | 'oauth2'>,
): string {
  return oauth2 === null ? portal.callbackPath : `${ownPath('callback')}/${name}`
}

/** Whether a request is to where one of the portal's providers sends people back to. */
export function isAnyCallback(ctx: PortalRequest): boolean {
  if (isCallback(ctx)) return true
  if (!ctx.target.path.startsWith(`${ownPath('callback')}/`) || !isPortalHost(ctx)) return false
  return ctx.portal.providers.some(name => {
    const provider = ctx.providers.get(name)
    return (
      provider !== undefined && provider.oauth2 !== null && callbackPathFor(ctx.portal, provider) === ctx.target.path
    )
  })
}

/** The origin where people sign in for this request's portal. */
export function portalOrigin({ portal, origin }: PortalRequest): string {
  return portal.url === null ? origin : `${portal.url.scheme}://${portal.url.authority}`
}

/** The address that a provider sends this request's browser back to: it is registered there, to the letter. */
export function callbackAddress(ctx: PortalRequest, provider: Pick<ProviderConfig, 'name' | 'oauth2'>): string {
  return `${portalOrigin(ctx)}${callbackPathFor(ctx.portal, provider)}`
}

/** The address at which this request came back from a provider. */
export function arrivedAt(ctx: PortalRequest): string {
  return `${portalOrigin(ctx)}${ctx.target.path}`
}

/** Whether this host's cookies are Secure and carry the `__Host-` prefix. */
export function isSecure({ origin }: PortalRequest): boolean {
  return origin.startsWith('https:')
}
