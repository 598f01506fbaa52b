/** The ports at which hosts of this gate are reached. */

import type { ServerConfig } from '../../config/keys/server.ts'
import type { PortalConfig } from '../../config/resolve/portals.ts'
import type { TlsConfig } from '../../config/resolve/tls.ts'

/** Sallyport's own ports for each scheme: those in the file, and those that it listens on. */
export interface OwnPorts {
  readonly http: ReadonlySet<number>
  readonly https: ReadonlySet<number>
  /** Where a host is reached that was asked for by another port, for each scheme. */
  readonly usual: Readonly<Record<'http' | 'https', number>>
}

const DEFAULTS = { http: 80, https: 443 } as const

/**
 * The ports by which clients may reach the hosts of a portal: the port of its `url`, and those where Sallyport
 * listens. Without a `url` also the default ports, which a proxy in front may have.
 *
 * A client's Host does not prove a port: another program may listen there, under the same name.
 */
export function compilePorts(
  url: PortalConfig['url'],
  {
    server,
    tls,
  }: {
    readonly server: Pick<ServerConfig, 'listen'>
    readonly tls: Pick<TlsConfig, 'listen' | 'publicPort'> | null
  },
): OwnPorts {
  const plain = server.listen.flatMap(address => (address.kind === 'tcp' ? [address.port] : []))
  const secure = tls === null ? [] : [tls.publicPort, ...tls.listen.map(({ port }) => port)]
  const [http, https] = [new Set(plain), new Set(secure)]
  if (url === null) return { http, https, usual: { http: DEFAULTS.http, https: tls?.publicPort ?? DEFAULTS.https } }
  const own = portOf(url.host, url.authority, url.scheme)
  const ofScheme = url.scheme === 'https' ? https : http
  ofScheme.add(own)
  return { http, https, usual: { ...DEFAULTS, [url.scheme]: own } }
}

/**
 * The origin by which clients reach a host: with the port that they name where it is an own port, otherwise with the
 * default port.
 *
 * `authority` is the host, or host:port.
 */
export function ownOrigin(
  ports: OwnPorts,
  scheme: 'http' | 'https',
  { host, authority }: { readonly host: string; readonly authority: string },
): string {
  const port = portOf(host, authority, scheme)
  const usual = ports[scheme].has(port) ? port : ports.usual[scheme]
  return `${scheme}://${host}${usual === DEFAULTS[scheme] ? '' : `:${usual}`}`
}

function portOf(host: string, authority: string, scheme: 'http' | 'https'): number {
  return authority.length === host.length ? DEFAULTS[scheme] : Number(authority.slice(host.length + 1))
}
