/** Checks the `url` of `[portals.NAME]`: that browsers reach it, at a port that is listened on, and that nobody else is there. */

import { isLoopbackHost } from '../../base/net.ts'
import type { RootTable } from '../keys/keys.ts'
import type { PortalTable } from '../keys/portals.ts'
import type { RouteTable } from '../keys/routes.ts'
import { itemsOf, showRaw } from '../text/raw.ts'
import type { Report } from '../text/report.ts'
import { hostForSigningIn } from '../values/host.ts'
import type { ListenAddress } from '../values/listen.ts'
import { placesOf } from './hosts-and-paths.ts'

type Url = NonNullable<PortalTable['values']['url']>

/** A portal with a `url`, and what is around it. */
interface PortalWithUrl {
  readonly name: string
  readonly portal: PortalTable
  readonly url: Url
  readonly root: RootTable
  /** The portals before, by their hosts. */
  readonly byHost: Map<string, PortalTable>
  readonly report: Report
}

/** What can be wrong with an address that is one. */
export function checkUrl(one: PortalWithUrl): void {
  const { name, portal, url, root, byHost, report } = one
  const at = [...portal.at, 'url']
  const shown = showRaw(portal.raw.entries.get('url'))
  if (leadsAway(name, url.host, root) && hasScripts(name, url.host, root)) {
    const message = `an application on ${shown}, where people sign in, can be any of them on every host of this portal`
    const hint = 'give the portal a url with a host where no application is, if you do not trust it with that'
    report.warn(at, 'portal.shared_host', message, { hint })
  }
  const other = byHost.get(url.host)
  if (other === undefined) byHost.set(url.host, portal)
  else {
    const hint = 'one host can be one portal; a portal may have any number of providers and roles'
    report.mistake(at, 'portal.host_taken', `${shown} is another portal's host too`, {
      hint,
      first: [...other.at, 'url'],
    })
  }
  if (!refusePlainHttp(one)) warnOfPort(one)
}

/** That cookies go over plain HTTP. */
export function warnOfPlainCookies(portal: PortalTable, report: Report): void {
  if (portal.values.insecure_cookies !== true) return
  const hint = 'for tests on plain HTTP only; never where other people are on the network'
  report.warn([...portal.at, 'insecure_cookies'], 'portal.insecure_cookies', 'cookies are sent over plain HTTP', {
    hint,
    part: 'key',
  })
}

/** A `url` for a portal without one: on a host where no application is, at the port that this file listens on. */
export function suggestUrl(name: string, portal: PortalTable, root: RootTable): string {
  const routes = root.values.routes ?? []
  const hosts = routes.flatMap(route => (route.values.portal === name ? writtenHosts(route) : []))
  const taken = routes.flatMap(({ values }) => values.host ?? [])
  const isHere = hosts.every(isLoopbackHost) && !root.values.tls
  const scheme = portal.values.insecure_cookies === true || isHere ? 'http' : 'https'
  return withPort(scheme, hostForSigningIn(hosts, taken), portsOf(scheme, root)?.[0])
}

/** The hosts of a route that the file itself has: others are not shown, nor what is made of them. */
function writtenHosts({ raw, values }: RouteTable): readonly string[] {
  const items = itemsOf(raw.entries.get('host'))
  return (values.host ?? []).filter((_, index) => {
    const item = items[index]
    return item?.kind !== 'text' || !item.isFilled
  })
}

function withPort(scheme: Url['scheme'], host: string, port: number | undefined): string {
  const isUsual = port === undefined || port === usualPort(scheme)
  return `${scheme}://${host}${isUsual ? '' : `:${port}`}`
}

function usualPort(scheme: Url['scheme']): number {
  return scheme === 'http' ? 80 : 443
}

/**
 * The ports at which browsers can come by this scheme, the one to name first; null where the file does not say: a proxy in front has its own,
 * and so has who opens a socket.
 */
