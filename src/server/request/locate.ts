/** Where a request leads: the portal, a route, a redirect to HTTPS, or nothing. */

import { GateError } from '../../base/errors.ts'
import { fontAt } from '../../portal/layout/font.ts'
import { isCallback } from '../../portal/paths.ts'
import type { SentFields } from '../../proxy/fields/request.ts'
import type { Match } from '../../route/table.ts'
import { parseTarget, type Target } from '../../route/target.ts'
import type { GateRoute } from '../config/snapshot.ts'
import { answerAddress, refuseTwoAddresses } from './client-address.ts'
import { announcesTrailers, hostField, type RequestContext, type Targeted } from './context.ts'
import { answerPreflight } from './mcp/preflight.ts'
import { compatPageAt, healthPageAt } from './portal/compat.ts'
import { isDescribed } from './portal/resources.ts'
import { dialectAt } from './verify/dialects.ts'

/**
 * First step, before anything is counted: what is asked for, in its one spelling.
 *
 * Reads the method, the address and the host's field. Writes `target`. Throws `target.*`.
 */
export function readTarget(context: RequestContext): asserts context is Targeted {
  const { request, sent } = context
  context.target = parseTarget(request.method, request.url, hostField(context))
  refuseTrailers(sent)
  refuseTwoAddresses(context)
}

/**
 * First step: where the request leads, for any user; without a route it is the portal's. Answers what is answered at
 * once: the same address by HTTPS, who asks, or a browser's question before it asks an MCP server.
 *
 * Reads the target and the snapshot's tables, and for a health check its user agent. Writes `portal`, `compat`, and
 * `route` and `match` where there is one. Throws `route.none`.
 */
export function locate(context: Targeted): Response | null {
  const { snapshot, target } = context
  if (target.isReserved && dialectAt(target.path) !== null) {
    throw new GateError('route.none', 'a verdict was asked for on a listener that clients reach', {
      hint: 'let the proxy in front ask where verify in [server] says',
    })
  }
  const response = snapshot.redirectPort === null ? null : redirectToHttps(context, target, snapshot.redirectPort)
  const own = response ?? answerAddress(context, target) ?? answerFont(target)
  if (own !== null) return own
  const place = findPlace(context, target)
  if (place === null) throw nothingAt(context, target)
  return place === PORTAL ? null : answerPreflight(context, place)
}

/** The font of our own pages, which every host has that one of them can be on; null for any other address. */
function answerFont({ method, path, isReserved }: Target): Response | null {
  return isReserved && (method === 'GET' || method === 'HEAD') ? fontAt(path) : null
}

/** The parts of a context that this step reads and writes. */
type Placed = Pick<RequestContext, 'snapshot' | 'target' | 'sent' | 'portal' | 'compat' | 'route' | 'match'>

/**
 * The route that a target leads to, with those that another reading of its path would reach, or the portal; null:
 * neither. Writes what `locate` does.
 */
export function findPlace(context: Placed, target: Target): Match<GateRoute> | typeof PORTAL | null {
  const { snapshot } = context
  const match = target.isReserved ? null : snapshot.table.match(target)
  const portal = snapshot.portals.lookup(target.host) ?? null
  context.portal = portal
  if (portal !== null) {
    if (target.isReserved || isCallback({ portal: portal.config, target })) return PORTAL
    const page = compatPageAt(context, portal)
    if (page !== null) {
      context.compat = page
      return PORTAL
    }
    if (isDescribed(context, portal, target)) return PORTAL
  }
  if (match !== null) {
    context.match = match
    context.route = match.value
    return match
  }
  // Its own host is the portal's as far as no route took it.
  if (portal?.config.url?.host === target.host && target.path === '/') return PORTAL
  if (snapshot.compat !== null && snapshot.portals.lookup(target.host) === undefined) {
    context.compat = healthPageAt(context, snapshot.compat)
    context.portal = context.compat === null ? null : snapshot.compat
    if (context.compat !== null) return PORTAL
  }
  return null
}

/** A page or endpoint of our own. */
export const PORTAL = 'portal'

/** That nothing is served at a target; where a proxy hands over a host that nothing here has, how it would hand over another. */
export function nothingAt({ snapshot, isPeerTrusted }: RequestContext, { host, path, isReserved }: Target): GateError {
  const isMeant = !isPeerTrusted || snapshot.portals.lookup(host) !== undefined
  const hint = `if people asked for another host than ${host}, let the proxy in front pass Host on as it came, or write it into X-Forwarded-Host (nginx that asks: X-Original-URL)`
  const what = isReserved ? `no portal serves ${host}` : `no route serves ${host}${path}`
  return new GateError('route.none', what, isMeant ? {} : { hint })
}

/**
 * Refuses a request that announces trailer fields after its body (RFC 9110 §6.6.2).
 *
 * Bun 1.4.5 delivers such a request, and answers 400 once all of it has come. The application would carry it out, and
 * the client would learn the opposite. By HTTP/2 Bun drops the fields, and all is well.
 */
function refuseTrailers(sent: SentFields): void {
  if (!announcesTrailers(sent)) return
  throw new GateError('target.header', 'Trailer announces fields after the body, which cannot be passed on', {
    hint: 'the client can leave its trailers out, or send a length instead of chunks',
  })
}

/**
 * The answer to a request by plain HTTP where every client has to use HTTPS: the same address by HTTPS. Null for a
 * request that continues: it came by TLS, from a trusted proxy (which has its own redirect), or to a host that is not
 * served here.
 *
 * 308 keeps the method and the body of the repeated request (RFC 9110 §15.4.9). A host that is not served is not
 * repeated.
 */
function redirectToHttps(context: RequestContext, target: Target, port: number): Response | null {
  const { front, isPeerTrusted, snapshot } = context
  if (isPeerTrusted || front.protocol === 'https') return null
  if (snapshot.portals.lookup(target.host) === undefined) return null
  const authority = port === 443 ? target.host : `${target.host}:${port}`
  return new Response(null, { status: 308, headers: { location: `https://${authority}${target.path}${target.query}` } })
}
