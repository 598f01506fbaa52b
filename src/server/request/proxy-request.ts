/** Sends an allowed request to its upstream, or answers it from the route itself. */

import { parseLength } from '../../base/byte-counts.ts'
import { GateError } from '../../base/errors.ts'
import { andThen } from '../../base/maybe-promise.ts'
import { isUnder } from '../../config/values/path.ts'
import { isShutOut, looksAtMethod } from '../../policy/policy.ts'
import { tooLarge } from '../../proxy/body/upload-errors.ts'
import { makeReady } from '../../proxy/exchange.ts'
import { keepFromSharedCaches } from '../../proxy/fields/caching.ts'
import { countHop } from '../../proxy/fields/hop-by-hop.ts'
import type { Fields } from '../../proxy/fields/identity.ts'
import { changeRequestFields, type SentFields } from '../../proxy/fields/request.ts'
import { type BoundRules, changeHeaders, changeRequest, type RequestValues } from '../../proxy/fields/rules.ts'
import { forward } from '../../proxy/forward.ts'
import type { ForwardTools } from '../../proxy/forwarded.ts'
import { findOwnPages, type OwnPages } from '../../proxy/upstream/origin-and-referer.ts'
import type { Upstream } from '../../proxy/upstream/upstream.ts'
import { foldCase } from '../../route/readings.ts'
import { originAt, parseTarget, type Target } from '../../route/target.ts'
import { type GateRoute, isPrivate, upstreamPath } from '../config/snapshot.ts'
import type { Sockets } from '../listen/websockets.ts'
import type { OpenSpan, Trace } from '../observe/tracing/tracer.ts'
import {
  asksForWebSocket,
  type Decided,
  isOpenTo,
  type MaybeResponse,
  outerPrefix,
  portOf,
  presentAt,
  provenClient,
  type RequestContext,
  requestFacts,
  schemeOf,
  type Targeted,
  tellsOfWebSocket,
} from './context.ts'
import { lookAtLastUser } from './last-user.ts'
import { longestBody } from './limit.ts'
import { whileAllowed } from './while-allowed.ts'

/** What sending a request on needs of the process. */
export interface ProxyTools extends ForwardTools {
  readonly sockets: Sockets
  /** This gate's own name in Via; all workers of one gate share it. */
  readonly pseudonym: string
}

/**
 * Sends an allowed request on: to its upstream, by HTTP or as a WebSocket, or to what the route answers itself.
 */
export function proxyRequest(context: Decided, tools: ProxyTools): MaybeResponse {
  const { route, grant } = context
  const isFileFirst = route.upstream !== null && route.answering !== null
  const file = isFileFirst ? findFile(context) : null
  const answer = whileAllowed(file, context, tools, sendUnlessFile)
  return tellAnswer(answer, grant.answerFields, context.isPrivate)
}

/** Serves a file of a folder that comes before the upstream; otherwise forwards the request. */
function sendUnlessFile(file: Response | null, context: Decided, tools: ProxyTools): MaybeResponse {
  if (file !== null) return file
  const { live } = context.grant
  return live === null ? send(null, context, tools) : whileAllowed(live(), context, tools, send)
}

