/** Forwards a request: small bodies are read first, so that a try can be repeated. */

import { parseLength } from '../base/byte-counts.ts'
import { GateError } from '../base/errors.ts'
import { stalledUpload } from './body/upload-errors.ts'
import { attempt, type Sendable } from './exchange.ts'
import { type Forwarded, type ForwardTools, ownerOf } from './forwarded.ts'
import { whileAllowed } from './lifetime/exchanges.ts'
import { forwardRetrying } from './retrying.ts'

/**
 * Sends a request to its upstream and answers with what came back, streaming in both directions.
 *
 * The answer is the fetched Response itself with its fields cleaned in place: that is what Bun hands on cheapest.
 * Rejects with: target.too_large (a body that turns out longer than `maxBodyBytes`), upstream.refused, upstream.untrusted, upstream.unreachable, upstream.broken, upstream.timeout, target.stalled; limit.open; upstream.busy
 * where connections are limited; access.denied where what allowed the request ended before its answer began. A client that goes away aborts the upstream request.
 * Absent on purpose: redirects are not followed, bodies are not decoded, HTTP_PROXY does not apply (the program drops it at start, since asking each time costs a microsecond).
 */
export function forward(one: Sendable, tools: ForwardTools): Promise<Response> {
  return one.body instanceof ReadableStream && hasSmallBody(one) ? sendWhole(one, tools) : send(one, tools)
}

function sendWhole(one: Sendable, tools: ForwardTools): Promise<Response> {
  return readSmallBody(one, tools, body => {
    one.body = body
    return send(one, tools)
  })
}

function send(one: Sendable, tools: ForwardTools): Promise<Response> {
  const { balancing, first } = one.upstream
  return balancing === null ? attempt(one, tools, first) : forwardRetrying(one, tools, balancing)
}

/** A body up to this length is read whole first, which costs a third less than to stream it. */
const SMALL_UPLOAD_BYTES = 64 * 1024

/** Whether a request's body is announced to be short. */
function hasSmallBody({ request, sent }: Forwarded): boolean {
  const length = parseLength(sent['content-length'])
  return length !== null && length <= SMALL_UPLOAD_BYTES && request.body !== null
}

/**
 * Waits for the whole of a short body and continues with it. Meanwhile the request is an exchange, whose permission
 * may end.
 *
 * Rejects with target.stalled where it takes longer than a body may be without progress, or the client leaves, and
 * when its permission ended.
 */
function readSmallBody<Made>(
  asked: Forwarded,
  { exchanges, flows, clientIdle, meter }: ForwardTools,
  step: (body: Uint8Array<ArrayBuffer>) => Promise<Made>,
): Promise<Made> {
  const { route, client, request, front, connection } = asked
  const routeId = route.config.id
  flows.admit(client)
  clientIdle.hold(front, connection)
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array<ArrayBuffer>>()
  let isGivenUp = false
  const flow = flows.enter({
    kind: 'upload',
    route: routeId,
    client,
    length: SMALL_UPLOAD_BYTES,
    cut() {
      giveUp()
      reject(stalledUpload(routeId, 'source'))
    },
  })
  function giveUp(): void {
    isGivenUp = true
    flow.leave()
    clientIdle.part(front, connection)
  }
  request.arrayBuffer().then(
    buffer => {
      if (isGivenUp) return
      flow.leave()
      clientIdle.renew(front, connection)
      if (meter !== null) meter.received(routeId).add(buffer.byteLength)
      resolve(new Uint8Array(buffer))
    },
    (cause: unknown) => {
      flow.leave()
      reject(new GateError('target.stalled', `${routeId}: the client left in the middle of its request`, { cause }))
    },
  )
  return whileAllowed(exchanges, ownerOf(asked), promise, step, { onEnd: giveUp })
}
