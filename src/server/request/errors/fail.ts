/** What a step of a request threw, as its answer: counted, logged by its code, and in full for an admin of the portal. */

import { type GateError, toGateError } from '../../../base/errors.ts'
import { andThen, type MaybePromise } from '../../../base/maybe-promise.ts'
import { isAdmin } from '../../../portal/admins.ts'
import { loaderOf, prefersPage } from '../../../route/page-load.ts'
import { cookieName, readCookie } from '../../../session/cookie.ts'
import type { FoundAt, Sessions } from '../../../session/session.ts'
import { CLIENT_LEFT, type RequestContext } from '../context.ts'
import { portalRequest } from '../portal/portal-request.ts'
import type { PipelineTools } from '../tools.ts'
import { finishRefusal } from './cors.ts'
import { isClientGone } from './error-response.ts'

/** The answer for what a step threw, counted and logged by its code. */
export function fail(thrown: unknown, context: RequestContext, tools: PipelineTools): MaybePromise<Response> {
  const error = toGateError(thrown)
  // What fails because its client left is no failure of an upstream.
  const isClients = (error.code.startsWith('upstream.') || error.code === 'target.stalled') && isClientGone(context)
  context.reason = isClients ? CLIENT_LEFT : error.code
  if (error.code.startsWith('upstream.') && !isClients) tools.metrics.upstreamErrors++
  else if (error.code === 'target.too_large') tools.metrics.tooLarge++
  else if (error.code === 'limit.rate') tools.metrics.rateLimited++
  else if (error.code === 'limit.open') tools.metrics.openLimited++
  return andThen(detailForAdmins(error, context, tools), detail =>
    finishRefusal(context, tools.respond.failed(context, portalRequest(context), error, detail)),
  )
}

/**
 * The log's entry about a request without a route, or to an application that does not answer, for the page of an
 * admin. Null for every other user, and for failures of another kind.
 *
 * A proxy that passes the wrong host hides the admin's own host too, by which a session is found. So the session is
 * looked up at any host, only for this entry. A failing store adds nothing. An application can read what its service
 * worker passes on.
 */
function detailForAdmins(
  error: GateError,
  context: RequestContext,
  { sessions }: { readonly sessions: Pick<Sessions, 'findAnywhere'> },
): MaybePromise<string | null> {
  if (!isTold(error)) return null
  const cookies = context.sent.cookie ?? null
  const token = readCookie(cookies, cookieName('session', true)) ?? readCookie(cookies, cookieName('session', false))
  if (token === null || context.token !== null || !isReadByPerson(context.request)) return null
  const detail = error.hint === undefined ? error.message : `${error.message}: ${error.hint}`
  const tell = (found: FoundAt | null) => (found !== null && isAdminThere(found, context) ? detail : null)
  const hush = () => null
  try {
    const found = sessions.findAnywhere(token)
    return found instanceof Promise ? found.then(tell, hush) : andThen(found, tell)
  } catch {
    return null
  }
}

function isTold({ code, hint }: GateError): boolean {
  if (code.startsWith('upstream.')) return true
  return hint !== undefined && /^(?:target\.(?:host|malformed)|route\.(?:none|own))$/.test(code)
}

function isReadByPerson(request: Request): boolean {
  return prefersPage(request) && loaderOf(request) === 'window'
}

function isAdminThere({ session, host }: FoundAt, { snapshot }: RequestContext): boolean {
  const portal = snapshot.portals.lookup(host)
  if (portal === undefined || portal === null || portal.config.name !== session.portal) return false
  // The proof of its device is for the host itself, which is not the one that was asked.
  if (portal.config.bindSessions !== null) return false
  return isAdmin({ portal: portal.config, rolesOf: ({ identity }) => portal.rolesOf(identity) }, session)
}
