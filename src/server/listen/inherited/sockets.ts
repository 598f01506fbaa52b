/** The listening sockets that this process inherited: who takes which, and how Bun serves on one. */

import { ptr } from 'bun:ffi'
import { descriptorsOf } from '../../../base/connections.ts'
import { GateError } from '../../../base/errors.ts'
import { LINUX, libc } from '../../../base/libc.ts'
import { canonicalAddress, isLoopbackHost } from '../../../base/net.ts'
import { addressText, type ListenAddress } from '../../../config/values/listen.ts'
import { addressOfSocket, isListening, pollOf } from './descriptors.ts'

/** Listening sockets that this process inherited from its parent. */
export interface InheritedSockets {
  /** What to listen on for an address of the file: those that are there already, and what has to be opened. */
  at(address: ListenAddress): readonly HandedPlace[]
  /** Those that outlive this process, by the system's names: who connects there after it waits for the next one. */
  readonly kept: ReadonlySet<string>
  /** Closes those that no listener uses, so that no client waits there for ever; returns their addresses. */
  closeOthers(): readonly string[]
}

/** A descriptor that listens; null: one has to be opened, at this address. */
export interface HandedPlace {
  readonly socket: number | null
  readonly address: ListenAddress
}

/** The sockets with these descriptors, which programs that this process starts do not inherit. */
export function createHanded(descriptors: readonly number[], areKept: boolean): InheritedSockets {
  const system = descriptors.length > 0 ? libc() : null
  const names = areKept ? descriptorsOf('socket:') : new Map<number, string>()
  const sockets = descriptors.map(descriptor => {
    system?.fcntl(descriptor, LINUX.F_SETFD, LINUX.FD_CLOEXEC)
    return { descriptor, address: system === null ? null : addressOfSocket(descriptor, system), isAsked: false }
  })
  return {
    kept: new Set(descriptors.flatMap(descriptor => names.get(descriptor) ?? [])),
    at(wanted) {
      const here = sockets.filter(({ address }) => address !== null && isSamePlace(address, wanted))
      for (const socket of here) socket.isAsked = true
      const taken = here.map(({ descriptor }) => ({ socket: descriptor, address: wanted }))
      if (taken.length === 0) return [{ socket: null, address: wanted }]
      // A manager hands over what its unit says; a process before us, what its file said, which may have been less.
      const lacking = areKept
        ? null
        : otherFamily(
            wanted,
            here.flatMap(({ address }) => address ?? []),
          )
      return lacking === null ? taken : [...taken, { socket: null, address: lacking }]
    },
    closeOthers() {
      const others = sockets.filter(({ isAsked }) => !isAsked)
      for (const { descriptor, address } of others) if (address !== null) system?.close(descriptor)
      return others.map(({ address }) => (address === null ? 'no listening socket' : addressText(address)))
    },
  }
}

/** Of a process that opens all of its sockets itself. */
export const NONE_HANDED = createHanded([], false)

/**
 * Whether a socket matches an address of the file. For a port without an address systemd opens `[::]`, which also
 * accepts IPv4, and counts as `0.0.0.0`. A socket only for IPv6 never does: the gate serves no address family that the
 * file does not list.
 */
function isSamePlace(socket: ListenAddress, wanted: ListenAddress): boolean {
  if (socket.kind === 'unix' || wanted.kind === 'unix') {
    return socket.kind === 'unix' && wanted.kind === 'unix' && socket.path === wanted.path
  }
  if (socket.port !== wanted.port) return false
  const [there, here] = [socket.host, wanted.host].map(host => canonicalAddress(host) ?? host)
  if (there === here) return true
  if (here === 'localhost') return isLoopbackHost(socket.host)
  if (here === '0.0.0.0') return there === '::' && socket.isIpv6Only === undefined
  return here === '::' && there === '0.0.0.0' && wanted.isIpv6Only === undefined
}

/** What the sockets for `[::]` do not take of both families; null where they take both, or one is all that is wanted. */
function otherFamily(wanted: ListenAddress, taken: readonly ListenAddress[]): ListenAddress | null {
  if (wanted.kind === 'unix' || wanted.host !== '::' || wanted.isIpv6Only) return null
  const takes = (family: (one: Extract<ListenAddress, { kind: 'tcp' }>) => boolean) =>
    taken.some(one => one.kind === 'tcp' && family(one))
  if (!takes(({ host }) => host === '::')) return { ...wanted, isIpv6Only: true }
  if (!takes(({ host, isIpv6Only }) => host === '0.0.0.0' || isIpv6Only === undefined))
    return { ...wanted, host: '0.0.0.0' }
  return null
}

/**
 * A `Bun.serve` that listens on an existing socket, which stays open for other processes that have it.
 *
 * Bun 1.4.5 opens the sockets of `Bun.serve` itself, and ignores `fd` (node:net and `Bun.listen` accept one). So
 * `open` makes a server at another address. Then the given socket replaces that server's socket in the table of
 * descriptors, and is registered for the same events: the server continues with another socket under the same number.
 *
 * Throws `listen.failed` where this system does not allow that, or what `open` throws.
 */
export function serveAt(socket: number, open: () => Bun.Server<unknown>): Bun.Server<unknown> {
  const system = libc()
  if (system === null) throw cannot('this system has no C library that is known')
  const before = descriptorsOf('socket:')
  const server = open()
  try {
    const own = [...descriptorsOf('socket:').keys()].find(number => !before.has(number) && isListening(number, system))
    const poll = own === undefined ? null : pollOf(own)
    if (own === undefined || poll === null) throw cannot('this Bun waits for connections in another way')
    system.fcntl(socket, LINUX.F_SETFL, system.fcntl(socket, LINUX.F_GETFL, 0) | LINUX.O_NONBLOCK)
    if (system.dup3(socket, own, LINUX.O_CLOEXEC) !== own) throw cannot('the socket cannot be duplicated')
    if (system.epoll_ctl(poll.epoll, LINUX.EPOLL_CTL_ADD, own, ptr(poll.event)) !== 0) {
      throw cannot('the socket cannot be waited for')
    }
    return server
  } catch (error) {
    void server.stop(true)
    throw error
  }
}

/**
 * Stops accepting connections on all sockets of this process, while the sockets stay open: waiting clients are for the
 * other process that has them, or will have. Accepted connections continue. With `only`, for these sockets, by the
 * system's names.
 */
export function stopAccepting(only?: ReadonlySet<string>): void {
  const system = libc()
  if (system === null) return
  for (const [socket, name] of descriptorsOf('socket:')) {
    if (only?.has(name) === false || !isListening(socket, system)) continue
    const poll = pollOf(socket)
    if (poll !== null) system.epoll_ctl(poll.epoll, LINUX.EPOLL_CTL_DEL, socket, ptr(poll.event))
  }
}

function cannot(why: string): GateError {
  return new GateError('listen.failed', `a socket that was handed over cannot be listened on: ${why}`, {
    hint: 'start Sallyport without it: it opens the addresses of listen itself',
  })
}
