/** Asks a provider about an opaque token (RFC 7662). */

import * as oauth from 'oauth4webapi'
import { GateError } from '../base/errors.ts'
import type { ProviderConfig } from '../config/resolve/providers.ts'
import { type AccessToken, audiencesIn, bearerIdentity, findOtherKind } from './access-token.ts'
import type { ReadIdentity } from './claims.ts'
import { isPlain, type Metadata } from './endpoints.ts'
import { bareError, type ProviderFetch } from './http.ts'
import { isOwnSubject } from './own-subjects.ts'
import { SKEW_S } from './signed-token.ts'
import type { ClientProof } from './tokens/client-authentication.ts'
import { proving } from './tokens/token-endpoint.ts'

/** What is asked about a token that only its provider can read. */
export interface IntrospectionRequest {
  readonly config: ProviderConfig
  readonly readIdentity: ReadIdentity
  readonly metadata: Metadata
  readonly proof: ClientProof
  readonly fetch: ProviderFetch
  readonly token: string
  /** Whom it has to be for, any one of these; null: any that the file names, or the client itself where it says so. */
  readonly audiences: readonly string[] | null
  readonly nowMs: number
}

const MAX_SUBJECT_LENGTH = 255

/** How long a token is believed that does not say when it ends. */
const UNTOLD_MS = 60_000

/**
 * The user or program of a token, by its provider's word; null where the provider says that it is not active, or it is
 * not for Sallyport. A missing claim counts as wrong: audience and subject are required. A token that is bound to a
 * key is refused, and so is a refresh token, although it is active.
 *
 * Throws `provider.discovery` where the provider has no introspection, `provider.down` where it gives no usable
 * answer.
 *
 * Source: RFC 7662 §2.1, §2.2 and §4.
 */
export async function introspectToken(request: IntrospectionRequest): Promise<AccessToken | null> {
  const { metadata, nowMs } = request
  const claims = await ask(request)
  const { active, iss, sub, exp, nbf, iat, token_type: type } = claims
  const stated = audiencesIn(claims)
  if (
    !active ||
    (iss !== undefined && iss !== metadata.issuer) ||
    !isOpaqueForUs(request.config, request.audiences, stated)
  )
    return null
  if (type !== undefined && (typeof type !== 'string' || type.toLowerCase() !== 'bearer')) return null
  if (claims.cnf !== undefined || findOtherKind(claims) !== null) return null
  if (typeof sub !== 'string' || sub === '' || sub.length > MAX_SUBJECT_LENGTH || isOwnSubject(sub)) return null
  // A text that is compared with a time is later than any.
  if (![exp, nbf, iat].every(time => time === undefined || typeof time === 'number')) return null
  const nowS = nowMs / 1000
  if ((exp !== undefined && exp + SKEW_S <= nowS) || (nbf !== undefined && nbf > nowS + SKEW_S)) return null
  const { active: _active, token_type: _type, username: _username, ...rest } = claims
  return {
    identity: bearerIdentity(request.readIdentity, metadata.issuer, sub, rest, []),
    audiences: stated,
    issuedAtMs: iat === undefined ? nowMs : iat * 1000,
    expiresAtMs: exp === undefined ? nowMs + UNTOLD_MS : (exp + SKEW_S) * 1000,
  }
}

/** Whether a token that is asked about is for one of these audiences (null: for one of the table, or the client itself where that says so). */
export function isOpaqueForUs(
  { accessTokens, clientId }: Pick<ProviderConfig, 'accessTokens' | 'clientId'>,
  audiences: readonly string[] | null,
  stated: readonly string[],
): boolean {
  if ((audiences ?? accessTokens?.audiences ?? []).some(one => stated.includes(one))) return true
  if (audiences !== null) return false
  return accessTokens?.takesClientAudience === true && stated.length === 1 && stated[0] === clientId
}

async function ask({
  config,
  metadata,
  proof,
  fetch,
  token,
}: IntrospectionRequest): Promise<oauth.IntrospectionResponse> {
  if (metadata.introspection_endpoint === undefined) {
    throw new GateError('provider.discovery', `${config.issuer} has no endpoint for introspection`, {
      hint: 'remove introspect from access_tokens, or let the provider offer it',
      facts: { provider: config.name },
    })
  }
  const client = { client_id: config.clientId }
  const { auth, fetch: asking } = proving({ proof, fetch })
  let status = 0
  try {
    const response = await oauth.introspectionRequest(metadata, client, auth, token, {
      [oauth.customFetch]: asking,
      [oauth.allowInsecureRequests]: isPlain(config),
    })
    status = response.status
    const type = response.headers.get('content-type') ?? ''
    if (/\bjwt\b|\+jwt/i.test(type)) throw new Error('the answer is a signed token')
    return await oauth.processIntrospectionResponse(metadata, client, response)
  } catch (thrown) {
    if (thrown instanceof GateError) throw thrown
    throw new GateError('provider.down', `the introspection endpoint of ${config.issuer} gave no usable answer`, {
      hint: 'the client needs the right to introspect tokens; the provider’s log says more',
      facts: { provider: config.name, status },
      cause: bareError(thrown),
      retryAfterS: 5,
    })
  }
}
