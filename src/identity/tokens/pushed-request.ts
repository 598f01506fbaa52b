/** Pushed authorization requests (PAR, RFC 9126). */

import * as oauth from 'oauth4webapi'
import { GateError } from '../../base/errors.ts'
import type { ProviderConfig } from '../../config/resolve/providers.ts'
import { isPlain, type Metadata } from '../endpoints.ts'
import { bySecret, type ClientProof } from './client-authentication.ts'
import { readTokenError, type TokenError, wrongBy } from './error.ts'
import { proving, refusedBy, type TokenRequest, unavailable } from './token-endpoint.ts'

/** An authorization request to be pushed. */
export interface PushedRequest extends Pick<TokenRequest, 'config' | 'metadata' | 'proof' | 'fetch'> {
  /** As they would stand in the address. */
  readonly parameters: Readonly<Record<string, string>>
}

/** Longer than any that a provider makes. */
const MAX_URI_LENGTH = 1024

/** Whether what is asked goes to the provider itself, so that a browser carries no more than a name for it. */
export function isPushed({ par }: Pick<ProviderConfig, 'par'>, metadata: Metadata): boolean {
  return par === 'always' || metadata.require_pushed_authorization_requests === true
}

/**
 * Pushes an authorization request to the provider, and returns the `request_uri` that replaces it in the browser's
 * address.
 *
 * Throws `provider.request` where the provider refuses it, with its own word; `provider.discovery` where it has no
 * endpoint for that, and `provider.down`. Source: RFC 9126 §2.
 */
export async function pushRequest(request: PushedRequest): Promise<string> {
  const { config, metadata, proof } = request
  if (metadata.pushed_authorization_request_endpoint === undefined) {
    throw new GateError('provider.discovery', `${config.issuer} has no endpoint for pushed authorization requests`, {
      hint: 'remove par, or let the provider offer them',
      facts: { provider: config.name },
    })
  }
  const first = await push(request, proof)
  if (typeof first === 'string') return first
  const second = otherProof(request, first)
  const last = second === null ? first : await push(request, second)
  if (typeof last === 'string') return last
  throw last.failure
}

interface NotPushed {
  readonly failure: GateError
  readonly status: number
  readonly said: TokenError | null
}

async function push(
  { config, metadata, parameters, fetch }: PushedRequest,
  proof: ClientProof,
): Promise<string | NotPushed> {
  const assertions: string[] = []
  const { auth, fetch: asking } = proving({ proof, fetch }, assertions)
  let status = 0
  let said: TokenError | null = null
  try {
    const client = { client_id: config.clientId }
    const response = await oauth.pushedAuthorizationRequest(
      metadata,
      client,
      auth,
      { ...parameters },
      {
        [oauth.customFetch]: asking,
        [oauth.allowInsecureRequests]: isPlain(config),
      },
    )
    status = response.status
    if (status >= 400) said = await readTokenError(response.clone())
    if (status >= 500 || status === 429) throw unavailable(metadata.pushed_authorization_request_endpoint ?? '', status)
    const { request_uri: uri } = await oauth.processPushedAuthorizationResponse(metadata, client, response)
    if (uri.length > MAX_URI_LENGTH || !/^[!-~]+$/.test(uri)) throw new Error('its request_uri is none')
    return uri
  } catch (thrown) {
    if (thrown instanceof GateError) throw thrown
    const secrets = [parameters.state ?? null, parameters.nonce ?? null, ...assertions]
    return { failure: refusedBy('push', thrown, status, said, { config, proof, secrets }), status, said }
  }
}

/** Up to 2.9 Pocket ID lists Basic and reads none of it here: where the file does not insist, the form is the second try. */
function otherProof({ config, metadata, proof }: PushedRequest, { status, said }: NotPushed): ClientProof | null {
  if (config.clientAuth !== null || config.clientSecret === null || proof.method !== 'client_secret_basic') return null
  const isAboutClient = /^(?:client|client_id|client_secret|no_secret)$/.test(wrongBy(status, said) ?? '')
  const takesForm = metadata.token_endpoint_auth_methods_supported?.includes('client_secret_post') ?? false
  if (!isAboutClient || !takesForm) return null
  return { method: 'client_secret_post', prove: bySecret('client_secret_post', config.clientSecret) }
}
