/** Reads WebSocket frames, and refuses malformed ones. */

import { isWireCloseCode, NO_STATUS } from './close-codes.ts'
import { inflateMessage } from './deflate.ts'

/** What a WebSocket carries: RFC 6455 §5.2. */
export const OPCODE = { continuation: 0x0, text: 0x1, binary: 0x2, close: 0x8, ping: 0x9, pong: 0xa } as const

export type Opcode = (typeof OPCODE)[keyof typeof OPCODE]

/** Receives what a reader has read. Messages are complete and inflated; a Buffer is valid only during the call. */
export interface FrameEvents {
  text(message: string, wasCompressed: boolean): void
  binary(message: Buffer, wasCompressed: boolean): void
  ping(payload: Buffer): void
  /** The peer's Close frame; code 1005 when it gave none. Nothing follows it. */
  close(code: number, reason: string): void
}

/** The peer broke the protocol: `closeCode` is what RFC 6455 §7.4.1 asks to answer with. */
export interface FrameFault {
  readonly closeCode: 1002 | 1007 | 1009
  readonly message: string
}

/** The payload of a Close frame. The reason is cut to what a control frame holds, never inside a character. */
export function encodeClose(code: number, reason: string): Uint8Array {
  if (code === NO_STATUS) return new Uint8Array(0)
  const payload = new Uint8Array(MAX_CONTROL_BYTES)
  payload[0] = code >> 8
  payload[1] = code & 0xff
  const { written } = new TextEncoder().encodeInto(reason, payload.subarray(2))
  return payload.subarray(0, 2 + written)
}

/** Whether a server's bytes are exactly one short frame, judged only by its head. */
export function isOneFrame(bytes: Buffer): boolean {
  const length = bytes[1] ?? 0
  return length < 126
    ? bytes.length <= 2 + length
    : length === 126 && (bytes.length < 4 || bytes.length <= 4 + bytes.readUInt16BE(2))
}

export interface FrameReaderOptions {
  /** How long a message may be, compressed and inflated. */
  readonly maxBytes: number
  /** Whether permessage-deflate was agreed upon (RFC 7692), each message for itself. */
  readonly isCompressed: boolean
}

/**
 * Reads the frames that a server sends, in chunks of any size.
 *
 * Bounded: one message holds at most `maxBytes`, in one growing buffer, so that a flood of tiny fragments costs no
 * more than its bytes. While it is held it delivers nothing, so that it inflates no more than the receiver takes.
 * `read` and `release` return a fault once, after which nothing more is read.
 */
export class FrameReader {
  readonly #events: FrameEvents
  readonly #maxBytes: number
  readonly #isCompressed: boolean
  /** Bytes of a frame that is not complete yet. */
  #pending: Buffer = EMPTY
  #pendingLength = 0
  /** The fragments of the message under way, and its opcode; 0 when there is none. */
  #message: Buffer = EMPTY
  #messageLength = 0
  #messageOpcode = 0
  #isMessageCompressed = false
  #isHeld = false
  #isDone = false

  constructor(events: FrameEvents, { maxBytes, isCompressed }: FrameReaderOptions) {
    this.#events = events
    this.#maxBytes = maxBytes
    this.#isCompressed = isCompressed
  }

  read(chunk: Buffer): FrameFault | null {
    if (this.#isDone) return null
    let bytes = chunk
    if (this.#pendingLength > 0) {
      this.#pending = append(this.#pending, this.#pendingLength, chunk)
      this.#pendingLength += chunk.length
      bytes = this.#pending.subarray(0, this.#pendingLength)
    }
    return this.#advance(bytes)
  }

  /** Keeps everything that is read from now on, beginning with the next frame. */
  hold(): void {
    this.#isHeld = true
  }

  /** Continues with what was kept; a delivered message may cause it to be held again. */
  release(): FrameFault | null {
    this.#isHeld = false
    return this.#isDone || this.#pendingLength === 0
      ? null
      : this.#advance(this.#pending.subarray(0, this.#pendingLength))
  }

  get isHeld(): boolean {
    return this.#isHeld
  }

  #advance(bytes: Buffer): FrameFault | null {
    let at = 0
    while (!this.#isDone && !this.#isHeld) {
      const taken = this.#frame(bytes, at)
      if (typeof taken !== 'number') {
        this.#isDone = true
        return taken
      }
      if (taken === 0) break
      at += taken
    }
    this.#keep(bytes, at)
    return null
  }

