import type { CompatTable } from '../keys/compat.ts'
import type { RootTable } from '../keys/keys.ts'
import type { PortalTable } from '../keys/portals.ts'
import type { Report } from '../text/report.ts'
import { type Place, placeAt } from './places.ts'

/** Addresses of a program that stood here before are the portal's, so that a route of the very same path never has it. */
export function checkCompat(root: RootTable, places: readonly Place[], report: Report): void {
  for (const [name, { values }] of root.values.portals ?? []) {
    if (!values.compat) continue
    const taken =
      values.compat.values.program === 'caddy-security'
        ? checkPortal(values, report)
        : checkProxy(values.compat, report)
    for (const place of places) {
      if (place.table.values.portal !== name || !taken.has(place.path)) continue
      const message = 'the portal answers at this very path, by its compat, and not this route'
      const hint = 'what is below it is the route’s; the keys of compat may name other places'
      report.warn(placeAt(place), 'portal.compat', message, { hint })
    }
  }
}

/** The paths of oauth2-proxy's addresses. */
function checkProxy({ raw, at, values }: CompatTable, report: Report): ReadonlySet<string> {
  const { prefix, ping_path: ping, ready_path: ready } = values
  if (prefix === '/') {
    const hint = 'it needs a path of its own'
    report.mistake(raw.entries.get('prefix')?.at ?? at, 'path.invalid', '"/" is where applications are', { hint })
  }
  const pages = ['sign_in', 'sign_out', 'start', 'userinfo', 'auth'].map(page => `${prefix ?? '/oauth2'}/${page}`)
  return new Set([...pages, ...[ping, ready].filter(path => path !== undefined), '/robots.txt'])
}

/** Those of caddy-security's portal, which has nothing else to say. */
function checkPortal({ compat, url }: PortalTable['values'], report: Report): ReadonlySet<string> {
  if (!compat) return new Set()
  const { raw, at, values } = compat
  for (const [name, { at: place }] of raw.entries) {
    if (name === 'program' || name === 'prefix') continue
    const hint = 'it is for program = "oauth2-proxy"'
    report.mistake(place, 'portal.compat', `${name} says nothing of caddy-security`, { hint, part: 'key' })
  }
  if (values.prefix === '/' && url === null) {
    const hint = 'set url in the portal to the host that was its own, or name the path below which it was'
    const message = 'without a host of its own, "/" is where applications are'
    report.mistake(raw.entries.get('prefix')?.at ?? at, 'portal.compat', message, { hint })
  }
  const prefix = values.prefix === '/' ? '' : (values.prefix ?? '/auth')
  return new Set([prefix || '/portal', ...['portal', 'login', 'logout', 'whoami'].map(page => `${prefix}/${page}`)])
}
