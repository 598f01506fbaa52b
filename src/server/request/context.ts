/** The request context: all that is known of one request so far, in stages that are types. And what rules may look at in it, and whether those of another route hold. */

import type { AuditFacts } from '../../audit/record.ts'
import type { Code, GateError } from '../../base/errors.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import { canonicalAddress } from '../../base/net.ts'
import type { Identity } from '../../identity/identity.ts'
import type { Facts } from '../../policy/condition.ts'
import { barsReadings, decidePolicy } from '../../policy/policy.ts'
import type { Reason } from '../../policy/reasons.ts'
import type { CompatPage } from '../../portal/portal-request.ts'
import { HttpExchange } from '../../proxy/exchange.ts'
import type { SentFields } from '../../proxy/fields/request.ts'
import { isLocalSocket, looksLikeHttp1 } from '../../proxy/lifetime/client-idle.ts'
import type { ExchangeOwner } from '../../proxy/lifetime/exchanges.ts'
import type { Match } from '../../route/table.ts'
import { originAt, portAt, type Target } from '../../route/target.ts'
import { cookieName, readCookie } from '../../session/cookie.ts'
import { isSignIn } from '../../session/credentials/credential-sessions.ts'
import type { Session } from '../../session/session.ts'
import { sessionFacts } from '../../session/session-facts.ts'
import type { CompiledGrant, GatePortal, GateRoute, Snapshot } from '../config/snapshot.ts'
import type { Trace } from '../observe/tracing/tracer.ts'

/** What Bun hands to a request's handler, as far as the pipeline uses it. */
export type BunServer = Bun.Server<unknown>

/** The answer to a request; undefined once it has become a WebSocket. */
export type MaybeResponse = MaybePromise<Response | undefined>

/** What a proxy in front makes of a verdict. */
export interface Question {
  /** Whether it uses only the status, and passes nothing of the answer to its client. */
  readonly isStatusOnly: boolean
  /** The status that lets a request pass. */
  readonly passes: 200 | 204
  /** How it gets a field without a value: present and empty, absent, or named as one to remove. */
  readonly unknown: 'empty' | 'absent' | 'removed'
}

/** What most requests never have. */
interface Seldom {
  isPeerTrusted: boolean
  /** Which address of a program that stood here before is asked for; null for nearly all. */
  compat: CompatPage | null
  /** How a proxy in front asks for a verdict: then nothing is forwarded. Null for a client's own request. */
  question: Question | null
  /** The request as it came to its route, where a field of it mentions other addresses; null for nearly all. */
  asked: Located | null
  /** Whether another request mentions this one: then only whether it would pass is wanted. */
  isMention: boolean
  /** How often it began again. */
  turn: number
  /** Where it ended on its way and cannot be sent again: then only what refuses it is wanted. Null for nearly all. */
  overtaken: Overtaken | null
}

/** Stands once, on the prototype, until one is written (`exchange.ts`). */
const SELDOM: Seldom = {
  isPeerTrusted: false,
  compat: null,
  question: null,
  asked: null,
  isMention: false,
  turn: 0,
  overtaken: null,
}

export interface RequestContext extends Seldom {}

