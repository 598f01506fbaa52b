/** Upgrades an allowed request to a WebSocket, and ties it to its upstream and session. */

import { GateError } from '../../base/errors.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { Ports } from '../../base/ports.ts'
import type { AnswerBounds } from '../../proxy/fields/response.ts'
import type { Delivery } from '../../proxy/forwarded.ts'
import { type Exchange, type Exchanges, overtaken } from '../../proxy/lifetime/exchanges.ts'
import { NOWHERE } from '../../proxy/lifetime/roster.ts'
import type { OwnPages } from '../../proxy/upstream/origin-and-referer.ts'
import type { Upstream } from '../../proxy/upstream/upstream.ts'
import { dialBalanced } from '../../proxy/websocket/balance.ts'
import { offersDeflate } from '../../proxy/websocket/deflate.ts'
import { FrameEncoder } from '../../proxy/websocket/encoder.ts'
import { checkHandshake, parseProtocols } from '../../proxy/websocket/handshake.ts'
import type { RelayData, WebSocketRelay } from '../../proxy/websocket/relay.ts'
import { originAt, type Target } from '../../route/target.ts'
import type { Session } from '../../session/session.ts'
import type { GateRoute } from '../config/snapshot.ts'

/** One allowed request that asks for a WebSocket. */
interface SocketJob {
  readonly request: Request
  readonly front: Bun.Server<unknown>
  readonly route: GateRoute
  readonly upstream: Upstream
  readonly session: Session | null
  /** Where that is null: the session by which a route of another reading allowed it; null: anonymous. */
  readonly elsewhere: Session | null
  /** The routes of the other readings of its path. */
  readonly also: readonly GateRoute[]
  /** The client's address. */
  readonly client: string
  /** The same where it is beyond doubt, else null. */
  readonly provenClient: string | null
  /** What was asked for, in every reading. */
  readonly target: Target
  /** The request's fields as they came, and as they go on. */
  readonly sent: Readonly<Record<string, string>>
  readonly fields: Readonly<Record<string, string>>
  readonly path: string
  /** What Origin and Referer name, where the application is to take it for its own; null on other routes. */
  readonly ownPages: OwnPages | null
  /** How far a refusal by the application may reach. */
  readonly bounds: AnswerBounds
  /** How the client reaches its host, whose pages may open the socket, and what a trusted proxy took off the path before. */
  readonly scheme: 'http' | 'https'
  readonly prefix: string
  /** What is said of its way. */
  readonly delivery: Delivery
}

/** WebSockets through the gate. */
export interface Sockets {
  /** Undefined once the request has become a WebSocket; a refusal by the upstream is passed back as it came. */
  open(job: SocketJob): MaybePromise<Response | undefined>
}

/**
 * Checks the handshake and its origin, dials the upstream first, then upgrades the client.
 *
 * Throws: access.origin (a page of another site, on a route that is not public or for someone who is signed in), websocket.handshake, websocket.version,
 * and what dialling throws. The upstream is untouched by what is refused here. Throws access.denied where the session or the
 * rules that allowed it ended while the upstream was dialled, which can take as long as the route's `timeout`: until then it is
 * one of the `exchanges`, and from then on the relay's.
 */
export function createSockets(
  relay: WebSocketRelay,
  exchanges: Exchanges,
  ports: Pick<Ports, 'random' | 'now' | 'log'>,
): Sockets {
  const encoder = new FrameEncoder(ports.random)

  return {
    async open(job) {
      const { request, route, session } = job
      const mistake = checkHandshake(request)
      if (mistake !== null) throw mistake
      checkOrigin(request.headers.get('origin'), job, originAt(job))
      const owner = {
        routeId: route.config.id,
        session,
        elsewhere: job.elsewhere,
        method: request.method,
        client: job.provenClient,
        target: job.target,
        sent: job.sent,
        isWebSocket: true,
      }
      const abort = new AbortController()
      const signal = AbortSignal.any([request.signal, abort.signal])
      const dialling: Exchange & { ended: GateError | null } = {
        owner,
        place: NOWHERE,
        ended: null,
        end(reason) {
          dialling.ended = overtaken(owner, reason)
          abort.abort()
        },
      }
      exchanges.add(dialling)
      try {
        const asker = { sent: job.sent, client: job.client, session, signal }
        const dialled = await dialBalanced(job.upstream, asker, ports, {
          what: route.config.id,
          path: job.path,
          hasOwnHost: route.config.hostHeader.kind === 'upstream',
          ownPages: job.ownPages,
          headers: job.fields,
          protocols: parseProtocols(request.headers) ?? [],
          offersDeflate: route.config.websocketCompression && offersDeflate(request.headers),
          timeoutMs: route.config.timeoutMs,
          bounds: job.bounds,
          asked: job,
          random: ports.random,
          encoder,
          maxMessageBytes: relay.maxMessageBytes,
          signal,
          delivery: job.delivery,
        })
        // From here to the upgrade nothing else runs: who ends exchanges finds this one either here or at the relay.
        if (dialling.ended !== null) {
          if (dialled.kind === 'open') dialled.socket.destroy()
          throw dialling.ended
        }
        if (dialled.kind === 'refused') return dialled.response
        // Every listener is made with the relay's handlers, whose data this is.
        const server = job.front as Bun.Server<RelayData>
        return relay.upgrade(server, request, dialled, { ...owner, headers: dialled.headers })
      } catch (error) {
        throw dialling.ended ?? error
      } finally {
        exchanges.remove(dialling)
      }
    },
  }
}

/** What an origin is judged for. */
interface Opened {
  readonly route: GateRoute
  /** The routes of the other readings of its path: the application may take the handshake for one there. */
  readonly also: readonly GateRoute[]
  readonly session: Session | null
  readonly elsewhere: Session | null
}

/**
 * Cookies travel with a handshake from any site, so the site has to be ours, but where everybody may pass as nobody
 * (RFC 6455 §10.2). Programs send no Origin.
 *
 * Throws `access.origin`.
 */
export function checkOrigin(origin: string | null, { route, also, session, elsewhere }: Opened, own: string): void {
  if (origin === null || origin.toLowerCase() === own) return
  const routes = [route, ...also]
  const isForAll =
    session === null && elsewhere === null && routes.every(({ config }) => config.allow.kind === 'public')
  const closed = routes.find(({ config }) => !config.allowedOrigins.includes(origin.toLowerCase()))
  if (isForAll || closed === undefined) return
  const { id } = closed.config
  throw new GateError('access.origin', `a WebSocket was asked for by a page of another origin`, {
    facts: { route: id, origin: origin.slice(0, 200) },
    hint: `if that page may do so, list its origin in allowed_origins of "${id}"`,
  })
}
