import { GateError, toGateError } from '../base/errors.ts'
import { findClient } from '../base/net.ts'
import type { Ports } from '../base/ports.ts'
import { allowsMethod, type Decision, decideAccess, decidePolicy, looksAtMethod } from '../policy/policy.ts'
import { isCallback } from '../portal/place.ts'
import type { Portal } from '../portal/portal.ts'
import type { SentFields } from '../proxy/request-fields.ts'
import { parseTarget } from '../route/target.ts'
import type { Links } from '../session/links.ts'
import type { MaybePromise, Session, Sessions } from '../session/session.ts'
import type { Tokens } from '../session/tokens.ts'
import type { AccessLog } from './access-log.ts'
import type { AccessTokens } from './access-tokens.ts'
import { takeToken } from './credential.ts'
import { requestFacts } from './facts.ts'
import { findGuest } from './guests.ts'
import type { LiveFieldTools } from './live-fields.ts'
import { findMachine, type Machine } from './machine.ts'
import { judgeMentions, MAY_BE, mentionsOthers } from './mentions.ts'
import type { Metrics } from './metrics.ts'
import { holdToMethod, refuseOverrides } from './one-method.ts'
import { type PassTools, pass } from './pass.ts'
import { type Answer, type Front, hostField, NOBODY, type Passage, peerAddress, sessionToken } from './passage.ts'
import type { Passwords } from './passwords.ts'
import { portalRequest } from './portal-request.ts'
import { prepareSession } from './prepare.ts'
import type { Rates } from './rates.ts'
import { finishRefusal } from './refusal.ts'
import type { Respond } from './respond.ts'
import { passKept } from './send-kept.ts'
import type { GateRoute, Prepared, Snapshot } from './snapshot.ts'
import { redirectToHttps } from './to-https.ts'
import { approve, verify } from './verify.ts'
import { dialectAt, tellsOfBody } from './verify-dialects.ts'

export interface PipelineTools extends PassTools {
  readonly ports: Pick<Ports, 'fetch' | 'now' | 'log'>
  readonly sessions: Sessions &
    LiveFieldTools['sessions'] & { readonly tokens: Pick<Tokens, 'find'>; readonly links: Pick<Links, 'find'> }
  readonly accessTokens: AccessTokens
  readonly passwords: Passwords
  readonly portal: Portal
  readonly respond: Respond
  readonly accessLog: AccessLog
  readonly metrics: Metrics
  readonly rates: Rates
  /** The beginning of this process's request ids. */
  readonly idPrefix: string
  /** The snapshot in force: read once a request. */
  current(): Snapshot
}

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

/** The route is known: find out who asks, then decide. `also` are those that another reading of the path would reach. */
function enterRoute(passage: Passage, tools: PipelineTools, route: GateRoute, also: readonly GateRoute[]): Answer {
  const { target, portal } = passage
  if (target === null) throw new TypeError('a route is entered only by a known target')
  if (!route.config.serviceWorkers && asksForServiceWorker(passage)) {
    throw new GateError('route.service_worker', 'the script of a service worker was asked for', {
      facts: { route: route.config.id },
      hint: `if the application may have one, remove service_workers from "${route.config.id}"`,
    })
  }
  // Who is signed in is looked up only after what does not depend on it.
  if (!passage.isMention) {
    if (mentionsOthers(passage.sent)) passage.asked = { ...passage }
    if (route.rate !== null && route.rate.by !== 'user') tools.rates.take(route.rate, passage.client, null)
  }
  const machine = findMachine(passage, tools, route)
  if (machine !== null) {
    return machine instanceof Promise
      ? machine.then(found => settleMachine(passage, tools, route, found, also))
      : settleMachine(passage, tools, route, machine, also)
  }
  if ((!route.needsSession && also.length === 0) || portal === null) {
    return settle(passage, tools, route, null, also)
  }
  const token = sessionToken(passage)
  if (token === null) return settle(passage, tools, route, null, also)
  const session = tools.sessions.find(token, target.host)
  return session instanceof Promise
    ? session.then(found => settle(passage, tools, route, found, also))
    : settle(passage, tools, route, session, also)
}

/** Another reading of the path must not lead to a route that does not take what was brought, or to another portal with like-named roles. */
function settleMachine(
  passage: Passage,
  tools: PipelineTools,
  route: GateRoute,
  { session, denial, by }: Machine,
  also: readonly GateRoute[],
): Answer {
  if (denial !== null) {
    passage.session = session
    return turnAway(passage, tools, denial)
  }
  const stray =
    session === null ? undefined : also.find(({ config }) => !config[by] || config.portal !== route.config.portal)
  if (stray !== undefined) throw ambiguousPath(route, stray)
  return settle(passage, tools, route, session, also)
}

function ambiguousPath(route: GateRoute, other: GateRoute): GateError {
  return new GateError('target.ambiguous', `the path can be read as one under "${other.config.id}"`, {
    facts: { route: route.config.id, other: other.config.id },
  })
}

