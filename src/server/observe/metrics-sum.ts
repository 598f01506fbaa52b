import type { Family } from './family.ts'

/**
 * The families of a text in the Prometheus exposition format 0.0.4, in order. Series belong to the family announced before them,
 * as the parts of a histogram do. Lines that are none of ours (other comments, values that are no number) are left out.
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

/** What each process tells of something that is there once; and of descriptors, of which each process has its own number and limit. */
const SAME_FOR_ALL: ReadonlySet<string> = new Set([
  'sallyport_sessions',
  'sallyport_clock_ahead_seconds',
  'process_open_fds',
  'process_max_fds',
])

/** What outlives a process that is gone: counts go on, gauges went with it. */
export function keepCounts(families: readonly Family[]): readonly Family[] {
  return families.filter(({ kind }) => kind === 'counter' || kind === 'histogram' || kind === 'summary')
}
