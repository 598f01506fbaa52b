/** Guests: finds the session of a guest link, and whether the maker of the link may still open the route. */

import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import type { Facts } from '../../policy/condition.ts'
import { decidePolicy } from '../../policy/policy.ts'
import { decideToken } from '../../policy/token-limits.ts'
import { makesLinks } from '../../portal/account/guest-link-address.ts'
import { cookieName, readCookies } from '../../session/cookie.ts'
import type { GuestLinks, HeldGuestLink } from '../../session/credentials/guest-links.ts'
import type { Session } from '../../session/session.ts'
import type { GateRoute } from '../config/snapshot.ts'
import { type Located, requestFacts, schemeOf } from './context.ts'

/** A browser is given no more than this on one host: what else it sends is not looked at. */
const MOST_GUEST_COOKIES = 8

/**
 * Whether the maker of a guest's link may still make links, and may open a route now: a link opens nothing that its
 * maker may not open, or no longer. An operator may always.
 *
 * It uses the guest's request: `facts` are those of the guest. How fresh or strong the maker's sign-in was is not
 * known later, so a rule that needs another sign-in counts as satisfied.
 */
export function mayMakerOpen(route: GateRoute, { portal, maker }: Session, facts: Facts): boolean {
  if (maker === undefined) return true
  // At another portal the maker counts as anonymous, like every user of this portal.
  if (route.portal === null || route.config.portal !== portal) {
    return decidePolicy(route.policy, null, facts).verdict === 'allow'
  }
  if (!makesLinks(route.portal.config.guestLinks, route.portal.rolesOf(maker))) return false
  const { verdict } = decidePolicy(route.policy, maker, { ...facts, signedInAtMs: null })
  return verdict === 'allow' || verdict === 'step-up'
}

/**
 * The guest session of this browser for this address, by a link that includes it; null where it has none.
 *
 * Every reading of the path has to be within what the link opens, and the link's maker has to be allowed on every
 * route that it could lead to. Costs nothing without a guest cookie.
 */
export function findGuest(
  context: Located,
  { sessions }: { readonly sessions: { readonly links: Pick<GuestLinks, 'find'> } },
): MaybePromise<Session | null> {
  const { sent, target, route, match } = context
  if (sent.cookie?.includes('sallyport-guest') !== true) return null
  const name = cookieName('guest', schemeOf(context) === 'https')
  const cookies = readCookies(sent.cookie, name).slice(0, MOST_GUEST_COOKIES)
  const { host, path, readings } = target
  const asked = { host, path, readings, method: target.method, client: null }
  const facts = requestFacts(context, null)

  function fits({ session, grant }: HeldGuestLink): boolean {
    const limits = { host: grant.host, path: grant.path, methods: null, networks: null }
    return (
      session.portal === route.config.portal &&
      decideToken({ limits, networks: null, session }, asked) === null &&
      [route, ...match.also].every(one => mayMakerOpen(one, session, facts))
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
