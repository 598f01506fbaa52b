/** A regular expression as texts, of which any is enough, and in which a star is anything at all. */
export interface ExpressionTexts {
  /** Each is meant as a whole: without `^` and `$` there is a star at that end. */
  readonly texts: readonly string[]
  /** Whether they are what it says; else they are that and more. */
  readonly isExact: boolean
  /** Whether it heeds no case (`(?i)`). */
  readonly isFolded: boolean
}

/** More texts than these are no list that anybody reads, and a longer one is no path. */
const MAX_TEXTS = 32
const MAX_LENGTH = 512

/**
 * What an expression of Go's (RE2) asks for; null for what cannot be read, a variable among it.
 *
 * Classes, `?`, `{n,m}` and groups are written out. What has no end (`[a-z]+`), or is too much, is a star in their place: what the
 * expression holds for, the texts hold for too.
 * Source: https://github.com/google/re2/wiki/Syntax, without what is about words, lines and Unicode.
 */
export function readExpression(expression: string): ExpressionTexts | null {
  const isFolded = expression.startsWith(FOLDED)
  const start = isFolded ? FOLDED.length : 0
  const whole = readAlternatives(expression, start)
  if (whole === null || whole.end !== expression.length) return null
  const ended = whole.texts.map(withEnds)
  return {
    texts: [
      ...new Set(ended.map(({ text }) => (isFolded ? text.replace(/[A-Z]/g, letter => letter.toLowerCase()) : text))),
    ],
    isExact: whole.isExact && ended.every(one => one.isExact),
    isFolded,
  }
}

const FOLDED = '(?i)'

/** Where the text begins and ends, until all of an alternative is read. */
const START = '\u0002'
const END = '\u0003'

/** An end that is not at an end holds for nothing, or for less than what is without it. */
function withEnds(text: string): Pick<ExpressionTexts, 'isExact'> & { readonly text: string } {
  const from = text.startsWith(START) ? text.slice(1) : `*${text}`
  const to = from.endsWith(END) ? from.slice(0, -1) : `${from}*`
  const plain = to.replaceAll(START, '').replaceAll(END, '')
  return { text: plain.replace(/\*{2,}/g, '*'), isExact: plain === to }
}

interface Read {
  readonly texts: readonly string[]
  readonly isExact: boolean
  /** Where the expression goes on. */
  readonly end: number
}

/** `a|b|c`, until the expression ends, or the group that it is in. */
function readAlternatives(expression: string, start: number): Read | null {
  const all: Read[] = []
  for (let at = start; ; at++) {
    const one = readSequence(expression, at)
    if (one === null) return null
    all.push(one)
    at = one.end
    if (expression[at] === '|') continue
    return bounded(
      all.flatMap(({ texts }) => texts),
      all.every(({ isExact }) => isExact),
      at,
    )
  }
}

function readSequence(expression: string, start: number): Read | null {
  let read: Read = { texts: [''], isExact: true, end: start }
  while (read.end < expression.length && expression[read.end] !== '|' && expression[read.end] !== ')') {
    const piece = readPiece(expression, read.end)
    if (piece === null) return null
    const repeated = readRepeat(expression, piece)
    if (repeated === null) return null
    read = joined(read, repeated)
  }
  return read
}

/** One after the other. Where that is too much, the second is anything. */
function joined(one: Read, other: Read): Read {
  const isMuch = one.texts.length * other.texts.length > MAX_TEXTS
  const after = isMuch ? ['*'] : other.texts
  const texts = one.texts.flatMap(before => after.map(text => before + text))
  return bounded(texts, one.isExact && other.isExact && !isMuch, other.end)
}

/** Texts as far as they are few and short; else what they all begin with. */
function bounded(texts: readonly string[], isExact: boolean, end: number): Read {
  const each = [...new Set(texts)]
  if (each.length <= MAX_TEXTS && each.every(text => text.length <= MAX_LENGTH)) return { texts: each, isExact, end }
  const [first = ''] = each
  let shared = Math.min(first.length, MAX_LENGTH)
  while (!each.every(text => text.startsWith(first.slice(0, shared)))) shared--
  return { texts: [`${first.slice(0, shared)}*`], isExact: false, end }
}

