import type { UpstreamConfig } from '../../../src/config/keys/upstreams.ts'
import { parseUpstream } from '../../../src/config/values/address.ts'

/** The upstream that a file with only these addresses gets, changed where a test says so. Throws for a bad address. */
export function upstreamConfig(to: string | readonly string[], changed: Partial<UpstreamConfig> = {}): UpstreamConfig {
  return {
    name: null,
    addresses: [to].flat().map(text => {
      const address = parseUpstream(text)
      if (!address.ok) throw new TypeError(address.message)
      return address.value
    }),
    balance: 'round-robin',
    hash: { kind: 'client' },
    tls: null,
    http2: false,
    connectTimeoutMs: 10_000,
    idleTimeoutMs: null,
    maxConnections: null,
    queue: 100,
    queueTimeoutMs: 2000,
    health: null,
    authorization: null,
    personal: null,
    ...changed,
  }
}
