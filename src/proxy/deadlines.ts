/** A request that waits for its upstream's first byte. */
export interface Waiting {
  /** Milliseconds since the epoch; changed only while it is not among the deadlines. */
  deadlineMs: number
  expire(): void
}

/**
 * Deadlines of all requests in flight, kept by one timer: a set entry a request instead of a timer and a signal each.
 *
 * Pairs with `close`. A deadline is met within `SWEEP_MS` after it passed.
 */
export interface Deadlines {
  add(waiting: Waiting): void
  remove(waiting: Waiting): void
  close(): void
}

const SWEEP_MS = 200

export function openDeadlines(now: () => number): Deadlines {
  const waiting = new Set<Waiting>()
  const timer = setInterval(() => {
    if (waiting.size === 0) return
    const nowMs = now()
    for (const one of waiting) {
      if (one.deadlineMs > nowMs) continue
      waiting.delete(one)
      one.expire()
    }
  }, SWEEP_MS)
  timer.unref()
  return {
    add: one => void waiting.add(one),
    remove: one => void waiting.delete(one),
    close: () => clearInterval(timer),
  }
}
