import type { UsersConfig } from './users.ts'

export type ClientAuth = 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt' | 'none'

/** `[providers.NAME.access_tokens]`. */
export interface AccessTokensConfig {
  /** What `aud` has to hold one of where a route names no audience of its own; empty: nothing would do there. */
  readonly audiences: readonly string[]
  /** Whether the provider is asked about tokens that only it can read. */
  readonly introspects: boolean
  /** How the tokens begin that it is asked about; empty: any. */
  readonly introspectPrefix: string
  /** Whether a token for the client itself counts as one for us. */
  readonly takesClientAudience: boolean
}

/** `[providers.NAME.claims]`: what the provider calls the claims that rules and applications know; null: as they do. */
export interface ClaimNames {
  readonly email: string | null
  readonly email_verified: string | null
  readonly groups: string | null
  readonly name: string | null
  readonly preferred_username: string | null
}

/** How groups are written where they are no list: as the names in a table, or as one text with this between them. */
export type GroupsForm =
  | { readonly kind: 'list' }
  | { readonly kind: 'keys' }
  | { readonly kind: 'text'; readonly separator: string }

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

/** Which of a provider's statements count about a person. */
type ClaimsFrom = 'both' | 'id_token' | 'userinfo'

/** `[providers.NAME.scim]`: the provider pushes its people. */
interface ScimConfig {
  /** What it proves itself by. */
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
  /** The claims that anything in the file looks at, as it writes them: all that is kept of someone beside the usual. */
  readonly namedClaims: readonly string[]
  readonly claimsFrom: ClaimsFrom
  /** What an authorization request says besides, none of which the protocol needs. */
  readonly authorizeParams: ReadonlyMap<string, string>
  /** The only algorithms that an ID token may have; null: what discovery allows, without `none` and HMAC. */
  readonly idTokenAlgs: readonly string[] | null
  /** Whether authorization requests are pushed to it: where it requires that, or always. */
  readonly par: 'required' | 'always'
  /** How its access tokens say that they are for us; null: none are taken. */
  readonly accessTokens: AccessTokensConfig | null
  /** Whether its ID tokens for the client are taken from programs. */
  readonly takesIdTokens: boolean
  /** How it may push its people; null: it may not. */
  readonly scim: ScimConfig | null
}
