import { freezeDeep } from '../../base/freeze.ts'
import { formatPath, type Json, type Path, parseRaw, quote, type Raw, type RawTable } from '../text/raw.ts'
import type { Report } from '../text/report.ts'
import { suggest } from '../text/suggest.ts'
import { type Type, wrongKind } from '../values/value.ts'

/** One key of a table: everything that the checker, the reference and the schema say about it. */
export interface Key<T> {
  readonly type: Type<T>
  readonly isRequired: boolean
  /** As in the file; undefined where there is none. */
  readonly fallback: Json | undefined
  /** The default in words, where it is computed from something else. */
  readonly fallbackNote: string
  readonly doc: string
  readonly example: Json
  /** The value of a key that is not in the table at `at`. */
  readonly absent: (at: Path, name: string, report: Report) => T | undefined
}

/** A key that must be there. */
export function required<T>(type: Type<T>, example: Json, doc: string): Key<T> {
  const absent = () => undefined
  return { type, isRequired: true, fallback: undefined, fallbackNote: '', doc, example, absent }
}

/** A key that may be left out and is then null; `fallbackNote` says what that means. */
export function optional<T>(type: Type<T>, example: Json, fallbackNote: string, doc: string): Key<T | null> {
  return { type, isRequired: false, fallback: undefined, fallbackNote, doc, example, absent: () => null }
}

/** A key with a default, given as it would be written in the file and checked the same way. */
export function defaulted<T>(type: Type<T>, fallback: Json, example: Json, doc: string): Key<T> {
  let known: { readonly value: T } | null = null
  const absent = (at: Path, name: string, report: Report) => {
    // Ten thousand routes leave out thirty keys each.
    if (known !== null) return known.value
    const raw = parseRaw(fallback, [...at, name])
    const value = raw.ok ? type.read(raw.value, report) : undefined
    // A table records its place, so each place gets a separate one.
    if (value !== undefined && !isObject(fallback) && !hasPlace(value)) known = { value: freezeDeep(value) }
    return value
  }
  return { type, isRequired: false, fallback, fallbackNote: '', doc, example, absent }
}

function hasPlace(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'at' in value
}

export type Keys = Readonly<Record<string, Key<unknown>>>

/** The values of a table; undefined where a mistake was reported. */
export type Values<K extends Keys> = { readonly [N in keyof K]: K[N] extends Key<infer T> ? T | undefined : never }

/** A table that was read: its values, and where they were. */
export interface Table<K extends Keys> {
  readonly at: Path
  readonly raw: RawTable
  readonly values: Values<K>
}

/** Where a key lives that people look for in the wrong table: name → `[server]`. */
export type Homes = ReadonlyMap<string, string>

export interface TableOptions {
  /** As in the file: `[server]`, `[[routes]]`. */
  readonly title: string
  /** What a value means that is no table, as one. */
  readonly meant?: (raw: Raw) => string | null
  /** Keys with a message of their own instead of "unknown key". */
  readonly refused?: ReadonlyMap<string, { readonly message: string; readonly hint: string }>
  /** What other programs call keys of this table: their word, in lower case and without signs between → ours. */
  readonly synonyms?: ReadonlyMap<string, string>
  /** Where keys of other tables belong. */
  readonly homes?: () => Homes
}

/** A table with these keys and no others. */
export function table<K extends Keys>(keys: K, options: TableOptions): Type<Table<K>> {
  const names = Object.keys(keys)
  const all = Object.entries(keys)
  return {
    label: TABLE,
    expected: 'a table',
    ...(options.meant === undefined ? {} : { meant: options.meant }),
    get schema() {
      return tableSchema(keys)
    },
    read(raw, report) {
      if (raw.kind !== 'table') {
        const write = options.meant?.(raw) ?? null
        const hint = write === null ? '' : `write ${write}`
        return wrongKind(raw, `a table, ${titleAt(options.title, raw.at)}`, report, hint)
      }
      const { meant, raw: whole } = readUnknown(raw, names, options, report)
      const values: Record<string, unknown> = {}
      for (const [name, key] of all) {
        const entry = whole.entries.get(name)
        if (entry !== undefined) values[name] = readEntry(key, entry, report)
        else {
          values[name] = key.absent(raw.at, name, report)
          if (key.isRequired && !meant.has(name)) reportMissing(name, key, raw, options, report)
        }
      }
      return { at: raw.at, raw: whole, values: values as Values<K> }
    },
  }
}

