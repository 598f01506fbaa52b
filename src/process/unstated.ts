import type { Log, Ports } from '../base/ports.ts'
import type { Config } from '../config/types/config.ts'
import { createProviderFetch, DEFAULT_WIRE_LIMITS, reachOf } from '../identity/http.ts'
import { createMetadataSource } from '../identity/metadata.ts'
import { UNSTATED_HINT, unstatedClaims } from '../identity/unstated.ts'
import { askedOfProvider } from '../policy/stated.ts'

/**
 * Says which rules ask for what a provider does not list, by asking for its discovery document: once for each start and each file that is
 * taken over, and only where a rule asks for such a thing. A provider that does not answer is none of this's business.
 */
export function tellUnstated(
  config: Config,
  ports: Pick<Ports, 'now' | 'ask' | 'resolve' | 'proxyFor'>,
  log: Log,
): void {
  const quiet = () => undefined
  const silent = { now: ports.now, log: { debug: quiet, info: quiet, warn: quiet, error: quiet } }
  for (const provider of config.providers.values()) {
    const asked = askedOfProvider(config, provider.name)
    if (provider.users !== null || provider.oauth2 !== null || (!asked.maxAge && !asked.acr)) continue
    const source = createMetadataSource(
      provider,
      createProviderFetch(ports, DEFAULT_WIRE_LIMITS, reachOf(provider)),
      silent,
    )
    source.get().then(
      metadata => {
        for (const { claim, key } of unstatedClaims(metadata, asked)) {
          log.warn(
            'A provider does not list a claim that a rule needs: whoever has to sign in again for it may be kept out',
            {
              provider: provider.name,
              claim,
              key,
              hint: UNSTATED_HINT,
            },
          )
        }
      },
      () => undefined,
    )
  }
}
