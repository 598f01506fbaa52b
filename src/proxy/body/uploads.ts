import { GateError } from '../../base/errors.ts'
import type { WaitsFor } from './flows.ts'

/** A request's body is longer than its route takes. */
export function tooLarge(routeId: string, maxBytes: number): GateError {
  return new GateError('target.too_large', `${routeId}: the body is longer than ${maxBytes} bytes`, {
    facts: { route: routeId },
    hint: `raise max_body for "${routeId}" in routes.toml if the application takes longer ones`,
  })
}

/** A request's body goes on no more, before its answer began. */
export function stalledUpload(routeId: string, waitsFor: WaitsFor): GateError {
  const facts = { route: routeId }
  const hint = 'raise stall_timeout in [server] if it may pause for longer'
  if (waitsFor === 'source') {
    return new GateError('target.stalled', `${routeId}: the client stopped sending its request`, { facts, hint })
  }
  return new GateError('upstream.timeout', `${routeId}: the application stopped taking the request`, { facts, hint })
}