const TABLE = 'table'

/** A value where a table belongs is shown one. */
function readEntry({ type, example }: Key<unknown>, entry: Raw, report: Report): unknown {
  const isShown = type.label === TABLE && entry.kind !== 'table' && isObject(example) && Object.keys(example).length > 0
  if (!isShown) return type.read(entry, report)
  const hint = `write ${type.meant?.(entry) ?? formatToml(example)}`
  return wrongKind(entry, 'a table', report, hint)
}

/**
 * Reports unknown keys. A misspelt key is one mistake, not also a missing one. The content of a misspelt table is read
 * as the meant table, so that no other check misses it.
 */
function readUnknown(
  raw: RawTable,
  names: readonly string[],
  options: TableOptions,
  report: Report,
): { readonly meant: ReadonlySet<string | null>; readonly raw: RawTable } {
  const meant = new Set<string | null>()
  let whole = raw
  for (const [name, entry] of raw.entries) {
    if (names.includes(name)) continue
    const own = reportUnknown(name, entry, names, options, report)
    meant.add(own)
    if (own === null || !isTables(entry) || options.title !== WHOLE_FILE || whole.entries.has(own)) continue
    whole = { ...whole, entries: new Map([...whole.entries, [own, entry]]) }
  }
  return { meant, raw: whole }
}

/** The title of the table that is around all others. */
export const WHOLE_FILE = 'the file'

function isTables(raw: Raw): boolean {
  return raw.kind === 'table' || (raw.kind === 'list' && raw.items.every(({ kind }) => kind === 'table'))
}

/** Answers the key that was probably meant. */
function reportUnknown(
  name: string,
  entry: Raw,
  names: readonly string[],
  options: TableOptions,
  report: Report,
): string | null {
  const refused = options.refused?.get(name)
  if (refused !== undefined) {
    report.mistake(entry.at, 'key.not_built', refused.message, { hint: refused.hint, part: 'key' })
    return null
  }
  const synonym = options.synonyms?.get(name.toLowerCase().replace(/[_-]/g, ''))
  const meant = synonym ?? suggest(name, names)
  const home = options.homes?.().get(name)
  const isMisspelt = meant !== null && options.title === WHOLE_FILE && isTables(entry)
  const hint =
    home !== undefined && home !== options.title && !isMisspelt && synonym === undefined
      ? `${name} belongs in ${home}`
      : meant !== null
        ? synonym === undefined
          ? `did you mean "${meant}"?`
          : `here it is called "${meant}"`
        : `the keys here are ${names.join(', ')}`
  report.mistake(
    entry.at,
    'key.unknown',
    `unknown key ${quote(name)} in ${titleAt(options.title, entry.at.slice(0, -1))}`,
    { hint, part: 'key' },
  )
  return meant
}

/** `[providers.NAME]` with the name that is meant. */
function titleAt(title: string, at: Path): string {
  return title.includes('NAME') ? `[${formatPath(at)}]` : title
}

function reportMissing(name: string, key: Key<unknown>, raw: RawTable, options: TableOptions, report: Report): void {
  const hint = `add it, for example: ${name} = ${formatToml(key.example)}`
  report.mistake(raw.at, 'key.missing', `${titleAt(options.title, raw.at)} needs the key ${name}`, {
    hint,
    part: 'key',
  })
}

