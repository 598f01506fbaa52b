/**
 * Whether a piece of a body is so short that the next one is to be read in a later turn of the event loop alone.
 *
 * Bun 1.4.5 hands on what a client sends by HTTP/2 frame by frame, and goes on at once while somebody waits for the next: frames of
 * one byte cost 40 µs each, and keep everybody waiting. What comes while nobody waits becomes one piece.
 */
export function isSmallPiece({ byteLength }: Uint8Array): boolean {
  return byteLength < SMALL_PIECE_BYTES
}

const SMALL_PIECE_BYTES = 1024

/** Settles once others have had their turn. */
export function nextTurn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
