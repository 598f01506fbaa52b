/** Histograms of durations. */

import { Tally } from '../../base/byte-counts.ts'
import { type Family, seriesName } from './metric-family.ts'

/** Upper bounds in seconds, as Prometheus writes them (`le`): from an answer out of memory to a long poll. */
const BOUNDS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const

/** The same as text; OpenMetrics asks for a point in each, and a series must not change its name with the format. */
const BOUND_TEXTS: readonly string[] = [...BOUNDS_S.map(bound => (bound % 1 === 0 ? `${bound}.0` : `${bound}`)), '+Inf']

/** How long things took, in buckets. To observe costs some 10 ns, and makes nothing. */
export class Histogram {
  /** How many were within a bound and beyond the one before it; the last is beyond all. */
  readonly #counts = new Float64Array(BOUNDS_S.length + 1)
  readonly #sumMs = new Tally()

  /** A clock that goes back, or a timer that is early, is no time at all. Throws a TypeError for what is no number. */
  observe(tookMs: number): void {
    const ms = Math.max(0, tookMs)
    this.#sumMs.add(ms)
    const seconds = ms / 1000
    let at = 0
    while (at < BOUNDS_S.length && seconds > (BOUNDS_S[at] ?? 0)) at++
    this.#counts[at] = (this.#counts[at] ?? 0) + 1
  }

  /** Its series, in the order of the exposition formats. */
  *series(name: string, labels: Readonly<Record<string, string>>): Iterable<readonly [string, number]> {
    let count = 0
    for (const [at, le] of BOUND_TEXTS.entries()) {
      count += this.#counts[at] ?? 0
      yield [seriesName(`${name}_bucket`, { ...labels, le }), count]
    }
    yield [seriesName(`${name}_sum`, labels), this.#sumMs.sum / 1000]
    yield [seriesName(`${name}_count`, labels), count]
  }
}

/** One histogram, or several with different labels. */
export function histogramFamily(
  name: string,
  help: string,
  members: Iterable<readonly [Readonly<Record<string, string>>, Histogram]>,
): Family {
  const series = new Map<string, number>()
  for (const [labels, one] of members) for (const [key, value] of one.series(name, labels)) series.set(key, value)
  return { name, help, kind: 'histogram', series }
}
