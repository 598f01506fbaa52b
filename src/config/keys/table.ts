/** What a table of routes.toml is to the program: keys with their types, defaults, words and examples. */

import { freezeDeep } from '../../base/freeze.ts'
import { isJsonObject } from '../../base/json.ts'
import { formatPath, type Json, type Path, parseRaw, quote, type Raw, type RawTable } from '../text/raw.ts'
import { createReport, type Home, type Report } from '../text/report.ts'
import { suggest } from '../text/suggest.ts'
import { createConfigFiles } from '../values/files.ts'
import { type BuildContext, build, buildAll, type Type, wrongKind } from '../values/value.ts'

import type { Instead } from './synonyms.ts'

/** The name of a field; null: none, since a function beside the table builds from the key; undefined: what the key's name gives. */
type Field = string | null | undefined

/**
 * One key of a table: everything that the checker, the reference, the schema and the program know of it. `B` is what is built of a
 * value, and its field is called as the key in camel case with the unit `U` of its type, unless `F` says otherwise.
 */
export interface Key<T, B = T, F extends Field = undefined, U extends string = ''> extends Traits {
  readonly type: Type<T, unknown, U> & { readonly keys?: Keys }
  readonly isRequired: boolean
  /** As in the file; undefined where there is none. */
  readonly fallback: Json | undefined
  /** The default in words, where it is computed from something else. */
  readonly fallbackNote: string
  readonly doc: string
  readonly example: Json
  /** The value of a key that is not in the table at `at`. */
  readonly absent: (at: Path, name: string, report: Report) => T | undefined
  readonly field: F
  /** What the program takes a value as. */
  build(value: T, context: BuildContext): B
}

/** What a route can lead to; each has one of these. */
export const TARGETS = ['upstream', 'redirect', 'respond', 'files', 'verify'] as const

/** Where an application of an upstream answers; an application, whoever reaches it; and where Sallyport or an upstream answers. */
export const FORWARDED = ['upstream'] as const
export const APPLICATION = ['upstream', 'verify'] as const
export const ANSWERED = ['upstream', 'redirect', 'respond', 'files'] as const

/** What else is known of a key. */
interface Traits {
  /** Of a route: the targets beside which the key has a meaning; absent: all. */
  readonly targets?: readonly (typeof TARGETS)[number][]
  /** Whether it says nothing of where a secret of its table goes, so that it may change beside a hidden one. */
  readonly isFree?: true
}

/** The trait of a key that says nothing of where secrets go. */
export const FREE = { isFree: true } as const satisfies Traits

/** What is different with one key from what its name and its type give. */
interface More<B, C, F extends Field> extends Traits {
  readonly field?: F
  /** What the program takes a value as, after what its type makes of it. */
  build?(value: B, context: BuildContext): C
}

/** A key that must be there. */
export function required<T, B, U extends string = '', C = B, const F extends Field = undefined>(
  type: Type<T, B, U>,
  example: Json,
  doc: string,
  more: More<B, C, F> = {},
): Key<T, NoInfer<C>, NoInfer<F>, U> {
  const absent = (): T | undefined => undefined
  return keyOf(type, { isRequired: true, fallback: undefined, fallbackNote: '', doc, example, absent }, more)
}

/** A key that may be left out and is then null; `fallbackNote` says what that means. */
export function optional<T, B, U extends string = '', C = B | null, const F extends Field = undefined>(
  type: Type<T, B, U>,
  example: Json,
  fallbackNote: string,
  doc: string,
  more: More<B | null, C, F> = {},
): Key<T | null, NoInfer<C>, NoInfer<F>, U> {
  const rest = { isRequired: false, fallback: undefined, fallbackNote, doc, example, absent: () => null }
  return keyOf(type, rest, more)
}

/** A key that may be left out, and is then what the key of the same name in the table around says. */
export function inherited<K extends Keys, N extends string & keyof K>(
  from: { readonly table: string; readonly keys: K },
  name: N,
  example: Json,
  doc: string,
  traits?: Traits,
): Inherited<K[N]>
export function inherited(
  from: { readonly table: string; readonly keys: Keys },
  name: string,
  example: Json,
  doc: string,
  traits: Traits = {},
): Keys[string] {
  const outer = from.keys[name]
  if (outer === undefined) throw new TypeError(`${name} is no key of ${from.table}`)
  const { type } = outer
  const rest = { isRequired: false, fallback: undefined, doc, example, absent: () => null }
  return {
    type,
    ...rest,
    fallbackNote: `what \`[${from.table}]\` says: \`${name}\``,
    ...traits,
    field: undefined,
    build: (value, context) => outer.build(value ?? context.outer[from.table]?.[name], context),
  }
}