function portsOf(scheme: Url['scheme'], { raw, values: { server, tls } }: RootTable): readonly number[] | null {
  if (server !== undefined && (server.values.trusted_proxies?.length !== 0 || server.values.verify !== null))
    return null
  const usual: readonly ListenAddress[] | undefined = raw.entries.has('server')
    ? undefined
    : [{ kind: 'tcp', host: '0.0.0.0', port: 8080 }]
  const listen = scheme === 'https' ? tls?.values.listen : (server?.values.listen ?? usual)
  const ports = (listen ?? []).map(address => (address.kind === 'tcp' ? address.port : 0))
  if (ports.length === 0 || ports.includes(0)) return null
  return scheme === 'https' && tls?.values.public_port ? [tls.values.public_port, ...ports] : ports
}

/** At a port where nothing listens, nobody can sign in, so that no application is reached: each sends browsers there. */
function warnOfPort({ portal, url, root, report }: PortalWithUrl): void {
  const port = Number(/:(\d+)$/.exec(url.authority)?.[1] ?? usualPort(url.scheme))
  const [own, ...others] = portsOf(url.scheme, root) ?? []
  if (own === undefined || own === port || others.includes(port)) return
  const entry = portal.raw.entries.get('url')
  const line = entry?.kind === 'text' && !entry.isFilled ? `url = "${withPort(url.scheme, url.host, own)}"` : 'its port'
  const isLed = `where a router or a container leads port ${port} to ${own}`
  const hint = `write ${line}; ${url.scheme === 'https' ? `or public_port = ${port} in [tls], ${isLed}` : `leave it ${isLed}`}`
  const message = `${showRaw(entry)} leads browsers to port ${port}, and this file listens on ${[own, ...others].join(', ')}`
  report.warn([...portal.at, 'url'], 'portal.port', message, { hint })
}

/** Whether people elsewhere would be sent to plain HTTP, which is a mistake. */
function refusePlainHttp({ name, portal, url, root, report }: PortalWithUrl): boolean {
  const { insecure_cookies: isInsecure } = portal.values
  const at = [...portal.at, 'url']
  const shown = showRaw(portal.raw.entries.get('url'))
  if (url.scheme === 'https' || isInsecure !== false) return false
  if (!isLoopbackHost(url.host)) {
    const entry = portal.raw.entries.get('url')
    const own = entry?.kind === 'text' && !entry.isFilled ? `"https://${url.authority}"` : 'https://'
    const hint = `use ${own}; for a test without TLS set insecure_cookies = true`
    report.mistake(at, 'portal.insecure', `${shown} is plain HTTP: cookies and sign-ins could be read on the way`, {
      hint,
      mark: 'http',
    })
    return true
  }
  const places = (root.values.routes ?? []).flatMap(route => (route.values.portal === name ? placesOf(route) : []))
  const place = places.find(candidate => !isLoopbackHost(candidate.host))
  if (place === undefined) return false
  const host = showRaw(place.raw.host ?? undefined)
  const hint = 'give the portal an https:// address that browsers reach, or set insecure_cookies = true for a test'
  const message = `${shown} is plain HTTP on this machine, and serves ${host}, which is not`
  report.mistake(at, 'portal.insecure', message, { hint, mark: 'http' })
  return true
}

/** Whether people who sign in at a portal are led on to other hosts than its own. */
function leadsAway(portal: string, own: string, { values: { routes = [] } }: RootTable): boolean {
  return routes.some(({ values }) => values.portal === portal && values.host?.some(host => host !== own) === true)
}

/** Whether a route that may serve scripts is on a portal's host; another portal's route there is a mistake. */
function hasScripts(name: string, own: string, { values: { routes = [] } }: RootTable): boolean {
  return routes.some(
    ({ values: { host, portal, upstream, files } }) =>
      host?.includes(own) === true && (portal === name || portal === null) && (upstream || files),
  )
}
