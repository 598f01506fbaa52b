import { connect } from 'node:net'
import type { UpstreamAddress, UpstreamConfig } from '../../config/types/upstreams.ts'
import { addressLabel } from '../../proxy/upstream/origin.ts'
import { splitAuthority } from '../../proxy/upstream/reach.ts'
import { bad, type Finding, good } from './finding.ts'
import { fetchCertificate, hintForEnd, hintForName } from './network.ts'

/** An application that has not begun to answer by then may be slow; it says nothing of what it speaks. */
const TIMEOUT_MS = 3_000

/**
 * Whether an address that takes connections speaks what its scheme says: HTTP or HTTPS, with a certificate that holds. One without TLS is
 * asked for the fields of `/` alone (HEAD), and for a handshake where it does not answer that.
 */
export async function examineSpeech(
  address: UpstreamAddress,
  { tls }: Pick<UpstreamConfig, 'tls'>,
  routeId: string,
): Promise<Finding> {
  const label = addressLabel(address)
  const fine = good(`${label} takes connections`)
  if (address.kind === 'unix') return fine
  if (address.scheme === 'http') {
    const authority = withPort(address.authority)
    if ((await answersPlainly(authority)) || (await fetchCertificate(authority, null)) === null) return fine
    return bad(
      `${label} speaks HTTPS, and its upstream begins with http:// (route "${routeId}")`,
      'write https://, or the port where it speaks plain HTTP; for a certificate that it made itself, name that in ca of tls of this upstream',
    )
  }
  const certificate = await fetchCertificate(address.authority, tls)
  if (certificate === null) {
    return bad(
      `no TLS connection to ${label} comes about (route "${routeId}")`,
      'if it speaks plain HTTP there, write http://; else name the port where it speaks TLS',
    )
  }
  if (certificate.mistake === null || tls?.insecureSkipVerify === true) return fine
  return bad(
    `the certificate of ${label} does not hold here: ${certificate.mistake} (route "${routeId}")`,
    hintForName(certificate, splitAuthority(address.authority, 443).host)?.concat(
      '; or write a name that it has in server_name of tls of this upstream',
    ) ??
      hintForEnd(certificate) ??
      'name who signed it in ca, or the name in it in server_name, of tls of this upstream: upstream = { to = "https://…", tls = { ca = "ca.pem" } }',
  )
}

/** The port of HTTP where it names none: a handshake would look at another. */
function withPort(authority: string): string {
  return /:\d+$/.test(authority) ? authority : `${authority}:80`
}

/** Whether HTTP comes back, or nothing does in time; false for what is closed, or is no HTTP. */
function answersPlainly(authority: string): Promise<boolean> {
  const { host, port } = splitAuthority(authority, 80)
  return new Promise(resolve => {
    const socket = connect({ host, port })
    const timer = setTimeout(() => finish(true), TIMEOUT_MS)
    function finish(isPlain: boolean): void {
      clearTimeout(timer)
      socket.destroy()
      resolve(isPlain)
    }
    socket.once('connect', () => socket.write(`HEAD / HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n\r\n`))
    socket.once('data', bytes => finish(bytes.toString('latin1').startsWith('HTTP/')))
    socket.on('close', () => finish(false))
    // Stays: a socket that was given up may still report an error.
    socket.on('error', () => finish(false))
  })
}
