import { GateError } from '../base/errors.ts'
import type { Ports } from '../base/ports.ts'
import { cleanResponseFields } from '../proxy/response-fields.ts'
import type { Upstream } from '../proxy/upstream.ts'
import type { RelayData, WebSocketRelay } from '../proxy/websocket.ts'
import { dialBalanced } from '../proxy/websocket-balance.ts'
import { checkHandshake, parseProtocols } from '../proxy/websocket-handshake.ts'
import type { MaybePromise, Session } from '../session/session.ts'
import type { GateRoute } from './snapshot.ts'

/** One allowed request that asks for a WebSocket. */
export interface SocketJob {
  readonly request: Request
  readonly front: Bun.Server<unknown>
  readonly route: GateRoute
  readonly upstream: Upstream
  readonly session: Session | null
  /** The client's address. */
  readonly client: string
  /** The same where it is beyond doubt, else null. */
  readonly provenClient: string | null
  readonly fields: Readonly<Record<string, string>>
  readonly path: string
  /** The origin of the host that was asked: pages of it may open the socket. */
  readonly origin: string
}

/** WebSockets through the gate. */
export interface Sockets {
  /** Undefined once the request has become a WebSocket; a refusal by the upstream is passed back as it came. */
  open(job: SocketJob): MaybePromise<Response | undefined>
}

/**
 * Checks the handshake and its origin, dials the upstream first, then upgrades the client.
 *
 * Throws: access.origin (a page of another site on a route that is not public), websocket.handshake, websocket.version,
 * and what dialling throws. The upstream is untouched by what is refused here.
 */
export function createSockets(relay: WebSocketRelay, ports: Pick<Ports, 'random' | 'now' | 'log'>): Sockets {
  return {
    async open(job) {
      const { request, route, session } = job
      const mistake = checkHandshake(request)
      if (mistake !== null) throw mistake
      if (route.config.allow.kind !== 'public') checkOrigin(request.headers.get('origin'), job)
      const dialled = await dialBalanced(job.upstream, job, ports, {
        what: route.config.id,
        path: job.path,
        hasOwnHost: route.config.hostHeader.kind === 'upstream',
        headers: job.fields,
        protocols: parseProtocols(request.headers) ?? [],
        timeoutMs: route.config.timeoutMs,
        random: ports.random,
        signal: request.signal,
      })
      if (dialled.kind === 'refused') {
        cleanResponseFields(dialled.response.headers)
        return dialled.response
      }
      cleanResponseFields(dialled.headers)
      // Every listener is made with the relay's handlers, whose data this is.
      const server = job.front as Bun.Server<RelayData>
      return relay.upgrade(server, request, dialled, {
        routeId: route.config.id,
        session,
        method: request.method,
        client: job.provenClient,
        headers: dialled.headers,
      })
    },
  }
}

/** Cookies travel with a handshake from any site, so the site has to be ours (RFC 6455 §10.2). Programs send no Origin. */
function checkOrigin(origin: string | null, job: SocketJob): void {
  if (
    origin === null ||
    origin.toLowerCase() === job.origin ||
    job.route.config.allowedOrigins.includes(origin.toLowerCase())
  )
    return
  throw new GateError('access.origin', `a WebSocket was asked for by a page of another origin`, {
    facts: { route: job.route.config.id, origin: origin.slice(0, 200) },
    hint: `if that page may do so, list its origin in allowed_origins of "${job.route.config.id}"`,
  })
}
