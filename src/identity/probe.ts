import { GateError, toGateError } from '../base/errors.ts'
import type { Ports } from '../base/ports.ts'
import type { ProviderConfig } from '../config/types/providers.ts'
import { createProviderClient } from './client.ts'
import { fromHere, type Metadata } from './endpoints.ts'
import { createProviderFetch, DEFAULT_WIRE_LIMITS, type ProviderFetch } from './http.ts'
import { createKeySource } from './jwks.ts'
import { createMetadataSource } from './metadata.ts'
import type { LoginRequest, ProviderClient } from './provider.ts'

/** What asking came to: `unclear` where the provider's answer can mean either. */
export type Verdict = 'good' | 'refused' | 'unclear'

/** A verdict with the provider's own word for it, where it has one. */
export interface Answered {
  readonly verdict: Verdict
  readonly says: string | null
}

/** A provider that answers discovery, to be asked whether signing in there would work. */
export interface Probe {
  readonly metadata: Metadata
  /** How far this machine's clock is ahead of the provider's, in ms, to the second; null where it does not tell the time. */
  readonly clockAheadMs: number | null
  /** Throws `provider.down` when the signing keys cannot be had. */
  askKeys(): Promise<void>
  /** Whether it takes `client_id` and `client_secret`: asked by redeeming a code that nobody issued. */
  askClient(redirectUri: string): Promise<Answered>
  /** Whether it would come back to this address: asked by beginning a sign-in in which nobody may be asked anything. */
  askCallback(redirectUri: string): Promise<Answered>
}

/**
 * Looks at a provider as someone would who sets it up. Nobody is signed in by it, and nothing changes there.
 *
 * Throws `provider.down`, `provider.discovery`.
 */
export async function probeProvider(
  config: ProviderConfig,
  ports: Pick<Ports, 'now' | 'fetch' | 'log'>,
): Promise<Probe> {
  const fetch = createProviderFetch(ports, DEFAULT_WIRE_LIMITS, config)
  const metadata = createMetadataSource(config, fetch, ports)
  const keys = createKeySource(fetch, ports)
  const client = createProviderClient(config, { metadata, keys, fetch }, ports)
  const known = await metadata.get()
  return {
    metadata: known,
    clockAheadMs: await clockAhead(known, fetch, ports.now),
    askKeys: async () => void (await keys.get(known.jwks_uri)),
    askClient: redirectUri => askClient(client, redirectUri),
    askCallback: redirectUri => askCallback(client, redirectUri, fetch),
  }
}

/** The Date of an answer is the provider's time when it wrote it (RFC 9110 §6.6.1). */
async function clockAhead(metadata: Metadata, fetch: ProviderFetch, now: () => number): Promise<number | null> {
  const before = now()
  const response = await fetch(metadata.jwks_uri).catch(() => null)
  const theirs = Date.parse(response?.headers.get('date') ?? '')
  if (Number.isNaN(theirs)) return null
  const ahead = (before + now()) / 2 - theirs
  // Date is in whole seconds: what is below one is nothing.
  return Math.abs(ahead) < 1000 ? 0 : Math.round(ahead / 1000) * 1000
}

/** A sign-in that nobody began; its texts are of the length that RFC 7636 §4.1 asks for. */
function inventedLogin(redirectUri: string): LoginRequest {
  return {
    redirectUri,
    state: 'sallyport-doctor',
    nonce: 'sallyport-doctor',
    codeVerifier: 'sallyport-doctor'.repeat(3),
  }
}

async function askClient(client: ProviderClient, redirectUri: string): Promise<Answered> {
  const login = inventedLogin(redirectUri)
  const { issuer } = client.config
  try {
    await client.finish(new URLSearchParams({ code: 'sallyport-doctor', state: login.state, iss: issuer }), login)
    return { verdict: 'unclear', says: null }
  } catch (thrown) {
    const { code, facts, message } = toGateError(thrown)
    if (code !== 'provider.token') return { verdict: 'unclear', says: message }
    const says = typeof facts.provider_error === 'string' ? facts.provider_error : null
    // RFC 6749 §5.2: who the client is comes before what it brings.
    if (says === 'invalid_grant') return { verdict: 'good', says }
    return { verdict: says === 'invalid_client' || says === 'unauthorized_client' ? 'refused' : 'unclear', says }
  }
}

async function askCallback(client: ProviderClient, redirectUri: string, fetch: ProviderFetch): Promise<Answered> {
  const address = new URL(await client.begin(inventedLogin(redirectUri)))
  address.searchParams.set('prompt', 'none')
  const response = await fetch(fromHere(address.href, client.config), { headers: { accept: 'text/html' } })
  if (response.status >= 500) {
    throw new GateError('provider.down', `the authorization endpoint answered ${response.status}`)
  }
  const location = response.headers.get('location')
  if (location?.startsWith(redirectUri) === true) {
    // Nobody is signed in there, so an error is what should come; any but these is about the request itself.
    const says = new URL(location).searchParams.get('error')
    const isExpected = says === null || /_required$/.test(says)
    return { verdict: isExpected ? 'good' : 'unclear', says }
  }
  return { verdict: response.status >= 400 ? 'refused' : 'unclear', says: null }
}
