import { findClient } from '../../base/client-address.ts'
import { GateError, toGateError } from '../../base/errors.ts'
import { isCallback } from '../../portal/place.ts'
import type { SentFields } from '../../proxy/fields/request.ts'
import { announcesBody } from '../../proxy/lifetime/client-idle.ts'
import { parseTarget } from '../../route/target.ts'
import type { MaybePromise, Session } from '../../session/session.ts'
import type { GateRoute } from '../config/snapshot.ts'
import { takeToken } from '../credentials/token-field.ts'
import { finishRefusal } from './cors.ts'
import { enterRoute } from './decide.ts'
import { type Answer, type Front, hostField, NOBODY, type Passage, peerAddress, sessionToken } from './passage.ts'
import { portalRequest } from './portal-request.ts'
import { isClientGone } from './respond.ts'
import { redirectToHttps } from './to-https.ts'
import type { PipelineTools } from './tools.ts'
import { verify } from './verify.ts'
import { dialectAt } from './verify-dialects.ts'

const NO_ROUTES: readonly GateRoute[] = Object.freeze([])

export type Pipeline = (request: Request, front: Front) => MaybePromise<Response | undefined>

/** What becomes of a request by the kind of listener that it came to. */
export interface Pipelines {
  /** What anyone may ask for. */
  readonly requests: Pipeline
  /** What a proxy in front asks: whether a request may pass. Nothing else is answered there. */
  readonly questions: Pipeline
}

/**
 * The path of every request, in order: target, client, reserved paths, route, session, decision, forwarding, record.
 *
 * Invariants: the snapshot is read once; nothing is decided for a connection without an address; nothing is authorised by anything but
 * `Target`; whatever throws ends as an error answer and never as a forwarded request. Answers undefined only for a request that became a WebSocket.
 */
export function createPipelines(tools: PipelineTools): Pipelines {
  let count = 0
  return {
    requests: (request, front) => take(request, front, enter),
    questions: (request, front) => take(request, front, enterQuestion),
  }

  function take(request: Request, front: Front, begin: typeof enter): ReturnType<Pipeline> {
    const snapshot = tools.current()
    const sent = request.headers.toJSON() as Record<string, string>
    const token = takeToken(sent)
    const peer = peerAddress(front, request)
    const isPeerTrusted = peer !== null && snapshot.trusted.has(peer)
    const named = isPeerTrusted ? findClient(peer, sent['x-forwarded-for'] ?? null, snapshot.trusted) : null
    const passage: Passage = {
      request,
      sent,
      whole: token === null ? sent : null,
      token,
      front,
      connection: request,
      isForwarded: false,
      snapshot,
      startedMs: tools.ports.now(),
      id: `${tools.idPrefix}-${(count++).toString(36)}`,
      peer: peer ?? NOBODY,
      isPeerTrusted,
      client: named === null ? (peer ?? NOBODY) : named.address,
      isClientProven: named === null ? peer !== null : named.isProven,
      question: null,
      isMention: false,
      asked: null,
      mentions: null,
      target: null,
      portal: null,
      route: null,
      session: null,
    }
    try {
      const answer = peer === null ? tools.respond.gone() : begin(passage, tools)
      return answer instanceof Promise
        ? answer.then(
            response => record(passage, tools, response),
            (error: unknown) => fail(passage, tools, error),
          )
        : record(passage, tools, answer)
    } catch (error) {
      return fail(passage, tools, error)
    }
  }
}

function enter(passage: Passage, tools: PipelineTools): Answer {
  const { request, snapshot } = passage
  const target = parseTarget(request.method, request.url, hostField(passage))
  passage.target = target
  refuseTrailers(passage.sent)
  if (snapshot.rate !== null) tools.rates.take(snapshot.rate, passage.client, null)
  if (target.isReserved && dialectAt(target.path) !== null) {
    throw new GateError('route.none', 'a verdict was asked for on a listener that clients reach', {
      hint: 'let the proxy in front ask where verify in [server] says',
    })
  }
  const away = snapshot.redirectPort === null ? null : redirectToHttps(passage, target, snapshot.redirectPort)
  if (away !== null) return away
  const match = snapshot.table.match(target)
  const route = target.isReserved ? null : (match?.value ?? null)
  const portal = snapshot.portals.lookup(target.host) ?? null
  passage.portal = portal
  if (portal !== null && (target.isReserved || isCallback({ portal: portal.config, target })))
    return atPortal(passage, tools)
  if (target.isReserved) throw new GateError('route.none', `no portal serves ${target.host}`)
  if (route === null) {
    if (portal?.config.url?.host === target.host && target.path === '/') return atPortal(passage, tools)
    throw new GateError('route.none', `no route serves ${target.host}${target.path}`)
  }
  passage.route = route
  return enterRoute(passage, tools, route, match?.also ?? NO_ROUTES)
}

