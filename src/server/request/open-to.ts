/** Whether another route than that of a request lets its user pass, too. */

import type { Identity } from '../../identity/identity.ts'
import type { Facts } from '../../policy/condition.ts'
import { barsReadings, decidePolicy } from '../../policy/policy.ts'
import type { Session } from '../../session/session.ts'
import type { GateRoute } from '../config/snapshot.ts'

/** The session for a route, of a user with a session of any portal; null: anonymous. */
export function presentAt({ config }: GateRoute, found: Session | null): Session | null {
  return found !== null && found.portal === config.portal ? found : null
}

/** Whether the route of another reading also allows this user (null: an anonymous client). */
export function isOpenTo(
  other: GateRoute,
  identity: Identity | null,
  facts: Facts,
  isWebSocket: () => boolean,
): boolean {
  if (decidePolicy(other.policy, identity, facts).verdict !== 'allow' || barsReadings(other.config)) return false
  return other.config.websockets || !isWebSocket()
}
