import type { Field } from './field.ts'
import { cpuUs, peakRssMb } from './process.ts'
import { median } from './report.ts'
import type { FrontName, Subject, SubjectKey } from './subject.ts'
import { type Load, type LoadOptions, runWrk } from './wrk.ts'

/** One load on one subject, measured once a round. */
export interface Cell {
  readonly subject: Subject
  readonly front: FrontName
  readonly load: LoadOptions
}

/** The medians of a cell's rounds, and what each round was. */
export interface Measured {
  readonly key: SubjectKey
  readonly name: string
  readonly cpuUsPerRequest: number
  readonly cpuUsRounds: readonly number[]
  readonly requestsPerS: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly p99MsRounds: readonly number[]
  readonly peakRssMb: number
}

interface Sample {
  readonly load: Load
  readonly cpuUs: number
  readonly peakRssMb: number
}

const WARM_UPS = 2

/**
 * Every cell once a round, in turn: a slow minute of the machine is everybody's, and each round compares like with like.
 *
 * Before the first, each has two warm-ups of the same length as a round: what compiles while it runs has the one core in turns with what
 * answers. Null for one whose subject did not get through.
 */
export async function measureRounds(
  what: string,
  field: Field,
  cells: readonly Cell[],
  rounds: number,
): Promise<(Measured | null)[]> {
  const taken = cells.map((): Sample[] => [])
  for (let round = -WARM_UPS; round < rounds; round++) {
    console.error(`bench: ${what}: ${round < 0 ? 'warm-up' : `round ${round + 1} of ${rounds}`}`)
    for (const [at, { subject, front, load }] of cells.entries()) {
      const sample = await field.with(subject, async child => {
        const before = cpuUs(child)
        const done = await runWrk(subject.way(front), load)
        const taken = (cpuUs(child) - before) / done.requests
        // wrk takes a redirect for an answer like any other.
        await field.proveStill(subject, front, load.path ?? '/')
        return { load: done, cpuUs: taken, peakRssMb: peakRssMb(child) }
      })
      if (round >= 0 && sample !== null) taken[at]?.push(sample)
    }
  }
  return cells.map(({ subject: { key, name } }, at) => {
    const samples = taken[at] ?? []
    if (samples.length < rounds) return null
    const middle = (pick: (sample: Sample) => number): number => median(samples.map(pick))
    return {
      key,
      name,
      cpuUsPerRequest: middle(one => one.cpuUs),
      cpuUsRounds: samples.map(one => one.cpuUs),
      requestsPerS: middle(one => one.load.requestsPerS),
      p50Ms: middle(one => one.load.p50Ms),
      p99Ms: middle(one => one.load.p99Ms),
      p99MsRounds: samples.map(one => one.load.p99Ms),
      peakRssMb: Math.max(...samples.map(one => one.peakRssMb)),
    }
  })
}

/** Those that got through. */
export function whole(measured: readonly (Measured | null)[]): Measured[] {
  return measured.filter(one => one !== null)
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
