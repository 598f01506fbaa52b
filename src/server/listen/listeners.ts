/** All listeners of a process, plain and by TLS, and what each hands on. */

import { inTime } from '../../base/maybe-promise.ts'
import type { Log } from '../../base/ports.ts'
import type { TlsConfig } from '../../config/resolve/tls.ts'
import type { ServerCertificate } from '../../config/values/certificate.ts'
import { addressText, type ListenAddress } from '../../config/values/listen.ts'
import type { InheritedSockets } from './inherited/sockets.ts'
import { addressOf, type ListenerOptions, listen, removeSocketFile } from './listen.ts'
import { openTlsListener, type TlsListener } from './tls-listener.ts'

/** Every listener of a process but the admin listener. Pairs with `stop`. */
export interface Listeners {
  /** Those for plain HTTP, as the file writes them, with the real port where it says 0. */
  readonly addresses: readonly string[]
  /** Those for HTTPS. */
  readonly secureAddresses: readonly string[]
  /** Those where proxies in front ask for verdicts. */
  readonly verifyAddresses: readonly string[]
  /** Requests that have not been answered to their end, and questions for verdicts. */
  readonly pendingRequests: number
  /** Serves HTTPS with these certificates from now on, without failing a request. Where it cannot, the next call tries again. */
  useCertificates(certificates: readonly ServerCertificate[]): void
  /** Other processes have these listeners, and take what comes from now on: nothing is opened there any more. */
  leave(): void
  /** Takes no new requests and lets those in flight finish, up to a limit. */
  stop(limitMs: number): Promise<void>
}

export interface ListenersOptions {
  readonly plain: readonly ListenAddress[]
  readonly tls: TlsConfig | null
  /** Where proxies in front ask for verdicts, in plain HTTP, and what answers there. */
  readonly verify: { readonly places: readonly ListenAddress[]; readonly fetch: ListenerOptions['fetch'] }
  readonly listener: ListenerOptions
  /** What HTTPS begins with; while there are none, it is not listened for. */
  readonly certificates: readonly ServerCertificate[]
  /** Seconds for which browsers use only HTTPS (HSTS); null: no such field. Read with each answer by HTTPS. */
  readonly hstsS: () => number | null
  /** How long a replaced HTTPS listener continues; a sensible time when absent. */
  readonly partingMs?: number | undefined
  /** Whether other processes have the same listeners: then the supervisor has tried the addresses. */
  readonly isShared: boolean
  /** Sockets that listen already. */
  readonly inherited: InheritedSockets
  readonly log: Log
}

/** Long enough for a page's requests to end, short against the lifetime of any certificate. */
const PARTING_MS = 5_000

/** Opens all of them, or none. Throws `listen.failed`. */
export function openListeners(options: ListenersOptions): Listeners {
  const { tls, verify, listener, isShared, inherited, log, partingMs = PARTING_MS } = options
  const plain: OpenListener[] = []
  const asked: OpenListener[] = []
  const secure: TlsListener[] = []
  let inForce = options.certificates
  let isLeaving = false
  const servers = () => [
    ...[...plain, ...asked].map(({ server }) => server),
    ...secure.flatMap(front => [...front.servers]),
  ]
  try {
    const openAt = (address: ListenAddress, one: ListenerOptions) =>
      inherited.at(address).map(({ socket, address: own }) => ({
        address,
        server: listen(own, { ...one, reusePort: isShared, socket }),
      }))
    for (const address of options.plain) plain.push(...openAt(address, listener))
    for (const address of verify.places) asked.push(...openAt(address, { ...listener, fetch: verify.fetch }))
    const secured: ListenerOptions = { ...listener, fetch: withHsts(listener.fetch, options.hstsS) }
    for (const address of tls?.listen ?? []) {
      const { http2 } = tls ?? { http2: false }
      for (const { socket, address: own } of inherited.at(address)) {
        if (own.kind === 'unix') continue
        secure.push(
          openTlsListener({
            address: own,
            socket,
            certificates: inForce,
            http2,
            listener: secured,
            partingMs,
            isShared,
            log,
          }),
        )
      }
    }
  } catch (error) {
    for (const one of servers()) one.stop(true)
    throw error
  }
  return {
    addresses: placesOf(plain),
    get secureAddresses() {
      return [...new Set(secure.map(({ address }) => addressText(address)))]
    },
    verifyAddresses: placesOf(asked),
    get pendingRequests() {
      let count = 0
      for (const { server } of plain) count += server.pendingRequests
      for (const { server } of asked) count += server.pendingRequests
      for (const front of secure) for (const server of front.servers) count += server.pendingRequests
      return count
    },
    useCertificates(certificates) {
      if (isLeaving || isSame(certificates, inForce)) return
      const areTaken = secure.map(front => front.take(certificates))
      if (!areTaken.includes(false)) inForce = certificates
    },
    leave() {
      isLeaving = true
    },
    async stop(limitMs) {
      for (const front of secure) front.close()
      await inTime(Promise.all(servers().map(server => server.stop())), limitMs, undefined)
      await Promise.all(servers().map(server => server.stop(true)))
      for (const server of servers()) removeSocketFile(server)
    },
  }
}

/** A listener, and where the file has it. */
interface OpenListener {
  readonly address: ListenAddress
  readonly server: Bun.Server<unknown>
}

function placesOf(listeners: readonly OpenListener[]): readonly string[] {
  return [...new Set(listeners.map(({ server, address }) => addressOf(server, address)))]
}

function isSame(some: readonly ServerCertificate[], others: readonly ServerCertificate[]): boolean {
  const text = (certificates: readonly ServerCertificate[]) =>
    certificates.map(({ cert, key }) => cert + key).join('\n')
  return text(some) === text(others)
}

/** RFC 6797 §7.2: only by HTTPS, and once: it replaces an application's own field. */
function withHsts(fetch: ListenerOptions['fetch'], hstsS: () => number | null): ListenerOptions['fetch'] {
  const add = (response: Response | undefined) => {
    const seconds = hstsS()
    if (seconds !== null) response?.headers.set('strict-transport-security', `max-age=${seconds}`)
    return response
  }
  return (request, front) => {
    const answer = fetch(request, front)
    return answer instanceof Promise ? answer.then(add) : add(answer)
  }
}
