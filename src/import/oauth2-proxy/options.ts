import type { Stated } from './inputs/stated.ts'

/** The options of an oauth2-proxy, wherever they are stated, read as leniently as it reads them: `"true"` is true, `"a,b"` a list. */
export interface Options {
  readonly names: readonly string[]
  has(name: string): boolean
  /** The option's line; null where it is stated nowhere, or by an argument. */
  line(name: string): number | null
  /** The same for people: `line 3`, or `compose.yaml:3` where there are several files. */
  where(name: string): string
  /** The file that states it; null where there is only one, or none does. */
  file(name: string): string | null
  /** Null where it is missing or empty. */
  text(name: string): string | null
  list(name: string): readonly string[]
  flag(name: string): boolean | null
  /** Milliseconds of a duration such as `168h0m0s`; null where it is missing or no duration. */
  durationMs(name: string): number | null
  /** The same options, but for these. */
  with(own: readonly Stated[]): Options
}

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

/** Options by their names. `isSeveral` says whether they come from more than one file. */
export function readOptions(stated: ReadonlyMap<string, Stated>, isSeveral: boolean): Options {
  const first = (name: string) => stated.get(name)?.values[0] ?? ''
  const line = (name: string) => stated.get(name)?.line ?? null
  const file = (name: string) => (isSeveral ? (stated.get(name)?.file ?? null) : null)
  return {
    names: [...stated.keys()],
    has: name => stated.has(name),
    line,
    file,
    where: name => (file(name) === null ? `line ${line(name)}` : `${file(name)}:${line(name)}`),
    text: name => first(name).trim() || null,
    list: name => {
      const { values = [], isList = false } = stated.get(name) ?? {}
      const parts = isList ? values : values.flatMap(item => item.split(','))
      // A space is part of its entry: what is taken off could make an entry hold that did not.
      return parts.filter(part => part.trim() !== '')
    },
    flag: name => {
      const word = first(name).toLowerCase()
      if (['true', 't', '1'].includes(word)) return true
      return ['false', 'f', '0'].includes(word) ? false : null
    },
    durationMs: name => {
      const word = first(name)
      if (word === '0') return 0
      if (!/^(?:\d+(?:\.\d+)?(?:ms|[smh]))+$/.test(word)) return null
      const parts = [...word.matchAll(/(\d+(?:\.\d+)?)(ms|[smh])/g)]
      return parts.reduce((sum, [, count, unit = '']) => sum + Number(count) * (UNITS_MS[unit] ?? 0), 0)
    },
    with: own => readOptions(new Map([...stated, ...own.map(one => [one.name, one] as const)]), isSeveral),
  }
}
