/** Finds the secrets in a text, however broken it is. */

import { isJsonObject } from '../../base/json.ts'
import { REFERENCE, secretStretches } from '../../base/shown-address.ts'
import { configSchema } from '../keys/keys.ts'
import { parseToml } from '../text/parse.ts'
import { type Sayings, sayingsOf } from '../text/positions.ts'
import type { Json, Path } from '../text/raw.ts'

/** What is not shown of a text: where it stands, as it is written there, and under which key. */
export interface Secret {
  readonly start: number
  readonly end: number
  /** The last key on the way to it; `#` in a comment. */
  readonly key: string
  /** Whether it is a whole value, with its quotes, or a part of one. */
  readonly isWhole: boolean
}

/** In the order of the text; none in another. */
export function secretsOf(text: string): readonly Secret[] {
  const sayings = parseToml(text).ok ? sayingsOf(text) : null
  const found = sayings === null ? secretsOfLines(text) : secretsOfValues(text, sayings)
  return found.toSorted((one, other) => one.start - other.start)
}

function secretsOfValues(text: string, { values, comments }: Sayings): readonly Secret[] {
  return [
    ...values.flatMap(({ at, start, end }): readonly Secret[] => {
      const source = text.slice(start, end)
      const key = keyOf(at)
      if (isShown(at)) return partsOf(source, start, key)
      return isReference(source) ? [] : [{ start, end, key, isWhole: true }]
    }),
    ...comments.flatMap(({ start, end }) => secretsOfComment(text.slice(start, end), start)),
  ]
}

function keyOf(at: Path): string {
  return String(at.findLast(step => typeof step === 'string') ?? '')
}

