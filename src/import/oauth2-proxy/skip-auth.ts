import type { Json } from '../../config/text/raw.ts'
import { parseMethod } from '../../config/values/method.ts'
import { parsePathExpression } from '../../config/values/pattern.ts'
import { escapeReferences } from '../blanks.ts'
import type { Context } from './context.ts'

/** An entry of `skip_auth_routes` or `skip_auth_regex`. */
interface Entry {
  readonly expression: string
  /** In upper case; null: every method. */
  readonly method: string | null
  /** Whether it is about the paths that the expression does not match. */
  readonly isNegated: boolean
}

/**
 * Rules for `skip_auth_routes` and `skip_auth_regex`: their expressions as they stand, which both programs hold to the decoded path without
 * its query. `isAsked`: a proxy in front asked, by GET whatever had come in, and said the path in X-Forwarded-Uri.
 */
export function skipRules(context: Context, isAsked: boolean): readonly Json[] {
  const { options, notes } = context
  const plain = new Map<string | null, Set<string>>()
  const negated: Json[] = []
  for (const option of ['skip_auth_regex', 'skip_auth_routes'] as const) {
    for (const stated of options.list(option)) {
      const entry = option === 'skip_auth_routes' ? readEntry(stated) : whole(stated)
      const why = whyClosed(context, entry, isAsked)
      const line = options.line(option)
      if (why !== null) {
        notes.add('decide', option, line, `${stated}: ${why}`)
        continue
      }
      const isNarrower = isAsked && entry.method !== null
      if (isNarrower) notes.add('decide', option, line, `${stated}: ${ASKED_BY_GET}`)
      else notes.add('kept', option, line, `${stated}: path_regexp in allow, where nobody has to sign in`)
      const expression = escapeReferences(entry.expression)
      if (entry.isNegated) negated.push(open(entry.method, { not: { path_regexp: expression } }))
      else plain.set(entry.method, (plain.get(entry.method) ?? new Set()).add(expression))
    }
  }
  const rules = [...plain].map(([method, expressions]) => {
    const [first = '', ...more] = expressions
    return open(method, { path_regexp: more.length === 0 ? first : [first, ...more] })
  })
  return [...rules, ...negated]
}

function open(method: string | null, paths: Readonly<Record<string, Json>>): Json {
  return { ...(method === null ? {} : { methods: [method] }), ...paths, anonymous: true }
}

/** The first sign parts method and expression, wherever it is; `!=` anywhere turns the entry round. */
function readEntry(stated: string): Entry {
  const sign = /!?=/.exec(stated)
  if (sign === null) return whole(stated)
  const method = stated.slice(0, sign.index).toUpperCase()
  const expression = stated.slice(sign.index + sign[0].length)
  return { expression, method: method === '' ? null : method, isNegated: stated.includes('!=') }
}

function whole(expression: string): Entry {
  return { expression, method: null, isNegated: false }
}

const ASKED_BY_GET =
  'path_regexp in allow, for GET alone; a proxy in front that asks by GET whatever came in had every method open there: write those that shall be open into methods'

/** Why an entry opens nothing here; null where it does. */
function whyClosed({ options }: Context, { expression, method }: Entry, isAsked: boolean): string | null {
  if (isAsked && options.flag('reverse_proxy') !== true) {
    return 'it opens nothing: without reverse_proxy = true it was held to the address that your proxy asked at; write a rule with path_regexp, if these paths shall be open'
  }
  if (isAsked && method !== null && method !== 'GET') {
    return 'it opens nothing, as there: your proxy asked by GET whatever came in; write a rule with methods and path_regexp, if this shall be open'
  }
  if (method !== null && !parseMethod(method).ok) {
    return `it opens nothing, as there: ${method} is not a method`
  }
  const parsed = parsePathExpression(expression)
  return parsed.ok ? null : `it opens nothing: ${parsed.message} (${parsed.hint})`
}
