/** Shows at a terminal which addresses to open in a browser. */

import type { Config } from '../config/resolve/config.ts'
import type { RouteConfig } from '../config/resolve/routes.ts'
import type { Io } from '../console/io.ts'
import { columns } from '../console/terminal.ts'

/** As many as one looks at. */
const MOST_SHOWN = 12

/** An address for a browser, and its content. */
interface OpenAddress {
  readonly address: string
  readonly about: string
}

/**
 * Shows a user who started the server at a terminal which addresses to open in a browser; writes nothing for a
 * program. `plain` is the first plain listener as it was opened, `127.0.0.1:8080`.
 */
export function showAddresses(config: Config, plain: string | undefined, io: Pick<Io, 'stderr' | 'terminal'>): void {
  if (!io.terminal.stderr) return
  const places = placesOf(config, plain)
  if (places.length === 0) return
  const shown = places.slice(0, MOST_SHOWN)
  const rows = shown.map(({ address, about }, index) => [index === 0 ? '  Open' : '', address, about])
  const more = places.length > shown.length ? `        and ${places.length - shown.length} more\n` : ''
  io.stderr(`\n${columns(rows)}${more}\n`)
}

/** Portals with an address of their own, then each host of a route, in the order of the file; patterns of hosts are no addresses. */
function placesOf(config: Config, plain: string | undefined): readonly OpenAddress[] {
  const portals = [...config.portals.values()]
  const places = new Map<string, OpenAddress>()
  for (const { name, url } of portals) {
    if (url !== null) places.set(url.host, { address: `${url.scheme}://${url.authority}/`, about: `portal "${name}"` })
  }
  const usual = usualOrigin(config, plain)
  for (const route of entrances(config.routes)) {
    const { host, path, portal } = route
    if (host.includes('*') || places.has(host)) continue
    const url = portal === null ? null : (config.portals.get(portal)?.url ?? null)
    const origin = url === null ? usual : originLike(url)
    if (origin !== null) places.set(host, { address: origin.before + host + origin.after + path, about: '' })
  }
  return [...places.values()]
}

/** Of each host the route that a browser meets first: the one at `/`, else the first of the file. */
function entrances(routes: readonly RouteConfig[]): Iterable<RouteConfig> {
  const byHost = new Map<string, RouteConfig>()
  for (const route of routes) if (route.path === '/' || !byHost.has(route.host)) byHost.set(route.host, route)
  return byHost.values()
}

/** What stands around a host. */
interface Origin {
  readonly before: string
  readonly after: string
}

/** As people come to a portal, they come to its applications: also where somebody in front has the certificate. */
function originLike({
  scheme,
  host,
  authority,
}: {
  readonly scheme: string
  readonly host: string
  readonly authority: string
}): Origin {
  return { before: `${scheme}://`, after: authority.slice(host.length) }
}

/** How browsers reach a route that does not say it; null where a browser can reach no listener. */
function usualOrigin({ portals, tls }: Config, plain: string | undefined): Origin | null {
  for (const { url } of portals.values()) if (url !== null) return originLike(url)
  if (tls !== null) return { before: 'https://', after: tls.publicPort === 443 ? '' : `:${tls.publicPort}` }
  const port = plain === undefined ? undefined : /:(\d+)$/.exec(plain)?.[1]
  if (port === undefined) return null
  return { before: 'http://', after: port === '80' ? '' : `:${port}` }
}