type Inherited<K> =
  K extends Key<infer T, infer B, string | null | undefined, infer U> ? Key<T | null, B, undefined, U> : never

/** What a key says of itself, but for what it is built as. */
type Rest<T> = Omit<Key<T>, 'type' | 'field' | 'build' | keyof Traits>

function keyOf<T, B, C, F extends Field, U extends string>(
  type: Type<unknown, unknown, U>,
  rest: Rest<T>,
  more: More<B, C, F>,
): Key<T, C, F, U>
function keyOf(
  type: Type<unknown, unknown, string>,
  rest: Rest<unknown>,
  { field, build: turn, ...traits }: More<unknown, unknown, Field>,
): Key<unknown, unknown, Field, string> {
  return {
    type,
    ...rest,
    ...traits,
    field,
    build: builderFor(type, turn),
  }
}

/** How a key is built: by its type, and then by itself. */
function builderFor(
  type: Type<unknown, unknown, string>,
  turn: More<unknown, unknown, Field>['build'],
): Keys[string]['build'] {
  const { build: first } = type
  if (first === undefined) return turn ?? (value => value)
  const builtByType = (value: unknown, context: BuildContext) => (value === null ? null : first(value, context))
  return turn === undefined ? builtByType : (value, context) => turn(builtByType(value, context), context)
}

/** The same keys within another table, where a builder of their own builds from them. */
export function apart<K extends Keys>(keys: K): { readonly [N in keyof K]: Key<ValueOf<K[N]>, unknown, null> }
export function apart(keys: Keys): Keys {
  return Object.fromEntries(Object.entries(keys).map(([name, key]) => [name, { ...key, field: null }]))
}

/** A key with a default, given as it would be written in the file and checked the same way. */
export function defaulted<T, B, U extends string = '', C = B, const F extends Field = undefined>(
  type: Type<T, B, U>,
  fallback: Json,
  example: Json,
  doc: string,
  more: More<B, C, F> = {},
): Key<T, NoInfer<C>, NoInfer<F>, U> {
  let known: { readonly value: T } | null = null
  const absent = (at: Path, name: string, report: Report) => {
    // Ten thousand routes leave out thirty keys each.
    if (known !== null) return known.value
    const raw = parseRaw(fallback, [...at, name])
    const value = raw.ok ? type.read(raw.value, report) : undefined
    // A table records its place, so each place gets a separate one.
    if (value !== undefined && !isJsonObject(fallback) && !hasPlace(value)) known = { value: freezeDeep(value) }
    return value
  }
  return keyOf(type, { isRequired: false, fallback, fallbackNote: '', doc, example, absent }, more)
}

function hasPlace(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'at' in value
}

export type Keys = Readonly<Record<string, Key<unknown, unknown, Field, string>>>

/** The value of a key without a mistake. */
type ValueOf<K> = K extends { absent(at: Path, name: string, report: Report): infer T } ? Exclude<T, undefined> : never

/** The values of a table; undefined where a mistake was reported. */
export type Values<K extends Keys> = { readonly [N in keyof K]: ValueOf<K[N]> | undefined }

/** A name in the camel case of fields. */
type Camel<Name> = Name extends `${infer Head}_${infer Tail}` ? `${Head}${Capitalize<Camel<Tail>>}` : Name

type FieldOf<Name, K> = K extends { readonly field: infer F; readonly type: { readonly unit?: infer U } }
  ? F extends string
    ? F
    : F extends null
      ? never
      : `${Camel<Name> & string}${U & string}`
  : never

/** What the program takes a table as: a field for each key, unless a function beside the table builds from it. */
export type Built<K extends Keys> = {
  readonly [Name in keyof K as FieldOf<Name, K[Name]>]: K[Name] extends { build(...given: never): infer B } ? B : never
}

/** A table that was read: its values, and where they were. */
export interface Table<K extends Keys> {
  readonly at: Path
  readonly raw: RawTable
  readonly values: Values<K>
}

export interface TableOptions {
  /** As in the file: `[server]`, `[[routes]]`. */
  readonly title: string
  /** What a value means that is no table, as one. */
  readonly meant?: (raw: Raw) => string | null
  /** Keys with a message of their own instead of "unknown key". */
  readonly refused?: ReadonlyMap<string, { readonly message: string; readonly hint: string }>
  /** What other programs call keys of this table: their word, in lower case and without signs between → ours. */
  readonly synonyms?: ReadonlyMap<string, string>
  /** The same where more than the name is another. */
  readonly instead?: Instead
}

