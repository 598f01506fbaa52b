/** Sends the icons of applications. */

import { GateError } from '../../base/errors.ts'
import type { PortalRequest } from '../portal-request.ts'

/**
 * An application's icon. Its address is its hash, so a browser keeps it permanently and a changed file gets another
 * address.
 *
 * A browser that opens an SVG as a page runs no script in it and loads nothing for it.
 *
 * Throws `route.none` for an icon that no route of this portal has. Source: RFC 9111 §5.2.2, RFC 8246 (immutable).
 */
export function sendIcon(ctx: PortalRequest, hash: string): Response {
  const icon = ctx.iconOf(hash)
  if (icon === null) throw new GateError('route.none', 'no route of this portal has this icon')
  const etag = `"${icon.hash}"`
  const headers = {
    'content-type': icon.type,
    'cache-control': 'private, max-age=31536000, immutable',
    etag,
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    'cross-origin-resource-policy': 'same-origin',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
  }
  const known = ctx.request.headers.get('if-none-match') ?? ''
  if (known.includes(etag)) return new Response(null, { status: 304, headers })
  return new Response(Buffer.from(icon.base64, 'base64'), { headers })
}
