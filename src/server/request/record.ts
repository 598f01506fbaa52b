/** The end of a request: metrics, trace and access log. */

import { parseLength } from '../../base/byte-counts.ts'
import { errorFacts } from '../../base/errors.ts'
import { isStreamed } from '../../portal/answer.ts'
import { announcesBody } from '../../proxy/lifetime/client-idle.ts'
import type { Session } from '../../session/session.ts'
import { sessionMark } from '../../session/session-facts.ts'
import { type AccessRecord, agentOf, refererOf } from '../observe/access-log.ts'
import type { Attributes } from '../observe/tracing/otlp.ts'
import type { Trace } from '../observe/tracing/tracer.ts'
import type { Traffic } from '../observe/traffic.ts'
import { announcesTrailers, CLIENT_LEFT, methodOf, protocolOf, type RequestContext, schemeOf } from './context.ts'
import { CLIENT_GONE } from './errors/error-response.ts'
import type { PipelineTools } from './tools.ts'

/**
 * After the steps: counts an answer, and writes its line; undefined is a request that became a WebSocket. Answers with it
 * as it is, whatever goes wrong here: a good answer stays one, and nothing is counted twice.
 */
export function record(
  response: Response | undefined,
  context: RequestContext,
  tools: PipelineTools,
): Response | undefined {
  try {
    note(response, context, tools)
  } catch (error) {
    tools.ports.log.error('A request could not be recorded', { id: context.id, ...errorFacts(error) })
  }
  return response
}

function note(response: Response | undefined, context: RequestContext, tools: PipelineTools): void {
  // Sallyport may have answered before all of the request came, and no one reads the rest of it.
  if (response !== undefined && !context.isForwarded && announcesBody(context.sent)) {
    tools.clientIdle.part(context.front, context.connection)
  }
  if (response !== undefined && tools.leaving.isOn) tools.leaving.mark(response)
  const status = response?.status ?? 101
  const statusClass = Math.floor(status / 100)
  tools.metrics.responses[statusClass] = (tools.metrics.responses[statusClass] ?? 0) + 1
  if (context.reason === null && context.route !== null) {
    tools.uses.note(context.route.config.id, context.startedMs, tools.ports.now())
  }
  if (tools.meter !== null) meterAnswer(response, status, context, tools.meter)
  const { trace } = context
  if (trace?.isSampled === true) endTrace(trace, status, context)
  if (context.snapshot.config.server.accessLog) writeRecord(response, context, tools)
}

/** What went to an upstream has its bytes counted on its way. */
function meterAnswer(response: Response | undefined, status: number, context: RequestContext, meter: Traffic): void {
  const routeId = context.route?.config.id ?? null
  meter.finished(routeId, status, context.cameAtMs)
  if (response === undefined || context.isForwarded || methodOf(context) === 'HEAD') return
  const length = parseLength(response.headers.get('content-length'))
  if (length !== null) meter.sent(routeId, status).add(length)
}

/** Writes the line of an answer: at once, or once its body is over. */
function writeRecord(response: Response | undefined, context: RequestContext, tools: PipelineTools): void {
  const { accessLog, ports } = tools
  context.tookMs = ports.now() - context.startedMs
  // Bun 1.4.5 closes a connection, with or without a 400, when an empty line, another request or trailers come before
  // the answer. The client then never sees the application's answer.
  const isLost = response !== undefined && context.connection.signal.aborted && !announcesTrailers(context.sent)
  context.status = isLost ? CLIENT_GONE : (response?.status ?? 101)
  if (isLost) context.reason ??= CLIENT_LEFT
  if (context.upstreamLabel === null) context.bytes = ownBytes(response, methodOf(context))
  if (context.isGoingOn) writeWhenOver(context, tools)
  else accessLog.write(LINE.of(context, context.startedMs + context.tookMs))
}

function writeWhenOver(context: RequestContext, { accessLog, ports }: PipelineTools): void {
  whenOver(context, () => accessLog.write(LINE.of(context, ports.now())))
}

/**
 * The line of a request, read off its context: one for all requests, since nothing is kept of it once it is written.
 */
