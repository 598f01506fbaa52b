/** Cuts bodies that make no progress (`stall_timeout`). */

import type { Deadlines, Waiting } from '../lifetime/deadlines.ts'
import { NOWHERE } from '../lifetime/roster.ts'

/** A body that has to make progress. */
export interface Progressing {
  /** When it last did. */
  sinceMs: number
  /** Whether it may be without progress for any time, as an answer of which the application sends nothing. */
  mayWait(): boolean
  /** Whether it is over without anyone having said so. */
  isOver(): boolean
  leave(): void
  cut(why: 'stalled'): void
}

export interface StallTools {
  readonly deadlines: Pick<Deadlines, 'add'>
  readonly now: () => number
  readonly stallMs: () => number
  readonly members: readonly Progressing[]
}

const SWEEP_MS = 1000

/** Looks each second, while there are any, for bodies that have gone too long without progress. `wake` is called for each that enters. */
export function createStallSweep({ deadlines, now, stallMs, members }: StallTools): { wake(): void } {
  const sweep: Waiting = {
    slot: NOWHERE,
    deadlineMs: 0,
    expire() {
      const nowMs = now()
      const mostMs = stallMs()
      for (const one of [...members]) {
        // A clock that was set back must not let anyone wait for as long again.
        if (one.sinceMs > nowMs) one.sinceMs = nowMs
        if (one.isOver()) one.leave()
        else if (nowMs - one.sinceMs > mostMs && !one.mayWait()) one.cut('stalled')
      }
      if (members.length > 0) wait()
    },
  }

  function wait(): void {
    sweep.deadlineMs = now() + SWEEP_MS
    deadlines.add(sweep)
  }

  return {
    wake() {
      if (sweep.slot === NOWHERE) wait()
    },
  }
}
