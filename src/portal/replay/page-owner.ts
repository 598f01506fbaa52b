import { sha256 } from '../../base/bytes.ts'
import type { Ports } from '../../base/ports.ts'
import { cookieName, readCookie, writeCookie } from '../../session/cookie.ts'
import type { Sealer } from '../../session/seal.ts'
import type { Session } from '../../session/session.ts'
import { isSecure } from '../place.ts'
import type { PortalRequest } from '../portal.ts'

/** How long after the end of a session its browser still says whose it was: a tab may stay open over a holiday. */
const REMEMBERED_MS = 7 * 24 * 60 * 60_000

/** Whoever signed in, as text that says nothing of them: by provider's issuer and subject, at one portal. */
export function ownerOf({ portal, identity }: Session): string {
  const { issuer, subject, userId } = identity
  return sha256(JSON.stringify([portal, issuer, subject, ...(userId === undefined ? [] : [userId])]))
}

/**
 * The Set-Cookie that notes whose pages this browser shows on this host, for longer than the session itself.
 *
 * It opens nothing: what a form's sender meets without a session is kept for this person alone. Sealed, for this host.
 * `lifetimeMs` is that of the session's cookie, or null where that ends with the browser: then so does this one.
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

/** Whose pages this browser shows on this host: whoever is signed in, or was; null where nobody can be told. */
export async function readOwner(ctx: PortalRequest, seal: Sealer): Promise<string | null> {
  if (ctx.session !== null) return ownerOf(ctx.session)
  const sealed = readCookie(ctx.request.headers.get('cookie'), nameFor(ctx))
  const opened = sealed === null ? null : await seal.open(sealed, purposeOf(ctx))
  if (typeof opened !== 'object' || opened === null || !('owner' in opened)) return null
  return typeof opened.owner === 'string' ? opened.owner : null
}

/** The Set-Cookie that forgets it: whoever signs out leaves nothing behind. */
export function forgetOwner(ctx: PortalRequest): string {
  return writeCookie(nameFor(ctx), '', isSecure(ctx), 0)
}

function nameFor(ctx: PortalRequest): string {
  return cookieName('owner', isSecure(ctx))
}

function purposeOf({ portal, target }: PortalRequest): string {
  return `owner at ${portal.name} on ${target.host}`
}
