/** The upstream's side of a WebSocket: frames in and out, pings, and the end. */

import { toGateError } from '../../base/errors.ts'
import { atEndOfTurn, turnNow } from '../../base/event-loop.ts'
import { afterLimit } from '../../base/time-limit.ts'
import { TOO_BIG } from './close-codes.ts'
import type { FrameEncoder } from './encoder.ts'
import { encodeClose, type FrameFault, FrameReader, isOneFrame, OPCODE, type Opcode } from './frames.ts'
import type { UpstreamLeg } from './plain-socket.ts'

/** The default limit of one message in either direction. */
export const MAX_MESSAGE_BYTES = 16 * 1024 * 1024

/** How long an upstream may take to read our Close, behind all that it has not read yet, and to answer it before the connection is cut. */
const CLOSE_WAIT_MS = 5000

/** An idle connection is probed, so that an upstream that vanished without a word is noticed. */
const KEEP_ALIVE_MS = 30_000

/** What an upstream says on an open WebSocket. `lost` is the connection's end without a Close, or a broken protocol. */
interface UpstreamEvents {
  /**
   * Called around messages that came together; no callback runs outside of `act`, except `full`, `drained` and the
   * end.
   */
  together(act: () => void): void
  text(message: string, wasCompressed: boolean): void
  /** The message is valid only during the call. */
  binary(message: Buffer, wasCompressed: boolean): void
  /** It was answered already. Valid only during the call. */
  ping(payload: Buffer): void
  /** What `send` took is not leaving at once: no more should be sent until `drained`. */
  full(): void
  /** The send buffer is empty again after `send` answered false, or after `full`. */
  drained(): void
  closed(code: number, reason: string): void
  /** `isTooLong`: for a message that is longer than it may be. */
  lost(why: string, isTooLong: boolean): void
}

/** An open WebSocket to an upstream, quiet until `start`. After `closed` or `lost` it delivers nothing more. */
export interface UpstreamSocket {
  /** Begins to read, first what came together with the handshake. */
  start(events: UpstreamEvents): void
  /** Whether more may be sent at once; otherwise wait for `drained`. The message is taken: its bytes are gone afterwards. */
  send(message: string | Buffer): boolean
  /** Is left out while others wait: a ping that comes late says nothing. */
  ping(payload: Uint8Array): void
  /** What was sent and is not yet on its way. */
  readonly waitingBytes: number
  /** Sends Close and waits for the answer, but not for long. */
  close(code: number, reason: string): void
  /** Cuts the connection. */
  destroy(): void
  /** Delivers no further message, not even one that has arrived, and reads no more. */
  pause(): void
  resume(): void
}

export interface UpstreamConnection {
  /** Its handshake is done. */
  readonly socket: UpstreamLeg
  /** Bytes that came together with the handshake's answer. */
  readonly early: Buffer
  readonly encoder: FrameEncoder
  /** Whether the upstream may compress. What goes there never is: it is near, and need not be. */
  readonly isCompressed: boolean
  readonly maxMessageBytes?: number
  /** How long it may take to answer our Close. */
  readonly closeWaitMs?: number
}

