/** @jsxImportSource hono/jsx */
import { GateError } from '../../base/errors.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { Ports } from '../../base/ports.ts'
import type { Grants } from '../../session/grants/grants.ts'
import type { Session, Sessions } from '../../session/session.ts'
import { pageAnswer } from '../answer.ts'
import { type FormTools, proveForm } from '../form.ts'
import { wordsFor } from '../language.ts'
import type { Overview } from '../overview.ts'
import { AdminPage } from '../pages/admin.tsx'
import { hasSeveral } from '../pages/person.ts'
import type { RequestsView } from '../pages/requests.tsx'
import type { PortalRequest } from '../portal.ts'
import { countSessions } from '../session-counts.ts'
import { leadToPortal } from '../sign-in/to-portal.ts'
import { isAdmin } from './admins.ts'
import { menuOf } from './menu.ts'

export interface AdminTools extends FormTools {
  readonly ports: Pick<Ports, 'now'>
  readonly sessions: Sessions & { readonly grants: Pick<Grants, 'list'> }
  /** What an admin of the portal with this name may see of the gate. */
  overview(portal: string): MaybePromise<Overview>
}

/**
 * Who is in, who was turned away, who asks for access, the routes and how their applications are: for those with the portal's admin role.
 *
 * Only on the host where people sign in: elsewhere, an application's own scripts could read it. Loading it changes nothing.
 * Throws `route.none` where the portal has no admins, `access.denied` for whoever is none, `session.store`.
 */
export async function showAdmin(ctx: PortalRequest, tools: AdminTools, session: Session): Promise<Response> {
  if (ctx.portal.adminRole === null) throw new GateError('route.none', 'this portal has no admin_role')
  const away = leadToPortal(ctx, 'admin')
  if (away !== null) return away
  if (!isAdmin(ctx, session)) throw new GateError('access.denied', 'the portal’s admin role is missing')
  const nowMs = tools.ports.now()
  const [survey, overview, requests] = await Promise.all([
    countSessions(tools.sessions, ctx.portal.name, nowMs),
    tools.overview(ctx.portal.name),
    requestsFor(ctx, tools, session),
  ])
  const words = wordsFor(ctx.request, ctx.portal.timezone)
  const page = (
    <AdminPage
      words={words}
      title={ctx.portal.title}
      menu={menuOf(ctx, session, words, 'admin')}
      hasSeveral={hasSeveral(ctx.portal)}
      survey={survey}
      overview={overview}
      requests={requests}
      nowMs={nowMs}
    />
  )
  return pageAnswer(words, ctx.portal.brand, page, 200)
}

async function requestsFor(ctx: PortalRequest, tools: AdminTools, session: Session): Promise<RequestsView | null> {
  if (ctx.portal.requests === null) return null
  const [{ requests, grants }, proof] = await Promise.all([
    tools.sessions.grants.list(ctx.portal.name),
    proveForm(ctx, session, tools.seal),
  ])
  return { requests, grants, own: session.identity, proof }
}