/**
 * Refuses a request that says that fields come after its body (RFC 9110 §6.6.2).
 *
 * Bun 1.4.5 hands such a request over, and once all of it has come answers 400 by itself: it would be carried out, and its client
 * told that it was not. By HTTP/2 it drops the fields, and all is well.
 */
function refuseTrailers({ trailer, 'transfer-encoding': coding }: SentFields): void {
  if (trailer === undefined || coding === undefined) return
  throw new GateError('target.header', 'Trailer announces fields after the body, which cannot be passed on', {
    hint: 'whoever sends this can leave its trailers out, or say its length instead of sending chunks',
  })
}

/** On a listener for proxies in front, where clients have no say but by what such a proxy states of them. */
function enterQuestion(passage: Passage, tools: PipelineTools): Answer {
  const { request, snapshot } = passage
  passage.target = parseTarget(request.method, request.url, passage.sent.host ?? null)
  return verify(passage, {
    limit: () => {
      if (snapshot.rate !== null) tools.rates.take(snapshot.rate, passage.client, null)
    },
    follow: (route, also) => enterRoute(passage, tools, route, also),
    fail: thrown => failure(passage, tools, thrown),
  })
}

function atPortal(passage: Passage, tools: PipelineTools): Answer {
  const { portal, target } = passage
  if (portal === null || target === null) throw new TypeError('a portal answers only for its own hosts')
  const token = sessionToken(passage)
  const found = token === null ? null : tools.sessions.find(token, target.host)
  const answer = (session: Session | null): Answer => {
    passage.session = session !== null && session.portal === portal.config.name ? session : null
    const context = portalRequest(passage)
    if (context === null) throw new TypeError('a portal answers only for its own hosts')
    return tools.portal.handle(context)
  }
  return found instanceof Promise ? found.then(answer) : answer(found)
}

function record(passage: Passage, tools: PipelineTools, response: Response | undefined): Response | undefined {
  // What was answered here may have been answered before all of it came, and the rest of it is nobody's.
  if (response !== undefined && !passage.isForwarded && announcesBody(passage.sent)) {
    tools.clientIdle.part(passage.front, passage.connection)
  }
  const status = response?.status ?? 101
  const statusClass = Math.floor(status / 100)
  tools.metrics.responses[statusClass] = (tools.metrics.responses[statusClass] ?? 0) + 1
  if (tools.accessLog.isOn) {
    const { target } = passage
    tools.accessLog.write({
      atMs: passage.startedMs,
      id: passage.id,
      client: passage.client,
      method: passage.request.method,
      host: target?.host ?? '-',
      path: target?.path ?? '-',
      route: passage.route?.config.id ?? '-',
      user: passage.session?.identity.subject ?? null,
      status,
      tookMs: tools.ports.now() - passage.startedMs,
    })
  }
  return response
}

function fail(passage: Passage, tools: PipelineTools, thrown: unknown): Response | undefined {
  return record(passage, tools, failure(passage, tools, thrown))
}

function failure(passage: Passage, tools: PipelineTools, thrown: unknown): Response {
  const error = toGateError(thrown)
  // What fails because its client left is no failure of an upstream.
  if (error.code.startsWith('upstream.') && !isClientGone(passage)) tools.metrics.upstreamErrors++
  else if (error.code === 'target.too_large') tools.metrics.tooLarge++
  else if (error.code === 'limit.rate') tools.metrics.rateLimited++
  else if (error.code === 'limit.open') tools.metrics.openLimited++
  return finishRefusal(passage, tools.respond.failed(passage, portalRequest(passage), error))
}
