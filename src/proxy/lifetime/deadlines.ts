/** Deadlines of all requests on one timer. */

import { tickWhileBusy } from '../../base/while-busy.ts'
import { createRoster, NOWHERE } from './roster.ts'

/** Something that is over at a given time, such as a request that waits for its upstream's first byte. */
export interface Waiting {
  /** Milliseconds since the epoch; its owner changes it only while it is not among the deadlines. */
  deadlineMs: number
  /** Its place among the deadlines, which only they change; `NOWHERE` while it has none. */
  slot: number
  expire(): void
}

/**
 * Deadlines of all requests in flight, kept by one timer: a place in a list instead of a timer and a signal for each request, and
 * none while there is no request.
 *
 * Pairs with `close`. A deadline is met within `SWEEP_MS` after it passed; in a process that was held up itself, by a limit on its CPU
 * say, one look later: what has come meanwhile is read first.
 */
export interface Deadlines {
  add(waiting: Waiting): void
  /** Nothing happens to one that is not there. */
  remove(waiting: Waiting): void
  close(): void
}

const SWEEP_MS = 200

/** The deadlines of a process, all swept by one clock. Pairs with `close`. */
export function openDeadlines(now: () => number): Deadlines {
  const waiting = createRoster<Waiting>(
    one => one.slot,
    (one, slot) => {
      one.slot = slot
    },
  )

  let sweptAtMs = 0
  /** The same, by a clock that nobody sets. */
  let sweptAtTick = 0
  const ticker = tickWhileBusy(SWEEP_MS, () => {
    const wasHeldUp = performance.now() - sweptAtTick > 2 * SWEEP_MS
    sweptAtTick = wasHeldUp ? Number.POSITIVE_INFINITY : performance.now()
    if (wasHeldUp) return true
    const nowMs = now()
    // A clock that was set back must not let anyone wait for as long again.
    const backMs = sweptAtMs - nowMs
    sweptAtMs = nowMs
    if (backMs > 0) for (const one of waiting.members) one.deadlineMs -= backMs
    for (const one of waiting.members.filter(each => each.deadlineMs <= nowMs)) {
      if (one.slot === NOWHERE) continue
      waiting.remove(one)
      one.expire()
    }
    return waiting.members.length > 0
  })

  return {
    add(one) {
      // Nothing waited meanwhile, so a changed clock does not matter.
      if (waiting.members.length === 0) {
        sweptAtMs = now()
        sweptAtTick = performance.now()
      }
      waiting.add(one)
      ticker.wake()
    },
    remove: waiting.remove,
    close: ticker.close,
  }
}
