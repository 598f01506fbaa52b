/** The open descriptors of a process, and what the kernel knows of its TCP connections: unsent bytes, closed windows, unread bytes (Linux). */

import { ptr } from 'bun:ffi'
import { existsSync, readdirSync, readlinkSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { nextTurn } from './event-loop.ts'
import { LINUX, type Libc, libc } from './libc.ts'
import { canonicalAddress } from './net.ts'

/** Identifies a client's TCP connection to this process. */
export interface ConnectionEnds {
  readonly ownPort: number
  readonly peer: string
  readonly peerPort: number
}

/** What the kernel knows of a connection. */
export interface ConnectionState {
  /** Bytes that the peer has acknowledged since the connection began. */
  readonly ackedBytes: number
  /** Whether bytes wait to be sent, or to be acknowledged. */
  readonly hasUnsent: boolean
  /** Whether the peer takes nothing: its window is closed, and has been for longer than the kernel's first probe of it. */
  readonly isWindowClosed: boolean
  /** How long ago bytes came from the peer, in ms. */
  readonly quietMs: number
  /** Whether bytes came that this process has not read. */
  readonly hasUnread: boolean
}

/** The TCP connections of this process, as the kernel lists them. Bun 1.4.5 has no API for them. */
export interface Connections {
  /** The descriptor of each, in the same order; null for one that is not there (any more). It looks at a few hundred in one turn. */
  find(wanted: readonly ConnectionEnds[]): Promise<readonly (number | null)[]>
  /** The state of a connection that was found; null where its descriptor is another one's by now, or its kernel does not tell. */
  stateOf(descriptor: number, ends: ConnectionEnds): ConnectionState | null
  /**
   * How many connections from here to this port of anybody have unread bytes, and got none for so long: this process
   * does not read them, since nobody takes what came.
   */
  countHeldBack(peerPort: number, ms: number): Promise<number>
}

const DESCRIPTORS = '/proc/self/fd'

/** How many descriptors are looked at in one turn of the event loop: some 0.2 ms. */
const CHUNK = 256

/** Null where this is not Linux, has no /proc, or no C library that is known. */
export function openConnections(): Connections | null {
  const system = libc()
  return system === null || !existsSync(DESCRIPTORS) ? null : createConnections(system)
}

function createConnections(system: Libc): Connections {
  const address = Buffer.alloc(128)
  const info = Buffer.alloc(256)
  const length = new Uint32Array(1)

  function nameOf(descriptor: number, ask: Libc['getpeername']): boolean {
    length[0] = address.length
    return ask(descriptor, ptr(address), ptr(length)) === 0 && IP.has(address.readUInt16LE(0))
  }

  function isBetween(descriptor: number, { ownPort, peer, peerPort }: ConnectionEnds): boolean {
    return (
      nameOf(descriptor, system.getpeername) &&
      address.readUInt16BE(2) === peerPort &&
      hostIn(address) === canonicalAddress(peer) &&
      nameOf(descriptor, system.getsockname) &&
      address.readUInt16BE(2) === ownPort
    )
  }

  /** Whether the kernel tells all that is read of `info`; it is there then. */
  function readInfo(descriptor: number): boolean {
    length[0] = info.length
    if (system.getsockopt(descriptor, LINUX.IPPROTO_TCP, LINUX.TCP_INFO, ptr(info), ptr(length)) !== 0) return false
    // Linux 4.6 is the first version that reports all of it.
    return (length[0] ?? 0) >= UNSENT + 4
  }

  function hasUnread(descriptor: number): boolean {
    return Number(system.recv(descriptor, ptr(address), 1, LINUX.MSG_PEEK | LINUX.MSG_DONTWAIT)) > 0
  }

  /** Calls `act` with the descriptor of each connection and its peer's port. */
  async function eachOf(act: (descriptor: number, peerPort: number) => void): Promise<void> {
    const names = await readdir(DESCRIPTORS)
    for (let start = 0; start < names.length; start += CHUNK) {
      if (start > 0) await nextTurn()
      for (const name of names.slice(start, start + CHUNK)) {
        const descriptor = Number(name)
        if (nameOf(descriptor, system.getpeername)) act(descriptor, address.readUInt16BE(2))
      }
    }
  }

  return {
    async find(wanted) {
      const byPort = new Map<number, number[]>()
      for (const [index, { peerPort }] of wanted.entries()) {
        byPort.set(peerPort, [...(byPort.get(peerPort) ?? []), index])
      }
      const found = wanted.map((): number | null => null)
      await eachOf((descriptor, peerPort) => {
        for (const index of byPort.get(peerPort) ?? []) {
          const ends = wanted[index]
          if (ends !== undefined && isBetween(descriptor, ends)) found[index] = descriptor
        }
      })
      return found
    },
    stateOf(descriptor, ends) {
      if (!isBetween(descriptor, ends) || !readInfo(descriptor)) return null
      const [unacked, unsent] = [info.readUInt32LE(UNACKED), info.readUInt32LE(UNSENT)]
      return {
        ackedBytes: Number(info.readBigUInt64LE(ACKED)),
        hasUnsent: unacked > 0 || unsent > 0,
        // What was sent has arrived, and the rest waits: the count of probes falls with each answer, and this one does not.
        isWindowClosed: unacked === 0 && unsent > 0 && info.readUInt8(BACKOFF) > 0,
        quietMs: info.readUInt32LE(LAST_RECEIVED),
        hasUnread: hasUnread(descriptor),
      }
    },
    async countHeldBack(wanted, ms) {
      let count = 0
      await eachOf((descriptor, peerPort) => {
        if (peerPort !== wanted || !readInfo(descriptor)) return
        if (info.readUInt32LE(LAST_RECEIVED) >= ms && hasUnread(descriptor)) count++
      })
      return count
    },
  }
}

/** Where `struct tcp_info` has what (linux/tcp.h). */
const BACKOFF = 4
const UNACKED = 24
const LAST_RECEIVED = 52
const ACKED = 120
const UNSENT = 144

const IP: ReadonlySet<number> = new Set([LINUX.AF_INET, LINUX.AF_INET6])

/** The host of a `sockaddr_in` or `sockaddr_in6`, spelled as `canonicalAddress` has it. */
function hostIn(address: Buffer): string | null {
  if (address.readUInt16LE(0) === LINUX.AF_INET) return canonicalAddress(address.subarray(4, 8).join('.'))
  const groups = Array.from({ length: 8 }, (_, index) => address.readUInt16BE(8 + index * 2).toString(16))
  return canonicalAddress(groups.join(':'))
}

/** The descriptors that a process has open of one kind (`socket:`, `anon_inode:[eventpoll]`), each with what the system calls it. */
export function descriptorsOf(kind: string, pid: number | 'self' = 'self'): ReadonlyMap<number, string> {
  const folder = `/proc/${pid}/fd`
  const found = new Map<number, string>()
  for (const name of readdirSync(folder)) {
    try {
      const target = readlinkSync(`${folder}/${name}`)
      if (target.startsWith(kind)) found.set(Number(name), target)
    } catch {
      // The one by which the folder was read is closed by now.
    }
  }
  return found
}
