import { GateError } from '../base/errors.ts'
import type { Ports } from '../base/ports.ts'
import type { MaybePromise, Session } from '../session/session.ts'
import { type Deadlines, NOWHERE, type Waiting } from './deadlines.ts'
import { translateFailure, unreachable } from './failures.ts'
import { handOn, hasBody } from './hand-on.ts'
import { limitBody } from './limited-body.ts'
import { forwardManaged, SMALL_BODY_BYTES } from './managed.ts'
import { type Mention, writeMentions } from './mentions.ts'
import { noteAnswer, noteFailure, type Origin } from './origin.ts'
import type { ClientSide, Patience } from './patience.ts'
import { reach } from './reach.ts'
import { cleanResponseFields } from './response-fields.ts'
import type { OpenStreams } from './streams.ts'
import { FETCH_PATIENCE_MS, type Upstream } from './upstream.ts'
import type { WholeBodies } from './whole-body.ts'

/** What the forwarder needs of the process. */
export interface ForwardTools {
  readonly ports: Pick<Ports, 'fetch' | 'now' | 'log'>
  readonly deadlines: Deadlines
  readonly streams: OpenStreams
  readonly wholeBodies: WholeBodies
  readonly patience: Patience
}

/** One decided request, ready to go. */
export interface ForwardJob {
  readonly request: Request
  readonly method: string
  readonly upstream: Upstream
  /** Path and query as the upstream gets them. */
  readonly path: string
  /** The request's fields as they came, and as they go on. */
  readonly sent: Readonly<Record<string, string>>
  readonly headers: Headers
  /** Whether Host becomes the address's own. */
  readonly hasOwnHost: boolean
  /** How long the upstream may take to begin its answer. */
  readonly timeoutMs: number
  readonly routeId: string
  /** How long a body of unannounced length may be; null: no limit, or the length was announced and has been checked. */
  readonly maxBodyBytes: number | null
  /** Up to what length the answer is read whole, whatever that costs; null where nobody asked for it. */
  readonly keepLengthBytes: number | null
  /** The client's address. */
  readonly client: string
  /** The same where it is beyond doubt, else null: what rules about networks look at. */
  readonly provenClient: string | null
  /** Whose request it is; null for nobody's. */
  readonly session: Session | null
  /** Where the request came in. */
  readonly front: ClientSide
  /** The request by which `front` knows the connection: `request`, unless that one was made here. */
  readonly connection: Request
  /** The fields that mention other resources of the application; null for nearly all. */
  readonly mentions: readonly Mention[] | null
}

/** After a missed deadline, how long an upstream's requests carry an abort of their own. */
const GUARD_MS = 60_000

/**
 * Sends a request to its upstream and answers with what came back, streaming in both directions.
 *
 * The answer is the fetched Response itself with its fields cleaned in place: that is what Bun hands on cheapest.
 * Rejects with: target.too_large (a body that turns out longer than `maxBodyBytes`), upstream.refused, upstream.untrusted, upstream.unreachable, upstream.broken, upstream.timeout; upstream.busy
 * where connections are limited. A client that goes away aborts the upstream request.
 * Absent on purpose: redirects are not followed, bodies are not decoded, HTTP_PROXY does not apply (the program drops it at start, since asking each time costs a microsecond).
 */
export function forward(job: ForwardJob, tools: ForwardTools): Promise<Response> {
  const { managed, first } = job.upstream
  return managed === null ? attempt(job, tools, first) : forwardManaged(job, tools, managed, attempt)
}

