/** A word of a Caddyfile. */
export interface Token {
  readonly text: string
  /** 1-based. */
  readonly line: number
  /** Whether it is the first of its line, so that it begins a directive. */
  readonly startsLine: boolean
  /** `{` or `}` as a word of its own, which opens or closes a block. */
  readonly brace: '{' | '}' | null
}

/** The words of a file, or where it stops being a Caddyfile. */
export type Lexed =
  | { readonly ok: true; readonly tokens: readonly Token[] }
  | { readonly ok: false; readonly line: number; readonly why: string }

/**
 * A Caddyfile in words: quotes and backticks, heredocs, comments, lines that a backslash continues.
 *
 * Absent on purpose: what `{$NAME}` stands for; it stays a part of its word.
 * Source: caddyserver.com/docs/caddyfile/concepts.
 */
export function lexCaddyfile(source: string): Lexed {
  const text = source.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n')
  const tokens: Token[] = []
  let line = 1
  let isFresh = true
  /** Whether a backslash was met that nothing has followed yet, so that the next line goes on with this one. */
  let isEscaped = false
  let at = 0
  const add = (word: string, fromLine: number, brace: Token['brace'] = null) => {
    tokens.push({ text: word, line: fromLine, startsLine: isFresh, brace })
    isFresh = false
  }
  while (at < text.length) {
    const character = text.charAt(at)
    if (character === '\n') {
      line++
      isFresh ||= !isEscaped
      isEscaped = false
      at++
    } else if (/\s/.test(character)) at++
    else if (character === '#') {
      const end = text.indexOf('\n', at)
      const comment = text.slice(at, end === -1 ? text.length : end)
      // One anywhere in it counts for the end of the line.
      isEscaped ||= comment.includes('\\')
      at += comment.length
    } else if (character === '"' || character === '`') {
      const end = endOfQuote(text, at)
      if (end === -1) return { ok: false, line, why: `a ${character} is not closed` }
      const inner = text.slice(at + 1, end)
      // Caddy counts it as a brace where it looks for the end of a block, and as a word elsewhere.
      if (isEscaped || inner === '{' || inner === '}') return { ok: false, line, why: ODD_QUOTE }
      add(character === '"' ? inner.replaceAll('\\"', '"') : inner, line)
      line += inner.split('\n').length - 1
      at = end + 1
    } else if (text.startsWith('<<', at) && /^<<[A-Za-z0-9_-]+\n/.test(text.slice(at, at + 100))) {
      const marker = text.slice(at + 2, text.indexOf('\n', at))
      const start = at + marker.length + 3
      const found = new RegExp(`^[ \\t]*${marker}(?=\\s|$)`, 'm').exec(text.slice(start))
      if (found === null) return { ok: false, line, why: `<<${marker} is not closed` }
      const inner = text.slice(start, start + found.index)
      add(dedent(inner, found[0].length - marker.length), line)
      line += inner.split('\n').length
      at = start + found.index + found[0].length
    } else {
      const raw = /^[^\s]+/.exec(text.slice(at))?.[0] ?? character
      at += raw.length
      const before = isEscaped ? '\\' : ''
      isEscaped = /(?:^|[^\\])(?:\\\\)*\\$/.test(raw)
      const word = before + (isEscaped ? raw.slice(0, -1) : raw)
      const isBrace = word === '{' || word === '}'
      if (word !== '') add(word, line, isBrace ? word : null)
    }
  }
  return { ok: true, tokens }
}

const ODD_QUOTE = 'a brace in quotes, or a quote after a backslash, is read in more than one way: write it otherwise'

function endOfQuote(text: string, start: number): number {
  const quote = text.charAt(start)
  for (let at = start + 1; at < text.length; at++) {
    if (quote === '"' && text.charAt(at) === '\\') at++
    else if (text.charAt(at) === quote) return at
  }
  return -1
}

function dedent(text: string, columns: number): string {
  const lines = text.replace(/\n$/, '').split('\n')
  return lines.map(one => one.replace(new RegExp(`^[ \\t]{0,${columns}}`), '')).join('\n')
}
