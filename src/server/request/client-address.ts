/** Refuses two client addresses, and answers `/.sallyport/address`. `base/client-address.ts` reads the fields. */

import { FORWARDED_FOR } from '../../base/client-address.ts'
import { GateError } from '../../base/errors.ts'
import { jsonAnswer } from '../../portal/answer.ts'
import { ownPath } from '../../portal/paths.ts'
import { problemResponse } from '../../portal/problem.ts'
import type { Target } from '../../route/target.ts'
import { provenClient, type RequestContext } from './context.ts'

const ADDRESS = ownPath('address')

/**
 * Refuses two addresses where a trusted proxy is to say one. Bun joins fields of one name by commas: one of the two may be its client's.
 * X-Forwarded-For is a list, and is read from its end. Throws `target.header`.
 */
export function refuseTwoAddresses({ isPeerTrusted, peer, sent, snapshot: { clientField } }: RequestContext): void {
  if (clientField === FORWARDED_FOR || !isPeerTrusted || sent[clientField]?.includes(',') !== true) return
  throw new GateError('target.header', `${clientField} has more than one address`, {
    facts: { peer },
    hint: `client_address of [server] names this field: let the proxy in front overwrite what its client sends`,
  })
}

/**
 * Answers a client with the address that Sallyport takes for its own, on every served host. Operators and `doctor` use
 * it to see whether the proxy in front states the address, and whether clients can forge it. Null for any other path.
 */
export function answerAddress(context: RequestContext, target: Target): Response | null {
  if (target.path !== ADDRESS || context.snapshot.portals.lookup(target.host) === undefined) return null
  if (target.method === 'GET' || target.method === 'HEAD') return jsonAnswer({ address: provenClient(context) })
  const say = 'This method is not allowed at this address.'
  return problemResponse(405, 'route.method', say, context.id, {}, { allow: 'GET, HEAD' })
}
