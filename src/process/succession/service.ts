import { errorFacts } from '../../base/errors.ts'
import type { Log } from '../../base/ports.ts'
import { type Descriptors, listeningDescriptors } from '../../server/listen/handed/descriptors.ts'
import type { Manager } from '../manager.ts'
import { FAILED, type Successor, startSuccessor } from './successor.ts'

/** What serves, for whoever sends signals: a server, or the supervisor of several. */
export interface Service {
  readonly manager: Manager
  readonly log: Log
  /** The program's arguments, for a process that is to take over. */
  readonly argv: readonly string[]
  /** Whether a manager keeps the sockets too. */
  readonly isKept: boolean
  /** A line for people about what is served. */
  status(): string
  /** Reads the file again, and has what is known of providers asked for anew. */
  reload(): unknown
  /** The processes that accept connections besides this one. */
  readonly others: () => readonly number[]
  /** How long what is under way may take once it is told to stop. */
  readonly drainMs: () => number
  /** Ends at once whatever would outlive this process. */
  kill(): void
}

/** How a service is told to end: by somebody who wants it gone, or by a process that goes on in its place. */
export type Ending = 'stopped' | 'succeeded'

/**
 * Does what signals say, and settles once the service is to end.
 *
 * SIGINT and SIGTERM stop it, a second one ends the process at once with 1; SIGHUP has the file read again, and providers asked again; SIGUSR2 starts the program anew
 * on the same sockets, and ends this service once that one takes requests.
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
  process.removeAllListeners('SIGUSR2')
  process.on('SIGUSR2', () => void handOn())
  return ending
}
