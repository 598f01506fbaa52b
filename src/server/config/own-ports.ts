import type { PortalConfig } from '../../config/types/portals.ts'
import type { ServerConfig } from '../../config/types/server.ts'
import type { TlsConfig } from '../../config/types/tls.ts'

/** Ports of ours for each scheme: those that the file names, or that are listened to. */
export interface OwnPorts {
  readonly http: ReadonlySet<number>
  readonly https: ReadonlySet<number>
  /** Where a host is reached that was asked for by another port, for each scheme. */
  readonly usual: Readonly<Record<'http' | 'https', number>>
}

const DEFAULTS = { http: 80, https: 443 } as const

/**
 * The ports by which browsers may reach the hosts of a portal: that of its own address, and where this program listens.
 *
 * What a client writes into Host is no proof of a port: another program may listen there, under the same name.
 */
export function compilePorts(
  url: NonNullable<PortalConfig['url']>,
  {
    server,
    tls,
  }: {
    readonly server: Pick<ServerConfig, 'listen'>
    readonly tls: Pick<TlsConfig, 'listen' | 'publicPort'> | null
  },
): OwnPorts {
  const own = portOf(url.host, url.authority, url.scheme)
  const plain = server.listen.flatMap(address => (address.kind === 'tcp' ? [address.port] : []))
  const secure = tls === null ? [] : [tls.publicPort, ...tls.listen.map(({ port }) => port)]
  const [http, https] = [new Set(plain), new Set(secure)]
  const ofScheme = url.scheme === 'https' ? https : http
  ofScheme.add(own)
  return { http, https, usual: { ...DEFAULTS, [url.scheme]: own } }
}

/**
 * The origin by which browsers reach a host: by the port that they name where it is one of ours, else by the usual one.
 *
 * `authority` is the host, or host:port; `ports` null leaves it as it is: a portal without an address of its own leads nobody to
 * another host, and providers know the address of each.
 */
export function ownOrigin(
  ports: OwnPorts | null,
  scheme: 'http' | 'https',
  { host, authority }: { readonly host: string; readonly authority: string },
): string {
  if (ports === null || ports[scheme].has(portOf(host, authority, scheme))) return `${scheme}://${authority}`
  const usual = ports.usual[scheme]
  return `${scheme}://${host}${usual === DEFAULTS[scheme] ? '' : `:${usual}`}`
}

function portOf(host: string, authority: string, scheme: 'http' | 'https'): number {
  return authority.length === host.length ? DEFAULTS[scheme] : Number(authority.slice(host.length + 1))
}
