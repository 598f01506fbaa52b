/** A timer that runs only while there is work. */

/** Work that is done again and again while there is any. Pairs with `close`. */
export interface Ticker {
  /** Starts ticking, until there is no more work. Costs one comparison where it is ticking already. */
  wake(): void
  close(): void
}

/**
 * Does some work every so often from `wake` on, until it answers that nothing is left, and keeps no process alive for it.
 *
 * A timer that finds nothing to do still wakes the processor (an unref'd one too), so there is none while nothing is to be done.
 */
export function tickWhileBusy(everyMs: number, work: () => boolean): Ticker {
  let timer: Timer | null = null
  let isClosed = false

  function stop(): void {
    if (timer !== null) clearInterval(timer)
    timer = null
  }

  return {
    wake() {
      if (timer !== null || isClosed) return
      timer = setInterval(() => {
        if (!work()) stop()
      }, everyMs)
      timer.unref()
    },
    close() {
      isClosed = true
      stop()
    },
  }
}
