/** Whether a file that a request does not name in full is closed under its full name. */

import { isShutOut } from '../../policy/policy.ts'
import { parseTarget, type Target } from '../../route/target.ts'
import type { GateRoute } from '../config/snapshot.ts'
import type { RequestContext } from './context.ts'
import { tellsOfWebSocket } from './handshake.ts'
import { isOpenTo, presentAt } from './open-to.ts'
import { requestFacts } from './policy-input.ts'

/**
 * Whether the address with this ending is closed to the client: by the `deny` of the route itself, or by another route
 * that has it. One that redirects closes nothing: it sends browsers to the shorter address.
 *
 * Absent on purpose: `allow` of the route itself, which may well name the shorter address alone.
 */
export function isClosedWith(ending: string, context: RequestContext, target: Target, route: GateRoute): boolean {
  const { snapshot, session, found, sent } = context
  const named = parseTarget(target.method, target.path + ending + target.query, target.authority)
  const factsOf = (there: typeof session) => ({ ...requestFacts(context, there), target: named })
  if (isShutOut(route.policy, session?.identity ?? null, factsOf(session))) return true
  const match = snapshot.table.match(named)
  if (match === null) return false
  return [match.value, ...match.also].some(other => {
    if (other === route || other.config.answer?.kind === 'redirect') return false
    const there = presentAt(other, found)
    return !isOpenTo(other, there?.identity ?? null, factsOf(there), () => tellsOfWebSocket(sent))
  })
}
