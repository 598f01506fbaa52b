import { createLocator } from '../../config/text/locate.ts'
import { itemsOf, type Raw, type RawTable } from '../../config/text/raw.ts'

/** The options of an oauth2-proxy.cfg, read as leniently as it reads them: `"true"` is true, `"a,b"` a list. */
export interface Options {
  readonly names: readonly string[]
  has(name: string): boolean
  /** The option's line; null where it is not in the file. */
  line(name: string): number | null
  /** Null where it is missing or empty. */
  text(name: string): string | null
  list(name: string): readonly string[]
  flag(name: string): boolean | null
  /** Milliseconds of a duration such as `168h0m0s`; null where it is missing or no duration. */
  durationMs(name: string): number | null
}

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

/** The options of a file that is TOML. */
export function readOptions(tree: RawTable, text: string): Options {
  const locator = createLocator(text)
  const get = (name: string) => tree.entries.get(name)
  const first = (name: string) => itemsOf(get(name)).map(plain)[0] ?? ''
  return {
    names: [...tree.entries.keys()],
    has: name => tree.entries.has(name),
    line: name => (tree.entries.has(name) ? locator.find([name], 'key').line : null),
    text: name => first(name).trim() || null,
    list: name => {
      const raw = get(name)
      const items = itemsOf(raw).map(plain)
      const parts = raw?.kind === 'list' ? items : items.flatMap(item => item.split(','))
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
  }
}

function plain(raw: Raw): string {
  switch (raw.kind) {
    case 'text':
      return raw.source
    case 'integer':
    case 'float':
    case 'boolean':
      return String(raw.value)
    default:
      return ''
  }
}
