/** A line that is no TOML, and what it was probably meant to be. */
export interface MendedLine {
  /** What is wrong, one sentence. */
  readonly what: string
  /** The line as it should be, which is TOML by itself. Secret: whatever was in it is. */
  readonly write: string
}

/** Longer lines are nothing that a person wrote by hand. */
const MAX_LENGTH = 1000

interface Step {
  readonly what: string
  readonly mend: (line: string) => string
}

const KEY = String.raw`(?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*`
const KEY_VALUE = new RegExp(String.raw`^(\s*${KEY}\s*=\s*)(\S.*?)\s*$`)

/** What people write out of habit, in the order in which one has to be mended before the next can be seen. */
const STEPS: readonly Step[] = [
  {
    what: 'these are typographic quotes, and TOML knows only straight ones',
    mend: line => line.replace(/[\u201c-\u201f\u2018-\u201b\u00ab\u00bb]/g, '"'),
  },
  {
    what: 'a comment begins with #',
    mend: line => line.replace(/^(\s*)\/\/\s*/, '$1# ').replace(/(["'\]}\d])\s+\/\/\s*/, '$1 # '),
  },
  { what: 'a key and its value have one = between them', mend: withEquals },
  { what: 'in a table, too, = stands between a key and its value', mend: withEqualsInside },
  { what: 'nothing comes after a value', mend: line => line.replace(/\s*[;,]+\s*$/, '') },
  { what: 'this is written true or false', mend: line => mendValue(line, asBoolean) },
  { what: 'a quote is missing', mend: line => mendValue(line, closeQuote) },
  { what: 'a backslash in double quotes begins an escape', mend: line => mendValue(line, inSingleQuotes) },
  { what: 'text goes in double quotes', mend: line => mendValue(line, inQuotes) },
  { what: 'a comma is missing', mend: line => mendValue(line, withCommas) },
  { what: 'a bracket is missing', mend: closeBrackets },
]

/**
 * The line as it was meant: the first thing that is wrong with it, and all of it mended; null where no mending makes it TOML.
 *
 * `isToml` says of a text by itself whether it is.
 */
export function mendLine(line: string, isToml: (text: string) => boolean): MendedLine | null {
  if (line.length > MAX_LENGTH || line.trim() === '') return null
  const bare = withoutComment(line)
  return mendBare(bare, isToml) ?? (bare === line.trim() ? null : mendBare(line.trim(), isToml))
}

/** A comment keeps the end of a line from being seen. Where a quote is missing, a # behind a blank is most likely one. */
function withoutComment(line: string): string {
  const [, before = line] = /^((?:[^"'#]|"[^"]*"|'[^']*')*?)\s*#/.exec(line) ?? /^(.*?)\s+#\s/.exec(line) ?? []
  return before.trim() === '' ? line.trim() : before.trim()
}

function mendBare(line: string, isToml: (text: string) => boolean): MendedLine | null {
  let what: string | null = null
  let mended = line
  for (const step of STEPS) {
    const next = step.mend(mended)
    if (next === mended) continue
    what ??= step.what
    mended = next
    if (isToml(mended)) return { what, write: mended }
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

function mendValue(line: string, mend: (value: string) => string): string {
  const [, before = '', value = ''] = KEY_VALUE.exec(line) ?? []
  return value === '' ? line : before + mend(value)
}

function asBoolean(value: string): string {
  if (/^(?:true|yes|on)$/i.test(value)) return 'true'
  return /^(?:false|no|off)$/i.test(value) ? 'false' : value
}

/** Of a text alone: in a list, where it ends is a guess. */
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
  let mended = ''
  for (const [piece] of value.matchAll(/"[^"]*"|'[^']*'|[\w.+:-]+|\s+|./g)) {
    const isNext = /^["'{[\w]/.test(piece) && /(?:["'}\]]|\btrue|\bfalse|\d)\s+$/.test(mended)
    mended = isNext ? `${mended.trimEnd()}, ${piece}` : mended + piece
  }
  return mended
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
