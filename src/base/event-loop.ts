/** Turns of the event loop: what waits for a later one, and how much is done in one, so that others have theirs. */

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

/** Work of which so much is done in one turn of the event loop, and the rest in the next ones, in the order in which it came. */
interface LoopShare {
  /** Null where it may be done now; else it resolves in a later turn, once it may. */
  take(amount: number): Promise<void> | null
}

/** The limit of one turn, for amounts of any kind. */
export function createLoopShare(most: number): LoopShare {
  let left = most
  let isTurnDue = false
  const waiting: { readonly amount: number; readonly go: () => void }[] = []
  let first = 0

  function onTurn(): void {
    isTurnDue = false
    left = most
    for (; first < waiting.length && left > 0; first++) {
      const one = waiting[first]
      if (one === undefined) continue
      left -= one.amount
      one.go()
    }
    if (first === waiting.length) {
      waiting.length = 0
      first = 0
    }
    if (left < most) waitForTurn()
  }

  function waitForTurn(): void {
    if (isTurnDue) return
    isTurnDue = true
    void nextTurn().then(onTurn)
  }

  return {
    take(amount) {
      waitForTurn()
      if (left > 0 && waiting.length === 0) {
        left -= amount
        return null
      }
      return new Promise(go => {
        waiting.push({ amount, go })
      })
    },
  }
}

let turn = 0
let isTurnOpen = false
let endings: (() => void)[] = []

/** A number for the turn of the event loop in which this is called: one look at its end for all who ask. */
export function turnNow(): number {
  if (!isTurnOpen) {
    isTurnOpen = true
    setImmediate(endTurn)
  }
  return turn
}

/** Calls it at the end of the turn in which `turnNow` was asked last. It must not throw. */
export function atEndOfTurn(act: () => void): void {
  endings.push(act)
}

function endTurn(): void {
  turn++
  isTurnOpen = false
  const due = endings
  endings = []
  for (const end of due) end()
}
