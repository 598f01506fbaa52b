import { attempt } from './attempt.ts'
import type { ForwardJob, ForwardTools } from './job.ts'
import { forwardRetrying } from './retrying.ts'
import { hasSmallBody, readSmallBody } from './small-body.ts'

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