  #keep(bytes: Buffer, from: number): void {
    const left = this.#isDone ? 0 : bytes.length - from
    if (left === 0) {
      this.#pending = EMPTY
    } else if (this.#pendingLength === 0 || from > 0) {
      this.#pending = Buffer.from(bytes.subarray(from))
    }
    this.#pendingLength = left
  }

  /** Takes one frame at `start`: how many bytes it had, 0 when it is not all there, or what is wrong with it. */
  #frame(bytes: Buffer, start: number): number | FrameFault {
    const available = bytes.length - start
    if (available < 2) return 0
    const first = bytes.readUInt8(start)
    const second = bytes.readUInt8(start + 1)
    const opcode = first & 0x0f
    const isFinal = (first & 0x80) !== 0
    const isCompressed = (first & 0x40) !== 0
    if ((first & 0x30) !== 0 || (isCompressed && !(this.#isCompressed && isMessageStart(opcode)))) {
      return fault(1002, 'a reserved bit is set though nothing was agreed that sets it here')
    }
    if ((second & 0x80) !== 0) return fault(1002, 'a server must not mask its frames')
    let length = second & 0x7f
    let headLength = 2
    if (opcode >= 0x8 && (!isFinal || length > MAX_CONTROL_BYTES)) {
      return fault(1002, 'a control frame is fragmented or over 125 bytes')
    }
    if (length === 126) {
      if (available < 4) return 0
      length = bytes.readUInt16BE(start + 2)
      headLength = 4
    } else if (length === 127) {
      if (available < 10) return 0
      length = bytes.readUInt32BE(start + 2) * 2 ** 32 + bytes.readUInt32BE(start + 6)
      headLength = 10
    }
    if (opcode < 0x8 && length + this.#messageLength > this.#maxBytes) {
      return tooLong(this.#maxBytes)
    }
    if (available < headLength + length) return 0
    const payload = slice(bytes, start + headLength, length)
    const wrong = opcode >= 0x8 ? this.#control(opcode, payload) : this.#data(opcode, isFinal, isCompressed, payload)
    return wrong ?? headLength + length
  }

  #data(opcode: number, isFinal: boolean, isCompressed: boolean, payload: Buffer): FrameFault | null {
    if (opcode === OPCODE.continuation) {
      if (this.#messageOpcode === 0) return fault(1002, 'a continuation continues nothing')
    } else if (opcode > OPCODE.binary) {
      return fault(1002, `opcode ${opcode} is reserved`)
    } else if (this.#messageOpcode !== 0) {
      return fault(1002, 'a message began inside another')
    } else if (isFinal) {
      return this.#deliver(opcode, isCompressed, payload)
    } else {
      this.#messageOpcode = opcode
      this.#isMessageCompressed = isCompressed
    }
    this.#message = append(this.#message, this.#messageLength, payload)
    this.#messageLength += payload.length
    if (!isFinal) return null
    const message = this.#message.subarray(0, this.#messageLength)
    const messageOpcode = this.#messageOpcode
    this.#message = EMPTY
    this.#messageLength = 0
    this.#messageOpcode = 0
    return this.#deliver(messageOpcode, this.#isMessageCompressed, message)
  }

  #deliver(opcode: number, wasCompressed: boolean, payload: Buffer): FrameFault | null {
    const message = wasCompressed ? inflateMessage(payload, this.#maxBytes) : payload
    if (message === 'too_long') return tooLong(this.#maxBytes)
    if (message === 'malformed') return fault(1007, 'a message cannot be inflated')
    if (opcode === OPCODE.binary) {
      this.#events.binary(message, wasCompressed)
      return null
    }
    const text = decodeText(message)
    if (text === null) return fault(1007, 'a text message is not UTF-8')
    this.#events.text(text, wasCompressed)
    return null
  }

  #control(opcode: number, payload: Buffer): FrameFault | null {
    if (opcode === OPCODE.ping) this.#events.ping(payload)
    if (opcode === OPCODE.ping || opcode === OPCODE.pong) return null
    if (opcode !== OPCODE.close) return fault(1002, `opcode ${opcode} is reserved`)
    if (payload.length === 1) return fault(1002, 'a close code has two bytes')
    const code = payload.length === 0 ? NO_STATUS : payload.readUInt16BE(0)
    if (payload.length > 0 && !isWireCloseCode(code)) return fault(1002, `close code ${code} must not be sent`)
    const reason = decodeText(payload.subarray(2))
    if (reason === null) return fault(1007, 'a close reason is not UTF-8')
    this.#isDone = true
    this.#events.close(code, reason)
    return null
  }
}

/** RFC 6455 §5.5. */
const MAX_CONTROL_BYTES = 125
const EMPTY = Buffer.alloc(0)

/**
 * Short payloads are copied here, each length into a view that is kept: a view of memory that Bun has read into makes that
 * memory an ArrayBuffer first, which costs as much as all the rest of a short message (Bun 1.4.5).
 */
const SHORT = Buffer.allocUnsafeSlow(1024)
const views: (Buffer | undefined)[] = []

/** A payload; valid until the next call. */
function slice(bytes: Buffer, from: number, length: number): Buffer {
  if (length >= SHORT.length) return bytes.subarray(from, from + length)
  const view = views[length] ?? SHORT.subarray(0, length)
  views[length] = view
  bytes.copy(view, 0, from, from + length)
  return view
}

/** `buffer`, whose first `length` bytes count, with `more` after them; it doubles when it must grow. */
function append(buffer: Buffer, length: number, more: Buffer): Buffer {
  const needed = length + more.length
  let target = buffer
  if (needed > buffer.length) {
    target = Buffer.allocUnsafeSlow(Math.max(needed, buffer.length * 2, 64))
    buffer.copy(target, 0, 0, length)
  }
  more.copy(target, length)
  return target
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decodeText(bytes: Buffer): string | null {
  try {
    return decoder.decode(bytes)
  } catch {
    return null
  }
}

function isMessageStart(opcode: number): boolean {
  return opcode === OPCODE.text || opcode === OPCODE.binary
}

function tooLong(maxBytes: number): FrameFault {
  return fault(1009, `a message is over ${maxBytes} bytes`)
}

function fault(closeCode: FrameFault['closeCode'], message: string): FrameFault {
  return { closeCode, message }
}
