/** Questions to a token endpoint (RFC 6749 §3.2), and what is made of its answers and refusals. */

import * as oauth from 'oauth4webapi'
import { GateError } from '../../base/errors.ts'
import { isJsonObject } from '../../base/json.ts'
import type { ProviderConfig } from '../../config/resolve/providers.ts'
import { isPlain, type Metadata } from '../endpoints.ts'
import { bareError, isTokenTooDeep, type ProviderFetch } from '../http.ts'
import { ASYMMETRIC_ALGORITHMS } from '../id-token.ts'
import { howSigned } from '../signed-token.ts'
import type { ClientProof } from './client-authentication.ts'
import { blameFor, HINT_BY_WRONG, readTokenError, type TokenError, wrongBy } from './error.ts'

/** What every question at a token endpoint takes. */
export interface TokenRequest {
  readonly config: ProviderConfig
  readonly proof: ClientProof
  readonly metadata: Metadata
  readonly fetch: ProviderFetch
  /** Hears which members of an answer count as absent, since they are not what they have to be. */
  readonly tellOdd: (members: readonly string[]) => void
  /** What is redeemed: a provider may repeat it in an error, and it must not reach a log. */
  readonly secrets: readonly (string | null)[]
  /** Whether a refresh token is redeemed. */
  readonly isRefresh?: boolean
}

/** How the library is called: the server as it is to see it, its client, the client's proof, and our own fetch. */
export interface TokenCall {
  readonly server: oauth.AuthorizationServer
  readonly client: oauth.Client
  readonly auth: oauth.ClientAuth
  readonly options: oauth.TokenEndpointRequestOptions
}

/**
 * Sends a request to a token endpoint, and translates its errors.
 *
 * `send` and `read` are the two halves of one grant in oauth4webapi. Throws `provider.token` when the provider refuses
 * or gives an invalid answer (facts: `provider_error` its own word, `is_about` its subject, `wrong` the mistake),
 * `provider.id_token` when the library rejects the ID token, `provider.down` when the provider cannot answer.
 */
export async function askTokens(
  request: TokenRequest,
  send: (call: TokenCall) => Promise<Response>,
  read: (call: TokenCall, response: Response) => Promise<oauth.TokenEndpointResponse>,
): Promise<oauth.TokenEndpointResponse> {
  const { config, metadata } = request
  const assertions: string[] = []
  const { auth, fetch } = proving(request, assertions)
  const call: TokenCall = {
    // How an ID token is signed is for verifyIdToken to judge, which asks for newer metadata before it refuses: the code is used up by then.
    server: { ...metadata, id_token_signing_alg_values_supported: [...ASYMMETRIC_ALGORITHMS] },
    client: {
      client_id: config.clientId,
      // The library reads the machine's own clock; all rules about time are ours, in verifyIdToken, on the clock of Ports.
      [oauth.clockTolerance]: Number.MAX_SAFE_INTEGER,
    },
    auth,
    options: { [oauth.customFetch]: fetch, [oauth.allowInsecureRequests]: isPlain(config) },
  }
  let status = 0
  let said: TokenError | null = null
  let sentIdToken: string | null = null
  try {
    const response = await send(call)
    status = response.status
    // GitHub says no with 200.
    said = await readTokenError(response.clone())
    if (status >= 500 || status === 429) throw unavailable(metadata.token_endpoint, status)
    if (said !== null && status < 400) throw new Error('an error that calls itself a success')
    const { response: tidied, odd, idToken } = await tidyResponse(response)
    sentIdToken = idToken
    // The library reads its claims before anybody has checked the signature.
    if (idToken !== null && isTokenTooDeep(idToken)) {
      const facts = { check: 'format', provider: config.name }
      throw new GateError('provider.id_token', 'the ID token was refused: it is nested too deeply', { facts })
    }
    const tokens = await read(call, tidied)
    if (tokens.token_type !== 'bearer') throw new Error('not a bearer token answer')
    if (odd.length > 0) request.tellOdd(odd)
    return tokens
  } catch (thrown) {
    if (thrown instanceof GateError) throw thrown
    if (status === 200 && isAboutIdToken(thrown)) {
      const how = sentIdToken === null ? null : howSigned(sentIdToken, 'ID tokens')
      throw new GateError('provider.id_token', 'the ID token was refused', {
        ...(how?.hint == null ? {} : { hint: how.hint }),
        facts: { check: claimOf(thrown), provider: config.name, ...how?.facts },
        cause: bareError(thrown),
      })
    }
    const secrets = [...request.secrets, ...assertions]
    throw refusedBy('token', thrown, status, said, { ...request, secrets })
  }
}

/**
 * How one question is asked: with the same proof, and with another of its kind where it is asked again elsewhere. What a proof says of us
 * is kept, since a provider may repeat it.
 */
export function proving(
  { proof: { prove }, fetch }: Pick<TokenRequest, 'proof' | 'fetch'>,
  assertions: string[] = [],
): { readonly auth: oauth.ClientAuth; readonly fetch: (address: string, init: AskedInit) => Promise<Response> } {
  let again: ((init: AskedInit) => Promise<AskedInit>) | null = null

  const auth: oauth.ClientAuth = async (server, client, body, headers) => {
    await prove(server, client, body, headers)
    const assertion = body.get('client_assertion')
    if (assertion !== null) assertions.push(assertion)
    again = async init => {
      const next = { ...init, body: new URLSearchParams(init.body), headers: new Headers(init.headers) }
      await auth(server, client, next.body, next.headers)
      return { ...next, headers: Object.fromEntries(next.headers) }
    }
  }
  return { auth, fetch: (address, init) => fetch(address, init, async () => again?.(init) ?? init) }
}

