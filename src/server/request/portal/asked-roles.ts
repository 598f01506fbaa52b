import { decidePolicy } from '../../../policy/policy.ts'
import type { AskedRoute } from '../../../portal/portal.ts'
import type { Session } from '../../../session/session.ts'
import type { GatePortal } from '../../config/snapshot.ts'
import { rolesToAskFor } from '../offered-roles.ts'
import type { Passage } from '../passage.ts'
import { requestFacts } from '../policy-input.ts'
import { routeAt } from './route-at.ts'

/**
 * The route at a path of the host that was asked, with the roles that this person may ask for there: such as would let them in by
 * themselves, and as the portal lets people ask for. Null where there are none.
 */
export function askedRouteAt(passage: Passage, portal: GatePortal, session: Session, path: string): AskedRoute | null {
  if (passage.target === null || !path.startsWith('/')) return null
  const found = routeAt(passage, passage.target.host, path)
  if (found === null || found.route.portal !== portal) return null
  const { route, target } = found
  const facts = { ...requestFacts(passage, session), method: 'GET', target }
  const decision = decidePolicy(route.policy, session.identity, facts)
  const roles = decision.verdict === 'deny' ? rolesToAskFor(portal, session, decision.needed) : []
  return roles.length === 0 ? null : { id: route.config.id, roles }
}
