import type { Findings } from '../report.ts'
import type { Stand } from '../stand.ts'

/** How much is measured. */
export interface Effort {
  readonly rounds: number
  /** The length of one load, in whole seconds (wrk knows no others). */
  readonly seconds: number
  /** Connections of the small GET, each a table of its own. */
  readonly connections: readonly number[]
  /** Stored sessions, beside a thousand. */
  readonly most: number
}

/** One part of the benchmark. Throws when a request failed. */
export type Part = (stand: Stand, effort: Effort) => Promise<Findings>
