/** Short bodies that are read to their end first, so that the answer has a Content-Length. */

import { estimateShallowMemoryUsageOf } from 'bun:jsc'
import { Tally } from '../../base/byte-counts.ts'
import type { ClientSide } from '../lifetime/client-idle.ts'
import type { Deadlines, Waiting } from '../lifetime/deadlines.ts'
import { NOWHERE } from '../lifetime/roster.ts'

/** Whose answer it is, and whether that client cannot do without its length. */
export interface Asker {
  readonly front: ClientSide
  readonly connection: Request
  /** Up to what length the client needs it; null: not at all. */
  readonly keepLengthBytes: number | null
}

/** What makes a body go on piece by piece. */
export type Pacing = (body: ReadableStream<Uint8Array>) => ReadableStream<Uint8Array>

/** Known-length bodies, kept whole so that Bun sends them with their Content-Length. */
export interface WholeBodies {
  /**
   * The same answer with its body in memory, or with what came of it so far in front of the rest.
   *
   * Answers at once where the body is here already, is none of this one's business (longer than `MAX_WHOLE_BYTES` and than the
   * asker's own limit), or there is no memory left for it. `address` is how long the address that was fetched is. Rejects with
   * what fetch says where the body breaks off before anything was sent.
   */
  collect(response: Response, length: number, address: number, asker: Asker, pace: Pacing): Response | Promise<Response>
}

export interface WholeBodiesTools {
  /**
   * How many answers are on their way to clients: each may hold a whole body, since Bun does not report when one has
   * been sent.
   */
  readonly unsent: () => number
  readonly deadlines: Deadlines
  readonly now: () => number
  /** How long a body may take from its head to its end. */
  readonly waitMs: number | undefined
}

/** Up to here a body that is late costs a fifth more when it is collected; from 1 MB on three times as much. */
export const MAX_WHOLE_BYTES = 512 * 1024

/** What bodies may occupy together, those that a slow client has not taken yet among them; and those of `keep_length` as much again. */
export const BUDGET_BYTES = 64 * 1024 * 1024

const WAIT_MS = 50

/** How long a body may take whose client cannot do without its length: longer than others. */
const KEPT_WAIT_MS = 5000

/** Bun 1.4.5 makes every response chunked whose body is not complete when its head is made (Bun issue 10507). */
export function createWholeBodies({ unsent, deadlines, now, waitMs = WAIT_MS }: WholeBodiesTools): WholeBodies {
  const kept = createReserve(deadlines, now)
  return {
    collect(response, length, address, asker, pace) {
      const isKept = asker.keepLengthBytes !== null && length <= asker.keepLengthBytes
      if ((!isKept && length > MAX_WHOLE_BYTES) || isHere(response, length, address)) return response
      const { body } = response
      if (body === null) return response
      if (isKept && kept.take(length, asker)) return collect(response, body, Math.max(waitMs, KEPT_WAIT_MS), pace)
      if (length > MAX_WHOLE_BYTES || unsent() * MAX_WHOLE_BYTES > BUDGET_BYTES) return response
      return collect(response, body, waitMs, pace)
    },
  }
}

/** How often a request is looked at that memory is reserved for. */
const LOOK_MS = 1000

/** Memory for the bodies of some requests, each until its request is over: only then `requestIP` returns null. */
function createReserve(deadlines: Deadlines, now: () => number): { take(bytes: number, asker: Asker): boolean } {
  const taken = new Tally()
  return {
    take(bytes, { front, connection }) {
      if (taken.sum + bytes > BUDGET_BYTES) return false
      taken.add(bytes)
      const look: Waiting = {
        slot: NOWHERE,
        deadlineMs: now() + LOOK_MS,
        expire() {
          if (front.requestIP(connection) === null) taken.remove(bytes)
          else {
            look.deadlineMs = now() + LOOK_MS
            deadlines.add(look)
          }
        },
      }
      deadlines.add(look)
      return true
    },
  }
}

/**
 * Whether a fetched body of this length has arrived, so that Bun keeps its length.
 *
 * An answer weighs what an empty one does, its address and reason phrase, and its body once that is complete, which costs
 * 20 ns to ask. A wrong guess is harmless: the body is streamed, or collected for nothing.
 */
export function isHere(response: Response, length: number, address: number): boolean {
  const held = estimateShallowMemoryUsageOf(response) - emptyWeight()
  if (held < length) return false
  const rest = held - reasonWeight(response)
  // The address may have been shortened on the way (":80").
  return rest - address >= length || rest - response.url.length >= length
}

/**
 * How much of a fetched body is here, where that is all of it; null where more of it is to come.
 *
 * One without a length weighs what has come of it only once its end has: a small one mostly comes in one piece.
 */
export function bytesHere(response: Response, length: number | null, address: number): number | null {
  if (length !== null) return isHere(response, length, address) ? length : null
  const held = estimateShallowMemoryUsageOf(response) - emptyWeight() - reasonWeight(response)
  // Most are not: then the address need not be asked for, which Bun may have changed.
  if (held <= address - 4) return null
  const bytes = held - response.url.length
  return bytes > 0 ? bytes : null
}

/** Bun 1.4.5 keeps a reason phrase that is not ASCII in two bytes a character. */
function reasonWeight({ statusText }: Response): number {
  return /[^\0-\x7f]/.test(statusText) ? 2 * statusText.length : statusText.length
}

let weight: number | null = null

function emptyWeight(): number {
  weight ??= estimateShallowMemoryUsageOf(new Response())
  return weight
}

type Bytes = Uint8Array<ArrayBuffer>
type Reader = ReturnType<typeof readerOf>

function readerOf(body: ReadableStream<Bytes>) {
  return body.getReader()
}

async function collect(
  response: Response,
  body: ReadableStream<Bytes>,
  waitMs: number,
  pace: Pacing,
): Promise<Response> {
  const reader = readerOf(body)
  const pieces: Bytes[] = []
  const { promise: over, resolve: giveUp } = Promise.withResolvers<null>()
  // Where this process itself was held up, what has come meanwhile is read first.
  const timer = setTimeout(setImmediate, waitMs, giveUp, null)
  try {
    for (;;) {
      const reading = reader.read()
      const read = await Promise.race([reading, over])
      if (read === null) return withBody(response, pace(goOn(pieces, reading, reader)))
      if (read.done) break
      pieces.push(read.value)
    }
  } finally {
    clearTimeout(timer)
  }
  const [first] = pieces
  return withBody(response, pieces.length === 1 && first !== undefined ? first : Buffer.concat(pieces))
}

/** The same answer with a body of plain bytes, so that Bun adds no fields. */
export function streamed(response: Response, body: ReadableStream<Bytes>, pace: Pacing): Response {
  const reader = readerOf(body)
  return withBody(response, pace(goOn([], reader.read(), reader)))
}

function withBody({ status, statusText, headers }: Response, body: Bytes | ReadableStream<Uint8Array>): Response {
  return new Response(body, { status, statusText, headers })
}

/** What has come so far, what is being read, and the rest at the pace of its reader. */
function goOn(pieces: readonly Bytes[], reading: ReturnType<Reader['read']>, reader: Reader): ReadableStream<Bytes> {
  let next: ReturnType<Reader['read']> | null = reading
  return new ReadableStream<Bytes>(
    {
      start(controller) {
        for (const piece of pieces) controller.enqueue(piece)
      },
      async pull(controller) {
        const { done, value } = await (next ?? reader.read())
        next = null
        if (done) controller.close()
        else controller.enqueue(value)
      },
      cancel: reason => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  )
}
