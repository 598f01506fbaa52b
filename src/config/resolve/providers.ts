/** `[providers.NAME]`, as the program takes it: OpenID Connect, OAuth 2.0, or a file of users. */

import { type ClaimNames, isOAuth2, type OAuth2Config, oauth2Issuer, oauth2Subject, PRESETS } from '../keys/oauth2.ts'
import { PROVIDER, type ProviderTable } from '../keys/providers.ts'
import { type Built, builderOf, type Known, known } from '../keys/table.ts'
import type { ConfigFiles } from '../values/files.ts'
import { buildTotp } from '../values/htpasswd.ts'
import { buildUsers, type UserEntry, type Users } from '../values/users-file.ts'
import type { BuildContext } from '../values/value.ts'

export type ClientAuth = NonNullable<ProviderConfig['clientAuth']>

/** How groups are written where they are no list: as the names in a table, or as one text with this between them. */
export type GroupsForm =
  | { readonly kind: 'list' }
  | { readonly kind: 'keys' }
  | { readonly kind: 'text'; readonly separator: string }

export interface ProviderConfig extends Built<typeof PROVIDER> {
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
  /** Null: openid, profile, email, and groups where discovery lists it. */
  readonly scopes: readonly string[] | null
  readonly claims: ClaimNames
  readonly groupsForm: GroupsForm
  /** The claims that anything in the file looks at, as it writes them: all that is kept of someone beside the usual. */
  readonly namedClaims: readonly string[]
  /** What other providers of its portals put before their names; empty where it puts something before its own. */
  readonly othersPrefixes: readonly string[]
  /** Clients of which its ID tokens are taken from programs, the one of the file among them; none are, where there is none. */
  readonly idTokenClients: readonly string[]
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

const fieldsOf = builderOf(PROVIDER)

/** A provider as far as its own table says it. */
export type OneProvider = Omit<ProviderConfig, 'namedClaims' | 'othersPrefixes'>

/** One of `[providers]` of a file without mistakes. Throws TypeError where a value is missing. */
export function buildProvider(name: string, table: ProviderTable, context: BuildContext): OneProvider {
  const provider = known(table)
  const entries = buildUsers(provider.users, context.files)
  const oauth2 = buildOAuth2(provider)
  const issuer =
    entries !== null ? `users:${name}` : oauth2 === null ? provider.issuer : oauth2Issuer(provider, oauth2.subject)
  if (issuer === null || (entries === null && provider.client_id === null)) {
    throw new TypeError('a provider without issuer or client_id is a mistake')
  }
  const preset = provider.preset === null ? null : PRESETS[provider.preset]
  return {
    ...fieldsOf(table, context),
    name,
    label: provider.label ?? name,
    users: entries === null ? null : buildUsersConfig(entries, provider, context.files),
    oauth2,
    issuer,
    scopes: provider.scopes ?? preset?.scopes ?? null,
    claims: claimNames(provider, preset?.claims ?? STANDARD_NAMES),
    groupsForm: groupsForm(provider),
    idTokenClients: idTokenClients(provider),
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
