import { GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import { createProviderFetch, DEFAULT_WIRE_LIMITS, DIRECT } from '../../identity/http.ts'

/** A client that was made at the provider. */
export interface MadeClient {
  readonly id: string
  /** Null where it was made, and would not give out a secret. */
  readonly secret: string | null
}

/**
 * Makes a client with a secret at Pocket ID, by an API key of an administrator.
 *
 * Versions differ in where a secret is asked for; one that knows neither place leaves the client without one.
 * Throws `provider.down` where it does not answer, `provider.refused` where it does not take the key or the client.
 */
export async function makeClient(
  issuer: string,
  apiKey: string,
  client: { readonly name: string; readonly callback: string; readonly launch: string },
  ports: Pick<Ports, 'fetch'>,
): Promise<MadeClient> {
  const fetchProvider = createProviderFetch(ports, DEFAULT_WIRE_LIMITS, DIRECT)
  const clients = `${issuer.replace(/\/$/, '')}/api/oidc/clients`
  const post = (address: string, body: object) =>
    fetchProvider(address, {
      method: 'POST',
      headers: { 'x-api-key': apiKey, 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify(body),
    })
  const made = await post(clients, {
    name: client.name,
    callbackURLs: [client.callback],
    logoutCallbackURLs: [new URL('/.sallyport/signed-out', client.callback).href],
    launchURL: client.launch,
    isPublic: false,
    pkceEnabled: true,
  })
  if (made.status === 401 || made.status === 403) {
    throw new GateError('provider.refused', 'Pocket ID does not take this API key', {
      hint: 'make one in Pocket ID under Settings, API keys, as an administrator; it may have expired',
    })
  }
  const id = await read(made, 'id')
  if (!made.ok || id === null) {
    throw new GateError('provider.refused', `Pocket ID made no client: it answered ${made.status}`, {
      hint: `make one by hand, with the callback ${client.callback}, and give its id with --client-id`,
    })
  }
  for (const place of ['secret', 'secrets']) {
    const answer = await post(`${clients}/${encodeURIComponent(id)}/${place}`, {})
    const secret = answer.ok ? await read(answer, 'secret') : null
    if (secret !== null) return { id, secret }
  }
  return { id, secret: null }
}

async function read(response: Response, key: string): Promise<string | null> {
  try {
    const raw: unknown = await response.json()
    const value = typeof raw === 'object' && raw !== null && key in raw ? (raw as Record<string, unknown>)[key] : null
    return typeof value === 'string' && value !== '' ? value : null
  } catch {
    return null
  }
}
