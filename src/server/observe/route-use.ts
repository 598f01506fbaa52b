/** When each route was last used and how long its answers take, for admins who look: unlike the metrics, always counted. */

/** What one process knows of the use of a route. */
export interface RouteUse {
  readonly route: string
  readonly lastMs: number
  /** From the head of a request to the head of its answer: of the last requests, the older the less. */
  readonly tookMs: number
  /** Requests that passed, since the process was started. */
  readonly count: number
}

export interface RouteUses {
  /** A request passed that came at one time and was answered at another, in milliseconds since the epoch. Costs some 30 ns. */
  note(route: string, cameMs: number, answeredMs: number): void
  /** Of routes that were used; those that are in no file any more may be among them. */
  all(): readonly RouteUse[]
  /** Forgets all other routes. */
  retain(routes: Iterable<string>): void
}

/** How much one request counts among those before it. */
const SHARE = 1 / 16

/** Counts nothing yet. */
export function createRouteUses(): RouteUses {
  const uses = new Map<string, { lastMs: number; tookMs: number; count: number }>()
  return {
    note(route, cameMs, answeredMs) {
      // A clock that was set back makes no time negative.
      const tookMs = Math.max(0, answeredMs - cameMs)
      const use = uses.get(route)
      if (use === undefined) uses.set(route, { lastMs: answeredMs, tookMs, count: 1 })
      else {
        use.lastMs = answeredMs
        use.count++
        use.tookMs += (tookMs - use.tookMs) * Math.max(SHARE, 1 / use.count)
      }
    },
    all: () => [...uses].map(([route, use]) => ({ route, ...use })),
    retain(routes) {
      const kept = new Set(routes)
      for (const route of uses.keys()) if (!kept.has(route)) uses.delete(route)
    },
  }
}

/** Several processes as one. */
export function mergeUses(all: readonly RouteUse[]): ReadonlyMap<string, RouteUse> {
  const merged = new Map<string, RouteUse>()
  for (const use of all) {
    const same = merged.get(use.route)
    if (same === undefined) merged.set(use.route, use)
    else {
      const count = same.count + use.count
      merged.set(use.route, {
        route: use.route,
        lastMs: Math.max(same.lastMs, use.lastMs),
        tookMs: (same.tookMs * same.count + use.tookMs * use.count) / count,
        count,
      })
    }
  }
  return merged
}
