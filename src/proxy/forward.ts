import { GateError } from '../base/errors.ts'
import type { Ports } from '../base/ports.ts'
import type { Session } from '../session/session.ts'
import type { Deadlines, Waiting } from './deadlines.ts'
import { translateFailure, unreachable } from './failures.ts'
import { forwardManaged, SMALL_BODY_BYTES } from './managed.ts'
import { noteAnswer, noteFailure, type Origin } from './origin.ts'
import { reach } from './reach.ts'
import { cleanResponseFields } from './response-fields.ts'
import type { OpenStreams } from './streams.ts'
import { FETCH_PATIENCE_MS, type Upstream } from './upstream.ts'

/** What the forwarder needs of the process. */
export interface ForwardTools {
  readonly ports: Pick<Ports, 'fetch' | 'now' | 'log'>
  readonly deadlines: Deadlines
  readonly streams: OpenStreams
}

/** One decided request, ready to go. */
export interface ForwardJob {
  readonly request: Request
  readonly method: string
  readonly upstream: Upstream
  /** Path and query as the upstream gets them. */
  readonly path: string
  readonly fields: Record<string, string>
  /** How long the upstream may take to begin its answer. */
  readonly timeoutMs: number
  readonly routeId: string
  /** The client's address. */
  readonly client: string
  /** The same where it is beyond doubt, else null: what rules about networks look at. */
  readonly provenClient: string | null
  /** Whose request it is; null for nobody's. */
  readonly session: Session | null
  /** Sets how long the client's connection may be silent: seconds, 0 for no limit (Bun's `server.timeout`). */
  setIdleTimeout(seconds: number): void
}

/** How long a client's connection may be silent between and during ordinary requests: the most that Bun takes. */
export const IDLE_TIMEOUT_S = 255

/** After a missed deadline, how long an upstream's requests carry an abort of their own. */
const GUARD_MS = 60_000

/**
 * Sends a request to its upstream and answers with what came back, streaming in both directions.
 *
 * The answer is the fetched Response itself with its fields cleaned in place: that is what Bun hands on cheapest.
 * Rejects with: upstream.refused, upstream.untrusted, upstream.unreachable, upstream.broken, upstream.timeout; upstream.busy
 * where connections are limited. A client that goes away aborts the upstream request.
 * Absent on purpose: redirects are not followed, bodies are not decoded, HTTP_PROXY does not apply.
 */
export function forward(job: ForwardJob, tools: ForwardTools): Promise<Response> {
  const { managed, first } = job.upstream
  return managed === null ? attempt(job, tools, first) : forwardManaged(job, tools, managed, attempt)
}

