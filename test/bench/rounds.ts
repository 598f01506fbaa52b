import { type Child, cpuUs, peakRssMb } from './process.ts'
import { median } from './report.ts'
import type { Way } from './subject.ts'
import { type Load, type LoadOptions, runWrk } from './wrk.ts'

/** One load on one subject, measured once a round. */
export interface Cell {
  readonly name: string
  readonly child: Child
  readonly way: Way
  readonly load: LoadOptions
}

/** The medians of a cell's rounds, and what each round was. */
export interface Measured {
  readonly name: string
  readonly cpuUsPerRequest: number
  readonly cpuUsRounds: readonly number[]
  readonly requestsPerS: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly p99MsRounds: readonly number[]
  readonly peakRssMb: number
}

/**
 * Every cell once a round, in turn: a slow minute of the machine is everybody's, and each round compares like with like.
 *
 * Before the first, each has a warm-up of the same length as a round.
 */
export async function measureRounds(what: string, cells: readonly Cell[], rounds: number): Promise<Measured[]> {
  const taken = cells.map((): { load: Load; cpuUs: number }[] => [])
  for (let round = -1; round < rounds; round++) {
    console.error(`bench: ${what}: ${round === -1 ? 'warm-up' : `round ${round + 1} of ${rounds}`}`)
    for (const [at, { name, child, way, load }] of cells.entries()) {
      const before = cpuUs(child.pid)
      const done = await runWrk(way, load).catch((error: unknown) => {
        throw new Error(`${what}, ${name}`, { cause: error })
      })
      if (round >= 0) taken[at]?.push({ load: done, cpuUs: (cpuUs(child.pid) - before) / done.requests })
    }
  }
  return cells.map(({ name, child }, at) => {
    const samples = taken[at] ?? []
    const middle = (pick: (sample: { load: Load; cpuUs: number }) => number): number => median(samples.map(pick))
    return {
      name,
      cpuUsPerRequest: middle(one => one.cpuUs),
      cpuUsRounds: samples.map(one => one.cpuUs),
      requestsPerS: middle(one => one.load.requestsPerS),
      p50Ms: middle(one => one.load.p50Ms),
      p99Ms: middle(one => one.load.p99Ms),
      p99MsRounds: samples.map(one => one.load.p99Ms),
      peakRssMb: peakRssMb(child.pid),
    }
  })
}

/** The median of the ratios, round by round: what else the machine did in a round, it did to both. */
export function ratioOf(one: readonly number[], other: readonly number[]): number {
  return median(one.map((value, round) => value / (other[round] ?? Number.NaN)))
}

export const LOAD_COLUMNS = ['CPU µs/request', 'rounds', 'requests/s', 'p50 ms', 'p99 ms', 'peak RSS MB']

/** What LOAD_COLUMNS head. */
export function loadCells(row: Measured): string[] {
  return [
    row.cpuUsPerRequest.toFixed(1),
    `${Math.min(...row.cpuUsRounds).toFixed(1)}-${Math.max(...row.cpuUsRounds).toFixed(1)}`,
    row.requestsPerS.toFixed(0),
    row.p50Ms.toFixed(2),
    row.p99Ms.toFixed(2),
    row.peakRssMb.toFixed(0),
  ]
}
