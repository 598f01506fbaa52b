/** Work at an interval, never twice at a time. */

import { errorFacts } from './errors.ts'
import type { MaybePromise } from './maybe-promise.ts'
import type { Log } from './ports.ts'

/** Work that is done again and again. */
export interface Repeated {
  /** Completes "Could not …". */
  readonly what: string
  readonly work: () => MaybePromise<unknown>
  readonly log: Pick<Log, 'warn'>
}

/**
 * Repeats some work at an interval, never twice at a time. It keeps no process alive. Pairs with `clearInterval`.
 *
 * A failure that lasts is logged once, and again only after a success.
 */
export function repeatEvery(everyMs: number, repeated: Repeated): Timer {
  const timer = setInterval(oneAtATime(repeated), everyMs)
  timer.unref()
  return timer
}

/** The same work for each call; nothing where it is still under way. Answers whether it was done, and never throws. */
export function oneAtATime({ what, work, log }: Repeated): () => Promise<boolean> {
  let isFailing = false
  let isRunning = false
  return async () => {
    if (isRunning) return false
    isRunning = true
    try {
      await work()
      isFailing = false
    } catch (error) {
      if (!isFailing) log.warn(`Could not ${what}; it is tried again`, errorFacts(error))
      isFailing = true
    } finally {
      isRunning = false
    }
    return !isFailing
  }
}
