import type { MaybePromise } from './maybe-promise.ts'

/**
 * The result of `work`, or `late` where that takes longer. Throws what `work` throws within the time; a later error is
 * ignored.
 */
export async function inTime<T, Late>(work: MaybePromise<T>, limitMs: number, late: Late): Promise<T | Late> {
  if (!(work instanceof Promise)) return work
  const { promise: limit, resolve: giveUp } = Promise.withResolvers<Late>()
  const timer = setTimeout(giveUp, limitMs, late)
  try {
    return await Promise.race([work, limit])
  } finally {
    clearTimeout(timer)
  }
}
