import { dlopen } from 'bun:ffi'
import { readdirSync, readlinkSync } from 'node:fs'

/** What of the system's C library is called where Bun 1.4.5 has no way of its own. Each answers -1 when it fails. */
const SYMBOLS = {
  epoll_ctl: { args: ['int', 'int', 'int', 'ptr'], returns: 'int' },
  getsockname: { args: ['int', 'ptr', 'ptr'], returns: 'int' },
  getsockopt: { args: ['int', 'int', 'int', 'ptr', 'ptr'], returns: 'int' },
} as const

export type Libc = ReturnType<typeof load>['symbols']

/** Numbers of Linux that are the same on x64 and arm64. */
export const LINUX = {
  AF_INET: 2,
  AF_INET6: 10,
  SOL_SOCKET: 1,
  SO_ACCEPTCONN: 30,
  EPOLL_CTL_ADD: 1,
  EPOLL_CTL_DEL: 2,
} as const

const NAMES = ['libc.so.6', 'libc.musl-x86_64.so.1', 'libc.musl-aarch64.so.1']

let loaded: Libc | null | undefined

/** The C library of this machine, loaded at the first call; null where that is not Linux, or has none of these names. */
export function libc(): Libc | null {
  loaded ??= process.platform === 'linux' ? first(NAMES) : null
  return loaded
}

function first(names: readonly string[]): Libc | null {
  for (const name of names) {
    try {
      return load(name).symbols
    } catch {
      // The next name is that of another C library.
    }
  }
  return null
}

function load(name: string) {
  return dlopen(name, SYMBOLS)
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
