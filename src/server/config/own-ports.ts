import type { PortalConfig } from '../../config/resolve/portals.ts'
import type { ServerConfig } from '../../config/resolve/server.ts'
import type { TlsConfig } from '../../config/resolve/tls.ts'

/** Ports of ours for each scheme: those that the file names, or that are listened to. */
export interface OwnPorts {
  readonly http: ReadonlySet<number>
  readonly https: ReadonlySet<number>
  /** Where a host is reached that was asked for by another port, for each scheme. */
  readonly usual: Readonly<Record<'http' | 'https', number>>
}

const DEFAULTS = { http: 80, https: 443 } as const

/**
 * The ports by which clients may reach the hosts of a portal: that of its own address, and where this program listens; without an address
 * of its own, the usual ones too, which a proxy in front may have.
 *
 * What a client writes into Host is no proof of a port: another program may listen there, under the same name.
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
 * The origin by which clients reach a host: by the port that they name where it is one of ours, else by the usual one.
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
