import type { RouteConfig } from '../config/types/routes.ts'
import { type Identity, makeIdentity } from '../identity/identity.ts'
import type { Facts } from './condition.ts'
import { NO_PORTAL } from './policy.ts'
import type { Roles } from './roles.ts'
import { allows, compileLists, denies } from './rule-set.ts'
import { all, negate, type Truth } from './truth.ts'

/** What is known of somebody who once was let in elsewhere; null or empty: nothing. */
export interface Known {
  readonly provider: string
  readonly subject: string
  readonly email: string | null
  /** Whether it counts that the address is theirs; null: nobody knows. */
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

/** What can be said of whether somebody, or nobody (null), may pass. */
export type Chance = (identity: Identity | null, facts: Facts) => Truth

/**
 * The same rules as those of `compilePolicy`, for those of whom not everything is known: `yes` whoever they turn out to be, `no`
 * for none of them, else `unknown`. A rule that cannot be judged says nothing. Not for requests: they are decided.
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
