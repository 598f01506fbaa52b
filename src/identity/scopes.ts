import { sha256 } from '../base/bytes.ts'
import type { ProviderConfig } from '../config/types/providers.ts'
import type { Metadata } from './endpoints.ts'

const OFFLINE = 'offline_access'

/**
 * What is asked for in a sign-in: what the file says, and nothing else; without it, what there is on offer of what we can use.
 *
 * `lackedRefresh` are the terms by which a sign-in without `offline_access` brought no refresh token: it is asked for while these are the
 * terms still. Nowhere else: at Keycloak it makes a session that no sign-out ends, and no ordinary one beside it; and where people have to
 * consent, they do so anew.
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
 * The terms by which `offline_access` may be asked for, as a fingerprint of all that the provider says of itself; null where it does not
 * list that scope, or the file lists scopes of its own. In whatever order: some providers list the same otherwise after each start.
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
