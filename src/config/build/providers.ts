import { known } from '../keys/known.ts'
import type { ProviderTable } from '../keys/providers.ts'
import type { ClaimNames, ProviderConfig } from '../types/providers.ts'

const STANDARD_NAMES: ClaimNames = Object.freeze({ email: null, groups: null, name: null, preferred_username: null })

/** One of `[providers]` of a file without mistakes. Throws TypeError where a value is missing. */
export function buildProvider(name: string, table: ProviderTable): ProviderConfig {
  const provider = known(table)
  return {
    name,
    label: provider.label ?? name,
    issuer: provider.issuer,
    metadataUrl: provider.metadata_url,
    clientId: provider.client_id,
    clientSecret: provider.client_secret,
    clientAuth: provider.client_auth,
    scopes: provider.scopes,
    trustsEmails: provider.emails === 'trusted',
    claims: provider.claims === null ? STANDARD_NAMES : known(provider.claims),
    idTokenAlgs: provider.id_token_alg,
    takesIdTokens: provider.bearer_id_tokens,
    accessTokens: provider.access_tokens === null ? null : { audience: known(provider.access_tokens).audience },
  }
}
