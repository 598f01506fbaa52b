import { formatToml } from '../config/keys/table.ts'
import type { Json } from '../config/text/raw.ts'

/** One `key = value` of the new file; null is left out. */
export interface Entry {
  readonly key: string
  readonly value: Json
  /** Where it comes from, or why it is so. */
  readonly comment?: string
}

/** A table of the new file. */
export interface Section {
  /** `[server]`, `[[routes]]`. */
  readonly title: string
  /** Said above it. */
  readonly about?: string
  readonly entries: readonly Entry[]
  /** Said below its entries: keys that may be wanted. */
  readonly also?: readonly string[]
}

/** A rule of `deny` for everyone, by any address: whoever decides about a closed route takes it out. */
export const EVERYONE: Json = { networks: ['0.0.0.0/0', '::/0'] }

/** What an importer makes of a file. */
export interface Draft {
  readonly sections: readonly Section[]
}

/** Where comments begin, unless the line is longer. */
const COMMENT_COLUMN = 40

/** The text of a routes.toml. `about` is said at its top. */
export function writeToml(sections: readonly Section[], about: readonly string[]): string {
  const blocks = [about.map(comment), ...sections.map(block)]
  return `${blocks.map(lines => lines.join('\n')).join('\n\n')}\n`
}

function block({ title, about, entries, also }: Section): readonly string[] {
  const shown = entries.filter(({ value }) => value !== null)
  return [
    ...(about === undefined ? [] : [comment(about)]),
    title,
    ...shown.map(({ key, value, comment: said }) => {
      const line = `${key} = ${formatToml(value)}`
      return said === undefined ? line : `${line.padEnd(COMMENT_COLUMN - 1)} ${comment(said)}`
    }),
    ...(also ?? []).map(comment),
  ]
}

function comment(text: string): string {
  return text === '' ? '#' : `# ${text}`
}
