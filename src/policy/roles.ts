import type { RoleRule } from '../config/types.ts'
import type { Identity } from '../identity/identity.ts'

/** Which of a portal's roles someone has, in the file's order. */
export type RolesOf = (identity: Identity) => readonly string[]

/**
 * The roles of a portal as one function of an identity.
 *
 * A role has one or more rules, any of which is enough; within a rule every key must hold; within a key any entry is enough.
 * Text is compared whole and exactly, except e-mail addresses and domains, which ignore ASCII case. A claim that is absent
 * or of another type matches nothing.
 */
export function compileRoles(roles: ReadonlyMap<string, readonly RoleRule[]>): RolesOf {
  const compiled = [...roles].map(([role, rules]) => ({ role, rules: rules.map(compileRule) }))
  return identity => compiled.filter(({ rules }) => rules.some(holds => holds(identity))).map(({ role }) => role)
}

type Matcher = (identity: Identity) => boolean

function compileRule(rule: RoleRule): Matcher {
  const matchers: Matcher[] = []
  if (rule.any) matchers.push(() => true)
  if (rule.providers !== null) matchers.push(oneOf(rule.providers, identity => identity.provider))
  if (rule.subjects !== null) matchers.push(oneOf(rule.subjects, identity => identity.subject))
  if (rule.groups !== null) {
    const groups = new Set(rule.groups)
    matchers.push(identity => identity.groups.some(group => groups.has(group)))
  }
  if (rule.emails !== null || rule.domains !== null) matchers.push(compileEmails(rule))
  for (const [claim, values] of rule.claims ?? []) {
    const accepted = new Set<unknown>(values)
    matchers.push(identity => {
      const held = Object.hasOwn(identity.claims, claim) ? identity.claims[claim] : undefined
      return Array.isArray(held) ? held.some(value => accepted.has(value)) : accepted.has(held)
    })
  }
  if (rule.requireVerifiedEmail) matchers.push(identity => identity.emailVerified === true)
  // A rule without a key would hold for everyone; the checker refuses it, and so does this.
  return matchers.length === 0 ? () => false : identity => matchers.every(holds => holds(identity))
}

/** Whole addresses and domains are one key. An address that the provider calls unverified matches nothing. */
function compileEmails(rule: RoleRule): Matcher {
  const emails = new Set(rule.emails ?? [])
  const domains = new Set(rule.domains ?? [])
  return identity => {
    if (identity.email === null || identity.emailVerified === false) return false
    const email = foldEmail(identity.email)
    if (email === null) return false
    return emails.has(email) || domains.has(email.slice(email.indexOf('@') + 1))
  }
}

/** Lower-case, or null for what is not exactly one local part and one domain in visible ASCII (look-alikes match nothing). */
function foldEmail(email: string): string | null {
  return /^[!-?A-~]+@[!-?A-~]+$/.test(email) ? email.toLowerCase() : null
}

function oneOf(values: readonly string[], pick: (identity: Identity) => string): Matcher {
  const accepted = new Set(values)
  return identity => accepted.has(pick(identity))
}
