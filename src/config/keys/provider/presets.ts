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

/** By what the people of such a provider are told from all others: the address that says who they are. */
export function oauth2Issuer({ preset, user_endpoint: own }: Said): string {
  return own ?? (preset == null ? '' : PRESETS[preset].issuer)
}
