import { Tally } from '../../base/byte-counts.ts'

/** A metric and its series, before they are text: counters, gauges, and histograms of durations. */

/** One metric: its kind, and the value of each of its series. */
export interface Family {
  /** As its series are called: a counter's ends in `_total`. */
  readonly name: string
  readonly help: string
  /** `counter`, `gauge`, `histogram`; other types of another program's text are kept. */
  readonly kind: string
  /** `name{labels}` as written → value, in the order of appearance. */
  readonly series: ReadonlyMap<string, number>
}

export interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** A counter or a gauge: one number, or several with different labels. */
export function simpleFamily(
  kind: 'counter' | 'gauge',
  name: string,
  help: string,
  read: number | Iterable<Sample>,
): Family {
  const samples = typeof read === 'number' ? [{ labels: {}, value: read }] : read
  const series = new Map<string, number>()
  // NaN is not written: a reader could not interpret it.
  for (const { labels, value } of samples) if (Number.isFinite(value)) series.set(seriesName(name, labels), value)
  return { name, help, kind, series }
}

/** A series as both text formats write it. */
export function seriesName(name: string, labels: Readonly<Record<string, string>>): string {
  let pairs = ''
  for (const label in labels) {
    pairs += `${pairs === '' ? '' : ','}${label}="${escaped(labels[label] ?? '')}"`
  }
  return pairs === '' ? name : `${name}{${pairs}}`
}

function escaped(value: string): string {
  return /[\\"\n]/.test(value) ? value.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n') : value
}

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
