import * as oauth from 'oauth4webapi'
import { errorFacts, GateError, toGateError } from '../base/errors.ts'
import type { Ports } from '../base/ports.ts'
import type { ProviderConfig } from '../config/types/providers.ts'
import { bareError, type ProviderFetch } from './http.ts'
import type { ProviderState } from './provider.ts'

/** A provider's discovery document with the endpoints that signing in needs, already checked. */
export type Metadata = oauth.AuthorizationServer & {
  readonly authorization_endpoint: string
  readonly token_endpoint: string
  readonly jwks_uri: string
}

/** Discovery as something to ask: lazy, cached, one request at a time, retried after a failure. */
export interface MetadataSource {
  get(): Promise<Metadata>
  /** What came of the last question. */
  state(): ProviderState
}

const MAX_AGE_MS = 60 * 60_000
const FIRST_DELAY_MS = 1_000
const MAX_DELAY_MS = 30_000

/**
 * The discovery document of one issuer.
 *
 * Nothing is asked before the first `get`. A failure is answered from memory until its delay (1 s, doubling to 30 s) is
 * over, so that a crowd of sign-ins costs a failing provider one request; then the next `get` tries again, for ever.
 * A document once fetched stays in use while refreshing it fails.
 * Throws `provider.down` or `provider.discovery`, both with retryAfterS.
 * Source: OpenID Connect Discovery 1.0 §4.
 */
export function createMetadataSource(
  config: Pick<ProviderConfig, 'issuer' | 'metadataUrl'>,
  fetchProvider: ProviderFetch,
  ports: Pick<Ports, 'now' | 'log'>,
): MetadataSource {
  let known: Metadata | null = null
  let staleAtMs = 0
  let inFlight: Promise<Metadata> | null = null
  let failure: GateError | null = null
  let failures = 0
  let retryAtMs = 0
  let state: ProviderState = { kind: 'unasked' }

  async function refresh(): Promise<Metadata> {
    try {
      known = await discover(config, fetchProvider)
      const nowMs = ports.now()
      staleAtMs = nowMs + MAX_AGE_MS
      state = { kind: 'answers', atMs: nowMs }
      if (failures > 0) ports.log.info('the sign-in provider answers again', { issuer: config.issuer })
      failures = 0
      failure = null
      return known
    } catch (thrown) {
      failure = toGateError(thrown)
      const delayMs = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(failures, 10))
      failures++
      if (state.kind !== 'fails') state = { kind: 'fails', sinceMs: ports.now() }
      retryAtMs = ports.now() + delayMs
      ports.log.warn('discovery failed', { issuer: config.issuer, retry_ms: delayMs, ...errorFacts(failure) })
      if (known !== null) return known
      throw again(failure, delayMs)
    } finally {
      inFlight = null
    }
  }

  return Object.freeze({
    state: () => state,
    get() {
      const nowMs = ports.now()
      if (known !== null && nowMs < staleAtMs) return Promise.resolve(known)
      if (inFlight !== null) return inFlight
      // A delay longer than any we set means that the clock was set back: try now.
      if (failure !== null && nowMs < retryAtMs && retryAtMs - nowMs <= MAX_DELAY_MS) {
        return known !== null ? Promise.resolve(known) : Promise.reject(again(failure, retryAtMs - nowMs))
      }
      inFlight = refresh()
      return inFlight
    },
  })
}

function again(failure: GateError, delayMs: number): GateError {
  return new GateError(failure.code, failure.message, {
    ...(failure.hint === undefined ? {} : { hint: failure.hint }),
    facts: failure.facts,
    cause: failure.cause,
    retryAfterS: Math.max(1, Math.ceil(delayMs / 1000)),
  })
}

async function discover(
  config: Pick<ProviderConfig, 'issuer' | 'metadataUrl'>,
  fetchProvider: ProviderFetch,
): Promise<Metadata> {
  const { issuer } = config
  const address = config.metadataUrl ?? `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const facts = { address, issuer }
  const response = await fetchProvider(address, { headers: { accept: 'application/json' } })
  if (response.status !== 200) {
    throw new GateError('provider.down', `discovery at ${address} answered ${response.status}`, {
      hint: 'open that address in a browser: it has to show a JSON document; check issuer (or metadata_url)',
      facts: { ...facts, status: response.status },
    })
  }
  let document: oauth.AuthorizationServer
  try {
    const stated: unknown = await response.clone().json()
    if (typeof stated !== 'object' || stated === null) throw new SyntaxError('not an object')
  } catch (thrown) {
    throw new GateError('provider.down', `discovery at ${address} did not answer with a JSON document`, {
      hint: 'open that address in a browser: a proxy or a start page may be answering in the provider’s place',
      facts,
      cause: bareError(thrown),
    })
  }
  try {
    const json = new Response(response.body, { headers: { 'content-type': 'application/json' } })
    document = await oauth.processDiscoveryResponse(new URL(issuer), json)
  } catch (thrown) {
    throw new GateError('provider.discovery', `discovery at ${address} does not belong to issuer ${issuer}`, {
      hint: 'issuer has to be what the document calls "issuer", to the letter',
      facts,
      cause: bareError(thrown),
    })
  }
  if (document.issuer !== issuer) {
    throw new GateError('provider.discovery', `the provider calls itself ${document.issuer}, not ${issuer}`, {
      hint: `write issuer = "${document.issuer}"`,
      facts,
    })
  }
  return Object.freeze({
    ...document,
    authorization_endpoint: endpoint(document, 'authorization_endpoint', issuer),
    token_endpoint: endpoint(document, 'token_endpoint', issuer),
    jwks_uri: endpoint(document, 'jwks_uri', issuer),
  })
}

/** An endpoint's address, on HTTPS unless the issuer itself is on plain HTTP (which the config allows for loopback only). */
function endpoint(document: oauth.AuthorizationServer, name: string, issuer: string): string {
  const address = document[name]
  const parsed = typeof address === 'string' ? URL.parse(address) : null
  const isAllowed = parsed?.protocol === 'https:' || (parsed?.protocol === 'http:' && issuer.startsWith('http:'))
  if (typeof address !== 'string' || !isAllowed) {
    throw new GateError('provider.discovery', `the discovery document of ${issuer} has no usable ${name}`, {
      hint: 'the provider has to support the authorization code flow over HTTPS',
      facts: { issuer, endpoint: name },
    })
  }
  return address
}
