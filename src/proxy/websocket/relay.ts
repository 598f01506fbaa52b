import type { Server, ServerWebSocket, WebSocketHandler } from 'bun'
import type { Log } from '../../base/ports.ts'
import type { ExchangeOwner } from '../lifetime/exchanges.ts'
import { BAD_GATEWAY, isWireCloseCode, NO_STATUS, POLICY, TOO_BIG } from './close-codes.ts'
import type { Dialled } from './dial.ts'
import { MAX_MESSAGE_BYTES, type UpstreamSocket } from './upstream.ts'

/** One relayed WebSocket: `ServerWebSocket.data`. */
export interface RelayData {
  readonly owner: ExchangeOwner
  readonly upstream: UpstreamSocket
}

/**
 * The relayed WebSockets of the process. It outlives snapshots, as the connections do.
 *
 * Memory per connection is bounded: whoever reads too slowly stops the other side from being read. What a client sent in one
 * read is dispatched even when it is paused at once, and inflated that may be a thousand times as long: past MAX_WAITING_BYTES
 * the client is closed.
 * Pings are answered here, each side's by its own leg, and passed on too: whoever sends them may mean to keep the way in between
 * alive, through proxies that cut what is silent for a minute.
 * Compression is what client and application agree upon, each on its own leg: a message that came compressed from the
 * application goes on compressed, since only the application knows what may be (secrets compressed beside a stranger's text
 * can be told by length). Towards the application nothing is.
 */
export interface WebSocketRelay {
  /** For `Bun.serve({ websocket })`. */
  readonly handlers: WebSocketHandler<RelayData>
  readonly openCount: number
  /**
   * Answers the client's handshake with the upstream's choice of subprotocol. `headers` go with the 101.
   * Undefined on success; otherwise the answer to send, and the upstream is let go.
   */
  upgrade(
    server: Server<RelayData>,
    request: Request,
    dialled: Extract<Dialled, { kind: 'open' }>,
    owner: ExchangeOwner & { readonly headers?: Headers | Record<string, string> },
  ): Response | undefined
  /** Whose are open. */
  owners(): Iterable<ExchangeOwner>
  /** Called whenever there is one where there was none. */
  onBusy(listener: () => void): void
  /** Closes every WebSocket whose owner matches, on both sides; answers how many. Default: 1008, policy. */
  closeWhere(matches: (owner: ExchangeOwner) => boolean, code?: number, reason?: string): number
}

/** What may wait for a reader: one message and what was read with it fit. The other side is paused long before. */
const MAX_WAITING_BYTES = 2 * MAX_MESSAGE_BYTES

/** Longer messages go uncompressed: compressing them would hold everyone else up (30 ms a MiB, measured at Bun 1.4.5). */
const MAX_COMPRESSED_BYTES = 1024 * 1024

/** Seconds of silence after which Bun pings the client, and lets it go when no answer comes. */
const IDLE_S = 120