/**
 * The context of one request: everything known of it so far, in one object that is made once (`pipeline.ts`). Each step
 * writes its findings for the later steps, and overwrites nothing that an earlier step has written. What is known by
 * then is said by types of it: `Targeted`, `Located`, `Decided`.
 *
 * - `locate.ts`: `target`, `portal`, `compat`, `match`, `route`. For a forward-auth question `verify/question.ts` does. It
 *   makes `request` and `sent` those of the request in question, and sets `question` to the form of the answer.
 * - `limit.ts`: `asked`, while nothing has been taken out of `sent`.
 * - `authenticate.ts`: `token`, and `sent` without an Authorization that Sallyport judges; by
 *   `bound-session.ts`, where sessions are bound: `unproven`, `hasStaleProof`, `provenUntilMs`.
 * - `decide.ts`: `session`, the user that the request continues as; `elsewhere`; `isPrivate`; `mentions`.
 * - `respond.ts`: `grant`; by `proxy-request.ts`, `isForwarded`, and `isPrivate` where a file is another route's, too. At a portal, `session`. With `record.ts` and `errors/fail.ts`, `reason`.
 *
 * From `authenticate.ts` on, `method-override.ts` removes fields from `sent` that name another method than the judged
 * one. `mcp/judge.ts` gives it the body that it has read. Any later step may read a field once it is written. A
 * request that is made here in place of another has a context of its own (`copy`).
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: SELDOM has a value for each of the interface's fields
export class RequestContext extends HttpExchange {
  /** The token of the request. A client with a token is never redirected to the sign-in. */
  token: string | null
  /**
   * The original request, its fields and its token, to begin again after a change of its decision
   * (`while-allowed.ts`).
   */
  cameRequest: Request
  cameSent: SentFields
  readonly cameToken: string | null
  declare readonly front: BunServer
  declare route: GateRoute | null
  readonly snapshot: Snapshot
  readonly id: string
  readonly startedMs: number
  /** When it is decided about: when it came, or when it began again. */
  decidedMs: number
  /** The moment among the changes of the exchanges that its decision is of. */
  readonly moment: number
  /** By the clock of the metrics, when it came; 0 without metrics. */
  readonly cameAtMs: number
  /** Its trace; null without tracing. */
  readonly trace: Trace | null
  /** `NOBODY` where the connection is gone; nothing is decided for it. */
  readonly peer: string
  portal: GatePortal | null = null
  /** Its route, and those that another reading of its path would reach. */
  match: Match<GateRoute> | null = null
  /** The session that was found, of any portal; null: anonymous. */
  found: Session | null = null
  /** The session of its cookie that does not count, since no device has proven it; null for nearly all. */
  unproven: Session | null = null
  /** Whether it brought a proof that does not count any more. */
  hasStaleProof = false
  /** Until when the device of its session is proven; 0 where none has to be. */
  provenUntilMs = 0
  /** What it gets, once it is allowed. */
  grant: CompiledGrant | null = null
  /** Whether it was counted for the person who asks, or is not to be. */
  isCounted = false
  /** Whether it has gone to an upstream, by HTTP: from there on its connection is the forwarder's to look after. */
  isForwarded = false
  /** Why it is refused: the reason of a decision, or the code of an error; null as long as it is not. */
  reason: Reason | Code | typeof CLIENT_LEFT | null = null
  /** The status of its answer, as its line says it, and how long its head took; once it is answered. */
  status = 0
  tookMs = 0

  static {
    Object.assign(RequestContext.prototype, SELDOM)
  }

  constructor(
    request: Request,
    sent: SentFields,
    token: string | null,
    front: BunServer,
    snapshot: Snapshot,
    id: string,
    peer: string,
    startedMs: number,
    moment: number,
    cameAtMs: number,
    trace: Trace | null,
  ) {
    super(request, front, sent, peer)
    this.token = token
    this.cameRequest = request
    this.cameSent = sent
    this.cameToken = token
    this.snapshot = snapshot
    this.id = id
    this.peer = peer
    this.startedMs = startedMs
    this.decidedMs = startedMs
    this.moment = moment
    this.cameAtMs = cameAtMs
    this.trace = trace
  }

  /** The same as far as it is known, and on its own from here on. */
  copy(): RequestContext {
    const made = this.#made(this.sent, this.token, this.snapshot, this.moment)
    Object.assign(made, this, { delivery: made })
    made.sharesRequest(this)
    return made
  }

  /** The request as it came, which begins again with this snapshot, at this moment. */
  again(snapshot: Snapshot, moment: number): RequestContext {
    const made = this.#made(this.cameSent, this.cameToken, snapshot, moment)
    made.cameRequest = this.cameRequest
    made.isCounted = this.isCounted
    // What this one waits for still comes, and is decided about in vain.
    this.isCounted = true
    made.turn = this.turn + 1
    made.upstreamLabel = this.upstreamLabel
    made.bytes = this.bytes
    made.isAnnounced = this.isAnnounced
    made.isCut = this.isCut
    return made
  }

  #made(sent: SentFields, token: string | null, snapshot: Snapshot, moment: number): RequestContext {
    const { connection, front, id, peer, startedMs, cameAtMs, trace } = this
    return new RequestContext(connection, sent, token, front, snapshot, id, peer, startedMs, moment, cameAtMs, trace)
  }
}

/** A request of which is known what it asks for. */
export type Targeted = RequestContext & { readonly target: Target }

/** The same of which is known where it leads. */
export type Located = Targeted & { readonly route: GateRoute; readonly match: Match<GateRoute> }

