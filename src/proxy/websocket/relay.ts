/** Relays a WebSocket between client and upstream. */

import type { Server, ServerWebSocket, WebSocketHandler } from 'bun'
import { messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/ports.ts'
import { afterLimit } from '../../base/time-limit.ts'
import type { ExchangeOwner } from '../lifetime/exchanges.ts'
import { ABNORMAL, isWireCloseCode, NO_STATUS, POLICY, TOO_BIG } from './close-codes.ts'
import type { Dialled } from './dial.ts'
import { BOOKKEEPING_BYTES, createIntake, type Lane } from './intake.ts'
import { Beats } from './ping-limit.ts'
import { MAX_MESSAGE_BYTES, type UpstreamSocket } from './upstream.ts'

/** One relayed WebSocket: `ServerWebSocket.data`. */
export interface RelayData {
  readonly owner: ExchangeOwner
  readonly upstream: UpstreamSocket
  /** What the client sends; null until it is open. */
  lane: Lane | null
  /** The client's pings and pongs. */
  readonly beats: Beats
  /** How the client left, while messages of it go on; null before that. */
  left: { readonly code: number; readonly reason: string; stopWaiting(): void } | null
  /**
   * Once the client is to be dropped: when at the latest, whether a message came since it was last looked at, and how
   * much came in all; null before that.
   */
  dropping: { isHeard: boolean; bytes: number; stopWaiting(): void } | null
}

/** What a WebSocketRelay is made with. */
interface RelayOptions {
  readonly idleS?: number
  /** How long a client that is dropped may take to say that it has read all. */
  readonly readWaitMs?: number
  /** How long messages of a client that has left may take to go on. */
  readonly lastWordsMs?: number
  readonly now: () => number
  /** How long one message may be, in either direction. */
  readonly maxMessageBytes?: number
  /** Called for each that was closed for a message that is too long, or for more messages than the other side reads. */
  readonly onTooLong?: () => void
  /** Called for each client that was closed for a flood of pings or pongs. */
  readonly onFlood?: (owner: ExchangeOwner) => void
}

/**
 * The relayed WebSockets of the process. It outlives snapshots, as the connections do.
 *
 * Memory per connection is bounded: when one side reads too slowly, Sallyport stops reading the other side. Bun
 * dispatches everything that a client sent in one read, even when it is paused at once, and inflated that may be a
 * thousand times as long. Past two of the longest messages the client is closed. The messages of one client continue
 * in parts, so that others have their turn (`intake.ts`).
 *
 * Each side's leg answers its pings here, and Sallyport passes them on too: the sender may want to keep the path in
 * between alive, through proxies that cut connections after a silent minute. A client that sends floods of pings, or
 * of pongs, is closed with 1008. Nothing else stops Bun from answering each of them, and from keeping unread data.
 *
 * Client and application agree on compression, each on its leg. A compressed message of the application stays
 * compressed, since only the application knows which text is safe to compress (an observer can guess secrets
 * compressed beside a stranger's text by their length). Towards the application nothing is compressed.
 */
export interface WebSocketRelay {
  /** For `Bun.serve({ websocket })`. */
  readonly handlers: WebSocketHandler<RelayData>
  readonly openCount: number
  readonly maxMessageBytes: number
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
  /**
   * Ends every WebSocket whose owner matches; answers how many. The application gets a Close frame (default: 1008, policy). The client
   * gets none: some pages open no new WebSocket after an orderly close (they ask for `!event.wasClean`), and would stay silent.
   */
  closeWhere(matches: (owner: ExchangeOwner) => boolean, code?: number, reason?: string): number
}

/** Longer messages go uncompressed: compressing them would hold everyone else up (30 ms a MiB, measured at Bun 1.4.5). */
const MAX_COMPRESSED_BYTES = 1024 * 1024

/** What Bun 1.4.5 says, to the client with 1009 and here with 1006, of a message that is longer than `maxPayloadLength`. */
const BUN_TOO_LONG = 'Received too big message'

/** How long messages of a side that has left may take to go on. */
const LAST_WORDS_MS = 5000

/** The ping for a client that is dropped: a client that answers (RFC 6455 §5.5.2) has read everything before it. */
const HAVE_YOU_READ = Buffer.from('sallyport: is all of it read?')

/** How long it may take to answer, before silence is taken for an answer. */
const READ_WAIT_MS = 500

/** One that does not answer may be silent for so long: who was not read sends on once it hears that it may. */
const QUIET_MS = 150

/** Seconds of silence after which Bun pings the client, and lets it go when no answer comes. */
const IDLE_S = 120

interface EndingOptions {
  readonly readWaitMs: number
  readonly maxMessageBytes: number
  readonly onFlood: RelayOptions['onFlood'] | undefined
  readonly onTooLong: RelayOptions['onTooLong'] | undefined
}

/** How connections end, on either side. */
function createEndings(
  log: Log,
  open: Set<ServerWebSocket<RelayData>>,
  { readWaitMs, maxMessageBytes, onFlood, onTooLong }: EndingOptions,
) {
  function end(ws: ServerWebSocket<RelayData>, error: unknown): void {
    log.error('a WebSocket was closed by an unexpected error', {
      route: ws.data.owner.routeId,
      error: messageOf(error),
    })
    ws.data.upstream.destroy()
    ws.data.lane?.drop()
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
  /** A client that is not being read could not answer. Its messages that were not forwarded stay here. */
  function closeClient(ws: ServerWebSocket<RelayData>, code: number, reason: string): void {
    ws.data.lane?.drop()
    if (ws.data.left !== null) {
      leave(ws, code, reason)
      return
    }
    if (ws.data.dropping !== null) return
    ws.resume()
    ws.close(code, reason)
    // Of who does not close its side Bun 1.4.5 reads on for 16 seconds, and drops it: nothing, `terminate` included, ends that sooner.
  }
  /**
   * Ends the client's connection without a Close frame, once the client confirms that it has read everything. Until
   * then its messages are read and dropped: the system discards undelivered bytes of a connection that is closed with
   * unread ones.
   */
  function dropClient(ws: ServerWebSocket<RelayData>): void {
    const { data } = ws
    if (data.dropping !== null) return
    data.lane?.drop()
    const stopWaiting = afterLimit(readWaitMs + LAST_WORDS_MS, () => ws.terminate())
    data.dropping = { isHeard: false, bytes: 0, stopWaiting }
    ws.resume()
    ws.ping(HAVE_YOU_READ)
    dropOnceQuiet(ws, readWaitMs)
  }
  /** Drops a client that has been silent for so long. Where this process itself was held up, what has come meanwhile is read first. */
  function dropOnceQuiet(ws: ServerWebSocket<RelayData>, quietMs: number): void {
    setTimeout(setTimeout, quietMs, dropUnlessHeard, 0, ws)
  }
  function dropUnlessHeard(ws: ServerWebSocket<RelayData>): void {
    const { dropping } = ws.data
    if (dropping?.isHeard) {
      dropping.isHeard = false
      dropOnceQuiet(ws, QUIET_MS)
    } else if (ws.getBufferedAmount() === 0) ws.terminate()
  }
  /** Its permission has ended: the application learns that at once. */
  function endBoth(ws: ServerWebSocket<RelayData>, code: number, reason: string): void {
    if (ws.data.left !== null) leave(ws, code, reason)
    else {
      ws.data.upstream.close(code, reason)
      dropClient(ws)
    }
  }
  /** The application is gone without a Close frame, and so is the client's connection, as if nothing stood between them. */
  function lose(ws: ServerWebSocket<RelayData>): void {
    if (ws.data.left !== null) leave(ws, NO_STATUS, '')
    else dropClient(ws)
  }
  /** The client is gone, and all that it sent has gone on. */
  function leave(ws: ServerWebSocket<RelayData>, code: number, reason: string): void {
    const { upstream, lane, left } = ws.data
    open.delete(ws)
    lane?.drop()
    left?.stopWaiting()
    try {
      if (code === NO_STATUS || isWireCloseCode(code)) upstream.close(code, reason)
      else upstream.destroy()
    } catch (error) {
      end(ws, error)
    }
  }
  function tellTooLong(ws: ServerWebSocket<RelayData>, why: string): void {
    const { routeId: route, client } = ws.data.owner
    const hint = `if messages may be longer than ${maxMessageBytes} bytes, raise max_message in [server], and restart`
    log.warn(`A WebSocket was closed: ${why}`, { route, client, max_bytes: maxMessageBytes, hint })
    onTooLong?.()
  }
  function closeFlood(ws: ServerWebSocket<RelayData>): void {
    const { owner, dropping } = ws.data
    if (dropping !== null) return void ws.terminate()
    log.warn('A WebSocket was closed: its client sends more pings or pongs than anyone needs', {
      route: owner.routeId,
      client: owner.client,
    })
    onFlood?.(owner)
    closeClient(ws, POLICY, 'too many pings')
  }

  return { end, guarded, closeClient, dropOnceQuiet, endBoth, lose, leave, tellTooLong, closeFlood }
}

type Endings = ReturnType<typeof createEndings>

/** How messages go from one side to the other, at the pace of whoever takes them. `maxWaitingBytes` may wait for that. */
function createPassing({ end, closeClient, leave, tellTooLong }: Endings, maxWaitingBytes: number) {
  /** As `guarded`, without a closure for each message. */
  function toClient(ws: ServerWebSocket<RelayData>, message: string | Buffer, wasCompressed: boolean): void {
    try {
      const status = ws.send(message, wasCompressed && message.length <= MAX_COMPRESSED_BYTES)
      if (status === -1) ws.data.upstream.pause()
    } catch (error) {
      end(ws, error)
    }
  }

  /** What came together goes together; only then is it seen whether it all left. */
  function corked(ws: ServerWebSocket<RelayData>, act: () => void): void {
    // On a client that has left, `cork` does nothing, and the upstream's last words would not be read.
    if (ws.readyState === WebSocket.OPEN) ws.cork(act)
    else act()
    if (ws.getBufferedAmount() > 0) ws.data.upstream.pause()
  }

  function toUpstream(ws: ServerWebSocket<RelayData>, upstream: UpstreamSocket, message: string | Buffer): boolean {
    try {
      const mayGoOn = upstream.send(message)
      if (!mayGoOn) ws.pause()
      return mayGoOn
    } catch (error) {
      end(ws, error)
      return false
    }
  }

  function take(ws: ServerWebSocket<RelayData>, { upstream, lane }: RelayData, message: string | Buffer): void {
    if (lane?.take(message) === false) ws.pause()
    if (upstream.waitingBytes + (lane?.waitingBytes ?? 0) > maxWaitingBytes) {
      tellTooLong(ws, 'the client sends more at once than the application takes')
      closeClient(ws, TOO_BIG, 'more at once than the application takes')
    }
  }

  function goOn(ws: ServerWebSocket<RelayData>): void {
    const { lane, left } = ws.data
    lane?.goOn()
    if (lane?.waitingBytes !== 0) return
    if (left === null) ws.resume()
    else leave(ws, left.code, left.reason)
  }

  return { toClient, corked, toUpstream, take, goOn }
}

/** A WebSocketRelay without connections. An exception in one connection ends only that one, with a log line. */
export function createWebSocketRelay(
  log: Log,
  {
    idleS = IDLE_S,
    readWaitMs = READ_WAIT_MS,
    lastWordsMs = LAST_WORDS_MS,
    now,
    onFlood,
    onTooLong,
    maxMessageBytes = MAX_MESSAGE_BYTES,
  }: RelayOptions,
): WebSocketRelay {
  /** What may wait for a reader: one message and what was read with it fit. The other side is paused long before. */
  const maxWaitingBytes = 2 * maxMessageBytes
  const open = new Set<ServerWebSocket<RelayData>>()
  const endings = createEndings(log, open, { readWaitMs, maxMessageBytes, onFlood, onTooLong })
  const { end, guarded, closeClient, dropOnceQuiet, endBoth, lose, leave, tellTooLong, closeFlood } = endings
  const { toClient, corked, toUpstream, take, goOn } = createPassing(endings, maxWaitingBytes)
  const intake = createIntake()
  let tellBusy = () => {}

  const handlers: WebSocketHandler<RelayData> = {
    maxPayloadLength: maxMessageBytes,
    backpressureLimit: maxWaitingBytes,
    closeOnBackpressureLimit: true,
    idleTimeout: idleS,
    sendPings: true,
    // Only where the application agreed: `upgrade` hides the client's offer otherwise.
    perMessageDeflate: true,
    open(ws) {
      open.add(ws)
      if (open.size === 1) tellBusy()
      const { upstream, beats } = ws.data
      const fromUpstream = new Beats(now)
      ws.data.lane = intake.enter({
        give: message => toUpstream(ws, upstream, message),
        idle: () => guarded(ws, () => goOn(ws)),
      })
      guarded(ws, () =>
        upstream.start({
          together: act => guarded(ws, () => corked(ws, act)),
          text: (message, wasCompressed) => toClient(ws, message, wasCompressed),
          binary: (message, wasCompressed) => toClient(ws, message, wasCompressed),
          ping(payload) {
            if (ws.getBufferedAmount() !== 0 || !fromUpstream.ping()) return
            beats.asked()
            ws.ping(payload)
          },
          full: () => guarded(ws, () => ws.pause()),
          drained: () => guarded(ws, () => goOn(ws)),
          closed: (code, reason) => guarded(ws, () => closeClient(ws, code, reason)),
          lost(why, isTooLong) {
            if (isTooLong) tellTooLong(ws, 'a message of the application is longer than max_message')
            else log.debug('an upstream left its WebSocket', { route: ws.data.owner.routeId, why })
            guarded(ws, () => lose(ws))
          },
        }),
      )
    },
    message(ws, message) {
      const { data } = ws
      const { dropping } = data
      if (dropping !== null) {
        dropping.isHeard = true
        dropping.bytes += message.length + BOOKKEEPING_BYTES
        // Each read may bring as much as before, inflated a thousand times as long.
        if (dropping.bytes > maxWaitingBytes) ws.terminate()
        return
      }
      try {
        take(ws, data, message)
      } catch (error) {
        end(ws, error)
      }
    },
    ping(ws, payload) {
      guarded(ws, () => {
        if (ws.data.beats.ping()) ws.data.upstream.ping(payload)
        else closeFlood(ws)
      })
    },
    pong(ws, payload) {
      const { dropping, beats } = ws.data
      if (dropping !== null && payload.equals(HAVE_YOU_READ)) ws.terminate()
      else if (!beats.pong()) guarded(ws, () => closeFlood(ws))
    },
    drain(ws) {
      if (ws.data.dropping === null) guarded(ws, () => ws.data.upstream.resume())
      else if (ws.getBufferedAmount() === 0) dropOnceQuiet(ws, readWaitMs)
    },
    close(ws, code, reason) {
      const { data } = ws
      // No client can send this code (RFC 6455 §7.4.1), as it can these words.
      if (code === ABNORMAL && reason === BUN_TOO_LONG && data.dropping === null) {
        tellTooLong(ws, 'a message of the client is longer than max_message')
      }
      if (data.dropping !== null) {
        data.dropping.stopWaiting()
        open.delete(ws)
      } else if ((data.lane?.waitingBytes ?? 0) === 0) leave(ws, code, reason)
      else data.left = { code, reason, stopWaiting: afterLimit(lastWordsMs, () => leave(ws, code, reason)) }
    },
  }

  return {
    handlers,
    get openCount() {
      return open.size
    },
    maxMessageBytes,
    upgrade(server, request, dialled, { headers, ...owner }) {
      const fields = new Headers(headers)
      // Bun 1.4.5 would choose the client's first offer where the upstream chose none.
      if (dialled.protocol === '') request.headers.delete('sec-websocket-protocol')
      else fields.set('sec-websocket-protocol', dialled.protocol)
      if (!dialled.isCompressed) request.headers.delete('sec-websocket-extensions')
      const data: RelayData = {
        owner,
        upstream: dialled.socket,
        lane: null,
        beats: new Beats(now),
        left: null,
        dropping: null,
      }
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
      for (const ws of chosen) guarded(ws, () => endBoth(ws, code, reason))
      return chosen.length
    },
  }
}
