/** What applications refuse, asked when an admin looks, and remembered for a minute. */

import { inTime } from '../../base/maybe-promise.ts'
import type { Ports } from '../../base/ports.ts'
import type { Config } from '../../config/resolve/config.ts'
import type { RouteConfig } from '../../config/resolve/routes.ts'
import type { RefusalView } from '../../portal/admin/overview.ts'
import { addressLabel } from '../../proxy/upstream/origin.ts'
import { findRefusal } from './refusal.ts'

/** How long what was found counts. */
const KEPT_MS = 60_000

/** How long a page waits for it; a later page shows what came after that. */
const WAIT_MS = 2_500

/** So many applications are asked for one look. */
const MOST_ASKED = 8

/** What applications refuse, asked only where somebody looks. */
export interface KnownRefusals {
  /** Those of these routes whose applications refuse Host or Origin for all that is known by now. Never rejects. */
  of(routes: readonly RouteConfig[], config: Config): Promise<ReadonlyMap<RouteConfig, RefusalView>>
}

/**
 * Asks each application at most once a minute, and keeps the answer. A 403 may be about the missing user: it counts
 * only where the application's own Host and Origin were seen to help.
 */
export function createKnownRefusals(ports: Pick<Ports, 'ask' | 'random' | 'now'>): KnownRefusals {
  const asked = new WeakMap<RouteConfig, Known>()

  function ask(route: RouteConfig, config: Config): Known {
    const before = asked.get(route)
    if (before !== undefined && ports.now() - before.atMs < KEPT_MS) return before
    const known: Known = { atMs: ports.now(), refusal: before?.refusal ?? null, isOver: Promise.resolve() }
    known.isOver = findRefusal(route, config, ports).then(
      found => {
        const isSure = 'status' in found && (found.keys.length > 0 || found.status !== 403)
        known.refusal = isSure ? found : null
      },
      () => undefined,
    )
    asked.set(route, known)
    return known
  }

  return {
    async of(routes, config) {
      const some = entrances(routes).slice(0, MOST_ASKED)
      const known = some.map(route => [route, ask(route, config)] as const)
      await inTime(Promise.all(known.map(([, { isOver }]) => isOver)), WAIT_MS, undefined)
      return new Map(known.flatMap(([route, { refusal }]) => (refusal === null ? [] : [[route, refusal] as const])))
    },
  }
}

interface Known {
  readonly atMs: number
  refusal: RefusalView | null
  isOver: Promise<void>
}

/** For each host and application the route with the shortest path: where users enter, and what the checks request. */
export function entrances(routes: readonly RouteConfig[]): readonly RouteConfig[] {
  const found = new Map<string, RouteConfig>()
  for (const route of routes) {
    const { host, upstream, path, hostHeader, hasOwnOrigin } = route
    if (upstream === null) continue
    const key = JSON.stringify([host, upstream.addresses.map(addressLabel), hostHeader, hasOwnOrigin])
    const other = found.get(key)
    if (other === undefined || path.length < other.path.length) found.set(key, route)
  }
  return [...found.values()]
}