function attempt(job: ForwardJob, tools: ForwardTools, origin: Origin): Promise<Response> {
  const { request, upstream } = job
  const { body } = request
  if (job.hasOwnHost) job.headers.set('host', origin.authority)
  if (job.mentions !== null) writeMentions(job.headers, job.mentions, origin)
  const isLimited = body !== null && job.maxBodyBytes !== null
  const guard = isLimited ? ownAbort(job) : upstream.guardedUntilMs > 0 ? guardOf(job, tools) : null
  const init: BunFetchRequestInit = {
    method: job.method,
    headers: job.headers,
    body,
    redirect: 'manual',
    decompress: false,
    signal: guard === null ? request.signal : guard.signal,
  }
  if (origin.unix !== undefined) init.unix = origin.unix
  if (origin.tls !== undefined) init.tls = origin.tls
  if (origin.protocol !== undefined) init.protocol = origin.protocol
  if (expectsEvents(job.sent) || job.timeoutMs > FETCH_PATIENCE_MS || upstream.mayBeSilent) init.timeout = false
  // A slow upload or a slow first byte is silence on the client's side, and no fault of the client.
  const isPatient = body !== null || job.timeoutMs > (tools.patience.idleTimeoutS - 5) * 1000
  if (isPatient) tools.patience.hold(job.front, job.connection)

  return new Promise<Response>((resolve, reject) => {
    const one = new Attempt(job, tools, origin, guard, isPatient, resolve, reject)
    if (body !== null && job.maxBodyBytes !== null) {
      const { maxBodyBytes } = job
      init.body = limitBody(
        body,
        maxBodyBytes,
        () => tooLarge(job.routeId, maxBodyBytes),
        error => one.cut(error),
      )
    }
    tools.ports.fetch(origin.base + job.path, init).then(
      response => one.answer(response),
      (error: unknown) => one.fail(error),
    )
  })
}

/** One request under way to one address, until its head is there, it fails, or its time is over. */
class Attempt implements Waiting {
  deadlineMs: number
  slot = NOWHERE
  /** How long it may wait beyond its deadline. */
  #restMs: number
  readonly #job: ForwardJob
  readonly #tools: ForwardTools
  readonly #origin: Origin
  readonly #guard: AbortController | null
  readonly #isPatient: boolean
  readonly #resolve: (response: MaybePromise<Response>) => void
  readonly #reject: (error: unknown) => void
  #isOver = false

  constructor(
    job: ForwardJob,
    tools: ForwardTools,
    origin: Origin,
    guard: AbortController | null,
    isPatient: boolean,
    resolve: (response: MaybePromise<Response>) => void,
    reject: (error: unknown) => void,
  ) {
    this.#job = job
    this.#tools = tools
    this.#origin = origin
    this.#guard = guard
    this.#isPatient = isPatient
    this.#resolve = resolve
    this.#reject = reject
    const firstMs = Math.min(job.timeoutMs, job.upstream.connectTimeoutMs / 2)
    this.#restMs = job.timeoutMs - firstMs
    this.deadlineMs = tools.ports.now() + firstMs
    origin.inFlight++
    tools.deadlines.add(this)
  }

