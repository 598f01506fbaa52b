import { errorFacts } from './errors.ts'
import type { Log } from './ports.ts'

/** Work that says itself when it is due again. */
export interface Due {
  /** Completes "Could not …". */
  readonly what: string
  /** Answers how long there is nothing to do; Infinity: until it is woken. */
  readonly work: () => Promise<number>
  /** The wait after it failed, and the shortest of all. */
  readonly leastMs: number
  readonly log: Pick<Log, 'warn'>
}

export interface Sleeper {
  /** Does the work now, or once more after it is done where it is being done. */
  wake(): void
  close(): void
}

/** One hour: clocks are set, and machines sleep, without a timer noticing. */
const LONGEST_MS = 60 * 60 * 1000

/**
 * Does some work when it is due, never twice at a time, with one timer that sleeps in between and keeps no process alive. Begins by
 * itself. Pairs with `close`.
 *
 * What fails for long is told once, and again only after it has worked.
 */
export function workWhenDue({ what, work, leastMs, log }: Due): Sleeper {
  let timer: Timer | null = null
  let isRunning = false
  let isWoken = false
  let isFailing = false
  let isClosed = false

  function sleep(waitMs: number): void {
    if (timer !== null) clearTimeout(timer)
    timer = setTimeout(() => void run(), waitMs)
    timer.unref()
  }

  async function run(): Promise<void> {
    timer = null
    isRunning = true
    isWoken = false
    let waitMs = leastMs
    try {
      waitMs = Math.max(await work(), leastMs)
      isFailing = false
    } catch (error) {
      if (!isFailing && !isClosed) log.warn(`Could not ${what}; it is tried again`, errorFacts(error))
      isFailing = true
    }
    isRunning = false
    if (isClosed) return
    if (isWoken) sleep(0)
    else if (waitMs !== Number.POSITIVE_INFINITY) sleep(Math.min(waitMs, LONGEST_MS))
  }

  sleep(0)
  return {
    wake() {
      isWoken = true
      if (!isRunning && !isClosed) sleep(0)
    },
    close() {
      isClosed = true
      if (timer !== null) clearTimeout(timer)
    },
  }
}
