/** Turns of the event loop: what waits for a later one, so that others have theirs. */

/** Waits for a turn of one's own: with a turn of the event loop between any two that wait, however many come at once. */
export function createTurns(): () => Promise<void> {
  let last: Promise<void> = Promise.resolve()
  return () => {
    last = last.then(() => new Promise(resolve => setImmediate(resolve)))
    return last
  }
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
