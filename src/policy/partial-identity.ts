/**
 * Users of whom little is known, such as those in another gate's log: whether they may pass, as far as it can be
 * said.
 */

import type { RouteConfig } from '../config/resolve/routes.ts'
import { type Identity, makeIdentity } from '../identity/identity.ts'
import type { Facts } from './condition.ts'
import { NO_PORTAL } from './policy.ts'
import type { Roles } from './roles.ts'
import { allows, compileLists, denies } from './rule-set.ts'
import { all, negate, type Truth } from './truth.ts'

/** What is known of a user whom another gate let pass once; null or empty: nothing. */
export interface Known {
  readonly provider: string
  readonly subject: string
  readonly email: string | null
  /** Whether the address counts as verified; null: unknown. */
  readonly isEmailVerified: boolean | null
}

/** Somebody of whom only this is known: rules that ask for more neither hold for them nor fail. */
export function sketchOf({ provider, subject, email, isEmailVerified }: Known): Identity {
  const claims = {
    ...(email === null ? {} : { email }),
    ...(isEmailVerified === null ? {} : { email_verified: isEmailVerified }),
  }
  return Object.freeze({ ...makeIdentity(provider, '', subject, claims), isSketch: true })
}

/** Whether a user (null: an anonymous client) may pass, as far as it can be said. */
export type Chance = (identity: Identity | null, facts: Facts) => Truth

/**
 * The rules of `compilePolicy` for a user about whom not everything is known. `yes` and `no` hold for every possible
 * such user; everything else is `unknown`. Requests never use it: they get a decision.
 */
export function compileChance(route: Pick<RouteConfig, 'allow' | 'deny' | 'methods'>, roles: Roles | null): Chance {
  const rules = compileLists(route, roles ?? NO_PORTAL)
  const methods = route.methods === null ? null : new Set(route.methods)
  return (identity, facts) => {
    if (methods !== null && (facts.method === null || !methods.has(facts.method))) return 'no'
    const asker = { identity, facts, light: 'now' } as const
    try {
      return all([() => negate(denies(rules, asker)), () => allows(rules, asker)], judge => judge())
    } catch {
      return 'unknown'
    }
  }
}