/** A piece as often as the expression has it: `?`, `*`, `+`, `{n,m}`, each perhaps with a `?` that makes no difference here. */
function readRepeat(expression: string, piece: Read): Read | null {
  const found = /^(?:([?*+])|\{(\d{1,3})(?:(,)(\d{0,3}))?\})\??/.exec(expression.slice(piece.end))
  const [all = '', sign, stated = '', comma, limit = ''] = found ?? []
  const end = piece.end + all.length
  // A brace that counts nothing may be a variable, and what is repeated is not repeated again.
  if (/[?*+{]/.test(expression[end] ?? '')) return null
  if (found === null) return piece
  const least = sign === undefined ? Number(stated) : Number(sign === '+')
  const last = sign === '?' ? '1' : comma === undefined ? stated : limit
  const most = last === '' ? Number.POSITIVE_INFINITY : Number(last)
  if (most > MAX_TEXTS) return { texts: ['*'], isExact: false, end }
  const texts: string[] = []
  let isExact = true
  let read: Read = { texts: [''], isExact: true, end }
  for (let times = 0; times <= most; times++) {
    if (times > 0) read = joined(read, { ...piece, end })
    if (times < least) continue
    texts.push(...read.texts)
    isExact &&= read.isExact
  }
  return bounded(texts, isExact, end)
}

/** Escapes that are more than their letter, as texts. */
const ESCAPES: Readonly<Record<string, Omit<Read, 'end'>>> = {
  A: { texts: [START], isExact: true },
  z: { texts: [END], isExact: true },
  b: { texts: [''], isExact: false },
  B: { texts: [''], isExact: false },
  d: { texts: [...'0123456789'], isExact: true },
  D: { texts: ['*'], isExact: false },
  s: { texts: ['*'], isExact: false },
  S: { texts: ['*'], isExact: false },
  w: { texts: ['*'], isExact: false },
  W: { texts: ['*'], isExact: false },
}

function readPiece(expression: string, at: number): Read | null {
  const rest = expression.slice(at)
  const every = /^\.\*\??/.exec(rest)?.[0]
  if (every !== undefined) return { texts: ['*'], isExact: true, end: at + every.length }
  const sign = SIGNS[rest.charAt(0)]
  if (sign !== undefined) return { ...sign, end: at + 1 }
  const escaped = /^\\(.)/.exec(rest)?.[1]
  if (escaped !== undefined) return readEscape(escaped, at + 2)
  const plain = /^[^\\?*+()[\]{}|\p{C}]/u.exec(rest)?.[0]
  if (plain !== undefined) return { texts: [plain], isExact: true, end: at + plain.length }
  if (rest.startsWith('[')) return readClass(rest, at)
  const open = /^\((?:\?:|\?P?<\w+>|(?!\?))/.exec(rest)?.[0]
  if (open === undefined) return null
  const inner = readAlternatives(expression, at + open.length)
  return inner === null || expression[inner.end] !== ')' ? null : { ...inner, end: inner.end + 1 }
}

const SIGNS: Readonly<Record<string, Omit<Read, 'end'>>> = {
  '^': { texts: [START], isExact: true },
  $: { texts: [END], isExact: true },
  '.': { texts: ['*'], isExact: false },
}

function readEscape(letter: string, end: number): Read | null {
  const known = Object.hasOwn(ESCAPES, letter) ? ESCAPES[letter] : undefined
  if (known !== undefined) return { ...known, end }
  // A star that is one cannot be told from one that is anything.
  if (letter === '*') return { texts: ['*'], isExact: false, end }
  return /^[!-/:-@[-`{-~]$/.test(letter) ? { texts: [letter], isExact: true, end } : null
}

/** `[a-c_]`, written out; a star for what is not one of a few letters. */
function readClass(rest: string, at: number): Read | null {
  const [all, not, inside = ''] = /^\[(\^?)((?:\\[^\p{C}]|[^\\[\]\p{C}])+)\]/u.exec(rest) ?? []
  if (all === undefined) return null
  const end = at + all.length
  const much: Read = { texts: ['*'], isExact: false, end }
  if (not === '^') return much
  const letters: string[] = []
  for (const [item, from = '', to] of inside.matchAll(/(\\.|[^\\])(?:-(\\.|[^\\]))?/gsu)) {
    const ends = [from, to ?? from].map(classLetter)
    const [first, last] = ends
    if (item.includes('\\d') && to === undefined) letters.push(...'0123456789')
    else if (first == null || last == null) return much
    else for (let code = first; code <= last; code++) letters.push(String.fromCharCode(code))
    if (letters.length > MAX_TEXTS) return much
  }
  return letters.includes('*') ? much : { texts: letters, isExact: true, end }
}

/** The code of a letter in a class; null for what is no single one, or not of ASCII. */
function classLetter(text: string): number | null {
  const letter = /^\\[!-/:-@[-`{-~]$/.test(text) ? text.slice(1) : text
  return /^[ -~]$/.test(letter) ? letter.charCodeAt(0) : null
}
