import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { openSessions } from '../../../src/session/open.ts'
import { createSealer } from '../../../src/session/seal.ts'
import { openSqliteStore } from '../../../src/session/sqlite/store.ts'
import { quietPorts } from '../../kit/clock.ts'
import { ANY_PROVIDER } from '../../kit/sessions/lifetimes.ts'
import { cookieOf, fillSessions } from '../../kit/sessions/many-sessions.ts'
import { type Findings, median, target } from '../report.ts'
import type { Gate } from '../sallyport.ts'
import type { Stand } from '../stand.ts'
import type { Effort } from './part.ts'

const HOST = 'app.private.localhost'
const FEW = 1_000
const LOOK_UPS = 20_000
const STARTS = 5
const OVER = 2_000

interface Row {
  readonly count: number
  /** Looking a session up that is not in memory: the first median and the last hundredth. */
  readonly missP50Us: number
  readonly missP99Us: number
  readonly listMs: number
  readonly startMs: number
  /** The longest that a clean-up of OVER sessions kept everything else from its turn. */
  readonly heldUpMs: number
}

/** What a thousand stored sessions cost, and a million: look-ups past the memory, a page of a list, a clean-up, the start. */
export async function sessions(stand: Stand, { most }: Effort): Promise<Findings> {
  const crowds: { count: number; path: string; gate: Gate }[] = []
  for (const count of [FEW, most]) {
    console.error(`bench: ${count} sessions are stored`)
    const path = join(stand.folder, `sessions-${count}.db`)
    fillSessions(path, { count, host: HOST, nowMs: Date.now() })
    crowds.push({ count, path, gate: await stand.anotherGate(`sessions-${count}`, { store: path }) })
  }
  const starts = crowds.map((): number[] => [])
  for (let round = -1; round < STARTS; round++) {
    for (const [at, { gate }] of crowds.entries()) {
      const took = await start(gate)
      if (round >= 0) starts[at]?.push(took)
    }
  }
  const rows: Row[] = []
  for (const [at, { count, path }] of crowds.entries()) {
    rows.push({ count, startMs: median(starts[at] ?? []), ...(await look(path, count)) })
  }
  return {
    tables: [
      [
        ['stored sessions', 'look-up p50 µs', 'p99 µs', 'list of 500 ms', 'start ms', 'held up by clean-up ms'],
        ...rows.map(row => [
          String(row.count),
          row.missP50Us.toFixed(1),
          row.missP99Us.toFixed(1),
          row.listMs.toFixed(1),
          row.startMs.toFixed(0),
          row.heldUpMs.toFixed(1),
        ]),
      ],
    ],
    targets: rows.map(row => target(`start with ${row.count} stored sessions`, row.startMs, 100, 'ms')),
    figures: rows,
  }
}

async function start(gate: Gate): Promise<number> {
  const began = performance.now()
  const child = gate.start()
  const served = await gate.untilServed()
  await child.stop()
  return served - began
}

async function look(path: string, count: number): Promise<Omit<Row, 'count' | 'startMs'>> {
  const ports = quietPorts({ now: Date.now })
  const store = openSqliteStore(path, ports)
  const open = openSessions({
    store,
    sealer: createSealer(new Uint8Array(32), ports),
    limits: { lifetimeMs: 12 * 3_600_000, idleMs: 12 * 3_600_000, cacheBytes: 5_000, providerTrust: ANY_PROVIDER },
    ports,
  })
  try {
    const times: number[] = []
    for (let index = 0; index < LOOK_UPS; index++) {
      const cookie = cookieOf(Math.floor(Math.random() * count))
      const before = performance.now()
      if ((await open.find(cookie, HOST)) === null) throw new Error(`a session of ${count} is not found`)
      times.push((performance.now() - before) * 1000)
    }
    times.sort((one, other) => one - other)
    const listed = performance.now()
    await open.list('home', { after: null, limit: 500 })
    const listMs = performance.now() - listed
    const { sessions: oldest } = await store.list('home', { after: null, limit: 1 })
    const newestMs = oldest[0]?.createdAtMs ?? 0
    return {
      missP50Us: times[LOOK_UPS / 2] ?? Number.NaN,
      missP99Us: times[(LOOK_UPS * 99) / 100] ?? Number.NaN,
      listMs,
      // They were used a millisecond after each other.
      heldUpMs: await holdUp(async () => {
        await store.purge(newestMs - count + Math.min(OVER, count / 2), 0)
      }),
    }
  } finally {
    await open.close()
  }
}

/** The longest time between two turns of the event loop while something is done. */
async function holdUp(work: () => Promise<void>): Promise<number> {
  let isDone = false
  const done = work().then(() => {
    isDone = true
  })
  let longestMs = 0
  for (let before = performance.now(); !isDone; ) {
    await turn()
    const now = performance.now()
    longestMs = Math.max(longestMs, now - before)
    before = now
  }
  await done
  return longestMs
}
