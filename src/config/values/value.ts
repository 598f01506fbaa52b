/** The types of values: text, choice, number, list and others, with check, label, schema and built value. */

import { bad, good, type Parsed, type Refusal } from '../text/diagnostic.ts'
import { describeRaw, type Json, type Path, quote, type Raw, type RawText, showRaw } from '../text/raw.ts'
import { BOOLEAN_HINT, LIST_HINT, NUMBER_HINT, type Report, TEXT_HINT } from '../text/report.ts'
import { suggest } from '../text/suggest.ts'
import type { ConfigFiles } from './files.ts'

/** What a value is built with, beside the value: the file that it stands in, without mistakes. */
export interface BuildContext {
  /** Absolute: where relative paths begin. */
  readonly directory: string
  readonly files: ConfigFiles
  /** Values of the tables from which others take what they do not say, by the table's name. */
  readonly outer: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

/**
 * What a key takes: how it is checked, how it is named in the reference, its JSON schema, and what the program takes it as, all in
 * one place. `T` is the value that checks see, `B` what is built of it, and `U` the unit that ends the name of its field.
 */
export interface Type<T, B = T, U extends string = ''> {
  /** As the reference's type column says it: `text`, `list of hosts`. */
  readonly label: string
  /** Completes "must be …". */
  readonly expected: string
  readonly schema: Json
  /**
   * What to write in place of a value that this type does not accept, where that is known; null or absent: only an
   * example.
   */
  meant?(raw: Raw): string | null
  /** The value, or undefined when there is a mistake in it, which is then in the report. */
  read(raw: Raw, report: Report): T | undefined
  /** What the program takes a value as that has no mistake; absent: the value itself. */
  build?(value: T, context: BuildContext): B
  readonly unit?: U
}

/** Text with `${…}` in it satisfies every text schema: an editor does not know its final value. */
const REFERENCE_SCHEMA = { type: 'string', pattern: '\\$\\{' }

/** How `parsed` describes a type of text. */
export interface TextNames {
  readonly label: string
  readonly expected: string
  /** JSON schema of the text; plain text unless given. */
  readonly schema?: { readonly [name: string]: Json }
  /** Never quote the value, from any source; nor show it where the file is shown. */
  readonly isSecret?: boolean
  /** A message may quote it, but it is not shown where the file is: it may hold a secret. */
  readonly isHidden?: boolean
  /** What to write when a number stands where text belongs; `{n}` is the number. */
  readonly numberHint?: string | ((value: number | bigint) => string)
}

/** Text that a parser turns into a value. Control characters and empty text are refused before the parser sees it. */
export function parsed<T>(names: TextNames, parse: (text: string, at: Path, isFilled: boolean) => Parsed<T>): Type<T> {
  const {
    label,
    expected,
    schema: plain = { type: 'string' },
    isSecret = false,
    isHidden = isSecret,
    numberHint,
  } = names
  return {
    label,
    expected,
    schema: isHidden ? { ...plain, writeOnly: true } : plain,
    read(raw, report) {
      if (raw.kind !== 'text') {
        const isGood = (said: string) => parse(said, raw.at, false).ok
        return wrongKind(raw, expected, report, isSecret ? '' : hintFor(raw, expected, numberHint, isGood))
      }
      if (raw.text === null) return undefined
      const checked = checkText(raw.text, keyOf(raw.at))
      if (!checked.ok && !raw.isFilled) {
        refuse(raw, checked, report)
        return undefined
      }
      const outcome = checked.ok ? parse(raw.text, raw.at, raw.isFilled) : checked
      if (outcome.ok) return outcome.value
      refuse(
        raw,
        raw.isFilled || (isSecret && outcome.code !== 'secret.placeholder') ? veil(raw, outcome, expected) : outcome,
        report,
      )
      return undefined
    },
  }
}

/** What to write in the place of a value of another kind: a number in quotes where it is good so, or what `expected` has in quotes. */
function hintFor(
  raw: Raw,
  expected: string,
  numberHint: TextNames['numberHint'],
  isGood: (said: string) => boolean,
): string {
  const isNumber = raw.kind === 'integer' || raw.kind === 'float'
  if (isNumber && typeof numberHint === 'function') return numberHint(raw.value)
  if (isNumber && typeof numberHint === 'string') return numberHint.replace('{n}', String(raw.value))
  if (isNumber && isGood(String(raw.value))) return `in quotes: ${quote(String(raw.value))}`
  if (!isNumber && raw.kind !== 'boolean') return TEXT_HINT
  const examples: readonly string[] = expected.match(/"[^"]+"/g) ?? []
  const example = raw.value === false && examples.includes('"off"') ? '"off"' : examples[0]
  return example === undefined ? TEXT_HINT : `write ${example}`
}

/** Any text that is not empty. */
export function text(expected = 'text'): Type<string> {
  return parsed({ label: 'text', expected }, good)
}

/** One of a few words. */
export function choice<const T extends string>(words: readonly T[]): Type<T> {
  const label = words.map(word => `"${word}"`).join(', ')
  const names = { label, expected: `one of ${label}`, schema: { anyOf: [{ enum: words }, REFERENCE_SCHEMA] } }
  return parsed(names, value => {
    const word = words.find(candidate => candidate === value)
    if (word !== undefined) return good(word)
    const meant = suggest(value, words)
    return bad(
      'choice.unknown',
      `${quote(value)} is not one of ${label}`,
      meant === null ? '' : `did you mean "${meant}"?`,
    )
  })
}

/** A whole number within bounds. */
export function integer(least: number, most: number): Type<number> {
  const expected = `a whole number from ${least} to ${most}`
  return {
    label: 'integer',
    expected,
    schema: { type: 'integer', minimum: least, maximum: most },
    read(raw, report) {
      if (raw.kind !== 'integer') return wrongKind(raw, expected, report, numberHint(raw))
      if (raw.value >= least && raw.value <= most) return raw.value
      report.mistake(raw.at, 'number.range', `${keyOf(raw.at)} must be ${expected}`)
      return undefined
    },
  }
}

function numberHint(raw: Raw): string {
  const isNumber = raw.kind === 'text' && !raw.isFilled && /^\d{1,9}$/.test(raw.source)
  return isNumber ? `write ${Number(raw.source)} without quotes` : NUMBER_HINT
}

/** A whole number within bounds, or one of a few words in its place. */
export function integerOr<const T extends string>(words: readonly T[], number: Type<number>): Type<T | number> {
  const isWord = (raw: Raw) => raw.kind === 'text' && !/^\d+$/.test(raw.source)
  return either(isWord, choice(words), number)
}

/** true or false. */
export const boolean: Type<boolean> = {
  label: 'boolean',
  expected: 'true or false',
  schema: { type: 'boolean' },
  read(raw, report) {
    if (raw.kind === 'boolean') return raw.value
    const word = raw.kind === 'text' && !raw.isFilled ? BOOLEAN_WORDS.get(raw.source.toLowerCase()) : undefined
    return wrongKind(raw, 'true or false', report, word === undefined ? BOOLEAN_HINT : `write ${word} without quotes`)
  },
}

const BOOLEAN_WORDS: ReadonlyMap<string, boolean> = new Map([
  ...['true', 'yes', 'on', '1'].map(word => [word, true] as const),
  ...['false', 'no', 'off', '0'].map(word => [word, false] as const),
])

export interface ListOptions {
  /** A single value may stand for a list of one. */
  readonly single?: boolean
  /** An empty list is allowed, and means none. */
  readonly mayBeEmpty?: boolean
  /** What to write instead of an empty list. */
  readonly emptyHint?: string
  /** Its entries are not shown. */
  readonly isSecret?: boolean
}

/** A list. Two equal texts in one list are a mistake, and so is an empty list unless it is allowed. */
export function list<T, B>(of: Type<T, B, string>, options: ListOptions = {}): Type<readonly T[], readonly B[]> {
  const {
    single = false,
    mayBeEmpty = false,
    isSecret = false,
    emptyHint = 'leave the key out, or name at least one',
  } = options
  const expected = `a list, each entry ${of.expected}`
  const schema = { type: 'array', items: of.schema, ...(mayBeEmpty ? {} : { minItems: 1 }), uniqueItems: true }
  return {
    label: single ? `${of.label}, or a list` : `list of ${of.label}`,
    expected,
    schema: single ? { anyOf: [of.schema, schema] } : schema,
    read(raw, report) {
      if (raw.kind !== 'list') {
        if (!single || raw.kind === 'table') return wrongKind(raw, expected, report, listHint(raw))
        const value = of.read(raw, report)
        return value === undefined ? undefined : [value]
      }
      if (raw.items.length === 0 && !mayBeEmpty) {
        report.mistake(raw.at, 'list.empty', `${keyOf(raw.at)} is an empty list`, { hint: emptyHint })
        return undefined
      }
      const seen = new Map<string, Path>()
      const values: T[] = []
      let isWhole = true
      for (const item of raw.items) {
        const value = of.read(item, report)
        if (value === undefined) isWhole = false
        else values.push(value)
        if (item.kind !== 'text' || item.text === null) continue
        const first = seen.get(item.text)
        if (first === undefined) seen.set(item.text, item.at)
        else
          report.mistake(item.at, 'list.repeated', `${isSecret ? 'this' : showRaw(item)} is in this list twice`, {
            hint: 'remove one',
          })
      }
      return isWhole ? values : undefined
    },
    ...(of.build === undefined ? {} : { build: (values, context) => buildAll(of, values, context) }),
  }
}

/** Each value of a list, built. */
export function buildAll<T, B>(of: Type<T, B, string>, values: readonly T[], context: BuildContext): readonly B[] {
  return values.map(value => build(of, value, context))
}

/** What the program takes a value of a type as. */
export function build<T, B>(type: Type<T, B, string>, value: T, context: BuildContext): B
export function build(type: Type<unknown, unknown, string>, value: unknown, context: BuildContext): unknown {
  return type.build === undefined ? value : type.build(value, context)
}

/** How a type is described, for another one that reads the same texts as something else. */
export function describe({ label, expected, schema, meant }: Type<unknown, unknown, string>): Description {
  return { label, expected, schema, ...(meant === undefined ? {} : { meant }) }
}

type Description = Pick<Type<unknown>, 'label' | 'expected' | 'schema' | 'meant'>

/** A type whose value the program takes as something else. */
export function builtAs<T, B, U extends string = ''>(
  type: Type<T, unknown, U>,
  turn: (value: T, context: BuildContext) => B,
): Type<T, B, U> {
  return { ...type, build: turn }
}

/** A type whose value `"off"` the program takes as null. */
export function offIsNull<T, U extends string>(
  type: Type<T | 'off', unknown, string>,
  unit: U,
): Type<T | 'off', T | null, U> {
  return { ...type, unit, build: value => (value === 'off' ? null : value) }
}

function listHint(raw: Raw): string {
  if (raw.kind !== 'text') return LIST_HINT
  const parts = raw.isFilled ? [raw.source] : raw.source.split(/[\s,;]+/).filter(part => part !== '')
  return `in brackets: [${parts.map(quote).join(', ')}]`
}

/** Either of two types, chosen by the TOML type of the value. */
export function either<A, B>(
  isFirst: (raw: Raw) => boolean,
  first: Type<A, A, string>,
  second: Type<B, B, string>,
): Type<A | B> {
  return {
    label: `${first.label}, or ${second.label}`,
    expected: `${first.expected}, or ${second.expected}`,
    schema: { anyOf: [first.schema, second.schema] },
    read: (raw, report) => (isFirst(raw) ? first.read(raw, report) : second.read(raw, report)),
  }
}

/** A type whose value is turned into another, without further mistakes. */
export function mapped<A, B>(type: Type<A>, turn: (value: A) => B): Type<B> {
  return {
    label: type.label,
    expected: type.expected,
    schema: type.schema,
    read(raw, report) {
      const value = type.read(raw, report)
      return value === undefined ? undefined : turn(value)
    },
  }
}

/** Reports `key.type` for a node of another kind than the key takes. */
export function wrongKind(raw: Raw, expected: string, report: Report, hint = ''): undefined {
  report.mistake(raw.at, 'key.type', `${keyOf(raw.at)} must be ${expected}, not ${describeRaw(raw)}`, { hint })
  return undefined
}

/** Reports a refusal where its text is. */
export function refuse(raw: Raw, refusal: Refusal, report: Report): void {
  report.mistake(raw.at, refusal.code, refusal.message, { hint: refusal.hint, mark: refusal.mark })
}

/** The last key of a path as a subject: `listen`, or `an entry of listen`. */
function keyOf(at: Path): string {
  const name = at.findLast(step => typeof step === 'string') ?? 'the file'
  return typeof at.at(-1) === 'number' && at.length > 2 ? `an entry of ${name}` : String(name)
}

function checkText(value: string, key: string): Parsed<string> {
  if (value === '') return bad('text.empty', `${key} is empty text`, 'leave it out, or write something')
  if (CONTROL.test(value)) return bad('text.control', `${key} has a line break or another control character in it`)
  return good(value)
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/

/** A refusal that says what is wrong without a word of a value that is not in the file itself. */
function veil(raw: RawText, refusal: Refusal, expected: string): Refusal {
  if (!raw.isFilled) return { ...refusal, message: `${keyOf(raw.at)} must be ${expected}`, hint: '', mark: null }
  const message = `${quote(raw.source)}, once filled in, is not ${expected}`
  return bad(refusal.code, message, 'look at what the variable or file holds: it is not shown here')
}
