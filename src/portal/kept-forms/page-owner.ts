/** A cookie that remembers whose pages a browser shows, so that no form is kept for another user. */

import { sha256 } from '../../base/bytes.ts'
import type { Ports } from '../../base/ports.ts'
import { cookieName, readCookie, writeCookie } from '../../session/cookie.ts'
import type { Sealer } from '../../session/seal.ts'
import type { Session } from '../../session/session.ts'
import { isSecure } from '../paths.ts'
import type { PortalRequest } from '../portal-request.ts'

/** How long after the end of a session its browser still says whose it was: a tab may stay open over a holiday. */
const REMEMBERED_MS = 7 * 24 * 60 * 60_000

/**
 * The signed-in user, as a text that reveals nothing about the user: by provider's issuer and subject, at one portal.
 */
export function ownerOf({ portal, identity }: Session): string {
  const { issuer, subject, userId } = identity
  return sha256(JSON.stringify([portal, issuer, subject, ...(userId === undefined ? [] : [userId])]))
}

/**
 * The Set-Cookie that records the owner of the pages that this browser shows on this host, for longer than the session
 * itself.
 *
 * It gives no access: a form that is sent without a session is kept for this user only. Sealed, for this host.
 * `lifetimeMs` is that of the session's cookie, or null where that ends with the browser: then this one does too.
 */
export async function ownerCookie(
  ctx: PortalRequest,
  { ports, seal }: { readonly ports: Pick<Ports, 'now'>; readonly seal: Sealer },
  owner: string,
  lifetimeMs: number | null,
): Promise<string> {
  const keptMs = (lifetimeMs ?? 0) + REMEMBERED_MS
  const sealed = await seal.seal({ owner }, purposeOf(ctx), ports.now() + keptMs)
  return writeCookie(nameFor(ctx), sealed, isSecure(ctx), lifetimeMs === null ? null : keptMs)
}

/**
 * The owner of the pages that this browser shows on this host: the user who is signed in, or was; null where this is
 * unknown.
 */
export async function readOwner(ctx: PortalRequest, seal: Sealer): Promise<string | null> {
  if (ctx.session !== null) return ownerOf(ctx.session)
  const sealed = readCookie(ctx.request.headers.get('cookie'), nameFor(ctx))
  const opened = sealed === null ? null : await seal.open(sealed, purposeOf(ctx))
  if (typeof opened !== 'object' || opened === null || !('owner' in opened)) return null
  return typeof opened.owner === 'string' ? opened.owner : null
}

/** The Set-Cookie that removes it: signing out leaves nothing behind. */
export function forgetOwner(ctx: PortalRequest): string {
  return writeCookie(nameFor(ctx), '', isSecure(ctx), 0)
}

function nameFor(ctx: PortalRequest): string {
  return cookieName('owner', isSecure(ctx))
}

function purposeOf({ portal, target }: PortalRequest): string {
  return `owner at ${portal.name} on ${target.host}`
}