/** A table with these keys and no others; `finish` builds from it what no key alone gives. */
export function table<K extends Keys, B = Built<K>>(
  keys: K,
  options: TableOptions,
  finish?: (fields: Built<K>, values: Known<Table<K>>, context: BuildContext, raw: RawTable) => B,
): TableType<K, B>
export function table<K extends Keys>(
  keys: K,
  options: TableOptions,
  finish: (fields: Built<K>, values: Known<Table<K>>, context: BuildContext, raw: RawTable) => unknown = fields =>
    fields,
): TableType<K, unknown> {
  const names = Object.keys(keys)
  const all = Object.entries(keys)
  const builder = builderOf(keys)
  return {
    keys,
    label: TABLE,
    expected: 'a table',
    ...(options.meant === undefined ? {} : { meant: options.meant }),
    get schema() {
      return tableSchema(keys)
    },
    read(raw, report) {
      if (raw.kind !== 'table') {
        const write = options.meant?.(raw) ?? null
        const hint = write === null ? onceHint(raw, options.title) : `write ${write}`
        return wrongKind(raw, `a table, ${titleAt(options.title, raw.at)}`, report, hint)
      }
      const { meant, raw: whole } = readUnknown(raw, names, options, report)
      const values: Record<string, unknown> = {}
      for (const [name, key] of all) {
        const entry = whole.entries.get(name)
        if (entry !== undefined) values[name] = readExemplified(name, key, entry, report)
        else {
          values[name] = key.absent(raw.at, name, report)
          if (key.isRequired && !meant.has(name)) reportMissing(name, key, raw, options, report)
        }
      }
      return { at: raw.at, raw: whole, values: values as Values<K> }
    },
    build: (read, context) => finish(builder(read, context), known(read), context, read.raw),
  }
}

/** For a table that is written as one of many, or as a value. */
function onceHint(raw: Raw, title: string): string {
  if (!title.startsWith('[') || title.startsWith('[[')) return ''
  const own = titleAt(title, raw.at)
  return raw.kind === 'list'
    ? `write ${own}, in single brackets: there is one of it`
    : `write ${own} in a separate line, and its keys below it`
}

/** A type of tables, with their keys. */
export interface TableType<K extends Keys, B> extends Type<Table<K>, B> {
  readonly keys: K
}

/** Builds the fields of a table without mistakes. Throws TypeError where a value is missing. */
export function builderOf<K extends Keys>(
  keys: K,
): (table: { readonly values: Values<K> }, context: BuildContext) => Built<K> {
  const fields = Object.entries(keys).flatMap(([name, key]) => {
    const field = fieldOf(name, key)
    return field === null ? [] : [{ name, field, key }]
  })
  return (table, context) => {
    const values: Readonly<Record<string, unknown>> = known(table)
    const built: Record<string, unknown> = {}
    for (const { name, field, key } of fields) built[field] = key.build(values[name], context)
    return built as Built<K>
  }
}

/** What a table without a key in it is built as, of a type that needs nothing else of a file. */
export function buildEmpty<T, B>(type: Type<T, B>): B {
  const report = createReport()
  const value = type.read({ kind: 'table', at: [], entries: new Map() }, report)
  if (value === undefined) throw new TypeError('a table has to say something')
  return build(type, value, { directory: '/', files: createConfigFiles('/', NOTHING), outer: {} })
}

const NOTHING = {
  readText(path: string): never {
    throw new TypeError(`${path} is read for no file`)
  },
  readBytes(path: string): never {
    throw new TypeError(`${path} is read for no file`)
  },
}

/** The fields of a table's keys, with the names of their keys. */
export function fieldsIn<K extends Keys>(keys: K): readonly (readonly [field: keyof Built<K>, name: string])[]
export function fieldsIn(keys: Keys): readonly (readonly [field: string, name: string])[] {
  return Object.entries(keys).flatMap(([name, key]) => {
    const field = fieldOf(name, key)
    return field === null ? [] : [[field, name] as const]
  })
}

/** The keys of a table that say nothing of where its secrets go, and those of tables in it as `table.key`. */
export function freeIn(keys: Keys, above = ''): readonly string[] {
  return Object.entries(keys).flatMap(([name, { isFree, type }]) => {
    if (isFree === true) return [above + name]
    return type.keys === undefined ? [] : freeIn(type.keys, `${above}${name}.`)
  })
}

/** What the field of a key is called; null: it has none of its own. */
function fieldOf(name: string, { field, type }: Key<unknown, unknown, Field, string>): string | null {
  if (field !== undefined) return field
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()) + (type.unit ?? '')
}

const TABLE = 'table'

/** What is of another kind, and has no better hint, is shown the key's example. */
function readExemplified(name: string, key: Keys[string], entry: Raw, report: Report): unknown {
  const before = report.problems.length
  const value = readEntry(name, key, entry, report)
  if (report.problems.length > before)
    report.exemplify(before, entry.at, `for example: ${name} = ${formatToml(key.example)}`)
  return value
}

