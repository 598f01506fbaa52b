import { ptr } from 'bun:ffi'
import type { Log } from '../../base/ports.ts'
import { LINUX, libc } from '../../base/system/libc.ts'

/** Sends one datagram of assignments (`READY=1`) to whoever manages this service. */
export type Notify = (assignments: Readonly<Record<string, string | number>>) => void

/**
 * The socket that NOTIFY_SOCKET names: a path, or an abstract name that begins with `@`; null where there is none, and with a warning
 * where it cannot be used. Bun 1.4.5 has no datagram sockets of the local kind, so the C library sends them.
 *
 * What cannot be delivered is let go: the service goes on without its manager. Source: sd_notify(3).
 */
export function openNotify(path: string | undefined, log: Log): Notify | null {
  if (path === undefined || path === '') return null
  const system = libc()
  if (system === null || !/^[/@]/.test(path)) {
    log.warn('The service manager cannot be told anything', { NOTIFY_SOCKET: path })
    return null
  }
  const address = socketAddress(path)
  const socket = system.socket(LINUX.AF_UNIX, LINUX.SOCK_DGRAM | LINUX.SOCK_CLOEXEC, 0)
  return assignments => {
    const lines = Object.entries(assignments).map(([name, value]) => `${name}=${value}\n`)
    const bytes = Buffer.from(lines.join(''))
    const flags = LINUX.MSG_NOSIGNAL | LINUX.MSG_DONTWAIT
    system.sendto(socket, ptr(bytes), bytes.length, flags, ptr(address), address.length)
  }
}

/** The time of the monotonic clock, which the manager compares with its own; Bun's begins with the process. */
export function monotonicUs(): bigint {
  const parts = new BigInt64Array(2)
  libc()?.clock_gettime(LINUX.CLOCK_MONOTONIC, ptr(parts))
  const [seconds = 0n, nanoseconds = 0n] = parts
  return seconds * 1_000_000n + nanoseconds / 1_000n
}

/** `struct sockaddr_un`; an abstract name begins with a zero and ends with the length (unix(7)). */
function socketAddress(path: string): Uint8Array {
  const family = new Uint8Array(new Uint16Array([LINUX.AF_UNIX]).buffer)
  return Buffer.concat([family, Buffer.from(path.startsWith('@') ? `\0${path.slice(1)}` : `${path}\0`)])
}
