import { GateError, toGateError } from '../base/errors.ts'
import { canonicalAddress, findClient } from '../base/net.ts'
import type { Ports } from '../base/ports.ts'
import { allowsMethod, type Decision, decideAccess, decidePolicy, NO_FACTS } from '../policy/policy.ts'
import type { Portal, PortalRequest } from '../portal/portal.ts'
import { bindRules, changeFields } from '../proxy/field-rules.ts'
import { type ForwardTools, forward, tooLarge } from '../proxy/forward.ts'
import { requestFields, type SentFields } from '../proxy/request-fields.ts'
import { parseTarget, type Target } from '../route/target.ts'
import { cookieName, readCookie } from '../session/cookie.ts'
import type { MaybePromise, Session, Sessions } from '../session/session.ts'
import type { AccessLog } from './access-log.ts'
import { provenClient, requestFacts } from './facts.ts'
import type { Metrics } from './metrics.ts'
import type { Rates } from './rates.ts'
import type { Respond } from './respond.ts'
import { answerItself, changeAnswer, requestValues } from './rewrite.ts'
import { type GatePortal, type GateRoute, type Prepared, type Snapshot, upstreamPath } from './snapshot.ts'
import type { Sockets } from './sockets.ts'

/** What Bun hands to a request's handler, as far as the pipeline uses it. */
export type Front = Bun.Server<unknown>

export interface PipelineTools extends ForwardTools {
  readonly ports: Pick<Ports, 'fetch' | 'now' | 'log'>
  readonly sessions: Sessions
  readonly portal: Portal
  readonly respond: Respond
  readonly sockets: Sockets
  readonly accessLog: AccessLog
  readonly metrics: Metrics
  readonly rates: Rates
  /** This gate's own name in Via; all workers of one gate share it. */
  readonly pseudonym: string
  /** The beginning of this process's request ids. */
  readonly idPrefix: string
  /** The snapshot in force: read once a request. */
  current(): Snapshot
}

/** One request on its way: everything decided so far, filled in from top to bottom. */
export interface Passage {
  readonly request: Request
  /** The request's fields, read once. */
  readonly sent: SentFields
  readonly front: Front
  readonly snapshot: Snapshot
  readonly startedMs: number
  readonly id: string
  readonly peer: string
  readonly isPeerTrusted: boolean
  readonly client: string
  /** Whether the client's address is beyond doubt. */
  readonly isClientProven: boolean
  target: Target | null
  portal: GatePortal | null
  route: GateRoute | null
  session: Session | null
}

export type Pipeline = (request: Request, front: Front) => MaybePromise<Response | undefined>

const NO_FIELDS: Prepared['fields'] = Object.freeze([])

/**
 * The path of every request, in order: target, client, reserved paths, route, session, decision, forwarding, record.
 *
 * Invariants: the snapshot is read once; nothing is authorised by anything but `Target`; whatever throws ends as an error
 * answer and never as a forwarded request. Answers undefined only for a request that became a WebSocket.
 */
