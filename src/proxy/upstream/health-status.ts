import type { Origin } from './origin.ts'

/** What is known of an application without asking it: from its last request and from health checks. */
export type Health = 'up' | 'down' | 'unknown'

/** For how long a failed request says something, once others are tried again. */
const TELLING_MS = 60_000

/** How one address is, as far as this process knows. */
export function originHealth({ isUnwell, failures, restsUntilMs }: Origin, nowMs: number): Health {
  if (isUnwell) return 'down'
  if (failures > 0) return nowMs < restsUntilMs + TELLING_MS ? 'down' : 'unknown'
  return failures === 0 ? 'up' : 'unknown'
}

/** How an upstream is: up where any of its addresses is, down where all of them are. */
export function upstreamHealth({ origins }: { readonly origins: readonly Origin[] }, nowMs: number): Health {
  const all = origins.map(origin => originHealth(origin, nowMs))
  if (all.includes('up')) return 'up'
  return all.every(one => one === 'down') ? 'down' : 'unknown'
}
