/** The raw tree of a file: texts, numbers, lists and tables, each with its path, before any check. */

import { shownAddress } from '../../base/shown-address.ts'
import { bad, good, type Parsed } from './diagnostic.ts'

/** Where something is in the file: keys and list positions from the root. */
export type Path = readonly (string | number)[]

/** A text in the file. */
export interface RawText {
  readonly kind: 'text'
  readonly at: Path
  /** With every `${…}` filled in; null where that failed and is reported already. */
  readonly text: string | null
  /** As written: the only form that may be shown to anyone. */
  readonly source: string
  /** Whether `text` holds something from the environment or another file. */
  readonly isFilled: boolean
  /** The parts of `text`, in order, where it was written with a `${`; else it is all of the file itself. Secret. */
  readonly pieces?: readonly RawPiece[]
}

/** A part of a text: as the file has it, or what stands for itself, whatever is in it. */
export interface RawPiece {
  readonly text: string
  readonly isLiteral: boolean
}

interface RawNumber {
  readonly kind: 'integer' | 'float'
  readonly at: Path
  readonly value: number
}

interface RawBoolean {
  readonly kind: 'boolean'
  readonly at: Path
  readonly value: boolean
}

interface RawDate {
  readonly kind: 'date'
  readonly at: Path
  /** As RFC 3339 writes it; a local date has no offset, a date without a time no time. */
  readonly iso: string
}

export interface RawList {
  readonly kind: 'list'
  readonly at: Path
  readonly items: readonly Raw[]
}

export interface RawTable {
  readonly kind: 'table'
  readonly at: Path
  readonly entries: ReadonlyMap<string, Raw>
}

/** The file as TOML sees it, each node knowing where it is; nothing about it is checked. */
export type Raw = RawText | RawNumber | RawBoolean | RawDate | RawList | RawTable

/** A value as JSON can write it: how defaults and examples are given. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json }

/** No key is anywhere near this deep; a file that is has no honest purpose. */
const MAX_DEPTH = 32

/**
 * The raw tree of plain values, as a TOML parser or a default gives them.
 *
 * Answers `toml.depth` for absurd nesting. Throws TypeError for a value that is not TOML.
 */
export function parseRaw(value: unknown, at: Path): Parsed<Raw> {
  if (at.length > MAX_DEPTH)
    return bad('toml.depth', 'the file is nested absurdly deep', 'routes.toml needs five levels')
  if (typeof value === 'string') return good({ kind: 'text', at, text: value, source: value, isFilled: false })
  if (typeof value === 'number') return good({ kind: Number.isInteger(value) ? 'integer' : 'float', at, value })
  if (typeof value === 'boolean') return good({ kind: 'boolean', at, value })
  // The parser's own kind of Date keeps what the file left out: it gives a local date back without an offset.
  if (value instanceof Date) return good({ kind: 'date', at, iso: value.toISOString() })
  if (Array.isArray(value)) {
    const items: Raw[] = []
    for (const [index, item] of value.entries()) {
      const raw = parseRaw(item, [...at, index])
      if (!raw.ok) return raw
      items.push(raw.value)
    }
    return good({ kind: 'list', at, items })
  }
  if (typeof value === 'object' && value !== null) {
    const entries = new Map<string, Raw>()
    for (const [name, item] of Object.entries(value)) {
      const raw = parseRaw(item, [...at, name])
      if (!raw.ok) return raw
      entries.set(name, raw.value)
    }
    return good({ kind: 'table', at, entries })
  }
  throw new TypeError(`not a TOML value: ${typeof value}`)
}

/** What a node is, in words that complete "must be text, not …". */
export function describeRaw(raw: Raw): string {
  switch (raw.kind) {
    case 'text':
      return 'text'
    case 'integer':
    case 'float':
      return 'a number'
    case 'boolean':
      return String(raw.value)
    case 'date':
      return 'a date'
    case 'list':
      return 'a list'
    case 'table':
      return 'a table'
  }
}

/** A list's items, or the node itself where a single value means a list of one. */
export function itemsOf(raw: Raw | undefined): readonly Raw[] {
  if (raw === undefined) return []
  return raw.kind === 'list' ? raw.items : [raw]
}

/** A node for display: the source of a text in quotes, never the filled-in value; otherwise a description. */
export function showRaw(raw: Raw | undefined): string {
  return raw?.kind === 'text' ? quote(raw.source) : raw === undefined ? 'nothing' : describeRaw(raw)
}

/** A value of a text for display: as it is, but as the file has the text where something of it was filled in. */
export function showValue(value: string, raw: Raw | undefined): string {
  return raw?.kind === 'text' && raw.isFilled ? showRaw(raw) : value
}

/** Text in double quotes, cut where it is long, without what may be a secret in an address. */
export function quote(text: string): string {
  const shown = shownAddress(text)
  return shown.length > 80 ? `"${shown.slice(0, 77)}…"` : `"${shown}"`
}

/** `routes[2].upstream`; a name that is not a bare TOML key is quoted. */
export function formatPath(at: Path): string {
  let text = ''
  for (const step of at) {
    if (typeof step === 'number') text += `[${step}]`
    else text += `${text === '' ? '' : '.'}${/^[A-Za-z0-9_-]+$/.test(step) ? step : JSON.stringify(step)}`
  }
  return text
}
