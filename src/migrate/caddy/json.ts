/** Reads values of Caddy's JSON. */

/** An object of Caddy's JSON. */
export type Table = Readonly<Record<string, unknown>>

export function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** An object; an empty one for anything else. */
export function tableOf(value: unknown): Table {
  return isTable(value) ? value : {}
}

/** What one key of an object says; undefined where it is not its own. */
export function valueAt(value: unknown, ...keys: readonly string[]): unknown {
  return keys.reduce<unknown>((at, key) => (isTable(at) && Object.hasOwn(at, key) ? at[key] : undefined), value)
}

/** A list; an empty one for anything else. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

export function tablesOf(value: unknown): readonly Table[] {
  return listOf(value).filter(isTable)
}

export function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

export function textsOf(value: unknown): readonly string[] {
  return listOf(value).filter(one => typeof one === 'string')
}

/** What a list of nothing but text has, each once; null for any other. */
export function onlyTexts(value: unknown): readonly string[] | null {
  const texts = textsOf(value)
  return Array.isArray(value) && texts.length === value.length ? [...new Set(texts)] : null
}

/** The first key that is not among those that are known; null where all are. */
export function unknownKey(table: Table, known: readonly string[]): string | null {
  return Object.keys(table).find(key => !known.includes(key)) ?? null
}

/** The words of a rule: parted by blanks, and what is in "quotes" is one, in which a backslash is before a quote. */
export function wordsOf(text: string): readonly string[] {
  return [...text.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, quoted, plain = '']) =>
    quoted === undefined ? plain : quoted.replace(/\\(["\\])/g, '$1'),
  )
}