class Line implements AccessRecord {
  #context: RequestContext | null = null
  #overMs = 0

  /** Of this request, whose answer was over at this time. */
  of(context: RequestContext, overMs: number): this {
    this.#context = context
    this.#overMs = overMs
    return this
  }

  get #of(): RequestContext {
    if (this.#context === null) throw new TypeError('a line is of a request')
    return this.#context
  }

  get atMs() {
    return this.#of.startedMs
  }
  get id() {
    return this.#of.id
  }
  get client() {
    return this.#of.client
  }
  get method() {
    return methodOf(this.#of)
  }
  get scheme() {
    return schemeOf(this.#of)
  }
  get host() {
    return this.#of.target?.host ?? '-'
  }
  get path() {
    return this.#of.target?.path ?? '-'
  }
  get protocol() {
    return protocolOf(this.#of)
  }
  get route() {
    return this.#of.route?.config.id ?? '-'
  }
  get upstream() {
    return this.#of.upstreamLabel
  }
  get user() {
    return this.#of.session?.identity.subject ?? null
  }
  get session() {
    const { session } = this.#of
    return session === null ? null : markOf(session)
  }
  get status() {
    return this.#of.status
  }
  get reason() {
    const { reason, isCut } = this.#of
    return reason ?? (isCut ? CUT : null)
  }
  get bytes() {
    return this.#of.bytes
  }
  get isAnnounced() {
    return this.#of.isAnnounced
  }
  get tookMs() {
    return this.#of.tookMs
  }
  get totalMs() {
    return this.#overMs - this.#of.startedMs
  }
  get agent() {
    return agentOf(this.#of.sent['user-agent'])
  }
  get referer() {
    return refererOf(this.#of.sent.referer)
  }
}

const LINE = new Line()

/** Spans wait by thousands for a receiver that does not answer. */
const MOST_OF_PATH = 1024

/** Ends the span of a request with its answer. */
function endTrace(trace: Trace, status: number, context: RequestContext): void {
  const { target, route, id, client, reason, upstreamLabel } = context
  const method = methodOf(context)
  const attributes: Attributes = {
    'http.request.method': method,
    'http.response.status_code': status,
    'url.scheme': schemeOf(context),
    'url.path': (target?.path ?? '-').slice(0, MOST_OF_PATH),
    'server.address': target?.host ?? '-',
    'client.address': client,
    'sallyport.request_id': id,
    ...(route === null ? {} : { 'http.route': route.config.id }),
    ...(upstreamLabel === null ? {} : { 'sallyport.upstream': upstreamLabel }),
  }
  // Receivers count by name: a host that no route has is a stranger's word.
  const name = `${method} ${route?.config.id ?? ''}`.trim()
  const end = () => {
    const { bytes, isAnnounced, isCut } = context
    const why = reason ?? (isCut ? CUT : null)
    const isKnown = upstreamLabel !== null && bytes !== null && !(isAnnounced && isCut)
    const size = isKnown ? { 'http.response.body.size': bytes } : {}
    trace.end(name, { ...attributes, ...size, ...(why === null ? {} : { 'error.type': why }) }, status >= 500 || isCut)
  }
  if (context.isGoingOn) whenOver(context, end)
  else end()
}

function whenOver(context: RequestContext, act: () => void): void {
  const before = context.onOver
  context.onOver = () => {
    before?.()
    act()
  }
}

/** The answer began, and broke off: its status says nothing of that. */
const CUT = 'answer.cut'

function markOf(session: Session): string {
  let mark = MARKS.get(session)
  if (mark === undefined) {
    mark = sessionMark(session.id)
    MARKS.set(session, mark)
  }
  return mark
}

const MARKS = new WeakMap<Session, string>()

/** How long an answer of our own is: a text, a file or nothing; null for one that is made while it is sent. */
export function ownBytes(response: Response | undefined, method: string): number | null {
  if (response === undefined || isStreamed(response)) return null
  // Most verdicts for a proxy in front: to look into an answer costs 2 µs.
  if (method === 'HEAD' || response.status === 204) return 0
  const body = Bun.peek(response.clone().blob())
  return body instanceof Blob ? body.size : null
}