function tableSchema(keys: Keys): Json {
  const properties: Record<string, Json> = {}
  for (const [name, key] of Object.entries(keys)) {
    const fallback = key.fallback === undefined ? {} : { default: key.fallback }
    properties[name] = { description: key.doc, ...fallback, examples: [key.example], ...objectOf(key.type.schema) }
  }
  const needed = Object.keys(keys).filter(name => keys[name]?.isRequired)
  return { type: 'object', additionalProperties: false, ...(needed.length > 0 ? { required: needed } : {}), properties }
}

function isObject(value: Json): value is { readonly [name: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A schema as the object it always is, so that it can be spread. */
export function objectOf(schema: Json): { readonly [name: string]: Json } {
  if (isObject(schema)) return schema
  throw new TypeError('a schema is an object')
}

/** How names of a kind are spelt, and what a message says of it. */
interface Spelling {
  readonly form: RegExp
  readonly hint: string
}

const PLAIN: Spelling = { form: /^[A-Za-z0-9_-]+$/, hint: 'letters, digits, - and _ only' }

/** Tables by name: `[providers.NAME]`. `what` is how a message calls one; `check` may refuse further names. */
export function named<T>(
  of: Type<T>,
  what: string,
  check: (name: string, at: Path, report: Report) => void = () => {},
  { form, hint }: Spelling = PLAIN,
): Type<ReadonlyMap<string, T>> {
  return {
    label: `tables by ${what} name`,
    expected: `tables, one for each ${what}`,
    get schema() {
      return {
        type: 'object',
        propertyNames: { pattern: form.source },
        additionalProperties: of.schema,
      }
    },
    read(raw, report) {
      if (raw.kind !== 'table') return wrongKind(raw, `tables, one for each ${what}`, report)
      const values = new Map<string, T>()
      for (const [name, entry] of raw.entries) {
        if (form.test(name)) check(name, entry.at, report)
        else {
          report.mistake(entry.at, 'name.invalid', `${quote(name)} cannot be the name of a ${what}`, {
            hint,
            part: 'key',
          })
        }
        const value = of.read(entry, report)
        if (value !== undefined) values.set(name, value)
      }
      return values
    },
  }
}

/** A list of tables: `[[routes]]`. */
export function tables<T>(of: Type<T>, name: string): Type<readonly T[]> {
  const expected = `a list of tables ([[${name}]])`
  return {
    label: 'list of tables',
    expected,
    get schema() {
      return { type: 'array', items: of.schema }
    },
    read(raw, report) {
      if (raw.kind === 'table') return wrongKind(raw, expected, report, `write [[${name}]] with two brackets`)
      if (raw.kind !== 'list') return wrongKind(raw, expected, report)
      return raw.items.map(item => of.read(item, report)).filter(value => value !== undefined)
    },
  }
}

/** A key of a table, quoted where it has to be. */
export function formatKey(name: string): string {
  return PLAIN.form.test(name) ? name : JSON.stringify(name)
}

/** A value as TOML writes it on one line. */
export function formatToml(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(formatToml).join(', ')}]`
  if (isObject(value)) {
    if (Object.keys(value).length === 0) return '{}'
    const entries = Object.entries(value).map(([name, item]) => `${formatKey(name)} = ${formatToml(item)}`)
    return `{ ${entries.join(', ')} }`
  }
  return JSON.stringify(value)
}

/** Any table that was read. */
interface ReadTable {
  readonly values: object
}

/** The values of a table of a file without mistakes: what the table of keys names, each with the type that it has there. */
export type Known<T extends ReadTable> = {
  readonly [Name in keyof T['values']]: Exclude<T['values'][Name], undefined>
}

/**
 * The values of a table of a file without mistakes.
 *
 * Throws TypeError where one is missing: a mistake that was not reported is a bug of Sallyport's.
 */
export function known<T extends ReadTable>({ values }: T): Known<T> {
  if (isKnown<T>(values)) return values
  const missing = Object.entries(values).find(([, value]) => value === undefined)
  throw new TypeError(`${missing?.[0]} has no value and no diagnostic`)
}

function isKnown<T extends ReadTable>(values: T['values']): values is T['values'] & Known<T> {
  return Object.values(values).every(value => value !== undefined)
}
