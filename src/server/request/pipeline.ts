/** The steps of a request, from its fields and its client to its answer. */

import { FORWARDED_FOR, findClient } from '../../base/client-address.ts'
import type { GateError } from '../../base/errors.ts'
import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import { ownPath } from '../../portal/paths.ts'
import type { Ending } from '../../proxy/exchange.ts'
import type { SentFields } from '../../proxy/fields/request.ts'
import { announcesBody } from '../../proxy/lifetime/client-idle.ts'
import { isOvertaken } from '../../proxy/lifetime/exchanges.ts'
import type { Snapshot } from '../config/snapshot.ts'
import { takeToken } from '../credentials/token-field.ts'
import { during, type Trace } from '../observe/tracing/tracer.ts'
import { authenticate } from './authenticate.ts'
import {
  announcesTrailers,
  type BunServer,
  CLIENT_LEFT,
  isLocated,
  type Located,
  type MaybeResponse,
  NOBODY,
  peerAddress,
  RequestContext,
} from './context.ts'
import { decide } from './decide.ts'
import { fail } from './errors/fail.ts'
import { isGrpc, isToldByGrpc, tellGrpc } from './errors/grpc.ts'
import { limitClient, limitRoute } from './limit.ts'
import { locate, readTarget } from './locate.ts'
import { record } from './record.ts'
import { respond, respondWithoutRoute } from './respond.ts'
import type { PipelineTools } from './tools.ts'
import { verify } from './verify/question.ts'
import { whileAllowed } from './while-allowed.ts'

export type Pipeline = (request: Request, front: BunServer) => MaybePromise<Response | undefined>

/** What becomes of a request by the kind of listener that it came to. */
export interface Pipelines {
  /** What anyone may ask for. */
  readonly requests: Pipeline
  /** What a proxy in front asks: whether a request may pass. Nothing else is answered there. */
  readonly questions: Pipeline
}

/**
 * The path of every request, from top to bottom: the pipeline makes the context, runs the steps below, and records the
 * request.
 *
 * Invariants: the snapshot is read once. Nothing is decided for a connection without an address. Nothing is authorised
 * by anything but `Target`. Every thrown error ends as an error answer and never as a forwarded request. Synchronous
 * steps make no promise. Returns undefined only for a request that became a WebSocket.
 */
export function createPipelines(tools: PipelineTools): Pipelines {
  let count = 0
  const ending: Ending = {
    answered: (response, context: RequestContext) => recordAnswer(response, context),
    failed: (error, context: RequestContext) => recordFailure(error, context, answerRequest),
  }
  return {
    requests(request, front) {
      const context = receivedFrom(request, front)
      const answer = take(context, answerRequest)
      return isGrpc(context) ? andThen(answer, inItsTongue, context) : answer
    },
    questions: (request, front) => take(receivedFrom(request, front), answerQuestion),
  }

  function receivedFrom(request: Request, front: BunServer): RequestContext {
    tools.noteRequest()
    return receive(request, front, tools, `${tools.idPrefix}-${(count++).toString(36)}`)
  }

  function begin(context: RequestContext, steps: typeof answerRequest): MaybeResponse {
    const { trace } = context
    return trace?.isSampled === true ? within(trace, context, steps) : steps(context, tools)
  }

  /** What is asked for on the way of a request that is traced is a part of its trace. */
  function within(trace: Trace, context: RequestContext, steps: typeof answerRequest): MaybeResponse {
    return tools.tracer.within(trace, () => steps(context, tools))
  }

  function gone(context: RequestContext): Response {
    context.reason = CLIENT_LEFT
    return tools.respond.gone()
  }

  function take(context: RequestContext, steps: typeof answerRequest): ReturnType<Pipeline> {
    try {
      const answer = context.peer === NOBODY ? gone(context) : begin(context, steps)
      return answer instanceof Promise ? recordLater(answer, context, steps) : record(answer, context, tools)
    } catch (error) {
      const answer = fail(error, context, tools)
      // Bun 1.4.5 answers trailers with a 400, which would follow Sallyport's answer where they came in the same read.
      return andThen(announcesTrailers(context.sent) ? inNextTurn(answer) : answer, record, context, tools)
    }
  }

  /** The exchange itself records what came of it, where nothing is done with its answer in between. */
  function recordLater(
    answer: Promise<Response | undefined>,
    context: RequestContext,
    steps: typeof answerRequest,
  ): ReturnType<Pipeline> {
    // The span of an upstream has to end before that of its request.
    if (answer === context.promise && context.trace?.isSampled !== true) {
      context.ending = ending
      return answer
    }
    return answer.then(
      response => recordAnswer(response, context),
      (error: unknown) => recordFailure(error, context, steps),
    )
  }

  function recordAnswer<Answer extends Response | undefined>(response: Answer, context: RequestContext): Answer {
    // Of one that became a WebSocket Bun knows no address any more.
    if (response !== undefined) tools.resets.note(context)
    record(response, context, tools)
    return response
  }

  function recordFailure(error: unknown, context: RequestContext, steps: typeof answerRequest): ReturnType<Pipeline> {
    if (mayBeginAgain(error, context)) return take(receiveAgain(context, tools, error), steps)
    const own = fail(error, context, tools)
    tools.resets.note(context)
    return andThen(own, record, context, tools)
  }
}

