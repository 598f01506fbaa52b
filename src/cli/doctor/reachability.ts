/** Whether applications answer where the file says, and speak HTTP there. */

import { accessSync, constants, statSync } from 'node:fs'
import { connect } from 'node:net'
import type { Ports } from '../../base/ports.ts'
import type { UpstreamConfig } from '../../config/keys/upstreams.ts'
import type { Config } from '../../config/resolve/config.ts'
import type { PortalConfig } from '../../config/resolve/portals.ts'
import { whyUnreadable } from '../../config/text/substitute.ts'
import type { UpstreamAddress } from '../../config/values/address.ts'
import { addressLabel } from '../../proxy/upstream/origin.ts'
import { reach, splitAuthority } from '../../proxy/upstream/reach.ts'
import { bad, type Finding, good, type Section, warning } from './finding.ts'
import { answersAsSallyport } from './http.ts'
import { examineHttps, fetchCertificate, hintForEnd, hintForName, resolveName } from './network.ts'

const TIMEOUT_MS = 5_000

/** A portal's own address, from outside as far as this machine is outside. */
export async function examinePortal(portal: PortalConfig, ports: Pick<Ports, 'ask' | 'now'>): Promise<Section> {
  const about = `portal "${portal.name}"`
  if (portal.url === null) return { about, findings: [good('is mounted on each of its hosts')] }
  const address = `${portal.url.scheme}://${portal.url.authority}`
  const transport = await examineHttps(new URL(address), ports.now(), { isPortal: true })
  if (transport.some(({ grade }) => grade === 'bad')) return { about, findings: transport }
  const isThere = await answersAsSallyport(address, ports)
  return {
    about,
    findings: [
      ...transport,
      isThere
        ? good(`Sallyport answers at ${address}`)
        : warning(
            `no Sallyport answers at ${address}`,
            'start it, or write the port in url at which it listens (such as http://auth.localhost:8080); behind another proxy, let that one pass this host on with its Host field',
          ),
    ],
  }
}

/** Whether the hosts of the file have addresses. */
export async function examineHosts(config: Config): Promise<Section> {
  const hosts = [...new Set(config.routes.map(({ host }) => host))].filter(host => !host.startsWith('*.'))
  const lost = (
    await Promise.all(hosts.map(async host => ((await resolveName(host)).length === 0 ? host : null)))
  ).filter(host => host !== null)
  const findings: Finding[] = lost.map(host =>
    warning(`${host} has no address here`, 'give it one in your DNS, that of the machine people reach Sallyport by'),
  )
  const found = hosts.length - lost.length
  if (found > 0) findings.unshift(good(`${found === 1 ? 'one name has' : `${found} names have`} an address`))
  return { about: 'hosts', findings }
}

/** Whether something takes connections at every upstream's address, and speaks what its scheme says. */
export async function examineUpstreams(config: Config): Promise<Section> {
  const addresses = new Map(
    config.routes.flatMap(({ id, upstream }) =>
      upstream === null
        ? []
        : upstream.addresses.map(address => [addressLabel(address), { address, upstream, id }] as const),
    ),
  )
  const findings = await Promise.all(
    [...addresses].map(async ([label, { address, upstream, id }]) => {
      if (await reach(address, TIMEOUT_MS)) return examineSpeech(address, upstream, id)
      return bad(
        `${label} takes no connection (route "${id}")`,
        'start the application, and check the name and port in upstream, as this machine or container sees them',
      )
    }),
  )
  return { about: 'upstreams', findings }
}

/** Whether each folder of `files` exists, and this user may read it. */
export function examineFolders({ routes }: Config): Section {
  const folders = new Map(
    routes.flatMap(({ id, answer }) => (answer?.kind === 'files' ? [[answer.folder, id] as const] : [])),
  )
  const findings = [...folders].map(([folder, id]) => {
    const why = whyNoFolder(folder)
    if (why === null) return good(`${folder} is a folder that can be read`)
    return bad(
      `the folder ${folder} ${why} (route "${id}")`,
      'make it, or name another in files, as this machine or container sees it; the user that runs Sallyport has to be able to read it',
    )
  })
  return { about: 'files', findings }
}

function whyNoFolder(folder: string): string | null {
  try {
    if (!statSync(folder).isDirectory()) return 'is a file'
    accessSync(folder, constants.R_OK | constants.X_OK)
    return null
  } catch (error) {
    return whyUnreadable(error)
  }
}

/** An application that has not begun to answer by then may be slow; its protocol stays unknown. */
const SPEECH_TIMEOUT_MS = 3_000

/**
 * Whether an address that accepts connections uses the protocol of its scheme: HTTP, or HTTPS with a valid
 * certificate. Without TLS it requests only the fields of `/` (HEAD), and tries a handshake where that has no answer.
 */
async function examineSpeech(
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
    const timer = setTimeout(() => finish(true), SPEECH_TIMEOUT_MS)
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
