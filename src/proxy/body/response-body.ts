/** Which body an answer gets: none, all of it at once, or a stream. */

import type { MaybePromise } from '../../base/maybe-promise.ts'
import { type Asker, streamed, type WholeBodies } from './buffered-bodies.ts'

/** An answer whose fields are clean, and what is known about it. */
export interface Clean {
  readonly response: Response
  readonly method: string
  /** Its Content-Type; null for none. */
  readonly type: string | null
  /** By its Content-Length; null where it is not known. */
  readonly length: number | null
  /** How long the address is that was fetched. */
  readonly address: number
  readonly asker: Asker
  /** Whether not all of its body is here. */
  readonly isGoingOn: boolean
  /** A body that is sent piece by piece. */
  pace(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array>
}

/** Whether an answer has a body at all, regardless of its length field (RFC 9112 §6.3). */
export function hasBody(method: string, status: number): boolean {
  return status !== 204 && status !== 304 && method !== 'HEAD'
}

/**
 * The answer in the form from which Bun 1.4.5 makes what the upstream sent: with its length where that can be, without one
 * where there was none (to HEAD it would say 0), and without a Content-Type where there was none.
 *
 * Rejects with what fetch says where a body that is collected breaks off.
 */
export function responseBody(
  { response, method, type, length, address, asker, isGoingOn, pace }: Clean,
  whole: WholeBodies,
): MaybePromise<Response> {
  const { status, statusText, headers } = response
  if (!hasBody(method, status)) {
    if (length !== null || method !== 'HEAD' || status === 204 || status === 304) return response
    return new Response(nothing(), { status, statusText, headers })
  }
  if (type === null && length !== 0 && response.body !== null)
    return streamed(response, response.body, isGoingOn ? pace : asItIs)
  const ready = length === null ? response : whole.collect(response, length, address, asker, pace)
  if (ready !== response || !isGoingOn || response.body === null) return ready
  return new Response(pace(response.body), { status, statusText, headers })
}

/** A body that is not read, so that Bun 1.4.5 says no length of 0; by HTTP/1.1 it says chunked, as a GET may be answered (RFC 9112 §6.1). */
function nothing(): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({ pull: sink => sink.close() }, { highWaterMark: 0 })
}

function asItIs<T>(body: T): T {
  return body
}
