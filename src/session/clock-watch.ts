/** Watches the clock of this machine: with a wrong one, nothing is removed from the store. */

import type { Ports } from '../base/ports.ts'
import type { SessionStore } from './store.ts'

/** What is known of this machine's clock. */
export interface ClockState {
  /** How far it is ahead of the session store's, below 0 where it is behind; null where the store has none, or was not asked yet. */
  readonly aheadMs: number | null
  /** Whether anything may be removed from the store by it. */
  readonly isTrusted: boolean
}

export interface ClockWatch {
  readonly state: ClockState
  /** Looks at it now; answers whether it is trusted. Throws what the store throws. */
  look(): Promise<boolean>
}

/** How far two clocks may be apart, or one may move. */
const MOST_APART_MS = 30_000

/** For how long nothing is removed after a clock was set that nothing can be compared with: long enough to notice, and to set it back. */
const REST_MS = 10 * 60_000

/**
 * Watches the clock by which others' sessions would be over. It is compared with the store's; where that has none, with the time that has
 * passed: by a clock that jumped, all who are signed in may seem to be over, and who is removed does not come back when it is set right.
 *
 * A machine that slept has a jump too, and nothing is lost by waiting.
 */
export function createClockWatch(
  store: Pick<SessionStore, 'clock'>,
  { now, tick = now, log }: Pick<Ports, 'now' | 'tick' | 'log'>,
): ClockWatch {
  let aheadMs: number | null = null
  let isTrusted = true
  let offsetMs = now() - tick()
  let restsUntil = Number.NEGATIVE_INFINITY

  function compare(storeMs: number, beganMs: number): void {
    // The store answered at some time between.
    aheadMs = Math.round((beganMs + now()) / 2 - storeMs)
    const isNear = Math.abs(aheadMs) <= MOST_APART_MS
    if (isNear && !isTrusted) log.info('The clock of this machine agrees with that of the session store again')
    if (!isNear && isTrusted) {
      log.error(
        'The clock of this machine differs from that of the session store: this process removes nothing there',
        {
          ahead_s: Math.round(aheadMs / 1000),
          hint: 'let NTP set both clocks; until then users may be signed out too early or too late',
        },
      )
    }
    isTrusted = isNear
  }

  function lookForJump(): void {
    const jumpMs = now() - tick() - offsetMs
    offsetMs += jumpMs
    if (Math.abs(jumpMs) > MOST_APART_MS) {
      restsUntil = tick() + REST_MS
      log.warn('The clock of this machine was set: nothing is removed from the session store for ten minutes', {
        ahead_s: Math.round(jumpMs / 1000),
        hint: 'if it is wrong now, set it back within that time, and no user is signed out for good',
      })
    }
    isTrusted = tick() >= restsUntil
  }

  return {
    get state() {
      return { aheadMs, isTrusted }
    },
    async look() {
      const beganMs = now()
      const storeMs = await store.clock()
      if (storeMs === null) lookForJump()
      else compare(storeMs, beganMs)
      return isTrusted
    },
  }
}
