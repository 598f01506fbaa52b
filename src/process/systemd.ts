/** Notifies systemd of the service's state (sd_notify), and of the status text that it shows. */

import { ptr } from 'bun:ffi'
import { basename } from 'node:path'
import { LINUX, libc } from '../base/libc.ts'
import type { Log } from '../base/ports.ts'
import type { Io } from '../console/io.ts'

/** The service manager that started this process and wants notifications: systemd, with `Type=notify`. */
export interface Manager {
  /** Requests are taken; from now on the watchdog hears that the event loop turns. `status` is a line for people. */
  ready(status: string): void
  /** The file is being read because somebody asked; followed by `ready`. */
  reloading(): void
  /** A new line for people, as `systemctl status` shows it. */
  status(text: string): void
  /** Nothing is taken any more; the rest takes this long at most. */
  stopping(limitMs: number): void
  /** Another process is the service from now on, and this one leaves. */
  handOn(pid: number): void
}

/** For a process without a manager: no timer, no socket. */
const NOBODY: Manager = { ready() {}, reloading() {}, status() {}, stopping() {}, handOn() {} }

/** How long a stop takes beyond waiting for requests. */
const CLOSING_MS = 5_000

/** The manager of this process by its environment (NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID). Source: sd_notify(3), sd_watchdog_enabled(3). */
export function openManager(env: Io['env'], pid: number, log: Log): Manager {
  const notify = openNotify(env('NOTIFY_SOCKET'), log)
  if (notify === null) return NOBODY
  const everyMs = watchdogMs(env, pid)
  let timer: Timer | null = null
  const rest = () => {
    if (timer !== null) clearInterval(timer)
    timer = null
  }
  return {
    ready(status) {
      notify({ READY: 1, STATUS: status })
      if (everyMs === null) return
      timer ??= setInterval(() => notify({ WATCHDOG: 1 }), everyMs)
    },
    reloading: () => notify({ RELOADING: 1, MONOTONIC_USEC: `${monotonicUs()}` }),
    status: text => notify({ STATUS: text }),
    stopping(limitMs) {
      // The watchdog continues, so that a drain that hangs is noticed, too.
      const STATUS = 'Stopping: requests that are under way finish'
      notify({ STOPPING: 1, STATUS, EXTEND_TIMEOUT_USEC: (limitMs + CLOSING_MS) * 1_000 })
    },
    handOn(successor) {
      rest()
      notify({ MAINPID: successor })
    },
  }
}

/** Half of what the manager waits for, as it asks; null where it does not watch this process. */
function watchdogMs(env: Io['env'], pid: number): number | null {
  const us = Number(env('WATCHDOG_USEC'))
  const forPid = env('WATCHDOG_PID')
  if (!Number.isSafeInteger(us) || us <= 0 || (forPid !== undefined && Number(forPid) !== pid)) return null
  return Math.max(1, Math.floor(us / 2_000))
}

/** Sends one datagram of assignments (`READY=1`) to the service manager. */
type Notify = (assignments: Readonly<Record<string, string | number>>) => void

/**
 * The socket of NOTIFY_SOCKET: a path, or an abstract name that begins with `@`; null where there is none, and with a
 * warning where it cannot be used. Bun 1.4.5 has no local datagram sockets, so the C library sends them.
 *
 * A notification that cannot be delivered is dropped, and the service continues. Source: sd_notify(3).
 */
function openNotify(path: string | undefined, log: Log): Notify | null {
  if (path === undefined || path === '') return null
  const system = libc()
  if (system === null || !/^[/@]/.test(path)) {
    log.warn('The service manager cannot be reached', { NOTIFY_SOCKET: path })
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
function monotonicUs(): bigint {
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

/** What a service says of itself in a line, as `systemctl status` shows it. */
interface Status {
  text(): string
  /** The file was read once more. */
  note(isGood: boolean): void
}

/** Whether the file on disk is the one that is served. If not, an operator who looks at the service has to fix it. */
export function statusOf(manager: Manager, configPath: string): Status {
  const name = basename(configPath)
  let isGood = true
  const text = () => (isGood ? `Serving ${name}` : `${name} has mistakes since its last save; the one before is served`)
  return {
    text,
    note(isNowGood) {
      if (isNowGood === isGood) return
      isGood = isNowGood
      manager.status(text())
    },
  }
}
