/** Conditions about the user: groups, addresses, claims, providers and others. */

import { compileStars } from '../base/wildcard.ts'
import type { PersonRule } from '../config/keys/rules.ts'
import { type FileGroups, isEmailVouched, type RuleTrust, type TrustedEmails } from '../identity/claim-trust.ts'
import { findClaim } from '../identity/claims.ts'
import type { Identity } from '../identity/identity.ts'
import { userSubject } from '../identity/passwords/users.ts'
import type { PersonCondition } from './condition.ts'
import type { Missing, Reason } from './reasons.ts'
import type { Truth } from './truth.ts'

/**
 * The conditions of a rule about a user: one for each key. All of them must hold; within a key one entry is enough.
 *
 * Text is compared whole and exactly. Only e-mail addresses and domains ignore ASCII case. Patterns match whole texts.
 * A missing claim matches nothing. A claim of an unexpected type is unknown. So is an unverified e-mail address, and a
 * group that only a file of users says, unless the rule names its provider, or a rule around it does (`isNamed`).
 */
export function compilePerson(
  rule: PersonRule,
  { trusted, fileGroups }: RuleTrust,
  isNamed = rule.providers !== null,
): readonly PersonCondition[] {
  const conditions: PersonCondition[] = []
  const counts = isNamed ? () => true : groupsThatCount(fileGroups)
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
  if (rule.users !== null)
    add(
      'subject.other',
      oneOf(rule.users.map(userSubject), identity => identity.subject),
    )
  if (rule.groups !== null) add('group.missing', compileGroups(rule.groups, counts))
  if (rule.emails !== null || rule.domains !== null) {
    const lists = listsOf(rule)
    add('email.other', compileEmails(lists, trusted), identity =>
      lists(identity) === 'yes' ? 'email.unverified' : 'email.other',
    )
  }
  for (const [claim, values] of rule.claims ?? []) {
    const judge = compileClaim(claim, values)
    if (claim === 'email') add('email.other', compileEmails(judge, trusted))
    else add('claim.other', claim === 'groups' ? onlyWith(judge, counts) : judge)
  }
  for (const [claim, patterns] of rule.like ?? []) {
    if (claim === 'email') {
      const lists = addressAs(patterns)
      add('email.other', compileEmails(lists, trusted), identity =>
        lists(identity) === 'yes' ? 'email.unverified' : 'email.other',
      )
    } else if (claim === 'groups') add('group.missing', onlyWith(compileLike(claim, patterns), counts))
    else add('claim.other', compileLike(claim, patterns))
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

/** Whether a group of a user counts in a rule that names no provider. */
type GroupCounts = (identity: Identity, group: string) => boolean

function groupsThatCount(fileGroups: FileGroups): GroupCounts {
  return ({ provider }, group) => fileGroups.get(provider)?.has(group) ?? true
}

/** What a judge says of a user's groups: unknown where it holds, but not by the groups that count. */
function onlyWith(judge: PersonCondition['judge'], counts: GroupCounts): PersonCondition['judge'] {
  return identity => {
    const truth = judge(identity)
    const { groups } = identity
    if (truth !== 'yes' || groups.every(group => counts(identity, group))) return truth
    const counting = groups.filter(group => counts(identity, group))
    const claims = { ...identity.claims, groups: counting }
    return judge({ ...identity, groups: counting, claims }) === 'yes' ? 'yes' : 'unknown'
  }
}

function compileGroups(wanted: readonly string[], counts: GroupCounts): PersonCondition['judge'] {
  const groups = new Set(wanted)
  return identity => {
    const held = identity.groups.filter(group => groups.has(group))
    if (held.length > 0) return held.some(group => counts(identity, group)) ? 'yes' : 'unknown'
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