/** An upstream’s side of a WebSocket, over a connection that has been upgraded; `early` came with the answer’s head. */
export function createUpstreamSocket({
  socket,
  early,
  encoder,
  isCompressed,
  maxMessageBytes = MAX_MESSAGE_BYTES,
  closeWaitMs = CLOSE_WAIT_MS,
}: UpstreamConnection): UpstreamSocket {
  let events: UpstreamEvents | null = null
  let state: 'open' | 'closing' | 'ended' = 'open'
  let endedEarly: string | null = null
  let unanswered: Buffer | null = null
  let spare: (() => void) | undefined

  const outbox = createOutbox(socket, encoder, () => state === 'open' && events?.full())

  /** RFC 6455 §5.5.3: where pings come faster than their answers leave, the last one is answered. */
  function answer(ping: Buffer): void {
    if (socket.writableNeedDrain) unanswered = Buffer.from(ping)
    else outbox.write(OPCODE.pong, ping)
  }
  function onDrain(): void {
    if (state !== 'open') return
    if (unanswered !== null) outbox.write(OPCODE.pong, unanswered)
    unanswered = null
    events?.drained()
  }

  function sendClose(code: number, reason: string): void {
    outbox.write(OPCODE.close, encodeClose(code, reason))
    outbox.flush()
    // RFC 6455 §7.1.1: the server is the one to close the connection.
    spare = afterLimit(closeWaitMs, () => socket.destroy())
  }
  function lose(why: string): void {
    if (state === 'ended') return
    const wasOpen = state === 'open'
    state = 'ended'
    spare?.()
    socket.destroy()
    if (!wasOpen) return
    if (events === null) endedEarly = why
    else events.lost(why, false)
  }

  const reader = new FrameReader(
    {
      text: (message, wasCompressed) => state === 'open' && events?.text(message, wasCompressed),
      binary: (message, wasCompressed) => state === 'open' && events?.binary(message, wasCompressed),
      ping(payload) {
        if (state !== 'open') return
        answer(payload)
        events?.ping(payload)
      },
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
    { maxBytes: maxMessageBytes, isCompressed },
  )
  function judge(fault: FrameFault | null): void {
    if (fault === null || state !== 'open') return
    state = 'closing'
    sendClose(fault.closeCode, '')
    socket.end()
    events?.lost(fault.message, fault.closeCode === TOO_BIG)
  }
  function read(chunk: Buffer): void {
    if (isOneFrame(chunk)) judge(reader.read(chunk))
    else events?.together(() => judge(reader.read(chunk)))
    giveBack(chunk)
  }
  function goOn(): void {
    if (reader.isHeld) events?.together(() => judge(reader.release()))
    if (!reader.isHeld) socket.resume()
  }

  socket.pause()
  socket.setNoDelay(true)
  socket.setKeepAlive(true, KEEP_ALIVE_MS)
  socket.on('error', error => lose(error.message))
  socket.on('end', () => lose('the upstream closed without a Close frame'))
  socket.on('close', () => lose('the connection to the upstream ended'))
  socket.on('drain', onDrain)

  return {
    start(given) {
      events = given
      if (endedEarly !== null) return given.lost(endedEarly, false)
      socket.on('data', read)
      if (early.length > 0) read(early)
      if (!reader.isHeld) socket.resume()
    },
    send(message) {
      if (state !== 'open') return true
      if (typeof message === 'string') return outbox.write(OPCODE.text, message)
      const mayGoOn = outbox.write(OPCODE.binary, message)
      giveBack(message)
      return mayGoOn
    },
    ping(payload) {
      if (state === 'open' && !socket.writableNeedDrain) outbox.write(OPCODE.ping, payload)
    },
    get waitingBytes() {
      return outbox.waitingBytes
    },
    close(code, reason) {
      if (state !== 'open') return
      state = 'closing'
      sendClose(code, reason)
      // A paused connection would never show the answer.
      goOn()
    },
    destroy() {
      state = 'ended'
      outbox.flush()
      spare?.()
      socket.destroy()
    },
    pause() {
      if (state !== 'open') return
      reader.hold()
      socket.pause()
    },
    resume() {
      if (state === 'open') goOn()
    },
  }
}

/**
 * Frees the memory of Bun's reads, now that all of it is copied or sent.
 *
 * The collector comes later. Until then each message would use memory that is in no cache, and that the system has
 * reclaimed and has to clear again: 16 kB cost a fifth more (measured at Bun 1.4.5).
 */
function giveBack(bytes: Buffer): void {
  if (bytes.length < WORTH_GIVING_BACK_BYTES) return
  const { buffer } = bytes
  if (bytes.length === buffer.byteLength && buffer instanceof ArrayBuffer) buffer.transfer(0)
}

/** To free less costs more than it spares. */
const WORTH_GIVING_BACK_BYTES = 4096

/** Longer frames are sent by themselves. */
const MAX_JOINED_BYTES = 16_384

/** What is sent at once at the end of a turn, and how much is set aside for it at first. */
const BATCH_BYTES = 65_536
const FIRST_BATCH_BYTES = 4096

/** Frames on their way to an upstream. */
interface Outbox {
  /** Whether more may be written at once. */
  write(opcode: Opcode, payload: string | Uint8Array): boolean
  /** Sends what has been put off. */
  flush(): void
  /** What has not left. */
  readonly waitingBytes: number
}

/**
 * Sends the first frame of a turn of the event loop at once, and puts off what follows in the same turn, to send it together:
 * a call into the kernel costs more than all the rest of a small message.
 *
 * `onFull` is called when what was put off does not leave at once.
 */
export function createOutbox(socket: UpstreamLeg, encoder: FrameEncoder, onFull: () => void): Outbox {
  let lastTurn = -1
  let batch: Buffer | null = null
  let batched = 0

  function send(frame: Buffer): boolean {
    // What waits keeps its memory: behind others a frame has no more than it needs.
    if (socket.writableLength > 0) return socket.write(Buffer.from(frame))
    const mayGoOn = socket.write(frame)
    if (socket.writableLength > 0) encoder.keep()
    return mayGoOn
  }
  function flush(): void {
    if (batch === null) return
    const bytes = batch.subarray(0, batched)
    batch = null
    batched = 0
    if (!socket.destroyed && !socket.write(bytes)) onFull()
  }
  function flushAtEnd(): void {
    try {
      flush()
    } catch (error) {
      // The others still have their turn.
      socket.destroy(toGateError(error))
    }
  }
  function putOff(frame: Buffer): void {
    const needed = batched + frame.length
    if (batch === null) atEndOfTurn(flushAtEnd)
    if (batch === null || needed > batch.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, FIRST_BATCH_BYTES, 2 * (batch?.length ?? 0)))
      batch?.copy(larger, 0, 0, batched)
      batch = larger
    }
    frame.copy(batch, batched)
    batched = needed
  }

  return {
    write(opcode, payload) {
      const frame = encoder.encode(opcode, payload)
      const now = turnNow()
      if (lastTurn !== now) {
        lastTurn = now
        return send(frame)
      }
      if (frame.length > MAX_JOINED_BYTES || batched + frame.length > BATCH_BYTES) {
        // Encoding is done in memory that is used again, sending what was put off is not.
        flush()
        return send(frame)
      }
      putOff(frame)
      return !socket.writableNeedDrain
    },
    flush,
    get waitingBytes() {
      return batched + socket.writableLength
    },
  }
}
