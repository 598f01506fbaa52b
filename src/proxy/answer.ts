import type { Tally } from '../base/amounts.ts'
import { GateError } from '../base/errors.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import { type Account, closeAccount } from './account.ts'
import { isEventStream } from './body/event-streams.ts'
import { type Flows, SMALL_BYTES } from './body/flows.ts'
import { type BegunBody, beginBody, type PacedBody, paceBody } from './body/paced.ts'
import { hasBody, responseBody } from './body/response-body.ts'
import { bytesHere, MAX_WHOLE_BYTES } from './body/whole.ts'
import { BrokenOff, isUpstreams, translateFailure } from './failures.ts'
import { settleLength } from './fields/hop-by-hop.ts'
import { cleanResponseFields } from './fields/response.ts'
import type { ForwardJob, ForwardTools } from './job.ts'
import { endsOf, hasLeft, isLocalSocket } from './lifetime/client-idle.ts'
import { mayRefuse, type Origin } from './upstream/origin.ts'
import { splitAuthority } from './upstream/reach.ts'

/** What the request's owner learns of the answer. */
export interface AnswerLife {
  /** It is over, or as good as over: all of it is here. Called more than once where several notice. */
  onOver(): void
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
 * `isHeld`: the client's connection is held already. Throws `upstream.broken` for a status that is none, and what cleaning throws;
 * rejects with what fetch says where a body that is collected breaks off.
 */
export function prepareAnswer(
  response: Response,
  job: ForwardJob,
  tools: ForwardTools,
  { origin, isHeld, life }: { readonly origin: Origin; readonly isHeld: boolean; readonly life: AnswerLife },
): MaybePromise<Response> {
  const { front, connection, method, routeId, account } = job
  const { clientIdle, meter } = tools
  const { headers, status, statusText } = response
  checkStatus(status, routeId, origin)
  if (mayRefuse(status)) origin.refusedMs = tools.ports.now()
  cleanResponseFields(headers, job.bounds, job, origin.address)
  if (job.noteCookies !== null && headers.has('set-cookie')) job.noteCookies(headers)
  const length = settleLength(headers)
  const type = headers.get('content-type')
  const address = origin.base.length + job.path.length
  const count = meter === null ? null : meter.sent(routeId, status)
  let isPaced = false
  /** Begins a body. Throws `upstream.broken` where it is broken already. */
  function begin(body: ReadableStream<Uint8Array>): BegunBody {
    try {
      return beginBody(body)
    } catch (error) {
      throw translateFailure(error, routeId, origin.label)
    }
  }
  /** A body that is sent piece by piece, which shows whether its client reads it. */
  function pace(body: ReadableStream<Uint8Array>, onEnd: () => void): ReadableStream<Uint8Array> {
    const begun = begin(body)
    const noteLong = () => tools.flows.lengths.note(addressOf(job, origin), true)
    if (length !== null && length > MAX_WHOLE_BYTES) noteLong()
    const flow = tools.flows.enter({
      kind: 'answer',
      route: routeId,
      client: job.client,
      length: length ?? Number.POSITIVE_INFINITY,
      ends: clientIdle.hasOwnConnection(front, job.sent) ? endsOf(front, connection) : null,
      cut: life.onStall.bind(life),
    })
    const paced = paceBody(begun, {
      flow,
      count,
      limit: null,
      onLong: length === null ? noteLong : null,
      onEnd(isWhole, bytes) {
        onEnd()
        if (account !== null) closeAccount(account, bytes, isWhole)
      },
      onBreak(error) {
        if (isUpstreams(error) && !hasLeft(front, connection)) {
          tools.noteTruncated(translateFailure(error, routeId, origin.label))
        }
        return new BrokenOff()
      },
    })
    isPaced = true
    if (account !== null) account.isGoingOn = true
    life.onGoingOn(paced)
    return paced.stream
  }
  // Touching `body` turns it into a stream of JavaScript's own: only where it has to be one.
  if (isEventStream(type) && response.body !== null) {
    clientIdle.hold(front, connection)
    const { stream, close } = tools.streams.wrap(
      pace(response.body, () => undefined),
      { lead: headers.has('content-encoding') ? '' : ':\n\n', onEnd: () => life.onOver(), onBreak: () => undefined },
    )
    life.onEvents(close)
    return new Response(stream, { status, statusText, headers })
  }
  // Of unknown length: most are short, and what turns out to be long is noted then.
  if (tools.flows.lengths.isAwaited && (length === null || length <= MAX_WHOLE_BYTES)) {
    tools.flows.lengths.note(addressOf(job, origin), false)
  }
  const here = hasBody(method, status) ? bytesHere(response, length, address) : 0
  // What is handed on whole cannot be taken back.
  const isGoingOn = here === null || (here > SMALL_BYTES && !isLocalSocket(front) && !tools.flows.hasRoom(here))
  if (!isGoingOn) {
    if (account !== null) account.bytes = here
    life.onOver()
    if (count !== null) count.add(here)
    holdWhole(here, job, tools.flows)
  } else if (!isLocalSocket(front)) life.onOpen()
  else if (!isHeld) clientIdle.hold(front, connection)
  const watch = { response, length, type, account, count, isGoingOn, origin, life }
  if (mayGoUnseen(watch, job, tools) && goUnseen(watch, job, tools)) return response
  const ready = responseBody(
    { response, method, type, length, address, asker: job, isGoingOn, pace: body => pace(body, () => life.onOver()) },
    tools.wholeBodies,
  )
  if (!(ready instanceof Promise)) return ready
  return ready.then(collected => {
    // It is collected only for its length.
    if (isPaced || length === null) return collected
    if (account !== null) account.bytes = length
    life.onOver()
    if (count !== null) count.add(length)
    holdWhole(length, job, tools.flows)
    return collected
  })
}

/** Clients make paths as long as they like, and what they lead to is remembered. */
const MOST_OF_PATH = 256

/** Where a job goes, without its query: what is asked for there is mostly as long as it was before. */
export function addressOf({ path }: Pick<ForwardJob, 'path'>, { base }: Origin): string {
  const end = path.indexOf('?')
  return base + path.slice(0, end === -1 ? MOST_OF_PATH : Math.min(end, MOST_OF_PATH))
}

/** An answer whose fields are clean, and whom it concerns. */
interface Unseen {
  readonly response: Response
  readonly length: number | null
  readonly type: string | null
  readonly account: Account | null
  readonly count: Tally | null
  readonly isGoingOn: boolean
  readonly origin: Origin
  readonly life: AnswerLife
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
function mayGoUnseen(
  { length, type, isGoingOn, origin }: Unseen,
  { method, path, sent, front, upstream: { balancing }, keepLengthBytes }: ForwardJob,
  { flows, clientIdle }: ForwardTools,
): boolean {
  if (!isGoingOn || type === null || method === 'HEAD' || isLocalSocket(front)) return false
  if (balancing !== null && (balancing.countsBodies || balancing.idleTimeoutMs !== null)) return false
  if (length !== null && length <= (keepLengthBytes ?? 0)) return false
  if (flows.isEveryUnseen) return true
  if (length === null || length <= MAX_WHOLE_BYTES || path.includes('?')) return false
  return clientIdle.hasOwnConnection(front, sent) || (length >= LONG_SHARED_BYTES && portOf(origin) !== null)
}

/** At which port an application is whose connections are of one request at a time each; null where they are not. */
function portOf({ address, protocol }: Origin): number | null {
  if (address.kind === 'unix' || protocol === 'http2') return null
  return splitAuthority(address.authority, address.scheme === 'https' ? 443 : 80).port
}

/** Lets an answer go on as Bun hands it on; answers whether there was room for that. */
function goUnseen(
  { response, length, account, count, origin, life }: Unseen,
  { front, connection, sent, routeId, client }: ForwardJob,
  { flows, clientIdle, noteTruncated }: ForwardTools,
): boolean {
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
      noteTruncated(translateFailure(new BrokenOff(), routeId, origin.label))
    }
    if (account !== null) closeAccount(account, length, isWhole)
    life.onOver()
  }
  const entry = flows.enterUnseen({
    kind: 'answer',
    route: routeId,
    client,
    length: length ?? Number.POSITIVE_INFINITY,
    ends: endsOf(front, connection),
    upstreamPort: clientIdle.hasOwnConnection(front, sent) ? null : portOf(origin),
    isOver: () => hasLeft(front, connection),
    onLeave: isItself => settle(!isItself),
    cut: life.onStall.bind(life),
  })
  if (entry === null) return false
  if (account !== null) {
    account.isGoingOn = true
    account.isAnnounced = length !== null
  }
  life.onGoingOn({ cut: () => settle(!hasLeft(front, connection)) })
  return true
}

/** Counts an answer that is handed on whole until its client has taken it; nothing shows how much of it that has. */
function holdWhole(bytes: number, { front, connection, client, routeId }: ForwardJob, flows: Flows): void {
  if (bytes <= SMALL_BYTES || isLocalSocket(front)) return
  const flow = flows.enter({
    kind: 'answer',
    route: routeId,
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
