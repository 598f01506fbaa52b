/** Asks the provider of a session again about its user, and has it revoke tokens. */

import { GateError } from '../base/errors.ts'
import type { ProviderConfig } from '../config/resolve/providers.ts'
import type { ProviderPool } from '../identity/provider.ts'
import type { AskProvider } from './refresh.ts'
import type { RevokeAtProvider } from './revoke-refresh-tokens.ts'

/**
 * Asks the provider of the sign-in, as the current file describes it.
 *
 * Throws what the provider client throws, and `provider.discovery` for a provider that the file no longer has, or
 * where a reload comes in between. It keeps an access token where the portal wants it.
 */
export function askProviders(
  pool: ProviderPool,
  providerOf: (name: string) => ProviderConfig | undefined,
  wantsAccess: (portal: string) => boolean = () => false,
): AskProvider {
  return async ({ identity, portal }, { idToken, refreshToken }) => {
    const provider = providerOf(identity.provider)
    if (provider === undefined) {
      throw new GateError('provider.discovery', `the file has no provider ${identity.provider} any more`)
    }
    const result = await pool.client(provider).refresh({ identity, idToken, refreshToken })
    if (result.kind !== 'renewed') return result
    const { idToken: newest, refreshToken: next } = result
    const access = wantsAccess(portal) ? result.access : null
    return { kind: 'renewed', identity: result.identity, secrets: { idToken: newest, refreshToken: next, access } }
  }
}

/**
 * Revokes a refresh token at the provider of the sign-in, as the current file describes it. Another issuer than then
 * did not issue it.
 */
export function revokeAtProviders(
  pool: ProviderPool,
  providerOf: (name: string) => ProviderConfig | undefined,
): RevokeAtProvider {
  return async ({ identity }, refreshToken) => {
    const provider = providerOf(identity.provider)
    if (provider?.issuer === identity.issuer) await pool.client(provider).revoke(refreshToken)
  }
}
