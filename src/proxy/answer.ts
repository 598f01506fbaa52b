import { GateError } from '../base/errors.ts'
import type { MaybePromise } from '../session/session.ts'
import { isUpstreams, translateFailure } from './failures.ts'
import { handOn, hasBody } from './hand-on.ts'
import type { ForwardJob, ForwardTools } from './job.ts'
import type { Origin } from './origin.ts'
import { hasLeft, isLocalSocket } from './patience.ts'
import { cleanResponseFields } from './response-fields.ts'
import { isEventStream } from './streams.ts'
import { watchBody } from './watched-body.ts'
import { isHere } from './whole-body.ts'

/** What whoever asked the upstream hears of its answer. */
export interface AnswerLife {
  /** It is over, or as good as over: all of it is here. Called more than once where several notice. */
  onOver(): void
  /** It goes on, and nobody says when it is over. */
  onOpen(): void
  /** It is made of events, and `close` is how they end. */
  onEvents(close: () => void): void
}

/**
 * An upstream's answer as the client gets it: its fields cleaned in place, and its body in the form that Bun hands on cheapest.
 *
 * `isPatient`: the client's connection is held already. Throws `upstream.broken` for a status that is none, and what cleaning throws;
 * rejects with what fetch says where a body that is collected breaks off.
 */
export function prepareAnswer(
  response: Response,
  job: ForwardJob,
  tools: ForwardTools,
  { origin, isPatient, life }: { readonly origin: Origin; readonly isPatient: boolean; readonly life: AnswerLife },
): MaybePromise<Response> {
  const { front, connection, method, routeId } = job
  const { patience } = tools
  const { headers, status, statusText } = response
  checkStatus(status, routeId, origin)
  cleanResponseFields(headers, job.bounds)
  const length = headers.get('content-length')
  const type = headers.get('content-type')
  const address = origin.base.length + job.path.length
  function onEnd(): void {
    life.onOver()
    patience.renew(front, connection)
  }
  function onBreak(error: GateError): void {
    if (!hasLeft(front, connection)) tools.noteTruncated(error)
  }
  // Touching `body` turns it into a stream of JavaScript's own: only where it has to be one.
  if (isEventStream(type) && response.body !== null) {
    patience.hold(front, connection)
    const { stream, close } = tools.streams.wrap(response.body, {
      lead: headers.has('content-encoding') ? '' : ':\n\n',
      onEnd,
      onBreak(error) {
        if (isUpstreams(error)) onBreak(translateFailure(error, routeId, origin.label))
      },
    })
    life.onEvents(close)
    return new Response(stream, { status, statusText, headers })
  }
  let answer = response
  const isWhole =
    !hasBody(method, status) || length === '0' || (length !== null && isHere(response, Number(length), address))
  if (isWhole) {
    life.onOver()
    if (isPatient) patience.renew(front, connection)
  } else if ((isLocalSocket(front) || job.path.includes('?')) && response.body !== null) {
    // On a local socket it does not show whether a request is over, but for the end of its body. And Bun 1.4.5 writes the
    // whole address on standard error where a body breaks off that it has in its own hands: a query may hold secrets.
    if (!isPatient) patience.hold(front, connection)
    const { stream } = watchBody(response.body, {
      idleTimeoutMs: null,
      now: tools.ports.now,
      deadlines: tools.deadlines,
      route: routeId,
      upstream: origin.label,
      onEnd(error) {
        onEnd()
        if (error !== undefined) onBreak(error)
      },
    })
    answer = new Response(stream, { status, statusText, headers })
  }
  if (!isWhole && !isLocalSocket(front)) life.onOpen()
  return handOn({ response: answer, method, type, length, address, asker: job }, tools.wholeBodies)
}

function checkStatus(status: number, routeId: string, origin: Origin): void {
  if (status >= 200 && status <= 599) return
  const what = status < 200 ? 'the upstream switched protocols unasked' : 'the upstream answered with no status of HTTP'
  throw new GateError('upstream.broken', `${routeId}: ${what} (${status})`, {
    facts: { route: routeId, upstream: origin.label },
  })
}
