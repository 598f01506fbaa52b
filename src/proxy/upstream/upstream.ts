/** An upstream with its addresses, and the pool of all upstreams. */

import { sha256 } from '../../base/bytes.ts'
import type { Ports } from '../../base/ports.ts'
import type { UpstreamConfig } from '../../config/keys/upstreams.ts'
import { type Balance, compileBalance } from './balance.ts'
import { type Health, type HealthChecks, openHealthChecks, originHealth } from './health.ts'
import { createSlots, type Slots } from './max-connections.ts'
import { createLooks } from './on-demand-checks.ts'
import { createOrigin, isUp, type Origin } from './origin.ts'

/** What an upstream needs that is more than one address without limits. */
export interface Balancing {
  readonly balance: Balance
  /** Null where any number of requests may be under way. */
  readonly slots: Slots | null
  readonly idleTimeoutMs: number | null
  /** Whether an answer counts as under way until its body has ended: for `least-connections` and `max_connections`. */
  readonly countsBodies: boolean
}

/** Where one route's requests go. Outlives reloads, keyed by its whole configuration. */
export interface Upstream {
  readonly key: string
  /** The table's name, or the first address; for logs and metrics. */
  readonly label: string
  readonly origins: readonly Origin[]
  readonly first: Origin
  /** Null for one address without limits: its requests take the shortest way. */
  readonly balancing: Balancing | null
  readonly connectTimeoutMs: number
  /** The Authorization field of every request and check; null: what the client sends. */
  readonly authorization: string | null
  /** Whether an answer may be silent for longer than Bun's fetch would allow. */
  readonly mayBeSilent: boolean
}

/** One address as the metrics show it. */
export interface OriginState {
  readonly upstream: string
  readonly address: string
  readonly isUp: boolean
  readonly health: Health
  readonly inFlight: number
  /** Requests in a row that failed there; below 0 where nothing was heard of it. */
  readonly failures: number
  /** When it last may have refused a Host or an Origin; 0 for never. */
  readonly refusedMs: number
}

/** All upstreams of the process. Pairs with `close`. */
export interface UpstreamPool {
  upstream(config: UpstreamConfig): Upstream
  /** Starts the active checks of these upstreams, and stops and forgets all others. */
  retain(inUse: Iterable<Upstream>): void
  /** Asks how the addresses in use are, where that was not asked a moment ago: somebody looks. */
  look(): Promise<void>
  /** Every address in use, once for each upstream; upstreams with the same name are reported together. */
  states(): readonly OriginState[]
  close(): void
}

/** Of thousands that a file adds, the first checks begin so many at a time: each is a connection, and work for this process. */
const CHECKS_AT_ONCE = 100
const CHECKS_APART_MS = 20

/** A pool without upstreams: each is made at the first question for it, and its health is asked for once it is retained. */
export function createUpstreamPool(ports: Pick<Ports, 'ask' | 'now' | 'log'>): UpstreamPool {
  const byKey = new Map<string, { readonly upstream: Upstream; readonly config: UpstreamConfig }>()
  const checks = new Map<string, HealthChecks>()
  const looks = createLooks(ports, () =>
    [...byKey.values()].map(({ upstream: { origins, authorization }, config: { health } }) => {
      return { origins, authorization, health }
    }),
  )
  return {
    look: looks.look,
    upstream(config) {
      const key = sha256(JSON.stringify(config))
      const existing = byKey.get(key)
      if (existing !== undefined) return existing.upstream
      const upstream = createUpstream(key, config)
      byKey.set(key, { upstream, config })
      return upstream
    },
    retain(inUse) {
      let begun = 0
      const keys = new Set([...inUse].map(upstream => upstream.key))
      for (const [key, { upstream, config }] of byKey) {
        if (!keys.has(key)) {
          byKey.delete(key)
          checks.get(key)?.close()
          checks.delete(key)
        } else if (config.health !== null && !checks.has(key)) {
          const waitMs = Math.floor(begun++ / CHECKS_AT_ONCE) * CHECKS_APART_MS
          checks.set(key, openHealthChecks(upstream, config.health, ports, waitMs))
        }
      }
    },
    states() {
      const nowMs = ports.now()
      const states = new Map<string, OriginState>()
      for (const { upstream } of byKey.values()) {
        for (const origin of upstream.origins) {
          const key = `${upstream.label} ${origin.label}`
          const same = states.get(key)
          states.set(key, {
            upstream: upstream.label,
            address: origin.label,
            isUp: isUp(origin, nowMs) && (same?.isUp ?? true),
            health: same?.health === 'down' ? 'down' : originHealth(origin, nowMs),
            inFlight: origin.inFlight + (same?.inFlight ?? 0),
            failures: Math.max(origin.failures, same?.failures ?? -1),
            refusedMs: Math.max(origin.refusedMs, same?.refusedMs ?? 0),
          })
        }
      }
      return [...states.values()]
    },
    close() {
      looks.close()
      for (const one of checks.values()) one.close()
      checks.clear()
    },
  }
}

/** Bun's fetch cuts an answer that is silent for five minutes; timeouts near that need it to be patient. */
export const FETCH_IDLE_MS = 240_000

function createUpstream(key: string, config: UpstreamConfig): Upstream {
  const origins = config.addresses.map(address => createOrigin(address, config))
  const [first] = origins
  if (first === undefined) throw new TypeError('an upstream needs at least one address')
  const label = config.name ?? first.label
  return {
    key,
    label,
    origins,
    first,
    balancing: createBalancing(label, config, origins),
    connectTimeoutMs: config.connectTimeoutMs,
    authorization: config.authorization,
    mayBeSilent: (config.idleTimeoutMs ?? 0) > FETCH_IDLE_MS,
  }
}

function createBalancing(label: string, config: UpstreamConfig, origins: readonly Origin[]): Balancing | null {
  const { maxConnections, idleTimeoutMs, balance, queue, queueTimeoutMs } = config
  if (origins.length === 1 && maxConnections === null && idleTimeoutMs === null) return null
  return {
    balance: compileBalance(config, origins),
    slots: maxConnections === null ? null : createSlots({ label, maxConnections, queue, queueTimeoutMs }),
    idleTimeoutMs,
    countsBodies: maxConnections !== null || (balance === 'least-connections' && origins.length > 1),
  }
}
