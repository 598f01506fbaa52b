/** Step of a request: rate limits of client, route and user, limits of the body, and scripts of service workers that are refused. */

import { GateError } from '../../base/errors.ts'
import type { Rate } from '../../policy/rate.ts'
import type { Match } from '../../route/table.ts'
import type { Session } from '../../session/session.ts'
import type { GateRoute } from '../config/snapshot.ts'
import { copyOf, type Located, type RequestContext } from './context.ts'
import type { Resets } from './rapid-reset.ts'
import type { Rates } from './rate-limits.ts'
import { mentionsOthers } from './webdav.ts'

interface Tools {
  readonly rates: Pick<Rates, 'take'>
}

interface ClientTools extends Tools {
  readonly resets: Pick<Resets, 'refuse'>
}

/**
 * Second step: counts a request for its client, for any target or none. Refuses a client that has given up too many
 * requests before their answers.
 *
 * Reads the client's address. Throws `limit.rate`.
 */
export function limitClient(context: RequestContext, { rates, resets }: ClientTools): void {
  const { snapshot, client, turn } = context
  resets.refuse(context)
  if (snapshot.rate !== null && turn === 0) rates.take(snapshot.rate, client, null)
}

/**
 * Second step, with a route: what the route refuses for every user, before the session is looked up.
 *
 * Reads the fields, and the client's address. Writes `asked`, while all fields are unchanged. Throws
 * `route.service_worker`, `limit.rate`.
 */
export function limitRoute(context: Located, { rates }: Tools): void {
  const { match } = context
  refuseServiceWorker(context, match.value)
  for (const other of match.also) refuseServiceWorker(context, other)
  if (mentionsOthers(context.sent)) context.asked = copyOf(context)
  if (context.turn > 0) return
  const { rate } = match.value
  if (rate !== null && rate.by !== 'user') rates.take(rate, context.client, null)
  for (const other of otherRates(match)) if (other.by !== 'user') rates.take(other, context.client, null)
}

/**
 * Second step, where a route counts by who asks: known by then, and not refused by the limits of a token.
 *
 * Throws `limit.rate`.
 */
export function limitPerson(client: string, session: Session | null, match: Match<GateRoute>, { rates }: Tools): void {
  const { rate } = match.value
  if (rate !== null && rate.by === 'user') rates.take(rate, client, session)
  for (const other of otherRates(match)) if (other.by === 'user') rates.take(other, client, session)
}

/** The rates of the other routes that a reading of the path leads to, each once: an application may take the request for one there. */
function otherRates({ value: { rate }, also }: Match<GateRoute>): Iterable<Rate> {
  if (also.length === 0) return NO_RATES
  const byName = new Map<string, Rate>()
  for (const { rate: other } of also) if (other !== null && other.name !== rate?.name) byName.set(other.name, other)
  return byName.values()
}

/** How many bytes a body may have here: as many as the route says, and each other route that a reading of the path leads to; null: any. */
export function longestBody({ value: { config }, also }: Match<GateRoute>): number | null {
  let least = config.maxBodyBytes
  for (const { config: other } of also) {
    if (other.maxBodyBytes !== null && (least === null || other.maxBodyBytes < least)) least = other.maxBodyBytes
  }
  return least
}

const NO_RATES: readonly Rate[] = Object.freeze([])

/**
 * Refuses the script of a service worker that a browser registers, or looks for a newer one of, where a route has none (Service
 * Workers §4.2.1, W3C Fetch Metadata §2.1). Throws `route.service_worker`.
 */
export function refuseServiceWorker({ sent }: RequestContext, { config }: GateRoute): void {
  if (config.serviceWorkers) return
  if (sent['service-worker'] === undefined && sent['sec-fetch-dest'] !== 'serviceworker') return
  throw new GateError('route.service_worker', 'the script of a service worker was asked for', {
    facts: { route: config.id },
    hint: `if the application may have one, remove service_workers from "${config.id}"`,
  })
}
