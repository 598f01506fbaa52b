/** Matchers of Caddy's routes (`match`), as tests. */

import { isNeverLookedAt } from '../../config/keys/rules.ts'
import type { Json } from '../../config/text/raw.ts'
import { parseNetwork } from '../../config/values/listen.ts'
import { isStripped } from '../../config/values/stripped-fields.ts'
import { isTable, listOf, onlyTexts, type Table, tableOf, textOf, textsOf, unknownKey, valueAt } from './json.ts'
import { bypassTest, expressionTest } from './patterns.ts'
import { ALWAYS, anyOf, leavesOf, NEVER, type Test, UNKNOWN } from './rules.ts'
import { namedTest } from './variables.ts'

/** Whether the address that a matcher of each name asks for is the client's, as rules know it. */
export interface Peers {
  readonly remote_ip: boolean
  readonly client_ip: boolean
}

/** `match` of a route: any of its sets. None at all is for all requests. */
export function readMatch(match: unknown, peers: Peers, isSite: boolean): Test {
  if (match === undefined || match === null) return ALWAYS
  if (!Array.isArray(match)) return UNKNOWN
  const [first, ...others] = match.map(set => readSet(set, peers, isSite))
  if (first === undefined) return ALWAYS
  return anyOf([first, ...others])
}

function readSet(set: unknown, peers: Peers, isSite: boolean): Test {
  if (!isTable(set)) return UNKNOWN
  const parts = Object.entries(set).map(([name, value]) => readOne(name, value, peers, isSite))
  const [only] = parts
  return only !== undefined && parts.length === 1 ? only : { kind: 'all', parts }
}

/** One matcher. Only Caddy can evaluate a matcher that is not listed here. */
function readOne(name: string, value: unknown, peers: Peers, isSite: boolean): Test {
  switch (name) {
    case 'host': {
      const names = onlyTexts(value)
      return names === null ? UNKNOWN : { kind: 'host', names: names.map(lowerHost), isSite }
    }
    case 'path': {
      const patterns = onlyTexts(value)
      return patterns === null ? UNKNOWN : { kind: 'path', patterns }
    }
    case 'path_regexp': {
      const pattern = textOf(valueAt(value, 'pattern'))
      return pattern === null ? UNKNOWN : expressionTest(pattern)
    }
    case 'method': {
      // Methods are case-sensitive, and no client sends one that is not in capitals.
      const methods = onlyTexts(value)?.filter(method => /^[A-Z]+$/.test(method)) ?? null
      if (methods === null || methods.some(method => method === 'TRACE' || method === 'CONNECT')) return UNKNOWN
      return methods.length === 0 ? NEVER : { kind: 'rule', rule: { methods } }
    }
    case 'protocol':
      return value === 'https' || value === 'http' ? { kind: 'protocol', isSecure: value === 'https' } : UNKNOWN
    case 'header':
      return readFields(value, 'headers')
    case 'query':
      return isTable(value) && Object.keys(value).length > 0 ? readFields(value, 'query') : UNKNOWN
    case 'remote_ip':
    case 'client_ip': {
      const ranges = onlyTexts(valueAt(value, 'ranges')) ?? []
      const networks = ranges.map(networkOf).filter(network => network !== null)
      // With `forwarded` it asks what a proxy in front says of the client, and not where the connection is from.
      const isOther = unknownKey(tableOf(value), ['ranges']) !== null
      if (isOther || !peers[name] || ranges.length === 0 || networks.length < ranges.length) return UNKNOWN
      return { kind: 'rule', rule: { networks } }
    }
    case 'not': {
      if (!Array.isArray(value) || value.length === 0) return UNKNOWN
      const parts = value.map(inner => readSet(inner, peers, false))
      return { kind: 'all', parts: parts.map(part => ({ kind: 'not', part }) as const) }
    }
    case 'vars':
      return {
        kind: 'all',
        parts: Object.entries(tableOf(value)).map(([key, texts]) => namedTest(key, onlyTexts(texts))),
      }
    case 'expression':
      return readExpression(textOf(value) ?? textOf(valueAt(value, 'expr')) ?? '', (called, stated) =>
        readOne(called, stated, peers, false),
      )
    default:
      return UNKNOWN
  }
}

/** A network as Go reads it: what is beyond its prefix does not count, as in the 127.0.0.1/8 of `private_ranges`. Null for none. */
export function networkOf(range: string): string | null {
  const [, address = '', bits = ''] = /^(\d+\.\d+\.\d+\.\d+)\/(\d+)$/.exec(range) ?? []
  const kept = address.split('.').map((part, at) => {
    const own = Math.min(8, Math.max(0, Number(bits) - 8 * at))
    return Number(part) & (0xff << (8 - own)) & 0xff
  })
  const parsed = parseNetwork(address === '' ? range : `${kept.join('.')}/${bits}`)
  return parsed.ok ? parsed.value : null
}

/** `header` and `query`: each name has to be there, with one of its values. */
function readFields(value: unknown, key: 'headers' | 'query'): Test {
  if (!isTable(value)) return UNKNOWN
  if (key === 'headers' && saysPlain(value)) return { kind: 'unknown', by: 'x-forwarded-proto' }
  const parts = Object.entries(value).map(([name, stated]): Test => {
    if (key === 'headers' && (isNeverLookedAt(name) || isStripped(name) || !/^[A-Za-z0-9-]+$/.test(name)))
      return UNKNOWN
    const rule = (patterns: readonly string[]): Test => ({
      kind: 'rule',
      rule: { [key]: { [name]: patterns as Json } },
    })
    if (stated === null) return key === 'headers' ? { kind: 'not', part: rule(['*']) } : UNKNOWN
    const texts = onlyTexts(stated)
    if (texts === null) return UNKNOWN
    if (texts.length === 0) return key === 'headers' ? rule(['*']) : UNKNOWN
    // A star at an end is anything at all, any other a star; in a query a single one alone matches everything.
    const isOdd = (text: string) => (key === 'headers' ? text.slice(1, -1).includes('*') : /.\*|\*./.test(text))
    return texts.every(text => /^[\x20-\x7a\x7c\x7e]+$/.test(text) && !isOdd(text)) ? rule(texts) : UNKNOWN
  })
  const [only] = parts
  return only !== undefined && parts.length === 1 ? only : { kind: 'all', parts }
}

