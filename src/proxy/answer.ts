/** The answer on its way back: its fields cleaned, and its body passed on at the client's pace. */

import type { Tally } from '../base/byte-counts.ts'
import { GateError } from '../base/errors.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import { type Asker, bytesHere, MAX_WHOLE_BYTES } from './body/buffered-bodies.ts'
import { isEventStream } from './body/event-streams.ts'
import { type Flows, SMALL_BYTES } from './body/flows.ts'
import { type BegunBody, beginBody, type PacedBody, paceBody } from './body/paced.ts'
import { hasBody, responseBody } from './body/response-body.ts'
import { BrokenOff, isUpstreams, translateFailure } from './failures.ts'
import { settleLength } from './fields/hop-by-hop.ts'
import { cleanResponseFields } from './fields/response.ts'
import { endDelivery, type Forwarded, type ForwardTools } from './forwarded.ts'
import { endsOf, hasLeft, isLocalSocket } from './lifetime/client-idle.ts'
import { mayRefuse, type Origin } from './upstream/origin.ts'
import { splitAuthority } from './upstream/reach.ts'
import type { Upstream } from './upstream/upstream.ts'

/** What the request's owner learns of the answer. */
export interface AnswerLife {
  /** Whether the client's connection is held already. */
  readonly isHeld: boolean
  /** It is over, or as good as over: all of it is here. Called more than once where several notice. */
  onAnswered(): void
  /** The body is being sent; `body` can cut it. */
  onGoingOn(body: Pick<PacedBody, 'cut'>): void
  /** Its client takes no more of it, and it has to make room. */
  onStall(): void
  /** The body is being sent, and its end is not reported. */
  onOpen(): void
  /** It is made of events, and `close` is how they end. */
  onEvents(close: () => void): void
}

/**
 * An upstream's answer as the client gets it: its fields cleaned in place, and its body in the form that Bun hands on cheapest.
 *
 * Throws `upstream.broken` for a status that is none, and what cleaning throws; rejects with what fetch says where a
 * body that is collected breaks off.
 */
export function prepareAnswer(
  response: Response,
  asked: Forwarded,
  tools: ForwardTools,
  origin: Origin,
  life: AnswerLife,
): MaybePromise<Response> {
  const { front, route, target, isPrivate, noteCookies } = asked
  const { headers, status } = response
  const { id } = route.config
  checkStatus(status, id, origin)
  if (mayRefuse(status)) origin.refusedMs = tools.ports.now()
  const fields = cleanResponseFields(headers, isPrivate ? route.privateBounds : route.bounds, asked, origin.address)
  if (noteCookies !== null && fields['set-cookie'] !== undefined) noteCookies(headers, target)
  const length = settleLength(headers, fields['content-length'])
  // Beside an empty one, too, Bun 1.4.5 makes one up.
  const type = fields['content-type'] || null
  const count = tools.meter === null ? null : tools.meter.sent(id, status)
  // Touching `body` turns it into a stream of JavaScript's own: only where it has to be one.
  // Of a part of events every byte counts (RFC 9110 §14.4): they were recorded, and nothing goes before them.
  const isEvents = isEventStream(type) && status !== 206 && response.body !== null
  // Of unknown length: most are short, and what turns out to be long is noted then.
  if (!isEvents && tools.flows.lengths.isAwaited && (length === null || length <= MAX_WHOLE_BYTES)) {
    tools.flows.lengths.note(addressOf(asked), false)
  }
  const isBodied = hasBody(target.method, status)
  const here = isEvents ? null : isBodied ? bytesHere(response, length, asked.address.length) : 0
  // What is handed on whole cannot be taken back.
  if (here === null || (here > SMALL_BYTES && !isLocalSocket(front) && !tools.flows.hasRoom(here))) {
    const going = { response, length, type, count, asked, tools, origin, life }
    return isEvents && response.body !== null ? sendEvents(going, response.body) : goOn(going)
  }
  asked.delivery.bytes = here
  life.onAnswered()
  if (count !== null) count.add(here)
  holdWhole(here, asked, tools.flows)
  if (isBodied && (type !== null || length === 0)) return response
  return responseBody(
    { response, method: target.method, type, length, address: 0, asker: askerOf(asked), isGoingOn: false, pace: same },
    tools.wholeBodies,
  )
}

function same<T>(body: T): T {
  return body
}

