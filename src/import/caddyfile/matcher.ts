import { parseNetwork } from '../../config/values/listen.ts'
import type { Conditions } from './conditions.ts'
import type { Directive } from './parse.ts'
import { expressionBounds, expressionPatterns } from './path-patterns.ts'

/**
 * What a matcher asks of a request. `path` are patterns of Caddy's, and `paths` such as a rule of routes.toml has; `rule` is what a rule
 * asks in the same words (networks, methods); `unknown` is what only Caddy can tell; `within` is unknown too, but certain not to hold
 * outside of paths that are as `patterns` say.
 */
export type Test =
  | { readonly kind: 'path'; readonly patterns: readonly string[] }
  | { readonly kind: 'paths'; readonly patterns: readonly string[] }
  | { readonly kind: 'host'; readonly names: readonly string[] }
  | { readonly kind: 'rule'; readonly rule: Conditions }
  | { readonly kind: 'within'; readonly patterns: readonly string[] }
  /** `by` is what it asks for where that is one of these: a query, or how the request came (`isSaid`: as a proxy in front says). */
  | { readonly kind: 'unknown'; readonly by?: 'query' | 'http' | 'https'; readonly isSaid?: boolean }
  /** Holds where all of its parts do: always, without any. */
  | { readonly kind: 'all'; readonly parts: readonly Test[] }
  | { readonly kind: 'not'; readonly part: Test }

/** Named matchers in force, by their names with the @. */
export type Named = ReadonlyMap<string, Directive>

const ALWAYS: Test = { kind: 'all', parts: [] }
const UNKNOWN: Test = { kind: 'unknown' }

/** `private_ranges`, as Caddy has them. */
const PRIVATE = ['192.168.0.0/16', '172.16.0.0/12', '10.0.0.0/8', '127.0.0.0/8', 'fd00::/8', '::1/128']

/** Whether a directive's first argument chooses requests. */
export function isMatcher(word: string | undefined): word is string {
  return word !== undefined && (word === '*' || word.startsWith('/') || word.startsWith('@'))
}

/** Directives with nothing but a matcher before their block. */
const IN_BLOCKS = new Set(['handle', 'route', 'handle_path'])

/** A directive's test, and the directive without its matcher. */
export function takeMatcher(directive: Directive, named: Named): { readonly test: Test; readonly rest: Directive } {
  const [word, ...args] = directive.args
  // A variable may hold a matcher: where nothing else can stand, it does.
  if (word !== undefined && IN_BLOCKS.has(directive.name) && !isMatcher(word)) return { test: UNKNOWN, rest: directive }
  if (!isMatcher(word)) return { test: ALWAYS, rest: directive }
  return { test: readMatcher(word, named), rest: { ...directive, args } }
}

/** A matcher such as `/api/*` or `@name`. One that nothing defines is unknown. */
export function readMatcher(word: string, named: Named): Test {
  if (word === '*') return ALWAYS
  if (!word.startsWith('@')) return { kind: 'path', patterns: [word] }
  const definition = named.get(word)
  return definition === undefined ? UNKNOWN : readDefinition(definition, named)
}

/** The matchers of a block that are named in it, beside those of the blocks around it. */
export function namedIn(directives: readonly Directive[], outer: Named): Named {
  const own = directives.filter(({ name }) => name.startsWith('@'))
  return own.length === 0 ? outer : new Map([...outer, ...own.map(one => [one.name, one] as const)])
}

