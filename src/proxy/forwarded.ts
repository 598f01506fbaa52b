/** What is forwarded, and with what: the request as its upstream's side sees it, and as fetch takes it. */

import type { Tally } from '../base/byte-counts.ts'
import type { GateError } from '../base/errors.ts'
import type { Ports } from '../base/ports.ts'
import type { RouteConfig } from '../config/resolve/routes.ts'
import type { Target } from '../route/target.ts'
import type { Session } from '../session/session.ts'
import type { WholeBodies } from './body/buffered-bodies.ts'
import type { EventStreams } from './body/event-streams.ts'
import type { Flows } from './body/flows.ts'
import type { AnswerBounds } from './fields/response.ts'
import type { ClientIdle, ClientSide } from './lifetime/client-idle.ts'
import type { Deadlines } from './lifetime/deadlines.ts'
import type { ExchangeOwner, Exchanges } from './lifetime/exchanges.ts'
import type { Origin } from './upstream/origin.ts'
import { type OwnPages, writeOwnPages } from './upstream/origin-and-referer.ts'
import { FETCH_IDLE_MS, type Upstream } from './upstream/upstream.ts'
import { type Mention, writeMentions } from './upstream/webdav-fields.ts'

/** What the forwarder measures; each call costs some 50 ns. */
export interface ForwardMeter {
  /** Milliseconds by a clock that is never set. */
  tick(): number
  /** An upstream has begun its answer, so long after it was asked. */
  answered(upstream: string, tookMs: number): void
  /** Where to count the bytes of the bodies of a route's answers of one status; null: of no route. */
  sent(routeId: string | null, status: number): Tally
  /** The same for the bodies of its requests. */
  received(routeId: string): Tally
}

/** What the forwarder needs of the process. */
export interface ForwardTools {
  readonly ports: Pick<Ports, 'forward' | 'now' | 'log'>
  readonly deadlines: Deadlines
  readonly exchanges: Exchanges
  readonly flows: Flows
  readonly streams: EventStreams
  readonly wholeBodies: WholeBodies
  readonly clientIdle: ClientIdle
  /** Null without metrics. */
  readonly meter: ForwardMeter | null
  /** Called for an answer that broke off after its beginning was sent. */
  noteTruncated(error: GateError): void
}

/** What the access log and traces say of the way of an answer. */
export interface Delivery {
  /** The address that was asked last, as host:port or the path of a socket; null where none was. */
  upstreamLabel: string | null
  /** Bytes of the answer's body that were sent to the client; null where they were not counted. */
  bytes: number | null
  /** Whether `bytes` is only the announced length: the body passes uncounted. */
  isAnnounced: boolean
  /** Whether the body is still being sent: then `bytes` is not complete yet. */
  isGoingOn: boolean
  /** Whether the body broke off, on any side. */
  isCut: boolean
  /** Called once, when a body that went on is over. */
  onOver: (() => void) | null
}

/** An address is asked, perhaps after another that failed. */
export function askedAt(delivery: Delivery, label: string): void {
  delivery.upstreamLabel = label
  delivery.bytes = null
  if (delivery.isAnnounced) delivery.isAnnounced = false
  if (delivery.isCut) delivery.isCut = false
}

/** A body that went on is over. */
export function endDelivery(delivery: Delivery, bytes: number | null, isWhole: boolean): void {
  if (!delivery.isGoingOn) return
  delivery.isGoingOn = false
  delivery.bytes = bytes
  delivery.isCut = !isWhole
  delivery.onOver?.()
}

/** What the proxy knows of a route. */
export interface ProxyRoute {
  readonly config: Pick<RouteConfig, 'id' | 'hostHeader' | 'timeoutMs' | 'keepLengthBytes'>
  /** Null for a route that answers without an application. */
  readonly upstream: Upstream | null
  /** How far the answers of its application may reach. */
  readonly bounds: AnswerBounds
  /** The same for answers that no shared cache may keep. */
  readonly privateBounds: AnswerBounds
}

/** Looks at the cookies that an answer sets, to a request for this target. */
export type NoteCookies = (headers: Headers, target: Target) => void