function send(live: Fields | null, context: Decided, tools: ProxyTools): MaybeResponse {
  const { target, snapshot, route, grant } = context
  const { upstream } = route
  if (upstream === null) return answerItself(context)
  const { requestRules, responseRules, authorization } = grant
  const maxBodyBytes = longestBody(context.match)
  if (maxBodyBytes !== null && !fitsLength(context.sent, route, maxBodyBytes)) context.maxBodyBytes = maxBodyBytes
  const isWebSocket = route.config.websockets && asksForWebSocket(context.sent)
  // The request's own fields are changed, unless something was taken out of `sent`, or something reads them again: a handshake
  // is looked at once more, and a rule may take away what an error page goes by.
  const scheme = schemeOf(context)
  context.scheme = scheme
  context.prefix = outerPrefix(context)
  const isOwn = context.sent === context.cameSent && context.cameToken === null && !isWebSocket && requestRules === null
  const headers = isOwn ? context.request.headers : new Headers(context.sent)
  changeRequestFields(headers, context.sent, {
    target,
    fateOf: snapshot.fateOf,
    identityFields: grant.fields,
    peer: context.peer,
    client: provenClient(context),
    isPeerTrusted: context.isPeerTrusted,
    clientField: snapshot.clientField,
    scheme,
    port: portOf(context, target, scheme),
    prefix: context.prefix + (route.bounds.own?.stripped ?? ''),
    requestId: context.id,
    pseudonym: tools.pseudonym,
    cookies: grant.cookies,
    checksMethod: looksAtMethod(route.policy),
  })
  if (target.method === 'OPTIONS' && countHop(headers)) return new Response(null, { status: 204 })
  const values = requestRules === null && responseRules === null ? null : requestValues(context)
  if (requestRules !== null && values !== null) changeRequest(headers, requestRules, values)
  const { hostHeader } = route.config
  if (hostHeader.kind === 'name') headers.set('host', hostHeader.name)
  if (authorization === null) headers.delete('authorization')
  else if (authorization !== undefined) headers.set('authorization', authorization)
  if (live !== null) for (const [name, value] of live) headers.set(name, value)
  const lastUser = lookAtLastUser(context, tools)
  if (lastUser?.isOther) headers.delete('cookie')
  const span = context.trace === null ? null : tellUpstream(context.trace, headers, target.method)
  const path = upstreamPath(route, target.path) + target.query
  if (route.config.hasOwnOrigin) context.ownPages = ownPagesOf(context, headers)
  if (isWebSocket) {
    const answer = openSocket(context, tools, upstream, headers, path)
    if (span !== null) endUpstream(span, answer, context)
    return values === null ? answer : changeAnswer(answer, responseRules, values, context.isPrivate)
  }
  context.isForwarded = true
  context.noteCookies = lastUser?.noteCookies ?? null
  makeReady(context, upstream, headers, path)
  const answer = forward(context, tools)
  if (span !== null) endUpstream(span, answer, context)
  const changed = values === null ? answer : changeAnswer(answer, responseRules, values, context.isPrivate)
  return lastUser === null ? changed : lastUser.finish(changed)
}

function ownPagesOf({ scheme, target, route }: Decided, headers: Headers): OwnPages {
  return findOwnPages(headers, originAt({ scheme, target }), page => insidePath(route, page))
}

function openSocket(
  context: Decided,
  tools: ProxyTools,
  upstream: Upstream,
  headers: Headers,
  path: string,
): MaybeResponse {
  const { request, front, route, match, session, elsewhere, client, target, sent, ownPages, scheme, prefix } = context
  // A handshake has no use for them, and nothing here writes them for an address that is yet to be chosen.
  for (const { name } of context.mentions ?? []) headers.delete(name)
  return tools.sockets.open({
    request,
    front,
    route,
    upstream,
    session,
    elsewhere,
    also: match.also,
    client,
    provenClient: provenClient(context),
    target,
    sent,
    fields: headers.toJSON() as Record<string, string>,
    path,
    ownPages,
    bounds: context.isPrivate ? route.privateBounds : route.bounds,
    scheme,
    prefix,
    delivery: context,
  })
}

/** Says to the application in which trace it is asked. What a client says of that itself does not reach it (`pipeline.ts`). */
function tellUpstream(trace: Trace, headers: Headers, method: string): OpenSpan {
  const span = trace.open(method, 'client')
  headers.set('traceparent', span.traceparent)
  if (!trace.isContinued) headers.delete('tracestate')
  return span
}

/** The span of an upstream is over with the head of its answer. */
function endUpstream(span: OpenSpan, answer: MaybeResponse, context: Decided): void {
  if (context.trace?.isSampled !== true) return
  const { method } = context.target
  const end = (status: number) => {
    const asked = { 'http.request.method': method, 'server.address': context.upstreamLabel ?? '-' }
    span.end({ ...asked, 'http.response.status_code': status }, status >= 500)
  }
  const fail = () => span.end({ 'server.address': context.upstreamLabel ?? '-', 'error.type': 'upstream' }, true)
  if (answer instanceof Promise) answer.then(response => end(response?.status ?? 101), fail)
  else end(answer?.status ?? 101)
}