export function createPipeline(tools: PipelineTools): Pipeline {
  let count = 0

  return (request, front) => {
    const snapshot = tools.current()
    const sent = request.headers.toJSON() as SentFields
    const peer = peerAddress(front, request)
    const isPeerTrusted = snapshot.trusted.has(peer)
    const named = isPeerTrusted ? findClient(peer, sent['x-forwarded-for'] ?? null, snapshot.trusted) : null
    const passage: Passage = {
      request,
      sent,
      front,
      snapshot,
      startedMs: tools.ports.now(),
      id: `${tools.idPrefix}-${(count++).toString(36)}`,
      peer,
      isPeerTrusted,
      client: named === null ? peer : named.address,
      isClientProven: named === null || named.isProven,
      target: null,
      portal: null,
      route: null,
      session: null,
    }
    try {
      const answer = enter(passage, tools)
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

type Answer = MaybePromise<Response | undefined>

function enter(passage: Passage, tools: PipelineTools): Answer {
  const { request, snapshot } = passage
  const target = parseTarget(request.method, request.url, hostField(passage))
  passage.target = target
  if (snapshot.rate !== null) tools.rates.take(snapshot.rate, passage.client, null)
  const match = snapshot.table.match(target)
  const route = target.isReserved ? null : (match?.value ?? null)
  const portal = snapshot.portals.lookup(target.host) ?? null
  passage.portal = portal
  if (portal !== null && (target.isReserved || target.path === portal.config.callbackPath))
    return atPortal(passage, tools)
  if (target.isReserved) throw new GateError('route.none', `no portal serves ${target.host}`)
  if (route === null) {
    if (portal?.config.url?.host === target.host && target.path === '/') return atPortal(passage, tools)
    throw new GateError('route.none', `no route serves ${target.host}${target.path}`)
  }
  passage.route = route
  // Who is signed in is looked up only after what does not depend on it.
  if (route.rate !== null && route.rate.by !== 'user') tools.rates.take(route.rate, passage.client, null)
  if (!route.needsSession || portal === null) {
    return settle(passage, tools, route, null, match?.also ?? [])
  }
  const token = sessionToken(passage)
  if (token === null) return settle(passage, tools, route, null, match?.also ?? [])
  const session = tools.sessions.find(token, target.host)
  return session instanceof Promise
    ? session.then(found => settle(passage, tools, route, found, match?.also ?? []))
    : settle(passage, tools, route, session, match?.also ?? [])
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
  if (route.rate !== null && route.rate.by === 'user') tools.rates.take(route.rate, passage.client, session)
  const identity = session?.identity ?? null
  if (!allowsMethod(route.policy, passage.request.method)) {
    const decision = decidePolicy(route.policy, identity, requestFacts(passage, session))
    return turnAway(passage, tools, decision)
  }
  const prepared = session === null ? route.anonymous : prepareSession(route, session)
  const decision = prepared.decision ?? decideAccess(route.policy, identity, requestFacts(passage, session))
  const isExcused = decision.verdict === 'sign-in' && route.config.corsPreflight && isPreflight(passage)
  if (decision.verdict !== 'allow' && !isExcused) return turnAway(passage, tools, decision)
  for (const other of also) {
    const verdict = decidePolicy(other.policy, identity, requestFacts(passage, session))
    if (verdict.verdict === 'allow') continue
    throw new GateError('target.ambiguous', `the path can be read as one under "${other.config.id}"`, {
      facts: { route: route.config.id, other: other.config.id },
    })
  }
  return pass(passage, tools, route, prepared)
}

/** A browser's question before a request across origins, which never has cookies (Fetch §4.8). It has no body either. */
function isPreflight({ request, sent, session }: Passage): boolean {
  return (
    request.method === 'OPTIONS' &&
    session === null &&
    sent.origin !== undefined &&
    sent['access-control-request-method'] !== undefined &&
    sent.upgrade === undefined &&
    request.body === null
  )
}

function pass(passage: Passage, tools: PipelineTools, route: GateRoute, prepared: Prepared): Answer {
  const { request, front, target, session, snapshot } = passage
  if (target === null) throw new TypeError('a request is forwarded only once its target is known')
  const { upstream } = route
  if (upstream === null) return answerItself(passage, target, route, prepared, schemeOf(passage))
  const { maxBodyBytes } = route.config
  const isUnmeasured = maxBodyBytes !== null && !fitsLength(passage.sent, route, maxBodyBytes)
  const fields = requestFields(passage.sent, {
    target,
    fateOf: snapshot.fateOf,
    identityFields: prepared.fields,
    peer: passage.peer,
    client: passage.client,
    isPeerTrusted: passage.isPeerTrusted,
    scheme: schemeOf(passage),
    requestId: passage.id,
    pseudonym: tools.pseudonym,
    checksMethod: route.policy.methods !== null || route.policy.needs.method,
  })
  const { requestRules, responseRules } = prepared
  const values =
    requestRules === null && responseRules === null ? null : requestValues(passage, target, schemeOf(passage))
  if (requestRules !== null && values !== null) changeFields(fields, requestRules, values)
  const { hostHeader } = route.config
  if (hostHeader.kind === 'name') fields.host = hostHeader.name
  if (upstream.authorization !== null) fields.authorization = upstream.authorization
  const path = upstreamPath(route.config, target.path) + target.query
  const { upgrade } = passage.sent
  if (upgrade !== undefined && upgrade.toLowerCase() === 'websocket') {
    const answer = tools.sockets.open({
      request,
      front,
      route,
      upstream,
      session,
      client: passage.client,
      provenClient: provenClient(passage),
      fields,
      path,
      origin: originOf(passage, target),
    })
    return values === null ? answer : changeAnswer(answer, responseRules, values)
  }
  const answer = forward(
    {
      request,
      method: target.method,
      upstream,
      path,
      fields,
      hasOwnHost: route.config.hostHeader.kind === 'upstream',
      timeoutMs: route.config.timeoutMs,
      routeId: route.config.id,
      maxBodyBytes: isUnmeasured ? maxBodyBytes : null,
      client: passage.client,
      provenClient: provenClient(passage),
      session,
      setIdleTimeout: seconds => front.timeout(request, seconds),
    },
    tools,
  )
  return values === null ? answer : changeAnswer(answer, responseRules, values)
}

/** Whether a body's announced length is within the limit; false where none is announced. Throws target.too_large. */
function fitsLength(sent: SentFields, route: GateRoute, maxBytes: number): boolean {
  const length = sent['content-length']
  if (length === undefined) return false
  if (Number(length) <= maxBytes) return true
  throw tooLarge(route.config.id, maxBytes)
}

/** Any verdict that is not to allow, and any that nobody knows. */
function turnAway(passage: Passage, tools: PipelineTools, decision: Decision): Answer {
  const context = portalRequest(passage)
  if (decision.verdict === 'sign-in' && context !== null) {
    tools.metrics.signInsAsked++
    return tools.portal.challenge(context)
  }
  if (decision.verdict === 'step-up' && context !== null) {
    tools.metrics.signInsAsked++
    tools.respond.noteDecision(passage, decision)
    return tools.portal.stepUp(context, decision.demand)
  }
  tools.metrics.denied++
  return tools.respond.denied(passage, context, decision)
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

/** This request as the portal sees it; null on a host that belongs to no portal. */
export function portalRequest(passage: Passage): PortalRequest | null {
  const { snapshot, target, portal } = passage
  if (portal === null || target === null) return null
  return {
    request: passage.request,
    target,
    origin: originOf(passage, target),
    clientAddress: passage.client,
    requestId: passage.id,
    portal: portal.config,
    providers: snapshot.config.providers,
    wantsAuthTime: portal.wantsAuthTime,
    session: passage.session,
    serves: host => snapshot.portals.lookup(host) === portal,
    rolesOf: session => portal.rolesOf(session.identity),
    applications: session => applicationsOf(passage, portal, session),
  }
}

function applicationsOf(passage: Passage, portal: GatePortal, session: Session): { name: string; address: string }[] {
  const scheme = schemeOf(passage)
  const port = passage.target?.authority.slice(passage.target.host.length) ?? ''
  const applications: { name: string; address: string }[] = []
  const facts = { ...requestFacts(passage, session), method: 'GET' }
  for (const { config, policy, portal: own } of passage.snapshot.routes) {
    if (own !== portal || config.host.startsWith('*.')) continue
    const { verdict } = decideAccess(policy, session.identity, facts)
    if (verdict !== 'allow' && verdict !== 'step-up') continue
    applications.push({ name: config.name, address: `${scheme}://${config.host}${port}${config.path}` })
  }
  return applications
}

function prepareSession(route: GateRoute, session: Session): Prepared {
  const before = route.prepared.get(session)
  if (before !== undefined) return before
  const { policy, identityFields } = route
  const decision = policy.isStatic ? decideAccess(policy, session.identity, NO_FACTS) : null
  const roles =
    decision === null ? policy.rolesOf(session.identity) : decision.verdict === 'allow' ? decision.roles : null
  const made = Object.freeze({
    decision,
    fields: identityFields !== null && roles !== null ? identityFields(session.identity, roles) : NO_FIELDS,
    requestRules: bindRules(route.config.requestRules, { identity: session.identity, roles: roles ?? [] }),
    responseRules: bindRules(route.config.responseRules, { identity: session.identity, roles: roles ?? [] }),
  })
  route.prepared.set(session, made)
  return made
}

/** How clients reach this host: a portal decides for its hosts, so that no header can weaken its cookies. */
function schemeOf(passage: Passage): 'http' | 'https' {
  const portal = passage.portal?.config ?? null
  if (portal !== null && !portal.insecureCookies) return portal.url?.scheme ?? 'https'
  if (passage.isPeerTrusted) {
    const stated = passage.sent['x-forwarded-proto']
    if (stated === 'https' || stated === 'http') return stated
  }
  return portal?.url?.scheme ?? 'http'
}

function originOf(passage: Passage, target: Target): string {
  return `${schemeOf(passage)}://${target.authority}`
}

function sessionToken(passage: Passage): string | null {
  const { cookie: cookies } = passage.sent
  if (cookies === undefined) return null
  return readCookie(cookies, cookieName('session', schemeOf(passage) === 'https'))
}

/** The host that the client asked for; a trusted proxy may have put its own into Host and kept the client's beside it. */
function hostField({ sent, isPeerTrusted }: Passage): string | null {
  const forwarded = isPeerTrusted ? sent['x-forwarded-host'] : undefined
  return forwarded ?? sent.host ?? null
}

/** The other end of the connection; a local socket counts as 127.0.0.1, so that trusting it is one rule. */
function peerAddress(front: Front, request: Request): string {
  const address = front.requestIP(request)?.address
  if (address === undefined) return '127.0.0.1'
  return address.includes(':') ? (canonicalAddress(address) ?? address) : address
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
  const error = toGateError(thrown)
  if (error.code.startsWith('upstream.')) tools.metrics.upstreamErrors++
  else if (error.code === 'target.too_large') tools.metrics.tooLarge++
  else if (error.code === 'limit.rate') tools.metrics.rateLimited++
  return record(passage, tools, tools.respond.failed(passage, portalRequest(passage), error))
}
