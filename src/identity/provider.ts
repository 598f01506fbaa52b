/** What every kind of provider can do for a sign-in (`ProviderClient`), and the types of its answers. */

import type { GateError } from '../base/errors.ts'
import type { ProviderConfig } from '../config/resolve/providers.ts'
import type { AccessToken } from './access-token.ts'
import type { Identity } from './identity.ts'
import type { LogoutToken } from './logout-token.ts'
import type { StepUp } from './step-up.ts'

/** What one authorization request and its answer have to agree on. Lives on the server, single use. */
export interface LoginRequest {
  readonly redirectUri: string
  readonly state: string
  readonly nonce: string
  /** RFC 7636 §4.1. */
  readonly codeVerifier: string
  /** When the browser was sent to the provider; absent where that is not known. */
  readonly begunAtMs?: number | null
  /** What this sign-in has to show that an ordinary one need not; absent or null for an ordinary one. */
  readonly stepUp?: StepUp | null
}

export interface BeginOptions {
  /** Asks the provider not to continue with the user who is signed in there. */
  readonly asksForAccount?: boolean
  /**
   * The terms by which a sign-in brought no refresh token (`LoginResult.offlineTerms`), where one is wanted: while they are the same,
   * `offline_access` is asked for.
   */
  readonly lackedRefresh?: string | null
  /** Asks the provider for `auth_time`, without asking it to authenticate the user again. */
  readonly wantsAuthTime?: boolean
}

/** A provider's access token. */
export interface AccessGrant {
  readonly token: string
  /** Null where the provider does not say. */
  readonly expiresAtMs: number | null
}

export interface LoginResult {
  readonly identity: Identity
  /** Kept only where an application is to have it; encrypted at rest. */
  readonly access: AccessGrant
  /** Kept for `id_token_hint` at sign-out; encrypted at rest. */
  readonly idToken: string
  readonly refreshToken: string | null
  /** By what terms `offline_access` may be asked for next time, should there be no refresh token; null where it may not. */
  readonly offlineTerms: string | null
  /**
   * When the person showed who they are, in seconds by the provider's clock: `auth_time`; else when they were sent there at the earliest, since
   * `iat` is when the code was redeemed; null where neither is said.
   */
  readonly shownAtS: number | null
}

/** What a session holds of its provider, to ask it again. */
export interface HeldTokens {
  readonly identity: Identity
  readonly idToken: string
  readonly refreshToken: string
}

/** A sign-out at the provider (OpenID Connect RP-Initiated Logout 1.0 §2). */
export interface EndSession {
  /** The ID token that says whose session is meant; an expired one works as well. */
  readonly idToken: string
  readonly returnTo: string
  readonly state: string
}

/** How a provider was when it was last asked for its discovery document, which is asked for at least hourly while people sign in. */
export type ProviderState =
  | { readonly kind: 'unasked' }
  | { readonly kind: 'answers'; readonly atMs: number }
  | { readonly kind: 'fails'; readonly sinceMs: number }

/** What asking again came to. */
export type RefreshResult =
  | ({ readonly kind: 'renewed'; readonly refreshToken: string } & Pick<LoginResult, 'identity' | 'access' | 'idToken'>)
  /** It issued tokens, and used up the refresh token; for this reason the user is not known at the moment. */
  | { readonly kind: 'unclear'; readonly refreshToken: string; readonly failure: GateError }
  /** It was asked with the refresh token, and what became of that is not known: it may have used it up. */
  | { readonly kind: 'lost'; readonly failure: GateError }
  /** The provider no longer vouches for this sign-in, and said so with this word. */
  | { readonly kind: 'ended'; readonly reason: 'refused'; readonly says: string }
  /** It vouches for somebody else, whose refresh token that is. */
  | { readonly kind: 'ended'; readonly reason: 'other_subject'; readonly refreshToken: string }

/**
 * One OpenID provider as its relying party sees it. Discovery and keys are lazy, cached, and retried after a failure.
 *
 * `begin` answers the authorization endpoint's address; `finish` takes the callback's query and answers who signed in.
 * Throws: provider.down (with retryAfterS), provider.discovery, provider.request, provider.issuer, provider.refused, provider.subject, provider.token,
 * provider.id_token, provider.userinfo, sign_in.callback, sign_in.step_up.
 */
export interface ProviderClient {
  readonly config: ProviderConfig
  begin(login: LoginRequest, options?: BeginOptions): Promise<string>
  finish(answer: URLSearchParams, login: LoginRequest): Promise<LoginResult>
  /** Asks again who this is. A throw says nothing of the person: the provider could not be asked, or refused without using the refresh token. */
  refresh(held: HeldTokens): Promise<RefreshResult>
  /**
   * Revokes a refresh token and its grant at the provider (RFC 7009); does nothing where the provider has no endpoint
   * for that. Throws `provider.token` where it refuses, `provider.down`, `provider.discovery`.
   */
  revoke(refreshToken: string): Promise<void>
  /** Where a browser signs out at the provider, coming back to `returnTo` with `state`; null where there is no such place. */
  endSession(request: EndSession): Promise<string | null>
  /** Checks a token by which the provider ends sessions. Throws `provider.logout_token`, `provider.down`. */
  readLogoutToken(token: string): Promise<LogoutToken>
  /** Checks an access token for this audience. Throws `access.token`, `provider.down`. */
  readAccessToken(token: string, audience: string): Promise<AccessToken>
  /**
   * Asks the provider for the user of an opaque token; null: the token is not active, or not for Sallyport. Throws
   * `provider.down`, `provider.discovery`.
   */
  introspect(token: string, audiences: readonly string[] | null): Promise<AccessToken | null>
  /** Checks an access token whose audience is the client itself. Throws as `readAccessToken`. */
  readClientToken(token: string): Promise<AccessToken>
  /**
   * Checks an ID token, or another whose audience is the client itself, that a program brings; or one for another client that the file
   * names. Throws `access.token`, `provider.down`.
   */
  readBearerIdToken(token: string, audience: string): Promise<AccessToken>
  /** What is known of the provider without asking it. */
  state(): ProviderState
}

/** All provider clients of the process, keyed by what identifies one (issuer and client), so that they survive reloads. */
export interface ProviderPool {
  client(config: ProviderConfig): ProviderClient
  /** Forgets the clients that no provider in this list uses. */
  retain(inUse: Iterable<ProviderConfig>): void
  /** Metadata and keys of providers are fetched again when they are needed next. */
  askAnew(): void
}
