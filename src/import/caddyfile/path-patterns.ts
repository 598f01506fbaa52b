import { parsePathPattern } from '../../config/values/path-pattern.ts'

/** More alternatives than these are no list that anybody reads. */
const MAX_PATTERNS = 32

/**
 * `bypass uri MANNER TEXT` as patterns of whole paths, in the words of `paths`; null for what they cannot say.
 *
 * Source: go-authcrunch, pkg/authz/bypass (read, and held against what it answers: test/recorded).
 */
export function bypassPatterns(manner: string, text: string): readonly string[] | null {
  if (manner === 'regex') return expressionPatterns(text)
  if (text.includes('*') || text === '') return null
  const stars: Readonly<Record<string, string>> = {
    exact: text,
    prefix: `${text}*`,
    partial: `*${text}*`,
    suffix: `*${text}`,
  }
  const pattern = stars[manner]
  // A path begins with a slash: none is, or begins with, anything else.
  const isAnchored = manner === 'exact' || manner === 'prefix'
  return pattern === undefined || (isAnchored && !text.startsWith('/')) ? null : checked([pattern])
}

/**
 * A pattern of Caddy's path matcher, which heeds no case, as one of `paths`; null for one that is more than a text with a star at either
 * end, or cannot be spelt. In the middle, Caddy's star ends at a slash.
 */
export function matcherPattern(pattern: string): string | null {
  const [found = null] = pattern.slice(1, -1).includes('*') ? [] : (checked([pattern.toLowerCase()]) ?? [])
  return found
}

/**
 * An expression as patterns, of which any is enough; null for all but letters, `.*`, alternatives and the ends of the path.
 *
 * Without `^` and `$` whatever may be around it, as Go has it: `^/api/(v1|v2)/`, `\.(css|js)$`, `^/public`.
 */
export function expressionPatterns(expression: string): readonly string[] | null {
  const texts = readExpression(expression)
  return texts === null ? null : checked(texts)
}

/** The same of any text, as patterns in which a star is anything; null for what is no such pattern. */
export function expressionTexts(expression: string): readonly string[] | null {
  const texts = readExpression(expression)
  const isGood = (text: string) => text !== '' && !text.includes(START) && !text.includes(END)
  return texts?.every(isGood) ? [...new Set(texts.map(text => text.replace(/\*{2,}/g, '*')))] : null
}

function readExpression(expression: string): readonly string[] | null {
  const whole = readAlternatives(expression, 0)
  return whole === null || whole.end !== expression.length ? null : whole.texts.map(withEnds)
}

/** Where the path begins and ends, until all of an alternative is read. */
const START = '\u0002'
const END = '\u0003'

function withEnds(text: string): string {
  const from = text.startsWith(START) ? text.slice(1) : `*${text}`
  return from.endsWith(END) ? from.slice(0, -1) : `${from}*`
}

interface Read {
  readonly texts: readonly string[]
  /** Where the expression goes on. */
  readonly end: number
}

/** `a|b|c`, until the expression ends, or the group that it is in. */
function readAlternatives(expression: string, start: number): Read | null {
  const texts: string[] = []
  for (let at = start; ; at++) {
    const one = readSequence(expression, at)
    if (one === null) return null
    texts.push(...one.texts)
    at = one.end
    if (texts.length > MAX_PATTERNS) return null
    if (expression[at] !== '|') return { texts, end: at }
  }
}

function readSequence(expression: string, start: number): Read | null {
  let texts: readonly string[] = ['']
  let at = start
  while (at < expression.length && expression[at] !== '|' && expression[at] !== ')') {
    const piece = readPiece(expression, at)
    // What may be there more than once, or not at all, has as many texts as there are paths.
    if (piece === null || /[*+?{]/.test(expression[piece.end] ?? '')) return null
    texts = texts.flatMap(before => piece.texts.map(text => before + text))
    if (texts.length > MAX_PATTERNS) return null
    at = piece.end
  }
  return { texts, end: at }
}

function readPiece(expression: string, at: number): Read | null {
  const rest = expression.slice(at)
  if (rest.startsWith('.*')) return { texts: ['*'], end: at + 2 }
  if (rest.startsWith('^')) return { texts: [START], end: at + 1 }
  if (rest.startsWith('$')) return { texts: [END], end: at + 1 }
  // A star that is one cannot be told from one that is anything.
  const escaped = /^\\([!-)+-/:-@[-`{-~])/.exec(rest)?.[1]
  if (escaped !== undefined) return { texts: [escaped], end: at + 2 }
  const plain = /^[^\\^$.|?*+()[\]{}\p{C}]/u.exec(rest)?.[0]
  if (plain !== undefined) return { texts: [plain], end: at + plain.length }
  const open = /^\((?:\?:)?(?!\?)/.exec(rest)?.[0]
  if (open === undefined) return null
  const inner = readAlternatives(expression, at + open.length)
  return inner === null || expression[inner.end] !== ')' ? null : { texts: inner.texts, end: inner.end + 1 }
}

/** Patterns that `paths` takes; null where it refuses any. An end in the middle of one is refused as well. */
function checked(patterns: readonly string[]): readonly string[] | null {
  const read = patterns.map(parsePathPattern)
  const good = read.flatMap(one => (one.ok ? [one.value] : []))
  return good.length === read.length ? [...new Set(good)] : null
}
