import { decidePolicy } from '../../../policy/policy.ts'
import type { GuestTarget } from '../../../portal/portal.ts'
import type { GatePortal } from '../../config/snapshot.ts'
import { mayMakerOpen } from '../guests.ts'
import type { Passage } from '../passage.ts'
import { requestFacts } from '../policy-input.ts'
import { routeAt } from './route-at.ts'

/**
 * What a guest link for a host and path of this portal would open; null where no rule lets guests in, or where the path could be
 * read as one of another route.
 */
export function guestTargetAt(passage: Passage, portal: GatePortal, host: string, path: string): GuestTarget | null {
  const found = routeAt(passage, host, path)
  if (found === null) return null
  const { route, target } = found
  if (route.portal !== portal || !route.takesGuests) return null
  return {
    name: route.config.name,
    isOpenTo(session) {
      const facts = { ...requestFacts(passage, session), method: 'GET', target }
      return decidePolicy(route.policy, session.identity, facts).verdict === 'allow'
    },
    isSharedWith: guest => mayMakerOpen(route, guest, { ...requestFacts(passage, null), method: 'GET', target }),
  }
}
