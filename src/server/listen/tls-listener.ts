/** A TLS listener, whose certificates change while it runs. */

import { errorFacts } from '../../base/errors.ts'
import type { Log } from '../../base/ports.ts'
import type { ServerCertificate } from '../../config/values/certificate.ts'
import type { ListenAddress } from '../../config/values/listen.ts'
import { type ListenerOptions, listen, replaceHandlers } from './listen.ts'

/** One HTTPS listener, whose certificates can be changed while it runs. */
export interface TlsListener {
  /** With the real port where the file says 0. */
  readonly address: ListenAddress
  /** The listener, and those before it that still have connections. */
  readonly servers: Iterable<Bun.Server<unknown>>
  /** Serves with these from now on, if it can; with none at all nothing is listened on until there are. */
  take(certificates: readonly ServerCertificate[]): boolean
  /** Takes nothing over any more. The servers are the caller's to stop. */
  close(): void
}

export interface TlsListenerOptions {
  readonly address: Extract<ListenAddress, { kind: 'tcp' }>
  /** The descriptor of a socket that listens there already, or null. */
  readonly socket: number | null
  readonly certificates: readonly ServerCertificate[]
  readonly http2: boolean
  readonly listener: ListenerOptions
  /** How long a replaced listener continues, so that its clients can leave. */
  readonly partingMs: number
  /** Whether other processes listen there, too: then it does not look for other programs. */
  readonly isShared: boolean
  readonly log: Log
}

/**
 * An HTTPS listener that changes its certificates without failing a request or cutting a WebSocket.
 *
 * `Bun.serve` (1.4.5) ignores new certificates in `reload`, so a second listener is opened on the same port. The first one
 * answers with `Connection: close` from then on, so that busy connections move over; idle ones are closed after a while, with
 * nothing on them. Its WebSockets stay until they end.
 * Throws `listen.failed`.
 */
export function openTlsListener(options: TlsListenerOptions): TlsListener {
  const { listener, http2, socket, log } = options
  const parting = new Set<Bun.Server<unknown>>()
  const timers = new Set<Timer>()
  let address = options.address
  let current: Bun.Server<unknown> | null = null

  function open(certificates: readonly ServerCertificate[]): Bun.Server<unknown> {
    const server = listen(address, { ...listener, reusePort: true, socket, tls: { certificates, http2 } })
    if (address.port === 0) address = { ...address, port: server.port ?? 0 }
    return server
  }

  function part(server: Bun.Server<unknown>): void {
    parting.add(server)
    replaceHandlers(server, { ...listener, fetch: (request, front) => closing(listener.fetch(request, front)) })
    const timer = setTimeout(async () => {
      timers.delete(timer)
      // Settles once its last request and its last WebSocket are over.
      await server.stop()
      parting.delete(server)
    }, options.partingMs)
    timers.add(timer)
  }

  if (!options.isShared && socket === null) tryAddress(address)
  if (options.certificates.length > 0) current = open(options.certificates)

  return {
    get address() {
      return address
    },
    get servers() {
      return current === null ? parting : [current, ...parting]
    },
    take(certificates) {
      if (certificates.length === 0) return true
      let next: Bun.Server<unknown>
      try {
        next = open(certificates)
      } catch (error) {
        log.error('The changed certificates cannot be used; the previous ones stay in use', errorFacts(error))
        return false
      }
      if (current !== null) part(current)
      current = next
      return true
    },
    close() {
      for (const timer of timers) clearTimeout(timer)
    },
  }
}

/**
 * A port that Sallyport's listeners share could also be shared with another program of this user: only this notices
 * one.
 */
function tryAddress(address: Extract<ListenAddress, { kind: 'tcp' }>): void {
  if (address.port !== 0) void listen(address, { fetch: () => new Response(null, { status: 503 }) }).stop(true)
}

function closing(answer: ReturnType<ListenerOptions['fetch']>): ReturnType<ListenerOptions['fetch']> {
  return answer instanceof Promise ? answer.then(lastOfConnection) : lastOfConnection(answer)
}

function lastOfConnection(response: Response | undefined): Response | undefined {
  response?.headers.set('connection', 'close')
  return response
}
