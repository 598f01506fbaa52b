/** Starts the process that takes over, or takes over from a predecessor, with the sockets that it handed over. */

import { errorFacts } from '../base/errors.ts'
import { libc } from '../base/libc.ts'
import type { Log } from '../base/ports.ts'
import {
  areKept,
  handedDescriptors,
  isSuccessor,
  predecessorOf,
  successorEnvironment,
} from '../console/inherited-sockets.ts'
import type { Io } from '../console/io.ts'
import { nextCommand } from '../console/process.ts'
import { ownEnvironment } from '../console/reexec.ts'
import { createHanded, type InheritedSockets } from '../server/listen/inherited/sockets.ts'

/** A process that listens on our sockets, and takes our place once it is released. */
export interface Successor {
  readonly pid: number
  /** From now on it is the service. */
  release(): void
}

export interface SuccessorOptions {
  /** The program's arguments. */
  readonly argv: readonly string[]
  /** The descriptors of the sockets that listen. */
  readonly sockets: readonly number[]
  /** Whether a manager keeps them too. */
  readonly isKept: boolean
  /** Aborted where this process has to stop meanwhile. */
  readonly signal: AbortSignal
  readonly log: Log
}

/** A database whose layout changes may take a while; no client waits, since this process continues. */
const PATIENCE_MS = 120_000

/**
 * Starts the program again from its present file, on the sockets of this process, and waits until it accepts requests
 * there.
 *
 * Null where it does not: then it has ended, the log says so, and this process continues unchanged.
 */
export async function startSuccessor({
  argv,
  sockets,
  isKept,
  signal,
  log,
}: SuccessorOptions): Promise<Successor | null> {
  if (libc() === null || sockets.length === 0) {
    log.error('Another process cannot take over on this system', { hint: 'restart Sallyport instead' })
    return null
  }
  if (process.pid === 1) {
    log.error('The first process of a container cannot be succeeded: with it, all others end', {
      hint: 'start another container, and stop this one once it is ready',
    })
    return null
  }
  const { promise: listening, resolve: settle } = Promise.withResolvers<'listening' | 'ended' | 'late'>()
  const command = [...nextCommand(), ...argv]
  log.info('Another process is started to take over', { command: command[0] ?? null })
  let child: Bun.Subprocess
  try {
    child = Bun.spawn(command, {
      env: { ...ownEnvironment(), ...successorEnvironment(sockets.length, isKept) },
      stdio: ['ignore', 'inherit', 'inherit', ...sockets],
      serialization: 'json',
      ipc: () => settle('listening'),
    })
  } catch (error) {
    log.error(FAILED, errorFacts(error))
    return null
  }
  const timer = setTimeout(settle, PATIENCE_MS, 'late')
  const giveUp = () => settle('ended')
  signal.addEventListener('abort', giveUp)
  void child.exited.then(giveUp)
  const outcome = await listening
  clearTimeout(timer)
  signal.removeEventListener('abort', giveUp)
  if (outcome === 'listening' && child.exitCode === null) {
    return {
      pid: child.pid,
      release() {
        child.disconnect()
        // It outlives this process, which waits for nothing of it.
        child.unref()
      },
    }
  }
  child.kill('SIGKILL')
  const why =
    outcome === 'late' ? `it did not listen within ${PATIENCE_MS / 1_000} s` : 'it ended: see its lines before'
  log.error(FAILED, { error: why, code: child.exitCode, hint: 'fix that, and send SIGUSR2 again' })
  return null
}

/** The log message of every failed takeover. */
export const FAILED = 'No other process took over; this one continues'

/** For a successor: says that requests are taken, and waits until the process before it gives its place away, or is gone. */
export async function takePlace(): Promise<void> {
  const { promise: released, resolve: settle } = Promise.withResolvers<void>()
  process.on('disconnect', settle)
  // Not a message that its predecessor reads: which versions these two are is anyone's guess.
  process.send?.('listening')
  await released
}

/**
 * For a successor that is about to end: waits until the previous process has finished its requests, within `drain`.
 *
 * A manager knows only the newest process: once that one has ended, systemd kills the rest of the service.
 */
export async function outlivePredecessor(env: Io['env']): Promise<void> {
  const predecessor = predecessorOf(env)
  while (predecessor !== null && process.ppid === predecessor) await Bun.sleep(LOOK_MS)
}

const LOOK_MS = 100

/** The sockets that this process was started with. */
export function openHanded(env: Io['env']): InheritedSockets {
  return createHanded(handedDescriptors(env, process.pid), areKept(env, process.pid))
}

/** Says which sockets were handed over for nothing: who connects there is not answered. A successor may have a file that leaves some out. */
export function tellUnasked(places: readonly string[], env: Io['env'], log: Log): void {
  if (places.length === 0 || isSuccessor(env)) return
  log.warn('Sockets were handed over that the file does not listen on', {
    sockets: places,
    hint: 'name them in listen of [server] or [tls], as admin or verify, or take them out of the .socket unit',
  })
}
