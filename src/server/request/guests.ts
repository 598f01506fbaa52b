import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import type { Facts } from '../../policy/condition.ts'
import { decidePolicy } from '../../policy/policy.ts'
import { decideToken } from '../../policy/token.ts'
import { makesLinks } from '../../portal/account/guest-link-address.ts'
import type { Match } from '../../route/table.ts'
import { cookieName, readCookies } from '../../session/cookie.ts'
import type { GuestLinks, HeldGuestLink } from '../../session/credentials/guest-links.ts'
import type { Session } from '../../session/session.ts'
import type { GateRoute } from '../config/snapshot.ts'
import { type Passage, schemeOf } from './passage.ts'
import { requestFacts } from './policy-input.ts'

/** A browser is given no more than this on one host: what else it sends is not looked at. */
const MOST_GUEST_COOKIES = 8

/**
 * Whether whoever made the link by which a guest came makes links still, and may open a route now: nobody lets others in where they
 * may not go, or no longer. An operator may at any time.
 *
 * Judged in the guest's place: `facts` are those of the guest's request. How fresh or strong the maker's sign-in was is nobody's to
 * know later, so that a rule which asks for another one counts as held.
 */
export function mayMakerOpen(route: GateRoute, { portal, maker }: Session, facts: Facts): boolean {
  if (maker === undefined) return true
  // Elsewhere the maker is nobody in particular, as everyone is who has signed in here.
  if (route.portal === null || route.config.portal !== portal) {
    return decidePolicy(route.policy, null, facts).verdict === 'allow'
  }
  if (!makesLinks(route.portal.config.guestLinks, route.portal.rolesOf(maker))) return false
  const { verdict } = decidePolicy(route.policy, maker, { ...facts, signedInAtMs: null })
  return verdict === 'allow' || verdict === 'step-up'
}

/**
 * As whose guest this browser comes to this very address, by a link that is for it; null where it has none.
 *
 * Every reading of the path has to be within what the link opens, and every route that it could lead to open to the link's
 * maker. Costs nothing where no cookie of ours says guest.
 */
export function findGuest(
  passage: Passage,
  { sessions }: { readonly sessions: { readonly links: Pick<GuestLinks, 'find'> } },
  { value: route, also }: Match<GateRoute>,
): MaybePromise<Session | null> {
  const { sent, target, request } = passage
  if (target === null || sent.cookie?.includes('sallyport-guest') !== true) return null
  const name = cookieName('guest', schemeOf(passage) === 'https')
  const cookies = readCookies(sent.cookie, name).slice(0, MOST_GUEST_COOKIES)
  const { host, path, readings } = target
  const asked = { host, path, readings, method: request.method, client: null }
  const facts = requestFacts(passage, null)

  function fits({ session, grant }: HeldGuestLink): boolean {
    const limits = { host: grant.host, path: grant.path, methods: null, networks: null }
    return (
      session.portal === route.config.portal &&
      decideToken({ limits, networks: null, session }, asked) === null &&
      [route, ...also].every(one => mayMakerOpen(one, session, facts))
    )
  }
  function from(index: number): MaybePromise<Session | null> {
    const cookie = cookies[index]
    if (cookie === undefined) return null
    return andThen(sessions.links.find(cookie.value, host), held =>
      held !== null && fits(held) ? held.session : from(index + 1),
    )
  }
  return from(0)
}
