/** The clients of all providers; an issuer's discovery, keys and connections are shared by those that name it. */

import { GateError } from '../base/errors.ts'
import type { Ports } from '../base/ports.ts'
import type { ProviderConfig } from '../config/resolve/providers.ts'
import { createProviderClient } from './client.ts'
import { createMetadataSource, type Issuer, type MetadataSource } from './discovery.ts'
import { BACK_CHANNEL_NAMES } from './endpoints.ts'
import { createProviderFetch, DEFAULT_WIRE_LIMITS, type ProviderFetch, reachOf, type WireLimits } from './http.ts'
import { createKeySource } from './jwks.ts'
import { createOAuth2Client, isOAuth2Provider } from './oauth2.ts'
import type { ProviderClient, ProviderPool } from './provider.ts'

/**
 * The provider clients of the process. Making a client sends nothing.
 *
 * Discovery and keys are shared per issuer and way to it: a reload that changes a secret or a scope keeps them.
 */
export function createProviderPool(
  ports: Pick<Ports, 'now' | 'ask' | 'resolve' | 'proxyFor' | 'log' | 'readText'>,
  limits: WireLimits = DEFAULT_WIRE_LIMITS,
): ProviderPool {
  const issuers = new Map<string, Issuer>()
  const clients = new WeakMap<ProviderConfig, { readonly issuer: Issuer; readonly client: ProviderClient }>()

  function issuerOf(config: ProviderConfig): Issuer {
    const key = issuerKey(config)
    let issuer = issuers.get(key)
    if (issuer === undefined) {
      const fetch = createProviderFetch(ports, limits, reachOf(config))
      const metadata = createMetadataSource(config, fetch, ports)
      const following = isOAuth2Provider(config) ? fetch : followMoved(fetch, metadata, config.issuer, ports)
      issuer = Object.freeze({ fetch: following, metadata, keys: createKeySource(following, ports) })
      issuers.set(key, issuer)
    }
    return issuer
  }

  return Object.freeze({
    client(config: ProviderConfig) {
      const issuer = issuerOf(config)
      const before = clients.get(config)
      if (before?.issuer === issuer) return before.client
      const client = isOAuth2Provider(config)
        ? createOAuth2Client(config, issuer.fetch, ports)
        : createProviderClient(config, issuer, ports)
      clients.set(config, { issuer, client })
      return client
    },
    retain(inUse: Iterable<ProviderConfig>) {
      const kept = new Set(Array.from(inUse, issuerKey))
      for (const key of issuers.keys()) if (!kept.has(key)) issuers.delete(key)
    },
    askAnew() {
      for (const { metadata, keys } of issuers.values()) {
        metadata.askAnew()
        keys.askAnew()
      }
    },
  })
}

function issuerKey(config: ProviderConfig): string {
  return JSON.stringify([
    config.oauth2,
    config.issuer,
    config.metadataUrl,
    config.internalUrl,
    config.ca,
    config.backChannelOrigins,
  ])
}

/** What an address says at which nothing is any more (RFC 9110 §15.5.5, §15.5.11). */
const GONE: ReadonlySet<number> = new Set([404, 410])

/**
 * A fetch that follows an endpoint that the provider has moved. Where its address or host no longer exists, it fetches
 * the discovery document again, at most every ten seconds, and repeats the request at the new address. No server
 * received the first request, so no code or token was used. The client still makes a new proof.
 */
function followMoved(
  fetch: ProviderFetch,
  metadata: MetadataSource,
  issuer: string,
  { log }: Pick<Ports, 'log'>,
): ProviderFetch {
  async function newPlace(address: string): Promise<string | null> {
    const known = await metadata.get()
    const name = BACK_CHANNEL_NAMES.find(one => isSame(known[one], address))
    const newer = name === undefined ? null : await metadata.newer(known)
    const place = name === undefined ? undefined : newer?.[name]
    if (place === undefined || isSame(place, address)) return null
    log.info('A provider has moved an endpoint', { issuer, endpoint: name })
    return place
  }

  return async (address, init, anew) => {
    const answer = await fetch(address, init).catch((thrown: unknown) => {
      if (!isWithoutAddress(thrown)) throw thrown
      return thrown
    })
    if (answer instanceof Response && !GONE.has(answer.status)) return answer
    const place = await newPlace(address).catch(() => null)
    if (place !== null) return fetch(place, anew === undefined ? init : await anew())
    if (answer instanceof Response) return answer
    throw answer
  }
}

/** Whether both are one address; libraries write it as URLs are written. */
function isSame(stated: string | undefined, address: string): boolean {
  return stated !== undefined && URL.parse(stated)?.href === URL.parse(address)?.href
}

/** Whether the name of a host leads nowhere by now: nothing was sent. */
function isWithoutAddress(thrown: unknown): thrown is GateError {
  if (!(thrown instanceof GateError) || thrown.code !== 'provider.down') return false
  const { cause } = thrown
  return cause instanceof Error && 'code' in cause && /^(?:ENOTFOUND|ENODATA)$/.test(String(cause.code))
}
