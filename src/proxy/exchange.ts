/** A request that is under way: who may end it, when, and what is then told to both sides. */

import type { GateError } from '../base/errors.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import type { Target } from '../route/target.ts'
import type { Session } from '../session/session.ts'
import { type AnswerLife, addressOf, prepareAnswer } from './answer.ts'
import type { LongTurns } from './body/long-turns.ts'
import type { PacedBody } from './body/paced.ts'
import { NO_STAMP } from './body/turns.ts'
import { isBlameless, timedOut, translateFailure, unreachable } from './failures.ts'
import {
  askedAt,
  type Delivery,
  type Forwarded,
  type ForwardTools,
  fetchInit,
  type NoteCookies,
  ownerOf,
  type ProxyRoute,
} from './forwarded.ts'
import { announcesBody, type ClientSide, hasLeft, isLocalSocket } from './lifetime/client-idle.ts'
import type { Waiting } from './lifetime/deadlines.ts'
import { type ExchangeOwner, overtaken } from './lifetime/exchanges.ts'
import { NOWHERE } from './lifetime/roster.ts'
import { waitToBeSent } from './send-turn.ts'
import { beginUpload } from './upload.ts'
import { noteAnswer, noteFailure, type Origin } from './upstream/origin.ts'
import type { OwnPages } from './upstream/origin-and-referer.ts'
import { reach } from './upstream/reach.ts'
import type { Upstream } from './upstream/upstream.ts'
import type { Mention } from './upstream/webdav-fields.ts'

/** Most requests are answered by then, and never ask what became of their client. */
const YOUNG_MS = 300

/**
 * How long after its head a long answer is first checked, so that a client's leave is noticed within a second; and the
 * interval after that.
 */
const FIRST_LOOK_MS = 700
const LOOK_MS = 5000

/**
 * Before the head: `young`, then followed to its client and `connecting`, then `late`. After it: `answered`, until it
 * is `over`. `unsent` is what has not gone to an upstream.
 */
type Stage = 'unsent' | 'young' | 'connecting' | 'late' | 'answered' | 'over'

/**
 * The abort reason of an answer: for any other reason Bun 1.4.5 writes an error to standard error when it breaks off a
 * body that it sends itself.
 */
const SILENTLY = null

/**
 * What is done with what comes of a request, before its promise is settled: another promise for that, with two functions, costs each
 * request 0.4 µs.
 */
export interface Ending {
  answered(response: Response, one: HttpExchange): void
  /** Comes after all that follows from the failure, as from a promise. Undefined where it began again as a WebSocket. */
  failed(error: unknown, one: HttpExchange): MaybePromise<Response | undefined>
}

/** What most requests never have. */
interface Seldom {
  /** Where that is null: as whom a route of another reading lets it pass, by a session of that route's portal; null for nearly all. */
  elsewhere: Session | null
  /** The fields that mention other addresses, once these have been judged. */
  mentions: readonly Mention[] | null
  maxBodyBytes: number | null
  ownPages: OwnPages | null
  isAnnounced: boolean
  isGoingOn: boolean
  isCut: boolean
  onOver: (() => void) | null
  /** Where it is counted as a request with a possibly long answer, until the answer comes. */
  long: LongTurns | null
  /** Whether its client's connection is held already. */
  isHeld: boolean
  hasLeft: boolean
  /** Whether the answer's body is being read here, to go on as a whole. */
  isCollecting: boolean
  /** Why it was ended from here; null where it was not. */
  ended: string | null
  /** Ends the answer's events; null where it is of another kind. */
  closeEvents: (() => void) | null
  /** The request's body, while it is being sent. */
  upload: PacedBody | null
  /** Whether the request's body was let go before its end, or is one that Bun drops. */
  isCutShort: boolean
  /** The answer's body, while it is being sent. */
  download: Pick<PacedBody, 'cut'> | null
}

/**
 * Stands once, on the prototype, until one is written: with all 77 fields of its own a request is twice as large, and takes three more
 * allocations (JavaScriptCore keeps up to 62 within an object).
 */
const SELDOM: Seldom = {
  elsewhere: null,
  mentions: null,
  maxBodyBytes: null,
  ownPages: null,
  isAnnounced: false,
  isGoingOn: false,
  isCut: false,
  onOver: null,
  long: null,
  isHeld: false,
  hasLeft: false,
  isCollecting: false,
  ended: null,
  closeEvents: null,
  upload: null,
  isCutShort: false,
  download: null,
}

