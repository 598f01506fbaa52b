/** What one worker knows for the page `admin`, and how several are put together. */

import { REASONS, type Reason } from '../../policy/reasons.ts'
import type { OriginView } from '../../portal/admin/overview.ts'
import type { UpstreamPool } from '../../proxy/upstream/upstream.ts'
import type { Denial, Denials } from './denials.ts'
import { mergeUses, type RouteUse, type RouteUses } from './route-use.ts'

/** What only one process knows, for an admin of a portal: plain values, which workers send each other. */
export interface ProcessView {
  readonly denials: readonly Denial[]
  readonly origins: readonly (OriginView & {
    readonly upstream: string
    /** When it last may have refused a Host or an Origin; 0 for never. */
    readonly refusedMs: number
  })[]
  readonly uses: readonly RouteUse[]
}

/** Of this process, now. */
export function viewProcess(
  denials: Denials,
  upstreams: Pick<UpstreamPool, 'states'>,
  uses: Pick<RouteUses, 'all'>,
): ProcessView {
  return {
    uses: uses.all(),
    denials: denials.latest(),
    origins: upstreams.states().map(({ upstream, address, health, inFlight, failures, refusedMs }) => {
      return { upstream, address, health, inFlight, failures, refusedMs }
    }),
  }
}

/** Several processes as one: denials newest first; an address is as the most worried of them has it. */
export function mergeViews(views: readonly ProcessView[]): ProcessView {
  const origins = new Map<string, ProcessView['origins'][number]>()
  for (const origin of views.flatMap(view => view.origins)) {
    const key = keyOf(origin.upstream, origin.address)
    const same = origins.get(key)
    if (same === undefined) origins.set(key, origin)
    else {
      origins.set(key, {
        ...origin,
        health: WORST.find(health => health === origin.health || health === same.health) ?? 'unknown',
        inFlight: origin.inFlight + same.inFlight,
        failures: Math.max(origin.failures, same.failures),
        refusedMs: Math.max(origin.refusedMs, same.refusedMs),
      })
    }
  }
  return {
    denials: views.flatMap(view => view.denials).toSorted((one, other) => other.atMs - one.atMs),
    origins: [...origins.values()],
    uses: [...mergeUses(views.flatMap(view => view.uses)).values()],
  }
}

/** What names an address of an upstream. */
export function keyOf(upstream: string, address: string): string {
  return `${upstream} ${address}`
}

const WORST = ['down', 'up', 'unknown'] as const

/** A ProcessView as another process sent it, or null for anything else: it may be of another version. */
export function parseProcessView(raw: unknown): ProcessView | null {
  if (typeof raw !== 'object' || raw === null || !('denials' in raw && 'origins' in raw)) return null
  const { denials, origins } = raw
  const uses = 'uses' in raw ? raw.uses : []
  if (!Array.isArray(denials) || !Array.isArray(origins) || !Array.isArray(uses)) return null
  const isWhole = denials.every(isDenial) && origins.every(isOrigin) && uses.every(isUse)
  return isWhole ? { denials, origins, uses } : null
}

function isDenial(raw: unknown): raw is Denial {
  if (typeof raw !== 'object' || raw === null) return false
  const { atMs, id, portal, route, method, reason, needs, groups, user, client } = raw as Partial<
    Record<keyof Denial, unknown>
  >
  return (
    typeof atMs === 'number' &&
    [id, route, method, client].every(text => typeof text === 'string') &&
    [portal, user, needs, groups].every(text => text === null || typeof text === 'string') &&
    isReason(reason)
  )
}

function isReason(raw: unknown): raw is Reason {
  return typeof raw === 'string' && Object.hasOwn(REASONS, raw)
}

function isOrigin(raw: unknown): raw is ProcessView['origins'][number] {
  if (typeof raw !== 'object' || raw === null) return false
  const { upstream, address, health, inFlight, failures, refusedMs } = raw as Partial<
    Record<keyof ProcessView['origins'][number], unknown>
  >
  return (
    typeof upstream === 'string' &&
    typeof address === 'string' &&
    WORST.some(known => known === health) &&
    typeof inFlight === 'number' &&
    typeof failures === 'number' &&
    typeof refusedMs === 'number'
  )
}

function isUse(raw: unknown): raw is RouteUse {
  if (typeof raw !== 'object' || raw === null) return false
  const { route, lastMs, tookMs, count } = raw as Partial<Record<keyof RouteUse, unknown>>
  return typeof route === 'string' && [lastMs, tookMs, count].every(one => typeof one === 'number')
}
