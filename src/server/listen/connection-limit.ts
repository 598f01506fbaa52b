/** Closes connections of clients that have too many. */

import { ptr } from 'bun:ffi'
import { descriptorsOf } from '../../base/connections.ts'
import { LINUX, type Libc, libc } from '../../base/libc.ts'
import { canonicalAddress, networkOf } from '../../base/net.ts'
import { addressOfSocket, endsOf } from './inherited/descriptors.ts'

/** A client that had more connections than it may, and how many of them were closed. */
export interface Crowd {
  readonly network: string
  readonly closed: number
}

export interface CrowdOptions {
  /** How many connections one client may have: an IPv4 address, or an IPv6 /64. */
  readonly most: number
  /** The port of the admin listener, which is not touched. */
  readonly exceptPort: number | null
  /** Whether an address is that of a proxy in front, whose connections are many clients'. */
  isProxy(address: string): boolean
}

/**
 * Closes client connections of this process beyond `most`: first those that have been idle for longest.
 *
 * Bun 1.4.5 reports no connection before its first request, and not which are idle; the system knows both. Does
 * nothing on other systems than Linux. It looks at every socket, so call it rarely.
 */
export function closeCrowds({ most, exceptPort, isProxy }: CrowdOptions): readonly Crowd[] {
  const system = libc()
  if (system === null) return []
  const sockets = [...descriptorsOf('socket:').keys()]
  const ports = new Set<number>()
  for (const socket of sockets) {
    const place = addressOfSocket(socket, system)
    if (place?.kind === 'tcp' && place.port !== exceptPort) ports.add(place.port)
  }
  const clients = new Map<string, number[]>()
  for (const socket of sockets) {
    const ends = endsOf(socket, system)
    if (ends?.peer.kind !== 'tcp' || ends.own.kind !== 'tcp' || !ports.has(ends.own.port)) continue
    const address = canonicalAddress(ends.peer.host) ?? ends.peer.host
    if (isProxy(address)) continue
    const network = networkOf(address)
    const known = clients.get(network)
    if (known === undefined) clients.set(network, [socket])
    else known.push(socket)
  }
  return [...clients]
    .filter(([, open]) => open.length > most)
    .map(([network, open]) => ({ network, closed: closeQuietest(open, open.length - most, system) }))
}

function closeQuietest(sockets: readonly number[], count: number, system: Libc): number {
  const quiet = sockets
    .map(socket => ({ socket, ms: quietMs(socket, system) }))
    .toSorted((one, other) => other.ms - one.ms)
  // Bun sees its end, and closes it as it closes any other.
  return quiet.slice(0, count).filter(({ socket }) => system.shutdown(socket, LINUX.SHUT_RDWR) === 0).length
}

/** Where `struct tcp_info` has how long ago data was last sent and received, in ms (linux/tcp.h). */
const LAST_SENT = 44
const LAST_RECEIVED = 52

function quietMs(socket: number, system: Libc): number {
  const info = Buffer.alloc(104)
  const length = new Uint32Array([info.length])
  if (system.getsockopt(socket, LINUX.IPPROTO_TCP, LINUX.TCP_INFO, ptr(info), ptr(length)) !== 0) return 0
  return Math.min(info.readUInt32LE(LAST_SENT), info.readUInt32LE(LAST_RECEIVED))
}
