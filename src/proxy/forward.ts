/** Forwards a request: small bodies are read first, so that a try can be repeated. */

import { parseLength } from '../base/amounts.ts'
import { GateError } from '../base/errors.ts'
import { attempt } from './attempt.ts'
import { stalledUpload } from './body/uploads.ts'
import type { ForwardJob, ForwardTools } from './job.ts'
import { ownerOf, whileAllowed } from './lifetime/exchanges.ts'
import { forwardRetrying } from './retrying.ts'

/**
 * Sends a request to its upstream and answers with what came back, streaming in both directions.
 *
 * The answer is the fetched Response itself with its fields cleaned in place: that is what Bun hands on cheapest.
 * Rejects with: target.too_large (a body that turns out longer than `maxBodyBytes`), upstream.refused, upstream.untrusted, upstream.unreachable, upstream.broken, upstream.timeout, target.stalled; limit.open; upstream.busy
 * where connections are limited; access.denied where what allowed the request ended before its answer began. A client that goes away aborts the upstream request.
 * Absent on purpose: redirects are not followed, bodies are not decoded, HTTP_PROXY does not apply (the program drops it at start, since asking each time costs a microsecond).
 */
export function forward(job: ForwardJob, tools: ForwardTools): Promise<Response> {
  if (job.body instanceof ReadableStream && hasSmallBody(job)) {
    return readSmallBody(job, tools, body => send({ ...job, body }, tools))
  }
  return send(job, tools)
}

function send(job: ForwardJob, tools: ForwardTools): Promise<Response> {
  const { balancing, first } = job.upstream
  return balancing === null ? attempt(job, tools, first) : forwardRetrying(job, tools, balancing, attempt)
}

/** A body up to this length is read whole first, which costs a third less than to stream it. */
const SMALL_UPLOAD_BYTES = 64 * 1024

/** Whether a request's body is announced to be short. */
function hasSmallBody({ request, sent }: Pick<ForwardJob, 'request' | 'sent'>): boolean {
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
  job: ForwardJob,
  { exchanges, flows, clientIdle, meter }: ForwardTools,
  step: (body: Uint8Array<ArrayBuffer>) => Promise<Made>,
): Promise<Made> {
  const { routeId, client, request, front, connection } = job
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
  return whileAllowed(exchanges, ownerOf(job), promise, step, { onEnd: giveUp })
}
