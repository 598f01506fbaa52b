/** The userinfo endpoint (OpenID Connect Core 1.0 §5.3), and which of its claims count. */

import * as oauth from 'oauth4webapi'
import { GateError } from '../base/errors.ts'
import type { ProviderConfig } from '../config/resolve/providers.ts'
import { isPlain, type Metadata } from './endpoints.ts'
import { bareError, type ProviderFetch } from './http.ts'
import type { IdTokenClaims } from './id-token.ts'
import { unavailable } from './tokens/token-endpoint.ts'

/** Claims about the token or the act of signing in: only the signed ID token may state them. */
const SIGNED_ONLY = new Set(
  'iss sub aud exp iat nbf jti azp nonce at_hash c_hash s_hash auth_time acr amr sid __proto__'.split(' '),
)

/**
 * The claims of the userinfo endpoint about the user who signed in.
 *
 * The token travels in the Authorization field. Throws `provider.down` where it cannot answer, as a token endpoint that
 * cannot; `provider.userinfo` for an answer that is no good, for another `sub`, and for a signed one (application/jwt),
 * which was not requested and whose signature is not checked.
 *
 * Source: OpenID Connect Core 1.0 §5.3.2 (sub has to match).
 */
async function fetchUserinfo(request: {
  readonly metadata: Metadata
  readonly config: ProviderConfig
  readonly accessToken: string
  readonly subject: string
  readonly fetch: ProviderFetch
}): Promise<Record<string, unknown>> {
  const { metadata, config } = request
  const client: oauth.Client = { client_id: config.clientId }
  let status = 0
  try {
    const response = await oauth.userInfoRequest(metadata, client, request.accessToken, {
      [oauth.customFetch]: request.fetch,
      [oauth.allowInsecureRequests]: isPlain(config),
    })
    status = response.status
    if (status >= 500 || status === 429) throw unavailable(metadata.userinfo_endpoint ?? '', status)
    const type = response.headers.get('content-type') ?? ''
    if (/^application\/jwt\b/i.test(type)) {
      throw new GateError('provider.userinfo', `the userinfo endpoint of ${config.issuer} signs its answers`, {
        hint: 'let the provider sign them for this client no longer; or write claims_from = "id_token", where the ID token has all claims',
        facts: { provider: config.name, status, check: 'signed' },
      })
    }
    return await oauth.processUserInfoResponse(metadata, client, request.subject, response)
  } catch (thrown) {
    if (thrown instanceof GateError) throw thrown
    throw new GateError('provider.userinfo', `the userinfo endpoint of ${config.issuer} gave no usable answer`, {
      hint: 'the provider’s own log says more; it has to answer with JSON and the same sub as in the ID token',
      facts: { provider: config.name, status },
      cause: bareError(thrown),
    })
  }
}

/** The same, where the file wants it and the provider has it; null where it is not asked. */
export async function askPerson(request: Parameters<typeof fetchUserinfo>[0]): Promise<Record<string, unknown> | null> {
  const { metadata, config } = request
  if (config.claimsFrom === 'id_token') return null
  if (metadata.userinfo_endpoint !== undefined) return fetchUserinfo(request)
  if (config.claimsFrom === 'both') return null
  throw new GateError('provider.userinfo', `${config.issuer} has no userinfo endpoint`, {
    hint: 'remove claims_from = "userinfo": this provider says everything in the ID token',
    facts: { provider: config.name },
  })
}

/** What is believed about someone, by the file; who they are and how they signed in is the ID token's to say, always. */
export function believedClaims(
  { claimsFrom }: Pick<ProviderConfig, 'claimsFrom'>,
  idToken: IdTokenClaims,
  userinfo: Record<string, unknown> | null,
): Record<string, unknown> {
  if (claimsFrom !== 'userinfo') return mergeClaims(idToken, userinfo ?? {})
  const signed = Object.entries(idToken).filter(([name]) => SIGNED_ONLY.has(name))
  return mergeClaims({ ...Object.fromEntries(signed), sub: idToken.sub }, userinfo ?? {})
}

/** What a user endpoint without OpenID Connect says of a person; nothing of a token, or of how they signed in, is its to say. */
export function personClaims(person: Readonly<Record<string, unknown>>, subject: string): Record<string, unknown> {
  return mergeClaims({ sub: subject }, person)
}

/** Claims, each with the one that says whether it was verified. */
const VERIFIED_BY: readonly (readonly [claim: string, verified: string])[] = [
  ['email', 'email_verified'],
  ['phone_number', 'phone_number_verified'],
]

/**
 * Both statements about the person as one: userinfo is the fresher and fuller, the ID token the signed one.
 *
 * An address and whether it was verified come from one of them: that the one knows it to be verified says nothing of what the other has.
 */
function mergeClaims(idToken: IdTokenClaims, userinfo: Record<string, unknown>): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...idToken }
  for (const [name, value] of Object.entries(userinfo)) if (!SIGNED_ONLY.has(name)) merged[name] = value
  for (const [claim, verified] of VERIFIED_BY) {
    const source = Object.hasOwn(userinfo, claim) ? userinfo : idToken
    if (Object.hasOwn(source, verified)) merged[verified] = source[verified]
    else delete merged[verified]
  }
  return merged
}
