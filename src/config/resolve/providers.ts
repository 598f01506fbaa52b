import { resolve } from 'node:path'
import { isOAuth2, oauth2Issuer, oauth2Subject, PRESETS } from '../keys/oauth2.ts'
import type { ACCESS_TOKENS, ProviderTable } from '../keys/providers.ts'
import { type Known, known, type Table } from '../keys/table.ts'
import type { AccessTokensConfig, ClaimNames, GroupsForm, OAuth2Config, ProviderConfig } from '../types/providers.ts'
import type { UsersConfig } from '../types/users.ts'
import type { ConfigFiles } from '../values/files.ts'
import { buildTotp } from '../values/htpasswd.ts'
import { readPem } from '../values/pem.ts'
import { buildUsers, type Users } from '../values/users-file.ts'

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
): Omit<ProviderConfig, 'namedClaims'> {
  const provider = known(table)
  const entries = buildUsers(provider.users, files)
  const oauth2 = buildOAuth2(provider)
  const issuer =
    entries !== null ? `users:${name}` : oauth2 === null ? provider.issuer : oauth2Issuer(provider, oauth2.subject)
  if (issuer === null || (entries === null && provider.client_id === null)) {
    throw new TypeError('a provider without issuer or client_id is a mistake')
  }
  const preset = provider.preset === null ? null : PRESETS[provider.preset]
  return {
    name,
    label: provider.label ?? name,
    users: entries === null ? null : buildUsersConfig(entries, provider, files),
    oauth2,
    issuer,
    metadataUrl: provider.metadata_url,
    internalUrl: provider.internal_url,
    backChannelOrigins: provider.back_channel_origins,
    ca: provider.ca === null ? null : readPem(provider.ca, files),
    clientId: provider.client_id ?? '',
    clientSecret: provider.client_secret,
    clientKey: provider.client_key === null ? null : readPem(provider.client_key, files),
    assertionAudience: provider.client_assertion_audience,
    assertionFile: provider.client_assertion_file === null ? null : resolve(directory, provider.client_assertion_file),
    clientAuth: provider.client_auth,
    par: provider.par,
    scopes: provider.scopes ?? preset?.scopes ?? null,
    trustsEmails: provider.emails === 'trusted',
    emailDomains: provider.email_domains,
    prefix: provider.prefix ?? '',
    claims: claimNames(provider, preset?.claims ?? STANDARD_NAMES),
    groupsForm: groupsForm(provider),
    claimsFrom: provider.claims_from,
    authorizeParams: provider.authorize_params ?? new Map(),
    idTokenAlgs: provider.id_token_alg,
    takesIdTokens: provider.bearer_id_tokens,
    scim: provider.scim === null ? null : known(provider.scim),
    accessTokens: provider.access_tokens === null ? null : buildAccessTokens(provider.access_tokens),
  }
}

/** Second factors stand in a file of their own, or beside the user where the file of users has room for them. */
function buildUsersConfig(
  entries: Users,
  { totp: path, groups }: Pick<Known<ProviderTable>, 'totp' | 'groups'>,
  files: ConfigFiles,
): UsersConfig {
  const own = [...entries].flatMap(([name, { totp }]): [string, string][] => (totp === null ? [] : [[name, totp]]))
  return { entries, totp: new Map([...buildTotp(path, files), ...own]), groups: groups ?? [] }
}

function buildAccessTokens(table: Table<typeof ACCESS_TOKENS>): AccessTokensConfig {
  const { audience, client_audience, introspect, introspect_prefix } = known(table)
  return {
    audiences: audience ?? [],
    introspects: introspect,
    introspectPrefix: introspect_prefix ?? '',
    takesClientAudience: client_audience,
  }
}

function buildOAuth2(provider: Known<ProviderTable>): OAuth2Config | null {
  if (!isOAuth2(provider)) return null
  const preset = provider.preset === null ? null : PRESETS[provider.preset]
  const authorizationEndpoint = provider.authorization_endpoint ?? preset?.authorizationEndpoint
  const tokenEndpoint = provider.token_endpoint ?? preset?.tokenEndpoint
  const userEndpoint = provider.user_endpoint ?? preset?.userEndpoint
  if (authorizationEndpoint === undefined || tokenEndpoint === undefined || userEndpoint === undefined) {
    throw new TypeError('a provider by OAuth 2.0 without its endpoints is a mistake')
  }
  const subject = oauth2Subject(provider, provider.claims === null ? null : known(provider.claims).sub)
  return { dialect: provider.preset ?? 'plain', authorizationEndpoint, tokenEndpoint, userEndpoint, subject }
}

/** What the file names, and the preset's names for the rest. */
function claimNames({ claims }: Known<ProviderTable>, others: ClaimNames): ClaimNames {
  if (claims === null) return others
  const { email, email_verified, groups, name, preferred_username } = known(claims)
  return {
    email: email ?? others.email,
    // Of another address, the preset's own says nothing.
    email_verified: email_verified ?? (email === null ? others.email_verified : null),
    groups: groups ?? others.groups,
    name: name ?? others.name,
    preferred_username: preferred_username ?? others.preferred_username,
  }
}

function groupsForm({ groups_keys: areKeys, groups_separator: separator }: Known<ProviderTable>): GroupsForm {
  if (separator !== null) return { kind: 'text', separator }
  return { kind: areKeys ? 'keys' : 'list' }
}
