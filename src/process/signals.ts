/** What a process does on signals: reload, stop, hand over to a successor; before it serves, it ignores them. */

import { errorFacts } from '../base/errors.ts'
import type { Log } from '../base/ports.ts'
import { type Descriptors, listeningDescriptors } from '../server/listen/inherited/descriptors.ts'
import { FAILED, type Successor, startSuccessor } from './successor.ts'
import type { Manager } from './systemd.ts'

/** What serves, as signals see it: a server, or the supervisor of several. */
export interface Service {
  readonly manager: Manager
  readonly log: Log
  /** The program's arguments, for a process that is to take over. */
  readonly argv: readonly string[]
  /** Whether a manager keeps the sockets too. */
  readonly isKept: boolean
  /** A line for people about what is served. */
  status(): string
  /** Reads the file again, and fetches metadata and keys of providers again. */
  reload(): unknown
  /** The other processes that accept connections. */
  readonly others: () => readonly number[]
  /** How long requests under way may take once it has to stop. */
  readonly drainMs: () => number
  /** Ends at once everything that would outlive this process. */
  kill(): void
}

/** Why a service has to end: an operator stops it, or another process takes over. */
export type Ending = 'stopped' | 'succeeded'

/**
 * Follows signals, and settles once the service has to end.
 *
 * SIGINT and SIGTERM stop it; a second one ends the process at once with 1. SIGHUP reads the file again and fetches
 * providers' metadata again. SIGUSR2 starts the program again on the same sockets, and ends this service once the new
 * one accepts requests.
 */
export function followSignals(service: Service): Promise<Ending> {
  const { manager, log } = service
  const { promise: ending, resolve: end } = Promise.withResolvers<Ending>()
  const stopping = new AbortController()
  let isEnding = false
  let isHandingOn = false

  function stop(): void {
    if (isEnding) {
      service.kill()
      process.exit(1)
    }
    isEnding = true
    stopping.abort()
    manager.stopping(service.drainMs())
    end('stopped')
  }

  async function handOn(): Promise<void> {
    if (isEnding || isHandingOn) return
    isHandingOn = true
    let sockets: Descriptors | null = null
    let successor: Successor | null = null
    try {
      sockets = listeningDescriptors(service.others())
      const { argv, isKept } = service
      successor = await startSuccessor({ argv, sockets: sockets.descriptors, isKept, signal: stopping.signal, log })
    } catch (error) {
      // As without descriptors that are left, or where a worker ends at this very moment.
      const { hint = 'send SIGUSR2 again', ...facts } = errorFacts(error)
      log.error(FAILED, { ...facts, hint })
    }
    isHandingOn = false
    if (successor === null) return sockets?.closeCopies()
    isEnding = true
    manager.handOn(successor.pid)
    successor.release()
    log.info('Another process has taken over; this one finishes what is under way', { pid: successor.pid })
    end('succeeded')
  }

  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  process.on('SIGHUP', async () => {
    if (isEnding) return
    manager.reloading()
    await service.reload()
    manager.ready(service.status())
  })
  const ignoring = process.listeners('SIGUSR2')
  process.on('SIGUSR2', () => void handOn())
  // Not before: a signal that nobody listens for ends the process.
  for (const listener of ignoring) process.off('SIGUSR2', listener)
  return ending
}

/** What ends a program that does not listen for it, and means nothing to this one. */
const MEANINGLESS = ['SIGUSR1', 'SIGUSR2'] as const

/** Ignores signals that mean nothing here, or nothing yet. Call it first: a signal before that ends the process. */
export function ignoreStrays(log: Log): void {
  for (const signal of MEANINGLESS) {
    process.on(signal, () => {
      log.info('A signal that means nothing here was ignored', {
        signal,
        hint: 'SIGHUP reads the file again, SIGTERM stops',
      })
    })
  }
  // Until there is something to reload: the watch notices a save meanwhile.
  process.on('SIGHUP', () => undefined)
}

/** How long a stopped process waits for the reader of its log: a reader that is stuck would keep it for ever. */
const LAST_WORDS_MS = 2000

/** Ends this process with this code once its output has been read, or when that takes too long. */
export function boundExit(code: number): void {
  setTimeout(() => process.exit(code), LAST_WORDS_MS).unref()
}
