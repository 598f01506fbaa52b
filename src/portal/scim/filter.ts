import type { Pushed } from '../../session/pushed/resource.ts'
import { ScimRefusal } from './refusal.ts'
import { GROUP_SCHEMA, USER_SCHEMA } from './resources.ts'

/** Of a filter, in characters. */
const LONGEST = 2000

/** One comparison: an attribute, with its schema before it or not, and a JSON text or truth value. */
const COMPARISON = /^\s*([A-Za-z][A-Za-z0-9:._-]{0,200})\s+eq\s+("(?:[^"\\]|\\.)*"|true|false)\s*/i
const AND = /^and\s+/i

/** Whether a resource is meant. */
export type Filter = (one: Pushed) => boolean

/**
 * A filter of comparisons with `eq`, joined by `and`: what providers look people and groups up by.
 *
 * Throws `invalidFilter` for everything else. Letters of externalId and id count as they are, those of names do not (RFC 7643 §3.1 and
 * §4.1.1). Nothing of it becomes part of a query anywhere. Source: RFC 7644 §3.4.2.2.
 */
export function parseFilter(text: string | null, kind: Pushed['kind']): Filter {
  if (text === null) return () => true
  if (text.length > LONGEST) throw new ScimRefusal(400, 'invalidFilter', 'the filter is too long')
  const all: Filter[] = []
  for (let rest = text; ; ) {
    const found = COMPARISON.exec(rest)
    if (found?.[1] === undefined || found[2] === undefined) throw unknown()
    all.push(comparison(found[1], found[2], kind))
    rest = rest.slice(found[0].length)
    if (rest === '') return one => all.every(holds => holds(one))
    const and = AND.exec(rest)
    if (and === null) throw unknown()
    rest = rest.slice(and[0].length)
  }
}

function comparison(attribute: string, literal: string, kind: Pushed['kind']): Filter {
  const schema = `${kind === 'user' ? USER_SCHEMA : GROUP_SCHEMA}:`.toLowerCase()
  const name = attribute.toLowerCase()
  const value = parseLiteral(literal)
  const exact =
    (of: (one: Pushed) => string | boolean | null): Filter =>
    one =>
      of(one) === value
  const loose = (of: (one: Pushed) => string | null): Filter => {
    const wanted = typeof value === 'string' ? value.toLowerCase() : value
    return one => of(one)?.toLowerCase() === wanted
  }
  switch (name.startsWith(schema) ? name.slice(schema.length) : name) {
    case 'id':
      return exact(({ id }) => id)
    case 'externalid':
      return exact(({ externalId }) => externalId)
    case 'displayname':
      return loose(({ displayName }) => displayName)
    case 'username':
      if (kind === 'user') return loose(one => (one.kind === 'user' ? one.userName : null))
      break
    case 'active':
      if (kind === 'user') return exact(one => one.kind === 'user' && one.isActive)
      break
  }
  throw unknown()
}

function parseLiteral(literal: string): string | boolean {
  try {
    const value: unknown = JSON.parse(literal.startsWith('"') ? literal : literal.toLowerCase())
    if (typeof value === 'string' || typeof value === 'boolean') return value
  } catch {
    throw unknown()
  }
  throw unknown()
}

function unknown(): ScimRefusal {
  const known = 'id, externalId, userName, displayName or active eq a value, joined by and'
  return new ScimRefusal(400, 'invalidFilter', `the filter is none that is known here: ${known}`)
}
