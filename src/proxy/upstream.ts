import type { UpstreamAddress } from '../config/types.ts'

/** One address of an upstream, as fetch wants it. */
export interface Origin {
  readonly address: UpstreamAddress
  /** What a path is appended to: scheme, authority and base path. */
  readonly base: string
  /** Socket path for a unix upstream. */
  readonly unix: string | undefined
  /** host:port or the socket's path, for logs. */
  readonly label: string
}

/** The addresses of one route's upstream, taken in turn. Outlives reloads, keyed by the addresses themselves. */
export interface Upstream {
  readonly key: string
  readonly origins: readonly Origin[]
  /** The next address in turn. */
  pick(): Origin
  /**
   * Until when (ms since the epoch) requests carry an abort of their own: set when one did not answer in time. An abort costs
   * two microseconds a request, which an upstream that answers need not pay.
   */
  guardedUntilMs: number
}

/** All upstreams of the process. */
export interface UpstreamPool {
  upstream(addresses: readonly UpstreamAddress[]): Upstream
  /** Forgets those that are not in use any more. */
  retain(inUse: Iterable<Upstream>): void
}

export function createUpstreamPool(): UpstreamPool {
  const byKey = new Map<string, Upstream>()
  return {
    upstream(addresses) {
      const origins = addresses.map(originOf)
      const key = origins.map(origin => origin.base + (origin.unix ?? '')).join(' ')
      const existing = byKey.get(key)
      if (existing !== undefined) return existing
      const made = createUpstream(key, origins)
      byKey.set(key, made)
      return made
    },
    retain(inUse) {
      const keys = new Set([...inUse].map(upstream => upstream.key))
      for (const key of byKey.keys()) if (!keys.has(key)) byKey.delete(key)
    },
  }
}

function createUpstream(key: string, origins: readonly Origin[]): Upstream {
  const [first] = origins
  if (first === undefined) throw new TypeError('an upstream needs at least one address')
  let turn = -1
  return {
    key,
    origins,
    pick() {
      if (origins.length === 1) return first
      turn = (turn + 1) % origins.length
      return origins[turn] ?? first
    },
    guardedUntilMs: 0,
  }
}

function originOf(address: UpstreamAddress): Origin {
  return address.kind === 'unix'
    ? { address, base: 'http://localhost', unix: address.path, label: `unix:${address.path}` }
    : {
        address,
        base: `${address.scheme}://${address.authority}${address.basePath}`,
        unix: undefined,
        label: address.authority,
      }
}
