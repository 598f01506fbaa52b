/** Takes turns among WebSockets, so that one client's messages do not hold up the others. */

import { turnNow } from '../../base/event-loop.ts'

/**
 * How many messages one client has taken in a turn of the event loop, and how many of those that had to wait go on in one, of all
 * clients together. A message costs some 2 µs, so others wait for a millisecond at most.
 */
const MESSAGES_A_TURN = 128
const WAITING_A_TURN = 512

/** What a client sends by one WebSocket, in its order. */
export interface Lane {
  /** Hands a message on: at once, or in a later turn. False where it waits: read no more until `idle` is called. */
  take(message: string | Buffer): boolean
  /** What waits, in bytes, its bookkeeping included. */
  readonly waitingBytes: number
  /** Continues after `give` returned false. */
  goOn(): void
  /** Forgets what waits. */
  drop(): void
}

interface LaneEvents {
  /** Hands one message on; false where no further one is wanted until `goOn`. */
  give(message: string | Buffer): boolean
  /** Nothing waits any more, after `take` answered false, and `give` did not. */
  idle(): void
}

/**
 * Takes turns among the WebSockets of the process.
 *
 * Bun 1.4.5 dispatches everything that one read brought, up to 75 000 messages of one byte (512 KiB). It reads up to
 * eleven times in a turn unless it is paused. A waiting message costs a tenth of one that continues, and the client is
 * not read meanwhile.
 */
export function createIntake(): { enter(events: LaneEvents): Lane } {
  const waiting = new Set<Waiting>()
  let isTurnDue = false

  function waitForTurn(): void {
    if (isTurnDue) return
    isTurnDue = true
    setImmediate(onTurn)
  }
  function onTurn(): void {
    isTurnDue = false
    let left = WAITING_A_TURN
    for (let lanes = waiting.size; lanes > 0 && left > 0; lanes--) {
      const [lane] = waiting
      if (lane === undefined) break
      // A client that had its part goes to the end.
      waiting.delete(lane)
      left -= lane.give(Math.min(left, MESSAGES_A_TURN))
    }
    if (waiting.size > 0) waitForTurn()
  }

  class Waiting implements Lane {
    waitingBytes = 0
    readonly #events: LaneEvents
    #messages: (string | Buffer)[] = []
    #at = 0
    #turn = -1
    #taken = 0
    #isStopped = false

    constructor(events: LaneEvents) {
      this.#events = events
    }

    take(message: string | Buffer): boolean {
      const now = turnNow()
      if (this.#turn !== now) {
        this.#turn = now
        this.#taken = 0
      }
      if (this.#messages.length === 0 && this.#taken < MESSAGES_A_TURN) {
        this.#taken++
        if (!this.#events.give(message)) this.#isStopped = true
        return true
      }
      this.#messages.push(message)
      this.waitingBytes += message.length + BOOKKEEPING_BYTES
      if (!this.#isStopped) this.#wait()
      return false
    }

    /** Hands on as many as may go; answers how many did. */
    give(most: number): number {
      let given = 0
      while (given < most && this.#at < this.#messages.length && !this.#isStopped) {
        const message = this.#messages[this.#at++] ?? ''
        this.waitingBytes -= message.length + BOOKKEEPING_BYTES
        given++
        if (!this.#events.give(message)) this.#isStopped = true
      }
      if (this.#at < this.#messages.length) {
        if (!this.#isStopped) waiting.add(this)
      } else if (this.#messages.length > 0) {
        this.drop()
        if (!this.#isStopped) this.#events.idle()
      }
      return given
    }

    goOn(): void {
      this.#isStopped = false
      if (this.#messages.length === 0) return
      this.#wait()
    }

    #wait(): void {
      waiting.add(this)
      waitForTurn()
    }

    drop(): void {
      waiting.delete(this)
      this.#messages = []
      this.#at = 0
      this.waitingBytes = 0
    }
  }

  return { enter: events => new Waiting(events) }
}

/** The memory of a short message in addition to its bytes (measured). */
export const BOOKKEEPING_BYTES = 80
