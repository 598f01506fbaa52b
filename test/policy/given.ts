/** How the tests of this room build rules and ask about them. */

import type { Allow } from '../../src/config/keys/allow.ts'
import type { RoleRule } from '../../src/config/keys/portals.ts'
import { type AccessRule, NO_CONDITION, NOBODY_IN_PARTICULAR } from '../../src/config/keys/rules.ts'
import type { RouteConfig } from '../../src/config/resolve/routes.ts'
import { NO_TRUST, NO_TRUSTED_EMAILS, type TrustedEmails } from '../../src/identity/claim-trust.ts'
import { type Identity, makeIdentity } from '../../src/identity/identity.ts'
import type { Facts } from '../../src/policy/condition.ts'
import { compilePolicy, type Decision, decidePolicy, type Policy } from '../../src/policy/policy.ts'
import { compileRoles, type Roles } from '../../src/policy/roles.ts'

/** A rule with these keys and no others. */
export function rule(keys: Partial<AccessRule>): AccessRule {
  return { ...NO_CONDITION, ...keys }
}

const role = (keys: Partial<RoleRule>): readonly RoleRule[] => [
  { ...NOBODY_IN_PARTICULAR, any: false, clients: false, ...keys },
]

/** The portal of these tests: everyone is a user, the groups admins and interns have roles of their own. */
export const ROLES = new Map([
  ['user', role({ any: true })],
  ['admin', role({ groups: ['admins'] })],
  ['intern', role({ groups: ['interns'] })],
])

/** Thursday, 2026-01-01 12:00 UTC. */
export const NOON = Date.UTC(2026, 0, 1, 12)

export const FACTS: Facts = {
  method: 'GET',
  client: '192.0.2.1',
  target: { path: '/', readings: [], query: '' },
  sent: {},
  nowMs: NOON,
  signedInAtMs: NOON - 60_000,
}

/** Ada, with these claims. */
export function ada(claims: Record<string, unknown> = {}): Identity {
  return makeIdentity('id', 'https://id.example', 'ada', claims)
}

export interface Given {
  readonly allow: Allow | readonly Partial<AccessRule>[]
  readonly deny?: readonly Partial<AccessRule>[]
  readonly who?: Identity | null
  readonly facts?: Partial<Facts>
  readonly hasPortal?: boolean
  /** Providers whose e-mail addresses count without being verified. */
  readonly trusted?: TrustedEmails
}

export function policyOf(given: Given): Policy {
  return compilePolicy(routeOf(given), portalOf(given))
}

/** What a route says of who may pass. */
export function routeOf({ allow, deny = [] }: Given): Pick<RouteConfig, 'allow' | 'deny' | 'methods'> {
  return {
    allow: 'kind' in allow ? allow : { kind: 'rules', rules: allow.map(rule) },
    deny: deny.map(rule),
    methods: null,
  }
}

/** The roles of the route's portal. */
export function portalOf({ hasPortal = true, trusted = NO_TRUSTED_EMAILS }: Given): Roles | null {
  return hasPortal ? compileRoles(ROLES, { ...NO_TRUST, trusted }) : null
}

/** What comes out for Ada, unless someone else (or nobody: null) is given. */
export function decide(given: Given): Decision {
  const { who = ada(), facts = {} } = given
  return decidePolicy(policyOf(given), who, {
    ...FACTS,
    signedInAtMs: who === null ? null : FACTS.signedInAtMs,
    ...facts,
  })
}

/** The verdict alone. */
export function verdict(given: Given): Decision['verdict'] {
  return decide(given).verdict
}
