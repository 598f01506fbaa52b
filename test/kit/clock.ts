import { existsSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { availableParallelism, loadavg } from 'node:os'
import { join } from 'node:path'
import type { Ports } from '../../src/base/ports.ts'
import { ask } from '../../src/console/network.ts'
import { plantingRandom } from './log/planted.ts'

/** A clock that moves when it is told to, in milliseconds since the epoch. */
export interface FakeClock {
  now(): number
  advance(ms: number): void
}

/** One that is also set, as an administrator or a wrong time server does: no time has passed by `tick`. */
export interface SettableClock extends FakeClock {
  tick(): number
  set(ms: number): void
}

export function fakeClock(startMs = Date.UTC(2026, 0, 1)): SettableClock {
  let nowMs = startMs
  let ticks = 0
  return {
    now: () => nowMs,
    tick: () => ticks,
    advance(ms) {
      nowMs += ms
      ticks += ms
    },
    set(ms) {
      nowMs += ms
    },
  }
}

/** Real randomness and a silent log around any clock: what the session room needs of its ports. */
export function quietPorts(
  clock: Pick<Ports, 'now' | 'tick'>,
): Pick<Ports, 'now' | 'tick' | 'random' | 'resolve' | 'log'> {
  const silent = () => undefined
  return {
    now: clock.now,
    ...(clock.tick === undefined ? {} : { tick: clock.tick }),
    random: plantingRandom,
    resolve: async () => [],
    log: { debug: silent, info: silent, warn: silent, error: silent },
  }
}

/**
 * How long it has patience that would wait so long on a quiet machine: on one on which five others want each core, what is waited for
 * takes five times as long. No longer than a test may take, since only who waits can say for what.
 */
export function patienceMs(quietMs: number): number {
  const busy = Math.max(1, (loadavg()[0] ?? 0) / availableParallelism())
  return Math.max(quietMs, Math.min(quietMs * busy, 240_000))
}

/** Asks as a gate does, but waits for as long as an answer takes: for a gate whose provider is held back by a test. */
export const patientAsk: Ports['ask'] = (address, init) =>
  ask(address, { ...init, signal: new AbortController().signal })

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

/** Debian's libfaketime, wherever its architecture has it. */
const LIBRARY = (existsSync('/usr/lib') ? readdirSync('/usr/lib') : [])
  .map(name => `/usr/lib/${name}/faketime/libfaketimeMT.so.1`)
  .find(path => existsSync(path))

/** A clock of a program, moved by what its file in this folder says: `+3h`. */
export function movedClock(folder: string) {
  const path = join(folder, 'clock')
  const set = (by: string) => {
    writeFileSync(path, `${by}\n`)
    utimesSync(path, new Date(), new Date())
  }
  set('+0')
  return {
    set,
    env: {
      LD_PRELOAD: LIBRARY ?? '',
      FAKETIME_TIMESTAMP_FILE: path,
      FAKETIME_NO_CACHE: '1',
      DONT_FAKE_MONOTONIC: '1',
      FAKETIME_DONT_RESET: '1',
    },
  }
}