function askerOf({ front, connection, route }: Forwarded): Asker {
  return { front, connection, keepLengthBytes: route.config.keepLengthBytes }
}

/** An answer whose fields are clean and whose body is still to come, and whom it concerns. */
interface Going {
  readonly response: Response
  readonly length: number | null
  readonly type: string | null
  readonly count: Tally | null
  readonly asked: Forwarded
  readonly tools: ForwardTools
  readonly origin: Origin
  readonly life: AnswerLife
}

/** Blank lines, which are no event (HTML Standard §9.2.6), and which every stream has: not all readers know comments. */
const EVENTS_LEAD = '\n\n'

/** Events begin at once, and have a regular end. */
function sendEvents(going: Going, body: ReadableStream<Uint8Array>): Response {
  const { response, asked, tools, life } = going
  const { headers, status, statusText } = response
  tools.clientIdle.hold(asked.front, asked.connection)
  const { stream, close } = tools.streams.wrap(
    pace(going, body, () => undefined),
    {
      lead: headers.has('content-encoding') ? '' : EVENTS_LEAD,
      onEnd: () => life.onAnswered(),
      onBreak: () => undefined,
    },
  )
  life.onEvents(close)
  return new Response(stream, { status, statusText, headers })
}

/** A body of which not all is here. */
function goOn(going: Going): MaybePromise<Response> {
  const { response, length, type, count, asked, tools, life } = going
  const { front, connection, target, delivery } = asked
  if (!isLocalSocket(front)) life.onOpen()
  else if (!life.isHeld) tools.clientIdle.hold(front, connection)
  if (mayGoUnseen(going) && goUnseen(going)) return response
  let isPaced = false
  const ready = responseBody(
    {
      response,
      method: target.method,
      type,
      length,
      address: asked.address.length,
      asker: askerOf(asked),
      isGoingOn: true,
      pace(body) {
        isPaced = true
        return pace(going, body, () => life.onAnswered())
      },
    },
    tools.wholeBodies,
  )
  if (!(ready instanceof Promise)) return ready
  return ready.then(collected => {
    // It is collected only for its length.
    if (isPaced || length === null) return collected
    delivery.bytes = length
    life.onAnswered()
    if (count !== null) count.add(length)
    holdWhole(length, asked, tools.flows)
    return collected
  })
}

/** A body that is sent piece by piece, which shows whether its client reads it. Throws `upstream.broken` where it is broken already. */
function pace(going: Going, body: ReadableStream<Uint8Array>, onEnd: () => void): ReadableStream<Uint8Array> {
  const { length, type, count, asked, tools, origin, life } = going
  const { front, connection, client, sent, delivery } = asked
  const { id } = asked.route.config
  const begun = begin(body, id, origin)
  const noteLong = () => tools.flows.lengths.note(addressOf(asked), true)
  if (length !== null && length > MAX_WHOLE_BYTES) noteLong()
  const flow = tools.flows.enter({
    kind: 'answer',
    route: id,
    client,
    length: length ?? Number.POSITIVE_INFINITY,
    ends: tools.clientIdle.hasOwnConnection(front, sent) ? endsOf(front, connection) : null,
    cut: life.onStall.bind(life),
  })
  const paced = paceBody(begun, {
    flow,
    count,
    limit: null,
    onLong: length === null ? noteLong : null,
    isCopied: !isEventStream(type) && !isWatched(asked.upstream),
    onEnd(isWhole, bytes) {
      onEnd()
      endDelivery(delivery, bytes, isWhole)
    },
    onBreak(error) {
      if (isUpstreams(error) && !hasLeft(front, connection)) {
        tools.noteTruncated(translateFailure(error, id, origin.label))
      }
      return new BrokenOff()
    },
  })
  delivery.isGoingOn = true
  life.onGoingOn(paced)
  return paced.stream
}

function begin(body: ReadableStream<Uint8Array>, routeId: string, origin: Origin): BegunBody {
  try {
    return beginBody(body)
  } catch (error) {
    throw translateFailure(error, routeId, origin.label)
  }
}

/** Clients make paths as long as they like, and what they lead to is remembered. */
const MOST_OF_PATH = 256

/** Where a request goes, without its query: what is asked for there is mostly as long as it was before. */
export function addressOf({ address, path }: Pick<Forwarded, 'address' | 'path'>): string {
  const end = path.indexOf('?')
  const more = path.length - (end === -1 ? MOST_OF_PATH : Math.min(end, MOST_OF_PATH))
  return more > 0 ? address.slice(0, -more) : address
}

