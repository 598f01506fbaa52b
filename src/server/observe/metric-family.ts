/** A metric and its series, before they are text. */

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