/** The same once what was read with the head has been parsed. */
function inNextTurn<T>(answer: MaybePromise<T>): Promise<T> {
  return new Promise(resolve => setImmediate(resolve, answer))
}

/** A request that lost its permission on the way gets the answer that it would get if it came now. */
function mayBeginAgain(error: unknown, context: RequestContext): error is GateError {
  return isOvertaken(error) && error !== context.overtaken?.error && context.turn < MOST_TURNS
}

/** Enough for changes while a request waits, and an end where something changes all the time. */
const MOST_TURNS = 20

/** No call continues to an upstream, so every answer to a call is a refusal. */
function inItsTongue(response: Response | undefined, context: RequestContext): MaybeResponse {
  return response !== undefined && isToldByGrpc(context) ? tellGrpc(response) : response
}

const RENEWAL = ownPath('renew')

/** The steps of a client's request: where it leads, and on from there. */
function answerRequest(context: RequestContext, tools: PipelineTools): MaybeResponse {
  readTarget(context)
  // Before anyone is sent to HTTPS, which may not work yet, and before any limit: an authority asks from several places.
  const { front, snapshot, target } = context
  const proof = tools.answerAuthority(target, front)
  if (proof !== null) return proof
  try {
    limitClient(context, tools)
  } catch (error) {
    if (snapshot.bindings === null || target.path !== RENEWAL) throw error
    // A browser gives a bound session up at any 4xx, and asks again after a 503 (Device Bound Session Credentials).
    context.reason = 'limit.rate'
    tools.metrics.rateLimited++
    return new Response(null, { status: 503, headers: { 'cache-control': 'no-store', 'retry-after': '1' } })
  }
  const answer = locate(context)
  if (answer === null && isLocated(context)) return goThrough(context, tools)
  if (context.overtaken !== null) throw context.overtaken.error
  return answer ?? respondWithoutRoute(context, tools)
}

/** The steps of a question: the request that a proxy in front asks about goes through those of any other. */
function answerQuestion(context: RequestContext, tools: PipelineTools): MaybeResponse {
  return verify(context, tools, goThrough)
}

/** The steps of every request that has a route. */
function goThrough(context: Located, tools: PipelineTools): MaybeResponse {
  limitRoute(context, tools)
  if (context.trace?.isSampled === true) return goTraced(context, context.trace, tools)
  const who = authenticate(context, tools)
  const verdict = andThen(who, decide, context, tools)
  return whileAllowed(verdict, context, tools, respond)
}

/** The same, with a span for each step that others may have to be waited for in. */
function goTraced(context: Located, trace: Trace, tools: PipelineTools): MaybeResponse {
  const who = during(trace, 'session', () => authenticate(context, tools))
  const verdict = andThen(who, found => during(trace, 'policy', () => decide(found, context, tools)))
  return whileAllowed(verdict, context, tools, respond)
}

