/** Which scopes a sign-in asks for. */

import { sha256 } from '../base/bytes.ts'
import type { ProviderConfig } from '../config/resolve/providers.ts'
import type { Metadata } from './endpoints.ts'

const OFFLINE = 'offline_access'

/**
 * The scopes of a sign-in: those of the file and no others. Without these, the scopes that the provider offers and
 * Sallyport can use.
 *
 * `lackedRefresh` is the fingerprint under which a sign-in without `offline_access` brought no refresh token. Only
 * while it is unchanged is `offline_access` requested: at Keycloak it makes a session that no sign-out ends, and users
 * who have to consent would be asked again.
 *
 * Source: OpenID Connect Core 1.0 §11 (offline_access).
 */
export function chooseScopes(
  config: Pick<ProviderConfig, 'scopes'>,
  metadata: Metadata,
  lackedRefresh: string | null,
): readonly string[] {
  if (config.scopes !== null) return config.scopes.includes('openid') ? config.scopes : ['openid', ...config.scopes]
  const asksOffline = lackedRefresh !== null && lackedRefresh === offlineTerms(config, metadata)
  const groups = metadata.scopes_supported?.includes('groups') === true ? ['groups'] : []
  return ['openid', 'profile', 'email', ...groups, ...(asksOffline ? [OFFLINE] : [])]
}

/**
 * The fingerprint of the provider's metadata under which `offline_access` may be requested; null where the provider
 * does not list that scope, or the file lists scopes. The order does not matter: some providers change it at each
 * start.
 */
export function offlineTerms(config: Pick<ProviderConfig, 'scopes'>, metadata: Metadata): string | null {
  if (config.scopes !== null || metadata.scopes_supported?.includes(OFFLINE) !== true) return null
  return sha256(canonical(metadata))
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).sort().join()}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? ''
  const members = Object.entries(value).map(([name, one]) => `${JSON.stringify(name)}:${canonical(one)}`)
  return `{${members.sort().join()}}`
}