export interface HttpExchange extends Seldom {}

/**
 * A request by HTTP, from its head to the end of its answer, in one object: whose it is and what goes on, which the
 * server writes; and how far it is, which is this file's. Under way it is an exchange until its answer is over, and has
 * a deadline: first for its head, then for checks of its progress.
 *
 * It has its own abort signal, which follows the client's only once the request is no longer young (`YOUNG_MS`): a
 * listener on each request costs 2 µs.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: SELDOM has a value for each of the interface's fields
export class HttpExchange implements Waiting, AnswerLife, Delivery {
  /** The request that identifies the connection for Bun: `request`, unless a kept form replaces it. */
  readonly connection: Request
  readonly front: ClientSide
  /** The request's fields, read once, without the token. Replaced by fewer where not all of them may go on. */
  sent: Readonly<Record<string, string>>
  client: string
  /** Whether the client's address is beyond doubt. */
  isClientProven = false
  target: Target | null = null
  route: ProxyRoute | null = null
  session: Session | null = null
  /** Whether no shared cache may keep its answer. */
  isPrivate = true
  upstream: Upstream | null = null
  headers: Headers | null = null
  path = ''
  /** What is fetched: one text for its every use, since to put it together and to hash it takes as long as to fetch a field. */
  address = ''
  body: ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer> | null = null
  scheme: 'http' | 'https' = 'http'
  prefix = ''
  noteCookies: NoteCookies | null = null
  upstreamLabel: string | null = null
  bytes: number | null = null
  /** What is said of its way: itself, or the one that it is a try of. */
  delivery: Delivery = this
  deadlineMs = 0
  slot = NOWHERE
  place = NOWHERE
  stage: Stage = 'unsent'
  tools: ForwardTools | null = null
  origin: Origin | null = null
  abort: AbortController | null = null
  resolve: (response: MaybePromise<Response>) => void = nothing
  /** What that settles. */
  promise: Promise<Response> | null = null
  /** Null where its promise says what came of it. */
  ending: Ending | null = null
  /** When it was asked, by the meter's clock; 0 where there is none. */
  askedAtMs = 0
  /** What its turn is known by, until it has begun. */
  stamp = NO_STAMP
  #request: Request
  #make: (() => Request) | null = null

  static {
    Object.assign(HttpExchange.prototype, SELDOM)
  }

  constructor(request: Request, front: ClientSide, sent: Readonly<Record<string, string>>, client: string) {
    this.#request = request
    this.connection = request
    this.front = front
    this.sent = sent
    this.client = client
  }

  /** What is asked for; where a proxy in front asks for a verdict, the request that it asks about. */
  get request(): Request {
    if (this.#make === null) return this.#request
    this.request = this.#make()
    return this.#request
  }

  set request(other: Request) {
    this.#request = other
    this.#make = null
  }

  /** Has another request from now on, which is made once something reads it: that costs 3 µs. */
  becomes(make: () => Request): void {
    this.#make = make
  }

  /** The same request as another. */
  sharesRequest(other: HttpExchange): void {
    this.#request = other.#request
    this.#make = other.#make
  }

  get owner(): ExchangeOwner {
    return ownerOf(sentOf(this))
  }

  expire(): void {
    expire(sentOf(this))
  }

  end(reason: string): void {
    end(sentOf(this), reason)
  }

  /** Its answer is over, or as good as over: all of it is here. Called more than once where several notice. */
  onAnswered(): void {
    finish(sentOf(this))
  }

  onOpen(): void {
    const one = sentOf(this)
    one.deadlineMs = one.tools.ports.now()
    wait(one, FIRST_LOOK_MS)
  }

  onEvents(close: () => void): void {
    this.closeEvents = close
  }

  onGoingOn(body: Pick<PacedBody, 'cut'>): void {
    this.download = body
  }

  /** Releases both sides, and closes the client's connection if the client still reads nothing. */
  onStall(): void {
    this.end('its client takes no more of it')
    this.front.timeout(this.connection, 1)
  }
}

function nothing(): void {}

/** One that is ready to go. */
export type Sendable = HttpExchange & Forwarded

/** One that has gone to an address. */
type Sent = Sendable & { readonly tools: ForwardTools; readonly origin: Origin; readonly abort: AbortController }

function isSent(one: HttpExchange): one is Sent {
  return one.stage !== 'unsent'
}

function sentOf(one: HttpExchange): Sent {
  if (!isSent(one)) throw new TypeError('only what was sent is among the exchanges')
  return one
}

