/** Turns of the event loop: long work in steps, and what waits for a later turn. */

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

/** Waits for a turn of one's own: with a turn of the event loop between any two that wait, however many come at once. */
export function createTurns(): () => Promise<void> {
  let last: Promise<void> = Promise.resolve()
  return () => {
    last = last.then(() => new Promise(resolve => setImmediate(resolve)))
    return last
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

/**
 * Whether a piece of a body is so short that the next read waits for a later turn of the event loop.
 *
 * Bun 1.4.5 delivers an HTTP/2 body frame by frame, and at once while a reader waits: frames of one byte cost 40 µs
 * each and hold up all other requests. Frames that arrive while no reader waits become one piece.
 */
export function isSmallPiece({ byteLength }: Uint8Array): boolean {
  return byteLength < SMALL_PIECE_BYTES
}

const SMALL_PIECE_BYTES = 1024

/** Settles once others have had their turn. */
export function nextTurn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
