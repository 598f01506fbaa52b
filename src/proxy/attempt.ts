import type { GateError } from '../base/errors.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import { askedAt } from './account.ts'
import { type AnswerLife, addressOf, prepareAnswer } from './answer.ts'
import type { LongTurns } from './body/long-turns.ts'
import type { PacedBody } from './body/paced.ts'
import { NO_STAMP } from './body/turns.ts'
import { isBlameless, timedOut, translateFailure, unreachable } from './failures.ts'
import { fetchInit } from './fetch-init.ts'
import type { ForwardJob, ForwardTools } from './job.ts'
import { announcesBody, hasLeft, isLocalSocket } from './lifetime/client-idle.ts'
import type { Waiting } from './lifetime/deadlines.ts'
import { type Exchange, type ExchangeOwner, overtaken, ownerOf } from './lifetime/exchanges.ts'
import { NOWHERE } from './lifetime/roster.ts'
import { waitToBeSent } from './send-turn.ts'
import { beginUpload } from './upload.ts'
import { noteAnswer, noteFailure, type Origin } from './upstream/origin.ts'
import { reach } from './upstream/reach.ts'

/** Most requests are answered by then, and never ask what became of their client. */
const YOUNG_MS = 300

/**
 * How long after its head a long answer is first checked, so that a client's leave is noticed within a second; and the
 * interval after that.
 */
const FIRST_LOOK_MS = 700
const LOOK_MS = 5000

/**
 * Sends a job to one address and answers with what came back, streaming in both directions.
 *
 * Rejects as `forward` does, before the answer began.
 */
export function attempt(job: ForwardJob, tools: ForwardTools, origin: Origin): Promise<Response> {
  const { flows } = tools
  flows.admit(job.client)
  // Nearly always the length of this address's answers does not matter.
  if (job.body instanceof ReadableStream || !flows.lengths.matter(origin.inFlight)) {
    return sendInTurn(job, tools, origin, null)
  }
  const address = addressOf(job, origin)
  const turns = flows.turnsOfLong(address, origin.inFlight)
  if (turns === null) return sendInTurn(job, tools, origin, null)
  if (turns.begin()) return sendInTurn(job, tools, origin, turns)
  return waitToBeSent(
    job,
    tools,
    { wait: waiter => turns.wait(waiter, address) },
    () => sendInTurn(job, tools, origin, turns),
    () => turns.leave(),
  )
}

