import { GateError } from '../../base/errors.ts'
import type { Match } from '../../route/table.ts'
import type { Session } from '../../session/session.ts'
import type { GateRoute } from '../config/snapshot.ts'
import { mentionsOthers } from './mentions.ts'
import type { Passage } from './passage.ts'
import type { Rates } from './rates.ts'

interface Tools {
  readonly rates: Pick<Rates, 'take'>
}

/**
 * Second step: counts a request for its client, wherever it leads, be that nowhere.
 *
 * Reads the client's address. Throws `limit.rate`.
 */
export function limitClient({ snapshot, client }: Passage, { rates }: Tools): void {
  if (snapshot.rate !== null) rates.take(snapshot.rate, client, null)
}

/**
 * Second step, once there is a route: what it refuses whoever asks, before anybody is looked up.
 *
 * Reads the fields, and the client's address. Writes `asked`, while all fields are as they came. Throws `route.service_worker`,
 * `limit.rate`.
 */
export function limitRoute(passage: Passage, { rates }: Tools, { value: route }: Match<GateRoute>): void {
  refuseServiceWorker(passage, route)
  if (mentionsOthers(passage.sent)) passage.asked = { ...passage }
  if (route.rate !== null && route.rate.by !== 'user') rates.take(route.rate, passage.client, null)
}

/**
 * Second step, where a route counts by who asks: known by then, and not refused by the limits of a token.
 *
 * Throws `limit.rate`.
 */
export function limitPerson(client: string, session: Session | null, { rate }: GateRoute, { rates }: Tools): void {
  if (rate !== null && rate.by === 'user') rates.take(rate, client, session)
}

/**
 * Refuses the script of a service worker that a browser registers, or looks for a newer one of, where a route has none (Service
 * Workers §4.2.1, W3C Fetch Metadata §2.1). Throws `route.service_worker`.
 */
export function refuseServiceWorker({ sent }: Passage, { config }: GateRoute): void {
  if (config.serviceWorkers) return
  if (sent['service-worker'] === undefined && sent['sec-fetch-dest'] !== 'serviceworker') return
  throw new GateError('route.service_worker', 'the script of a service worker was asked for', {
    facts: { route: config.id },
    hint: `if the application may have one, remove service_workers from "${config.id}"`,
  })
}
