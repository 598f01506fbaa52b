import { secretStretches } from '../../base/shown-address.ts'
import { parseToml } from '../text/parse.ts'
import { type Sayings, sayingsOf } from '../text/positions.ts'
import type { Path } from '../text/raw.ts'
import { hasName, isShown, isShownWhole, type Schema, schemasAt, withNumbers } from './places.ts'

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
  const [, before = '', value = ''] = /^(\s*#[#\s]*[\w."'-]+\s*[=:]\s+|.*?[\w"'-]\s*=\s*)(\S.*?)\s*$/.exec(source) ?? []
  if (value !== '' && !isReference(value)) {
    const from = start + before.length
    return [{ start: from, end: from + value.length, key: '#', isWhole: false }]
  }
  return partsOf(source, start, '#')
}

/** Login and query of an address. What only names secrets, as in `?key=${KEY}`, is none. */
function partsOf(source: string, start: number, key: string): readonly Secret[] {
  return secretStretches(source)
    .filter(([from, to]) => !NAMED.test(source.slice(from, to)))
    .map(([from, to]) => ({ start: start + from, end: start + to, key, isWhole: false }))
}

const NAMED = /^(?:(?:[\w.-]+=)?\$\{(?:file:[^{}]+|[A-Za-z_]\w*)\}(?:[:&]|$))+$/

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
  let open: readonly Schema[] | null = null
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
      open = null
    } else {
      const own = pair === null ? null : stepsOf(pair[2] ?? '')
      const at = table === null || own === null ? null : [...table, ...own]
      const before =
        pair === null ? (/^\s*/.exec(rest)?.[0] ?? '') : (pair[1] ?? '') + (pair[2] ?? '') + (pair[3] ?? '')
      const value = rest.slice(before.length).trimEnd()
      const start = index + before.length
      if (pair !== null) {
        key = keyOf(own ?? [])
        open = at === null || !isShownWhole(at) ? null : schemasAt(at)
      }
      // A single value goes no further than its line, nor does one of a list.
      const isSingle = at !== null && !/[{]/.test(value) && (isShown(at) || isShown([...at, 0]))
      const shown = open !== null ? shownOf(value, open) : isSingle ? shownOf(value, []) : 0
      secrets.push(...partsOf(value.slice(0, shown), start, key))
      const hidden = value.slice(shown)
      if (hidden !== '' && !isReference(hidden)) {
        secrets.push({ start: start + shown, end: start + value.length, key, isWhole: shown === 0 })
      }
    }
  }
  return secrets
}

/** How much of what stands on a line of a value belongs to it: up to what looks like a key that is none of its own. */
function shownOf(value: string, schemas: readonly Schema[]): number {
  for (const { index, 1: name = '' } of value.matchAll(/(?<![\w-])([\w-]+)["']?\s*=/g)) {
    if (!schemas.some(schema => hasName(schema, name, new Set()))) return index
  }
  return value.length
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
