/** Old addresses of other programs (`compat`): which page a request means. */

import { vouchedPart } from '../../../identity/claim-trust.ts'
import { decidePolicy } from '../../../policy/policy.ts'
import type { CompatPage, CompatRequest } from '../../../portal/portal-request.ts'
import type { Session } from '../../../session/session.ts'
import type { GatePortal } from '../../config/snapshot.ts'
import { type RequestContext, requestFacts } from '../context.ts'

/** What of the context says which page of another program is asked for. */
type Asked = Pick<RequestContext, 'target' | 'sent'>

/** Which address of the program that stood before a portal is asked for; null for all that it would have handed on. */
export function compatPageAt({ target, sent }: Asked, { compat }: GatePortal): CompatPage | null {
  if (compat === null || target === null) return null
  const page = compat.pages(target)
  if (page !== null || target.path !== '/' || compat.pingUserAgent === null) return page
  const isLook = target.method === 'GET' || target.method === 'HEAD'
  return isLook && sent['user-agent'] === compat.pingUserAgent ? 'ping' : null
}

/** The same on a host that the file does not name: a health check often uses an address, or the name of a machine. */
export function healthPageAt(context: Asked, portal: GatePortal): CompatPage | null {
  const page = compatPageAt(context, portal)
  return page === 'ping' || page === 'ready' ? page : null
}

/** This request, where it is for such an address of this portal. */
export function compatRequest(
  context: RequestContext,
  { config, compat, roles, rolesOf }: GatePortal,
): CompatRequest | null {
  const { compat: page, snapshot } = context
  if (page === null || compat === null || config.compat === null) return null
  return {
    page,
    prefix: config.compat.prefix,
    isServed: host => snapshot.portals.lookup(host) !== undefined,
    mayOpenHost: session => mayOpenHost(context, session),
    trust: roles,
    fieldsOf: ({ identity }) => compat.fields?.(vouchedPart(identity, roles.trusted), rolesOf(identity)) ?? [],
  }
}

/**
 * Whether this user, now and from this address, may open every part of the host that is not public; false where there
 * is none.
 *
 * All parts, by every method and path, since the proxy has one answer for all later requests.
 */
function mayOpenHost(context: RequestContext, session: Session): boolean {
  const { target, snapshot } = context
  const guarded = target === null ? undefined : snapshot.guarded.lookup(target.host)
  if (guarded === undefined || guarded.length === 0) return false
  const facts = { ...requestFacts(context, session), method: null, target: null }
  return guarded.every(
    ({ policy, config }) =>
      config.portal === session.portal && decidePolicy(policy, session.identity, facts).verdict === 'allow',
  )
}
