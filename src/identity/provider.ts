import type { ProviderConfig } from '../config/types.ts'
import type { Identity } from './identity.ts'

/** What one authorization request and its answer have to agree on. Lives on the server, single use. */
export interface LoginRequest {
  readonly redirectUri: string
  readonly state: string
  readonly nonce: string
  /** RFC 7636 §4.1. */
  readonly codeVerifier: string
}

export interface LoginResult {
  readonly identity: Identity
  /** Kept for `id_token_hint` at sign-out; encrypted at rest. */
  readonly idToken: string
  readonly refreshToken: string | null
}

/**
 * One OpenID provider as its relying party sees it. Discovery and keys are lazy, cached, and retried after a failure.
 *
 * `begin` answers the authorization endpoint's address; `finish` takes the callback's query and answers who signed in.
 * Throws: provider.down (with retryAfterS), provider.discovery, provider.issuer, provider.refused, provider.token,
 * provider.id_token, provider.userinfo, sign_in.callback.
 */
export interface ProviderClient {
  readonly config: ProviderConfig
  /** With `asksForAccount` the provider is told not to go on with whoever is signed in there. */
  begin(login: LoginRequest, options?: { readonly asksForAccount: boolean }): Promise<string>
  finish(answer: URLSearchParams, login: LoginRequest): Promise<LoginResult>
}

/** All provider clients of the process, keyed by what identifies one (issuer and client), so that they survive reloads. */
export interface ProviderPool {
  client(config: ProviderConfig): ProviderClient
  /** Forgets the clients that no provider in this list uses. */
  retain(inUse: Iterable<ProviderConfig>): void
}
