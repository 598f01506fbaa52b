import { afterLimit } from './time-limit.ts'

/** A value, or a promise of it: synchronous results skip the promise. */
export type MaybePromise<T> = T | Promise<T>

/** What goes along from one step to the next. */
type Rest = readonly [unknown?, unknown?, unknown?, unknown?]

/**
 * Calls `step` with the value: at once for a synchronous value, otherwise when the promise settles. `rest` is passed
 * on, so that no closure is needed.
 *
 * Throws what `step` throws for a value. For a promise it rejects with that, or with the promise's own error.
 */
export function andThen<Found, Given extends Rest, Made>(
  found: MaybePromise<Found>,
  step: (found: Found, ...rest: Given) => MaybePromise<Made>,
  ...rest: Given
): MaybePromise<Made>
// One by one: to gather and to spread them costs a request a microsecond (Bun 1.4.5).
export function andThen(
  found: unknown,
  step: (found: unknown, ...rest: Rest) => unknown,
  one?: unknown,
  two?: unknown,
  three?: unknown,
  four?: unknown,
): unknown {
  return found instanceof Promise ? later(found, step, one, two, three, four) : step(found, one, two, three, four)
}

/** Apart from `andThen`: a function inside of it would cost each call a scope, made or not. */
function later(
  found: Promise<unknown>,
  step: (found: unknown, ...rest: Rest) => unknown,
  one: unknown,
  two: unknown,
  three: unknown,
  four: unknown,
): Promise<unknown> {
  return found.then(value => step(value, one, two, three, four))
}

/**
 * The result of `work`, or `late` where that takes longer. Throws what `work` throws within the time; a later error is
 * ignored. While this process has no turn, however long, one part of the time passes at most; a busy one waits longer.
 */
export async function inTime<T, Late>(work: MaybePromise<T>, limitMs: number, late: Late): Promise<T | Late> {
  if (!(work instanceof Promise)) return work
  const { promise: limit, resolve: giveUp } = Promise.withResolvers<Late>()
  const callOff = afterLimit(limitMs, () => giveUp(late))
  try {
    return await Promise.race([work, limit])
  } finally {
    callOff()
  }
}
