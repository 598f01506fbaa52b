/** Waits for a locked database without holding up the event loop. */

import type { MaybePromise } from '../../base/maybe-promise.ts'

/** How long one attempt waits for the database: it blocks the event loop, and a writer usually holds the lock for less. */
export const ATTEMPT_MS = 2

const RETRY_EVERY_MS = 25

/** Two seconds: a user waits that long, and a later attempt finds the lock free or fails again. */
const MOST_TRIES = 80

/** More than so many that wait are refused at once. */
const MOST_WAITING = 1000

/** Once the lock is free, as many at a time, so that requests get their turn too. */
const AT_ONCE = 50

interface Waiting {
  /** Throws where the database is still locked. */
  run(): void
  refuse(error: unknown): void
  readonly lastTry: number
}

/** Makes writes that wait for other processes, and for the disk: done at once where nothing is in the way, else later, in order. */
export type BusyRetry = <Args extends readonly unknown[], Result>(
  write: (...args: Args) => Result,
) => (...args: Args) => MaybePromise<Result>

/**
 * Patience with a database that another process has locked, without ever blocking the event loop for longer than one attempt.
 *
 * While something waits, only the first of the queue is tried, every 25 ms; what comes later waits behind it. After two
 * seconds a write fails with what SQLite said.
 *
 * What was written counts once `flushed` says so.
 */
export function createBusyRetry(flushed: () => MaybePromise<void> = () => undefined): BusyRetry {
  const queue: Waiting[] = []
  let tries = 0
  let timer: Timer | null = null

  function tryAgain(): void {
    tries++
    let locked: unknown = null
    for (let done = 0; done < AT_ONCE && locked === null; done++) {
      const first = queue[0]
      if (first === undefined) break
      try {
        first.run()
      } catch (error) {
        if (isLocked(error) && tries < first.lastTry) locked = error
        else first.refuse(error)
      }
      if (locked === null) queue.shift()
    }
    if (queue.length > 0 || timer === null) return
    clearInterval(timer)
    timer = null
  }

  function whenFlushed<Result>(result: Result): MaybePromise<Result> {
    const waiting = flushed()
    return waiting instanceof Promise ? waiting.then(() => result) : result
  }

  return write =>
    (...args) => {
      let locked: unknown = null
      if (queue.length === 0) {
        try {
          return whenFlushed(write(...args))
        } catch (error) {
          if (!isLocked(error)) throw error
          locked = error
        }
      }
      if (queue.length >= MOST_WAITING) throw locked ?? new Error('too many writes wait for the session database')
      return new Promise((resolve, reject) => {
        queue.push({ run: () => resolve(whenFlushed(write(...args))), refuse: reject, lastTry: tries + MOST_TRIES })
        timer ??= setInterval(tryAgain, RETRY_EVERY_MS)
      })
    }
}

/** SQLITE_BUSY and its kin (sqlite.org/rescode.html): another process holds the lock. */
export function isLocked(error: unknown): boolean {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('SQLITE_BUSY')
}
