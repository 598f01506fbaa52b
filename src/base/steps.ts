/** Work in steps: long work that is done at once or with a turn of the event loop before each, and steps of which none stops the others. */

/** Work that can be paused at each yield. Its return value is the result. */
export type Steps<T> = Generator<void, T>

/** Does all of it at once. */
export function finish<T>(steps: Steps<T>): T {
  let step = steps.next()
  while (step.done !== true) step = steps.next()
  return step.value
}

/** Runs it step by step, with a turn of the event loop before each step, so that other work does not wait long. */
export async function finishInTurns<T>(steps: Steps<T>): Promise<T> {
  for (;;) {
    await new Promise(resolve => setImmediate(resolve))
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** What is made of each value, with a step for so many of them. */
export function* eachInSteps<A, B>(values: readonly A[], size: number, make: (value: A) => B): Steps<B[]> {
  const made: B[] = []
  for (const value of values) {
    if (made.length > 0 && made.length % size === 0) yield
    made.push(make(value))
  }
  return made
}

/** Does this with each of them in turn, whatever becomes of the others. Throws what the first that failed has thrown. */
export async function eachOf<T>(all: Iterable<T>, act: (one: T) => Promise<unknown>): Promise<void> {
  const failures: unknown[] = []
  for (const one of all) {
    try {
      await act(one)
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
}
