import { decideToken } from '../policy/token.ts'
import { makesLinks } from '../portal/guest-links.ts'
import { cookieName, readCookies } from '../session/cookie.ts'
import type { HeldLink, Links } from '../session/links.ts'
import type { MaybePromise, Session } from '../session/session.ts'
import { type Passage, schemeOf } from './passage.ts'
import type { GateRoute } from './snapshot.ts'

/** A browser is given no more than this on one host: what else it sends is not looked at. */
export const MOST_GUEST_COOKIES = 8

/**
 * As whose guest this browser comes to this very address, by a link that is for it; null where it has none.
 *
 * Every reading of the path has to be within what the link opens. Costs nothing where no cookie of ours says guest.
 */
export function findGuest(
  passage: Passage,
  { sessions }: { readonly sessions: { readonly links: Pick<Links, 'find'> } },
  route: GateRoute,
): MaybePromise<Session | null> {
  const { sent, target, request } = passage
  if (target === null || sent.cookie?.includes('sallyport-guest') !== true) return null
  const name = cookieName('guest', schemeOf(passage) === 'https')
  const cookies = readCookies(sent.cookie, name).slice(0, MOST_GUEST_COOKIES)
  const { host, path, readings } = target
  const facts = { host, path, readings, method: request.method, client: null }

  function fits({ session, grant, maker }: HeldLink): boolean {
    const { portal } = route
    // Whoever made it may have lost the role since.
    if (portal === null || (maker !== null && !makesLinks(portal.config.guestLinks, portal.rolesOf(maker.identity))))
      return false
    const limits = { host: grant.host, path: grant.path, methods: null, networks: null }
    return session.portal === route.config.portal && decideToken({ limits, networks: null, session }, facts) === null
  }
  function from(index: number): MaybePromise<Session | null> {
    const cookie = cookies[index]
    if (cookie === undefined) return null
    const found = sessions.links.find(cookie.value, host)
    const take = (held: HeldLink | null) => (held !== null && fits(held) ? held.session : from(index + 1))
    return found instanceof Promise ? found.then(take) : take(found)
  }
  return from(0)
}
