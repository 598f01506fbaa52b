import type { Log } from '../../base/ports.ts'
import type { Io } from '../../console/io.ts'
import { monotonicUs, openNotify } from './notify.ts'

/** Whoever started this process as a service and wants to hear how it fares: systemd, with `Type=notify`. */
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

/** For a process that nobody manages: no timer, no socket. */
const NOBODY: Manager = { ready() {}, reloading() {}, status() {}, stopping() {}, handOn() {} }

/** What a stop takes besides waiting for requests. */
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
      // The watchdog goes on: a drain that hangs is seen too.
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
