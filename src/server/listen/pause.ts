import { ptr } from 'bun:ffi'
import { readFileSync } from 'node:fs'
import { endianness } from 'node:os'
import { descriptorsOf, LINUX, type Libc, libc } from '../../base/libc.ts'

/**
 * Leaves new connections to the ports of this process in the system's queue, but for those to one port, until the answer is called.
 * What was accepted goes on. Needs a few descriptors; does nothing where the system is not Linux.
 *
 * Where none are left, Bun 1.4.5 tries to accept over and over, and whichever listener comes first takes one that comes free.
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
  const value = new Int32Array(1)
  const length = new Uint32Array([value.byteLength])
  const { SOL_SOCKET, SO_ACCEPTCONN, AF_INET, AF_INET6 } = LINUX
  if (system.getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, ptr(value), ptr(length)) !== 0) return null
  if (value[0] !== 1) return null
  const address = Buffer.alloc(128)
  const size = new Uint32Array([address.length])
  if (system.getsockname(descriptor, ptr(address), ptr(size)) !== 0) return null
  const family = new Uint16Array(address.buffer, address.byteOffset, 1)[0]
  return family === AF_INET || family === AF_INET6 ? address.readUInt16BE(2) : null
}

/** Where a descriptor is waited for, and as what. */
interface Poll {
  readonly epoll: number
  readonly event: Uint8Array
}

/** As the system tells it (proc_pid_fdinfo(5)); null where it is not waited for. */
function pollOf(descriptor: number): Poll | null {
  const line = new RegExp(`^tfd:\\s*${descriptor} events:\\s*([0-9a-f]+) data:\\s*([0-9a-f]+)`, 'm')
  for (const epoll of descriptorsOf('anon_inode:[eventpoll]').keys()) {
    const [, events, data] = line.exec(readFileSync(`/proc/self/fdinfo/${epoll}`, 'utf8')) ?? []
    if (events !== undefined && data !== undefined) return { epoll, event: epollEvent(events, data) }
  }
  return null
}

/** `struct epoll_event`, which is packed on x64 alone. */
function epollEvent(events: string, data: string): Uint8Array {
  const bytes = new Uint8Array(16)
  const view = new DataView(bytes.buffer)
  const isLittle = endianness() === 'LE'
  view.setUint32(0, Number.parseInt(events, 16), isLittle)
  view.setBigUint64(process.arch === 'x64' ? 4 : 8, BigInt(`0x${data}`), isLittle)
  return bytes
}
