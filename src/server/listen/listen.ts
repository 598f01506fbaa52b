/** Opens one plain listener: `Bun.serve` on an address, a socket file or an inherited socket. */

import { existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { GateError } from '../../base/errors.ts'
import type { ServerCertificate } from '../../config/values/certificate.ts'
import { addressText, type ListenAddress } from '../../config/values/listen.ts'
import type { RelayData } from '../../proxy/websocket/relay.ts'
import { raiseHeadLimit } from './head-limit.ts'
import { serveAt } from './inherited/sockets.ts'

/** What a listener does with a request, in Bun's terms. */
export interface ListenerOptions {
  fetch(request: Request, server: Bun.Server<unknown>): Response | undefined | Promise<Response | undefined>
  /** The answer when a body fails before its head was sent; without it Bun answers in its own words. */
  error?(error: unknown): Response
  readonly websocket?: Bun.WebSocketHandler<RelayData>
  readonly idleTimeoutS?: number
  /** Share the port with other processes of this program. */
  readonly reusePort?: boolean
  /** The descriptor of a socket that listens at this address already; null or absent: one is opened. */
  readonly socket?: number | null
  /** Speak TLS, on a port only. */
  readonly tls?: TlsOptions
}

/** The certificates of a TLS listener, and its protocols. */
interface TlsOptions {
  /** At least one; the first is for clients that ask for an unknown name. */
  readonly certificates: readonly ServerCertificate[]
  readonly http2: boolean
}

/**
 * Starts one listener. A socket file left by a process that is gone is replaced.
 *
 * Throws `listen.failed` with what to do: port in use, no right to a low port, unknown address.
 */
export function listen(address: ListenAddress, options: ListenerOptions): Bun.Server<unknown> {
  const { socket = null } = options
  if (socket !== null) return serveAt(socket, () => listen(standIn(address), { ...options, socket: null }))
  const common = handlersOf(options)
  raiseHeadLimit()
  try {
    if (address.kind === 'unix') return listenLocally(address.path, common)
    return Bun.serve({
      ...common,
      hostname: address.host,
      port: address.port,
      reusePort: options.reusePort ?? false,
      ipv6Only: address.isIpv6Only ?? false,
      ...(options.tls === undefined ? {} : secured(options.tls)),
    } as Bun.Serve.Options<unknown>)
  } catch (error) {
    throw listenFailed(address, error)
  }
}

/** The files of own sockets, to be removed unless another process has replaced them. */
const socketFiles = new WeakMap<Bun.Server<unknown>, { readonly path: string; readonly inode: number }>()

/**
 * Opens a socket beside its path, and moves it there, so that a client always finds one. Bun (1.4.5) removes the name
 * that it opened when it stops, and so does not remove the socket that another process has moved there by then. A name
 * that is too long for that is opened directly.
 */
function listenLocally(path: string, common: object): Bun.Server<unknown> {
  const there = statSync(path, { throwIfNoEntry: false })
  const beside = `${path}.${process.pid}`
  const isBeside = !path.startsWith('\0') && there?.isSocket() !== false && Buffer.byteLength(beside) <= MAX_SOCKET_PATH
  if (!isBeside && there?.isSocket() === true) rmSync(path)
  if (isBeside) removeLeftovers(path)
  const server = Bun.serve({ ...common, unix: isBeside ? beside : path } as Bun.Serve.Options<unknown>)
  if (!isBeside) return server
  socketFiles.set(server, { path, inode: statSync(beside).ino })
  renameSync(beside, path)
  return server
}

/** Removes what processes left beside a socket that were killed before they moved it there. */
function removeLeftovers(path: string): void {
  const [folder, start] = [dirname(path), `${basename(path)}.`]
  for (const name of existsSync('/proc/self') ? namesIn(folder) : []) {
    const pid = name.startsWith(start) ? name.slice(start.length) : ''
    const left = join(folder, name)
    if (!/^[1-9][0-9]{0,9}$/.test(pid) || existsSync(`/proc/${pid}`)) continue
    if (statSync(left, { throwIfNoEntry: false })?.isSocket() === true) rmSync(left, { force: true })
  }
}

/** None of a folder that is not there, or that may only be written to. */
function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** What sockaddr_un holds without its terminator (unix(7)). */
const MAX_SOCKET_PATH = 107

/** Removes the file of a local socket that has been stopped, unless it is another's by now. */
export function removeSocketFile(server: Bun.Server<unknown>): void {
  const file = socketFiles.get(server)
  if (file !== undefined && statSync(file.path, { throwIfNoEntry: false })?.ino === file.inode) rmSync(file.path)
}

/**
 * The temporary address of a server that gets another socket a moment later: of the same kind, and unknown to clients.
 */
function standIn({ kind }: ListenAddress): ListenAddress {
  if (kind === 'tcp') return { kind, host: '127.0.0.1', port: 0 }
  return { kind, path: `\0sallyport-${crypto.randomUUID()}` }
}

function handlersOf(options: ListenerOptions): object {
  return {
    fetch: options.fetch,
    // Bodies stream: their size is the upstream's business, not Bun's default of 128 MiB.
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    development: false,
    ...(options.error === undefined ? {} : { error: options.error }),
    ...(options.idleTimeoutS === undefined ? {} : { idleTimeout: options.idleTimeoutS }),
    ...(options.websocket === undefined ? {} : { websocket: options.websocket }),
  }
}

/** Gives a listener other handlers; where it listens and who it is stays as it was. */
export function replaceHandlers(server: Bun.Server<unknown>, options: ListenerOptions): void {
  server.reload(handlersOf(options) as Bun.Serve.Options<unknown>)
}

/**
 * What makes a listener speak TLS 1.2 and 1.3 (older ones are never spoken by Bun), with forward secrecy and authenticated ciphers only.
 *
 * Bun takes one entry for each name; of two certificates for a name, the one that the file has first counts. HTTP/2 is
 * offered by ALPN to those that can.
 */
function secured({ certificates, http2 }: TlsOptions): object {
  const seen = new Set<string>()
  const named = certificates.flatMap(certificate =>
    certificate.names
      .filter(name => !seen.has(name) && seen.add(name))
      .map(serverName => ({ ...pemOf(certificate), serverName })),
  )
  const [first] = certificates
  if (first === undefined) throw new TypeError('a TLS listener has a certificate')
  return { tls: [pemOf(first), ...named], http2 }
}

function pemOf({ cert, key }: ServerCertificate): object {
  return { cert, key, ciphers: CIPHERS }
}

/** For TLS 1.2; those of TLS 1.3 are all good. Source: RFC 9325 §4.2, and what HTTP/2 does not forbid (RFC 9113 Appendix A). */
const CIPHERS = ['AES128-GCM-SHA256', 'AES256-GCM-SHA384', 'CHACHA20-POLY1305']
  .flatMap(cipher => [`ECDHE-ECDSA-${cipher}`, `ECDHE-RSA-${cipher}`])
  .join(':')

/** Where a listener really listens, as the file would write it. */
export function addressOf(server: Bun.Server<unknown>, address: ListenAddress | null | undefined): string {
  if (!address) throw new TypeError('every listener has an address')
  return addressText(
    address.kind === 'unix' || address.port !== 0 ? address : { ...address, port: server.port ?? address.port },
  )
}

function listenFailed(address: ListenAddress, error: unknown): GateError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const where = addressText(address)
  if (code === 'EADDRINUSE') {
    return new GateError('listen.failed', `${where} is already in use`, {
      cause: error,
      hint: `another program (or another Sallyport) listens there: stop it (find it with ${address.kind === 'tcp' ? 'sudo ss -ltnp' : 'ss -lxp'}), or change this address in the file`,
    })
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new GateError('listen.failed', `${where} may not be opened by this user`, {
      cause: error,
      hint:
        address.kind === 'unix'
          ? `the user that runs Sallyport has to be able to write in ${dirname(address.path)}`
          : 'ports below 1024 need a right: sudo setcap cap_net_bind_service=+ep SALLYPORT gives it to this executable, and the unit of "sallyport service" has it; or choose a higher port',
    })
  }
  if (code === 'EADDRNOTAVAIL') {
    return new GateError('listen.failed', `${where} cannot be opened: this machine has no such address`, {
      cause: error,
      hint: 'name one that it has (ip addr lists them), or 0.0.0.0 for all of them',
    })
  }
  if (code === 'ENOENT' && address.kind === 'unix') {
    return new GateError('listen.failed', `${where} cannot be opened: there is no folder ${dirname(address.path)}`, {
      cause: error,
      hint: 'make that folder, or name a socket elsewhere',
    })
  }
  return new GateError('listen.failed', `${where} cannot be opened`, {
    cause: error,
    hint: 'check listen in [server] and [tls], and admin',
  })
}
