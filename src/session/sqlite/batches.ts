/** Long work on the database in batches, with pauses. */

import type { MaybePromise } from '../../base/maybe-promise.ts'

/** Rows written at a time by work that has no hurry: with a million sessions, each costs a hundredth of a millisecond to a few tenths. */
export const SLICE = 50

/** Between two slices, so that requests get their turn, and other processes theirs at the database. */
const PAUSE_MS = 10

/** Does long work a slice at a time with pauses between; `slice` answers whether there is more to do. */
export async function inSlices(slice: () => MaybePromise<boolean>): Promise<void> {
  while (await slice()) await new Promise(resolve => setTimeout(resolve, PAUSE_MS))
}

/** Does something with all values, at most `size` at a time; at once where they are no more. */
export function bySlices<T>(
  values: readonly T[],
  size: number,
  act: (some: readonly T[]) => MaybePromise<void>,
): MaybePromise<void> {
  if (values.length <= size) return act(values)
  let from = 0
  return inSlices(async () => {
    await act(values.slice(from, from + size))
    from += size
    return from < values.length
  })
}