/**
 * The RequestContext of an incoming request. Its fields are read once, and a Sallyport token is taken out of them. The
 * client follows from the connection and from a trusted proxy's fields. The snapshot is the current one, for the whole
 * request.
 *
 * A connection without an address belongs to `NOBODY`.
 */
export function receive(request: Request, front: BunServer, tools: PipelineTools, id: string): RequestContext {
  const snapshot = tools.current()
  const sent = request.headers.toJSON() as Record<string, string>
  const token = takeToken(sent)
  const peer = peerAddress(front, request) ?? NOBODY
  const isPeerTrusted = isTrusted(peer, snapshot)
  const { clientField } = snapshot
  if (!isPeerTrusted && peer !== NOBODY && sent[clientField] !== undefined) tools.untrusted.note(peer, clientField)
  const { telemetry } = snapshot.config
  const trace =
    telemetry === null ? null : tools.tracer.begin(isPeerTrusted ? sent.traceparent : undefined, telemetry.sample)
  const cameAtMs = tools.meter === null ? 0 : tools.meter.tick()
  const { moment } = tools.exchanges
  const nowMs = tools.ports.now()
  const context = new RequestContext(request, sent, token, front, snapshot, id, peer, nowMs, moment, cameAtMs, trace)
  findWho(context, isPeerTrusted)
  return context
}

/**
 * The same request again, as it came, after the basis of its decision has changed on the way. It runs under the
 * current snapshot, and no limit counts it twice.
 *
 * It is sent, or sent again, only where no upstream can have acted on it. Either it was not sent yet and its body is
 * untouched, or it has a safe method and no body (RFC 9110 §9.2.1). For any other request `overtaken` says why it
 * ended, and the caller wants only the refusal.
 */
export function receiveAgain(
  context: RequestContext,
  tools: Pick<PipelineTools, 'current' | 'exchanges' | 'ports'>,
  ended: GateError,
): RequestContext {
  const { cameRequest, cameSent, connection, isForwarded } = context
  const isWhole = !isForwarded && !cameRequest.bodyUsed && cameRequest.body?.locked !== true
  const isSafe = SAFE.has(connection.method) && !announcesBody(cameSent)
  const again = context.again(tools.current(), tools.exchanges.moment)
  // What was sent has other fields by now.
  again.request = isWhole ? cameRequest : new Request(connection.url, { method: connection.method, headers: cameSent })
  again.isForwarded = isForwarded && !isSafe
  again.decidedMs = tools.ports.now()
  again.overtaken = isWhole || isSafe ? null : { error: ended, found: context.found }
  findWho(again, isTrusted(again.peer, again.snapshot))
  return again
}

function isTrusted(peer: string, { trusted }: Pick<Snapshot, 'trusted'>): boolean {
  return peer !== NOBODY && trusted.has(peer)
}

/** Who the client is, by the connection, and by what a proxy says of it that this snapshot trusts. */
function findWho(context: RequestContext, isPeerTrusted: boolean): void {
  const { peer, sent, snapshot } = context
  const { trusted, trustedFields, clientField } = snapshot
  if (!isPeerTrusted) {
    context.isClientProven = peer !== NOBODY
    if (trustedFields.length > 0 && hasAny(trustedFields, sent)) context.sent = without(trustedFields, sent)
    return
  }
  const { address, isProven } = findClient(peer, sent[clientField] ?? null, trusted, clientField === FORWARDED_FOR)
  context.isPeerTrusted = true
  context.client = address
  context.isClientProven = isProven
}

function hasAny(names: readonly string[], sent: SentFields): boolean {
  return names.some(name => sent[name] !== undefined)
}

/** The fields without those that this client has no say in: no rule may believe them either. */
function without(names: readonly string[], sent: SentFields): SentFields {
  return Object.fromEntries(Object.entries(sent).filter(([name]) => !names.includes(name)))
}

const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])
