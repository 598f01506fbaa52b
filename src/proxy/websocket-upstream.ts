import type { Socket } from 'node:net'
import { encodeClose, encodeFrame, FrameReader, OPCODE } from './websocket-frames.ts'

/** One message is at most this long, in either direction. */
export const MAX_MESSAGE_BYTES = 16 * 1024 * 1024

/** How long an upstream may take to answer our Close before the connection is cut. */
const CLOSE_WAIT_MS = 1000

/** An idle connection is probed, so that an upstream that vanished without a word is noticed. */
const KEEP_ALIVE_MS = 30_000

/** What an upstream says on an open WebSocket. `lost` is the connection's end without a Close, or a broken protocol. */
export interface UpstreamEvents {
  text(message: string): void
  /** Valid only during the call. */
  binary(message: Buffer): void
  /** The send buffer is empty again after `send` answered false. */
  drained(): void
  closed(code: number, reason: string): void
  lost(why: string): void
}

/** An open WebSocket to an upstream, quiet until `start`. After `closed` or `lost` nothing more is told. */
export interface UpstreamSocket {
  /** Begins to read, first what came together with the handshake. */
  start(events: UpstreamEvents): void
  /** Whether more may be sent at once; otherwise wait for `drained`. */
  send(message: string | Uint8Array): boolean
  /** Sends Close and waits for the answer, but not for long. */
  close(code: number, reason: string): void
  /** Cuts the connection. */
  destroy(): void
  pause(): void
  resume(): void
}

/** An UpstreamSocket over a connection whose handshake is done; `early` are bytes that came after the handshake's answer. */
export function createUpstreamSocket(
  socket: Socket,
  early: Buffer,
  random: (byteCount: number) => Uint8Array,
): UpstreamSocket {
  let events: UpstreamEvents | null = null
  let state: 'open' | 'closing' | 'ended' = 'open'
  let endedEarly: string | null = null
  let cut: ReturnType<typeof setTimeout> | undefined

  const write = (opcode: (typeof OPCODE)[keyof typeof OPCODE], payload: Uint8Array): boolean =>
    socket.write(encodeFrame(opcode, payload, random(4)))

  function sendClose(code: number, reason: string): void {
    write(OPCODE.close, encodeClose(code, reason))
    // RFC 6455 §7.1.1: the server is the one to close the connection.
    cut = setTimeout(() => socket.destroy(), CLOSE_WAIT_MS)
  }
  function lose(why: string): void {
    if (state === 'ended') return
    const wasOpen = state === 'open'
    state = 'ended'
    clearTimeout(cut)
    socket.destroy()
    if (!wasOpen) return
    if (events === null) endedEarly = why
    else events.lost(why)
  }

  const reader = new FrameReader(
    {
      text: message => state === 'open' && events?.text(message),
      binary: message => state === 'open' && events?.binary(message),
      ping: payload => state === 'open' && void write(OPCODE.pong, payload),
      close(code, reason) {
        if (state === 'open') {
          state = 'closing'
          sendClose(code, reason)
          events?.closed(code, reason)
        } else {
          socket.destroy()
        }
      },
    },
    MAX_MESSAGE_BYTES,
  )
  function read(chunk: Buffer): void {
    const fault = reader.read(chunk)
    if (fault === null || state !== 'open') return
    state = 'closing'
    sendClose(fault.closeCode, '')
    socket.end()
    events?.lost(fault.message)
  }

  socket.pause()
  socket.setNoDelay(true)
  socket.setKeepAlive(true, KEEP_ALIVE_MS)
  socket.on('error', error => lose(error.message))
  socket.on('end', () => lose('the upstream closed without a Close frame'))
  socket.on('close', () => lose('the connection to the upstream ended'))
  socket.on('drain', () => state === 'open' && events?.drained())

  return {
    start(given) {
      events = given
      if (endedEarly !== null) return given.lost(endedEarly)
      socket.on('data', read)
      if (early.length > 0) read(early)
      socket.resume()
    },
    send(message) {
      if (state !== 'open') return true
      return typeof message === 'string'
        ? write(OPCODE.text, Buffer.from(message, 'utf8'))
        : write(OPCODE.binary, message)
    },
    close(code, reason) {
      if (state !== 'open') return
      state = 'closing'
      sendClose(code, reason)
      // A paused connection would never show the answer.
      socket.resume()
    },
    destroy() {
      state = 'ended'
      clearTimeout(cut)
      socket.destroy()
    },
    pause: () => void (state === 'open' && socket.pause()),
    resume: () => void (state === 'open' && socket.resume()),
  }
}
