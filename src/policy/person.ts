import { compileStars } from '../base/stars.ts'
import type { PersonRule } from '../config/keys/rules.ts'
import { findClaim } from '../identity/claims.ts'
import type { Identity } from '../identity/identity.ts'
import { isEmailVouched, type TrustedEmails } from '../identity/vouched.ts'
import type { PersonCondition } from './condition.ts'
import type { Missing, Reason } from './reasons.ts'
import type { Truth } from './truth.ts'

/**
 * The conditions of a rule about a user: one for each key. All of them must hold; within a key one entry is enough.
 *
 * Text is compared whole and exactly. Only e-mail addresses and domains ignore ASCII case. Patterns match whole texts.
 * A missing claim matches nothing. A claim of an unexpected type is unknown, and so is an unverified e-mail address.
 */
export function compilePerson(rule: PersonRule, trusted: TrustedEmails): readonly PersonCondition[] {
  const conditions: PersonCondition[] = []
  const add = (reason: Reason, judge: PersonCondition['judge'], reasonFor = (_: Identity): Reason => reason) =>
    conditions.push({
      kind: 'person',
      isAboutEmail: reason.startsWith('email.'),
      missing: who => lack(who === null ? reason : reasonFor(who)),
      judge,
    })
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
  if (rule.emails !== null || rule.domains !== null) {
    const lists = listsOf(rule)
    add('email.other', compileEmails(lists, trusted), identity =>
      lists(identity) === 'yes' ? 'email.unverified' : 'email.other',
    )
  }
  for (const [claim, values] of rule.claims ?? []) {
    const judge = compileClaim(claim, values)
    if (claim === 'email') add('email.other', compileEmails(judge, trusted))
    else add('claim.other', judge)
  }
  for (const [claim, patterns] of rule.like ?? []) {
    if (claim === 'email') {
      const lists = addressAs(patterns)
      add('email.other', compileEmails(lists, trusted), identity =>
        lists(identity) === 'yes' ? 'email.unverified' : 'email.other',
      )
    } else add(claim === 'groups' ? 'group.missing' : 'claim.other', compileLike(claim, patterns))
  }
  const reasonForNone = ({ email }: Identity): Reason => (email === null ? 'email.none' : 'email.unverified')
  if (rule.requireEmail)
    add('email.none', identity => addressOf(identity, isEmailVouched(identity, trusted)), reasonForNone)
  if (rule.requireVerifiedEmail)
    add('email.unverified', identity => addressOf(identity, identity.emailVerified === true), reasonForNone)
  return conditions
}

function lack(reason: Reason): Missing {
  return { reason, kind: 'person', roles: [], detail: '' }
}

function oneOf(values: readonly string[], pick: (identity: Identity) => string): PersonCondition['judge'] {
  const accepted = new Set(values)
  return identity => {
    const held = pick(identity)
    if (identity.isSketch === true && held === '') return 'unknown'
    return accepted.has(held) ? 'yes' : 'no'
  }
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
    const found = findClaim(identity.claims, claim)
    const held = found === undefined && identity.isSketch === true ? null : found
    if (held === undefined) return 'no'
    const entries: readonly unknown[] = Array.isArray(held) ? held : [held]
    if (entries.some(entry => accepted.has(entry))) return 'yes'
    return entries.every(isScalar) ? 'no' : 'unknown'
  }
}

/** A list by its entries, as in `claims`. Of what is no text, and is no list of texts, nothing can be said. */
function compileLike(claim: string, patterns: readonly string[]): PersonCondition['judge'] {
  const tests = patterns.map(compileStars)
  const isAs = (entry: unknown) => typeof entry === 'string' && tests.some(test => test(entry))
  return identity => {
    const held = claim === 'sub' ? identity.subject : findClaim(identity.claims, claim)
    if (identity.isSketch === true && (held === undefined || held === '')) return 'unknown'
    if (held === undefined) return 'no'
    if (claim === 'groups' && !Array.isArray(held)) return 'unknown'
    const entries: readonly unknown[] = Array.isArray(held) ? held : [held]
    if (entries.some(isAs)) return 'yes'
    return entries.every(entry => typeof entry === 'string') ? 'no' : 'unknown'
  }
}

/** The same for the one e-mail address of somebody, which has to be one text. */
function addressAs(patterns: readonly string[]): PersonCondition['judge'] {
  const tests = patterns.map(pattern => compileStars(pattern.toLowerCase()))
  return addressJudge(email => tests.some(test => test(email)))
}

function isScalar(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}

/**
 * An unverified address that would match is unknown: it does not match, and it does not count as a different address
 * either.
 */
function compileEmails(matches: PersonCondition['judge'], trusted: TrustedEmails): PersonCondition['judge'] {
  return identity => {
    const truth = matches(identity)
    return truth === 'yes' && !isEmailVouched(identity, trusted) ? 'unknown' : truth
  }
}

/** Whole addresses and domains are one key. */
function listsOf(rule: PersonRule): PersonCondition['judge'] {
  const emails = new Set(rule.emails ?? [])
  const domains = new Set(rule.domains ?? [])
  return addressJudge(email => emails.has(email) || domains.has(email.slice(email.indexOf('@') + 1)))
}

/** Whether an address, in lower case, is one that is meant. Of one that can be read in more than one way nothing can be said. */
function addressJudge(isMeant: (email: string) => boolean): PersonCondition['judge'] {
  return identity => {
    if (identity.email === null) return claimOf(identity, 'email') === undefined ? 'no' : 'unknown'
    const email = foldEmail(identity.email)
    if (email === null) return 'unknown'
    return isMeant(email) ? 'yes' : 'no'
  }
}

/** Whether there is an address, and it counts. Of what is no text, or an empty one, nothing can be said. */
function addressOf(identity: Identity, counts: boolean): Truth {
  if (identity.email === null) return claimOf(identity, 'email') === undefined ? 'no' : 'unknown'
  return counts ? 'yes' : identity.isSketch === true && identity.emailVerified === null ? 'unknown' : 'no'
}

/** Lower-case, or null for what is not exactly one local part and one domain in visible ASCII (look-alikes match nothing). */
function foldEmail(email: string): string | null {
  return /^[!-?A-~]+@[!-?A-~]+$/.test(email) ? email.toLowerCase() : null
}

/** A claim, or undefined. Null (unknown) where it cannot be said whether the claim exists. */
function claimOf(identity: Identity, name: string): unknown {
  if (Object.hasOwn(identity.claims, name)) return identity.claims[name]
  return identity.isSketch === true ? null : undefined
}
