/** Measures how late the event loop is. */

import { type Family, Histogram, histogramFamily } from './metric-family.ts'

/** How late timers are in this process. */
export interface LoopLag {
  /** There is work: looks for as long as there is. */
  noteWork(): void
  /** Looks once, and returns what was seen since the start. */
  families(): Promise<readonly Family[]>
  close(): void
}

/** A longer delay is always seen, and a shorter one with proportional probability. */
const LOOK_MS = 100

/**
 * Measures how late a timer comes: what held it up held up every request.
 *
 * A timer runs only while there are requests, and for one turn when somebody asks: an idle process is not woken. `tick` is in
 * milliseconds, by a clock that is never set.
 */
export function createLoopLag(tick: () => number): LoopLag {
  const lag = new Histogram()
  let timer: Timer | null = null
  let hasWork = false
  let isClosed = false

  function look(): void {
    hasWork = false
    const dueMs = tick() + LOOK_MS
    timer = setTimeout(() => {
      lag.observe(tick() - dueMs)
      timer = null
      if (hasWork && !isClosed) look()
    }, LOOK_MS)
    timer.unref()
  }

  return {
    noteWork() {
      hasWork = true
      if (timer === null && !isClosed) look()
    },
    async families() {
      const dueMs = tick() + 1
      await Bun.sleep(1)
      lag.observe(tick() - dueMs)
      return [
        histogramFamily('sallyport_event_loop_lag_seconds', 'How late timers were, while there were requests.', [
          [{}, lag],
        ]),
      ]
    },
    close() {
      isClosed = true
      if (timer !== null) clearTimeout(timer)
    },
  }
}
