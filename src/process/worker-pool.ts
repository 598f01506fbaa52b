/** Keeps so many workers running: starts them, replaces those that end, and stops all. */

import { errorFacts } from '../base/errors.ts'
import type { Log } from '../base/ports.ts'
import { type Exit, spawnWorker, type WorkerOptions, type WorkerProcess } from './worker-process.ts'

/** The workers of one supervisor, kept alive. */
export interface WorkerPool {
  /** How many there should be. */
  readonly size: number
  /** Those whose process lives, listening or not. */
  readonly members: readonly WorkerProcess[]
  /** How many were started in the place of one that died. */
  readonly restarts: number
  /** Starts the first worker, and the others once it listens; false when it ended instead. */
  start(): Promise<boolean>
  reload(): void
  /** As SIGHUP does for one process. */
  renew(): void
  /** Starts nothing more, lets every worker drain, ends by force what is left after the limit; `isSucceeded`: other processes have their sockets by now. */
  stop(limitMs: number, isSucceeded: boolean): Promise<void>
  /** Ends every worker by force, at once. */
  kill(): void
}

export interface WorkerPoolOptions {
  readonly size: number
  readonly log: Log
  readonly now: () => number
  /** How often each worker is asked for a sign of life; a sensible time when absent. */
  readonly beatMs?: number
  /** How to start the worker with this number, at this moment. */
  worker(index: number): Omit<WorkerOptions, 'index' | 'others' | 'owe'>
}

/** The wait before a worker is started again: doubled each time it dies young. */
const FIRST_WAIT_MS = 100
const LONGEST_WAIT_MS = 10_000

/** A worker that lived this long is started again without delay. */
const GROWN_UP_MS = 30_000

/** Seldom enough to be nothing; a worker whose event loop has not turned for five of these is stuck, and no longer only slow. */
const BEAT_MS = 5000
const MOST_MISSED = 4

/** One that starts answers nothing yet, and may have a long file to read and a large database to look at. */
const MOST_MISSED_AT_START = 24

/**
 * Workers 1 to `size`. Each is started again when it dies. A worker that is stuck is ended first, since the system
 * would still give it connections.
 *
 * Only the first start can fail for good: when the first worker ends before it listens, another try would fail for the
 * same reason (a port in use, a store that cannot be opened). The worker has logged it.
 */
export function createWorkerPool(options: WorkerPoolOptions): WorkerPool {
  const { log } = options
  const members = new Map<number, WorkerProcess>()
  const waits = new Map<number, number>()
  const stuck = new WeakSet<WorkerProcess>()
  const timers = new Map<number, Timer>()
  let restarts = 0
  let beats: Timer | null = null
  let phase: 'starting' | 'running' | 'stopping' = 'starting'

  function begin(index: number): WorkerProcess {
    const startedMs = options.now()
    const worker = spawnWorker({
      ...options.worker(index),
      index,
      others: () => askOthers(index),
      owe(ids) {
        for (const other of members.values()) if (other.index !== index) other.owe(ids)
      },
    })
    members.set(index, worker)
    void worker.exited.then(exit => {
      members.delete(index)
      if (phase === 'running') replace(worker, exit, options.now() - startedMs)
    })
    return worker
  }

  function askOthers(index: number): Promise<readonly unknown[]> {
    const others = [...members.values()].filter(worker => worker.index !== index)
    return Promise.all(others.map(async worker => (await worker.ask('view')) ?? null))
  }

  function beat(): void {
    for (const worker of members.values()) {
      if (worker.beat() < (worker.isListening ? MOST_MISSED : MOST_MISSED_AT_START)) continue
      stuck.add(worker)
      worker.kill()
    }
  }

  function replace(worker: WorkerProcess, exit: Exit, livedMs: number): void {
    const { index, pid } = worker
    if (livedMs >= GROWN_UP_MS) waits.delete(index)
    const waitMs = nextWait(index)
    const what = stuck.has(worker) ? 'A worker was stuck and is started again' : 'A worker died and is started again'
    log.error(what, { worker: index, pid, ...exit, lived_ms: livedMs, wait_ms: waitMs })
    beginLater(index, waitMs)
  }

  function nextWait(index: number): number {
    const waitMs = waits.get(index) ?? FIRST_WAIT_MS
    waits.set(index, Math.min(waitMs * 2, LONGEST_WAIT_MS))
    return waitMs
  }

  function beginLater(index: number, afterMs: number): void {
    timers.set(
      index,
      setTimeout(() => void beginAgain(index), afterMs),
    )
  }

  async function beginAgain(index: number): Promise<void> {
    timers.delete(index)
    let worker: WorkerProcess
    try {
      worker = begin(index)
    } catch (error) {
      // The system has no process, memory or descriptor left, or the executable is being replaced.
      const waitMs = nextWait(index)
      log.error('A worker could not be started, and is tried again', {
        worker: index,
        ...errorFacts(error),
        wait_ms: waitMs,
      })
      beginLater(index, waitMs)
      return
    }
    restarts++
    if (await worker.listening) log.info('A worker is back', { worker: index, pid: worker.pid })
  }

  /** Nothing is started, asked or replaced any more. */
  function settle(): void {
    phase = 'stopping'
    if (beats !== null) clearInterval(beats)
    for (const timer of timers.values()) clearTimeout(timer)
  }

  return {
    size: options.size,
    get members() {
      return [...members.values()].sort((one, other) => one.index - other.index)
    },
    get restarts() {
      return restarts
    },
    async start() {
      const isUp = await begin(1).listening
      if (!isUp || phase === 'stopping') return isUp
      phase = 'running'
      beats = setInterval(beat, options.beatMs ?? BEAT_MS)
      const others = Array.from({ length: options.size - 1 }, (_, index) => begin(index + 2))
      await Promise.all(others.map(worker => worker.listening))
      return true
    },
    reload() {
      for (const worker of members.values()) worker.tell('reload')
    },
    renew() {
      for (const worker of members.values()) worker.tell('renew')
    },
    async stop(limitMs, isSucceeded) {
      settle()
      const ending = [...members.values()]
      for (const worker of ending) worker.tell(isSucceeded ? 'leave' : 'stop')
      const force = setTimeout(() => {
        const late = ending.filter(worker => members.get(worker.index) === worker)
        log.warn('Workers that did not stop in time are ended by force', {
          workers: late.map(({ index }) => `${index}`),
        })
        for (const worker of late) worker.kill()
      }, limitMs)
      await Promise.all(ending.map(worker => worker.exited))
      clearTimeout(force)
    },
    kill() {
      settle()
      for (const worker of members.values()) worker.kill()
    },
  }
}
