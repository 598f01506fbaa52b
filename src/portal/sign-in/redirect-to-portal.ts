/** Redirects to a page that only the portal's own host has. */

import { GateError } from '../../base/errors.ts'
import { prefersPage } from '../../route/page-load.ts'
import { redirectAnswer } from '../answer.ts'
import { isPortalHost, type OwnPage, ownPath, portalOrigin } from '../paths.ts'
import type { PortalRequest } from '../portal-request.ts'

/**
 * Redirects from an application's host to a page that exists only on the host where users sign in: elsewhere, an
 * application's scripts could read and use it. Null on that host. Throws `route.none` for programs.
 */
export function leadToPortal(ctx: PortalRequest, page: OwnPage, setCookies: readonly string[] = []): Response | null {
  if (isPortalHost(ctx)) return null
  const status = ctx.request.method === 'POST' ? 303 : 302
  if (prefersPage(ctx.request)) return redirectAnswer(status, `${portalOrigin(ctx)}${ownPath(page)}`, setCookies)
  throw new GateError('route.none', `${ownPath(page)} is on the portal’s own host`)
}