/** The same that may pass. */
export type Decided = Located & { readonly grant: CompiledGrant }

/** A copy of one of which is known where it leads. */
export function copyOf(context: Located): Located {
  const { target, route, match } = context
  return Object.assign(context.copy(), { target, route, match })
}

export function isLocated(context: Targeted): context is Located {
  return context.route !== null && context.match !== null
}

/** Why a request came to nothing whose client did not wait for the answer. */
export const CLIENT_LEFT = 'client.left'

/** Why a request ended under way, and its session; null: anonymous. */
export interface Overtaken {
  readonly error: GateError
  readonly found: Session | null
}

/** In place of an address where there is none; in no network. */
export const NOBODY = '-'

/**
 * The requested method, unchanged. Once there is a target, the request itself is not needed for it: a verdict's
 * request is built only when something reads it (`verify/question.ts`).
 */
export function methodOf(context: Pick<RequestContext, 'target' | 'request'>): string {
  return context.target === null ? context.request.method : context.target.method
}

/**
 * Whether the client gets no page, regardless of its Accept: a client with a token is a program, and so is every
 * client where the route says so. In doubt it counts as a program: every client understands 401.
 */
export function isProgram({ token, route, target }: Pick<RequestContext, 'token' | 'route' | 'target'>): boolean {
  if (token !== null || route === null || route.isProgramAt === null) return token !== null
  return target === null || route.isProgramAt(target) !== 'no'
}

/** How clients reach this host: a portal decides for its hosts, so that no header can weaken its cookies. */
export function schemeOf(context: RequestContext): 'http' | 'https' {
  const portal = context.portal?.config ?? null
  if (portal !== null && !portal.insecureCookies) return portal.url?.scheme ?? 'https'
  if (context.isPeerTrusted) {
    const stated = context.sent['x-forwarded-proto']
    if (stated === 'https' || stated === 'http') return stated
  }
  return context.front.protocol === 'https' ? 'https' : (portal?.url?.scheme ?? 'http')
}

/**
 * How a request came, as its request line says, as far as Bun shows that. Bun 1.4.5 reports neither the version nor a
 * difference between HTTP/1.0 and 1.1.
 *
 * Only a listener for HTTPS speaks HTTP/2.
 */
export function protocolOf(context: RequestContext): 'HTTP/1.1' | 'HTTP/2.0' {
  const { front, snapshot, sent } = context
  if (front.protocol !== 'https' || snapshot.config.tls?.http2 !== true) return 'HTTP/1.1'
  return context.request !== context.connection || looksLikeHttp1(sent) ? 'HTTP/1.1' : 'HTTP/2.0'
}

/** The origin by which the client knows the host that it asked; as everywhere, without the port that its scheme has anyway. */
export function originOf(context: RequestContext, target: Target): string {
  return originAt({ scheme: schemeOf(context), target })
}

/**
 * The prefix that a trusted proxy in front removed from the path, by its field; empty for none. Only a path of plain
 * letters counts, since addresses begin with it.
 */
export function outerPrefix({ sent, isPeerTrusted }: RequestContext): string {
  const stated = isPeerTrusted ? sent['x-forwarded-prefix'] : undefined
  return stated !== undefined && OUTER_PREFIX.test(stated) ? stated : ''
}

const OUTER_PREFIX = /^(?:\/[A-Za-z0-9_~-][A-Za-z0-9_.~-]*){1,16}$/

/** The port by which the client reaches this host; a trusted proxy knows it where Host does not say it. */
export function portOf({ sent, isPeerTrusted }: RequestContext, target: Target, scheme: 'http' | 'https'): string {
  const stated = isPeerTrusted && target.authority === target.host ? sent['x-forwarded-port'] : undefined
  if (stated !== undefined && /^[1-9][0-9]{0,4}$/.test(stated) && Number(stated) <= 65_535) return stated
  return target.authority === target.host ? (scheme === 'https' ? '443' : '80') : String(portAt({ scheme, target }))
}

/** The value of this host's session cookie, or null. */
export function sessionToken(context: RequestContext): string | null {
  const { cookie: cookies } = context.sent
  if (cookies === undefined) return null
  return readCookie(cookies, cookieName('session', schemeOf(context) === 'https'))
}

