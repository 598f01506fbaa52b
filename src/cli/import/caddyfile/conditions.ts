import type { Json } from '../../../config/raw.ts'
import { type Desk, nameFor, spell } from './desk.ts'

/** Conditions of go-authcrunch, as the keys of a rule; null where no key says the same. */
export type Conditions = Readonly<Record<string, Json>>

/** What the words of a condition may be preceded by; without one it is `exact`. */
const MANNERS = ['exact', 'partial', 'prefix', 'suffix', 'regex', 'always', 'no']

/**
 * `[exact] match FIELD VALUE…` as keys of a rule. `roles` become `roles` where they are of this gate (in a policy), and are
 * otherwise what the provider says (in a transform).
 */
export function readCondition(
  desk: Desk,
  words: readonly string[],
  of: 'provider' | 'gate',
  providerOfRealm: (realm: string) => string | null,
): Conditions | null {
  const manner = MANNERS.find(word => word === words[0]) ?? 'exact'
  const rest = words[0] === manner ? words.slice(1) : words
  const [verb, field = '', ...stated] = rest
  if (verb !== 'match') return null
  if (field === 'any' && stated.length === 0 && manner === 'exact') return {}
  const values = stated.map(value => spell(desk, value))
  if (values.length === 0) return null
  if (manner === 'suffix') {
    const isDomain = (field === 'email' || field === 'mail') && stated.every(value => /^@[^@*]+$/.test(value))
    return isDomain ? { domains: values.map(value => value.slice(1).toLowerCase()) } : null
  }
  if (manner !== 'exact') return null
  switch (field) {
    case 'email':
    case 'mail':
      return { emails: values }
    case 'sub':
    case 'subject':
      return { subjects: values }
    case 'realm':
    case 'origin': {
      const providers = stated.map(providerOfRealm)
      return providers.every(name => name !== null) ? { providers } : null
    }
    case 'group':
    case 'groups':
      return { groups: values }
    case 'role':
    case 'roles':
      return of === 'gate' ? { roles: stated.map(nameFor) } : { groups: values }
    case 'method':
      return { methods: stated.map(method => method.toUpperCase()) }
    default:
      return /^[A-Za-z0-9_-]+$/.test(field) ? { claims: { [field]: values } } : null
  }
}

/** Several conditions that all have to hold, as one rule; null where two of them ask about the same key. */
export function allOf(conditions: readonly Conditions[]): Conditions | null {
  const rule: Record<string, Json> = {}
  for (const condition of conditions) {
    for (const [key, value] of Object.entries(condition)) {
      if (Object.hasOwn(rule, key)) return null
      rule[key] = value
    }
  }
  return rule
}