/** Makes a request ready to go: to this upstream, with these fields, for this path and query. */
export function makeReady<One extends HttpExchange & { readonly target: Target; readonly route: ProxyRoute }>(
  one: One,
  upstream: Upstream,
  headers: Headers,
  path: string,
): asserts one is One & Sendable {
  one.upstream = upstream
  one.headers = headers
  one.path = path
  // Bun 1.4.5 drops the bodies of these.
  one.body = one.target.method === 'GET' || one.target.method === 'HEAD' ? null : one.request.body
}

/** Another try of a request, at another address perhaps: what is under way of one try must not be taken for the next one's. */
export function tryOf(whole: Sendable): Sendable {
  const one = new HttpExchange(whole.connection, whole.front, whole.sent, whole.client)
  one.sharesRequest(whole)
  const { isClientProven, target, route, session, elsewhere, isPrivate, mentions, delivery } = whole
  const { upstream, headers, path, body, maxBodyBytes, ownPages, scheme, prefix, noteCookies } = whole
  const same = { isClientProven, target, route, session, elsewhere, isPrivate, mentions, delivery }
  return Object.assign(one, same, {
    upstream,
    headers,
    path,
    body,
    maxBodyBytes,
    ownPages,
    scheme,
    prefix,
    noteCookies,
  })
}

/**
 * Sends a request to one address and answers with what came back, streaming in both directions.
 *
 * Rejects as `forward` does, before the answer began.
 */
export function attempt(one: Sendable, tools: ForwardTools, origin: Origin): Promise<Response> {
  const { flows } = tools
  one.address = origin.base + one.path
  flows.admit(one.client)
  // Nearly always the length of this address's answers does not matter.
  if (one.body instanceof ReadableStream || !flows.lengths.matter(origin.inFlight)) {
    return sendInTurn(one, tools, origin, null)
  }
  const address = addressOf(one)
  const turns = flows.turnsOfLong(address, origin.inFlight)
  if (turns === null || turns.begin()) return sendInTurn(one, tools, origin, turns)
  return waitForLong(one, tools, origin, turns, address)
}

function waitForLong(
  one: Sendable,
  tools: ForwardTools,
  origin: Origin,
  turns: LongTurns,
  address: string,
): Promise<Response> {
  return waitToBeSent(
    one,
    tools,
    { wait: waiter => turns.wait(waiter, address) },
    () => sendInTurn(one, tools, origin, turns),
    () => turns.leave(),
  )
}

/** `long`: where it is counted as one whose answer may be long; null: nowhere. */
function sendInTurn(one: Sendable, tools: ForwardTools, origin: Origin, long: LongTurns | null): Promise<Response> {
  // A request that waits holds up to 1.3 MB of a long body in Bun 1.4.5: it is sent, and counted there.
  const stamp = one.body instanceof ReadableStream ? NO_STAMP : tools.flows.turns.begin()
  if (stamp !== null) return send(one, tools, origin, stamp, long)
  return waitForTurn(one, tools, origin, long)
}

function waitForTurn(one: Sendable, tools: ForwardTools, origin: Origin, long: LongTurns | null): Promise<Response> {
  const { turns } = tools.flows
  let isSent = false
  const later = waitToBeSent(
    one,
    tools,
    turns,
    turn => {
      isSent = true
      return send(one, tools, origin, turn, long)
    },
    turn => tools.flows.begun(turn),
  )
  if (long === null) return later
  return later.catch((error: unknown) => {
    if (!isSent) long.leave()
    throw error
  })
}

function send(
  one: Sendable,
  tools: ForwardTools,
  origin: Origin,
  stamp: number,
  long: LongTurns | null,
): Promise<Response> {
  const abort = new AbortController()
  const init = fetchInit(one, origin, abort.signal)
  one.abort = abort
  one.promise = new Promise<Response>(resolve => {
    one.resolve = resolve
    one.stamp = stamp
    if (long !== null) one.long = long
    try {
      begin(one, tools, origin, init)
      tools.ports.forward(one.address, init).then(
        response => answer(sentOf(one), response),
        (error: unknown) => fail(sentOf(one), error),
      )
    } catch (error) {
      giveUp(sentOf(one), error)
    }
  })
  return one.promise
}

