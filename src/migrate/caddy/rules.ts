/** Rules of routes.toml, and the tests of requests that may become rules. */

import type { Json } from '../../config/text/raw.ts'
import { mayBeSecret } from '../variables-to-set.ts'
import type { Context } from './context.ts'

/** The keys of a rule of routes.toml. */
export type Conditions = Readonly<Record<string, Json>>

export function isRule(value: Json): value is Conditions {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Every table of a rule, or of a list of rules: itself, and those in its `any`, `all` and `not`. */
export function tablesIn(rule: Json): readonly Conditions[] {
  if (Array.isArray(rule)) return rule.flatMap(tablesIn)
  return isRule(rule) ? [rule, ...PARTS.flatMap(key => tablesIn(rule[key] ?? null))] : []
}

/**
 * Takes out of rules what may be a secret of the old file: the new one has it from the environment. `where`: which requests they are about.
 * The same value is the same variable everywhere.
 */
export function createRedaction({ blanks, notes }: Pick<Context, 'blanks' | 'notes'>) {
  /** By the name of a field or parameter: the variable of each value. */
  const known = new Map<string, Map<string, string>>()
  function ofField(name: string, value: Json, where: string): Json {
    if (Array.isArray(value)) return value.map(one => ofField(name, one, where))
    if (typeof value !== 'string' || !mayBeSecret(name, value)) return value
    const own = known.get(name) ?? new Map<string, string>()
    const which = own.size === 0 ? '' : ` (value ${own.size + 1} of it)`
    const meaning = `what a matcher for ${where} asks of ${name}${which}`
    const reference = own.get(value) ?? blanks.add(`MATCH_${name}`, meaning, `fill-in-${known.size}-${own.size}`)
    known.set(name, own.set(value, reference))
    notes.add('kept', `${name} in the matchers for ${where}`, null, 'from the environment: it may be a secret')
    return reference
  }
  return function redact(rule: Json, where: string): Json {
    if (Array.isArray(rule)) return rule.map(part => redact(part, where))
    if (!isRule(rule)) return rule
    const parts = Object.entries(rule).map(([key, value]) => {
      const isOfFields = (key === 'headers' || key === 'query') && isRule(value)
      if (!isOfFields) return [key, redact(value, where)] as const
      const own = Object.entries(value).map(([name, asked]) => [name, ofField(name, asked, where)] as const)
      return [key, Object.fromEntries(own)] as const
    })
    return Object.fromEntries(parts)
  }
}

/** Keys of a rule that have rules in them. */
export const PARTS: readonly string[] = ['any', 'all', 'not']

/** A pattern or an expression of paths, as an expression too, with what every path begins with that it holds for. */
export interface AskedPath {
  readonly text: string
  readonly expression: string
  readonly begin: string
}

/** What a matcher asks of a request. */
export type Test =
  /** Any of Caddy's patterns, which heed no case. */
  | { readonly kind: 'path'; readonly patterns: readonly string[] }
  /** Any of these, of the path that is asked for, in its letter case; `begin`: what each such path begins with. */
  | { readonly kind: 'asked'; readonly key: 'paths' | 'path_regexp'; readonly any: readonly AskedPath[] }
  /** Any of these names. `isSite`: the names separate sites. */
  | { readonly kind: 'host'; readonly names: readonly string[]; readonly isSite: boolean }
  /** What a rule says, of anything but the path. */
  | { readonly kind: 'rule'; readonly rule: Conditions }
  | { readonly kind: 'all'; readonly parts: readonly Test[] }
  | { readonly kind: 'not'; readonly part: Test }
  /** Which protocol the client speaks with this gate. */
  | { readonly kind: 'protocol'; readonly isSecure: boolean }
  /** Whether what the file itself names so is one of these texts. */
  | { readonly kind: 'named'; readonly name: string; readonly texts: readonly string[] }
  /** Only Caddy can tell; `by` what, where that is said. */
  | { readonly kind: 'unknown'; readonly by?: 'x-forwarded-proto' }

export const ALWAYS: Test = { kind: 'all', parts: [] }
export const NEVER: Test = { kind: 'not', part: ALWAYS }
export const UNKNOWN: Test = { kind: 'unknown' }

export function anyOf(tests: readonly Test[]): Test {
  const [only, ...others] = tests
  if (only !== undefined && others.length === 0) return only
  return { kind: 'not', part: { kind: 'all', parts: tests.map(part => ({ kind: 'not', part }) as const) } }
}

export function leavesOf(test: Test): readonly Test[] {
  if (test.kind === 'all') return test.parts.flatMap(leavesOf)
  return test.kind === 'not' ? leavesOf(test.part) : [test]
}

/** Which requests a rule is about, in a few words: `POST for /a/*`. Empty for one that says nothing of them. */
export function sayRequests(rule: Conditions): string {
  const { paths, path_regexp: expressions, methods, networks, headers, query, not, all } = rule
  if (isRule(not ?? null)) return `all but ${sayRequests(tableOf(not))}`
  const parts = Array.isArray(all) ? all.map(part => sayRequests(tableOf(part))) : []
  const own = [
    briefly(methods),
    briefly(paths),
    briefly(expressions),
    briefly(networks),
    keysOf(headers),
    keysOf(query),
  ]
  return [...own, ...parts].filter(said => said !== '').join(' and ')
}

export function tableOf(value: Json | undefined): Conditions {
  return value !== undefined && isRule(value) ? value : {}
}

function keysOf(table: Json | undefined): string {
  return Object.keys(tableOf(table)).join(', ')
}

function briefly(list: Json | undefined): string {
  if (!Array.isArray(list)) return ''
  return list.slice(0, 4).join(', ') + (list.length > 4 ? ' and more' : '')
}
