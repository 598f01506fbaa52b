import type { RouteConfig } from '../../config/resolve/routes.ts'
import { addressLabel } from '../../proxy/upstream/origin.ts'

/** For each host and application the route with the shortest path: where users enter, and what the checks request. */
export function entrances(routes: readonly RouteConfig[]): readonly RouteConfig[] {
  const found = new Map<string, RouteConfig>()
  for (const route of routes) {
    const { host, upstream, path, hostHeader, hasOwnOrigin } = route
    if (upstream === null) continue
    const key = JSON.stringify([host, upstream.addresses.map(addressLabel), hostHeader, hasOwnOrigin])
    const other = found.get(key)
    if (other === undefined || path.length < other.path.length) found.set(key, route)
  }
  return [...found.values()]
}