/** From here on it is under way to this address. */
function begin(one: Sendable, tools: ForwardTools, origin: Origin, init: BunFetchRequestInit): void {
  const { body, front } = one
  one.tools = tools
  one.origin = origin
  one.stage = 'young'
  origin.inFlight++
  // A slow upload or a slow first byte is silence on the client's side, and no fault of the client.
  const isStreamed = body instanceof ReadableStream
  if (isStreamed || one.route.config.timeoutMs > (tools.clientIdle.idleTimeoutS - 5) * 1000) {
    tools.clientIdle.hold(front, one.connection)
    one.isHeld = true
  }
  one.askedAtMs = tools.meter === null ? 0 : tools.meter.tick()
  if (body === null && announcesBody(one.sent)) one.isCutShort = true
  one.deadlineMs = tools.ports.now() + Math.min(YOUNG_MS, connectMs(one))
  askedAt(one.delivery, origin.label)
  tools.deadlines.add(one)
  tools.exchanges.add(one)
  // Nothing else shows there that a client has left.
  if (isLocalSocket(front)) follow(sentOf(one))
  if (isStreamed) init.body = upload(sentOf(one), body)
}

/** How long the first half of connecting may take. */
function connectMs({ route, upstream }: Forwarded): number {
  return Math.min(route.config.timeoutMs, upstream.connectTimeoutMs / 2)
}

function isWaiting({ stage }: Sent): boolean {
  return stage === 'young' || stage === 'connecting' || stage === 'late'
}

/** The request's body, as it is to be sent: from its end on the application's time counts. */
function upload(one: Sent, body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  begun(one)
  one.upload = beginUpload(body, one, one.tools, {
    refuse: error => cut(one, error),
    onEnd(isWhole) {
      one.upload = null
      one.isCutShort = !isWhole
      if (one.stage === 'late') {
        one.tools.deadlines.remove(one)
        one.deadlineMs = one.tools.ports.now()
        wait(one, one.route.config.timeoutMs)
      }
    },
  })
  return one.upload.stream
}

function answer(one: Sent, response: Response): void {
  begun(one)
  if (!isWaiting(one)) {
    response.body?.cancel().catch(() => undefined)
    return
  }
  one.stage = 'answered'
  const { tools, origin } = one
  if (tools.meter !== null) tools.meter.answered(one.upstream.label, tools.meter.tick() - one.askedAtMs)
  one.upload?.forgo()
  origin.inFlight--
  tools.deadlines.remove(one)
  if (origin.failures !== 0) noteAnswer(origin)
  let ready: MaybePromise<Response>
  try {
    ready = prepare(one, response)
    shows(one)
  } catch (error) {
    leave(one)
    response.body?.cancel().catch(() => undefined)
    reject(one, error)
    return
  }
  if (one.ending === null) one.resolve(ready)
  else if (ready instanceof Promise) giveLater(one, one.ending, ready)
  else give(one, one.ending, ready)
}

/** Recorded only once it is given: what goes wrong with its record leaves a good answer what it is. */
function give(one: Sent, ending: Ending, response: Response): void {
  one.resolve(response)
  ending.answered(response, one)
}

function giveLater(one: Sent, ending: Ending, ready: Promise<Response>): void {
  ready.then(
    response => give(one, ending, response),
    (error: unknown) => reject(one, error),
  )
}

/** In a later turn: what fails at once does so before it is known who records it. */
function reject(one: Sent, error: unknown): void {
  one.resolve(
    Promise.resolve(error).then(cause => {
      if (one.ending === null) throw cause
      return one.ending.failed(cause, one) as MaybePromise<Response>
    }),
  )
}

/** Its upstream was not even asked, and is not to blame. */
function giveUp(one: Sent, error: unknown): void {
  if (!isWaiting(one)) return
  one.origin.inFlight--
  finish(one)
  reject(one, error)
}

function fail(one: Sent, error: unknown): void {
  if (isWaiting(one)) refuse(one, translateFailure(error, one.route.config.id, one.origin.label))
}

function expire(one: Sent): void {
  const { front, connection, tools } = one
  switch (one.stage) {
    case 'young':
      one.stage = 'connecting'
      begun(one)
      wait(one, Math.max(0, connectMs(one) - YOUNG_MS))
      if (!isLocalSocket(front)) follow(one)
      return
    case 'connecting':
      connect(one)
      return
    case 'late':
      // Its time begins when the whole request is sent. The upload has its own watch.
      if (one.upload === null) abandon(one, timedOut(one.route.config, one.origin.label))
      else wait(one, one.route.config.timeoutMs)
      return
    case 'answered':
      if (hasLeft(front, connection)) {
        // Bun lets the upstream go with the client, but for a body that is read here.
        const isReadHere = one.isCollecting || one.download !== null
        // First: after the abort its end can no longer be seen.
        leave(one)
        if (isReadHere) one.abort.abort(SILENTLY)
      } else {
        tools.clientIdle.renew(front, connection)
        wait(one, Math.min(LOOK_MS, tools.clientIdle.idleTimeoutS * 400))
      }
      return
    case 'unsent':
    case 'over':
  }
}

