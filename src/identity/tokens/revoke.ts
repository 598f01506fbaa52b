/** Revokes tokens at a provider (RFC 7009). */

import * as oauth from 'oauth4webapi'
import { GateError } from '../../base/errors.ts'
import { isPlain } from '../endpoints.ts'
import { readTokenError, type TokenError } from './error.ts'
import { proving, refusedBy, type TokenRequest, unavailable } from './token-endpoint.ts'

/**
 * Revokes a refresh token, and with it its grant: a session without a browser (Keycloak's offline sessions) ends in no
 * other way.
 *
 * A token that is not valid any more counts as revoked: the provider accepts it. Throws `provider.token` where it
 * refuses, and `provider.down`. Source: RFC 7009 §2.1 and §2.2.
 */
export async function revokeRefreshToken(
  { config, proof, metadata, fetch }: Pick<TokenRequest, 'config' | 'proof' | 'metadata' | 'fetch'>,
  refreshToken: string,
): Promise<void> {
  const assertions: string[] = []
  const { auth, fetch: asking } = proving({ proof, fetch }, assertions)
  let status = 0
  let said: TokenError | null = null
  try {
    const client = { client_id: config.clientId }
    const response = await oauth.revocationRequest(metadata, client, auth, refreshToken, {
      additionalParameters: { token_type_hint: 'refresh_token' },
      [oauth.customFetch]: asking,
      [oauth.allowInsecureRequests]: isPlain(config),
    })
    status = response.status
    if (status >= 500 || status === 429) throw unavailable(metadata.revocation_endpoint ?? '', status)
    if (status >= 400) said = await readTokenError(response.clone())
    await oauth.processRevocationResponse(response)
  } catch (thrown) {
    if (thrown instanceof GateError) throw thrown
    throw refusedBy('revoke', thrown, status, said, { config, proof, secrets: [refreshToken, ...assertions] })
  }
}
