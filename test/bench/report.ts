import { cpus } from 'node:os'
import type { Transfer } from './transfers.ts'

/** The medians of one subject's rounds. */
export interface Row {
  readonly name: string
  readonly cpuUsPerRequest: number
  readonly cpuUsRounds: readonly number[]
  readonly requestsPerS: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly peakRssMb: number
}

/** A figure with what it ought to be at most. */
export interface Target {
  readonly name: string
  readonly value: number
  readonly unit: string
  readonly atMost: number
  readonly isMet: boolean
}

export interface Results {
  readonly machine: { readonly cpu: string; readonly cores: number; readonly bun: string }
  readonly rows: readonly Row[]
  readonly transfers: readonly Transfer[]
  readonly startMs: readonly number[]
  readonly targets: readonly Target[]
}

export function machine(): Results['machine'] {
  return { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, bun: Bun.version }
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const high = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? high) + high) / 2
}

export function target(name: string, value: number, atMost: number, unit: string): Target {
  return { name, value, unit, atMost, isMet: value <= atMost }
}

/** The results as aligned plain text. */
export function render(results: Results): string {
  const { cpu, cores, bun } = results.machine
  const rows = results.rows.map(row => [
    row.name,
    row.cpuUsPerRequest.toFixed(1),
    `${Math.min(...row.cpuUsRounds).toFixed(1)}-${Math.max(...row.cpuUsRounds).toFixed(1)}`,
    row.requestsPerS.toFixed(0),
    row.p50Ms.toFixed(2),
    row.p99Ms.toFixed(2),
    row.peakRssMb.toFixed(0),
  ])
  const transfers = results.transfers.map(one => [
    one.name,
    one.cpuMs.toFixed(0),
    one.seconds.toFixed(2),
    one.peakRssMb.toFixed(0),
  ])
  const targets = results.targets.map(one => [
    one.name,
    `${one.value.toFixed(2)} ${one.unit}`.trim(),
    `${one.atMost} ${one.unit}`.trim(),
    one.isMet ? 'met' : 'MISSED',
  ])
  return [
    `${cpu}, ${cores} cores, the proxy alone on one; Bun ${bun}`,
    align([['small GET', 'CPU µs/request', 'rounds', 'requests/s', 'p50 ms', 'p99 ms', 'peak RSS MB'], ...rows]),
    align([['100 MB through Sallyport, signed in', 'CPU ms', 'seconds', 'peak RSS MB'], ...transfers]),
    align([['target', 'measured', 'at most', ''], ...targets]),
  ].join('\n\n')
}

/** The first column to the left, the others to the right, as far apart as their widest cell asks for. */
function align(table: readonly (readonly string[])[]): string {
  const widths = (table[0] ?? []).map((_, column) => Math.max(...table.map(row => row[column]?.length ?? 0)))
  return table
    .map(row =>
      row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join('  '),
    )
    .join('\n')
}