/** The body is too long: the upstream's request is broken off, even when its answer has begun. */
function cut(one: Sent, error: GateError): void {
  if (isWaiting(one)) refuse(one, error)
  one.abort.abort(error.message)
}

function end(one: Sent, reason: string): void {
  const { id } = one.route.config
  one.ended = reason
  if (isWaiting(one)) refuse(one, overtaken({ routeId: id }, reason))
  if (one.closeEvents === null) {
    // First: code that waits for the body must not take it for lost, and retry.
    one.download?.cut(overtaken({ routeId: id }, reason))
    one.abort.abort(SILENTLY)
  } else one.closeEvents()
  leave(one)
}

/** fetch does not tell a slow connection from a slow answer: halfway to connect_timeout another connection asks. */
function connect(one: Sent): void {
  const { upstream, origin, body } = one
  const { id, timeoutMs } = one.route.config
  const isStreamed = body instanceof ReadableStream
  const restMs = timeoutMs - connectMs(one)
  if (restMs === 0 && !isStreamed) {
    abandon(one, timedOut(one.route.config, origin.label))
    return
  }
  one.stage = 'late'
  wait(one, isStreamed ? timeoutMs : restMs)
  void reach(origin.address, upstream.connectTimeoutMs / 2).then(isReachable => {
    if (!isReachable) abandon(one, unreachable(id, origin.label, upstream.connectTimeoutMs))
  })
}

/** From here on the upstream is released as soon as the client leaves, if that has not happened yet. */
function follow(one: Sent): void {
  const { front, connection } = one
  const onLeave = (): void => {
    one.hasLeft = true
    one.abort.abort('a client left')
  }
  if (hasLeft(front, connection)) onLeave()
  else connection.signal.addEventListener('abort', onLeave, { once: true })
}

function wait(one: Sent, ms: number): void {
  one.deadlineMs += ms
  one.tools.deadlines.add(one)
}

function abandon(one: Sent, error: GateError): void {
  if (!isWaiting(one)) return
  refuse(one, error)
  one.abort.abort(error.message)
}

function refuse(one: Sent, error: GateError): void {
  const { front, connection, origin, tools } = one
  origin.inFlight--
  finish(one)
  const isClients = one.hasLeft || hasLeft(front, connection)
  if (!isClients && !isBlameless(error)) noteFailure(origin, tools.ports.now())
  reject(one, error)
}

/** From here on its connection has the usual idle time; a short one where the rest of a request is still to come. */
function finish(one: Sent): void {
  const { front, connection, tools } = one
  const isCutShort = one.isCutShort || one.upload !== null
  leave(one)
  if (isCutShort) tools.clientIdle.part(front, connection)
  else if (one.isHeld || one.download !== null) tools.clientIdle.renew(front, connection)
}

/** From here on its pieces show its progress, or it may take its time. */
function begun(one: Sent): void {
  if (one.stamp === NO_STAMP) return
  one.tools.flows.begun(one.stamp)
  one.stamp = NO_STAMP
}

/** From here on its part of a possibly long answer is counted directly. */
function shows(one: Sent): void {
  const { long } = one
  if (long === null) return
  one.long = null
  long.leave()
}

function leave(one: Sent): void {
  one.stage = 'over'
  begun(one)
  shows(one)
  one.upload?.cut(new Error('the exchange is over'))
  one.download?.cut(new Error('the exchange is over'))
  one.tools.deadlines.remove(one)
  one.tools.exchanges.remove(one)
}

function prepare(one: Sent, response: Response): MaybePromise<Response> {
  const ready = prepareAnswer(response, one, one.tools, one.origin, one)
  return ready instanceof Promise ? collected(one, ready) : ready
}

async function collected(one: Sent, ready: Promise<Response>): Promise<Response> {
  one.isCollecting = true
  try {
    const response = await ready
    one.isCollecting = false
    return response
  } catch (error) {
    const { id } = one.route.config
    throw one.ended === null ? translateFailure(error, id, one.origin.label) : overtaken({ routeId: id }, one.ended)
  }
}
