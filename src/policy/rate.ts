/** Rates of the file as rate-limit buckets. */

import type { Pace } from '../base/token-bucket.ts'
import type { RateConfig } from '../config/keys/limits.ts'

/** A rate-limit bucket, ready to be asked. */
export interface Rate extends Pace {
  /** The name of the rate: each name is counted separately. */
  readonly name: string
  readonly by: RateConfig['by']
}

/** The Rate of a table of the file, under this name. */
export function compileRate(config: RateConfig | null, name: string): Rate | null {
  if (config === null) return null
  const { requests, perMs, burst, by } = config
  return Object.freeze({ name, by, intervalMs: perMs / requests, burst })
}