/** The path of a page, with its query, as the application has it; null for one that is not below `strip_prefix`. */
function insidePath(route: GateRoute, page: string): string | null {
  const { config } = route
  const path = /^[^?#]*/.exec(page)?.[0] ?? ''
  const spelt = (text: string) => (config.ignoresCase ? foldCase(text) : text)
  const isInside = config.stripPrefix === null || isUnder(spelt(path), spelt(config.stripPrefix))
  return isInside && route.rewrite === null ? upstreamPath(route, page) : null
}

/** Whether a body's announced length is within the limit; false where none is announced, or one that is none. Throws target.too_large. */
function fitsLength(sent: SentFields, route: GateRoute, maxBytes: number): boolean {
  const length = parseLength(sent['content-length'])
  if (length === null) return false
  if (length <= maxBytes) return true
  throw tooLarge(route.config.id, maxBytes)
}

/** What templates can say of a request. Asked for only where a route has templates. */
export function requestValues(context: Targeted): RequestValues {
  const { host, path, query, method } = context.target
  return { host, path, query, method, client: context.client, request_id: context.id, scheme: schemeOf(context) }
}

/**
 * The answer with a route's rules applied, where it has rules. An established WebSocket has no answer to change. An
 * answer with `isPrivate` stays private, despite the rules.
 */
export function changeAnswer(
  answer: MaybeResponse,
  rules: BoundRules | null,
  values: RequestValues,
  isPrivate: boolean,
): MaybeResponse {
  return rules === null ? answer : andThen(answer, change, rules, values, isPrivate)
}

function change(
  response: Response | undefined,
  rules: BoundRules,
  values: RequestValues,
  isPrivate: boolean,
): Response | undefined {
  if (response === undefined) return response
  changeHeaders(response.headers, rules, values)
  if (isPrivate) keepFromSharedCaches(response.headers)
  return response
}

/** The answer with the fields that say who asked, where there are any; but for one that a shared cache may hand to others. */
export function tellAnswer(answer: MaybeResponse, fields: Fields, isPrivate: boolean): MaybeResponse {
  return fields.length === 0 || !isPrivate ? answer : andThen(answer, tell, fields)
}

function tell(response: Response | undefined, fields: Fields): Response | undefined {
  if (response !== undefined) for (const [name, value] of fields) response.headers.set(name, value)
  return response
}

/** A redirect, a fixed response or a file: what a route answers that has no upstream. */
export function answerItself(context: Decided): MaybeResponse {
  const { target, route, grant } = context
  const { answering } = route
  if (answering === null) throw new TypeError(`${route.config.id} leads nowhere`)
  const values = requestValues(context)
  const path = upstreamPath(route, target.path)
  const isClosed = (address: string) => isClosedAt(address, context, target, route)
  const answer = answering({ request: context.request, path, query: target.query, values, isClosed })
  return andThen(answer, response => {
    if (grant.responseRules !== null) changeHeaders(response.headers, grant.responseRules, values)
    if (context.isPrivate) keepFromSharedCaches(response.headers)
    return response
  })
}

/** The file of a route whose folder comes before its upstream; null: no file has this name. */
export async function findFile(context: Decided): Promise<Response | null> {
  try {
    return (await answerItself(context)) ?? null
  } catch (error) {
    if (error instanceof GateError && error.code === 'files.none') return null
    throw error
  }
}

/**
 * Whether another address of the host is closed to the client: by the `deny` of the route itself, or by another route
 * that has it. One that redirects closes nothing: it sends browsers to the address that was asked for. Neither does one
 * that is for all the rest, of which the address that was asked for is an exception.
 *
 * Absent on purpose: `allow` of the route itself, which may well name the address that was asked for alone.
 *
 * Writes `isPrivate`: no shared cache may keep what depends on such a route.
 */
function isClosedAt(address: string, context: RequestContext, target: Target, route: GateRoute): boolean {
  const { snapshot, session, found, sent } = context
  const named = targetAt(address, target)
  if (named === null) return true
  const factsOf = (there: typeof session) => ({ ...requestFacts(context, there), target: named })
  if (isShutOut(route.policy, session?.identity ?? null, factsOf(session))) return true
  const match = snapshot.table.match(named)
  if (match === null) return false
  return [match.value, ...match.also].some(other => {
    if (other === route || other.config.answer?.kind === 'redirect' || isRest(other, target.path)) return false
    const there = presentAt(other, found)
    // Whatever comes of it: somebody else is shown something else.
    context.isPrivate ||= isPrivate(other, there)
    return !isOpenTo(other, there?.identity ?? null, factsOf(there), () => tellsOfWebSocket(sent))
  })
}

/** Null for an address that is refused, whoever asks for it. */
function targetAt(address: string, { method, query, authority }: Target): Target | null {
  try {
    return parseTarget(method, address + query, authority)
  } catch (error) {
    if (error instanceof GateError) return null
    throw error
  }
}

/** Whether a route would have a path, too, where no other had it. */
function isRest({ config: { isExact, when, ignoresCase, path } }: GateRoute, asked: string): boolean {
  if (isExact || when !== null) return false
  return ignoresCase ? isUnder(foldCase(asked), foldCase(path)) : isUnder(asked, path)
}
