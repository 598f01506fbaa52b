import type { MaybePromise } from './maybe-promise.ts'

/** What `work` comes to, or `late` where that takes longer than this. Throws what it throws by then; what it throws later is nobody's. */
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
