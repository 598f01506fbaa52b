/** Guest links on pages: who may make them, for which address, and how a link is written. */

import type { GuestLinksConfig } from '../../config/keys/portals.ts'
import { parseHost } from '../../config/values/host.ts'
import { parsePath } from '../../config/values/path.ts'
import { parseReturnTo, type SafeReturnTo } from '../../route/return-to.ts'
import type { HeldGuestLink } from '../../session/credentials/guest-links.ts'
import type { Session } from '../../session/session.ts'
import { isAdmin } from '../admins.ts'
import { ownPath } from '../paths.ts'
import type { PortalRequest } from '../portal-request.ts'

/** `guest_links` of the portal where this person may make some, else null. */
export function linksOf({ portal, rolesOf }: PortalRequest, session: Session): GuestLinksConfig | null {
  return makesLinks(portal.guestLinks, rolesOf(session)) ? portal.guestLinks : null
}

/** Whether someone with these roles makes links: as long as they do, those that they have made work too. */
export function makesLinks(links: GuestLinksConfig | null, roles: readonly string[]): boolean {
  return links?.allow.some(role => roles.includes(role)) === true
}

/** Whether this person sees and revokes everyone's links. */
export function mayRevokeAll(ctx: PortalRequest, session: Session): boolean {
  return ctx.portal.guestLinks !== null && isAdmin(ctx, session)
}

/** Where a link leads, as its maker typed it. */
export interface LinkPlace {
  readonly origin: string
  readonly host: string
  /** The host, or host:port. */
  readonly authority: string
  readonly path: string
  readonly landing: SafeReturnTo
}

/** An address that a guest link can be for; null for any other. What is behind `#` is left out. */
export function parseLinkPlace(raw: string): LinkPlace | null {
  const url = URL.parse(raw.includes('://') ? raw : `https://${raw}`)
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') return null
  const [host, path] = [parseHost(url.hostname), parsePath(url.pathname)]
  const landing = url.pathname + url.search
  if (!host.ok || !path.ok || parseReturnTo(landing) !== landing) return null
  const { origin, host: authority } = url
  return { origin, host: host.value, authority, path: path.value, landing: parseReturnTo(landing) }
}

/**
 * The link itself. Its secret travels in the query, which no log of Sallyport's has and no page of Sallyport's passes
 * on.
 */
export function linkAddress(origin: string, text: string): string {
  return `${origin}${ownPath('guest')}?link=${text}`
}

/** A link for scripts: no secret. */
export function describeLink({ session, grant, uses, used }: HeldGuestLink): Readonly<Record<string, unknown>> {
  const { id, portal, createdAtMs, expiresAtMs } = session
  return {
    id,
    name: grant.name,
    portal,
    host: grant.host,
    path: grant.path,
    made_by: grant.maker.subject === '' ? null : grant.maker.subject,
    uses,
    used,
    created: new Date(createdAtMs).toISOString(),
    expires: new Date(expiresAtMs).toISOString(),
  }
}
