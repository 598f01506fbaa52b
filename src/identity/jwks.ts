/** The signing keys of a provider (JWKS), fetched and kept. */

import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'
import { GateError } from '../base/errors.ts'
import type { Ports } from '../base/ports.ts'
import { bareError, type ProviderFetch } from './http.ts'

/** A provider's signing keys: cached, fetched once for everyone who waits. */
export interface KeySource {
  /** The keys at this address, from memory when young enough. */
  get(address: string): Promise<JWTVerifyGetKey>
  /** The keys, fetched again because none matched; null during the cool-down after the last such fetch. */
  refetch(address: string): Promise<JWTVerifyGetKey | null>
  /** The next `get` asks. */
  askAnew(): void
}

const MAX_AGE_MS = 10 * 60_000
/** The cool-down after an answer that brought nothing new. */
const COOL_DOWN_MS = 10_000

/**
 * The key set of one issuer.
 *
 * Keys that a provider withdraws are dropped within ten minutes. An unknown key costs one request. If that brings
 * nothing new, further unknown keys cost none for ten seconds, so that many invented ids do not cause many requests.
 * Keys that did change may change again at once.
 *
 * Throws `provider.down` when the keys cannot be fetched.
 *
 * Source: OpenID Connect Core 1.0 §10.1.1 (rotation of signing keys).
 */
export function createKeySource(fetchProvider: ProviderFetch, ports: Pick<Ports, 'now'>): KeySource {
  let known: ({ readonly address: string; readonly fetchedAtMs: number } & Fetched) | null = null
  let inFlight: { readonly address: string; readonly keys: Promise<JWTVerifyGetKey> } | null = null
  let refetchedAtMs = Number.NEGATIVE_INFINITY
  /** Counts requests for new keys: an answer that was under way by then may be older. */
  let turns = 0

  function load(address: string): Promise<JWTVerifyGetKey> {
    if (inFlight?.address === address) return inFlight.keys
    const turn = turns
    const keys = fetchKeys(address, fetchProvider)
      .then(fetched => {
        if (turn !== turns) return fetched.keys
        if (fetched.text !== known?.text) refetchedAtMs = Number.NEGATIVE_INFINITY
        known = { address, fetchedAtMs: ports.now(), ...fetched }
        return fetched.keys
      })
      .finally(() => {
        inFlight = null
      })
    inFlight = { address, keys }
    return keys
  }

  return Object.freeze({
    get(address: string) {
      const age = known?.address === address ? ports.now() - known.fetchedAtMs : Number.POSITIVE_INFINITY
      return known !== null && age >= 0 && age < MAX_AGE_MS ? Promise.resolve(known.keys) : load(address)
    },
    askAnew() {
      turns++
      known = null
      refetchedAtMs = Number.NEGATIVE_INFINITY
    },
    refetch(address: string) {
      if (inFlight?.address === address) return inFlight.keys
      const sinceMs = ports.now() - refetchedAtMs
      if (sinceMs >= 0 && sinceMs < COOL_DOWN_MS) return Promise.resolve(null)
      refetchedAtMs = ports.now()
      return load(address)
    },
  })
}

interface Fetched {
  readonly keys: JWTVerifyGetKey
  /** The keys in one fixed order, so that they can be compared. */
  readonly text: string
}

async function fetchKeys(address: string, fetchProvider: ProviderFetch): Promise<Fetched> {
  const response = await fetchProvider(address, { headers: { accept: 'application/json, application/jwk-set+json' } })
  try {
    if (response.status !== 200) throw new Error(`it answered ${response.status}`)
    const keySet = parseKeySet(await response.json())
    return {
      keys: createLocalJWKSet(keySet),
      text: keySet.keys
        .map(key => JSON.stringify(key))
        .sort()
        .join(),
    }
  } catch (thrown) {
    throw new GateError('provider.down', `the signing keys at ${address} cannot be had`, {
      hint: 'open that address in a browser: it has to show a JSON document with "keys"',
      facts: { address, status: response.status },
      cause: bareError(thrown),
      retryAfterS: 5,
    })
  }
}

function parseKeySet(json: unknown): JSONWebKeySet {
  if (typeof json !== 'object' || json === null || !('keys' in json) || !Array.isArray(json.keys)) {
    throw new Error('it is no key set')
  }
  return { keys: json.keys.filter(key => typeof key === 'object' && key !== null && typeof key.kty === 'string') }
}
