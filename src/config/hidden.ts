import { configSchema } from './keys/schema.ts'
import type { Place } from './text/locate.ts'
import { parseToml } from './text/parse.ts'
import { type Sayings, sayingsOf } from './text/positions.ts'
import type { Json, Path } from './text/raw.ts'

/** What is not shown of a text: where it stands, as it is written there, and under which key. */
interface Secret {
  readonly start: number
  readonly end: number
  /** The last key on the way to it; `#` in a comment. */
  readonly key: string
  /** Whether it is a whole value, with its quotes, or a part of one. */
  readonly isWhole: boolean
}

/** What a text comes to once what is hidden stands in it again. */
type Restored =
  | { readonly kind: 'whole'; readonly text: string }
  /** What was hidden would stand where it is shown: the names of the keys that it was taken from. */
  | { readonly kind: 'exposed'; readonly keys: readonly string[] }
  /** It is no TOML, so that nothing can be said of where anything stands. */
  | { readonly kind: 'broken' }

/** Hides what is secret in several texts: the same secret has the same mark in all of them. */
export interface Veil {
  /** The text with `${kept:MARK}` for each secret; a whole value is in double quotes. */
  hide(text: string): string
  /** Puts back what was hidden in any text before, where the same key hides it again. */
  restore(shown: string): Restored
}

/** What stands for a secret: eight letters, digits, `-` and `_`, the same for the same; what it is cannot be told from them. */
export type MarkOf = (source: string) => string

/** Whether a text has something in it that would be taken for what is hidden. */
export function hasMarks(text: string): boolean {
  return text.includes('${kept:')
}

/**
 * Closed by default: a value is shown only where the key tables know its place and do not call it a secret. Hidden too is what stands
 * before the @ of an address, and what looks like a value in a comment. `${NAME}` and `${file:PATH}` alone are no secrets.
 */
export function createVeil(markOf: MarkOf): Veil {
  const kept = new Map<string, { readonly source: string; readonly isWhole: boolean; readonly keys: Set<string> }>()

  function keep(source: string, { isWhole, key }: Secret): string {
    const mark = markOf(`${isWhole ? 'whole' : 'part'} ${source}`)
    const known = kept.get(mark)
    if (known === undefined) kept.set(mark, { source, isWhole, keys: new Set([key]) })
    else known.keys.add(key)
    return `\${kept:${mark}}`
  }

  return {
    hide(text) {
      let shown = ''
      let from = 0
      for (const secret of secretsOf(text)) {
        const mark = keep(text.slice(secret.start, secret.end), secret)
        shown += text.slice(from, secret.start) + (secret.isWhole ? `"${mark}"` : mark)
        from = secret.end
      }
      return shown + text.slice(from)
    },
    restore(shown) {
      const used: string[] = []
      const put = (whole: string, mark: string, isWhole: boolean) => {
        const one = kept.get(mark)
        if (one === undefined || one.isWhole !== isWhole) return whole
        used.push(mark)
        return one.source
      }
      const text = shown
        .replace(/"\$\{kept:([\w-]{8})\}"/g, (whole, mark: string) => put(whole, mark, true))
        .replace(/\$\{kept:([\w-]{8})\}/g, (whole, mark: string) => put(whole, mark, false))
      if (sayingsOf(text) === null) return { kind: 'broken' }
      const found = secretsOf(text).map(secret => ({ ...secret, source: text.slice(secret.start, secret.end) }))
      const exposed = [...new Set(used)].filter(mark => {
        const one = kept.get(mark)
        const again = found.filter(
          ({ source, isWhole, key }) => source === one?.source && isWhole === one.isWhole && one.keys.has(key),
        )
        return again.length < used.filter(other => other === mark).length
      })
      return exposed.length === 0
        ? { kind: 'whole', text }
        : { kind: 'exposed', keys: exposed.flatMap(mark => [...(kept.get(mark)?.keys ?? [])]) }
    },
  }
}

/**
 * Whether what is said of a stretch of a text may repeat what is hidden there: of a hidden value, or of any on a line on which a part of
 * one is, since what is said names whole values.
 */
export function createHiddenAt(text: string): (stretch: Place) => boolean {
  const secrets = secretsOf(text)
  const lines = text.split('\n')
  const starts = [0]
  for (const { length } of lines) starts.push((starts.at(-1) ?? 0) + length + 1)
  return ({ line, column, length }) => {
    const start = starts[line - 1]
    const own = lines[line - 1]
    if (start === undefined || own === undefined) return true
    const near = secrets.filter(secret => secret.start <= start + own.length && secret.end >= start)
    // Columns count characters, of which some are two here.
    if (near.some(({ isWhole }) => !isWhole) || /[^ -~\t\r]/.test(own)) return near.length > 0
    const from = start + column - 1
    return near.some(secret => secret.start < from + length && secret.end > from)
  }
}

