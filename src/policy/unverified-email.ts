/** Whether an unverified e-mail address is why a user was refused. */

import { isEmailVouched } from '../identity/claim-trust.ts'
import type { Identity } from '../identity/identity.ts'
import type { Facts } from './condition.ts'
import { decideAccess, type Policy } from './policy.ts'

/** Somebody was refused whose e-mail address counts for nothing, where rules look at addresses. */
export interface UnverifiedEmail {
  readonly email: string
  /** The name of the table of the provider that does not say that it is verified. */
  readonly provider: string
  /**
   * Whether it is the only obstacle. Only for operators: users who enter an address at a provider must not learn which
   * addresses may pass.
   */
  readonly isAlone: boolean
}

/** What an unverified e-mail address has to do with a refusal by these rules; null for nothing. */
export function findUnverifiedEmail(policy: Policy, identity: Identity, facts: Facts): UnverifiedEmail | null {
  const { email, provider } = identity
  if (policy.emails === null || email === null || isEmailVouched(identity, policy.emails)) return null
  const { verdict } = decideAccess(policy, { ...identity, emailVerified: true }, facts)
  return { email, provider, isAlone: verdict === 'allow' || verdict === 'step-up' }
}

/** The two ways to fix it, as operators read them. */
export function waysOut({ provider }: Pick<UnverifiedEmail, 'provider'>): string {
  return `verify it there; or set emails = "trusted" in [providers.${provider}], if users cannot enter an address that is not theirs, as they can at Keycloak and Pocket ID`
}