/** What the library asks with. */
type AskedInit = oauth.CustomFetchOptions<'POST', URLSearchParams>

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

/** The name of each endpoint that authenticates the client, and of the thing that it did not issue. */
const ENDPOINTS = {
  token: { code: 'provider.token', what: 'the token endpoint', missing: 'a token' },
  revoke: { code: 'provider.token', what: 'the revocation endpoint', missing: 'way to a refresh token' },
  push: { code: 'provider.request', what: 'the endpoint for pushed requests', missing: 'a request_uri' },
} as const

/** An endpoint's refusal for the log: its own word, its subject, and how to fix it, without what was sent. */
export function refusedBy(
  endpoint: keyof typeof ENDPOINTS,
  thrown: unknown,
  status: number,
  said: TokenError | null,
  request: Pick<TokenRequest, 'config' | 'proof' | 'secrets' | 'isRefresh'>,
): GateError {
  const { code, what, missing } = ENDPOINTS[endpoint]
  const error = said !== null ? scrub(said.word, request, 64) : status === 401 ? 'invalid_client' : null
  const about = blameFor(status, said, request.isRefresh === true)
  const wrong = wrongBy(status, said) ?? (about === 'grant' && request.isRefresh === true ? 'code' : null)
  const isProof = wrong === 'client' && request.proof.method === 'private_key_jwt'
  const says = scrub(said?.description ?? '', request, 200)
  return new GateError(code, `${what} of ${request.config.issuer} did not give ${missing}`, {
    hint: isProof ? OF_AN_ASSERTION : wrong === null ? 'the provider’s own log says more' : HINT_BY_WRONG[wrong],
    facts: {
      provider: request.config.name,
      status,
      is_about: about,
      ...(wrong === null ? {} : { wrong }),
      client_auth: request.proof.method,
      ...(error === null ? {} : { provider_error: error }),
      ...(says === '' ? {} : { provider_says: says }),
    },
    cause: bareError(thrown),
  })
}

const OF_AN_ASSERTION =
  'the provider does not take the assertion of this client: it has to know client_id with its key (sallyport client-key), or who wrote client_assertion_file; clocks and the audience count as well'

/** What a provider says about an error, without the secrets that it may repeat. */
function scrub(text: string, request: Pick<TokenRequest, 'config' | 'secrets'>, maxLength: number): string {
  let clean = text
  for (const secret of [...request.secrets, request.config.clientSecret]) {
    if (secret !== null && secret !== '') clean = clean.replaceAll(secret, '…')
  }
  // Only now: half a secret would not be found.
  return clean.slice(0, maxLength)
}

/** `provider.down`, for an endpoint that answered with this status: it may be another in five seconds. */
export function unavailable(address: string, status: number): GateError {
  return new GateError('provider.down', `${address} answered ${status}`, { facts: { address, status }, retryAfterS: 5 })
}

/**
 * Optional members of an answer, and whether their value is usable (RFC 6749 §5.1). A value of quite another shape is
 * left to the library, which refuses it.
 */
const OPTIONAL: Readonly<Record<string, (value: unknown) => boolean>> = {
  expires_in: value => typeof value === 'number' && Number.isFinite(value) && value >= 0,
  refresh_token: isNotEmpty,
  scope: isNotEmpty,
  id_token: isNotEmpty,
}

function isNotEmpty(value: unknown): boolean {
  return value !== null && value !== ''
}

/** A token endpoint's answer without unusable optional members. */
interface TidiedResponse {
  readonly response: Response
  /** Names of members that were left out. */
  readonly odd: readonly string[]
  /** The ID token, not yet looked at; null where there is none. */
  readonly idToken: string | null
}

/**
 * Removes unusable optional members from an answer with tokens, such as an `expires_in` that is a string, negative or
 * null. The tokens are valid all the same, and the library would refuse the whole answer. Any other answer stays
 * unchanged.
 *
 * `response` is complete (`createProviderFetch`). It is consumed where another one is returned.
 */
async function tidyResponse(response: Response): Promise<TidiedResponse> {
  if (response.status !== 200) return { response, odd: [], idToken: null }
  let body: unknown
  try {
    body = await response.clone().json()
  } catch {
    return { response, odd: [], idToken: null }
  }
  if (!isJsonObject(body)) return { response, odd: [], idToken: null }
  const odd = Object.entries(OPTIONAL).flatMap(([name, saysSomething]) =>
    Object.hasOwn(body, name) && !saysSomething(Reflect.get(body, name)) ? [name] : [],
  )
  const idToken = 'id_token' in body && typeof body.id_token === 'string' ? body.id_token : null
  if (odd.length === 0) return { response, odd, idToken }
  const kept = Object.entries(body).filter(([name]) => !odd.includes(name))
  const { status, headers } = response
  return { response: new Response(JSON.stringify(Object.fromEntries(kept)), { status, headers }), odd, idToken }
}