/** A value that was taken out of use is as secret as one that is in it. */
function secretsOfComment(source: string, start: number): readonly Secret[] {
  const [, before = '', value = ''] =
    /^(\s*(?:#[#\s]*|\/\/\s+)[\w."'-]+\s*[=:](?:\s+|(?=["']))|.*?[\w"'-]\s*=\s*)(\S.*)$/s.exec(source.trimEnd()) ?? []
  if (value !== '' && !isReference(value)) {
    const from = start + before.length
    return [{ start: from, end: from + value.length, key: '#', isWhole: false }]
  }
  return partsOf(source, start, '#')
}

/** Login and query of an address. What only names secrets, as in `?key=${KEY}`, is none. */
function partsOf(source: string, start: number, key: string): readonly Secret[] {
  return secretStretches(source).map(([from, to]) => ({ start: start + from, end: start + to, key, isWhole: false }))
}

/** Whether a text of a file has something in it that is not shown, or that is filled in from elsewhere. */
export function isSecretText(at: Path, source: string): boolean {
  return source.includes('${') || !isShown(at) || partsOf(source, 0, '').length > 0
}

/** Whether a value only contains references, and no secret itself. */
function isReference(source: string): boolean {
  const [, , inside = source] = /^("""|'''|"|')(.*)\1$/s.exec(source) ?? []
  return inside.replace(REFERENCE, '') === ''
}

const HEADER = /^\s*\[(\[)?([^[\]]+)\]\]?\s*(#.*)?$/
const LINE =
  /^(\s*)((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)(\s*(?:=(?![=>])|==|=>|:=|:(?=\s))\s*).*$/

/** A value that may go on in the next line, and is no secret: what tables may be in it, and how many brackets are open. */
interface Open {
  readonly schemas: readonly Schema[]
  readonly depth: number
}

/** To understand a line takes up to the square of its length. */
const LONGEST_LINE = 4096

/**
 * The same for what is no TOML, line by line: of a key below which any secret may be, all is hidden. So is a line that
 * is too long to be understood, with all that comes after it.
 */
function secretsOfLines(text: string): readonly Secret[] {
  const secrets: Secret[] = []
  let table: Path | null = []
  let open: Open | null = null
  // The hidden part continues until it is closed.
  let unclosed: Unclosed | null = null
  let key = ''
  for (const { 0: line, index } of text.matchAll(/[^\r\n]+/g)) {
    if (line.length > LONGEST_LINE) {
      secrets.push({ start: index, end: text.length, key, isWhole: false })
      break
    }
    const rest = line.replace(/^\uFEFF/, ' ')
    if (rest.trim() === '') continue
    const header: RegExpExecArray | null = unclosed?.quotes ? null : HEADER.exec(rest)
    const steps: readonly string[] | null = header === null ? null : stepsOf(header[2] ?? '')
    if (header !== null && (unclosed === null || (steps !== null && schemasAt(withNumbers(steps)).length > 0))) {
      const comment = header[3] ?? ''
      secrets.push(...secretsOfComment(comment, index + rest.length - comment.length))
      table = steps === null ? null : header[1] === undefined ? withNumbers(steps) : [...withNumbers(steps), 0]
      open = null
      unclosed = null
      continue
    }
    // A line of a secret may begin with two slashes, but has no blank behind them.
    if (unclosed === null && /^\s*(?:#|\/\/\s)/.test(rest)) {
      secrets.push(...secretsOfComment(rest, index))
      continue
    }
    const pair: RegExpExecArray | null = unclosed === null ? LINE.exec(rest) : null
    const own = pair === null ? null : stepsOf(pair[2] ?? '')
    const at: Path | null = table === null || own === null ? null : [...table, ...own]
    const before = pair === null ? (/^\s*/.exec(rest)?.[0] ?? '') : (pair[1] ?? '') + (pair[2] ?? '') + (pair[3] ?? '')
    const value: string = rest.slice(before.length).trimEnd()
    const start = index + before.length
    if (pair !== null) {
      key = keyOf(own ?? [])
      open = at === null ? null : openAt(at)
    }
    const { length, depth }: Understood =
      open === null ? { length: 0, depth: 0 } : understood(value, open.schemas, open.depth)
    secrets.push(...partsOf(value.slice(0, length), start, key))
    const hidden: string = value.slice(length)
    if (hidden !== '' && !isReference(hidden)) {
      secrets.push({ start: start + length, end: start + value.length, key, isWhole: length === 0 })
    }
    // A text of several lines is hidden from the second on, whose ever it is.
    const after: Unclosed | null = unclosedAfter(value, unclosed ?? { quotes: null, depth: open?.depth ?? 0 })
    unclosed = hidden === '' && after?.quotes === null ? null : after
    open = open === null || hidden !== '' || depth === 0 ? null : { schemas: open.schemas, depth }
  }
  return secrets
}

/** What may be in the value at a path; null if all of it is hidden. */
function openAt(at: Path): Open | null {
  if (isShownWhole(at)) return { schemas: schemasAt(at), depth: 0 }
  // A single value, or one of a list: no table.
  return isShown(at) || isShown([...at, 0]) ? { schemas: [], depth: 0 } : null
}

/** The names of a dotted key; null for one that is not TOML. */
function stepsOf(source: string): readonly string[] | null {
  const parsed = parseToml(`${source} = 1`)
  if (!parsed.ok) return null
  const steps: string[] = []
  for (let node = parsed.value.entries; ; ) {
    const [entry] = node
    if (entry === undefined) return steps
    steps.push(entry[0])
    if (entry[1].kind !== 'table') return steps
    node = entry[1].entries
  }
}

/** How much of a line of a value is understood, and how many brackets are open behind that. */
interface Understood {
  readonly length: number
  readonly depth: number
}

/**
 * How much of what stands on a line belongs to a value: single values, brackets and names that it knows, in an order that TOML has, up to
 * the first that is none of these or looks like a key.
 */
function understood(value: string, schemas: readonly Schema[], open: number): Understood {
  const end = keyIn(value, schemas)
  let depth = open
  let isFull = false
  let at = 0
  while (at < end) {
    TOKEN.lastIndex = at
    const token = TOKEN.exec(value)
    const [text = '', , closes, opens, comma, names, whole, bare] = token ?? []
    if (text === '') break
    if (closes !== undefined) {
      if (depth === 0) break
      depth -= 1
      isFull = true
    } else if (comma !== undefined) {
      if (depth === 0) break
      isFull = false
    } else if (opens !== undefined) {
      if (isFull || (opens === '{' && !schemas.some(hasTable))) break
      depth += 1
    } else if (names !== undefined) {
      if (isFull || depth === 0) break
      if (namesOf(names).some(name => !schemas.some(schema => hasName(schema, name)))) break
    } else if (whole !== undefined || bare !== undefined) {
      // In a list, a word with a colon may be a key with its value.
      if (isFull || (bare !== undefined && depth > 0 && /:(?!\/\/)/.test(bare))) break
      isFull = true
    }
    at += text.length
  }
  return { length: Math.min(at, end), depth }
}

const TOKEN =
  /(?:(\s+|#.*)|([\]}])|([[{])|(,)|((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*\s*=)|("""(?:\\.|(?!""")[^\\])*"""|'''.*?'''|"(?:\\.|[^"\\])*"|'[^']*'|["'].*)|([^\s"'#,;=[\]{}]+))/y

function namesOf(source: string): readonly string[] {
  return [...source.matchAll(/[\w-]+|"[^"]*"|'[^']*'/g)].map(([name]) => name.replace(/["']/g, ''))
}

/** Where something looks like a key that is none of a value's own, also in its texts and comments: a quote may be missing before it. */
function keyIn(value: string, schemas: readonly Schema[]): number {
  for (const { index, 1: name = '' } of value.matchAll(KEY)) {
    if (!schemas.some(schema => hasName(schema, name))) return index
  }
  return value.length
}

const KEY = /(?<![\w-])([\w-]+)(?:["']?\s*(?:=|:(?![\d/:]))|\s+(?=["']))/g

/** What was not closed on the lines before: a text of several lines, with the quotes that close it, and brackets. */
interface Unclosed {
  readonly quotes: string | null
  readonly depth: number
}

/** What is not closed behind a line. */
function unclosedAfter(line: string, before: Unclosed): Unclosed | null {
  let rest = line
  let { depth } = before
  const closes = before.quotes
  if (closes !== null) {
    const plain = closes === "'''" ? line : line.replace(/\\./g, '')
    const at = plain.indexOf(closes)
    // What closes one text and looks like the beginning of another is that: the quotes before were a mistake.
    if (at === -1 || /\S\s*[=:,[{\s]\s*$/.test(plain.slice(0, at))) return before
    rest = plain.slice(at).replace(/^["']{3,5}/, '')
  }
  let quotes: string | null = null
  const bare = rest.replace(TEXT, (_, unclosed?: string) => {
    quotes = unclosed ?? null
    return ''
  })
  for (const bracket of bare.match(/[[\]{}]/g) ?? []) depth += /[[{]/.test(bracket) ? 1 : -1
  return quotes === null && depth <= 0 ? null : { quotes, depth }
}

const TEXT = /"""(?:\\.|(?!""")[^\\])*"{3,5}|'''.*?'{3,5}|(?!""")"(?:\\.|[^"\\])*"|(?!''')'[^']*'|#.*|("""|''').*/g

type Schema = { readonly [name: string]: Json | undefined }

let whole: Schema | null = null

function wholeSchema(): Schema {
  whole ??= asSchema(configSchema()) ?? {}
  return whole
}

function asSchema(json: Json | undefined): Schema | null {
  return isJsonObject(json) ? json : null
}

/** The alternatives of a schema, with references resolved. */
function meantBy(schema: Schema): readonly Schema[] {
  const { $ref: ref, anyOf } = schema
  if (typeof ref === 'string') {
    const found = asSchema(asSchema(wholeSchema().definitions)?.[ref.replace('#/definitions/', '')])
    return found === null ? [] : meantBy(found)
  }
  if (!Array.isArray(anyOf)) return [schema]
  return anyOf.flatMap(one => {
    const own = asSchema(one)
    return own === null ? [] : meantBy(own)
  })
}

function below(schema: Schema, step: string | number): readonly Schema[] {
  const properties = asSchema(schema.properties)
  const own =
    typeof step === 'number'
      ? schema.items
      : properties !== null && Object.hasOwn(properties, step)
        ? properties[step]
        : schema.additionalProperties
  const found = asSchema(own)
  return found === null ? [] : meantBy(found)
}

/** What may stand at a path by the key tables: each thing that it may be; none where they know no such place. */
function schemasAt(at: Path): readonly Schema[] {
  return at.reduce<readonly Schema[]>(
    (schemas, step) => schemas.flatMap(schema => below(schema, step)),
    meantBy(wholeSchema()),
  )
}

/** Whether the key tables know a single value here, and none of them calls it a secret. */
function isShown(at: Path): boolean {
  const schemas = schemasAt(at)
  return (
    schemas.some(({ type }) => type !== 'object' && type !== 'array') &&
    schemas.every(({ writeOnly }) => writeOnly !== true)
  )
}

/** Whether the key tables know what is here, and there can be no secret in it. */
function isShownWhole(at: Path): boolean {
  const schemas = schemasAt(at)
  return schemas.length > 0 && !schemas.some(schema => isAnywhere(schema, ({ writeOnly }) => writeOnly === true))
}

/** Whether something is so of a schema, at any depth. */
function isAnywhere(schema: Schema, isSo: (schema: Schema) => boolean, seen = new Set<Schema>()): boolean {
  if (seen.has(schema)) return false
  seen.add(schema)
  return isSo(schema) || insidesOf(schema).some(inside => isAnywhere(inside, isSo, seen))
}

function insidesOf(schema: Schema): readonly Schema[] {
  const inside = [...Object.values(asSchema(schema.properties) ?? {}), schema.items, schema.additionalProperties]
  return inside.flatMap(one => {
    const own = asSchema(one)
    return own === null ? [] : meantBy(own)
  })
}

/** Whether a table of this kind knows a name, at any depth. */
function hasName(schema: Schema, name: string): boolean {
  return isAnywhere(schema, ({ properties }) => Object.hasOwn(asSchema(properties) ?? {}, name))
}

/** Whether a table may stand here, at any depth. */
function hasTable(schema: Schema): boolean {
  return isAnywhere(schema, ({ type }) => type === 'object')
}

/** What is below a list of tables belongs to one of them. */
function withNumbers(steps: readonly string[]): Path {
  const at: (string | number)[] = []
  for (const step of steps) {
    at.push(step)
    if (at.length < steps.length && schemasAt(at).some(schema => schema.type === 'array')) at.push(0)
  }
  return at
}