/**
 * From this length on an answer by HTTP/2 may go unseen: of a shorter one all may be here before its client takes any,
 * and then nothing shows that it does not.
 */
const LONG_SHARED_BYTES = 8_000_000

/**
 * Whether an answer may use the fast lane: a long one of known length, of which the kernel shows who stalls; by HTTP/2
 * that is the application's connection.
 *
 * Not where Bun 1.4.5 would write the query to standard error, with the address of an answer that broke off; nor where
 * the gate has to read the body.
 */
function mayGoUnseen({ length, type, asked, tools, origin }: Going): boolean {
  const { target, path, sent, front, upstream, route } = asked
  const { flows, clientIdle } = tools
  if (type === null || target.method === 'HEAD' || isLocalSocket(front) || isWatched(upstream)) return false
  if (length !== null && length <= (route.config.keepLengthBytes ?? 0)) return false
  if (flows.isEveryUnseen) return true
  if (length === null || length <= MAX_WHOLE_BYTES || path.includes('?')) return false
  return clientIdle.hasOwnConnection(front, sent) || (length >= LONG_SHARED_BYTES && portOf(origin) !== null)
}

/** Whether a stream of ours is put around the body (`upstream-stalled.ts`). */
function isWatched({ balancing }: Upstream): boolean {
  return balancing !== null && (balancing.countsBodies || balancing.idleTimeoutMs !== null)
}

/** At which port an application is whose connections are of one request at a time each; null where they are not. */
function portOf({ address, protocol }: Origin): number | null {
  if (address.kind === 'unix' || protocol === 'http2') return null
  return splitAuthority(address.authority, address.scheme === 'https' ? 443 : 80).port
}

/** Lets an answer go on as Bun hands it on; answers whether there was room for that. */
function goUnseen({ response, length, count, asked, tools, origin, life }: Going): boolean {
  const { front, connection, client, delivery } = asked
  const { id } = asked.route.config
  let isOver = false
  /** What Bun 1.4.5 shows of it: it takes a body for unused again that did not come to its end. */
  function settle(isCut: boolean): void {
    if (isOver) return
    isOver = true
    entry?.leave()
    const hasClientLeft = connection.signal.aborted
    const isWhole = !isCut && response.bodyUsed && !hasClientLeft
    if (isWhole && count !== null && length !== null) count.add(length)
    if (!isCut && !response.bodyUsed && !hasClientLeft) {
      tools.noteTruncated(translateFailure(new BrokenOff(), id, origin.label))
    }
    endDelivery(delivery, length, isWhole)
    life.onAnswered()
  }
  const entry = tools.flows.enterUnseen({
    kind: 'answer',
    route: id,
    client,
    length: length ?? Number.POSITIVE_INFINITY,
    ends: endsOf(front, connection),
    upstreamPort: tools.clientIdle.hasOwnConnection(front, asked.sent) ? null : portOf(origin),
    isOver: () => hasLeft(front, connection),
    onLeave: isItself => settle(!isItself),
    cut: life.onStall.bind(life),
  })
  if (entry === null) return false
  delivery.isGoingOn = true
  delivery.isAnnounced = length !== null
  life.onGoingOn({ cut: () => settle(!hasLeft(front, connection)) })
  return true
}

/** Counts an answer that is handed on whole until its client has taken it; nothing shows how much of it that has. */
function holdWhole(bytes: number, asked: Forwarded, flows: Flows): void {
  if (bytes > SMALL_BYTES && !isLocalSocket(asked.front)) countWhole(bytes, asked, flows)
}

function countWhole(bytes: number, { front, connection, client, route }: Forwarded, flows: Flows): void {
  const flow = flows.enter({
    kind: 'answer',
    route: route.config.id,
    client,
    length: bytes,
    isOver: () => hasLeft(front, connection),
    // Bun closes it where nothing is taken for some seconds, and not before.
    cut: () => front.timeout(connection, 1),
  })
  flow.given(false)
}

function checkStatus(status: number, routeId: string, origin: Origin): void {
  if (status >= 200 && status <= 599) return
  const what = status < 200 ? 'the upstream switched protocols unasked' : 'the upstream answered with no status of HTTP'
  throw new GateError('upstream.broken', `${routeId}: ${what} (${status})`, {
    facts: { route: routeId, upstream: origin.label },
  })
}
