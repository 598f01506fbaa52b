/** An admin grants or declines a request for access, or takes a granted role back. */

import type { AuditEvent } from '../../audit/events.ts'
import { GateError } from '../../base/errors.ts'
import { prefersPage } from '../../route/page-load.ts'
import type { RoleGrant, RoleRequest } from '../../session/grants/document.ts'
import type { Grants } from '../../session/grants/grants.ts'
import type { Session, Sessions } from '../../session/session.ts'
import { adminUntilMs, isAdmin, stillSignedIn } from '../admins.ts'
import { jsonAnswer, redirectAnswer } from '../answer.ts'
import { type PersonalFormTools, readPersonalForm } from '../form.ts'
import { GRANT_HOURS } from '../layout/access-requests.tsx'
import { isSamePerson } from '../layout/person.ts'
import { isPortalHost, ownPath } from '../paths.ts'
import { type AuditTools, askedFacts, type PortalRequest } from '../portal-request.ts'

export interface DecideTools extends PersonalFormTools, AuditTools {
  readonly sessions: Pick<Sessions, 'describe'> & { readonly grants: Grants }
}

const HOUR_MS = 60 * 60 * 1000

/**
 * Takes a form of the admin page: `act=grant` with the `id` of a request and `hours` (`always`: permanently),
 * `act=decline`, or `act=revoke` with the id of a grant.
 *
 * No admin decides about their own request: each admin got the role from another person. A temporary admin grants
 * nothing beyond the end of their own role.
 *
 * Throws `route.none` where the portal takes no requests, `access.origin`, `access.sign_in`, `access.denied`,
 * `limit.rate`, `target.malformed`.
 */
export async function decideRequest(ctx: PortalRequest, tools: DecideTools, sender: Session): Promise<Response> {
  if (ctx.portal.requests === null) throw new GateError('route.none', 'this portal has no requests for access')
  if (!isPortalHost(ctx)) throw new GateError('access.origin', 'requests are decided on the portal’s own host')
  const form = await readPersonalForm(ctx, tools, sender)
  const session = await stillSignedIn(tools.sessions, sender)
  if (!isAdmin(ctx, session)) throw new GateError('access.denied', 'the portal’s admin role is missing')
  const { grants } = tools.sessions
  const portal = ctx.portal.name
  const id = form.get('id') ?? ''
  const by = session.identity.subject
  const tell = async (event: AuditEvent, about: RoleRequest | RoleGrant | null, until?: string) => {
    if (about === null) return
    const { who, role } = about
    await tools.audit.keep(event, { ...askedFacts(ctx), user: who.subject, by, role, request: id, until })
  }
  let done: RoleRequest | RoleGrant | null
  switch (form.get('act')) {
    case 'grant': {
      const hours = GRANT_HOURS.find(one => String(one ?? 'always') === form.get('hours'))
      if (hours === undefined)
        throw new GateError('target.malformed', 'a role is granted for one of the times on offer')
      await refuseOwn(grants, portal, id, session)
      const granted = await grants.grant(portal, id, {
        forMs: hours === null ? null : hours * HOUR_MS,
        notAfterMs: await adminUntilMs(ctx, grants, session),
        by,
      })
      await tell('role.granted', granted, untilText(granted))
      done = granted
      break
    }
    case 'decline':
      done = await grants.decline(portal, id)
      await tell('role.declined', done)
      break
    case 'revoke':
      done = await grants.revoke(portal, id)
      await tell('role.revoked', done)
      break
    default:
      throw new GateError('target.malformed', 'the form says neither grant nor decline nor revoke')
  }
  return prefersPage(ctx.request)
    ? redirectAnswer(303, `${ownPath('admin')}#requests`)
    : jsonAnswer({ done: done !== null })
}

async function refuseOwn(grants: Grants, portal: string, id: string, { identity }: Session): Promise<void> {
  const { requests } = await grants.list(portal)
  const request = requests.find(one => one.id === id)
  if (request === undefined || !isSamePerson(request.who, identity)) return
  throw new GateError('access.denied', 'a user cannot grant their own request', {
    hint: 'another admin can, or: sallyport requests grant',
  })
}

/** Until when something is granted, for the audit trail. */
function untilText(grant: RoleGrant | null): string {
  return grant === null || grant.untilMs === null ? 'revoked' : new Date(grant.untilMs).toISOString()
}
