import type { Ports } from '../../src/base/ports.ts'
import { plantingRandom } from './log/planted.ts'

/** A clock that moves when it is told to, in milliseconds since the epoch. */
export interface FakeClock {
  now(): number
  advance(ms: number): void
}

export function fakeClock(startMs = Date.UTC(2026, 0, 1)): FakeClock {
  let nowMs = startMs
  return {
    now: () => nowMs,
    advance(ms) {
      nowMs += ms
    },
  }
}

/** Real randomness and a silent log around any clock: what the session room needs of its ports. */
export function quietPorts(clock: Pick<Ports, 'now'>): Pick<Ports, 'now' | 'random' | 'resolve' | 'log'> {
  const silent = () => undefined
  return {
    now: clock.now,
    random: plantingRandom,
    resolve: async () => [],
    log: { debug: silent, info: silent, warn: silent, error: silent },
  }
}

/** The real clock, which a test may put forward. */
export interface AheadClock extends FakeClock {
  nowS(): number
  /** How far ahead it is from now on. */
  setAhead(ms: number): void
}

export function aheadClock(): AheadClock {
  let aheadMs = 0
  const now = () => Date.now() + aheadMs
  return {
    now,
    nowS: () => Math.floor(now() / 1000),
    advance(ms) {
      aheadMs += ms
    },
    setAhead(ms) {
      aheadMs = ms
    },
  }
}