/** Whether it asks for plain HTTP by the word of a proxy in front. */
function saysPlain(fields: Table): boolean {
  const [[name, values] = ['', []], ...others] = Object.entries(fields)
  return others.length === 0 && /^x-forwarded-proto$/i.test(name) && textsOf(values).join() === 'http'
}

/** Hosts do not heed case, and names of variables do. */
export function lowerHost(name: string): string {
  return name.includes('{') ? name : name.toLowerCase()
}

/** The hosts and paths that `match` names anywhere. */
export function chosenBy(match: unknown) {
  const tests = leavesOf(readMatch(match, { remote_ip: false, client_ip: false }, false))
  return {
    hosts: tests.flatMap(test => (test.kind === 'host' ? test.names : [])),
    paths: tests.flatMap(test => {
      if (test.kind === 'path') return test.patterns
      return test.kind === 'asked' ? test.any.flatMap(({ begin }) => (begin.length > 1 ? [`${begin}*`] : [])) : []
    }),
  }
}

export function sayMatch(match: unknown): string {
  const [set] = listOf(match)
  const paths = textsOf(valueAt(set, 'path'))
  if (paths.length > 0) return paths.join(' ')
  const hosts = textsOf(valueAt(set, 'host'))
  if (hosts.length > 0) return hosts.join(' ')
  return isTable(set)
    ? Object.keys(set)
        .map(name => `[${name}]`)
        .join(' ')
    : ''
}

const TEXT = String.raw`(?:"(?:[^"\\]|\\["\\])*"|'[^'\\]*'|\x60[^\x60]*\x60)`
const TEXTS = String.raw`(${TEXT}(?:\s*,\s*${TEXT})*)?`
const ENTRY = String.raw`${TEXT}\s*:\s*(?:${TEXT}|\[\s*${TEXTS}\s*\])`
const FORMS = {
  compared: new RegExp(String.raw`^\s*(\{[a-z][\w.-]*\})\s*([!=]=)\s*(${TEXT})`, 'i'),
  called: new RegExp(String.raw`^\s*([a-z_]+)\s*\(\s*${TEXTS}\s*\)`, 'i'),
  withFields: new RegExp(String.raw`^\s*(header|query)\s*\(\s*\{\s*(${ENTRY}(?:\s*,\s*${ENTRY})*)?\s*\}\s*\)`),
}

/** Texts without their quotes. */
function textsIn(list: string | undefined): readonly string[] {
  return (list?.match(new RegExp(TEXT, 'g')) ?? []).map(quoted => {
    const text = quoted.slice(1, -1)
    return quoted.startsWith('"') ? text.replace(/\\(.)/g, '$1') : text
  })
}

/**
 * An expression of CEL, as far as it calls matchers or compares a name of the file, with `&&`, `||`, `!` and brackets; unknown for any
 * other. `readOne` reads a matcher by its name.
 */
function readExpression(text: string, readOne: (name: string, value: unknown) => Test): Test {
  let rest = text
  let isRead = true
  const take = (form: RegExp): readonly (string | undefined)[] | null => {
    const found = form.exec(rest)
    rest = rest.slice(found?.[0].length ?? 0)
    return found
  }
  const several = (sign: RegExp, one: () => Test): readonly Test[] => {
    const parts = [one()]
    while (take(sign) !== null) parts.push(one())
    return parts
  }
  const either = (): Test => anyOf(several(/^\s*\|\|/, both))
  const both = (): Test => ({ kind: 'all', parts: several(/^\s*&&/, single) })
  const single = (): Test => {
    if (take(/^\s*!/) !== null) return { kind: 'not', part: single() }
    if (take(/^\s*\(/) !== null) {
      const inner = either()
      isRead &&= take(/^\s*\)/) !== null
      return inner
    }
    const [, placeholder, sign, other] = take(FORMS.compared) ?? []
    if (placeholder !== undefined) {
      const test = compare(placeholder, textsIn(other)[0] ?? '', readOne)
      return sign === '==' ? test : { kind: 'not', part: test }
    }
    const [, table, entries] = take(FORMS.withFields) ?? []
    if (table !== undefined) {
      const asked = (entries ?? '').match(new RegExp(ENTRY, 'g')) ?? []
      return readOne(table, Object.fromEntries(asked.map(textsIn).map(([name = '', ...values]) => [name, values])))
    }
    const [, name, list] = take(FORMS.called) ?? []
    const texts = textsIn(list)
    isRead &&= name !== undefined
    if (name === 'path_regexp') return readOne(name, { pattern: texts.at(-1) })
    if (name === 'remote_ip' || name === 'client_ip') return readOne(name, { ranges: texts })
    return /^(?:path|method|host)$/.test(name ?? '') && texts.length > 0 ? readOne(name ?? '', texts) : UNKNOWN
  }
  const test = either()
  return isRead && rest.trim() === '' ? test : UNKNOWN
}

function compare(name: string, text: string, readOne: (name: string, value: unknown) => Test): Test {
  if (name === '{http.request.method}') return readOne('method', [text])
  if (name === '{http.request.host}') return readOne('host', [text])
  if (name === '{http.request.uri.path}') return bypassTest('exact', text)
  return namedTest(name, [text])
}
