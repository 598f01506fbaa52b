import { known } from '../keys/known.ts'
import type { ACCESS_TOKENS, ProviderTable } from '../keys/providers.ts'
import type { Table } from '../keys/table.ts'
import type { AccessTokensConfig, ClaimNames, ProviderConfig } from '../types/providers.ts'
import type { ConfigFiles } from '../values/files.ts'
import { buildHtpasswd, buildTotp } from '../values/htpasswd.ts'
import { readPem } from '../values/pem-file.ts'

const STANDARD_NAMES: ClaimNames = Object.freeze({ email: null, groups: null, name: null, preferred_username: null })

/** One of `[providers]` of a file without mistakes. Throws TypeError where a value is missing. */
export function buildProvider(name: string, table: ProviderTable, files: ConfigFiles): ProviderConfig {
  const provider = known(table)
  const entries = buildHtpasswd(provider.users, files)
  if (entries === null && (provider.issuer === null || provider.client_id === null)) {
    throw new TypeError('a provider without issuer or client_id is a mistake')
  }
  return {
    name,
    label: provider.label ?? name,
    users: entries === null ? null : { entries, totp: buildTotp(provider.totp, files), groups: provider.groups ?? [] },
    issuer: provider.issuer ?? `users:${name}`,
    metadataUrl: provider.metadata_url,
    internalUrl: provider.internal_url,
    ca: provider.ca === null ? null : readPem(provider.ca, files),
    clientId: provider.client_id ?? '',
    clientSecret: provider.client_secret,
    clientAuth: provider.client_auth,
    scopes: provider.scopes,
    trustsEmails: provider.emails === 'trusted',
    claims: provider.claims === null ? STANDARD_NAMES : known(provider.claims),
    idTokenAlgs: provider.id_token_alg,
    takesIdTokens: provider.bearer_id_tokens,
    accessTokens: provider.access_tokens === null ? null : buildAccessTokens(provider.access_tokens),
  }
}

function buildAccessTokens(table: Table<typeof ACCESS_TOKENS>): AccessTokensConfig {
  const { audience, client_audience } = known(table)
  return { audience, takesClientAudience: client_audience }
}
