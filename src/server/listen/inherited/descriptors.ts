/** Which descriptors are listening sockets, where they listen, and how epoll waits for them. */

import { ptr } from 'bun:ffi'
import { existsSync, readFileSync } from 'node:fs'
import { endianness } from 'node:os'
import { descriptorsOf } from '../../../base/connections.ts'
import { GateError } from '../../../base/errors.ts'
import { LINUX, type Libc, libc } from '../../../base/libc.ts'
import type { ListenAddress } from '../../../config/values/listen.ts'

/** Whether a descriptor is a socket that takes connections. */
export function isListening(descriptor: number, system: Libc): boolean {
  return hasOption(descriptor, LINUX.SOL_SOCKET, LINUX.SO_ACCEPTCONN, system)
}

function hasOption(descriptor: number, level: number, name: number, system: Libc): boolean {
  const value = new Int32Array(1)
  const length = new Uint32Array([value.byteLength])
  return system.getsockopt(descriptor, level, name, ptr(value), ptr(length)) === 0 && value[0] === 1
}

/** Where a socket listens; null for what is none, or has an address of another kind. */
export function addressOfSocket(descriptor: number, system: Libc): ListenAddress | null {
  return isListening(descriptor, system) ? readAddress(descriptor, system.getsockname, system) : null
}

/** The two ends of a connection; null for what is none. */
export function endsOf(descriptor: number, system: Libc): { own: ListenAddress; peer: ListenAddress } | null {
  const peer = readAddress(descriptor, system.getpeername, system)
  const own = peer === null ? null : readAddress(descriptor, system.getsockname, system)
  return peer === null || own === null ? null : { own, peer }
}

function readAddress(descriptor: number, ask: Libc['getsockname'], system: Libc): ListenAddress | null {
  const bytes = Buffer.alloc(128)
  const length = new Uint32Array([bytes.length])
  if (ask(descriptor, ptr(bytes), ptr(length)) !== 0) return null
  const end = length[0] ?? 0
  switch (new Uint16Array(bytes.buffer, bytes.byteOffset, 1)[0]) {
    case LINUX.AF_INET:
      return { kind: 'tcp', host: bytes.subarray(4, 8).join('.'), port: bytes.readUInt16BE(2) }
    case LINUX.AF_INET6: {
      const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(8 + index * 2).toString(16))
      const isIpv6Only = hasOption(descriptor, LINUX.IPPROTO_IPV6, LINUX.IPV6_V6ONLY, system)
      return {
        kind: 'tcp',
        host: shortest(groups.join(':')),
        port: bytes.readUInt16BE(2),
        ...(isIpv6Only ? { isIpv6Only } : {}),
      }
    }
    case LINUX.AF_UNIX:
      return { kind: 'unix', path: bytes.subarray(2, end).toString().replace(/\0$/, '') }
    default:
      return null
  }
}

/** Sockets as descriptors of this process; those of other processes are copies. */
export interface Descriptors {
  readonly descriptors: readonly number[]
  /** Without this, connections would come to sockets whose process is gone. */
  closeCopies(): void
}

/**
 * The listening sockets of this process and of its child processes (of the same user), each once. Throws where one of
 * them does not show its descriptors, for example because it has just ended, and `listen.failed` where the system does
 * not pass them on; nothing stays open then.
 */
export function listeningDescriptors(others: readonly number[], socketsOf = descriptorsOf): Descriptors {
  const system = libc()
  if (system === null) return { descriptors: [], closeCopies() {} }
  const found = new Map<string, number>()
  const copies: number[] = []
  const closeCopies = () => {
    for (const copy of copies) system.close(copy)
  }
  for (const [descriptor, socket] of socketsOf('socket:')) {
    if (isListening(descriptor, system) && !found.has(socket)) found.set(socket, descriptor)
  }
  for (const pid of others) {
    const process = Number(system.syscall(LINUX.SYS_pidfd_open, pid, 0, 0))
    if (process < 0) {
      if (!existsSync(`/proc/${pid}`)) continue
      closeCopies()
      throw notGiven('pidfd_open')
    }
    try {
      for (const [descriptor, socket] of socketsOf('socket:', pid)) {
        if (found.has(socket)) continue
        const copy = Number(system.syscall(LINUX.SYS_pidfd_getfd, process, descriptor, 0))
        if (copy < 0) {
          // Closed by its process meanwhile, or refused: a leftover socket would accept connections that nothing
          // serves.
          if (socketsOf('socket:', pid).get(descriptor) === socket) throw notGiven('pidfd_getfd')
          continue
        }
        if (isListening(copy, system)) {
          found.set(socket, copy)
          copies.push(copy)
        } else system.close(copy)
      }
    } catch (error) {
      closeCopies()
      throw error
    } finally {
      system.close(process)
    }
  }
  return { descriptors: [...found.values()], closeCopies }
}

function notGiven(call: string): GateError {
  return new GateError('listen.failed', `the system does not hand out the sockets of the workers (${call})`, {
    hint: `let the sandbox allow ${call} (SystemCallFilter of the unit, as "sallyport service" prints it), and see that descriptors are left; or restart Sallyport instead`,
  })
}

function shortest(address: string): string {
  return new URL(`http://[${address}]`).hostname.slice(1, -1)
}

/** Where a descriptor is waited for, and as what. */
export interface Poll {
  readonly epoll: number
  readonly event: Uint8Array
}

/** By the system's word (proc_pid_fdinfo(5)); null where it is not registered. */
export function pollOf(descriptor: number): Poll | null {
  const line = new RegExp(`^tfd:\\s*${descriptor} events:\\s*([0-9a-f]+) data:\\s*([0-9a-f]+)`, 'm')
  for (const epoll of descriptorsOf('anon_inode:[eventpoll]').keys()) {
    const [, events, data] = line.exec(readFileSync(`/proc/self/fdinfo/${epoll}`, 'utf8')) ?? []
    if (events !== undefined && data !== undefined) return { epoll, event: epollEvent(events, data) }
  }
  return null
}

/** `struct epoll_event`, which is packed only on x64. */
function epollEvent(events: string, data: string): Uint8Array {
  const bytes = new Uint8Array(16)
  const view = new DataView(bytes.buffer)
  const isLittle = endianness() === 'LE'
  view.setUint32(0, Number.parseInt(events, 16), isLittle)
  view.setBigUint64(process.arch === 'x64' ? 4 : 8, BigInt(`0x${data}`), isLittle)
  return bytes
}