function attempt(job: ForwardJob, tools: ForwardTools, origin: Origin): Promise<Response> {
  const { request, upstream } = job
  const { body } = request
  const guard = upstream.guardedUntilMs > 0 ? guardOf(job, tools) : null
  const init: BunFetchRequestInit & { readonly proxy: false } = {
    method: job.method,
    headers: job.fields,
    body,
    redirect: 'manual',
    decompress: false,
    proxy: false,
    signal: guard === null ? request.signal : guard.signal,
  }
  if (origin.unix !== undefined) init.unix = origin.unix
  if (origin.tls !== undefined) init.tls = origin.tls
  if (origin.protocol !== undefined) init.protocol = origin.protocol
  if (expectsEvents(job.fields) || job.timeoutMs > FETCH_PATIENCE_MS || upstream.mayBeSilent) init.timeout = false
  // A slow upload or a slow first byte is silence on the client's side, and no fault of the client.
  const isPatient = body !== null || job.timeoutMs > (IDLE_TIMEOUT_S - 5) * 1000
  if (isPatient) job.setIdleTimeout(0)

  return new Promise<Response>((resolve, reject) => {
    const startedMs = tools.ports.now()
    let isOver = false
    function end(): void {
      isOver = true
      origin.inFlight--
      tools.deadlines.remove(waiting)
    }
    function fail(error: GateError): void {
      end()
      // A client that left is no failure of the upstream; a slow answer may be the request's own doing.
      if (!request.signal.aborted && error.code !== 'upstream.timeout') noteFailure(origin, tools.ports.now())
      if (isPatient) job.setIdleTimeout(IDLE_TIMEOUT_S)
      reject(error)
    }
    function expire(error: GateError): void {
      if (isOver) return
      fail(error)
      upstream.guardedUntilMs = tools.ports.now() + GUARD_MS
      guard?.abort()
    }
    // fetch does not tell a slow connection from a slow answer: halfway to connect_timeout another connection asks.
    const lookMs = upstream.connectTimeoutMs / 2
    const waiting: Waiting = {
      deadlineMs: startedMs + Math.min(job.timeoutMs, lookMs),
      expire() {
        if (tools.ports.now() >= startedMs + job.timeoutMs) return expire(timedOut(job, origin))
        waiting.deadlineMs = startedMs + job.timeoutMs
        tools.deadlines.add(waiting)
        void reach(origin.address, lookMs).then(isReachable => {
          if (!isReachable) expire(unreachable(job.routeId, origin.label, upstream.connectTimeoutMs))
        })
      },
    }
    origin.inFlight++
    tools.deadlines.add(waiting)
    tools.ports.fetch(origin.base + job.path, init).then(
      response => {
        if (isOver) {
          response.body?.cancel().catch(() => undefined)
          return
        }
        end()
        if (origin.failures !== 0) noteAnswer(origin)
        try {
          resolve(finish(job, tools, response, isPatient))
        } catch (error) {
          reject(error)
        }
      },
      (error: unknown) => {
        if (isOver) return
        fail(translateFailure(error, job.routeId, origin.label))
      },
    )
  })
}

function finish(job: ForwardJob, tools: ForwardTools, response: Response, isPatient: boolean): Response {
  const { headers, status } = response
  if (status < 200) {
    throw new GateError('upstream.broken', `${job.routeId}: the upstream switched protocols unasked (status ${status})`)
  }
  const length = headers.get('content-length')
  // RFC 9112 §6.3: a length beside a transfer coding is not to be believed, nor passed on.
  if (length !== null && headers.has('transfer-encoding')) headers.delete('content-length')
  cleanResponseFields(headers)
  // Touching `body` turns it into a stream of JavaScript's own: only where it has to be one.
  if (headers.get('content-type')?.startsWith('text/event-stream') === true && response.body !== null) {
    job.setIdleTimeout(0)
    const stream = tools.streams.wrap(response.body, {
      routeId: job.routeId,
      session: job.session,
      method: job.method,
      client: job.provenClient,
      lead: headers.has('content-encoding') ? '' : ':\n\n',
      onEnd: () => job.setIdleTimeout(IDLE_TIMEOUT_S),
    })
    return new Response(stream, { status, statusText: response.statusText, headers })
  }
  const isSmall =
    (length !== null && Number(length) <= SMALL_BODY_BYTES) || status === 204 || status === 304 || job.method === 'HEAD'
  if (isSmall === isPatient) job.setIdleTimeout(isSmall ? IDLE_TIMEOUT_S : 0)
  return response
}

/** An abort of the request's own, which also follows the client's. */
function guardOf(job: ForwardJob, tools: ForwardTools): AbortController | null {
  if (tools.ports.now() > job.upstream.guardedUntilMs) {
    job.upstream.guardedUntilMs = 0
    return null
  }
  const controller = new AbortController()
  job.request.signal.addEventListener('abort', () => controller.abort(), { once: true })
  return controller
}

function expectsEvents(fields: Readonly<Record<string, string>>): boolean {
  return fields.accept?.startsWith('text/event-stream') === true
}

function timedOut(job: ForwardJob, origin: Origin): GateError {
  return new GateError('upstream.timeout', `${job.routeId}: no response head after ${job.timeoutMs} ms`, {
    facts: { route: job.routeId, upstream: origin.label },
    hint: `raise timeout for "${job.routeId}" in routes.toml if the application needs longer`,
  })
}
