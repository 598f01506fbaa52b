import { GateError } from '../base/errors.ts'
import type { Ports } from '../base/ports.ts'
import type { Session } from '../session/session.ts'
import type { Deadlines, Waiting } from './deadlines.ts'
import { cleanResponseFields } from './response-fields.ts'
import type { OpenStreams } from './streams.ts'
import type { Origin, Upstream } from './upstream.ts'

/** What the forwarder needs of the process. */
export interface ForwardTools {
  readonly ports: Pick<Ports, 'fetch' | 'now'>
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

/** A body up to this length fits the buffers on the way: the client's pace cannot hold it up for long. */
const SMALL_BODY_BYTES = 64 * 1024

/** After a missed deadline, how long an upstream's requests carry an abort of their own. */
const GUARD_MS = 60_000

/**
 * Sends a request to its upstream and answers with what came back, streaming in both directions.
 *
 * The answer is the fetched Response itself with its fields cleaned in place: that is what Bun hands on cheapest.
 * Rejects with: upstream.refused, upstream.broken, upstream.timeout. A client that goes away aborts the upstream request.
 * Absent on purpose: redirects are not followed, bodies are not decoded, HTTP_PROXY does not apply.
 */
export function forward(job: ForwardJob, tools: ForwardTools): Promise<Response> {
  return attempt(job, tools, job.upstream.pick(), job.upstream.origins.length - 1)
}

function attempt(job: ForwardJob, tools: ForwardTools, origin: Origin, othersLeft: number): Promise<Response> {
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
  if (expectsEvents(job.fields)) init.timeout = false
  // A slow upload or a slow first byte is silence on the client's side, and no fault of the client.
  const isPatient = body !== null || job.timeoutMs > (IDLE_TIMEOUT_S - 5) * 1000
  if (isPatient) job.setIdleTimeout(0)

  return new Promise<Response>((resolve, reject) => {
    let isExpired = false
    const waiting: Waiting = {
      deadlineMs: tools.ports.now() + job.timeoutMs,
      expire() {
        isExpired = true
        upstream.guardedUntilMs = tools.ports.now() + GUARD_MS
        guard?.abort()
        if (isPatient) job.setIdleTimeout(IDLE_TIMEOUT_S)
        reject(timedOut(job, origin))
      },
    }
    tools.deadlines.add(waiting)
    tools.ports.fetch(origin.base + job.path, init).then(
      response => {
        tools.deadlines.remove(waiting)
        if (isExpired) {
          response.body?.cancel().catch(() => undefined)
          return
        }
        try {
          resolve(finish(job, tools, response, isPatient))
        } catch (error) {
          reject(error)
        }
      },
      (error: unknown) => {
        tools.deadlines.remove(waiting)
        if (isExpired) return
        if (othersLeft > 0 && body === null && isRefused(error)) {
          resolve(attempt(job, tools, upstream.pick(), othersLeft - 1))
          return
        }
        if (isPatient) job.setIdleTimeout(IDLE_TIMEOUT_S)
        reject(translate(error, job, origin))
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

const REFUSED = new Set([
  'ConnectionRefused',
  'ECONNREFUSED',
  'FailedToOpenSocket',
  'ENOENT',
  'ENOTFOUND',
  'EHOSTUNREACH',
  'ENETUNREACH',
])

function isRefused(error: unknown): boolean {
  return REFUSED.has(codeOf(error))
}

function translate(error: unknown, job: ForwardJob, origin: Origin): GateError {
  const facts = { route: job.routeId, upstream: origin.label }
  if (isRefused(error)) {
    return new GateError('upstream.refused', `${job.routeId}: nothing answers at ${origin.label}`, {
      cause: error,
      facts,
      hint: 'check that the application runs and that upstream in routes.toml is its address as seen from here',
    })
  }
  return new GateError('upstream.broken', `${job.routeId}: the exchange with ${origin.label} failed`, {
    cause: error,
    facts,
  })
}

function timedOut(job: ForwardJob, origin: Origin): GateError {
  return new GateError('upstream.timeout', `${job.routeId}: no response head after ${job.timeoutMs} ms`, {
    facts: { route: job.routeId, upstream: origin.label },
    hint: `raise timeout for "${job.routeId}" in routes.toml if the application needs longer`,
  })
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}
