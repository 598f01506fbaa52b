import { parseLength } from '../../base/amounts.ts'
import type { RouteConfig } from '../../config/resolve/routes.ts'
import { isUnder } from '../../config/values/path.ts'
import { looksAtMethod } from '../../policy/policy.ts'
import { tooLarge } from '../../proxy/body/uploads.ts'
import { countHop } from '../../proxy/fields/hop-by-hop.ts'
import type { Fields } from '../../proxy/fields/identity.ts'
import { changeRequestFields, type SentFields } from '../../proxy/fields/request.ts'
import { changeRequest } from '../../proxy/fields/rules.ts'
import { forward } from '../../proxy/forward.ts'
import type { ForwardTools } from '../../proxy/job.ts'
import { findOwnPages } from '../../proxy/upstream/own-pages.ts'
import { foldCase } from '../../route/readings.ts'
import { originAt } from '../../route/target.ts'
import { type GateRoute, type Prepared, upstreamPath } from '../config/snapshot.ts'
import type { Sockets } from '../listen/sockets.ts'
import type { OpenSpan, Trace } from '../observe/tracing/tracer.ts'
import { asksForWebSocket } from './handshake.ts'
import { lookAtLastUser } from './last-user.ts'
import { type Answer, outerPrefix, type Passage, portOf, schemeOf } from './passage.ts'
import { provenClient } from './policy-input.ts'
import { answerItself, changeAnswer, findFile, requestValues, tellAnswer } from './rewrite.ts'
import { whileAllowed } from './while-allowed.ts'

/** What sending a request on needs of the process. */
export interface PassTools extends ForwardTools {
  readonly sockets: Sockets
  /** This gate's own name in Via; all workers of one gate share it. */
  readonly pseudonym: string
}

/**
 * Sends an allowed request on: to its upstream, by HTTP or as a WebSocket, or to what the route answers itself. `maxBodyBytes` is how
 * long its body may be.
 */
export function pass(
  passage: Passage,
  tools: PassTools,
  route: GateRoute,
  prepared: Prepared,
  maxBodyBytes: number | null,
): Answer {
  const { target } = passage
  const isFileFirst = route.upstream !== null && route.answering !== null && target !== null
  const file = isFileFirst ? findFile(passage, target, route, prepared, schemeOf(passage)) : null
  const answer = whileAllowed(file, passage, tools, sendUnlessFile, route, prepared, maxBodyBytes)
  return tellAnswer(answer, prepared.answerFields, passage.isPrivate)
}

/** Serves a file of a folder that comes before the upstream; otherwise forwards the request. */
function sendUnlessFile(
  file: Response | null,
  passage: Passage,
  tools: PassTools,
  route: GateRoute,
  prepared: Prepared,
  maxBodyBytes: number | null,
): Answer {
  if (file !== null) return file
  return prepared.live === null
    ? send(null, passage, tools, route, prepared, maxBodyBytes)
    : whileAllowed(prepared.live(), passage, tools, send, route, prepared, maxBodyBytes)
}

