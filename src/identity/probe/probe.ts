/**
 * Asks a provider, as the doctor does, whether it knows our client and its addresses, without anybody signing in.
 */

import { toGateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import type { ProviderConfig } from '../../config/resolve/providers.ts'
import { loginAddress, loginParameters, logoutAddress } from '../authorization-request.ts'
import { createProviderClient } from '../client.ts'
import { createMetadataSource } from '../discovery.ts'
import { fromHere, type Metadata } from '../endpoints.ts'
import { createProviderFetch, DEFAULT_WIRE_LIMITS, type ProviderFetch, reachOf } from '../http.ts'
import { createKeySource } from '../jwks.ts'
import type { LoginRequest, ProviderClient } from '../provider.ts'
import { offlineTerms } from '../scopes.ts'
import { chooseProof } from '../tokens/client-authentication.ts'
import type { Wrong } from '../tokens/error.ts'
import { type Answered, askCallback } from './callback.ts'
import { askPocketIdClient, isPocketId } from './pocket-id.ts'

/** The result of a client's probe, with the half of its credentials that is wrong; null where that is unknown. */
export interface ClientAnswered extends Answered {
  readonly wrong: 'client_id' | 'client_secret' | 'no_secret' | null
}

/** A provider that answers discovery, to be asked whether signing in there would work. */
export interface Probe {
  readonly metadata: Metadata
  /** How far this machine's clock is ahead of the provider's, in ms, to the second; null where it does not tell the time. */
  readonly clockAheadMs: number | null
  /** Throws `provider.down` when the signing keys cannot be had. */
  askKeys(): Promise<void>
  /** Whether it accepts `client_id` and `client_secret`: tried by redeeming an invented code. */
  askClient(redirectUri: string): Promise<ClientAnswered>
  /**
   * Whether it would come back to this address, asked in each way that it has, with the scopes of a sign-in; `asksOffline`: of one after
   * another had brought no refresh token. Throws `provider.down`.
   */
  askCallback(redirectUri: string, asksOffline?: boolean): Promise<Answered>
  /** Whether a sign-in after one without a refresh token asks for `offline_access`. */
  readonly mayAskOffline: boolean
  /** Whether it would come back to this address after a sign-out. Throws `provider.down`. */
  askSignOut(returnTo: string): Promise<Answered>
}

/**
 * Checks a provider for the person who sets it up. It signs no user in, and changes nothing there.
 *
 * Throws `provider.down`, `provider.discovery`.
 */
export async function probeProvider(
  config: ProviderConfig,
  ports: Pick<Ports, 'now' | 'ask' | 'resolve' | 'proxyFor' | 'log' | 'readText'>,
): Promise<Probe> {
  const fetch = createProviderFetch(ports, DEFAULT_WIRE_LIMITS, reachOf(config))
  const metadata = createMetadataSource(config, fetch, ports)
  const keys = createKeySource(fetch, ports)
  const client = createProviderClient(config, { metadata, keys, fetch }, ports)
  const known = await metadata.get()
  const terms = offlineTerms(config, known)
  return {
    metadata: known,
    clockAheadMs: await clockAhead(known, fetch, ports.now),
    askKeys: async () => void (await keys.get(known.jwks_uri)),
    askSignOut: returnTo => askSignOut(config, known, fetch, returnTo),
    askClient: redirectUri => askClient(client, known, redirectUri, fetch),
    mayAskOffline: terms !== null,
    async askCallback(redirectUri, asksOffline = false) {
      const options = { lackedRefresh: asksOffline ? terms : null }
      const beginsAt = loginAddress(known, await loginParameters(config, known, inventedLogin(redirectUri), options))
      const proof = await chooseProof(config, known, ports)
      return askCallback({ config, metadata: known, fetch, proof, beginsAt, redirectUri })
    },
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

/** An invented sign-in; its values have the length that RFC 7636 §4.1 requires. */
function inventedLogin(redirectUri: string): LoginRequest {
  return {
    redirectUri,
    state: 'sallyport-doctor',
    nonce: 'sallyport-doctor',
    codeVerifier: 'sallyport-doctor'.repeat(3),
  }
}

/** Whether it accepts the client: it checks the client before it checks an invented code (RFC 6749 §5.2). */
async function askClient(
  client: ProviderClient,
  metadata: Metadata,
  redirectUri: string,
  fetch: ProviderFetch,
): Promise<ClientAnswered> {
  const login = inventedLogin(redirectUri)
  try {
    const answer = new URLSearchParams({ code: 'sallyport-doctor', state: login.state, iss: metadata.issuer })
    await client.finish(answer, login)
    return { verdict: 'unclear', says: null, wrong: null }
  } catch (thrown) {
    const { code, facts, message } = toGateError(thrown)
    if (code !== 'provider.token') return { verdict: 'unclear', says: message, wrong: null }
    const says = typeof facts.provider_error === 'string' ? facts.provider_error : null
    switch (facts.wrong) {
      case 'code' satisfies Wrong:
        return { verdict: 'good', says, wrong: null }
      case 'client' satisfies Wrong:
        return { verdict: 'refused', says, wrong: await halfOf(client.config, metadata, fetch) }
      case 'client_id' satisfies Wrong:
        return { verdict: 'refused', says, wrong: 'client_id' }
      case 'client_secret' satisfies Wrong:
        return { verdict: 'refused', says, wrong: 'client_secret' }
      case 'no_secret' satisfies Wrong:
        return { verdict: 'refused', says, wrong: hasNoProof(client.config) ? 'no_secret' : null }
      case 'flow' satisfies Wrong:
        return { verdict: 'refused', says, wrong: null }
      default:
        return { verdict: 'unclear', says, wrong: null }
    }
  }
}

/** Which half of the credentials is wrong, where the provider says which client ids exist. */
async function halfOf(
  config: ProviderConfig,
  metadata: Metadata,
  fetch: ProviderFetch,
): Promise<ClientAnswered['wrong']> {
  if (!isPocketId(metadata)) return null
  const { status } = await askPocketIdClient(metadata, config.clientId, fetch)
  if (status === 404) return 'client_id'
  if (status !== 200) return null
  if (hasNoProof(config)) return 'no_secret'
  return config.clientSecret === null ? null : 'client_secret'
}

function hasNoProof({ clientSecret, clientKey, assertionFile }: ProviderConfig): boolean {
  return clientSecret === null && clientKey === null && assertionFile === null
}

/** An address that no client registers. */
const MADE_UP = 'https://sallyport-doctor.invalid/'

/**
 * Whether a provider would redirect to an address after a sign-out. It asks without a session, so no user is signed
 * out.
 *
 * The provider redirects there, or refuses it with an error page (OpenID Connect RP-Initiated Logout 1.0 §3). A
 * provider that asks the user first is asked again with an unregistered address: where it refuses that one, the first
 * one is registered. Throws `provider.down`.
 */
async function askSignOut(
  config: ProviderConfig,
  metadata: Metadata,
  fetch: ProviderFetch,
  returnTo: string,
): Promise<Answered> {
  const ask = async (address: string | null) => {
    const at = addressOf(config, metadata, address)
    return at === null ? null : await fetch(fromHere(at, config), { headers: { accept: 'text/html' } })
  }
  const own = await ask(returnTo)
  if (own === null || own.status >= 500) return { verdict: 'unclear', says: null }
  if (own.headers.get('location')?.startsWith(returnTo) === true) return { verdict: 'good', says: null }
  // One that refuses every sign-out without the hint of a session says nothing of the address.
  const other = await ask(own.status >= 400 ? null : MADE_UP)
  const says = String(own.status)
  if (own.status >= 400) return { verdict: (other?.status ?? 400) < 400 ? 'refused' : 'unclear', says }
  const isTold = other !== null && other.status >= 400 && other.status < 500
  return { verdict: isTold ? 'good' : 'unclear', says }
}

function addressOf(config: ProviderConfig, metadata: Metadata, returnTo: string | null): string | null {
  const raw = logoutAddress(config, metadata, { idToken: '', returnTo: returnTo ?? '', state: 'sallyport-doctor' })
  if (raw === null) return null
  const address = new URL(raw)
  address.searchParams.delete('id_token_hint')
  if (returnTo === null) address.searchParams.delete('post_logout_redirect_uri')
  return address.href
}
