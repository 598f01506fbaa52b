/** The roles of a portal, and which of them a user has. */

import type { RoleRule } from '../config/keys/portals.ts'
import type { RuleTrust } from '../identity/claim-trust.ts'
import { GRANTED, type Identity } from '../identity/identity.ts'
import { all, any, type Truth } from './truth.ts'
import { compilePerson } from './user-conditions.ts'

/** Which of a portal's roles someone has, in the file's order. */
export type RolesOf = (identity: Identity) => readonly string[]

/** Whether someone has a role; `unknown` where an odd claim decides. Not in it: roles that the portal does not define. */
type RoleJudges = ReadonlyMap<string, (identity: Identity) => Truth>

/** The roles of a portal, compiled. */
export interface Roles extends RuleTrust {
  readonly of: RolesOf
  readonly judges: RoleJudges
  /** The roles that look at e-mail addresses. */
  readonly aboutEmail: ReadonlySet<string>
}

/**
 * The roles of a portal as functions of an identity.
 *
 * A token has the roles that it was made with, as far as the file still has them. A role that an admin granted is
 * added to those that the rules give.
 *
 * A role has one or more rules, and one of them is enough. Within a rule every key must hold. Within a key one entry
 * is enough.
 */
export function compileRoles(roles: ReadonlyMap<string, readonly RoleRule[]>, trust: RuleTrust): Roles {
  const aboutEmail = new Set<string>()
  const judges: RoleJudges = new Map(
    [...roles].map(([role, rules]) => {
      if (rules.some(rule => compilePerson(rule, trust).some(({ isAboutEmail }) => isAboutEmail))) aboutEmail.add(role)
      const compiled = rules.map(rule => compileRule(rule, trust))
      return [
        role,
        (identity: Identity): Truth =>
          identity.roles === undefined
            ? isGranted(identity, role)
              ? 'yes'
              : any(compiled, judge => judge(identity))
            : identity.roles.includes(role)
              ? 'yes'
              : 'no',
      ]
    }),
  )
  const entries = [...judges]
  const of: RolesOf = identity => entries.filter(([, judge]) => judge(identity) === 'yes').map(([role]) => role)
  return Object.freeze({ ...trust, of, judges, aboutEmail })
}

function isGranted(identity: Identity, role: string): boolean {
  return identity[GRANTED]?.includes(role) === true
}

function compileRule(rule: RoleRule, trust: RuleTrust): (identity: Identity) => Truth {
  const conditions = compilePerson(rule, trust)
  // A rule without a key would hold for everyone; the checker refuses it, and so does this.
  if (conditions.length === 0 && !rule.any) return () => 'no'
  // `any`, or a rule with only a provider, means every user there, and programs only where the rule includes them.
  const isWide = conditions.length === (rule.providers === null ? 0 : 1)
  return identity =>
    isWide && identity.isClient === true && !rule.clients
      ? 'no'
      : all(conditions, condition => condition.judge(identity))
}
