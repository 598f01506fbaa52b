/** What only Pocket ID can be asked about a client and its callback addresses. */

import type { Metadata } from '../endpoints.ts'
import type { ProviderFetch } from '../http.ts'

const TOKEN_PATH = '/api/oidc/token'

/** Recognises Pocket ID by the paths of its endpoints, with any internal address. */
export function isPocketId(metadata: Pick<Metadata, 'issuer' | 'authorization_endpoint' | 'token_endpoint'>): boolean {
  const isAtOnce = metadata.authorization_endpoint === `${metadata.issuer.replace(/\/$/, '')}/authorize`
  return isAtOnce && metadata.token_endpoint.endsWith(TOKEN_PATH)
}

/** An answer of its API: a status and the sentence that comes with an error. */
export interface PocketIdAnswer {
  readonly status: number
  readonly says: string | null
}

/**
 * Whether it knows a client. It says so to everybody who has the id: 200, or 404.
 *
 * Throws `provider.down`.
 */
export async function askPocketIdClient(
  { token_endpoint }: Metadata,
  clientId: string,
  fetch: ProviderFetch,
): Promise<PocketIdAnswer> {
  const address = `${apiOf(token_endpoint)}/clients/${encodeURIComponent(clientId)}/meta`
  return read(await fetch(address, { headers: { accept: 'application/json' } }))
}

/**
 * Whether it would come back to an address: 200, 400 where that is not registered, 404 where it knows no such client.
 *
 * Up to 2.9 its pages ask this; later ones have no such place, and answer 404 too. Throws `provider.down`.
 */
export async function askPocketIdCallback(
  { token_endpoint }: Metadata,
  clientId: string,
  redirectUri: string,
  fetch: ProviderFetch,
): Promise<PocketIdAnswer> {
  const response = await fetch(`${apiOf(token_endpoint)}/authorize/callback-url`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify({ clientID: clientId, callbackURL: redirectUri }),
  })
  return read(response)
}

function apiOf(tokenEndpoint: string): string {
  return tokenEndpoint.slice(0, -'/token'.length)
}

async function read(response: Response): Promise<PocketIdAnswer> {
  const body: unknown = await response.json().catch(() => null)
  const says = typeof body === 'object' && body !== null && 'error' in body ? body.error : null
  return { status: response.status, says: typeof says === 'string' ? says.slice(0, 200) : null }
}
