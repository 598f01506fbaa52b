/** Limits requests that clients give up (HTTP/2 Rapid Reset, CVE-2023-44487). */

import { GateError } from '../../base/errors.ts'
import { networkOf } from '../../base/net.ts'
import type { Log } from '../../base/ports.ts'
import type { FullAtMs } from '../../base/token-bucket.ts'
import type { Rate } from '../../policy/rate.ts'
import { hasLeft } from '../../proxy/lifetime/client-idle.ts'
import type { Metrics } from '../observe/counts.ts'
import { CLIENT_LEFT, NOBODY, type RequestContext } from './context.ts'

/** Requests that clients gave up before they were answered. It outlives snapshots. */
export interface Resets {
  /** Throws `limit.rate` for a client that has given up more than it may. */
  refuse(context: RequestContext): void
  /**
   * Where an answer had to be waited for: counts it if its client has given it up meanwhile, whether it reset the stream
   * (CVE-2023-44487), made Bun reset it, or closed the connection.
   */
  note(context: RequestContext): void
  /** Counts what a client has begun for nothing. */
  charge(bucket: Rate, client: string): void
}

const MAX_CLIENTS = 100_000

/** How many buckets a client may be behind: six of a sixth of a minute's are a minute. */
const MOST_BEHIND = 7

/**
 * By HTTP/2 a client that resets its streams has any number of them for nothing, and the application has the work of each.
 *
 * Bun 1.4.5 ends a connection after a thousand of them, and the client opens the next. They are known as given up once they are
 * answered, and hundreds may be under way by then: so what is beyond the bucket is owed, unlike with a rate.
 */
export function createResets(
  now: () => number,
  { log, metrics }: { readonly log: Log; readonly metrics: Metrics },
): Resets {
  /** In the order of their last use. */
  const clients = new Map<string, FullAtMs>()

  /** How long a client has to wait; 0 or less: not at all. */
  function waitMs({ intervalMs, burst }: Rate, fullAtMs: FullAtMs): number {
    return fullAtMs - now() - (burst - 1) * intervalMs
  }

  function charge(bucket: Rate, client: string): void {
    const network = networkOf(client)
    const before = clients.get(network) ?? 0
    const { intervalMs, burst } = bucket
    const most = now() + MOST_BEHIND * burst * intervalMs
    const after = Math.min(Math.max(before, now()) + intervalMs, most)
    clients.delete(network)
    clients.set(network, after)
    if (waitMs(bucket, before) <= 0 && waitMs(bucket, after) > 0) tellSpent(client)
    if (clients.size <= MAX_CLIENTS) return
    for (const oldest of clients.keys()) {
      clients.delete(oldest)
      break
    }
  }

  function tellSpent(client: string): void {
    log.warn('A client gives up more requests than it may: it is refused for a while', {
      client,
      hint: 'if these are honest requests, raise max_resets in [server]; behind a proxy, name it in trusted_proxies',
    })
  }

  return {
    refuse({ snapshot: { resets }, client }) {
      if (resets === null || clients.size === 0) return
      const network = networkOf(client)
      const fullAtMs = clients.get(network)
      if (fullAtMs === undefined) return
      if (fullAtMs <= now()) clients.delete(network)
      const againMs = waitMs(resets, fullAtMs)
      if (againMs <= 0) return
      throw new GateError('limit.rate', 'a client has given up more requests than it may', {
        facts: { rate: resets.name, by: resets.by },
        hint: 'if these are honest requests, raise max_resets in [server]',
        retryAfterS: Math.ceil(againMs / 1000),
      })
    },
    note(context) {
      const { snapshot, front, connection, client } = context
      if (snapshot.resets === null || front.protocol !== 'https' || client === NOBODY) return
      if (!hasLeft(front, connection)) return
      context.reason ??= CLIENT_LEFT
      metrics.resets++
      charge(snapshot.resets, client)
    },
    charge,
  }
}
