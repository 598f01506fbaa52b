import { cpus, loadavg } from 'node:os'
import type { Failure } from './field.ts'

/** A figure with what it ought to be at most. */
export interface Target {
  readonly name: string
  readonly value: number
  readonly unit: string
  readonly atMost: number
  readonly isMet: boolean
}

/** The first row is the head. */
export type Grid = readonly (readonly string[])[]

/** What one part of the benchmark found out: tables for people, targets, and every figure for JSON. */
export interface Findings {
  readonly tables: readonly Grid[]
  readonly targets: readonly Target[]
  readonly figures: object
  /** Subjects of the part's own that did not get through. */
  readonly failures?: readonly Failure[]
}

export function machine(): { readonly cpu: string; readonly cores: number; readonly bun: string } {
  return { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, bun: Bun.version }
}

/** How much else the machine does, as three averages (proc_loadavg(5)). */
export function loadNow(): string {
  return loadavg()
    .map(one => one.toFixed(1))
    .join(' ')
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

/** A table as text: the first column to the left, the others to the right, as far apart as their widest cell asks for. */
export function align(table: Grid): string {
  const widths = (table[0] ?? []).map((_, column) => Math.max(...table.map(row => row[column]?.length ?? 0)))
  return table
    .map(row =>
      row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join('  '),
    )
    .join('\n')
}
