/** Turns in which requests are sent, so that answers which begin at once do not fill the memory. */

import { Tally } from '../../base/byte-counts.ts'
import { createWaiting } from './request-queue.ts'

/** A request that may not be sent yet. */
export interface Waiter {
  /** The client's address. */
  readonly client: string
  /** Whether its client has left. */
  hasLeft(): boolean
  /** Its turn has come. */
  go(stamp: number): void
  /** Its turn would have come, and it has left. */
  leave(): void
}

/** What is counted is counted by its bytes, and known by the turn in which that began. */
export interface Turns {
  /** What all that is counted may hold. */
  readonly bytes: number
  /** Counts a request that is sent, or a body on its way; answers the stamp that `leave` wants. */
  enter(bytes: number): number
  /** Its memory is counted elsewhere now, or it is over. Does nothing if it is not counted any more. */
  leave(stamp: number, bytes: number): void
  /** A stamp for a request that may be sent at once; null where it has to `wait`. */
  begin(): number | null
  /** Its turn comes within moments. Nothing happens after what is answered was called. */
  wait(waiter: Waiter): () => void
  /** There may be room: waiting requests continue. */
  goOn(): void
  /** A client has fewer bodies under way than it had. */
  noteLess(client: string): void
  /** A body was cut that had this much. */
  noteCut(bytes: number): void
}

/** The stamp of what is not counted. */
export const NO_STAMP = -2

export interface TurnsTools {
  /** What a request may bring. */
  readonly beginBytes: number
  readonly limitBytes: () => number
  /** What shows elsewhere. */
  readonly heldBytes: () => number
  /** How many bodies a client has under way. */
  readonly countOf: (client: string) => number
  /** Cuts until no more than this shows elsewhere. */
  readonly makeRoom: (limitBytes: number) => void
  /** Called for each that has to wait. */
  readonly onWait: () => void
  /** Gives back what cut bodies have left. */
  readonly reclaim: () => void
}

/** In this time fetch delivers its data to the reader, and frees aborted bodies; longer in a busy process. */
const TURN_MS = 20

/** So much of cut bodies is given back at once, which takes some milliseconds: on a large machine a part of the limit would be gigabytes. */
const RECLAIMED_BYTES = 50_000_000

/** What a body that was cut keeps for some turns. */
const LEFT_BYTES = 1_000_000

/**
 * Decides which request is sent to an application next.
 *
 * fetch of Bun 1.4.5 reads on another thread, even without a reader: a thousand answers that begin at once are in
 * memory before the first of them is handled. So answers of unknown size are counted, too. Where they have no room,
 * the next request waits until one is known, or is over, or has had nothing for a turn of the event loop. At each turn
 * one request continues in any case, so that none waits for others without end.
 */
export function createTurns({
  beginBytes,
  limitBytes,
  heldBytes,
  countOf,
  makeRoom,
  onWait,
  reclaim,
}: TurnsTools): Turns {
  const waiting = createWaiting<Waiter>(countOf)
  let turn = 0
  let fresh = new Tally()
  let older = new Tally()
  const cut = new Tally()
  let isTurnDue = false

  function enter(bytes: number): number {
    fresh.add(bytes)
    return turn
  }

  function hasRoom(): boolean {
    return heldBytes() + fresh.sum + older.sum + beginBytes <= limitBytes()
  }

  /** Whose client has least under way, and has waited for longest among those. */
  function next(): void {
    const one = waiting.take()
    if (one?.hasLeft() === true) one.leave()
    else one?.go(enter(beginBytes))
  }

  function goOn(): void {
    while (waiting.length > 0 && hasRoom()) next()
  }

  function waitForTurn(): void {
    if (isTurnDue) return
    isTurnDue = true
    setTimeout(onTurn, TURN_MS)
  }

  function onTurn(): void {
    isTurnDue = false
    turn++
    older = fresh
    fresh = new Tally()
    const limit = limitBytes()
    if (cut.sum > Math.min(limit / 4, RECLAIMED_BYTES)) {
      cut.clear()
      reclaim()
    }
    const { length } = waiting
    if (length === 0) return
    // A quarter stays for those that go on: else one at a time would.
    makeRoom((limit * 3) / 4)
    goOn()
    if (waiting.length === length) next()
    if (waiting.length > 0) waitForTurn()
  }

  return {
    get bytes() {
      return fresh.sum + older.sum
    },
    enter,
    leave(stamp, bytes) {
      if (stamp === turn) fresh.remove(bytes)
      else if (stamp === turn - 1) older.remove(bytes)
    },
    begin: () => (waiting.length === 0 && hasRoom() ? enter(beginBytes) : null),
    wait(waiter) {
      const giveUp = waiting.add(waiter)
      onWait()
      waitForTurn()
      return giveUp
    },
    goOn,
    noteLess: waiting.noteLess,
    noteCut(bytes) {
      enter(Math.min(bytes, LEFT_BYTES))
      cut.add(bytes)
      waitForTurn()
    },
  }
}
