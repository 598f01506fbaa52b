/** Lets Bun serve on a listening socket that another process opened. */

import { ptr } from 'bun:ffi'
import { descriptorsOf } from '../../../base/connections.ts'
import { GateError } from '../../../base/errors.ts'
import { LINUX, libc } from '../../../base/libc.ts'
import { isListening, pollOf } from './descriptors.ts'

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
