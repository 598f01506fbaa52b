/** Errors of a token endpoint: about whom they are, what is wrong, and how to fix it. */

/** What a token endpoint says instead of tokens. */
export interface TokenError {
  /** The error code, which is not safe for a log yet: a provider may repeat received text there. */
  readonly word: string
  /** Empty where it says no more. */
  readonly description: string
}

/** The subject of an error: the grant and so its user, this program as a client, or a temporary failure. */
export type Blame = 'grant' | 'client' | 'moment'

/** Words about this program, in lower case: those of RFC 6749 §5.2, and those of providers that have their own. */
const OF_THE_CLIENT = new Set([
  'invalid_client',
  'unauthorized_client',
  'unsupported_grant_type',
  'invalid_request',
  // Pocket ID up to 2.9; it says the third one with a 404.
  'client id or secret not provided',
  'grant type not supported',
  'client not found',
  // GitHub, with 200.
  'incorrect_client_credentials',
  'redirect_uri_mismatch',
])

/** Words about the moment (RFC 6749 §4.1.2.1, RFC 8628 §3.5), in lower case. */
const OF_THE_MOMENT = new Set(['temporarily_unavailable', 'server_error', 'slow_down'])

/** Whether a provider's word says that another moment may be better. */
export function isOfTheMoment(word: string): boolean {
  return OF_THE_MOMENT.has(word.trim().toLowerCase())
}

/**
 * The error in a body that is a JSON object with one, for any Content-Type; null for any other body, such as the error
 * page of a proxy before the provider. It reads `response`.
 */
export async function readTokenError(response: Pick<Response, 'json'>): Promise<TokenError | null> {
  let body: unknown
  try {
    body = await response.json()
  } catch {
    return null
  }
  if (typeof body !== 'object' || body === null || !('error' in body)) return null
  const { error } = body
  if (error === undefined || error === null || error === false || error === '') return null
  const description = 'error_description' in body ? body.error_description : ''
  return {
    word: typeof error === 'string' ? error : JSON.stringify(error),
    description: typeof description === 'string' ? description : '',
  }
}

/**
 * The subject of an answer without tokens.
 *
 * RFC 6749 §5.2 has one word for a refresh token that is not valid any more, `invalid_grant`; providers use many, also
 * in prose. So 400 and 403, and GitHub's 200, with any error are about the grant, unless the word is known to be about
 * something else. Otherwise a removed user could stay signed in because of a provider's own words. A 404, a 5xx, and
 * an answer that is not JSON are not about a user.
 *
 * Dex says `invalid_request` for a revoked refresh token: nothing else changes between two refreshes.
 */
export function blameFor(status: number, error: TokenError | null, isRefresh: boolean): Blame {
  const word = error?.word.trim().toLowerCase() ?? ''
  if (word === 'invalid_grant' || isRevokedAtDex(status, word, isRefresh)) return 'grant'
  if (status === 401) return 'client'
  if (error !== null && status < 500 && OF_THE_CLIENT.has(word)) return 'client'
  if (error === null || (status !== 400 && status !== 403 && status !== 200) || isOfTheMoment(word)) return 'moment'
  return 'grant'
}

function isRevokedAtDex(status: number, word: string, isRefresh: boolean): boolean {
  return isRefresh && status === 400 && word === 'invalid_request'
}

/** What a token endpoint finds wrong, where its answer says so. `client` is either half of the credentials. */
export type Wrong = 'client' | 'client_id' | 'client_secret' | 'no_secret' | 'code' | 'person' | 'flow' | 'refresh'

/** Words in lower case: those of RFC 6749 §5.2 and §4.1.2.1, and those of GitHub and of Pocket ID up to 2.9. */
const WRONG_BY_WORD: ReadonlyMap<string, Wrong> = new Map<string, Wrong>([
  ['invalid_client', 'client'],
  ['invalid_grant', 'code'],
  ['unauthorized_client', 'flow'],
  ['unsupported_grant_type', 'refresh'],
  ['access_denied', 'person'],
  ['client not found', 'client_id'],
  ['invalid client secret', 'client_secret'],
  ['client id or secret not provided', 'no_secret'],
  ['invalid authorization code', 'code'],
  ['invalid code verifier', 'code'],
  ['refresh token is invalid or expired', 'code'],
  ['bad_verification_code', 'code'],
  ['bad_refresh_token', 'code'],
  ['incorrect_client_credentials', 'client'],
  ['grant type not supported', 'refresh'],
  ["you're not allowed to access this service", 'person'],
  ['user account is disabled', 'person'],
])

/** What is wrong by a provider's word for it, or by a bare 401; null where neither says. */
export function wrongBy(status: number, error: TokenError | null): Wrong | null {
  if (error === null) return status === 401 ? 'client' : null
  const word = error.word.trim().toLowerCase()
  // With 401 that is about who asks (RFC 6749 §5.2); Keycloak says it of a wrong secret.
  return status === 401 && word === 'unauthorized_client' ? 'client' : (WRONG_BY_WORD.get(word) ?? null)
}

/** How to fix each, for the log. */
export const HINT_BY_WRONG: Readonly<Record<Wrong, string>> = {
  client:
    'client_id or client_secret is not what the provider has, and "sallyport doctor" says which where it can be known; or set client_auth to the method it expects; a client that is to show a certificate there (mTLS) takes client_key in place of that',
  client_id: 'the provider knows no client with this client_id: copy it again, or see that the client was not removed',
  client_secret: 'the provider knows the client, and client_secret is not its secret: copy or make it again',
  no_secret: 'the provider wants a client_secret: this client is not public there',
  code: 'what was redeemed was used before, is too old, was revoked, or the redirect address differs from the registered one',
  person:
    'the provider does not let this account use this client: see the groups that it is for, and whether the account is enabled',
  flow: 'this client may not use this flow; change that at the provider',
  refresh: 'the provider knows no refresh tokens; set refresh = "off"',
}
