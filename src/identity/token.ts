import * as oauth from 'oauth4webapi'
import { GateError } from '../base/errors.ts'
import type { ClientAuth, ProviderConfig } from '../config/types.ts'
import type { Metadata } from './metadata.ts'
import type { LoginRequest } from './provider.ts'
import { bareError, type ProviderFetch } from './wire.ts'

export interface Tokens {
  readonly accessToken: string
  readonly idToken: string
  readonly refreshToken: string | null
}

/** How the answer to a code is asked for. */
export interface CodeRequest {
  readonly config: ProviderConfig
  readonly auth: ClientAuth
  readonly metadata: Metadata
  /** Already checked by `readAnswer`. */
  readonly answer: URLSearchParams
  readonly login: LoginRequest
  readonly fetch: ProviderFetch
}

/**
 * Tokens for an authorization code. The ID token's signature is not yet checked: `verifyIdToken` does that.
 *
 * Throws `provider.token` when the provider says no or answers oddly, `provider.id_token` when the library already finds
 * fault with the ID token, `provider.down` when it cannot answer.
 * Source: RFC 6749 §4.1.3, RFC 7636 §4.5.
 */
export async function redeemCode(request: CodeRequest): Promise<Tokens> {
  const { config, metadata, login } = request
  const client: oauth.Client = {
    client_id: config.clientId,
    // The library reads the machine's own clock; all rules about time are ours, in verifyIdToken, on the clock of Ports.
    [oauth.clockTolerance]: Number.MAX_SAFE_INTEGER,
    ...(config.idTokenAlg === null ? {} : { id_token_signed_response_alg: config.idTokenAlg }),
  }
  let status = 0
  try {
    const parameters = oauth.validateAuthResponse(metadata, client, request.answer, login.state)
    const response = await oauth.authorizationCodeGrantRequest(
      metadata,
      client,
      clientAuthentication(request.auth, config.clientSecret ?? ''),
      parameters,
      login.redirectUri,
      login.codeVerifier,
      { [oauth.customFetch]: request.fetch, [oauth.allowInsecureRequests]: config.issuer.startsWith('http:') },
    )
    status = response.status
    if (status >= 500 || status === 429) throw unavailable(metadata.token_endpoint, status)
    const tokens = await oauth.processAuthorizationCodeResponse(metadata, client, response, {
      expectedNonce: login.nonce,
      requireIdToken: true,
    })
    if (tokens.token_type !== 'bearer' || tokens.id_token === undefined) throw new Error('not a bearer token answer')
    return { accessToken: tokens.access_token, idToken: tokens.id_token, refreshToken: tokens.refresh_token ?? null }
  } catch (thrown) {
    if (thrown instanceof GateError) throw thrown
    if (status === 200 && isAboutIdToken(thrown)) {
      throw new GateError('provider.id_token', 'the ID token was refused', {
        facts: { check: claimOf(thrown), provider: config.name },
        cause: bareError(thrown),
      })
    }
    throw tokenError(thrown, status, request)
  }
}

/** The client's proof of itself. Basic is encoded by us: see `basicCredentials`. */
function clientAuthentication(auth: ClientAuth, secret: string): oauth.ClientAuth {
  switch (auth) {
    case 'client_secret_post':
      return oauth.ClientSecretPost(secret)
    case 'none':
      return oauth.None()
    case 'client_secret_basic':
      return (_server, client, _body, headers) => {
        headers.set('authorization', `Basic ${basicCredentials(client.client_id, secret)}`)
      }
  }
}

/**
 * RFC 6749 §2.3.1 asks for application/x-www-form-urlencoded, which leaves `-`, `.`, `_` and `*` as they are. oauth4webapi
 * 3.8.8 encodes those too, and a provider that does not decode then knows no client id with a dash in it.
 */
function basicCredentials(clientId: string, secret: string): string {
  const encode = (text: string) => new URLSearchParams({ '': text }).toString().slice(1)
  return Buffer.from(`${encode(clientId)}:${encode(secret)}`).toString('base64')
}

function isAboutIdToken(thrown: unknown): boolean {
  if (thrown instanceof oauth.UnsupportedOperationError) return true
  return thrown instanceof oauth.OperationProcessingError && /JWT|ID Token|id_token/.test(thrown.message)
}

/** The claim that the library found fault with, or `format`. */
function claimOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return 'format'
  const { cause } = thrown
  if (typeof cause === 'object' && cause !== null && 'claim' in cause && typeof cause.claim === 'string')
    return cause.claim
  return /JWT "([a-z_]+)"/.exec(thrown.message)?.[1] ?? (/"alg"/.test(thrown.message) ? 'alg' : 'format')
}

function tokenError(thrown: unknown, status: number, request: CodeRequest): GateError {
  const error =
    thrown instanceof oauth.ResponseBodyError ? thrown.error.slice(0, 64) : status === 401 ? 'invalid_client' : null
  const says = thrown instanceof oauth.ResponseBodyError ? scrub(thrown.error_description ?? '', request) : ''
  return new GateError('provider.token', `the token endpoint of ${request.config.issuer} did not give a token`, {
    hint: HINTS[error ?? ''] ?? 'the provider’s own log says more',
    facts: {
      provider: request.config.name,
      status,
      client_auth: request.auth,
      ...(error === null ? {} : { provider_error: error }),
      ...(says === '' ? {} : { provider_says: says }),
    },
    cause: bareError(thrown),
  })
}

const HINTS: Readonly<Record<string, string>> = {
  invalid_client:
    'client_id or client_secret is not what the provider has; or set client_auth to the method it expects',
  invalid_grant: 'the code was used before, is too old, or the redirect address differs from the registered one',
  unauthorized_client: 'this client may not use the authorization code flow; change that at the provider',
}

/** What a provider says about an error, without the secrets that it may repeat. */
function scrub(text: string, request: CodeRequest): string {
  let clean = text.slice(0, 200)
  for (const secret of [request.answer.get('code'), request.login.codeVerifier, request.config.clientSecret]) {
    if (secret !== null && secret !== '') clean = clean.replaceAll(secret, '…')
  }
  return clean
}

function unavailable(address: string, status: number): GateError {
  return new GateError('provider.down', `${address} answered ${status}`, { facts: { address, status }, retryAfterS: 5 })
}
