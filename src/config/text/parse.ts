/** Parses TOML; says in words where a text stops being TOML. */

import { parse, TomlError } from 'smol-toml'
import { bad, good, type Refusal } from './diagnostic.ts'
import { parseRaw, type RawTable } from './raw.ts'

/** A refusal, and where in the text it is when TOML itself is broken; null where the whole file is meant. */
interface SyntaxRefusal {
  readonly refusal: Refusal
  /** What is wrong, or how it is written, without a part of the text; empty where only the refusal says that. */
  readonly plain: string
  readonly line: number
  /** 1-based, in UTF-16 code units of that line. */
  readonly column: number
  /** What to write instead of that line, where that is known. Secret: it repeats what stands there. */
  readonly write?: string
}

/** The file's raw tree, or the one place where it stops being TOML. */
export type ParsedToml = { readonly ok: true; readonly value: RawTable } | ({ readonly ok: false } & SyntaxRefusal)

/**
 * TOML text as a raw tree, unchecked.
 *
 * The only importer of the TOML parser, so that another can take its place. Never throws for any text.
 * Source: TOML 1.1.0.
 */
export function parseToml(text: string): ParsedToml {
  const odd = text.indexOf('\uFFFD')
  if (odd !== -1) return { ok: false, ...notUtf8(text, odd) }
  let values: unknown
  try {
    values = parse(text)
  } catch (error) {
    if (!(error instanceof TomlError)) {
      return { ok: false, refusal: bad('toml.syntax', 'this is not TOML'), plain: '', line: 1, column: 1 }
    }
    const { line, column } = error
    const reason = reasonOf(error)
    const told = explainSyntax(text, { message: reason, hint: '', line, column }, isToml)
    // The parser's own words may repeat a part of the line, and what is there twice is named.
    const plain = reason.includes('redefine') ? '' : told.message === reason ? told.hint : told.message
    const refusal = bad('toml.syntax', told.message, told.hint)
    const { write } = told
    return {
      ok: false,
      refusal,
      plain,
      line: told.line,
      column: told.column,
      ...(write === undefined ? {} : { write }),
    }
  }
  const noDate = findImpossibleDate(text)
  if (noDate !== null) return { ok: false, refusal: IMPOSSIBLE_DATE, plain: IMPOSSIBLE_DATE.message, ...noDate }
  const raw = parseRaw(values, [])
  if (!raw.ok) return { ok: false, refusal: raw, plain: raw.message, line: 1, column: 1 }
  if (raw.value.kind !== 'table') throw new TypeError('a TOML document is a table')
  return good(raw.value)
}

/** TOML is UTF-8: all other bytes were decoded to U+FFFD, and would be in a title or a secret too. */
function notUtf8(text: string, at: number): SyntaxRefusal {
  const before = text.slice(0, at).split('\n')
  const hint = 'save the file as UTF-8: here is a character in another encoding'
  const refusal = bad('toml.encoding', 'this is not UTF-8 text', hint)
  return {
    refusal,
    plain: refusal.message,
    line: before.length,
    column: (before.at(-1)?.length ?? 0) + 1,
  }
}

const IMPOSSIBLE_DATE = bad('date.invalid', 'this day does not exist', 'the month is shorter')

const DAY = /(\d{4})-(\d{2})-(\d{2})/g

/**
 * Where the first date is that no calendar has, such as 30 February; null where none is. The parser reads it as a day of the next
 * month, as `Date` does. But it refuses a month that there is not: so it is asked again with one in each such date.
 */
function findImpossibleDate(text: string): { readonly line: number; readonly column: number } | null {
  const asked = text.replace(DAY, (date: string, year: string, month: string, day: string) =>
    isImpossible(Number(year), Number(month), Number(day)) ? `${year}-${Number(month) + 80}-${day}` : date,
  )
  if (asked === text) return null
  try {
    parse(asked)
    return null
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    return { line: error.line, column: error.column }
  }
}

/** Whether a month has fewer days; a month that there is not is refused by the parser. */
function isImpossible(year: number, month: number, day: number): boolean {
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  return (month === 2 && day > (isLeap ? 29 : 28)) || (day > 30 && [4, 6, 9, 11].includes(month))
}

/** The parser's message without its preamble and its own code frame. */
function reasonOf(error: TomlError): string {
  const firstLine = error.message.split('\n')[0] ?? ''
  return firstLine.replace(/^Invalid TOML document:\s*/, '') || 'this is not TOML'
}

function isToml(text: string): boolean {
  try {
    parse(text)
    return true
  } catch {
    return false
  }
}

/** Where a text stops being TOML, in words for people. */
interface SyntaxMistake {
  readonly message: string
  readonly hint: string
  readonly line: number
  /** 1-based, in UTF-16 code units. */
  readonly column: number
  /** What to write instead of that line, where that is known. Secret: it repeats what stands there. */
  readonly write?: string
}

