/** Who is inactive, as their provider says by SCIM: neither a sign-in of theirs counts, nor an access token. */

import { GateError } from '../../base/errors.ts'
import type { Identity } from '../../identity/identity.ts'
import type { PushedUser } from './resource.ts'

/** Whether someone may not be signed in. */
export function isBarredUser({ isActive, isGone }: PushedUser): boolean {
  return !isActive || isGone
}

export function inactive({ provider, subject }: Identity): GateError {
  return new GateError('provider.inactive', `${provider} says by SCIM that this person is not active`, {
    facts: { provider, user: subject },
    hint: 'activate the user at the provider, and let it push that; without scim in the provider’s table, what it pushed does not count',
  })
}

/** For whoever shows an access token of such a user. */
export function inactiveOwner({ provider, subject }: Identity): GateError {
  const facts = { provider, user: subject }
  return new GateError('access.token', `${provider} says by SCIM that the user of the token is not active`, { facts })
}