/** Session known (or nobody): decide, then act on the verdict. */
function settle(
  passage: Passage,
  tools: PipelineTools,
  route: GateRoute,
  found: Session | null,
  also: readonly GateRoute[],
): Answer {
  const session = found !== null && found.portal === route.config.portal ? found : null
  passage.session = session
  if (route.rate !== null && route.rate.by === 'user' && !passage.isMention)
    tools.rates.take(route.rate, passage.client, session)
  const identity = session?.identity ?? null
  if (!allowsMethod(route.policy, passage.request.method)) {
    const decision = decidePolicy(route.policy, identity, requestFacts(passage, session))
    return turnAway(passage, tools, decision)
  }
  const prepared = session === null ? route.anonymous : prepareSession(route, session, tools)
  const decision = prepared.decision ?? decideAccess(route.policy, identity, requestFacts(passage, session))
  const isExcused = decision.verdict === 'sign-in' && route.config.corsPreflight && isPreflight(passage)
  if (decision.verdict !== 'allow' && !isExcused) {
    if (!route.takesGuests || passage.token !== null) return turnAway(passage, tools, decision)
    const guest = findGuest(passage, tools, route, also)
    return guest instanceof Promise
      ? guest.then(found => settleGuest(passage, tools, route, found, also, decision))
      : settleGuest(passage, tools, route, guest, also, decision)
  }
  // Nobody is asked who they are for OPTIONS alone: nothing may name another method to the application.
  if (isExcused) holdToMethod(passage)
  return proceed(passage, tools, route, prepared, found, also)
}

/** Whoever may not pass as themselves may still have a guest link for this address. */
function settleGuest(
  passage: Passage,
  tools: PipelineTools,
  route: GateRoute,
  guest: Session | null,
  also: readonly GateRoute[],
  refusal: Decision,
): Answer {
  if (guest === null) return turnAway(passage, tools, refusal)
  const prepared = prepareSession(route, guest, tools)
  const decision = prepared.decision ?? decideAccess(route.policy, guest.identity, requestFacts(passage, guest))
  // A guest who comes at the wrong time is told so, instead of being asked for an account.
  if (decision.verdict !== 'allow') return turnAway(passage, tools, refusal.verdict === 'sign-in' ? decision : refusal)
  passage.session = guest
  return proceed(passage, tools, route, prepared, guest, also)
}

/** Allowed here, as whoever was found, and in every other reading of the path: on it goes. */
function proceed(
  passage: Passage,
  tools: PipelineTools,
  route: GateRoute,
  prepared: Prepared,
  found: Session | null,
  also: readonly GateRoute[],
): Answer {
  for (const other of also) {
    // Who somebody is counts there as it would if that route were asked for, whatever this one looks at.
    const there = found !== null && found.portal === other.config.portal ? found : null
    const { verdict } = decidePolicy(other.policy, there?.identity ?? null, requestFacts(passage, there))
    if (verdict !== 'allow') throw ambiguousPath(route, other)
    // The other route was asked about this method, and no field may name another to its application.
    if (looksAtMethod(other.policy)) holdToMethod(passage)
  }
  if (looksAtMethod(route.policy)) refuseOverrides(passage)
  if (passage.isMention) return MAY_BE
  if (passage.asked === null || (route.upstream === null && passage.question === null))
    return goOn(passage, tools, route, prepared)
  return judgeMentions(passage.asked, route, (there, its, also) => enterRoute(there, tools, its, also)).then(
    mentions => {
      passage.mentions = mentions
      return goOn(passage, tools, route, prepared)
    },
  )
}

/** Everything has been decided. */
function goOn(passage: Passage, tools: PipelineTools, route: GateRoute, prepared: Prepared): Answer {
  if (passage.question !== null) return approve(passage, route, prepared)
  return route.config.keepPostsBytes === null
    ? pass(passage, tools, route, prepared)
    : passKept(passage, tools, route, prepared)
}

/** A browser's question before a request across origins, which never has cookies (Fetch §4.8). It has no body either. */
function isPreflight({ request, sent, session, question }: Passage): boolean {
  return (
    request.method === 'OPTIONS' &&
    session === null &&
    sent.origin !== undefined &&
    sent['access-control-request-method'] !== undefined &&
    sent.upgrade === undefined &&
    (question === null ? request.body === null : !tellsOfBody(sent))
  )
}

/** Whether a browser registers a service worker, or looks for a newer one (Service Workers §4.2.1, W3C Fetch Metadata §2.1). */
function asksForServiceWorker({ sent }: Passage): boolean {
  return sent['service-worker'] !== undefined || sent['sec-fetch-dest'] === 'serviceworker'
}

/** Any verdict that is not to allow, and any that nobody knows. */
function turnAway(passage: Passage, tools: PipelineTools, decision: Decision): Answer {
  const context = passage.token === null && !passage.isMention ? portalRequest(passage) : null
  if (decision.verdict === 'sign-in' && context !== null) {
    tools.metrics.signInsAsked++
    return refused(passage, tools.portal.challenge(context))
  }
  if (decision.verdict === 'step-up' && context !== null) {
    tools.metrics.signInsAsked++
    tools.respond.noteDecision(passage, decision)
    return refused(passage, tools.portal.stepUp(context, decision.demand))
  }
  tools.metrics.denied++
  return finishRefusal(passage, tools.respond.denied(passage, context, decision))
}

function refused(passage: Passage, answer: MaybePromise<Response>): MaybePromise<Response> {
  return answer instanceof Promise
    ? answer.then(response => finishRefusal(passage, response))
    : finishRefusal(passage, answer)
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
  if (error.code.startsWith('upstream.')) tools.metrics.upstreamErrors++
  else if (error.code === 'target.too_large') tools.metrics.tooLarge++
  else if (error.code === 'limit.rate') tools.metrics.rateLimited++
  return finishRefusal(passage, tools.respond.failed(passage, portalRequest(passage), error))
}