  answer(response: Response): void {
    if (this.#isOver) {
      response.body?.cancel().catch(() => undefined)
      return
    }
    this.#end()
    if (this.#origin.failures !== 0) noteAnswer(this.#origin)
    try {
      this.#resolve(finish(this.#job, this.#tools, this.#origin, response, this.#isPatient))
    } catch (error) {
      response.body?.cancel().catch(() => undefined)
      this.#reject(error)
    }
  }

  fail(error: unknown): void {
    if (!this.#isOver) this.#refuse(translateFailure(error, this.#job.routeId, this.#origin.label))
  }

  /** fetch does not tell a slow connection from a slow answer: halfway to connect_timeout another connection asks. */
  expire(): void {
    const { upstream, routeId } = this.#job
    if (this.#restMs === 0) {
      this.#abandon(timedOut(this.#job, this.#origin))
      return
    }
    this.deadlineMs += this.#restMs
    this.#restMs = 0
    this.#tools.deadlines.add(this)
    void reach(this.#origin.address, upstream.connectTimeoutMs / 2).then(isReachable => {
      if (!isReachable) this.#abandon(unreachable(routeId, this.#origin.label, upstream.connectTimeoutMs))
    })
  }

  /** The body is too long: the upstream's request is broken off, even when its answer has begun. */
  cut(error: GateError): void {
    if (!this.#isOver) this.#refuse(error)
    this.#guard?.abort()
  }

  #abandon(error: GateError): void {
    if (this.#isOver) return
    this.#refuse(error)
    this.#job.upstream.guardedUntilMs = this.#tools.ports.now() + GUARD_MS
    this.#guard?.abort()
  }

  #refuse(error: GateError): void {
    this.#end()
    // A client that left is no failure of the upstream; a slow answer may be the request's own doing.
    if (!this.#job.request.signal.aborted && error.code !== 'upstream.timeout' && error.code !== 'target.too_large') {
      noteFailure(this.#origin, this.#tools.ports.now())
    }
    if (this.#isPatient) this.#tools.patience.release(this.#job.front, this.#job.connection)
    this.#reject(error)
  }

  #end(): void {
    this.#isOver = true
    this.#origin.inFlight--
    this.#tools.deadlines.remove(this)
  }
}

function finish(
  job: ForwardJob,
  tools: ForwardTools,
  origin: Origin,
  response: Response,
  isPatient: boolean,
): MaybePromise<Response> {
  const { headers, status } = response
  if (status < 200) {
    throw new GateError('upstream.broken', `${job.routeId}: the upstream switched protocols unasked (status ${status})`)
  }
  cleanResponseFields(headers)
  const length = headers.get('content-length')
  const type = headers.get('content-type')
  // Touching `body` turns it into a stream of JavaScript's own: only where it has to be one.
  if (type?.startsWith('text/event-stream') === true && response.body !== null) {
    tools.patience.hold(job.front, job.connection)
    const stream = tools.streams.wrap(response.body, {
      routeId: job.routeId,
      session: job.session,
      method: job.method,
      client: job.provenClient,
      lead: headers.has('content-encoding') ? '' : ':\n\n',
      onEnd: () => tools.patience.release(job.front, job.connection),
    })
    return new Response(stream, { status, statusText: response.statusText, headers })
  }
  if (!hasBody(job.method, status) || (length !== null && Number(length) <= SMALL_BODY_BYTES)) {
    if (isPatient) tools.patience.release(job.front, job.connection)
  } else if (!isPatient) tools.patience.hold(job.front, job.connection)
  const address = origin.base.length + job.path.length
  const ready = handOn({ response, method: job.method, type, length, address, asker: job }, tools.wholeBodies)
  if (!(ready instanceof Promise)) return ready
  return ready.catch((error: unknown) => {
    throw translateFailure(error, job.routeId, origin.label)
  })
}

/** An abort of the request's own, which also follows the client's. */
function guardOf(job: ForwardJob, tools: ForwardTools): AbortController | null {
  if (tools.ports.now() > job.upstream.guardedUntilMs) {
    job.upstream.guardedUntilMs = 0
    return null
  }
  return ownAbort(job)
}

function ownAbort(job: ForwardJob): AbortController {
  const controller = new AbortController()
  job.request.signal.addEventListener('abort', () => controller.abort(), { once: true })
  return controller
}

/** A request's body is longer than its route takes. */
export function tooLarge(routeId: string, maxBytes: number): GateError {
  return new GateError('target.too_large', `${routeId}: the body is longer than ${maxBytes} bytes`, {
    facts: { route: routeId },
    hint: `raise max_body for "${routeId}" in routes.toml if the application takes longer ones`,
  })
}

function expectsEvents(sent: Readonly<Record<string, string>>): boolean {
  return sent.accept?.includes('text/event-stream') === true
}

function timedOut(job: ForwardJob, origin: Origin): GateError {
  return new GateError('upstream.timeout', `${job.routeId}: no response head after ${job.timeoutMs} ms`, {
    facts: { route: job.routeId, upstream: origin.label },
    hint: `raise timeout for "${job.routeId}" in routes.toml if the application needs longer`,
  })
}
