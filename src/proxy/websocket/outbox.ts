import type { Socket } from 'node:net'
import { toGateError } from '../../base/errors.ts'
import type { FrameEncoder } from './encoder.ts'
import type { Opcode } from './frames.ts'

/** Longer frames are sent by themselves. */
const MAX_JOINED_BYTES = 16_384

/** What is sent at once at the end of a turn, and how much is set aside for it at first. */
const BATCH_BYTES = 65_536
const FIRST_BATCH_BYTES = 4096

/** The turn of the event loop, and who puts something off until its end: one look for all outboxes, where each had its own. */
let turn = 0
let isTurnOpen = false
let endings: (() => void)[] = []

function turnNow(): number {
  if (!isTurnOpen) {
    isTurnOpen = true
    setImmediate(endTurn)
  }
  return turn
}

function endTurn(): void {
  turn++
  isTurnOpen = false
  const due = endings
  endings = []
  for (const end of due) end()
}

/** Frames on their way to an upstream. */
export interface Outbox {
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
export function createOutbox(socket: Socket, encoder: FrameEncoder, onFull: () => void): Outbox {
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
    if (batch === null) endings.push(flushAtEnd)
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
