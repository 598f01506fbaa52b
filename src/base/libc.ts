import { dlopen } from 'bun:ffi'

/** Functions of the system's C library for which Bun 1.4.5 has no API. Each returns -1 on failure. */
const SYMBOLS = {
  clock_gettime: { args: ['int', 'ptr'], returns: 'int' },
  close: { args: ['int'], returns: 'int' },
  dup3: { args: ['int', 'int', 'int'], returns: 'int' },
  epoll_ctl: { args: ['int', 'int', 'int', 'ptr'], returns: 'int' },
  execve: { args: ['ptr', 'ptr', 'ptr'], returns: 'int' },
  fcntl: { args: ['int', 'int', 'int'], returns: 'int' },
  getpeername: { args: ['int', 'ptr', 'ptr'], returns: 'int' },
  getsockname: { args: ['int', 'ptr', 'ptr'], returns: 'int' },
  getsockopt: { args: ['int', 'int', 'int', 'ptr', 'ptr'], returns: 'int' },
  recv: { args: ['int', 'ptr', 'u64', 'int'], returns: 'i64' },
  sendto: { args: ['int', 'ptr', 'u64', 'int', 'ptr', 'u32'], returns: 'i64' },
  shutdown: { args: ['int', 'int'], returns: 'int' },
  socket: { args: ['int', 'int', 'int'], returns: 'int' },
  syscall: { args: ['i64', 'i64', 'i64', 'i64'], returns: 'i64' },
} as const

export type Libc = ReturnType<typeof load>['symbols']

/** Numbers of Linux that are the same on x64 and arm64. */
export const LINUX = {
  AF_UNIX: 1,
  AF_INET: 2,
  AF_INET6: 10,
  SOCK_DGRAM: 2,
  SOCK_CLOEXEC: 0o2000000,
  O_CLOEXEC: 0o2000000,
  O_NONBLOCK: 0o4000,
  F_SETFD: 2,
  F_GETFL: 3,
  F_SETFL: 4,
  FD_CLOEXEC: 1,
  SOL_SOCKET: 1,
  SO_ACCEPTCONN: 30,
  IPPROTO_IPV6: 41,
  IPV6_V6ONLY: 26,
  EPOLL_CTL_ADD: 1,
  EPOLL_CTL_DEL: 2,
  IPPROTO_TCP: 6,
  TCP_INFO: 11,
  SHUT_RDWR: 2,
  CLOCK_MONOTONIC: 1,
  MSG_PEEK: 2,
  MSG_DONTWAIT: 0x40,
  MSG_NOSIGNAL: 0x4000,
  SYS_pidfd_open: 434,
  SYS_pidfd_getfd: 438,
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
