import type { ClaimNames, OAuth2Config } from '../../types/providers.ts'

/** What a preset fills in. */
export interface Preset extends Omit<OAuth2Config, 'dialect'> {
  /** By what its people are told from those of others. */
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

/** Whether a table is of a provider by OAuth 2.0 alone. */
export function isOAuth2({ type, preset }: Said): boolean {
  return type === 'oauth2' || preset != null
}

/**
 * By what the people of such a provider are told from all others: the address that says who they are, and the member of its answer
 * that names them. What one member says may be what anybody calls themselves in another. No issuer of OpenID Connect has a fragment
 * (OpenID Connect Discovery 1.0 §3).
 */
export function oauth2Issuer(said: Said, sub: string | null | undefined): string {
  const { preset, user_endpoint: own } = said
  return `${own ?? (preset == null ? '' : PRESETS[preset].issuer)}#${oauth2Subject(said, sub)}`
}

/** The member that names somebody: what `claims.sub` says, or the preset's, or `id`. */
export function oauth2Subject({ preset }: Said, sub: string | null | undefined): string {
  return sub ?? (preset == null ? 'id' : PRESETS[preset].subject)
}
