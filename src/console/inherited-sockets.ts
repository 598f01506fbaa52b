/** The environment by which systemd, or a process before this one, hands over listening sockets. */

import type { Io } from './io.ts'

const COUNT = 'SALLYPORT_SOCKETS'
const KEPT = 'SALLYPORT_SOCKETS_KEPT'
const SUCCESSOR = 'SALLYPORT_SUCCESSOR'

/** The first descriptor that is handed over, by systemd and by us: those before it are the standard streams. */
const FIRST = 3

/** As many as anyone would hand over; what is more is no count. */
const MOST = 1_000

/**
 * The descriptors of sockets that this process inherited: from another Sallyport process, or from systemd, which names
 * the receiving process. Source: sd_listen_fds(3).
 */
export function handedDescriptors(env: Io['env'], pid: number): readonly number[] {
  const own = env(COUNT)
  const text = own ?? (env('LISTEN_PID') === `${pid}` ? env('LISTEN_FDS') : undefined)
  const count = Number(text ?? 0)
  if (!Number.isInteger(count) || count < 0 || count > MOST) return []
  return Array.from({ length: count }, (_, index) => FIRST + index)
}

/** Whether a service manager keeps these sockets: clients who connect during a restart wait. */
export function areKept(env: Io['env'], pid: number): boolean {
  return env(COUNT) === undefined ? handedDescriptors(env, pid).length > 0 : env(KEPT) !== undefined
}

/** Whether this process was started to take the place of the one that started it. */
export function isSuccessor(env: Io['env']): boolean {
  return env(SUCCESSOR) !== undefined && process.send !== undefined
}

/** The process whose place this one was started to take; null where there is none, or where it does not say its number, as 0.2.0 does not. */
export function predecessorOf(env: Io['env']): number | null {
  const pid = Number(env(SUCCESSOR))
  return isSuccessor(env) && Number.isSafeInteger(pid) && pid > 1 ? pid : null
}

/** The environment that describes inherited sockets, from descriptor 3 on. */
export function socketsEnvironment(count: number, isKept: boolean): Readonly<Record<string, string | undefined>> {
  return {
    [COUNT]: `${count}`,
    [KEPT]: isKept ? '1' : undefined,
    [SUCCESSOR]: undefined,
    LISTEN_PID: undefined,
    LISTEN_FDS: undefined,
  }
}

/** The same for a successor of this process; a watchdog expects this process's ID. */
export function successorEnvironment(count: number, isKept: boolean): Readonly<Record<string, string | undefined>> {
  return { ...socketsEnvironment(count, isKept), [SUCCESSOR]: `${process.pid}`, WATCHDOG_PID: undefined }
}
