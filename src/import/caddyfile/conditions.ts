import type { Json } from '../../config/text/raw.ts'
import { type Context, isDynamic, spell } from './context.ts'

/** Conditions of go-authcrunch, as the keys of a rule; null where no key says the same. */
export type Conditions = Readonly<Record<string, Json>>

/** What the words of a condition may be preceded by; without one it is `exact`. */
const MANNERS = ['exact', 'partial', 'prefix', 'suffix', 'regex', 'always', 'no']

/** Roles and groups are one field there, by any of these names. */
export const ROLE_FIELDS: readonly string[] = ['role', 'roles', 'group', 'groups']

/** Fields of a person that a provider states, which are what they are called. */
const CLAIMS = ['name', 'given_name', 'family_name', 'picture']

/**
 * `[exact] match FIELD VALUE…` as keys of a rule. Roles are this gate's own in a policy (`of` is gate), and what the provider
 * says, whatever it calls it, in a transform.
 *
 * Null for every other field: what go-authcrunch has not heard of holds for nobody there, and may hold for somebody here.
 */
export function readCondition(
  context: Context,
  words: readonly string[],
  of: 'provider' | 'gate',
  providerOfRealm: (realm: string) => string | null,
): Conditions | null {
  const manner = MANNERS.find(word => word === words[0]) ?? 'exact'
  const rest = words[0] === manner ? words.slice(1) : words
  const [verb, field = '', ...stated] = rest
  if (verb !== 'match' || field === 'any' || stated.length === 0 || stated.some(isOpen)) return null
  const values = stated.map(value => spell(context, value))
  if (manner === 'suffix') {
    const isDomain = (field === 'email' || field === 'mail') && stated.every(value => /^@[^@*]+$/.test(value))
    return isDomain ? { domains: values.map(value => value.slice(1).toLowerCase()) } : null
  }
  if (manner !== 'exact') return null
  if (ROLE_FIELDS.includes(field)) {
    return of === 'provider'
      ? { groups: values }
      : stated.every(isFixed)
        ? { roles: stated.map(role => context.names.of('role', role)) }
        : null
  }
  if (CLAIMS.includes(field)) return of === 'provider' || field === 'name' ? { claims: { [field]: values } } : null
  switch (field) {
    case 'email':
    case 'mail':
      // There, case counts.
      return values.some(value => value !== value.toLowerCase()) ? { claims: { email: values } } : { emails: values }
    case 'sub':
    case 'subject':
      return { subjects: values }
    case 'realm': {
      const providers = stated.map(providerOfRealm)
      return providers.every(name => name !== null) ? { providers } : null
    }
    case 'method':
    case 'http_method':
      return of === 'gate' ? { methods: stated.map(method => method.toUpperCase()) } : null
    default:
      return null
  }
}

/** Whether a condition holds for everyone who signs in, in a transform. */
export function isAnyone(words: readonly string[]): boolean {
  return words.filter(word => word !== 'exact').join(' ') === 'match any'
}

/** Whether a value is filled in elsewhere: by a request, or by a variable, which may hold several. */
function isOpen(text: string): boolean {
  return isDynamic(text) || text.includes('{$')
}

function isFixed(text: string): boolean {
  return !/[{}<>]/.test(text)
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

/** Where go-authcrunch looks for the roles of a person, as rules of which each is enough. */
export function statedRoles(names: readonly string[]): readonly Conditions[] {
  const claims = ['roles', 'role', 'group', 'realm_access.roles', 'app_metadata.authorization.roles']
  return [{ groups: names }, ...claims.map(claim => ({ claims: { [claim]: names } }))]
}