/** A value where a table belongs is shown one. */
function readEntry(name: string, { type, example }: Keys[string], entry: Raw, report: Report): unknown {
  const isShown =
    type.label === TABLE && entry.kind !== 'table' && isJsonObject(example) && Object.keys(example).length > 0
  if (!isShown) return type.read(entry, report)
  const hint = `write ${name} = ${type.meant?.(entry) ?? formatToml(example)}`
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
  const word = name.toLowerCase().replace(/[_-]/g, '')
  const other = options.instead?.get(word)
  const unknown = `unknown key ${quote(name)} in ${titleAt(options.title, entry.at.slice(0, -1))}`
  if (other !== undefined) {
    report.mistake(entry.at, 'key.unknown', unknown, { hint: other.hint, part: 'key' })
    return other.key
  }
  const synonym = options.synonyms?.get(word)
  const meant = synonym ?? suggest(name, names)
  const homes = (report.homes.get(name) ?? []).filter(({ title }) => title !== options.title)
  const isMisspelt = meant !== null && options.title === WHOLE_FILE && isTables(entry)
  const hint =
    // A key of one other table is meant there. One of several may as well be misspelt here.
    (homes.length === 1 || (homes.length > 1 && meant === null)) && !isMisspelt && synonym === undefined
      ? `${name} belongs in ${inOneOf(homes, entry)}`
      : meant !== null
        ? synonym === undefined
          ? `did you mean "${meant}"?`
          : `here it is called "${meant}"`
        : `the keys here are ${names.join(', ')}`
  report.mistake(entry.at, 'key.unknown', unknown, { hint, part: 'key' })
  return meant
}

/** How many tables a hint names that have a key. */
const MOST_HOMES = 5

/** The tables where a value is good; all of them, where it is good in none. */
function inOneOf(homes: readonly Home[], entry: Raw): string {
  const fitting = homes.length === 1 ? homes : homes.filter(home => home.takes(entry))
  const meant = fitting.length === 0 ? homes : fitting
  const [only] = meant
  if (only !== undefined && meant.length === 1) return only.write === '' ? only.said : `${only.said}: ${only.write}`
  const shown = meant.slice(0, MOST_HOMES).map(({ said }) => said)
  if (meant.length > MOST_HOMES) return `${shown.join(', ')}, …`
  const last = shown.at(-1) ?? ''
  return `${shown.slice(0, -1).join(', ')}${last.includes(' or ') ? ';' : ''} or ${last}`
}

/** The title of an entry of `allow`, `deny` and other lists of rules, which says of which when it is told. */
export const RULE_TITLE = 'a rule'

/** `[providers.NAME]` with the name that is meant, as a header would have it: without the numbers of entries. */
function titleAt(title: string, at: Path): string {
  if (title === RULE_TITLE) {
    const list = at.findLast(step => typeof step === 'string' && !['any', 'all', 'not'].includes(step))
    return list === undefined ? title : `${title} of ${list}`
  }
  return title.includes('NAME') ? `[${formatPath(at.filter(step => typeof step === 'string'))}]` : title
}

function reportMissing(name: string, key: Keys[string], raw: RawTable, options: TableOptions, report: Report): void {
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

/** A schema as the object it always is, so that it can be spread. */
export function objectOf(schema: Json): { readonly [name: string]: Json } {
  if (isJsonObject(schema)) return schema
  throw new TypeError('a schema is an object')
}

/** How names of a kind are spelt, and what a message says of it. */
interface Spelling {
  readonly form: RegExp
  readonly hint: string
}

const PLAIN: Spelling = { form: /^[A-Za-z0-9_-]+$/, hint: 'letters, digits, - and _ only' }

/** Tables by name: `[providers.NAME]`. `what` is how a message calls one; `check` may refuse further names. */
export function named<T, B>(
  of: Type<T, B, string>,
  what: string,
  check: (name: string, at: Path, report: Report) => void = () => {},
  { form, hint }: Spelling = PLAIN,
): Type<ReadonlyMap<string, T>, ReadonlyMap<string, B>> {
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
    build: (values, context) => new Map(Array.from(values, ([name, value]) => [name, build(of, value, context)])),
  }
}

/** A list of tables: `[[routes]]`. */
export function tables<T, B>(of: Type<T, B>, name: string): Type<readonly T[], readonly B[]> {
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
    build: (values, context) => buildAll(of, values, context),
  }
}

/** A key of a table, quoted where it has to be. */
export function formatKey(name: string): string {
  return PLAIN.form.test(name) ? name : JSON.stringify(name)
}

/** A value as TOML writes it on one line. */
export function formatToml(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(formatToml).join(', ')}]`
  if (isJsonObject(value)) {
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
