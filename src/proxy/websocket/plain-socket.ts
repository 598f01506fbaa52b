/** A connection to an upstream without TLS, for WebSockets. */

import { EventEmitter } from 'node:events'
import type { Socket, SocketHandler } from 'bun'

/** What a WebSocket's leg to its upstream uses of a connection: a part of `Socket` of node:net, which those with TLS are. */
export interface UpstreamLeg {
  readonly destroyed: boolean
  /** What has not left. */
  readonly writableLength: number
  readonly writableNeedDrain: boolean
  /** Whether more should be written before `drain`. What is written must not change until it has left. */
  write(bytes: Uint8Array): boolean
  pause(): unknown
  resume(): unknown
  setNoDelay(isWanted: boolean): unknown
  setKeepAlive(isWanted: boolean, afterMs: number): unknown
  /** Sends what waits, and closes then. */
  end(): unknown
  destroy(error?: Error): unknown
  on: Listen
  once: Listen
  off: Listen
}

interface Listen {
  (event: 'data', listener: (bytes: Buffer) => void): unknown
  (event: 'error', listener: (error: Error) => void): unknown
  (event: 'connect' | 'drain' | 'end' | 'close', listener: () => void): unknown
}

/**
 * A connection without TLS, by Bun's own sockets.
 *
 * The streams of node:net, which TLS has, cost a short message 3 % of all that its echo takes (Bun 1.4.5).
 */
class PlainSocket extends EventEmitter {
  destroyed = false
  writableLength = 0
  #socket: Socket<PlainSocket> | null = null
  #queue: Uint8Array[] = []
  #isEnding = false
  #isClosed = false

  get writableNeedDrain(): boolean {
    return this.writableLength > 0
  }

  opened(socket: Socket<PlainSocket>): void {
    this.#socket = socket
    if (this.destroyed) socket.terminate()
    else this.emit('connect')
  }

  /** Whether it left at once; what did not is kept as it is, and must not change. */
  write(bytes: Uint8Array): boolean {
    if (this.#socket === null || this.destroyed || this.#isEnding) return false
    if (this.writableLength > 0) {
      this.#keep(bytes)
      return false
    }
    const written = Math.max(0, this.#socket.write(bytes))
    if (written === bytes.length) return true
    this.#keep(bytes.subarray(written))
    return false
  }

  #keep(bytes: Uint8Array): void {
    this.#queue.push(bytes)
    this.writableLength += bytes.length
  }

  drain(): void {
    while (this.#socket !== null) {
      const [bytes] = this.#queue
      if (bytes === undefined) break
      const written = Math.max(0, this.#socket.write(bytes))
      this.writableLength -= written
      if (written < bytes.length) {
        this.#queue[0] = bytes.subarray(written)
        return
      }
      this.#queue.shift()
    }
    if (this.#isEnding) this.#socket?.end()
    else this.emit('drain')
  }

  pause(): this {
    this.#socket?.pause()
    return this
  }

  resume(): this {
    this.#socket?.resume()
    return this
  }

  setNoDelay(isWanted: boolean): this {
    this.#socket?.setNoDelay(isWanted)
    return this
  }

  setKeepAlive(isWanted: boolean, afterMs: number): this {
    this.#socket?.setKeepAlive(isWanted, afterMs)
    return this
  }

  end(): this {
    this.#isEnding = true
    if (this.writableLength === 0) this.#socket?.end()
    return this
  }

  destroy(error?: Error): this {
    if (this.destroyed) return this
    this.destroyed = true
    if (error !== undefined && this.listenerCount('error') > 0) this.emit('error', error)
    if (this.writableLength === 0) this.#socket?.end()
    this.#socket?.terminate()
    if (this.#socket === null) queueMicrotask(() => this.closed())
    return this
  }

  closed(error?: Error): void {
    if (this.#isClosed) return
    this.#isClosed = true
    const wasDestroyed = this.destroyed
    this.destroyed = true
    if (error !== undefined && !wasDestroyed && this.listenerCount('error') > 0) this.emit('error', error)
    this.emit('close')
  }
}

/**
 * Absent on purpose: `connectError`. Bun 1.4.5 calls it before anyone can listen where the system refuses at once, as for
 * a socket file that is not there. What `Bun.connect` answers rejects with the same error, and later.
 */
const HANDLER: SocketHandler<PlainSocket> = {
  binaryType: 'buffer',
  open: socket => socket.data.opened(socket),
  data(socket, bytes) {
    socket.data.emit('data', bytes)
  },
  drain: socket => socket.data.drain(),
  end(socket) {
    socket.data.emit('end')
  },
  close: (socket, error) => socket.data.closed(error),
  // Bun 1.4.5 also calls it for what a handler throws, and leaves the connection open.
  error(socket, error) {
    socket.data.closed(error)
    socket.terminate()
  },
}

/** A connection that is about to be made; `onConnected` is called once it is. */
export function connectByBun(
  place: { readonly path: string } | { readonly host: string; readonly port: number },
  onConnected: () => void,
): UpstreamLeg {
  const made = new PlainSocket()
  made.once('connect', onConnected)
  const common = { data: made, socket: HANDLER }
  const connecting =
    'path' in place
      ? Bun.connect({ ...common, unix: place.path })
      : Bun.connect({ ...common, hostname: place.host, port: place.port })
  connecting.catch((error: unknown) => made.closed(error instanceof Error ? error : new Error(String(error))))
  return made
}
