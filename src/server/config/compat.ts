/** `compat` of a portal, compiled. */

import type { Config } from '../../config/resolve/config.ts'
import type { PortalConfig } from '../../config/resolve/portals.ts'
import type { HeaderSpec } from '../../config/values/headers.ts'
import { type CompatPages, compileCompatPages } from '../../portal/paths.ts'
import { compileIdentityFields, type IdentityFields } from '../../proxy/fields/identity.ts'

/** The addresses of a program that stood here before. */
export interface GateCompat {
  readonly pages: CompatPages
  /** How it said who someone is in its answers; null: not at all. */
  readonly fields: IdentityFields | null
  /** The user agent whose request for `/` is a health check; null: none. */
  readonly pingUserAgent: string | null
}

/** Which address field it sent in addition to its configured fields. */
const GAP_AUTH: HeaderSpec = { kind: 'table', fields: [{ name: 'GAP-Auth', template: '{email}' }] }

/** `compat` of a portal, compiled; null where it has none. `hasSeveral` is as for the fields of a route. */
export function compileCompat(
  portal: PortalConfig,
  { routes }: Pick<Config, 'routes'>,
  hasSeveral: boolean,
): GateCompat | null {
  const { name, compat } = portal
  if (compat === null) return null
  const pages = compileCompatPages(portal, compat)
  if (compat.program === 'caddy-security') return Object.freeze({ pages, fields: null, pingUserAgent: null })
  const own = compileIdentityFields(compat.headers, hasSeveral)
  const gapAuth = compileIdentityFields(GAP_AUTH, hasSeveral)
  // A proxy in front that takes such a route's answer for a verdict would let every client with this user agent pass.
  const mayBeVerdict = routes.some(
    ({ portal, answer }) => portal === name && (answer?.kind === 'respond' || answer?.kind === 'verify'),
  )
  const fields: IdentityFields = (identity, roles) => [
    ...(gapAuth?.(identity, roles) ?? []),
    ...(own?.(identity, roles) ?? []),
  ]
  return Object.freeze({
    pages,
    fields,
    pingUserAgent: mayBeVerdict ? null : compat.pingUserAgent,
  })
}
