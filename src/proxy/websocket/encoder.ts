/** Encodes WebSocket frames (RFC 6455 §5.2). */

import type { Opcode } from './frames.ts'

/** A frame's payload begins here, so that masking works by 32-bit words; the head is before it. */
const BODY_START = 16

/** Frames up to about this length are laid into the same memory, one after the other. */
const SHARED_BYTES = 65_536 + BODY_START

const MASKS_AT_A_TIME = 1024

/** Payloads below this length have a view that is kept. */
const VIEWS = 1024

interface Memory {
  readonly bytes: Buffer
  /** Its short frames, by the length of their payload: to make such a view costs more than to mask what is in it. */
  readonly views: (Buffer | undefined)[]
  /** Signed: the engine takes a word whose highest bit is set for a fraction otherwise, which costs 16 kB 4 µs. */
  readonly words: Int32Array
}

/**
 * Makes the frames that a client sends to a server, for all WebSockets of the process.
 *
 * Masks are unpredictable (RFC 6455 §5.3), and made many at a time. Memory is reused where the kernel accepted a frame
 * at once.
 */
export class FrameEncoder {
  readonly #random: (byteCount: number) => Uint8Array
  #masks: Int32Array = new Int32Array(0)
  #masksUsed = 0
  #shared: Memory | null = null

  constructor(random: (byteCount: number) => Uint8Array) {
    this.#random = random
  }

  /** One whole message or control frame. Valid until the next call, unless it is kept. */
  encode(opcode: Opcode, payload: string | Uint8Array): Buffer {
    const length = typeof payload === 'string' ? Buffer.byteLength(payload) : payload.length
    const end = BODY_START + length
    const memory = this.#memory(end)
    const { bytes, words } = memory
    const mask = this.#mask()
    const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8
    const start = BODY_START - 6 - extended
    bytes[start] = 0x80 | opcode
    bytes[start + 1] = 0x80 | (extended === 0 ? length : extended === 2 ? 126 : 127)
    if (extended === 2) bytes.writeUInt16BE(length, start + 2)
    if (extended === 8) bytes.writeBigUInt64BE(BigInt(length), start + 2)
    words[BODY_START / 4 - 1] = mask
    if (typeof payload === 'string') bytes.write(payload, BODY_START)
    else bytes.set(payload, BODY_START)
    maskWords(words, Math.ceil(end / 4), mask)
    if (length >= VIEWS) return bytes.subarray(start, end)
    memory.views[length] ??= bytes.subarray(start, end)
    return memory.views[length]
  }

  /** The last frame is still needed: what comes next is laid elsewhere. */
  keep(): void {
    this.#shared = null
  }

  #memory(byteCount: number): Memory {
    if (byteCount > SHARED_BYTES) return makeMemory(byteCount)
    this.#shared ??= makeMemory(SHARED_BYTES)
    return this.#shared
  }

  #mask(): number {
    if (this.#masksUsed === this.#masks.length) {
      this.#masks = new Int32Array(Uint8Array.from(this.#random(4 * MASKS_AT_A_TIME)).buffer)
      this.#masksUsed = 0
    }
    return this.#masks[this.#masksUsed++] ?? 0
  }
}

/** Eight words in a row, as far as there are so many: a seventh of what one at a time takes. */
function maskWords(words: Int32Array, end: number, mask: number): void {
  let index = BODY_START / 4
  for (; index + 8 <= end; index += 8) {
    words[index] = (words[index] ?? 0) ^ mask
    words[index + 1] = (words[index + 1] ?? 0) ^ mask
    words[index + 2] = (words[index + 2] ?? 0) ^ mask
    words[index + 3] = (words[index + 3] ?? 0) ^ mask
    words[index + 4] = (words[index + 4] ?? 0) ^ mask
    words[index + 5] = (words[index + 5] ?? 0) ^ mask
    words[index + 6] = (words[index + 6] ?? 0) ^ mask
    words[index + 7] = (words[index + 7] ?? 0) ^ mask
  }
  for (; index < end; index++) words[index] = (words[index] ?? 0) ^ mask
}

function makeMemory(byteCount: number): Memory {
  const bytes = Buffer.allocUnsafeSlow(Math.ceil(byteCount / 4) * 4)
  return { bytes, views: [], words: new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4) }
}
