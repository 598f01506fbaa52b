/** A body that is passed on piece by piece, at the reader’s pace, with limits and a count. */

import type { Tally } from '../../base/byte-counts.ts'
import type { GateError } from '../../base/errors.ts'
import { isSmallPiece, nextTurn } from '../../base/event-loop.ts'
import { MAX_WHOLE_BYTES } from './buffered-bodies.ts'
import { type Flow, PIECE_BYTES, SMALL_BYTES } from './flows.ts'

export interface Pace {
  readonly flow: Flow
  /** Where its bytes are counted; null: nowhere. */
  readonly count: Tally | null
  /** How long the body may be; null for any length. */
  readonly limit: { readonly maxBytes: number; onExceeded(): GateError } | null
  /** Called once where the body exceeds `MAX_WHOLE_BYTES`; null where no caller needs it. */
  readonly onLong: (() => void) | null
  /** Whether its reader has copied or sent a piece by the time that it asks for the next, as Bun's server has. */
  readonly isCopied: boolean
  /** It broke off: returns the error for its reader. Called after `onEnd`. */
  onBreak(error: unknown): unknown
  /** Called once, however it ends; `isWhole` where all of it was taken, `bytes` what was given on. */
  onEnd(isWhole: boolean, bytes: number): void
}

/** A body whose pieces pass one at a time. */
export interface PacedBody {
  readonly stream: ReadableStream<Uint8Array>
  /** Breaks it off for both sides. */
  cut(error: unknown): void
  /** Its progress does not matter any more. */
  forgo(): void
}

type Reader = ReturnType<typeof readerOf>

/** Node's types and Bun's differ in what a reader is. */
function readerOf(body: ReadableStream<Uint8Array>) {
  return body.getReader()
}

/** A body of which the first piece has been asked for. */
export interface BegunBody {
  readonly reader: Reader
  readonly first: ReturnType<Reader['read']>
}

/**
 * Reads a body's first piece, so that a broken one is noticed while an answer can still say so.
 *
 * Throws its error, where it has already broken off.
 */
export function beginBody(body: ReadableStream<Uint8Array>): BegunBody {
  const reader = readerOf(body)
  const first = reader.read()
  first.catch(() => undefined)
  if (Bun.peek.status(first) === 'rejected') throw Bun.peek(first)
  return { reader, first }
}

/**
 * A body that is sent as it is read, which shows on whom it waits: fetch and `Bun.serve` (1.4.5) report nothing when a
 * body goes directly from one to the other.
 *
 * A body is untouched until its first read, so that an unsent request can go to another address. Nothing beyond the
 * limit is passed on: its reader gets the error of `onExceeded`.
 */
export function paceBody(
  body: ReadableStream<Uint8Array> | BegunBody,
  { flow, count, limit, onLong, isCopied, onBreak, onEnd }: Pace,
): PacedBody {
  const open = () => (body instanceof ReadableStream ? readerOf(body) : body.reader)
  let reader = body instanceof ReadableStream ? null : body.reader
  let first = body instanceof ReadableStream ? null : body.first
  let rest: Uint8Array | null = null
  /** What was read last. */
  let last: Uint8Array | null = null
  let leftBytes = limit?.maxBytes ?? Number.POSITIVE_INFINITY
  let controls: ReadableStreamDefaultController<Uint8Array> | null = null
  let givenBytes = 0
  let wasSmall = false
  let isLong = onLong === null
  let isOver = false

  function end(isWhole: boolean): void {
    isOver = true
    flow.leave()
    onEnd(isWhole, givenBytes)
  }
  function cut(error: unknown): void {
    if (isOver) return
    end(false)
    rest = null
    controls?.error(error)
    // A body that was never read has to be released by its owner.
    reader?.cancel(error).catch(() => undefined)
  }
  function give(bytes: Uint8Array): void {
    rest = bytes.byteLength > PIECE_BYTES ? bytes.subarray(PIECE_BYTES) : null
    const piece = rest === null ? bytes : bytes.subarray(0, PIECE_BYTES)
    givenBytes += piece.byteLength
    if (!isLong && givenBytes > MAX_WHOLE_BYTES) {
      isLong = true
      onLong?.()
    }
    controls?.enqueue(piece)
    flow.given(bytes.byteLength > SMALL_BYTES)
  }

  const stream = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        controls = controller
      },
      pull(controller) {
        const turn = flow.mayGive()
        if (turn === null) return next(controller)
        return turn.then(() => (isOver ? undefined : next(controller)))
      },
      cancel(reason) {
        if (isOver) return
        end(false)
        return reader?.cancel(reason)
      },
    },
    { highWaterMark: 0 },
  )
  function next(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> | undefined {
    flow.taken()
    if (rest !== null) {
      give(rest)
      return
    }
    if (last !== null) giveBack(last)
    last = null
    reader ??= open()
    const source = reader
    const reading = first ?? (wasSmall ? nextTurn().then(() => source.read()) : source.read())
    first = null
    return reading.then(
      ({ done, value }) => {
        if (isOver) return
        if (done) {
          end(true)
          controller.close()
          return
        }
        wasSmall = isSmallPiece(value)
        leftBytes -= value.byteLength
        if (limit !== null && leftBytes < 0) cut(limit.onExceeded())
        else {
          if (isCopied) last = value
          if (count !== null) count.add(value.byteLength)
          give(value)
        }
      },
      (error: unknown) => {
        if (isOver) return
        end(false)
        controller.error(onBreak(error))
      },
    )
  }
  return { stream, cut, forgo: () => flow.leave() }
}

/**
 * Frees the memory of one of Bun's reads, of which all was copied or sent. The collector comes later: until then a body
 * occupies as much as its client's kernel has taken, some 4 MB, beside what it holds.
 */
function giveBack(bytes: Uint8Array): void {
  const { buffer } = bytes
  if (bytes.byteLength === buffer.byteLength && buffer instanceof ArrayBuffer) buffer.transfer(0)
}