/** In the order of the text; none in another. */
function secretsOf(text: string): readonly Secret[] {
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
  const [, before = '', value = ''] = /^(\s*#[#\s]*[\w."'-]+\s*[=:]\s+|.*?[\w"'-]\s*=\s*)(\S.*?)\s*$/.exec(source) ?? []
  if (value !== '' && !isReference(value)) {
    const from = start + before.length
    return [{ start: from, end: from + value.length, key: '#', isWhole: false }]
  }
  return partsOf(source, start, '#')
}

/** User and password of an address: all before its last @, since a password from a manual has its slashes as they are. */
function partsOf(source: string, start: number, key: string): readonly Secret[] {
  const [, before = '', login = ''] = /^(.*?:\/\/)(.+)@/s.exec(source) ?? []
  if (login === '' || isReference(login.replaceAll(':', ''))) return []
  const from = start + before.length
  return [{ start: from, end: from + login.length, key, isWhole: false }]
}

/** Whether a text of a file has something in it that is not shown, or that is filled in from elsewhere. */
export function isSecretText(at: Path, source: string): boolean {
  return source.includes('${') || !isShown(at) || partsOf(source, 0, '').length > 0
}

/** Whether a value names what it is, and is nothing in itself. */
function isReference(source: string): boolean {
  const [, , inside = source] = /^("""|'''|"|')(.*)\1$/s.exec(source) ?? []
  return inside.replace(/\$\{(?:file:[^{}]+|[A-Za-z_]\w*)\}/g, '') === ''
}

const HEADER = /^\s*\[(\[)?([^[\]]+)\]\]?\s*(?:#.*)?$/
const LINE = /^(\s*)((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)(\s*=\s*)(.*?)\s*$/

/** The same for what is no TOML, line by line: of a key below which any secret may be, all is hidden. */
function secretsOfLines(text: string): readonly Secret[] {
  const secrets: Secret[] = []
  let table: Path | null = []
  let isOpen = false
  let key = ''
  for (const { 0: line, index } of text.matchAll(/[^\r\n]+/g)) {
    const rest = line.replace(/^\uFEFF/, ' ')
    if (rest.trim() === '') continue
    const comment = /^\s*#/.test(rest)
    const header = HEADER.exec(rest)
    const pair = LINE.exec(rest)
    if (comment) secrets.push(...secretsOfComment(rest, index))
    else if (header !== null) {
      const steps = stepsOf(header[2] ?? '')
      table = steps === null ? null : header[1] === undefined ? withNumbers(steps) : [...withNumbers(steps), 0]
      isOpen = false
    } else {
      const own = pair === null ? null : stepsOf(pair[2] ?? '')
      if (pair !== null) {
        key = keyOf(own ?? [])
        isOpen = table !== null && own !== null && isShownWhole([...table, ...own])
      }
      const before =
        pair === null ? (/^\s*/.exec(rest)?.[0] ?? '') : (pair[1] ?? '') + (pair[2] ?? '') + (pair[3] ?? '')
      const value = rest.slice(before.length).trimEnd()
      const start = index + before.length
      if (isOpen) secrets.push(...partsOf(value, start, key))
      else if (!isReference(value)) secrets.push({ start, end: start + value.length, key, isWhole: true })
    }
  }
  return secrets
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

/** What is below a list of tables belongs to one of them. */
function withNumbers(steps: readonly string[]): Path {
  const at: (string | number)[] = []
  for (const step of steps) {
    at.push(step)
    if (at.length < steps.length && schemasAt(at).some(schema => schema.type === 'array')) at.push(0)
  }
  return at
}

type Schema = { readonly [name: string]: Json | undefined }

let whole: Schema | null = null

function wholeSchema(): Schema {
  whole ??= asSchema(configSchema()) ?? {}
  return whole
}

function asSchema(json: Json | undefined): Schema | null {
  return isTable(json) ? json : null
}

function isTable(json: Json | undefined): json is { readonly [name: string]: Json } {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}

/** A schema as those that it stands for. */
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
  return schemas.length > 0 && !schemas.some(schema => mayHide(schema, new Set()))
}

function mayHide(schema: Schema, seen: Set<Schema>): boolean {
  if (seen.has(schema)) return false
  seen.add(schema)
  if (schema.writeOnly === true) return true
  const inside = [...Object.values(asSchema(schema.properties) ?? {}), schema.items, schema.additionalProperties]
  return inside.some(one => {
    const own = asSchema(one)
    return own !== null && meantBy(own).some(other => mayHide(other, seen))
  })
}
