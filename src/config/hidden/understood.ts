import { hasName, hasTable, type Schema } from './places.ts'

/** How much of a line of a value is understood, and how many brackets are open behind that. */
export interface Understood {
  readonly length: number
  readonly depth: number
}

/**
 * How much of what stands on a line belongs to a value: single values, brackets and names that it knows, in an order that TOML has, up to
 * the first that is none of these or looks like a key.
 */
export function understood(value: string, schemas: readonly Schema[], open: number): Understood {
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
export interface Unclosed {
  readonly quotes: string | null
  readonly depth: number
}

/** What is not closed behind a line. */
export function unclosedAfter(line: string, before: Unclosed): Unclosed | null {
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