/** A request that may pass and is ready to go: the stage of its context that is sent (`exchange.ts`). */
export interface Forwarded {
  readonly request: Request
  /** Where the request came in. */
  readonly front: ClientSide
  /** The request by which `front` knows the connection: `request`, unless that one was made here. */
  readonly connection: Request
  /** The request's fields as they came, and as they go on. */
  readonly sent: Readonly<Record<string, string>>
  readonly headers: Headers
  /** What is sent of its body: a short one has been read by then. */
  readonly body: ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer> | null
  /** How long a body of unannounced length may be; null: no limit, or the length was announced and has been checked. */
  readonly maxBodyBytes: number | null
  readonly route: ProxyRoute
  readonly upstream: Upstream
  /** Path and query as the upstream gets them. */
  readonly path: string
  /** The same with the address that is asked: what is fetched. Empty before there is one. */
  readonly address: string
  /** What Origin and Referer name, where the application is to take it for its own; null on other routes. */
  readonly ownPages: OwnPages | null
  /** The fields that mention other resources of the application; null for nearly all. */
  readonly mentions: readonly Mention[] | null
  /** The client's address, and whether it is beyond doubt. */
  readonly client: string
  readonly isClientProven: boolean
  /** What was asked for, in every reading, as rules look at it. */
  readonly target: Target
  /** How the client reaches its host, and what a trusted proxy took off the path before; for addresses in the answer. */
  readonly scheme: 'http' | 'https'
  readonly prefix: string
  /** Whose request it is; null: anonymous. */
  readonly session: Session | null
  /** Where that is null: the session by which a route of another reading allowed it; null: anonymous. */
  readonly elsewhere: Session | null
  /** Whether no shared cache may keep its answer. */
  readonly isPrivate: boolean
  /** Called with an answer that sets cookies, once its fields are clean; null for none. */
  readonly noteCookies: NoteCookies | null
  /** What is said of its way: the request itself, or the one that it is a try of. */
  readonly delivery: Delivery
}

/** Whose an exchange by HTTP is. */
export function ownerOf(asked: Forwarded): ExchangeOwner {
  const { route, session, elsewhere, target, client, isClientProven, sent } = asked
  return {
    routeId: route.config.id,
    session,
    elsewhere,
    method: target.method,
    client: isClientProven ? client : null,
    target,
    sent,
    isWebSocket: false,
  }
}

/**
 * The options of fetch for a request that `signal` ends. It writes the fields that depend on the address into the
 * request's.
 */
export function fetchInit(asked: Forwarded, origin: Origin, signal: AbortSignal): BunFetchRequestInit {
  const { headers, route, ownPages, mentions, target, upstream, sent } = asked
  if (route.config.hostHeader.kind === 'upstream') headers.set('host', origin.authority)
  if (ownPages !== null) writeOwnPages(headers, ownPages, origin)
  if (mentions !== null) writeMentions(headers, mentions, origin)
  const init: BunFetchRequestInit = {
    method: target.method,
    headers,
    body: bodyOf(asked),
    redirect: 'manual',
    decompress: false,
    signal,
  }
  if (origin.unix !== undefined) init.unix = origin.unix
  if (origin.tls !== undefined) init.tls = origin.tls
  if (origin.protocol !== undefined) init.protocol = origin.protocol
  if (expectsEvents(sent) || route.config.timeoutMs > FETCH_IDLE_MS || upstream.mayBeSilent) init.timeout = false
  return init
}

/**
 * Methods that fetch never sends a second time. When a kept connection drops, Bun 1.4.5 repeats PUT, DELETE, OPTIONS and QUERY on a new
 * one, unless the body is a stream: a half-sent PUT could take effect twice.
 */
const NEVER_REPEATED: ReadonlySet<string> = new Set(['POST', 'PATCH'])

/** A complete body goes as it is where fetch sends it once, and as a stream of one piece with every other method. */
function bodyOf({ body, target }: Forwarded): Forwarded['body'] {
  return body instanceof Uint8Array && !NEVER_REPEATED.has(target.method) ? inOnePiece(body) : body
}

function inOnePiece(body: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      if (body.byteLength > 0) controller.enqueue(body)
      controller.close()
    },
  })
}

function expectsEvents(sent: Readonly<Record<string, string>>): boolean {
  return sent.accept?.includes('text/event-stream') === true
}