function send(
  live: Fields | null,
  passage: Passage,
  tools: PassTools,
  route: GateRoute,
  prepared: Prepared,
  maxBodyBytes: number | null,
): Answer {
  const { request, front, target, session, elsewhere, snapshot } = passage
  if (target === null) throw new TypeError('a request is forwarded only once its target is known')
  const { upstream } = route
  if (upstream === null) return answerItself(passage, target, route, prepared, schemeOf(passage))
  const bounds = passage.isPrivate ? route.privateBounds : route.bounds
  const isUnmeasured = maxBodyBytes !== null && !fitsLength(passage.sent, route, maxBodyBytes)
  const isWebSocket = route.config.websockets && asksForWebSocket(passage.sent)
  const { requestRules, responseRules } = prepared
  // The request's own fields are changed, unless something was taken out of `sent`, or something reads them again: a handshake
  // is looked at once more, and a rule may take away what an error page goes by.
  const scheme = schemeOf(passage)
  const prefix = outerPrefix(passage)
  const isOwn = passage.sent === passage.cameSent && passage.cameToken === null && !isWebSocket && requestRules === null
  const headers = isOwn ? request.headers : new Headers(passage.sent)
  changeRequestFields(headers, passage.sent, {
    target,
    fateOf: snapshot.fateOf,
    identityFields: prepared.fields,
    peer: passage.peer,
    client: provenClient(passage),
    isPeerTrusted: passage.isPeerTrusted,
    clientField: snapshot.clientField,
    scheme,
    port: portOf(passage, target, scheme),
    prefix: prefix + (bounds.own?.stripped ?? ''),
    requestId: passage.id,
    pseudonym: tools.pseudonym,
    checksMethod: looksAtMethod(route.policy),
  })
  if (target.method === 'OPTIONS' && countHop(headers)) return new Response(null, { status: 204 })
  const values = requestRules === null && responseRules === null ? null : requestValues(passage, target, scheme)
  if (requestRules !== null && values !== null) changeRequest(headers, requestRules, values)
  const { hostHeader } = route.config
  if (hostHeader.kind === 'name') headers.set('host', hostHeader.name)
  const { authorization } = prepared
  if (authorization === null) headers.delete('authorization')
  else if (authorization !== undefined) headers.set('authorization', authorization)
  if (live !== null) for (const [name, value] of live) headers.set(name, value)
  const lastUser = lookAtLastUser(passage, target, route, prepared, tools)
  if (lastUser?.isOther) headers.delete('cookie')
  const span = passage.trace === null ? null : tellUpstream(passage.trace, headers, target.method)
  const path = upstreamPath(route.config, target.path) + target.query
  const ownPages = route.config.hasOwnOrigin
    ? findOwnPages(headers, originAt({ scheme, target }), page => insidePath(route.config, page))
    : null
  if (isWebSocket) {
    // A handshake has no use for them, and nothing here writes them for an address that is yet to be chosen.
    for (const { name } of passage.mentions ?? []) headers.delete(name)
    const answer = tools.sockets.open({
      request,
      front,
      route,
      upstream,
      session,
      elsewhere,
      client: passage.client,
      provenClient: provenClient(passage),
      target,
      sent: passage.sent,
      fields: headers.toJSON() as Record<string, string>,
      path,
      ownPages,
      bounds,
      scheme,
      prefix,
      account: passage.account,
    })
    endUpstream(span, answer, passage)
    return values === null ? answer : changeAnswer(answer, responseRules, values, passage.isPrivate)
  }
  passage.isForwarded = true
  const answer = forward(
    {
      request,
      body: request.body,
      method: target.method,
      upstream,
      path,
      sent: passage.sent,
      headers,
      hasOwnHost: route.config.hostHeader.kind === 'upstream',
      ownPages,
      timeoutMs: route.config.timeoutMs,
      routeId: route.config.id,
      maxBodyBytes: isUnmeasured ? maxBodyBytes : null,
      keepLengthBytes: route.config.keepLengthBytes,
      bounds,
      client: passage.client,
      provenClient: provenClient(passage),
      target,
      scheme,
      prefix,
      session,
      elsewhere,
      front,
      connection: passage.connection,
      mentions: passage.mentions,
      noteCookies: lastUser?.noteCookies ?? null,
      account: passage.account,
    },
    tools,
  )
  endUpstream(span, answer, passage)
  const changed = values === null ? answer : changeAnswer(answer, responseRules, values, passage.isPrivate)
  return lastUser === null ? changed : lastUser.finish(changed)
}

/** Says to the application in which trace it is asked. What a client says of that itself does not reach it (`receive.ts`). */
function tellUpstream(trace: Trace, headers: Headers, method: string): OpenSpan {
  const span = trace.open(method, 'client')
  headers.set('traceparent', span.traceparent)
  if (!trace.isContinued) headers.delete('tracestate')
  return span
}

/** The span of an upstream is over with the head of its answer. */
function endUpstream(span: OpenSpan | null, answer: Answer, { trace, target, account }: Passage): void {
  if (span === null || trace?.isSampled !== true) return
  const end = (status: number) => {
    const asked = { 'http.request.method': target?.method ?? '-', 'server.address': account?.upstream ?? '-' }
    span.end({ ...asked, 'http.response.status_code': status }, status >= 500)
  }
  const fail = () => span.end({ 'server.address': account?.upstream ?? '-', 'error.type': 'upstream' }, true)
  if (answer instanceof Promise) answer.then(response => end(response?.status ?? 101), fail)
  else end(answer?.status ?? 101)
}

/** The path of a page, with its query, as the application has it; null for one that is not below `strip_prefix`. */
function insidePath(config: RouteConfig, page: string): string | null {
  const path = /^[^?#]*/.exec(page)?.[0] ?? ''
  const spelt = (text: string) => (config.ignoresCase ? foldCase(text) : text)
  const isInside = config.stripPrefix === null || isUnder(spelt(path), spelt(config.stripPrefix))
  return isInside && config.rewrite === null ? upstreamPath(config, page) : null
}

/** Whether a body's announced length is within the limit; false where none is announced, or one that is none. Throws target.too_large. */
function fitsLength(sent: SentFields, route: GateRoute, maxBytes: number): boolean {
  const length = parseLength(sent['content-length'])
  if (length === null) return false
  if (length <= maxBytes) return true
  throw tooLarge(route.config.id, maxBytes)
}
