import type { RootTable } from '../keys/keys.ts'
import { known } from '../keys/known.ts'
import type { SERVER_LIMITS, SERVER_RATE } from '../keys/limits.ts'
import type { RouteTable } from '../keys/routes.ts'
import type { Values } from '../keys/table.ts'
import type { FlowsConfig, RateConfig } from '../types/server.ts'

/** How long a body may be on a route: what it says itself, else what `[server]` says. */
export function buildMaxBody(route: RouteTable['values'], root: RootTable): number | null {
  const own = known(route.max_body, 'max_body')
  return (own ?? known(known(root.values.server, 'server').values.max_body, 'max_body')).maxBytes
}

/** What `[server]` says of bodies that are under way. */
export function buildFlows(server: Values<typeof SERVER_LIMITS>): FlowsConfig {
  const maxOpen = known(server.max_open, 'max_open')
  return {
    maxOpen: maxOpen === 'off' ? null : maxOpen,
    stallMs: known(server.stall_timeout, 'stall_timeout'),
    memoryBytes: known(server.stall_memory, 'stall_memory'),
  }
}

/** The allowance that a table gives to each of those that `by` tells apart. */
export function buildRate(values: Values<typeof SERVER_RATE> | null, by: RateConfig['by']): RateConfig | null {
  if (values === null) return null
  const requests = known(values.requests, 'requests')
  return { requests, perMs: known(values.per, 'per'), burst: known(values.burst, 'burst') ?? requests, by }
}
