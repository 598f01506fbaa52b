/** The keys of a provider that speaks OAuth 2.0 without OpenID Connect, and what is known of GitHub and Discord. */

import { parseMetadataUrl } from '../values/address.ts'
import { choice, parsed } from '../values/value.ts'
import { type Keys, optional } from './table.ts'

/** `[providers.NAME.claims]`: what the provider calls the claims that rules and applications know; null: as they do. */
export interface ClaimNames {
  readonly email: string | null
  readonly email_verified: string | null
  readonly groups: string | null
  readonly name: string | null
  readonly preferred_username: string | null
}

/** A provider that speaks OAuth 2.0 without OpenID Connect. */
export interface OAuth2Config {
  /** Whose ways it has beyond the protocol. */
  readonly dialect: 'plain' | 'github' | 'discord'
  readonly authorizationEndpoint: string
  readonly tokenEndpoint: string
  readonly userEndpoint: string
  /** The member of the user endpoint's answer that names someone for good. */
  readonly subject: string
}

/** What a preset fills in. */
export interface Preset extends Omit<OAuth2Config, 'dialect'> {
  /** Distinguishes its users from those of others. */
  readonly issuer: string
  readonly scopes: readonly string[]
  readonly claims: ClaimNames
}

/**
 * Providers that have no discovery, by their public documents.
 *
 * Source: docs.github.com, "Authorizing OAuth apps" and "REST API endpoints for users"; Discord's developer documents, "OAuth2", "Users".
 */
export const PRESETS: Readonly<Record<'github' | 'discord', Preset>> = {
  github: {
    issuer: 'https://github.com',
    authorizationEndpoint: 'https://github.com/login/oauth/authorize',
    tokenEndpoint: 'https://github.com/login/oauth/access_token',
    userEndpoint: 'https://api.github.com/user',
    subject: 'id',
    // Addresses and memberships are answers of their own: what a profile shows is what its owner writes.
    scopes: ['user:email', 'read:org'],
    claims: { email: null, email_verified: null, groups: null, name: null, preferred_username: 'login' },
  },
  discord: {
    issuer: 'https://discord.com',
    authorizationEndpoint: 'https://discord.com/oauth2/authorize',
    tokenEndpoint: 'https://discord.com/api/oauth2/token',
    userEndpoint: 'https://discord.com/api/users/@me',
    subject: 'id',
    scopes: ['identify', 'email', 'guilds'],
    claims: {
      email: null,
      email_verified: 'verified',
      groups: null,
      name: 'global_name',
      preferred_username: 'username',
    },
  },
}

/** Where everybody in the world may have an account, by their issuers. */
const EVERYBODYS: ReadonlySet<string> = new Set([
  'https://accounts.google.com',
  'https://appleid.apple.com',
  'https://gitlab.com',
  'https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0',
  ...Object.values(PRESETS).map(({ issuer }) => issuer),
])

/** Whether everybody in the world may have an account at a provider: signing in there says little. */
export function isEverybodys({ issuer, preset }: { readonly issuer?: string | null | undefined } & Said): boolean {
  return preset != null || (issuer != null && EVERYBODYS.has(issuer))
}

/** What a table says of where such a provider is. */
interface Said {
  readonly type?: 'openid' | 'oauth2' | null | undefined
  readonly preset?: keyof typeof PRESETS | null | undefined
  readonly user_endpoint?: string | null | undefined
}

/** Whether a table is of a provider that only speaks OAuth 2.0. */
export function isOAuth2({ type, preset }: Said): boolean {
  return type === 'oauth2' || preset != null
}

/**
 * Distinguishes the users of such a provider from all others: the address that returns the user, and the member of its
 * response with the user's name. A value of one member may be a freely chosen name in another. No issuer of OpenID
 * Connect has a fragment (OpenID Connect Discovery 1.0 §3).
 */
export function oauth2Issuer(said: Said, sub: string | null | undefined): string {
  const { preset, user_endpoint: own } = said
  return `${own ?? (preset == null ? '' : PRESETS[preset].issuer)}#${oauth2Subject(said, sub)}`
}

/** The member that names somebody: what `claims.sub` says, or the preset's, or `id`. */
export function oauth2Subject({ preset }: Said, sub: string | null | undefined): string {
  return sub ?? (preset == null ? 'id' : PRESETS[preset].subject)
}

const address = parsed({ label: 'https address', expected: 'an https address' }, parseMetadataUrl)

/** Keys of a provider that speaks OAuth 2.0 without OpenID Connect. */
export const OAUTH2 = {
  preset: optional(
    choice(['github', 'discord']),
    'github',
    'none',
    'GitHub or Discord, which speak OAuth 2.0 alone: where they are, what they call things, and which scopes to ask for. `client_id` and `client_secret` are all they need.',
    { field: null },
  ),
  type: optional(
    choice(['openid', 'oauth2']),
    'oauth2',
    '`openid`, unless there is a `preset`',
    'With `oauth2`, a provider without OpenID Connect: there is no ID token, so the user is asked for at `user_endpoint`. Register the callback `/.sallyport/callback/NAME`, for this provider only.',
    { field: null },
  ),
  authorization_endpoint: optional(
    address,
    'https://git.example.com/login/oauth/authorize',
    "the preset's; **required** for other `oauth2`",
    'Where browsers go to sign in.',
    { field: null },
  ),
  token_endpoint: optional(
    address,
    'https://git.example.com/login/oauth/access_token',
    "the preset's; **required** for other `oauth2`",
    'Where a code is redeemed.',
    { field: null },
  ),
  user_endpoint: optional(
    address,
    'https://git.example.com/api/v1/user',
    "the preset's; **required** for other `oauth2`",
    'The endpoint that answers who the user of an access token is. Subjects belong to this address: with another address, or another member for `claims.sub`, all users are new ones.',
    { field: null },
  ),
} as const satisfies Keys

/** The keys that such a provider may have; all others belong to OpenID Connect, or to a file of users. */
export const OF_OAUTH2: ReadonlySet<string> = new Set([
  ...Object.keys(OAUTH2),
  'label',
  'client_id',
  'client_secret',
  'client_auth',
  'scopes',
  'emails',
  'claims',
  'groups_separator',
  'groups_keys',
  'email_domains',
  'prefix',
  'authorize_params',
  'ca',
])