/** Every path that a directive, and the directives in it, choose by. */
export function pathsIn({ name, args, block }: Directive): readonly string[] {
  const isPathList = name === 'path' || name.startsWith('@') || name === 'not'
  const own = isPathList
    ? args.filter(word => /^[/*]/.test(word))
    : args.slice(0, 1).filter(word => word.startsWith('/'))
  return [...own, ...(block ?? []).flatMap(pathsIn)]
}

/** Every host that a definition, or the directives in it, name. */
export function hostsIn({ name, args, block }: Directive): readonly string[] {
  const at = name.startsWith('@') || name === 'not' ? args.indexOf('host') : -1
  const own = name === 'host' ? args : at === -1 ? [] : args.slice(at + 1)
  return [...own.map(lowerHost), ...(block ?? []).flatMap(hostsIn)]
}

function readDefinition({ args, block }: Directive, named: Named): Test {
  const [first, ...rest] = args
  if (block === null && (first === undefined || (args.length === 1 && /[^a-z_]/.test(first)))) return UNKNOWN
  // What is in its block is what shall not hold.
  if (first === 'not' && rest.length === 0) return readSet([{ name: first, args: rest, line: 0, block }], named)
  const own = first === undefined ? [] : [{ name: first, args: rest, line: 0, block: null }]
  return readSet([...own, ...(block ?? [])], named)
}

/** Lines that all have to hold; of one kind, that any of them holds is enough. */
function readSet(lines: readonly Directive[], named: Named): Test {
  const parts: Test[] = []
  const several = (name: string) => lines.filter(line => line.name === name).flatMap(({ args }) => args)
  for (const line of lines.filter(({ name }, index) => MERGED.has(name) === false || isFirst(lines, index))) {
    const { name, args, block } = line
    if (name === 'path') parts.push({ kind: 'path', patterns: several('path') })
    else if (name === 'host') parts.push({ kind: 'host', names: several('host').map(lowerHost) })
    else if (name === 'method') parts.push(rule({ methods: several('method') }, /^[A-Z]+$/))
    else if (name === 'remote_ip' || name === 'client_ip') parts.push(networks(several(name)))
    else if (name === 'path_regexp') {
      const isOnly = lines.filter(other => other.name === name).length === 1
      parts.push(isOnly ? readExpression(args.at(-1) ?? '') : UNKNOWN)
    } else if (name === 'not') {
      const [first, ...rest] = args
      const inner = first === undefined ? (block ?? []) : [{ name: first, args: rest, line: line.line, block }]
      parts.push(inner.length === 0 ? UNKNOWN : { kind: 'not', part: readSet(inner, named) })
    } else parts.push(unknown(name, args))
  }
  return parts.length === 0 ? UNKNOWN : { kind: 'all', parts }
}

/** A matcher that only Caddy can tell. */
function unknown(name: string, args: readonly string[]): Test {
  if (name === 'query') return { kind: 'unknown', by: 'query' }
  const isProto = name === 'header' && args.length === 2 && args[0]?.toLowerCase() === 'x-forwarded-proto'
  const scheme = name === 'protocol' && args.length === 1 ? args[0] : isProto ? args[1] : undefined
  return scheme === 'http' || scheme === 'https' ? { kind: 'unknown', by: scheme, isSaid: isProto } : UNKNOWN
}

/** Hosts do not heed case, and names of variables do. */
export function lowerHost(name: string): string {
  return /[{<]/.test(name) ? name : name.toLowerCase()
}

const MERGED = new Set(['path', 'host', 'method', 'remote_ip', 'client_ip'])

function isFirst(lines: readonly Directive[], index: number): boolean {
  return lines.findIndex(({ name }) => name === lines[index]?.name) === index
}

function rule(asked: { readonly methods: readonly string[] }, form: RegExp): Test {
  const { methods } = asked
  return methods.length > 0 && methods.every(method => form.test(method))
    ? { kind: 'rule', rule: { methods } }
    : UNKNOWN
}

function networks(stated: readonly string[]): Test {
  const all = stated.flatMap(word => (word === 'private_ranges' ? PRIVATE : [word]))
  if (all.length === 0 || !all.every(word => parseNetwork(word).ok)) return UNKNOWN
  return { kind: 'rule', rule: { networks: all } }
}

/** An expression as patterns, or by those that it holds within. */
function readExpression(expression: string): Test {
  const patterns = expressionPatterns(expression)
  if (patterns !== null) return { kind: 'paths', patterns }
  const bounds = expressionBounds(expression)
  return bounds === null ? UNKNOWN : { kind: 'within', patterns: bounds }
}
