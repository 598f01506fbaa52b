import type { Tally } from '../base/amounts.ts'
import type { GateError } from '../base/errors.ts'
import type { Ports } from '../base/ports.ts'
import type { Target } from '../route/target.ts'
import type { Session } from '../session/session.ts'
import type { Account } from './account.ts'
import type { EventStreams } from './body/event-streams.ts'
import type { Flows } from './body/flows.ts'
import type { WholeBodies } from './body/whole.ts'
import type { AnswerBounds } from './fields/response.ts'
import type { ClientIdle, ClientSide } from './lifetime/client-idle.ts'
import type { Deadlines } from './lifetime/deadlines.ts'
import type { Exchanges } from './lifetime/exchanges.ts'
import type { Mention } from './upstream/mentions.ts'
import type { OwnPages } from './upstream/own-pages.ts'
import type { Upstream } from './upstream/upstream.ts'

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

/** One decided request, ready to go. */
export interface ForwardJob {
  readonly request: Request
  /** What is sent of its body: a short one has been read by then. */
  readonly body: ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer> | null
  readonly method: string
  readonly upstream: Upstream
  /** Path and query as the upstream gets them. */
  readonly path: string
  /** The request's fields as they came, and as they go on. */
  readonly sent: Readonly<Record<string, string>>
  readonly headers: Headers
  /** Whether Host becomes the address's own. */
  readonly hasOwnHost: boolean
  /** What Origin and Referer name, where the application is to take it for its own; null on other routes. */
  readonly ownPages: OwnPages | null
  /** How long the upstream may take to begin its answer, from the end of the request. */
  readonly timeoutMs: number
  readonly routeId: string
  /** How long a body of unannounced length may be; null: no limit, or the length was announced and has been checked. */
  readonly maxBodyBytes: number | null
  /**
   * Up to what length the answer is read completely, even where that is slow, so that it keeps its Content-Length;
   * null: the route does not ask for that.
   */
  readonly keepLengthBytes: number | null
  /** The client's address. */
  readonly client: string
  /** The same where it is beyond doubt, else null: what rules about networks look at. */
  readonly provenClient: string | null
  /** What was asked for, in every reading, as rules look at it. */
  readonly target: Target
  /** How the client reaches its host, and what a trusted proxy took off the path before; for addresses in the answer. */
  readonly scheme: 'http' | 'https'
  readonly prefix: string
  /** Whose request it is; null: anonymous. */
  readonly session: Session | null
  /** Where that is null: the session by which a route of another reading allowed it; null: anonymous. */
  readonly elsewhere: Session | null
  /** How far the answer may bounds. */
  readonly bounds: AnswerBounds
  /** Where the request came in. */
  readonly front: ClientSide
  /** The request by which `front` knows the connection: `request`, unless that one was made here. */
  readonly connection: Request
  /** Its record; null where none is kept. */
  readonly account: Account | null
  /** Called with an answer that sets cookies, once its fields are clean; null for none. */
  readonly noteCookies: ((headers: Headers) => void) | null
  /** The fields that mention other resources of the application; null for nearly all. */
  readonly mentions: readonly Mention[] | null
}
