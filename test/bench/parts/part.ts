import type { Field } from '../field.ts'
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

/** One part of the benchmark. A subject that fails leaves the field; throws when the part itself cannot go on. */
export type Part = (stand: Stand, effort: Effort, field: Field) => Promise<Findings>
