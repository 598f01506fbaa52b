/** Service workers of an application whose route has none (`service_workers`): their scripts are refused. */

import { GateError } from '../../base/errors.ts'
import type { GateRoute } from '../config/snapshot.ts'
import type { RequestContext } from './context.ts'

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
