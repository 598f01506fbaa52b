/** Redeems codes and refresh tokens at a token endpoint. */

import * as oauth from 'oauth4webapi'
import { GateError, toGateError } from '../../base/errors.ts'
import { isUnreached } from '../connection-errors.ts'
import type { AccessGrant, LoginRequest } from '../provider.ts'
import type { Blame } from './error.ts'
import { askTokens, type TokenRequest } from './token-endpoint.ts'

export interface TokenResponse {
  readonly accessToken: string
  /** From when it was asked for; null where the provider does not say. */
  readonly expiresInS: number | null
  readonly idToken: string
  readonly refreshToken: string | null
}

/** An access token with the moment at which it is over, counted from before it was asked for. */
export function grantOf(
  { accessToken, expiresInS }: Pick<TokenResponse, 'accessToken' | 'expiresInS'>,
  askedAtMs: number,
): AccessGrant {
  return { token: accessToken, expiresAtMs: expiresInS === null ? null : askedAtMs + expiresInS * 1000 }
}

/** How the answer to a code is asked for. */
export interface CodeRequest extends Omit<TokenRequest, 'secrets'> {
  /** Already checked by `readAnswer`. */
  readonly answer: URLSearchParams
  readonly login: LoginRequest
}

/**
 * Tokens for an authorization code. The ID token's signature is not yet checked: `verifyIdToken` does that.
 *
 * Throws what `askTokens` throws. Source: RFC 6749 §4.1.3, RFC 7636 §4.5.
 */
export async function redeemCode(request: CodeRequest): Promise<TokenResponse> {
  const { login } = request
  const tokens = await askForCode(request, ({ server, client }, response) =>
    oauth.processAuthorizationCodeResponse(server, client, response, {
      expectedNonce: login.nonce,
      requireIdToken: true,
    }),
  )
  if (tokens.id_token === undefined) throw new GateError('provider.id_token', 'the provider sent no ID token')
  return { ...plainResponse(tokens), idToken: tokens.id_token }
}

/** The same where there is no OpenID Connect: an ID token that comes all the same was not asked for, and is not looked at. */
export async function redeemPlainCode(request: CodeRequest): Promise<Omit<TokenResponse, 'idToken'>> {
  const tokens = await askForCode(request, async ({ server, client }, response) =>
    oauth.processAuthorizationCodeResponse(server, client, await withoutIdToken(response)),
  )
  return plainResponse(tokens)
}

async function withoutIdToken(response: Response): Promise<Response> {
  const { status, headers } = response
  const body: unknown = await response.clone().json()
  if (typeof body !== 'object' || body === null || !('id_token' in body)) return response
  return new Response(JSON.stringify({ ...body, id_token: undefined }), { status, headers })
}

function plainResponse(tokens: oauth.TokenEndpointResponse): Omit<TokenResponse, 'idToken'> {
  return {
    accessToken: tokens.access_token,
    expiresInS: tokens.expires_in ?? null,
    refreshToken: tokens.refresh_token ?? null,
  }
}

function askForCode(request: CodeRequest, read: Parameters<typeof askTokens>[2]): Promise<oauth.TokenEndpointResponse> {
  const { metadata, login, answer } = request
  return askTokens(
    { ...request, secrets: [answer.get('code'), login.codeVerifier] },
    ({ client, auth, options }) => {
      const parameters = oauth.validateAuthResponse(metadata, client, answer, login.state)
      return oauth.authorizationCodeGrantRequest(
        metadata,
        client,
        auth,
        parameters,
        login.redirectUri,
        login.codeVerifier,
        options,
      )
    },
    read,
  )
}

/** What became of a refresh token. */
export type Refreshed =
  | {
      /** A provider need not send all of them again. */
      readonly kind: 'renewed'
      readonly accessToken: string
      readonly expiresInS: number | null
      readonly idToken: string | null
      /** The one to use from now on: a new one, or the same. */
      readonly refreshToken: string
    }
  /** The provider no longer honours it, and said so with this word: the sign-in is over. */
  | { readonly kind: 'refused'; readonly says: string }
  /** No usable answer came: the code or token may be used up. */
  | { readonly kind: 'lost'; readonly failure: GateError }

/**
 * Tokens for a refresh token, or that it is refused.
 *
 * Throws what `askTokens` throws, where that says nothing of the person, and that the token was not used. Source: RFC 6749 §6 and §5.2; `blameFor` for the
 * words of providers that do not keep to it.
 */
export async function redeemRefreshToken(
  request: Omit<TokenRequest, 'secrets'>,
  refreshToken: string,
): Promise<Refreshed> {
  const { metadata } = request
  let isSent = false
  const fetch: TokenRequest['fetch'] = (...asked) => {
    isSent = true
    return request.fetch(...asked)
  }
  try {
    const tokens = await askTokens(
      { ...request, fetch, secrets: [refreshToken], isRefresh: true },
      ({ client, auth, options }) => oauth.refreshTokenGrantRequest(metadata, client, auth, refreshToken, options),
      ({ server, client }, response) => oauth.processRefreshTokenResponse(server, client, response),
    )
    return {
      kind: 'renewed',
      accessToken: tokens.access_token,
      expiresInS: tokens.expires_in ?? null,
      idToken: tokens.id_token ?? null,
      refreshToken: tokens.refresh_token ?? refreshToken,
    }
  } catch (thrown) {
    if (thrown instanceof GateError && thrown.facts.is_about === ('grant' satisfies Blame)) {
      return { kind: 'refused', says: String(thrown.facts.provider_error) }
    }
    const failure = toGateError(thrown)
    if (!isSent || isUnused(failure)) throw thrown
    return { kind: 'lost', failure }
  }
}

/** Whether an endpoint that gave no tokens has surely left the one that it was asked with: it said so, or was never reached. */
function isUnused({ facts, cause }: GateError): boolean {
  const { status, provider_error: word } = facts
  if (typeof status === 'number') return (status >= 400 && status < 500) || (status < 400 && word !== undefined)
  return isUnreached(cause)
}
