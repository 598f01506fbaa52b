/** `[providers.NAME]`, as the program takes it: OpenID Connect, OAuth 2.0, or a file of users. */

import { resolve } from 'node:path'
import { type ClaimNames, isOAuth2, type OAuth2Config, oauth2Issuer, oauth2Subject, PRESETS } from '../keys/oauth2.ts'
import type { ACCESS_TOKENS, ProviderTable } from '../keys/providers.ts'
import { type Known, known, type Table } from '../keys/table.ts'
import type { ConfigFiles } from '../values/files.ts'
import { buildTotp } from '../values/htpasswd.ts'
import { readPem } from '../values/pem.ts'
import { buildUsers, type UserEntry, type Users } from '../values/users-file.ts'

export type ClientAuth = 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt' | 'none'

/** `[providers.NAME.access_tokens]`. */
interface AccessTokensConfig {
  /** `aud` must contain one of these where a route names no audience; empty: no token is accepted there. */
  readonly audiences: readonly string[]
  /** Whether the provider is asked about tokens that only it can read. */
  readonly introspects: boolean
  /** How the tokens begin that it is asked about; empty: any. */
  readonly introspectPrefix: string
  /** Whether a token for the client itself counts as one for us. */
  readonly takesClientAudience: boolean
}

/** How groups are written where they are no list: as the names in a table, or as one text with this between them. */
export type GroupsForm =
  | { readonly kind: 'list' }
  | { readonly kind: 'keys' }
  | { readonly kind: 'text'; readonly separator: string }

/** Which of a provider's statements count about a person. */
type ClaimsFrom = 'both' | 'id_token' | 'userinfo'

/** `[providers.NAME.scim]`: the provider pushes its people. */
interface ScimConfig {
  /** The token by which the provider authenticates itself. */
  readonly token: string
  /** From a group's name at the provider to what rules call it; null: groups are what is said at sign-in. */
  readonly groups: ReadonlyMap<string, string> | null
}

export interface ProviderConfig {
  /** The table's name: `pocket-id` in `[providers.pocket-id]`. */
  readonly name: string
  /** What people see on the button. */
  readonly label: string
  /** The people of a provider that is a file; null for one that is asked by OpenID Connect. */
  readonly users: UsersConfig | null
  /** How a provider without OpenID Connect is asked; null for any other. */
  readonly oauth2: OAuth2Config | null
  /** Exactly as the provider states it; no trailing slash is added or removed. Of a file of users `users:NAME`, which is no address; by OAuth 2.0 what its subjects are somebody at. */
  readonly issuer: string
  /** Where discovery is when it is not at issuer + /.well-known/openid-configuration. */
  readonly metadataUrl: string | null
  /** Where it is in our own network, as an origin: what is asked from here is asked there. Null: where people go. */
  readonly internalUrl: string | null
  /** Origins inside that its discovery may lead to. */
  readonly backChannelOrigins: readonly string[]
  /** The only authorities that are trusted for it, as PEM; null: the system's. */
  readonly ca: string | null
  readonly clientId: string
  /** Null where the client has none: it is public, or proves itself by one of the next two. */
  readonly clientSecret: string | null
  /** A private key of the client's own, as PEM or JWK. */
  readonly clientKey: string | null
  /** Whom assertions made with that key are for; null: the issuer. */
  readonly assertionAudience: string | null
  /** The absolute path of a file that always has a fresh assertion, which somebody else writes. */
  readonly assertionFile: string | null
  /** Null: what discovery and the secret's presence decide. */
  readonly clientAuth: ClientAuth | null
  /** Null: openid, profile, email, and groups where discovery lists it. */
  readonly scopes: readonly string[] | null
  /** Whether its e-mail addresses count without its saying that it verified them. */
  readonly trustsEmails: boolean
  /** The only domains of which its addresses count; null: any. */
  readonly emailDomains: readonly string[] | null
  /** How its names for people and groups begin here; empty: as it says them. */
  readonly prefix: string
  readonly claims: ClaimNames
  readonly groupsForm: GroupsForm
  /** Whether roles are groups too, as Keycloak has them in its access tokens. */
  readonly hasRoleGroups: boolean
  /** The claims that anything in the file looks at, as it writes them: all that is kept of someone beside the usual. */
  readonly namedClaims: readonly string[]
  readonly claimsFrom: ClaimsFrom
  /** Further parameters of an authorization request, none of which the protocol needs. */
  readonly authorizeParams: ReadonlyMap<string, string>
  /** The only algorithms that an ID token may have; null: what discovery allows, without `none` and HMAC. */
  readonly idTokenAlgs: readonly string[] | null
  /** Whether authorization requests are pushed to it: where it requires that, or always. */
  readonly par: 'required' | 'always'
  /** How its access tokens say that they are for us; null: none are taken. */
  readonly accessTokens: AccessTokensConfig | null
  /** Clients of which its ID tokens are taken from programs, the one of the file among them; none are, where there is none. */
  readonly idTokenClients: readonly string[]
  /** How it may push its people; null: it may not. */
  readonly scim: ScimConfig | null
}

/** People of a file of our own, who sign in by a form. */
export interface UsersConfig {
  /** The users by their names. */
  readonly entries: ReadonlyMap<string, UserEntry>
  /** The users who must also enter a code of their authenticator application, with its secret in Base32. */
  readonly totp: ReadonlyMap<string, string>
  /** All of them are in these. */
  readonly groups: readonly string[]
}

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
    hasRoleGroups: provider.role_groups,
    claimsFrom: provider.claims_from,
    authorizeParams: provider.authorize_params ?? new Map(),
    idTokenAlgs: provider.id_token_alg,
    idTokenClients: idTokenClients(provider),
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

/** Whose ID tokens programs may come with: those of this client, and of the others that are named beside it. */
function idTokenClients({ bearer_id_tokens: stated, client_id: own }: Known<ProviderTable>): readonly string[] {
  if (stated === false) return []
  return [...(own === null ? [] : [own]), ...(stated === true ? [] : stated)]
}

function groupsForm({ groups_keys: areKeys, groups_separator: separator }: Known<ProviderTable>): GroupsForm {
  if (separator !== null) return { kind: 'text', separator }
  return { kind: areKeys ? 'keys' : 'list' }
}