/**
 * Explains the mistake in a text that is not TOML, from the parser's position and message.
 *
 * The suggested text has been tested: `isToml` accepts it as a text on its own. Message and hint repeat no part of a
 * value.
 */
function explainSyntax(text: string, found: SyntaxMistake, isToml: (text: string) => boolean): SyntaxMistake {
  const lines = text.split(/\r?\n/)
  return (
    otherLanguage(lines, found) ??
    alreadyThere(lines, found) ??
    fixed(lines, found, isToml) ??
    leftOpen(lines, found, isToml) ?? { ...found, message: found.message, hint: hintFor(found.message) }
  )
}

/** Of a file that is no TOML at all, one mistake at its first line says more than a sign that is odd there. */
function otherLanguage(lines: readonly string[], found: SyntaxMistake): SyntaxMistake | null {
  const at = lines.findIndex(line => !/^\uFEFF?\s*(?:#.*)?$/.test(line))
  const first = lines[at] ?? ''
  const isToml = lines.some(line => /^\s*(?:\[\[?[\w."' -]+\]\]?|[\w."'-]+\s*=)/.test(line))
  const told = (what: string, hint: string) => ({ ...found, message: what, hint, line: at + 1, column: 1 })
  const start = 'sallyport init writes a file to start from'
  if (/^\uFEFF?\s*\{/.test(first)) return told('this is JSON, and the file has to be TOML', start)
  if (isToml) return null
  if (/^\uFEFF?\s*\S.*\{\s*$/.test(first)) {
    return told(
      'this looks like a Caddyfile, and the file has to be TOML',
      'sallyport import FILE makes a routes.toml of it',
    )
  }
  if (/^\uFEFF?(?:---\s*$|[\w-]+\s*:(?:\s|$))/.test(first)) {
    const hint = `[server] in place of "server:", and = in place of the colon after a key; ${start}`
    return told('this is YAML, and the file has to be TOML', hint)
  }
  return null
}

const HEADER = /^\s*(\[\[?)\s*([^[\]#]+?)\s*\]/

/** A duplicate: where the first one is, which is hard to find in a long file. */
function alreadyThere(lines: readonly string[], found: SyntaxMistake): SyntaxMistake | null {
  if (!found.message.includes('redefine')) return null
  const own = lines[found.line - 1] ?? ''
  const before = lines.slice(0, found.line - 1)
  const [, brackets = '', name = ''] = HEADER.exec(own) ?? []
  if (name !== '') {
    const first = before.findIndex(line => HEADER.exec(line)?.[2] === name)
    const isList = brackets === '[['
    if (first === -1) return { ...found, message: `${name} is already in this file`, hint: 'each may appear once' }
    const wasList = HEADER.exec(lines[first] ?? '')?.[1] === '[['
    if (isList || wasList) {
      const message = `[${name}] and [[${name}]] are not the same: with two brackets it is one of several tables`
      const hint = `the first is at line ${first + 1}; in both places write [[${name}]]`
      return { ...found, message, hint }
    }
    const hint = `put both together; the first is at line ${first + 1}`
    return { ...found, message: `the table [${name}] is already in this file`, hint }
  }
  const [, key = ''] = /^\s*([^=]+?)\s*=/.exec(own) ?? []
  if (key === '') return null
  const begin = before.findLastIndex(line => HEADER.test(line))
  const first = before.findIndex((line, index) => index > begin && /^\s*([^=]+?)\s*=/.exec(line)?.[1] === key)
  const hint = `each key once in a table${first === -1 ? '' : `; the first is at line ${first + 1}`}`
  return { ...found, message: `the key ${key} is already in this table`, hint }
}

function fixed(
  lines: readonly string[],
  found: SyntaxMistake,
  isToml: (text: string) => boolean,
): SyntaxMistake | null {
  const line = lines[found.line - 1] ?? ''
  if (/^\s*[\w."'-]+\s*=\s*(?:#.*)?$/.test(line)) {
    return { ...found, message: 'a value is missing here', hint: 'text goes in double quotes: key = "value"' }
  }
  if (/^\s*[\w."'-]+\s*=\s*(?:null|nil|none|undefined)\s*(?:#.*)?$/i.test(line)) {
    return {
      ...found,
      message: 'TOML has no word for nothing',
      hint: 'leave this line out: then the key has its default',
    }
  }
  if (isToml(line)) return null
  const fix = fixLine(line, isToml)
  return fix === null ? null : { ...found, message: fix.what, hint: '', write: fix.write }
}

/** A list or a table that continues by mistake: the parser notices that at the next line, or at the end. */
function leftOpen(
  lines: readonly string[],
  found: SyntaxMistake,
  isToml: (text: string) => boolean,
): SyntaxMistake | null {
  if (!/comma or end of structure|expected (?:value|closing)|unfinished|end of file/.test(found.message)) return null
  const before = lines.slice(0, found.line - 1)
  const at = before.findLastIndex(line => /^\s*[\w."'-]+\s*=\s*[[{]/.test(line))
  const line = lines[at]
  if (line === undefined || isToml(line)) return null
  const isAlone = before.slice(at + 1).every(one => /^\s*(?:#.*)?$/.test(one))
  const fix = isAlone ? fixLine(line, isToml) : null
  const column = /[[{]/.exec(line)?.index ?? 0
  const what = 'what this bracket opens is not closed'
  if (fix !== null) return { message: what, hint: '', write: fix.write, line: at + 1, column: column + 1 }
  const hint = `close it before line ${found.line}, with a comma after each entry but the last`
  return { message: what, hint, line: at + 1, column: column + 1 }
}

/** What people usually did, for the messages that are hardest to read. */
function hintFor(reason: string): string {
  if (reason === 'invalid value' || reason.includes('numeric literal') || reason.includes('invalid date'))
    return 'text goes in double quotes: key = "value"'
  if (reason.includes('end-of-line')) return 'one key = value to a line; is a quote or a # missing?'
  if (reason.includes('comma')) return 'entries of a list or a table have commas between them'
  if (reason.includes('key')) return 'a line is either [table], key = value, or a # comment'
  if (reason.includes('unfinished string') || reason === 'control characters are not allowed in strings')
    return 'is the closing quote missing on this line?'
  if (reason.includes('escape')) return "in double quotes a backslash is written \\\\; or use single quotes: 'C:\\…'"
  return ''
}

/** A line that is not TOML, and its probable meaning. */
interface FixedLine {
  /** What is wrong, one sentence. */
  readonly what: string
  /** The corrected line, which is valid TOML on its own. It is as secret as the original line. */
  readonly write: string
}

/** Longer lines are nothing that a person wrote by hand. */
const MAX_LENGTH = 1000

interface Step {
  readonly what: string
  readonly fix: (line: string) => string
}

const KEY = String.raw`(?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*`
const KEY_VALUE = new RegExp(String.raw`^(\s*${KEY}\s*=\s*)(\S.*?)\s*$`)

/** Common habits that are not TOML, in the order in which they must be fixed before the next is visible. */
const STEPS: readonly Step[] = [
  {
    what: 'these are typographic quotes, and TOML knows only straight ones',
    fix: line => line.replace(/[\u201c-\u201f\u2018-\u201b\u00ab\u00bb]/g, '"'),
  },
  {
    what: 'a comment begins with #',
    fix: line => line.replace(/^(\s*)\/\/\s*/, '$1# ').replace(/(["'\]}\d])\s+\/\/\s*/, '$1 # '),
  },
  { what: 'a key and its value have one = between them', fix: withEquals },
  { what: 'in a table, too, = stands between a key and its value', fix: withEqualsInside },
  { what: 'nothing comes after a value', fix: line => line.replace(/\s*[;,]+\s*$/, '') },
  { what: 'this is written true or false', fix: line => fixValue(line, asBoolean) },
  { what: 'a quote is missing', fix: line => fixValue(line, closeQuote) },
  { what: 'a backslash in double quotes begins an escape', fix: line => fixValue(line, inSingleQuotes) },
  { what: 'text goes in double quotes', fix: line => fixValue(line, inQuotes) },
  { what: 'a comma is missing', fix: line => fixValue(line, withCommas) },
  { what: 'a bracket is missing', fix: closeBrackets },
]

/**
 * The line as it was meant: its first mistake, and the line with all mistakes fixed; null where no fix makes it TOML.
 *
 * `isToml` returns whether a text on its own is TOML.
 */
function fixLine(line: string, isToml: (text: string) => boolean): FixedLine | null {
  if (line.length > MAX_LENGTH || line.trim() === '') return null
  const bare = withoutComment(line)
  return fixBare(bare, isToml) ?? (bare === line.trim() ? null : fixBare(line.trim(), isToml))
}

/** A comment keeps the end of a line from being seen. Where a quote is missing, a # behind a blank is most likely one. */
function withoutComment(line: string): string {
  const [, before = line] = /^((?:[^"'#]|"[^"]*"|'[^']*')*?)\s*#/.exec(line) ?? /^(.*?)\s+#\s/.exec(line) ?? []
  return before.trim() === '' ? line.trim() : before.trim()
}

function fixBare(line: string, isToml: (text: string) => boolean): FixedLine | null {
  let what: string | null = null
  let fixed = line
  for (const step of STEPS) {
    const next = step.fix(fixed)
    if (next === fixed) continue
    what ??= step.what
    fixed = next
    if (isToml(fixed)) return { what, write: fixed }
  }
  return null
}

function withEquals(line: string): string {
  if (/^\s*(?:\[|#)/.test(line)) return line
  const signs = new RegExp(String.raw`^(\s*${KEY})\s*(?:==+|:=|=>|:(?=\s))\s*(\S.*)$`).exec(line)
  if (signs !== null) return `${signs[1]} = ${signs[2]}`
  const bare = /^(\s*[\w-]+)\s+([^=\s].*)$/.exec(line)
  return bare === null ? line : `${bare[1]} = ${bare[2]}`
}

/** As YAML and JSON have it: `{ groups: ["users"] }`, `{ "groups": ["users"] }`. What is in quotes stays, but for a key. */
function withEqualsInside(line: string): string {
  const [, before = '', value = ''] = KEY_VALUE.exec(line) ?? []
  if (!/^[[{]/.test(value)) return line
  const inside = new RegExp(String.raw`(?<=[{,]\s*)(${KEY})\s*:\s+|("[^"]*"|'[^']*')`, 'g')
  return before + value.replace(inside, (whole, key?: string) => (key === undefined ? whole : `${key} = `))
}

function fixValue(line: string, fix: (value: string) => string): string {
  const [, before = '', value = ''] = KEY_VALUE.exec(line) ?? []
  return value === '' ? line : before + fix(value)
}

function asBoolean(value: string): string {
  if (/^[[{]/.test(value))
    return value.replace(BARE_BOOLEAN, (whole, word?: string) => (word === undefined ? whole : word.toLowerCase()))
  if (/^(?:true|yes|on)$/i.test(value)) return 'true'
  return /^(?:false|no|off)$/i.test(value) ? 'false' : value
}

/** What is in quotes as it is, and `True` and `FALSE` behind a `=`. */
const BARE_BOOLEAN = /"[^"]*"|'[^']*'|(?<==\s*)(true|false)(?=\s*[,}])/gi

/** Only for a single text: in a list, its end would be a guess. */
function closeQuote(value: string): string {
  const [, inside] =
    /^"([^"\\]*?)'?$/.exec(value) ?? /^'([^'\\"]*?)"?$/.exec(value) ?? /^([^"'[{\\\s][^"'\\]*?)["']$/.exec(value) ?? []
  return inside === undefined || inside === '' ? value : `"${inside}"`
}

function inSingleQuotes(value: string): string {
  const [, inside] = /^"([^"']*\\[^"']*)"$/.exec(value) ?? []
  return inside === undefined ? value : `'${inside}'`
}

/** A bare text, or the bare words of a list or table. */
function inQuotes(value: string): string {
  if (/^["']/.test(value)) return value
  if (/^[[{]/.test(value))
    return value.replace(BARE_WORD, (whole, quoted) => (quoted === undefined ? quoteWord(whole) : whole))
  const [, text = '', comment = ''] = /^([^#"'\\]*?)(\s*#.*)?$/.exec(value) ?? []
  return text === '' ? value : `"${text}"${comment}`
}

/** What is in quotes as it is, and words that are neither keys nor numbers. */
const BARE_WORD = /("[^"]*"|'[^']*')|(?<=[[,=]\s*)[A-Za-z*/][\w.*/@:-]*(?=\s*[\],}])/g

function quoteWord(word: string): string {
  return word === 'true' || word === 'false' ? word : `"${word}"`
}

/** After a text, a list or a table, before the next. */
function withCommas(value: string): string {
  if (!/^[[{]/.test(value)) return value
  let fixed = ''
  for (const [piece] of value.matchAll(/"[^"]*"|'[^']*'|[\w.+:-]+|\s+|./g)) {
    const isNext = /^["'{[\w]/.test(piece) && /(?:["'}\]]|\btrue|\bfalse|\d)\s+$/.test(fixed)
    fixed = isNext ? `${fixed.trimEnd()}, ${piece}` : fixed + piece
  }
  return fixed
}

/** The brackets of a header, or those that a value opened. */
function closeBrackets(line: string): string {
  const header = new RegExp(String.raw`^\s*(\[\[?)\s*(${KEY})\s*\]*\s*$`).exec(line)
  if (header !== null) return `${header[1]}${header[2]}${header[1] === '[[' ? ']]' : ']'}`
  const open: string[] = []
  for (const [piece] of line.matchAll(/"[^"]*"|'[^']*'|[[\]{}]/g)) {
    if (piece === '[') open.push(']')
    else if (piece === '{') open.push(' }')
    else if (piece === ']' || piece === '}') open.pop()
  }
  return line + open.reverse().join('')
}
