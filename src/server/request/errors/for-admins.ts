/** What an error page tells an admin of the portal beyond what others see. */

import type { GateError } from '../../../base/errors.ts'
import { andThen, type MaybePromise } from '../../../base/maybe-promise.ts'
import { isAdmin } from '../../../portal/account/admins.ts'
import { loaderOf, prefersPage } from '../../../route/page-load.ts'
import { cookieName, readCookie } from '../../../session/cookie.ts'
import type { FoundAt, Sessions } from '../../../session/session.ts'
import type { RequestContext } from '../context.ts'

/**
 * The log's entry about a request without a route, or to an application that does not answer, for the page of an
 * admin. Null for every other user, and for failures of another kind.
 *
 * A proxy that passes the wrong host hides the admin's own host too, by which a session is found. So the session is
 * looked up at any host, only for this entry. A failing store adds nothing. An application can read what its service
 * worker passes on.
 */
export function detailForAdmins(
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
