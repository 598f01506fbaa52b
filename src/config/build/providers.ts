import { resolve } from 'node:path'
import { type Known, known } from '../keys/known.ts'
import type { ACCESS_TOKENS, ProviderTable } from '../keys/providers.ts'
import type { Table } from '../keys/table.ts'
import type { AccessTokensConfig, ClaimNames, GroupsForm, ProviderConfig } from '../types/providers.ts'
import type { ConfigFiles } from '../values/files.ts'
import { buildHtpasswd, buildTotp } from '../values/htpasswd.ts'
import { readPem } from '../values/pem/pem-file.ts'

const STANDARD_NAMES: ClaimNames = Object.freeze({
  email: null,
  email_verified: null,
  groups: null,
  name: null,
  preferred_username: null,
})

/** One of `[providers]` of a file without mistakes. Throws TypeError where a value is missing. */
export function buildProvider(
  name: string,
  table: ProviderTable,
  directory: string,
  files: ConfigFiles,
): ProviderConfig {
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
    clientKey: provider.client_key === null ? null : readPem(provider.client_key, files),
    assertionAudience: provider.client_assertion_audience,
    assertionFile: provider.client_assertion_file === null ? null : resolve(directory, provider.client_assertion_file),
    clientAuth: provider.client_auth,
    par: provider.par,
    scopes: provider.scopes,
    trustsEmails: provider.emails === 'trusted',
    claims: claimNames(provider),
    groupsForm: groupsForm(provider),
    claimsFrom: provider.claims_from,
    authorizeParams: provider.authorize_params ?? new Map(),
    idTokenAlgs: provider.id_token_alg,
    takesIdTokens: provider.bearer_id_tokens,
    scim: provider.scim === null ? null : known(provider.scim),
    accessTokens: provider.access_tokens === null ? null : buildAccessTokens(provider.access_tokens),
  }
}

function buildAccessTokens(table: Table<typeof ACCESS_TOKENS>): AccessTokensConfig {
  const { audience, client_audience } = known(table)
  return { audiences: audience ?? [], takesClientAudience: client_audience }
}

function claimNames({ claims }: Known<ProviderTable>): ClaimNames {
  if (claims === null) return STANDARD_NAMES
  const { sub: _subject, ...names } = known(claims)
  return names
}

function groupsForm({ groups_keys: areKeys, groups_separator: separator }: Known<ProviderTable>): GroupsForm {
  if (separator !== null) return { kind: 'text', separator }
  return { kind: areKeys ? 'keys' : 'list' }
}
