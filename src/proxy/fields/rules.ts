/** Applies `request_headers` and `response_headers` of a route. */

import type { FieldRules } from '../../config/keys/field-rules.ts'
import type { FieldTemplate, RequestPlaceholder, TemplatePart } from '../../config/values/template.ts'
import type { Identity } from '../../identity/identity.ts'
import { claimValue, toFieldValue } from './identity.ts'

/** What the placeholders of a request stand for. */
export type RequestValues = Readonly<Record<RequestPlaceholder, string>>

/** Whom templates speak of. */
export interface Person {
  readonly identity: Identity | null
  readonly roles: readonly string[]
}

/** A request without a user. */
export const NOBODY: Person = Object.freeze({ identity: null, roles: [] })

/** A value that is ready for the wire, null where there is none, or what has to be asked of each request. */
type BoundValue = string | null | ((values: RequestValues) => string)

/** The rules of one route for one person: what does not depend on the request is done. */
export interface BoundRules {
  readonly remove: readonly string[]
  readonly set: readonly (readonly [name: string, value: BoundValue])[]
  readonly append: readonly (readonly [name: string, value: BoundValue])[]
}

/** The fields in which rules say who someone is: no client may send them, on any route. */
export function identityRuleNames(rules: FieldRules | null): readonly string[] {
  if (rules === null) return []
  return [...rules.set, ...rules.append]
    .filter(({ parts }) => parts.some(part => part.kind === 'identity'))
    .map(({ name }) => name)
}

/** Rules with everything filled in that is known of a person; null for none. Done once per session and route. */
export function bindRules(rules: FieldRules | null, person: Person): BoundRules | null {
  if (rules === null) return null
  const bind = ({ name, parts }: FieldTemplate) => [name, bindValue(parts, person)] as const
  return Object.freeze({ remove: rules.remove, set: rules.set.map(bind), append: rules.append.map(bind) })
}

/** Null where a template speaks of a person of whom it knows nothing. */
function bindValue(parts: readonly TemplatePart[], { identity, roles }: Person): BoundValue {
  let isKnown = parts.every(part => part.kind !== 'identity')
  const filled: (string | { readonly of: RequestPlaceholder })[] = []
  for (const part of parts) {
    if (part.kind === 'text') filled.push(part.text)
    else if (part.kind === 'request') filled.push({ of: part.name })
    else {
      const value = identity === null ? null : claimValue(part.name, identity, roles)
      if (value === null) continue
      isKnown = true
      filled.push(value)
    }
  }
  if (!isKnown) return null
  if (filled.every(piece => typeof piece === 'string')) return toFieldValue(filled.join(''))
  return values => toFieldValue(filled.map(piece => (typeof piece === 'string' ? piece : values[piece.of])).join(''))
}

function render(value: BoundValue, values: RequestValues): string | null {
  return typeof value === 'function' ? value(values) : value
}

/** fetch announces itself where this field is left out; empty, it is not sent. */
const BLANKED = 'user-agent'

/** Changes a request's fields in place. */
export function changeRequest(headers: Headers, rules: BoundRules, values: RequestValues): void {
  // An empty field that is appended to would keep a comma for its emptiness.
  if (headers.get(BLANKED) === '') headers.delete(BLANKED)
  changeHeaders(headers, rules, values)
  if (!headers.has(BLANKED)) headers.set(BLANKED, '')
}

/** Changes fields in place: an answer's as they are, a request's by way of `changeRequest`. */
export function changeHeaders(headers: Headers, rules: BoundRules, values: RequestValues): void {
  for (const name of rules.remove) headers.delete(name)
  for (const [name, bound] of rules.set) {
    const value = render(bound, values)
    if (value === null) headers.delete(name)
    else headers.set(name, value)
  }
  for (const [name, bound] of rules.append) {
    const value = render(bound, values)
    if (value !== null) headers.append(name, value)
  }
}
