/** The MCP servers of a portal, as its metadata describes them. */

import { decidePolicy } from '../../../policy/policy.ts'
import { findDescribed, isPortalHost, SERVER_METADATA } from '../../../portal/paths.ts'
import type { ProtectedResource, ProtectedResources } from '../../../portal/portal-request.ts'
import type { Target } from '../../../route/target.ts'
import { withoutSignIn } from '../../../session/credentials/owners.ts'
import { ownOrigin } from '../../config/own-ports.ts'
import type { GatePortal, GateRoute } from '../../config/snapshot.ts'
import { type RequestContext, requestFacts, schemeOf } from '../context.ts'
import { routeAt } from './route-at.ts'

/** What of the context says which resource is meant. */
type Asked = Pick<RequestContext, 'snapshot'>

/** Whether a target is where an MCP server of a portal, or the portal as the one who gives its tokens, is described. Most never begin so. */
export function isDescribed(context: Asked, portal: GatePortal, target: Target): boolean {
  if (!target.path.startsWith('/.well-known/oauth-') || target.readings.length > 0) return false
  if (target.path === SERVER_METADATA) return portal.givesTokens && isPortalHost({ portal: portal.config, target })
  return describedRoute(context, portal, target.host, target.path) !== null
}

/** The MCP servers of this portal, as this request asks about them. */
export function protectedResources(context: RequestContext, portal: GatePortal): ProtectedResources {
  const { target } = context
  return {
    hasOwn: portal.givesTokens,
    described(path) {
      const route = target === null ? null : describedRoute(context, portal, target.host, path)
      return target === null || route === null
        ? null
        : describe(context, portal, route, ownOrigin(portal.ports, schemeOf(context), target), target)
    },
    at(address) {
      const asked = URL.parse(address)
      if (asked === null || !isPlain(asked, address)) return null
      const host = asked.hostname
      const origin = ownOrigin(portal.ports, schemeOf(context), { host, authority: asked.host })
      const found = asked.origin === origin ? resourceRoute(context, portal, host, asked.pathname) : null
      if (found?.config.mcp !== 'portal') return null
      return describe(context, portal, found, origin, { host })
    },
  }
}

/** An address in one spelling only, without what a resource has not (RFC 8707 §2). A slash at the end of a whole host is one spelling more. */
function isPlain({ href, search, hash, username, password, pathname }: URL, written: string): boolean {
  if (search !== '' || hash !== '' || username !== '' || password !== '' || /[?#]/.test(written)) return false
  return written === href || (pathname === '/' && `${written}/` === href)
}

function describedRoute(context: Asked, portal: GatePortal, host: string, path: string): GateRoute | null {
  return findDescribed(path, {
    at: own => resourceRoute(context, portal, host, own),
    all: () => context.snapshot.routes.filter(route => route.portal === portal && route.config.mcp !== null),
    pathOf: ({ config }) => config.path,
  })
}

/** The MCP server whose own path this is. */
function resourceRoute(context: Asked, portal: GatePortal, host: string, path: string): GateRoute | null {
  const found = routeAt(context, host, path)?.route
  if (found === undefined || found.portal !== portal || found.config.mcp === null) return null
  return path === found.config.path || path === `${found.config.path}/` ? found : null
}

function describe(
  context: RequestContext,
  portal: GatePortal,
  { config, policy, accessTokens }: GateRoute,
  origin: string,
  { host }: Pick<Target, 'host'>,
): ProtectedResource {
  return {
    name: config.name,
    address: origin + config.path,
    host,
    route: config.id,
    path: config.path,
    issuers: config.mcp === 'portal' ? null : (accessTokens ?? []).map(({ issuer }) => issuer),
    isOpenTo(session) {
      if (session.portal !== portal.config.name) return false
      const target = { path: config.path, readings: [], query: '' }
      // By whom the token will stand for: nothing of this sign-in is true of it.
      const facts = { ...requestFacts(context, null), method: 'POST', target }
      return decidePolicy(policy, withoutSignIn(session.identity), facts).verdict === 'allow'
    },
  }
}
