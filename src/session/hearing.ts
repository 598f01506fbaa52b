import type { Log } from '../base/ports.ts'
import { oneAtATime } from '../base/repeat.ts'
import type { SessionStore } from './store.ts'

export interface HearingTools {
  readonly everyMs: number
  /** What is done at each look, one after the other; `what` completes "Could not …". */
  readonly works: readonly { readonly what: string; readonly work: () => Promise<void> }[]
  readonly onWritten: SessionStore['onWritten']
  /** Whether some work is due regardless of other processes. */
  readonly isWaiting: () => boolean
  readonly log: Pick<Log, 'warn'>
}

/** Looks after something was written: what is at work on a file is not done with it at its first write. */
const LOOKS = 2

/** How much of the time between two looks passes before the first of them: what is written together is one change. */
const FIRST_LOOK = 0.1

/** By what factor the interval is longer where the store reports every write. */
const SELDOM = 30

/**
 * Follows what other processes did to a store. Where the store reports every write, it reads only after a write;
 * otherwise at an interval.
 *
 * A failure that lasts is logged once, and again only after a success. Pairs with `close`.
 */
export function startHearing({ everyMs, works, onWritten, isWaiting, log }: HearingTools): { close(): void } {
  const steps = works.map(one => oneAtATime({ ...one, log }))
  let left = LOOKS
  let timer: Timer | null = null
  let isClosed = false
  let isLooking = false
  const watching = onWritten?.(hearOf)

  function hearOf(): void {
    const isAtRest = left === 0
    left = LOOKS
    if (isAtRest && !isLooking) lookIn(everyMs * FIRST_LOOK)
  }

  function lookIn(waitMs: number): void {
    if (timer !== null) clearTimeout(timer)
    if (isClosed) return
    timer = setTimeout(look, waitMs)
    timer.unref()
  }

  async function look(): Promise<void> {
    isLooking = true
    left = Math.max(0, left - 1)
    let isDone = true
    for (const step of steps) if (!(await step())) isDone = false
    isLooking = false
    const isAtRest = watching?.isSure === true && left === 0 && isDone && !isWaiting()
    lookIn(isAtRest ? everyMs * SELDOM : everyMs)
  }

  lookIn(everyMs)
  return {
    close() {
      isClosed = true
      watching?.close()
      if (timer !== null) clearTimeout(timer)
    },
  }
}
