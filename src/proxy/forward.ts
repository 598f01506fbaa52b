/** Forwards a request: small bodies are read first, so that a try can be repeated, and other addresses are tried when one fails. */

import { parseLength } from '../base/byte-counts.ts'
import { GateError, toGateError } from '../base/errors.ts'
import { isHere } from './body/buffered-bodies.ts'
import { isEventStream } from './body/event-streams.ts'
import { stalledUpload } from './body/upload-errors.ts'
import { watchBody } from './body/upstream-stalled.ts'
import { attempt, type Sendable, tryOf } from './exchange.ts'
import { isUnsent, translateFailure } from './failures.ts'
import { type Forwarded, type ForwardTools, ownerOf } from './forwarded.ts'
import { hasLeft } from './lifetime/client-idle.ts'
import { type Exchange, overtaken, whileAllowed } from './lifetime/exchanges.ts'
import { NOWHERE } from './lifetime/roster.ts'
import type { Leave, Slots } from './upstream/max-connections.ts'
import type { Origin } from './upstream/origin.ts'
import type { Balancing } from './upstream/upstream.ts'

/**
 * Sends a request to its upstream and answers with what came back, streaming in both directions.
 *
 * The answer is the fetched Response itself with its fields cleaned in place: that is what Bun hands on cheapest.
 * Rejects with: target.too_large (a body that turns out longer than `maxBodyBytes`), upstream.refused, upstream.untrusted, upstream.unreachable, upstream.broken, upstream.timeout, target.stalled; limit.open; upstream.busy
 * where connections are limited; access.denied where what allowed the request ended before its answer began. A client that goes away aborts the upstream request.
 * Absent on purpose: redirects are not followed, bodies are not decoded, HTTP_PROXY does not apply (the program drops it at start, since asking each time costs a microsecond).
 */
export function forward(one: Sendable, tools: ForwardTools): Promise<Response> {
  return one.body instanceof ReadableStream && hasSmallBody(one) ? sendWhole(one, tools) : send(one, tools)
}

function sendWhole(one: Sendable, tools: ForwardTools): Promise<Response> {
  return readSmallBody(one, tools, body => {
    one.body = body
    return send(one, tools)
  })
}

function send(one: Sendable, tools: ForwardTools): Promise<Response> {
  const { balancing, first } = one.upstream
  return balancing === null ? attempt(one, tools, first) : forwardRetrying(one, tools, balancing)
}

/** A body up to this length is read whole first, which costs a third less than to stream it. */
const SMALL_UPLOAD_BYTES = 64 * 1024

/** Whether a request's body is announced to be short. */
function hasSmallBody({ request, sent }: Forwarded): boolean {
  const length = parseLength(sent['content-length'])
  return length !== null && length <= SMALL_UPLOAD_BYTES && request.body !== null
}

/**
 * Waits for the whole of a short body and continues with it. Meanwhile the request is an exchange, whose permission
 * may end.
 *
 * Rejects with target.stalled where it takes longer than a body may be without progress, or the client leaves, and
 * when its permission ended.
 */
function readSmallBody<Made>(
  asked: Forwarded,
  { exchanges, flows, clientIdle, meter }: ForwardTools,
  step: (body: Uint8Array<ArrayBuffer>) => Promise<Made>,
): Promise<Made> {
  const { route, client, request, front, connection } = asked
  const routeId = route.config.id
  flows.admit(client)
  clientIdle.hold(front, connection)
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array<ArrayBuffer>>()
  let isGivenUp = false
  const flow = flows.enter({
    kind: 'upload',
    route: routeId,
    client,
    length: SMALL_UPLOAD_BYTES,
    cut() {
      giveUp()
      reject(stalledUpload(routeId, 'source'))
    },
  })
  function giveUp(): void {
    isGivenUp = true
    flow.leave()
    clientIdle.part(front, connection)
  }
  request.arrayBuffer().then(
    buffer => {
      if (isGivenUp) return
      flow.leave()
      clientIdle.renew(front, connection)
      if (meter !== null) meter.received(routeId).add(buffer.byteLength)
      resolve(new Uint8Array(buffer))
    },
    (cause: unknown) => {
      flow.leave()
      reject(new GateError('target.stalled', `${routeId}: the client left in the middle of its request`, { cause }))
    },
  )
  return whileAllowed(exchanges, ownerOf(asked), promise, step, { onEnd: giveUp })
}

/** A body up to this length fits the buffers on the way: it is as good as ended when its head arrives. */
const SMALL_BODY_BYTES = 64 * 1024

/**
 * A request to an upstream with several addresses or with limits: waits for a place, chooses an address, and tries the
 * next one where that is safe.
 *
 * Safe is a request that certainly was not sent (no connection, no trust), for any method while its body is untouched.
 * Safe is also, once, an idempotent request without a body that was lost before the answer began (a request that kills
 * an application must not kill them all). Everything else fails as it did. Rejects with upstream.busy and what the
 * attempts reject with.
 *
 * Source: RFC 9110 §9.2.2 (idempotent methods may be repeated).
 */
