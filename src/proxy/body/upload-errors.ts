/** Bodies of requests: their errors, and their count among all bodies. */

import { GateError } from '../../base/errors.ts'
import type { Flow, Flows, WaitsFor } from './flows.ts'

/** A request's body is longer than its route takes. */
export function tooLarge(routeId: string, maxBytes: number): GateError {
  return new GateError('target.too_large', `${routeId}: the body is longer than ${maxBytes} bytes`, {
    facts: { route: routeId },
    hint: `raise max_body for "${routeId}" in routes.toml if the application takes longer ones`,
  })
}

/** A request's body stalled before its answer began. */
export function stalledUpload(routeId: string, waitsFor: WaitsFor): GateError {
  const facts = { route: routeId }
  const hint = 'raise stall_timeout in [server] if it may pause for longer'
  if (waitsFor === 'source') {
    return new GateError('target.stalled', `${routeId}: the client stopped sending its request`, { facts, hint })
  }
  return new GateError('upstream.timeout', `${routeId}: the application stopped taking the request`, { facts, hint })
}

/**
 * Counts the body of a client's request while it is read here, before anything is sent: it holds its received bytes.
 */
export function countUpload(flows: Pick<Flows, 'admit' | 'enter'>, route: string, client: string) {
  return {
    /** Throws `limit.open`. */
    enter(length: number, cut: (error: GateError) => void): Flow {
      flows.admit(client)
      return flows.enter({ kind: 'upload', route, client, length, cut: () => cut(stalledUpload(route, 'source')) })
    },
  }
}
