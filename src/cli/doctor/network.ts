/** Names, connections and certificates, as the doctor looks at them, with a hint for each failure. */

import { lookup } from 'node:dns/promises'
import { connect } from 'node:tls'
import type { ProxyFor } from '../../base/http-client.ts'
import { inTime } from '../../base/maybe-promise.ts'
import { isLoopbackHost } from '../../base/net.ts'
import type { UpstreamTls } from '../../config/keys/upstreams.ts'
import { splitAuthority } from '../../proxy/upstream/reach.ts'
import { bad, type Finding, good, warning } from './finding.ts'

const TIMEOUT_MS = 5_000
const DAY_MS = 86_400_000
const SOON_DAYS = 14

/** The addresses of a name as this machine resolves it; none where it does not. Names that only ever mean this machine have one. */
export async function resolveName(host: string): Promise<readonly string[]> {
  if (isLoopbackHost(host)) return ['127.0.0.1']
  const found = lookup(host, { all: true }).then(
    all => all.map(({ address }) => address),
    () => [],
  )
  return inTime(found, TIMEOUT_MS, [])
}

/** How an address by HTTPS is asked, and whose it is. */
interface HttpsPlace {
  readonly ca?: string | null
  readonly proxyFor?: ProxyFor | undefined
  /** Whether it is a portal's own, whose table has no `ca`: browsers ask it. */
  readonly isPortal?: boolean
}

/** The name and the certificate of an https address; nothing to say of plain HTTP. `ca` are the only authorities to trust, where it is not null. One that is asked by a proxy is not reached from here. */
export async function examineHttps(
  url: URL,
  nowMs: number,
  { ca = null, proxyFor, isPortal = false }: HttpsPlace = {},
): Promise<readonly Finding[]> {
  const proxy = proxyFor?.(url.href) ?? null
  // What is behind it shows in what is asked: this machine may know no such name, and has no way there.
  if (proxy !== null) return [good(`${url.host} is asked through the proxy ${proxy} (outgoing)`)]
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if ((await resolveName(host)).length === 0) {
    return [bad(`the name ${host} has no address here`, 'check the name and the DNS server of this machine')]
  }
  if (url.protocol !== 'https:') return []
  const certificate = await fetchCertificate(url.host, { ca })
  if (certificate === null) {
    return [bad(`no TLS connection to ${url.host}`, 'check the address, the port, and what is in between')]
  }
  if (certificate.mistake !== null) {
    return [
      bad(
        `the certificate of ${url.host} is not trusted here: ${certificate.mistake}`,
        hintForName(certificate, host) ??
          hintForEnd(certificate) ??
          (isPortal
            ? 'use one that this machine trusts, as browsers have to; for your own authority start doctor with NODE_EXTRA_CA_CERTS=ca.pem'
            : ca === null
              ? 'use one that this machine trusts; or name your own authority in ca = "ca.pem" of its table, or in NODE_EXTRA_CA_CERTS for all'
              : 'ca in its table has to hold the authority that signed it'),
      ),
    ]
  }
  const days = Math.floor((certificate.endsAtMs - nowMs) / DAY_MS)
  return [
    days < SOON_DAYS
      ? warning(`the certificate of ${url.host} is good for ${days} days only`, 'see that it is renewed')
      : good(`has a trusted certificate for ${days} days`),
  ]
}

/** A certificate as a handshake has shown it. */
interface Certificate {
  /** Why it is not trusted; null where it is. */
  readonly mistake: string | null
  readonly endsAtMs: number
  /** The names in it, as `DNS:id.example.com`. */
  readonly names: readonly string[]
}

/** What to do about a certificate for other names than the one that is asked; null where the mistake is another. */
export function hintForName({ mistake, names }: Certificate, name: string): string | null {
  if (mistake !== 'ERR_TLS_CERT_ALTNAME_INVALID') return null
  const held = names.length === 0 ? 'no name' : names.slice(0, 10).join(', ')
  return `its authority is trusted, but it is for ${held}: does ${name} lead to the right machine, seen from here? If so, that machine needs a certificate for ${name}`
}

/** What to do about one that is over; null where the mistake is another. */
export function hintForEnd({ mistake, endsAtMs }: Certificate): string | null {
  if (mistake !== 'CERT_HAS_EXPIRED') return null
  return `it was good until ${new Date(endsAtMs).toISOString()}: renew it, and see the clock of this machine`
}

/** The certificate at an address, port 443 where it says none; null where no handshake comes about. `tls` null: nothing special is trusted. */
export function fetchCertificate(
  authority: string,
  tls: (Pick<UpstreamTls, 'ca'> & Partial<Pick<UpstreamTls, 'serverName' | 'own'>>) | null,
): Promise<Certificate | null> {
  const { host, name: own, port } = splitAuthority(authority, 443)
  const name = tls?.serverName ?? (/^[0-9.]+$|:/.test(own) ? null : own)
  return new Promise(resolve => {
    const socket = connect({
      host,
      port,
      rejectUnauthorized: false,
      ...(tls === null || tls.ca === null ? {} : { ca: tls.ca }),
      ...(tls?.own ?? {}),
      ...(name === null ? {} : { servername: name }),
    })
    const finish = (found: Certificate | null) => {
      clearTimeout(timer)
      socket.destroy()
      resolve(found)
    }
    const timer = setTimeout(() => finish(null), TIMEOUT_MS)
    socket.once('secureConnect', () => {
      const mistake = socket.authorized ? null : String(socket.authorizationError ?? 'unknown')
      const { valid_to: end, subjectaltname: names = '' } = socket.getPeerCertificate()
      finish({ mistake, endsAtMs: Date.parse(end), names: names.split(', ').filter(name => name !== '') })
    })
    // Stays: a socket that was given up may still report an error.
    socket.on('error', () => finish(null))
  })
}
