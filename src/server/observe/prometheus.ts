/** Metrics as text for Prometheus and OpenMetrics: written, read from other workers, and added up. */

import type { Family } from './metric-family.ts'

/** A text format for metrics, and how a program asks for it. */
interface Format {
  readonly contentType: string
  render(families: readonly Family[]): string
}

/** The Prometheus text format 0.0.4, the default. */
const PLAIN: Format = { contentType: 'text/plain; version=0.0.4; charset=utf-8', render: renderFamilies }

const OPEN_METRICS: Format = {
  contentType: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
  render: renderOpenMetrics,
}

/** The format that an Accept field asks for (RFC 9110 §12.5.1): OpenMetrics where it is named, and not less wanted than plain text. */
export function formatFor(accept: string | null): Format {
  const wanted = qualityOf(accept ?? '', 'application/openmetrics-text')
  return wanted > 0 && wanted >= qualityOf(accept ?? '', 'text/plain') ? OPEN_METRICS : PLAIN
}

/** The highest quality that an Accept field gives a type by its name; 0 where it does not name it. */
function qualityOf(accept: string, type: string): number {
  let highest = 0
  for (const range of accept.toLowerCase().split(',')) {
    const [name, ...parameters] = range.split(';').map(part => part.trim())
    if (name !== type) continue
    const stated = parameters.find(parameter => parameter.startsWith('q='))
    const quality = stated === undefined ? 1 : Number(stated.slice(2))
    if (quality > highest) highest = quality
  }
  return highest
}

/** The families in the Prometheus text exposition format 0.0.4. */
export function renderFamilies(families: readonly Family[]): string {
  return families.map(({ name, help, kind, series }) => head(name, kind, '', help) + lines(series)).join('')
}

/**
 * The families in OpenMetrics 1.0: a counter's name is without its `_total`, which its series keep, and a name that ends in a unit says so.
 *
 * Source: OpenMetrics 1.0 §4.2 (names and units), §4.1 (`# EOF`).
 */
export function renderOpenMetrics(families: readonly Family[]): string {
  const texts = families.map(({ name, help, kind, series }) => {
    const family = kind === 'counter' ? name.replace(/_total$/, '') : name
    const unit = /_(seconds|bytes)$/.exec(family)?.[1]
    return head(family, kind, unit === undefined ? '' : `# UNIT ${family} ${unit}\n`, help) + lines(series)
  })
  return `${texts.join('')}# EOF\n`
}

function head(name: string, kind: string, unit: string, help: string): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n${unit}`
}

function lines(series: Family['series']): string {
  let text = ''
  for (const [key, value] of series) text += `${key} ${value}\n`
  return text
}

/**
 * The families of a text in the Prometheus exposition format 0.0.4, in order. Series belong to the family announced
 * before them, like the parts of a histogram. Other lines (comments, values that are not numbers) are skipped.
 */
export function parseMetrics(text: string): readonly Family[] {
  const families: { name: string; help: string; kind: string; series: Map<string, number> }[] = []
  const helps = new Map<string, string>()
  for (const line of text.split('\n')) {
    const comment = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line)
    if (comment !== null) {
      const [, what, name = '', rest = ''] = comment
      if (what === 'HELP') helps.set(name, rest)
      else families.push({ name, help: helps.get(name) ?? '', kind: rest, series: new Map() })
      continue
    }
    const end = line.lastIndexOf(' ')
    const value = Number(line.slice(end + 1))
    if (end > 0 && !line.startsWith('#') && Number.isFinite(value))
      families.at(-1)?.series.set(line.slice(0, end), value)
  }
  return families
}

/**
 * The families of several processes as those of one: each series is the sum of its values. Of gauges that say what or when
 * (`_info`, `_timestamp_seconds`, `_time_seconds`), and of what all of them share, it is the largest: a sum would mean nothing.
 */
export function sumMetrics(processes: readonly (readonly Family[])[]): readonly Family[] {
  const sums = new Map<string, { readonly family: Family; readonly series: Map<string, number> }>()
  for (const family of processes.flat()) {
    const sum = sums.get(family.name) ?? { family, series: new Map<string, number>() }
    sums.set(family.name, sum)
    const isLargest = SAME_FOR_ALL.has(family.name) || /_(info|timestamp_seconds|time_seconds)$/.test(family.name)
    for (const [series, value] of family.series) {
      const before = sum.series.get(series)
      if (before === undefined) sum.series.set(series, value)
      else sum.series.set(series, isLargest ? Math.max(before, value) : before + value)
    }
  }
  return [...sums.values()].map(({ family, series }) => ({ ...family, series }))
}

/**
 * Families that every process reports of one shared thing; and descriptors, of which each process has its own number
 * and limit.
 */
const SAME_FOR_ALL: ReadonlySet<string> = new Set([
  'sallyport_sessions',
  'sallyport_clock_ahead_seconds',
  'sallyport_gates',
  'sallyport_gates_other_file',
  'process_open_fds',
  'process_max_fds',
])

/** What outlives a process that is gone: counts go on, gauges went with it. */
export function keepCounts(families: readonly Family[]): readonly Family[] {
  return families.filter(({ kind }) => kind === 'counter' || kind === 'histogram' || kind === 'summary')
}
