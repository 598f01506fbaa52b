import { errorFacts } from '../../base/errors.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { Log } from '../../base/ports.ts'

/** Work that is done again and again while a store is open. */
export interface Repeated {
  /** Completes "Could not …". */
  readonly what: string
  readonly work: () => MaybePromise<unknown>
  readonly log: Pick<Log, 'warn'>
}

/**
 * Does some work every so often, never twice at a time, and keeps no process alive for it. Pairs with `clearInterval`.
 *
 * A store that is away for long is told once, not twice a second.
 */
export function repeatEvery(everyMs: number, { what, work, log }: Repeated): Timer {
  let isFailing = false
  let isRunning = false
  const timer = setInterval(async () => {
    if (isRunning) return
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
  }, everyMs)
  timer.unref()
  return timer
}
