/** What scripts of other origins may read of a refusal (CORS), and by which ways they may authenticate. */

import { BAD_TOKEN_CHALLENGE, BASIC_CHALLENGE, BEARER_CHALLENGE } from '../../../portal/problem.ts'
import { mayBeBrowser } from '../../../route/page-load.ts'
import { originOf, type RequestContext, schemeOf } from '../context.ts'
import { resourceChallenge, scopeChallenge } from '../mcp/resource.ts'
import { tellsOfBody } from '../verify/dialects.ts'

/** The fields of a refusal that a script of another origin may read, in addition to its status and body. */
const EXPOSED = 'retry-after, www-authenticate'

/** A browser's question before a request across origins, which never has cookies (Fetch §4.8). It has no body either. */
export function isPreflight({ request, sent, session, question }: RequestContext): boolean {
  return (
    request.method === 'OPTIONS' &&
    session === null &&
    sent.origin !== undefined &&
    sent['access-control-request-method'] !== undefined &&
    sent.upgrade === undefined &&
    (question === null ? request.body === null : !tellsOfBody(sent))
  )
}

/**
 * Makes an unsuccessful answer of Sallyport readable to scripts of the portal's hosts; changed in place.
 *
 * The origin is allowed by name, with credentials, where it is a host of the same portal by the same scheme and port,
 * or one of the route's `allowed_origins`. Never another origin. `*` applies only to the route of an MCP server,
 * without credentials. Redirects and Sallyport's pages are not touched: no script needs to read them. Where the route
 * takes tokens, 401 says so.
 *
 * Source: Fetch §3.3.3 (CORS protocol and credentials), RFC 9110 §12.5.5 (Vary).
 */
export function finishRefusal(context: RequestContext, response: Response): Response {
  const { status, headers } = response
  if (status < 400) return response
  if (status === 401) {
    const challenges = challengesOf(context, headers.get('www-authenticate'))
    if (challenges !== null) headers.set('www-authenticate', challenges)
  }
  const beyond = status === 403 ? scopeChallenge(context) : null
  if (beyond !== null) headers.set('www-authenticate', beyond)
  const { origin } = context.sent
  if (origin === undefined) return response
  headers.append('vary', 'origin')
  if (!isOwnOrigin(context, origin)) return context.route?.config.mcp == null ? response : readableByAll(response)
  headers.set('access-control-allow-origin', origin)
  headers.set('access-control-allow-credentials', 'true')
  headers.set('access-control-expose-headers', EXPOSED)
  return response
}

/** A browser client of an MCP server comes from anywhere, and learns here where its token is to come from. Without credentials. */
function readableByAll(response: Response): Response {
  response.headers.set('access-control-allow-origin', '*')
  response.headers.set('access-control-expose-headers', EXPOSED)
  return response
}

function isOwnOrigin(context: RequestContext, origin: string): boolean {
  const { target, portal, route, snapshot } = context
  if (target === null || target.isReserved) return false
  // A browser writes an origin in one spelling only; no browser sends another one.
  const asking = URL.parse(origin)
  if (asking === null || asking.origin !== origin) return false
  if (route?.config.allowedOrigins.includes(origin) === true) return true
  if (portal === null || snapshot.portals.lookup(asking.hostname) !== portal) return false
  const own = URL.parse(originOf(context, target))
  return own !== null && asking.protocol === `${schemeOf(context)}:` && asking.port === own.port
}

/**
 * The WWW-Authenticate of a 401, where `own` is its value so far; null: none.
 *
 * A route that takes tokens says Bearer, without an error where nothing was sent (RFC 6750 §3). A client that is not a
 * browser is asked for a name and a password too, where a token may be the password (RFC 7617 §2). git, curl and
 * WebDAV clients send their credentials only when they are asked. Basic comes first, for clients that read only one. A
 * browser would show its own prompt to the user, and send the password for as long as it runs. The route of an MCP
 * server has another value.
 */
export function challengesOf(context: RequestContext, own: string | null): string | null {
  const resource = resourceChallenge(context, own)
  if (resource !== null) return resource
  const { tokens = false, passwords = false } = context.route?.config ?? {}
  const stated = own ?? (tokens ? BEARER_CHALLENGE : null)
  const isOpen = own === null || (own === BAD_TOKEN_CHALLENGE && cameByBasic(context))
  if (!isOpen || !(tokens || passwords) || !isProgram(context)) return stated
  return stated === null ? BASIC_CHALLENGE : `${BASIC_CHALLENGE}, ${stated}`
}

function cameByBasic({ request }: RequestContext): boolean {
  return /^basic /i.test(request.headers.get('authorization') ?? '')
}

/** A proxy in front may keep what browsers say of themselves from us: there, only who says what they are is a program. */
function isProgram({ request, question }: RequestContext): boolean {
  return !mayBeBrowser(request) && (question === null || request.headers.has('user-agent'))
}
