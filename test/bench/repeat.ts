import { type Findings, type Grid, median, type Target } from './report.ts'

/** Runs that are compared with each other, and how far apart a ratio of them may be: its largest less its smallest, over its median. */
const COMPARED = 3
const MOST_SPREAD = 0.15

/** Runs beyond those that were asked for, while a ratio is further apart. */
const MOST_MORE = 3

/** A target over all runs of its part, in their order. */
export interface Judged extends Target {
  readonly runs: readonly number[]
  /** A ratio that differs so much from run to run that it says nothing: it is not met, whatever its median is. */
  readonly isWide: boolean
}

/**
 * Does one part of the benchmark `asked` times, and again while a ratio of its last three runs is further apart than 15 %.
 *
 * Where nobody asks (null), three times; and a part without ratios once, since nothing in it is compared.
 */
export async function repeat(
  act: (run: number) => Promise<Findings>,
  asked: number | null,
): Promise<readonly Findings[]> {
  const all = [await act(1)]
  const runs = asked ?? (all[0]?.targets.some(isRatio) ? COMPARED : 1)
  while (all.length < runs || (all.length < runs + MOST_MORE && judge(all).some(({ isWide }) => isWide))) {
    all.push(await act(all.length + 1))
  }
  return all
}

/** The targets of all runs: each is judged by the median of its last three. */
export function judge(all: readonly Findings[]): readonly Judged[] {
  const found = all.flatMap(({ targets }) => targets)
  return [...new Map(found.map(one => [one.name, one])).values()].map(one => {
    const runs = found.filter(({ name }) => name === one.name).map(({ value }) => value)
    const last = runs.slice(-COMPARED)
    const value = median(last)
    const isWide =
      isRatio(one) && last.length === COMPARED && (Math.max(...last) - Math.min(...last)) / value > MOST_SPREAD
    return { ...one, value, runs, isWide, isMet: !isWide && value <= one.atMost }
  })
}

/** The targets as a table, with every run. */
export function judgedTable(targets: readonly Judged[]): Grid {
  return [
    ['target', 'measured', 'at most', '', 'runs'],
    ...targets.map(one => [
      one.name,
      `${one.value.toFixed(2)} ${one.unit}`.trim(),
      `${one.atMost} ${one.unit}`.trim(),
      one.isWide ? 'TOO WIDE' : one.isMet ? 'met' : 'MISSED',
      one.runs.map(value => value.toFixed(2)).join(' '),
    ]),
  ]
}

function isRatio({ unit }: Target): boolean {
  return unit === '×'
}