/** A WebSocketRelay without connections. An exception in one connection ends that one alone, with a word in the log. */
export function createWebSocketRelay(log: Log, { idleS = IDLE_S } = {}): WebSocketRelay {
  const open = new Set<ServerWebSocket<RelayData>>()
  let tellBusy = () => {}

  function end(ws: ServerWebSocket<RelayData>, error: unknown): void {
    log.error('a WebSocket was closed by an error of ours', {
      route: ws.data.owner.routeId,
      error: error instanceof Error ? error.message : String(error),
    })
    ws.data.upstream.destroy()
    ws.terminate()
  }
  /** Bun ends the process when a WebSocket handler throws, so none may. */
  function guarded(ws: ServerWebSocket<RelayData>, act: () => void): void {
    try {
      act()
    } catch (error) {
      end(ws, error)
    }
  }
  function toClient(ws: ServerWebSocket<RelayData>, message: string | Buffer, wasCompressed: boolean): void {
    const status = ws.send(message, wasCompressed && message.length <= MAX_COMPRESSED_BYTES)
    if (status === -1) ws.data.upstream.pause()
  }
  /** What came together goes together; only then is it seen whether it all left. */
  function corked(ws: ServerWebSocket<RelayData>, act: () => void): void {
    // On a client that has left, `cork` does nothing, and the upstream's last words would not be read.
    if (ws.readyState === WebSocket.OPEN) ws.cork(act)
    else act()
    if (ws.getBufferedAmount() > 0) ws.data.upstream.pause()
  }
  /** A client that is not being read would never be seen to answer. */
  function closeClient(ws: ServerWebSocket<RelayData>, code: number, reason: string): void {
    ws.resume()
    ws.close(code, reason)
  }

  const handlers: WebSocketHandler<RelayData> = {
    maxPayloadLength: MAX_MESSAGE_BYTES,
    backpressureLimit: MAX_WAITING_BYTES,
    closeOnBackpressureLimit: true,
    idleTimeout: idleS,
    sendPings: true,
    // Only where the application agreed: `upgrade` hides the client's offer otherwise.
    perMessageDeflate: true,
    open(ws) {
      open.add(ws)
      if (open.size === 1) tellBusy()
      const { upstream } = ws.data
      guarded(ws, () =>
        upstream.start({
          together: act => guarded(ws, () => corked(ws, act)),
          text: (message, wasCompressed) => guarded(ws, () => toClient(ws, message, wasCompressed)),
          binary: (message, wasCompressed) => guarded(ws, () => toClient(ws, message, wasCompressed)),
          ping(payload) {
            if (ws.getBufferedAmount() === 0) ws.ping(payload)
          },
          full: () => guarded(ws, () => ws.pause()),
          drained: () => guarded(ws, () => ws.resume()),
          closed: (code, reason) => guarded(ws, () => closeClient(ws, code, reason)),
          lost(why) {
            log.debug('an upstream left its WebSocket', { route: ws.data.owner.routeId, why })
            guarded(ws, () => closeClient(ws, BAD_GATEWAY, ''))
          },
        }),
      )
    },
    message(ws, message) {
      guarded(ws, () => {
        const { upstream } = ws.data
        if (upstream.send(message)) return
        if (upstream.waitingBytes > MAX_WAITING_BYTES)
          closeClient(ws, TOO_BIG, 'more at once than the application takes')
        else ws.pause()
      })
    },
    ping(ws, payload) {
      guarded(ws, () => ws.data.upstream.ping(payload))
    },
    drain(ws) {
      guarded(ws, () => ws.data.upstream.resume())
    },
    close(ws, code, reason) {
      open.delete(ws)
      try {
        if (code === NO_STATUS || isWireCloseCode(code)) ws.data.upstream.close(code, reason)
        else ws.data.upstream.destroy()
      } catch (error) {
        end(ws, error)
      }
    },
  }

  return {
    handlers,
    get openCount() {
      return open.size
    },
    upgrade(server, request, dialled, { headers, ...owner }) {
      const fields = new Headers(headers)
      // Bun 1.4.5 would choose the client's first offer where the upstream chose none.
      if (dialled.protocol === '') request.headers.delete('sec-websocket-protocol')
      else fields.set('sec-websocket-protocol', dialled.protocol)
      if (!dialled.isCompressed) request.headers.delete('sec-websocket-extensions')
      const data = { owner, upstream: dialled.socket }
      if (server.upgrade(request, { data, headers: fields })) return undefined
      dialled.socket.destroy()
      return new Response(null, { status: 400 })
    },
    owners: () => [...open].map(ws => ws.data.owner),
    onBusy(listener) {
      tellBusy = listener
    },
    closeWhere(matches, code = POLICY, reason = '') {
      const chosen = [...open].filter(ws => matches(ws.data.owner))
      for (const ws of chosen) guarded(ws, () => closeClient(ws, code, reason))
      return chosen.length
    },
  }
}