export async function forwardRetrying(asked: Sendable, tools: ForwardTools, balancing: Balancing): Promise<Response> {
  const { slots } = balancing
  const life = beginLife(asked)
  let leave = NOTHING_TO_LEAVE
  tools.exchanges.add(life)
  try {
    if (slots !== null) leave = slots.take() ?? (await waitForTurn(asked, life, slots))
    return await askInTurn(asked, tools, balancing, life, leave)
  } catch (error) {
    leave()
    throw life.ended ?? error
  } finally {
    tools.exchanges.remove(life)
  }
}

/** Asks one address after the other, until one answers. */
async function askInTurn(
  asked: Sendable,
  tools: ForwardTools,
  balancing: Balancing,
  life: Life,
  leave: Leave,
): Promise<Response> {
  const tried: Origin[] = []
  let wasLost = false
  for (;;) {
    if (life.ended !== null) throw life.ended
    const origin = balancing.balance(asked, tried, tools.ports.now())
    try {
      const response = await attempt(tryOf(asked), tools, origin)
      return await watch(response, asked, tools, balancing, origin, leave)
    } catch (thrown) {
      const error = toGateError(thrown)
      tried.push(origin)
      const isLost = LOST.has(error.code)
      const mayGoOn = isUnsent(error) ? isUntouched(asked) : isLost && !wasLost && isRepeatable(asked)
      if (!mayGoOn || tried.length === asked.upstream.origins.length || hasLeft(asked.front, asked.connection))
        throw error
      wasLost ||= isLost
      tools.ports.log.warn('A request is tried at another address', { ...error.facts, why: error.message })
    }
  }
}

const NOTHING_TO_LEAVE: Leave = () => undefined

/**
 * A request from its wait for a place until it is answered. It is an exchange in addition to that of each attempt,
 * since its permission may end before its turn comes, or between two addresses.
 */
interface Life extends Exchange {
  /** Why it goes no further; null while it may. */
  ended: GateError | null
  /** Gives up the wait for a place; null where there is none. */
  stopWaiting: (() => void) | null
}

function beginLife(asked: Sendable): Life {
  const life: Life = {
    owner: ownerOf(asked),
    place: NOWHERE,
    ended: null,
    stopWaiting: null,
    end(reason) {
      life.ended = overtaken(life.owner, reason)
      life.stopWaiting?.()
    },
  }
  return life
}

/** A place, when there is one. */
async function waitForTurn(asked: Sendable, life: Life, slots: Slots): Promise<Leave> {
  const abort = new AbortController()
  life.stopWaiting = () => abort.abort()
  const leave = await slots.enter(AbortSignal.any([asked.connection.signal, abort.signal]))
  life.stopWaiting = null
  return leave
}

/** The answer did not begin, and the application may have seen the request. */
const LOST: ReadonlySet<string> = new Set(['upstream.broken', 'upstream.unreachable'])

const IDEMPOTENT: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'OPTIONS',
  'PUT',
  'DELETE',
  'PROPFIND',
  'REPORT',
  'SEARCH',
])

function isRepeatable(asked: Sendable): boolean {
  return IDEMPOTENT.has(asked.target.method) && asked.request.body === null
}

function isUntouched({ request, body }: Sendable): boolean {
  return !(body instanceof ReadableStream) || (!request.bodyUsed && !body.locked)
}

/** The answer, with its body watched where something depends on its end. */
async function watch(
  response: Response,
  asked: Sendable,
  tools: ForwardTools,
  balancing: Balancing,
  origin: Origin,
  leave: Leave,
): Promise<Response> {
  const { headers, status } = response
  const length = parseLength(headers.get('content-length'))
  const isEvents = isEventStream(headers.get('content-type'))
  const idleTimeoutMs = isEvents ? null : balancing.idleTimeoutMs
  const isEnded =
    status === 204 ||
    status === 304 ||
    asked.target.method === 'HEAD' ||
    length === 0 ||
    (length !== null && isHere(response, length, origin.base.length + asked.path.length)) ||
    (idleTimeoutMs === null && length !== null && length <= SMALL_BODY_BYTES)
  // Touching `body` turns it into a stream of JavaScript's own: only where it has to be one.
  if (isEnded || !(balancing.countsBodies || idleTimeoutMs !== null) || response.body === null) {
    leave()
    return response
  }
  origin.inFlight++
  let hasBegun = idleTimeoutMs === null
  let isOver = false
  const { stream, begun } = watchBody(response.body, {
    idleTimeoutMs,
    now: tools.ports.now,
    deadlines: tools.deadlines,
    route: asked.route.config.id,
    upstream: origin.label,
    onEnd(error) {
      origin.inFlight--
      isOver = true
      // Until it has begun its place is the request's, which may go on to another address.
      if (hasBegun) leave()
      if (error !== undefined && hasBegun && !hasLeft(asked.front, asked.connection)) tools.noteTruncated(error)
    },
  })
  // Bun 1.4.5 holds the head back until the first byte of a body, so waiting for it delays nothing, and a failure
  // before it can still be answered. It waits only where something depends on it.
  if (!hasBegun) {
    await begun.catch((error: unknown) => {
      throw error instanceof GateError ? error : translateFailure(error, asked.route.config.id, origin.label)
    })
    hasBegun = true
    if (isOver) leave()
  }
  return new Response(stream, { status, statusText: response.statusText, headers })
}
