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
 * Does some work every so often, never twice at a time, and keeps no process alive for it. Pairs with `clearInterval`.
 *
 * What fails for long is told once, and again only after it has worked.
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
