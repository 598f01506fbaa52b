import { isDefault } from './defaults.ts'
import type { Stated } from './inputs/stated.ts'
import { durationMsOf, flagOf, listOf } from './values.ts'

/**
 * The options of an oauth2-proxy, wherever they are stated, read as leniently as it reads them: `"true"` is true, `"a,b"` a list. One that
 * says what holds without it says nothing.
 */
export interface Options {
  readonly names: readonly string[]
  /** Whether it is stated, and says what does not hold anyway. */
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

/** Options by their names. `isSeveral` says whether they come from more than one file. */
export function readOptions(stated: ReadonlyMap<string, Stated>, isSeveral: boolean): Options {
  const said = new Map([...stated].filter(([, one]) => !isDefault(one)))
  const first = (name: string) => said.get(name)?.values[0] ?? ''
  const line = (name: string) => stated.get(name)?.line ?? null
  const file = (name: string) => (isSeveral ? (stated.get(name)?.file ?? null) : null)
  return {
    names: [...stated.keys()],
    has: name => said.has(name),
    line,
    file,
    where: name => (file(name) === null ? `line ${line(name)}` : `${file(name)}:${line(name)}`),
    text: name => first(name).trim() || null,
    list: name => {
      const one = said.get(name)
      return one === undefined ? [] : listOf(one)
    },
    flag: name => flagOf(first(name)),
    durationMs: name => durationMsOf(first(name)),
    with: own => readOptions(new Map([...stated, ...own.map(one => [one.name, one] as const)]), isSeveral),
  }
}