/** Replaces a request's body by one that has been read, with matching fields; also for the original request. */
export function giveBody(
  context: RequestContext,
  body: Uint8Array<ArrayBuffer>,
  change: (sent: SentFields) => SentFields = sent => sent,
): void {
  const told = ({ 'transfer-encoding': _, ...sent }: SentFields): SentFields =>
    change({ ...sent, 'content-length': String(body.byteLength) })
  const { url, signal } = context.request
  context.sent = told(context.sent)
  context.cameSent = told(context.cameSent)
  context.request = new Request(url, { method: 'POST', headers: context.cameSent, body, signal })
  context.cameRequest = context.request
}

/** The host that the client asked for; a trusted proxy may have put its own into Host and kept the client's beside it. */
export function hostField({ sent, isPeerTrusted }: RequestContext): string | null {
  const forwarded = isPeerTrusted ? sent['x-forwarded-host'] : undefined
  return forwarded ?? sent.host ?? null
}

/** Whether a request says that fields come after its body (RFC 9110 §6.6.2); one of a known length has none. */
export function announcesTrailers({ trailer, 'transfer-encoding': coding }: RequestContext['sent']): boolean {
  return trailer !== undefined && coding !== undefined
}

/**
 * The other end of the connection; a local socket counts as 127.0.0.1, so that trusting it is one rule. Null where it
 * is unknown: Bun has no address for a connection that was reset, but still delivers its request.
 */
export function peerAddress(front: BunServer, request: Request): string | null {
  const address = front.requestIP(request)?.address
  if (address === undefined) return isLocalSocket(front) ? '127.0.0.1' : null
  return address.includes(':') ? (canonicalAddress(address) ?? address) : address
}

/** Who asks, where, and from where they come, for the audit trail. */
export function contextFacts({ id, route, session, client, request }: RequestContext): AuditFacts {
  return {
    id,
    route: route?.config.id,
    portal: route?.config.portal ?? undefined,
    client,
    agent: request.headers.get('user-agent') ?? undefined,
    ...(session === null ? {} : sessionFacts(session)),
  }
}

/** The client's address where it is beyond doubt, else null. */
export function provenClient({ client, isClientProven }: RequestContext): string | null {
  return isClientProven ? client : null
}

/** What rules may look at in a request. Asked for only where a route's rules look at anything. */
export function requestFacts(context: RequestContext, session: Session | null): Facts {
  return {
    method: methodOf(context),
    client: provenClient(context),
    target: context.target,
    sent: context.sent,
    nowMs: context.decidedMs,
    signedInAtMs: signedInAtMs(session),
  }
}

/** The same for an exchange that is under way already, at the present time. */
export function exchangeFacts({ method, client, target, sent, session }: ExchangeOwner, nowMs: number): Facts {
  return { method, client, target, sent, nowMs, signedInAtMs: signedInAtMs(session) }
}

/** A token is no sign-in, however new it is. */
function signedInAtMs(session: Session | null): number | null {
  return session === null || !isSignIn(session) ? null : session.createdAtMs
}

/** Whether an application may take a request for the handshake of a WebSocket (RFC 6455 §4.1), though fields of one are missing. */
export function tellsOfWebSocket(sent: SentFields): boolean {
  const { upgrade, 'sec-websocket-key': key, 'sec-websocket-version': version } = sent
  return key !== undefined || version !== undefined || upgrade?.toLowerCase().includes('websocket') === true
}

/** Whether a request is to become a WebSocket. RFC 9110 §7.8: an Upgrade that Connection does not name is as good as none. */
export function asksForWebSocket({ upgrade, connection }: SentFields): boolean {
  if (upgrade === undefined || upgrade.toLowerCase() !== 'websocket') return false
  return connection?.split(',').some(option => option.trim().toLowerCase() === 'upgrade') === true
}

/** The session for a route, of a user with a session of any portal; null: anonymous. */
export function presentAt({ config }: GateRoute, found: Session | null): Session | null {
  return found !== null && found.portal === config.portal ? found : null
}

/** Whether the route of another reading also allows this user (null: an anonymous client). */
export function isOpenTo(
  other: GateRoute,
  identity: Identity | null,
  facts: Facts,
  isWebSocket: () => boolean,
): boolean {
  if (decidePolicy(other.policy, identity, facts).verdict !== 'allow' || barsReadings(other.config)) return false
  return other.config.websockets || !isWebSocket()
}
