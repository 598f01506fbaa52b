import type { PersonRule } from '../config/types-rules.ts'
import type { Identity } from '../identity/identity.ts'
import type { PersonCondition } from './condition.ts'
import type { Reason } from './reasons.ts'

/**
 * The conditions that a rule has about a person: one for each key, all of which must hold; within a key any entry is enough.
 *
 * Text is compared whole and exactly, except e-mail addresses and domains, which ignore ASCII case. A claim that is absent
 * matches nothing; of one with an odd type nothing can be said.
 */
export function compilePerson(rule: PersonRule): readonly PersonCondition[] {
  const conditions: PersonCondition[] = []
  const add = (reason: Reason, judge: PersonCondition['judge']) =>
    conditions.push({ kind: 'person', missing: { reason, kind: 'person', roles: [], detail: '' }, judge })
  if (rule.providers !== null)
    add(
      'provider.other',
      oneOf(rule.providers, identity => identity.provider),
    )
  if (rule.subjects !== null)
    add(
      'subject.other',
      oneOf(rule.subjects, identity => identity.subject),
    )
  if (rule.groups !== null) add('group.missing', compileGroups(rule.groups))
  if (rule.emails !== null || rule.domains !== null) add('email.other', compileEmails(rule))
  for (const [claim, values] of rule.claims ?? []) add('claim.other', compileClaim(claim, values))
  if (rule.requireVerifiedEmail) add('email.unverified', identity => (identity.emailVerified === true ? 'yes' : 'no'))
  return conditions
}

function oneOf(values: readonly string[], pick: (identity: Identity) => string): PersonCondition['judge'] {
  const accepted = new Set(values)
  return identity => (accepted.has(pick(identity)) ? 'yes' : 'no')
}

function compileGroups(wanted: readonly string[]): PersonCondition['judge'] {
  const groups = new Set(wanted)
  return identity => {
    if (identity.groups.some(group => groups.has(group))) return 'yes'
    const stated = claimOf(identity, 'groups')
    if (stated === undefined) return 'no'
    return Array.isArray(stated) && stated.every(group => typeof group === 'string') ? 'no' : 'unknown'
  }
}

function compileClaim(claim: string, values: readonly (string | number | boolean)[]): PersonCondition['judge'] {
  const accepted = new Set<unknown>(values)
  return identity => {
    const held = claimOf(identity, claim)
    if (held === undefined) return 'no'
    const entries: readonly unknown[] = Array.isArray(held) ? held : [held]
    if (entries.some(entry => accepted.has(entry))) return 'yes'
    return entries.every(isScalar) ? 'no' : 'unknown'
  }
}

function isScalar(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}

/**
 * Whole addresses and domains are one key. An address that the provider calls unverified, or that can be read in more than
 * one way, matches nothing, and where it matters is not taken for another's either.
 */
function compileEmails(rule: PersonRule): PersonCondition['judge'] {
  const emails = new Set(rule.emails ?? [])
  const domains = new Set(rule.domains ?? [])
  return identity => {
    if (identity.email === null) return claimOf(identity, 'email') === undefined ? 'no' : 'unknown'
    const email = foldEmail(identity.email)
    if (email === null) return 'unknown'
    const isListed = emails.has(email) || domains.has(email.slice(email.indexOf('@') + 1))
    if (!isListed) return 'no'
    return identity.emailVerified === false ? 'unknown' : 'yes'
  }
}

/** Lower-case, or null for what is not exactly one local part and one domain in visible ASCII (look-alikes match nothing). */
function foldEmail(email: string): string | null {
  return /^[!-?A-~]+@[!-?A-~]+$/.test(email) ? email.toLowerCase() : null
}

function claimOf(identity: Identity, name: string): unknown {
  return Object.hasOwn(identity.claims, name) ? identity.claims[name] : undefined
}
