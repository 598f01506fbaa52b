import type { Allow, RouteConfig } from '../config/types.ts'
import type { Identity } from '../identity/identity.ts'
import type { RolesOf } from './roles.ts'

/** Why a decision came out as it did: a closed list, shown by `explain`, on the 403 page and in the log. */
export type Reason =
  | 'route.public'
  | 'identity.signed_in'
  | 'identity.none'
  | 'role.held'
  | 'role.missing'
  | 'method.not_listed'
  | 'portal.unknown'

/** A verdict with its reasons. `roles` are those that this person has at the route's portal. */
export type Decision =
  | { readonly verdict: 'allow'; readonly reason: Reason; readonly roles: readonly string[] }
  | { readonly verdict: 'sign-in'; readonly reason: Reason }
  | {
      readonly verdict: 'deny'
      readonly reason: Reason
      readonly roles: readonly string[]
      readonly needed: readonly string[]
    }

/** What a decision depends on besides who asks. */
export interface Facts {
  /** Upper-case. */
  readonly method: string
}

/** The rules of one route, compiled. */
export interface Policy {
  readonly allow: Allow
  readonly methods: ReadonlySet<string> | null
  readonly rolesOf: RolesOf
  readonly hasPortal: boolean
}

const NO_ROLES: readonly string[] = Object.freeze([])

/** The rules of a route with its portal's roles; `rolesOf` is null for a route without a portal. */
export function compilePolicy(route: RouteConfig, rolesOf: RolesOf | null): Policy {
  return Object.freeze({
    allow: route.allow,
    methods: route.methods === null ? null : new Set(route.methods),
    rolesOf: rolesOf ?? (() => NO_ROLES),
    hasPortal: rolesOf !== null,
  })
}

/**
 * Whether someone (or nobody: null) may do this. Pure: no clock, no network; whatever is not clearly allowed is denied.
 *
 * The one function behind the gate, the portal's list and `explain`.
 */
export function decidePolicy(policy: Policy, identity: Identity | null, facts: Facts): Decision {
  if (!allowsMethod(policy, facts.method)) {
    return { verdict: 'deny', reason: 'method.not_listed', roles: NO_ROLES, needed: NO_ROLES }
  }
  return decideIdentity(policy, identity)
}

/** The part of a decision that holds for every request of one person: what the gate keeps per session and route. */
export function decideIdentity(policy: Policy, identity: Identity | null): Decision {
  const { allow } = policy
  if (allow.kind === 'public') {
    return { verdict: 'allow', reason: 'route.public', roles: identity === null ? NO_ROLES : policy.rolesOf(identity) }
  }
  if (!policy.hasPortal) return { verdict: 'deny', reason: 'portal.unknown', roles: NO_ROLES, needed: NO_ROLES }
  if (identity === null) return { verdict: 'sign-in', reason: 'identity.none' }
  const roles = policy.rolesOf(identity)
  if (allow.kind === 'authenticated') return { verdict: 'allow', reason: 'identity.signed_in', roles }
  return allow.roles.some(role => roles.includes(role))
    ? { verdict: 'allow', reason: 'role.held', roles }
    : { verdict: 'deny', reason: 'role.missing', roles, needed: allow.roles }
}

/** Whether a route takes this method. */
export function allowsMethod(policy: Policy, method: string): boolean {
  return policy.methods === null || policy.methods.has(method)
}
