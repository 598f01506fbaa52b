import type { Ports } from '../base/ports.ts'
import type { ProviderConfig } from '../config/types/providers.ts'
import { createProviderClient } from './client.ts'
import { createProviderFetch, DEFAULT_WIRE_LIMITS, reachOf, type WireLimits } from './http.ts'
import type { Issuer } from './issuer.ts'
import { createKeySource } from './jwks.ts'
import { createMetadataSource } from './metadata.ts'
import { followMoved } from './moved.ts'
import { createOAuth2Client, isOAuth2Provider } from './oauth2/client.ts'
import type { ProviderClient, ProviderPool } from './provider.ts'

/**
 * The provider clients of the process. Making a client asks nothing of the network.
 *
 * Discovery and keys belong to an issuer and the way to it, whoever asks: a reload that changes a secret or a scope keeps them.
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
