/** Pauses accepting connections while no descriptors are free. */

import { ptr } from 'bun:ffi'
import { descriptorsOf } from '../../base/connections.ts'
import { LINUX, type Libc, libc } from '../../base/libc.ts'
import { addressOfSocket, type Poll, pollOf } from './inherited/descriptors.ts'

/**
 * Leaves new connections to the ports of this process in the system's queue, except those to one port, until its
 * result is called.
 *
 * Accepted connections continue. It needs a few descriptors, and does nothing on other systems than Linux. Without
 * free descriptors Bun 1.4.5 tries to accept over and over, and any listener may take the next free one.
 */
export function pauseAccepting(exceptPort: number | null): () => void {
  const system = libc()
  if (system === null) return () => undefined
  const paused: { readonly socket: number; readonly name: string; readonly poll: Poll }[] = []
  for (const [socket, name] of descriptorsOf('socket:')) {
    const port = listeningPort(socket, system)
    const poll = port === null || port === exceptPort ? null : pollOf(socket)
    if (poll === null || system.epoll_ctl(poll.epoll, LINUX.EPOLL_CTL_DEL, socket, ptr(poll.event)) !== 0) continue
    paused.push({ socket, name, poll })
  }
  return () => {
    const open = descriptorsOf('socket:')
    for (const { socket, name, poll } of paused) {
      // A listener that was closed meanwhile is not there any more, and its number may be another's.
      if (open.get(socket) === name) system.epoll_ctl(poll.epoll, LINUX.EPOLL_CTL_ADD, socket, ptr(poll.event))
    }
  }
}

/** The TCP port at which a descriptor takes connections; null where it does not. */
function listeningPort(descriptor: number, system: Libc): number | null {
  const address = addressOfSocket(descriptor, system)
  return address?.kind === 'tcp' ? address.port : null
}
