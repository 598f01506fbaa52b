/** What a token endpoint says instead of tokens. */
export interface TokenError {
  /** Its own word, not yet fit for a log: a provider may repeat there what it was sent. */
  readonly word: string
  /** Empty where it says no more. */
  readonly description: string
}

/** What an error is about: what was to be redeemed and so whose it is, this program as a client, or a moment in which nothing can be told. */
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
 * The error in a body that is a JSON object with one, whatever its Content-Type; null for any other body, such as the page of a
 * proxy that stands in for the provider. `response` is read.
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
 * What an answer without tokens is about.
 *
 * RFC 6749 §5.2 knows one word for a refresh token that is no longer good, `invalid_grant`; providers have many, in prose too.
 * So 400 and 403, and GitHub's 200, with any error are about the grant, unless the word is known to be about something else: whoever was put out
 * must not stay in because a provider says so in words of its own. A 404, a 5xx, and whatever is not JSON say nothing of anybody.
 * Dex says `invalid_request` of a refresh token that was revoked: a refresh has nothing else that changes from one to the next.
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