/** `long`: where it is counted as one whose answer may be long; null: nowhere. */
function sendInTurn(job: ForwardJob, tools: ForwardTools, origin: Origin, long: LongTurns | null): Promise<Response> {
  // A request that waits holds up to 1.3 MB of a long body in Bun 1.4.5: it is sent, and counted there.
  const stamp = job.body instanceof ReadableStream ? NO_STAMP : tools.flows.turns.begin()
  if (stamp !== null) return send(job, tools, origin, stamp, long)
  const { turns } = tools.flows
  let isSent = false
  const later = waitToBeSent(
    job,
    tools,
    turns,
    turn => {
      isSent = true
      return send(job, tools, origin, turn, long)
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
  job: ForwardJob,
  tools: ForwardTools,
  origin: Origin,
  stamp: number,
  long: LongTurns | null,
): Promise<Response> {
  const { body } = job
  const init = fetchInit(job, origin)
  // A slow upload or a slow first byte is silence on the client's side, and no fault of the client.
  const isStreamed = body instanceof ReadableStream
  const isHeld = isStreamed || job.timeoutMs > (tools.clientIdle.idleTimeoutS - 5) * 1000
  if (isHeld) tools.clientIdle.hold(job.front, job.connection)

  return new Promise<Response>((resolve, reject) => {
    const one = new Attempt({ job, tools, origin, stamp, long, isHeld, resolve, reject })
    init.signal = one.signal
    if (isStreamed) init.body = one.send(body)
    tools.ports.forward(origin.base + job.path, init).then(
      response => one.answer(response),
      (error: unknown) => one.fail(error),
    )
  })
}

/** A request whose turn it is, and the result of its attempt. */
interface Start {
  readonly job: ForwardJob
  readonly tools: ForwardTools
  readonly origin: Origin
  /** What its turn is known by. */
  readonly stamp: number
  /** Where it is counted as one whose answer may be long; null: nowhere. */
  readonly long: LongTurns | null
  /** Whether its client's connection is held already. */
  readonly isHeld: boolean
  readonly resolve: (response: MaybePromise<Response>) => void
  readonly reject: (error: unknown) => void
}

/** Before the head: `young`, then followed to its client and `connecting`, then `late`. After it: `answered`, until it is `over`. */
type Stage = 'young' | 'connecting' | 'late' | 'answered' | 'over'

/**
 * The abort reason of an answer: for any other reason Bun 1.4.5 writes an error to standard error when it breaks off a
 * body that it sends itself.
 */
const SILENTLY = null

/**
 * One request under way to one address. It is an exchange until its answer is over, and has a deadline: first for its
 * head, then for checks of its progress.
 *
 * It has its own abort signal, which follows the client's only once the request is no longer young (`YOUNG_MS`): a
 * listener on each request costs 2 µs.
 */
class Attempt implements Waiting, Exchange, AnswerLife {
  deadlineMs: number
  slot = NOWHERE
  place = NOWHERE
  /** How long the first half of connecting may take, and how long it may wait beyond that. */
  readonly #connectMs: number
  readonly #restMs: number
  readonly #job: ForwardJob
  readonly #tools: ForwardTools
  readonly #origin: Origin
  readonly #abort = new AbortController()
  readonly #isHeld: boolean
  readonly #resolve: (response: MaybePromise<Response>) => void
  readonly #reject: (error: unknown) => void
  /** By the meter's clock; 0 where there is none. */
  readonly #askedAtMs: number
  #stage: Stage = 'young'
  /** What its turn is known by, until it has begun. */
  #stamp: number
  /** Where it is counted as a request with a possibly long answer, until the answer comes. */
  #long: LongTurns | null
  #hasLeft = false
  /** Whether the answer's body is being read here, to go on as a whole. */
  #isCollecting = false
  /** Why it was ended from here; null where it was not. */
  #ended: string | null = null
  /** Ends the answer's events; null where it is of another kind. */
  #closeEvents: (() => void) | null = null
  /** The request's body, while it is being sent. */
  #upload: PacedBody | null = null
  /** Whether the request's body was let go before its end, or is one that Bun drops. */
  #isCutShort: boolean
  /** The answer's body, while it is being sent. */
  #download: Pick<PacedBody, 'cut'> | null = null

  constructor({ job, tools, origin, stamp, long, isHeld, resolve, reject }: Start) {
    this.#job = job
    this.#tools = tools
    this.#origin = origin
    this.#stamp = stamp
    this.#long = long
    this.#isHeld = isHeld
    this.#resolve = resolve
    this.#reject = reject
    this.#connectMs = Math.min(job.timeoutMs, job.upstream.connectTimeoutMs / 2)
    this.#restMs = job.timeoutMs - this.#connectMs
    this.#askedAtMs = tools.meter === null ? 0 : tools.meter.tick()
    this.#isCutShort = job.body === null && announcesBody(job.sent)
    this.deadlineMs = tools.ports.now() + Math.min(YOUNG_MS, this.#connectMs)
    origin.inFlight++
    if (job.account !== null) askedAt(job.account, origin.label)
    tools.deadlines.add(this)
    tools.exchanges.add(this)
    // Nothing else shows there that a client has left.
    if (isLocalSocket(job.front)) this.#follow()
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  get owner(): ExchangeOwner {
    return ownerOf(this.#job)
  }

  get #isWaiting(): boolean {
    return this.#stage !== 'answered' && this.#stage !== 'over'
  }

  /** The request's body, as it is to be sent: from its end on the application's time counts. */
  send(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
    this.#begun()
    this.#upload = beginUpload(body, this.#job, this.#tools, {
      refuse: error => this.cut(error),
      onEnd: isWhole => {
        this.#upload = null
        this.#isCutShort = !isWhole
        if (this.#stage === 'late') {
          this.#tools.deadlines.remove(this)
          this.deadlineMs = this.#tools.ports.now()
          this.#wait(this.#job.timeoutMs)
        }
      },
    })
    return this.#upload.stream
  }

  answer(response: Response): void {
    this.#begun()
    if (!this.#isWaiting) {
      response.body?.cancel().catch(() => undefined)
      return
    }
    this.#stage = 'answered'
    const { meter } = this.#tools
    if (meter !== null) meter.answered(this.#job.upstream.label, meter.tick() - this.#askedAtMs)
    this.#upload?.forgo()
    this.#origin.inFlight--
    this.#tools.deadlines.remove(this)
    if (this.#origin.failures !== 0) noteAnswer(this.#origin)
    try {
      this.#resolve(this.#prepare(response))
      this.#shows()
    } catch (error) {
      this.#leave()
      response.body?.cancel().catch(() => undefined)
      this.#reject(error)
    }
  }

  fail(error: unknown): void {
    if (this.#isWaiting) this.#refuse(translateFailure(error, this.#job.routeId, this.#origin.label))
  }

  expire(): void {
    const { front, connection } = this.#job
    switch (this.#stage) {
      case 'young':
        this.#stage = 'connecting'
        this.#begun()
        this.#wait(Math.max(0, this.#connectMs - YOUNG_MS))
        if (!isLocalSocket(front)) this.#follow()
        return
      case 'connecting':
        this.#connect()
        return
      case 'late':
        // Its time begins when the whole request is sent. The upload has its own watch.
        if (this.#upload === null) this.#abandon(timedOut(this.#job, this.#origin.label))
        else this.#wait(this.#job.timeoutMs)
        return
      case 'answered':
        if (hasLeft(front, connection)) {
          // Bun lets the upstream go with the client, but for a body that is read here.
          const isReadHere = this.#isCollecting || this.#download !== null
          // First: after the abort its end can no longer be seen.
          this.#leave()
          if (isReadHere) this.#abort.abort(SILENTLY)
        } else {
          const { clientIdle } = this.#tools
          clientIdle.renew(front, connection)
          this.#wait(Math.min(LOOK_MS, clientIdle.idleTimeoutS * 400))
        }
        return
      case 'over':
    }
  }

  /** The body is too long: the upstream's request is broken off, even when its answer has begun. */
  cut(error: GateError): void {
    if (this.#isWaiting) this.#refuse(error)
    this.#abort.abort(error.message)
  }

  onOver(): void {
    this.#finish()
  }

  onOpen(): void {
    this.deadlineMs = this.#tools.ports.now()
    this.#wait(FIRST_LOOK_MS)
  }

  onEvents(close: () => void): void {
    this.#closeEvents = close
  }

  onGoingOn(body: Pick<PacedBody, 'cut'>): void {
    this.#download = body
  }

  /** Releases both sides, and closes the client's connection if the client still reads nothing. */
  onStall(): void {
    const { front, connection } = this.#job
    this.end('its client takes no more of it')
    front.timeout(connection, 1)
  }

  end(reason: string): void {
    this.#ended = reason
    if (this.#isWaiting) this.#refuse(overtaken(this.#job, reason))
    if (this.#closeEvents === null) {
      // First: code that waits for the body must not take it for lost, and retry.
      this.#download?.cut(overtaken(this.#job, reason))
      this.#abort.abort(SILENTLY)
    } else this.#closeEvents()
    this.#leave()
  }

  /** fetch does not tell a slow connection from a slow answer: halfway to connect_timeout another connection asks. */
  #connect(): void {
    const { upstream, routeId, body, timeoutMs } = this.#job
    const isStreamed = body instanceof ReadableStream
    if (this.#restMs === 0 && !isStreamed) {
      this.#abandon(timedOut(this.#job, this.#origin.label))
      return
    }
    this.#stage = 'late'
    this.#wait(isStreamed ? timeoutMs : timeoutMs - this.#connectMs)
    void reach(this.#origin.address, upstream.connectTimeoutMs / 2).then(isReachable => {
      if (!isReachable) this.#abandon(unreachable(routeId, this.#origin.label, upstream.connectTimeoutMs))
    })
  }

  /** From here on the upstream is released as soon as the client leaves, if that has not happened yet. */
  #follow(): void {
    const { front, connection } = this.#job
    const onLeave = (): void => {
      this.#hasLeft = true
      this.#abort.abort('a client left')
    }
    if (hasLeft(front, connection)) onLeave()
    else connection.signal.addEventListener('abort', onLeave, { once: true })
  }

  #wait(ms: number): void {
    this.deadlineMs += ms
    this.#tools.deadlines.add(this)
  }

  #abandon(error: GateError): void {
    if (!this.#isWaiting) return
    this.#refuse(error)
    this.#abort.abort(error.message)
  }

  #refuse(error: GateError): void {
    this.#origin.inFlight--
    this.#finish()
    const { front, connection } = this.#job
    const isClients = this.#hasLeft || hasLeft(front, connection)
    if (!isClients && !isBlameless(error)) noteFailure(this.#origin, this.#tools.ports.now())
    this.#reject(error)
  }

  /** From here on its connection has the usual idle time; a short one where the rest of a request is still to come. */
  #finish(): void {
    const { front, connection } = this.#job
    const { clientIdle } = this.#tools
    const isCutShort = this.#isCutShort || this.#upload !== null
    this.#leave()
    if (isCutShort) clientIdle.part(front, connection)
    else if (this.#isHeld || this.#download !== null) clientIdle.renew(front, connection)
  }

  /** From here on its pieces show its progress, or it may take its time. */
  #begun(): void {
    if (this.#stamp === NO_STAMP) return
    this.#tools.flows.begun(this.#stamp)
    this.#stamp = NO_STAMP
  }

  /** From here on its part of a possibly long answer is counted directly. */
  #shows(): void {
    const long = this.#long
    this.#long = null
    long?.leave()
  }

  #leave(): void {
    this.#stage = 'over'
    this.#begun()
    this.#shows()
    this.#upload?.cut(new Error('the exchange is over'))
    this.#download?.cut(new Error('the exchange is over'))
    this.#tools.deadlines.remove(this)
    this.#tools.exchanges.remove(this)
  }

  #prepare(response: Response): MaybePromise<Response> {
    const ready = prepareAnswer(response, this.#job, this.#tools, {
      origin: this.#origin,
      isHeld: this.#isHeld,
      life: this,
    })
    if (!(ready instanceof Promise)) return ready
    this.#isCollecting = true
    return ready.then(
      collected => {
        this.#isCollecting = false
        return collected
      },
      (error: unknown) => {
        throw this.#ended === null
          ? translateFailure(error, this.#job.routeId, this.#origin.label)
          : overtaken(this.#job, this.#ended)
      },
    )
  }
}
