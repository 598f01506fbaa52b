/** Matchers in Caddy's expression language (CEL), as tests. */

import { bypassTest } from './patterns.ts'
import { anyOf, type Test, UNKNOWN } from './rules.ts'
import { namedTest } from './variables.ts'

/** Reads a matcher by its name. */
type ReadMatcher = (name: string, value: unknown) => Test

const TOKEN =
  /\s*(?:(\|\||&&|==|!=|[!(),:[\]])|"((?:[^"\\]|\\["\\])*)"|'([^'\\]*)'|`([^`]*)`|(\{[a-z][\w.-]*\})|([a-z_]+)|([{}]))/giy

type Token = { readonly kind: 'sign' | 'text' | 'placeholder' | 'name'; readonly text: string }

/** The words of an expression; null where something is none of those that are read. */
function tokensOf(text: string): readonly Token[] | null {
  const tokens: Token[] = []
  let read = 0
  for (const [all, sign, double, single, raw, placeholder, name, brace] of text.trim().matchAll(TOKEN)) {
    read += all.length
    const stated = double?.replace(/\\(.)/g, '$1') ?? single ?? raw
    if (stated !== undefined) tokens.push({ kind: 'text', text: stated })
    else if (placeholder !== undefined) tokens.push({ kind: 'placeholder', text: placeholder })
    else tokens.push(name === undefined ? { kind: 'sign', text: sign ?? brace ?? '' } : { kind: 'name', text: name })
  }
  return read === text.trim().length ? tokens : null
}

/** Thrown where an expression continues with unsupported syntax. */
class Unread extends Error {}

/**
 * An expression of CEL, as far as it calls matchers or compares a name of the file, with `&&`, `||`, `!` and brackets; unknown for any
 * other.
 */
export function readExpression(text: string, readOne: ReadMatcher): Test {
  const tokens = tokensOf(text)
  if (tokens === null) return UNKNOWN
  let at = 0
  const is = (sign: string) => tokens[at]?.kind === 'sign' && tokens[at]?.text === sign
  const take = (kind: Token['kind'], text?: string): string => {
    const token = tokens[at++]
    if (token?.kind !== kind || (text !== undefined && token.text !== text)) throw new Unread()
    return token.text
  }
  const several = (sign: string, one: () => Test): readonly Test[] => {
    const parts = [one()]
    while (is(sign)) {
      at++
      parts.push(one())
    }
    return parts
  }
  const either = (): Test => anyOf(several('||', both))
  const both = (): Test => ({ kind: 'all', parts: several('&&', single) })
  const single = (): Test => {
    if (is('!')) {
      at++
      return { kind: 'not', part: single() }
    }
    if (is('(')) {
      at++
      const inner = either()
      take('sign', ')')
      return inner
    }
    if (tokens[at]?.kind !== 'placeholder') return call()
    const name = take('placeholder')
    const isSame = is('==')
    take('sign', isSame ? '==' : '!=')
    const test = compare(name, take('text'), readOne)
    return isSame ? test : { kind: 'not', part: test }
  }
  const list = (end: string): readonly string[] => {
    const texts: string[] = []
    while (!is(end)) {
      if (texts.length > 0) take('sign', ',')
      texts.push(take('text'))
    }
    at++
    return texts
  }
  const fields = (): Readonly<Record<string, readonly string[]>> => {
    const found: Record<string, readonly string[]> = {}
    take('sign', '{')
    while (!is('}')) {
      if (Object.keys(found).length > 0) take('sign', ',')
      const name = take('text')
      take('sign', ':')
      if (is('[')) at++
      found[name] = tokens[at - 1]?.text === '[' ? list(']') : [take('text')]
    }
    at++
    return found
  }
  const call = (): Test => {
    const name = take('name')
    take('sign', '(')
    if (name === 'header' || name === 'query') {
      const asked = fields()
      take('sign', ')')
      return readOne(name, asked)
    }
    const texts = list(')')
    if (name === 'path_regexp') return readOne(name, { pattern: texts.at(-1) })
    if (name === 'remote_ip' || name === 'client_ip') return readOne(name, { ranges: texts })
    return /^(?:path|method|host)$/.test(name) && texts.length > 0 ? readOne(name, texts) : UNKNOWN
  }
  try {
    const test = either()
    return at === tokens.length ? test : UNKNOWN
  } catch (error) {
    if (error instanceof Unread) return UNKNOWN
    throw error
  }
}

function compare(name: string, text: string, readOne: ReadMatcher): Test {
  if (name === '{http.request.method}') return readOne('method', [text])
  if (name === '{http.request.host}') return readOne('host', [text])
  if (name === '{http.request.uri.path}') return bypassTest('exact', text)
  return namedTest(name, [text])
}
