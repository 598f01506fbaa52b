/** Which portal each host belongs to. */

import type { Config } from '../../config/resolve/config.ts'
import { compileHostTable, type HostTable } from '../../route/hosts.ts'

/** A route as far as it says whose people sign in on its host. */
interface HostOf<Portal> {
  readonly host: string
  readonly isOneLabel: boolean
  /** Null for a route without one. */
  readonly portal: Portal | null
}

/**
 * The portal of each host: that of its routes, null where none of them names one. Each portal also has the host of its
 * `url`.
 *
 * A name several labels below a wildcard has only the portal of the routes that serve it.
 */
export function compilePortalHosts<Portal>(
  routes: readonly HostOf<Portal>[],
  own: Iterable<readonly [host: string, portal: Portal]>,
): HostTable<Portal | null> {
  const hosts = portalsByHost(routes)
  for (const [host, portal] of own) hosts.set(host, portal)
  return compileHostTable(hosts, portalsByHost(routes.filter(({ isOneLabel }) => !isOneLabel)))
}

function portalsByHost<Portal>(routes: readonly HostOf<Portal>[]): Map<string, Portal | null> {
  const hosts = new Map<string, Portal | null>()
  for (const { host, portal } of routes) hosts.set(host, portal ?? hosts.get(host) ?? null)
  return hosts
}

/**
 * The hosts where people sign in. A wildcard above them does not serve them: what its application shows there would be of one origin
 * with the pages that make tokens and end sessions.
 */
export function portalHosts({ portals }: Pick<Config, 'portals'>): readonly string[] {
  return [...portals.values()].flatMap(({ url }) => (url === null ? [] : [url.host]))
}
