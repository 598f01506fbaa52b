/** Something that is over at a given time, such as a request that waits for its upstream's first byte. */
export interface Waiting {
  /** Milliseconds since the epoch; its owner changes it only while it is not among the deadlines. */
  deadlineMs: number
  /** Its place among the deadlines, theirs alone to change; `NOWHERE` while it has none. */
  slot: number
  expire(): void
}

export const NOWHERE = -1

/**
 * Deadlines of all requests in flight, kept by one timer: a place in a list instead of a timer and a signal for each request.
 *
 * Pairs with `close`. A deadline is met within `SWEEP_MS` after it passed.
 */
export interface Deadlines {
  add(waiting: Waiting): void
  /** Nothing happens to one that is not there. */
  remove(waiting: Waiting): void
  close(): void
}

const SWEEP_MS = 200

export function openDeadlines(now: () => number): Deadlines {
  // A list whose last entry fills the gap of one that leaves: a Set that thousands enter and leave each second costs 2 µs for each.
  const waiting: Waiting[] = []

  function remove(one: Waiting): void {
    const { slot } = one
    if (slot === NOWHERE) return
    one.slot = NOWHERE
    const last = waiting.pop()
    if (last === undefined || last === one) return
    last.slot = slot
    waiting[slot] = last
  }

  let sweptAtMs = now()
  const timer = setInterval(() => {
    const nowMs = now()
    // A clock that was set back must not let anyone wait for as long again.
    const backMs = sweptAtMs - nowMs
    sweptAtMs = nowMs
    if (backMs > 0) for (const one of waiting) one.deadlineMs -= backMs
    for (const one of waiting.filter(each => each.deadlineMs <= nowMs)) {
      if (one.slot === NOWHERE) continue
      remove(one)
      one.expire()
    }
  }, SWEEP_MS)
  timer.unref()

  return {
    add(one) {
      if (one.slot !== NOWHERE) return
      one.slot = waiting.length
      waiting.push(one)
    },
    remove,
    close: () => clearInterval(timer),
  }
}
