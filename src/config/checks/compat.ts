import type { RootTable } from '../keys/keys.ts'
import type { RouteTable } from '../keys/routes.ts'
import type { Report } from '../text/report.ts'

/** Addresses of a program that stood here before are the portal's, so that a route of the very same path never has it. */
export function checkCompat(root: RootTable, routes: readonly RouteTable[], report: Report): void {
  for (const [name, { values }] of root.values.portals ?? []) {
    if (!values.compat) continue
    const { prefix, ping_path: ping, ready_path: ready } = values.compat.values
    const pages = ['sign_in', 'sign_out', 'start', 'userinfo', 'auth'].map(page => `${prefix}/${page}`)
    const taken = new Set([...pages, ping, ready, '/robots.txt'])
    for (const { at, raw, values: own } of routes) {
      if (own.portal !== name || own.path === undefined || !taken.has(own.path)) continue
      const message = 'the portal answers at this very path, by its compat, and not this route'
      const hint = 'what is below it is the route’s; ping_path and ready_path may name other places'
      report.warn(raw.entries.get('path')?.at ?? at, 'portal.compat', message, { hint })
    }
  }
}
