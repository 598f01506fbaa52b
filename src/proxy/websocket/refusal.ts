import { parseLength } from '../../base/amounts.ts'
import { GateError } from '../../base/errors.ts'
import type { ResponseHead } from './handshake.ts'

/** A refusal says why in a page or a few lines of JSON; a longer body is left out, its status and fields still count. */
export const MAX_REFUSAL_BYTES = 262_144

/** How far a body in chunks has been read, so that nothing of it is read twice. */
export interface ChunkPlace {
  /** Where the chunk begins that is not all there. */
  at: number
  /** Up to where the end of its line is not. */
  seen: number
  /** From where to where the data of those before is. */
  readonly parts: (readonly [from: number, to: number])[]
}

/** Where a body in chunks begins, with nothing of it read yet. */
export function chunksBegin(): ChunkPlace {
  return { at: 0, seen: 0, parts: [] }
}

/**
 * The body of an upstream's answer that was no 101, as far as `bytes` hold it. `place` is written: the next call, with more of the
 * same bytes, goes on from there.
 *
 * Shape: null while more is to come; otherwise the body, transfer coding removed, content coding kept.
 * `isEnded`: the upstream closed, which ends a body without a length.
 * Throws `upstream.broken` for a length, coding or chunk that cannot be trusted, or a body cut short.
 * Source: RFC 9112 §6.3 (which length holds), §7.1 (chunks).
 */
export function refusalBody(
  head: ResponseHead,
  bytes: Buffer,
  isEnded: boolean,
  place: ChunkPlace = chunksBegin(),
): Buffer | null {
  if (head.status === 204 || head.status === 304) return EMPTY
  const coding = head.headers.get('transfer-encoding')
  const rawLength = head.headers.get('content-length')
  if (coding !== null) {
    if (coding.toLowerCase() !== 'chunked') throw broken('its transfer coding is not chunked alone')
    return joinChunks(bytes, place) ?? unfinished(isEnded)
  }
  if (rawLength === null) return isEnded ? bytes : null
  const length = parseLength(rawLength)
  if (length === null) throw broken('its Content-Length is not a number')
  return bytes.length >= length ? bytes.subarray(0, length) : unfinished(isEnded)
}

function unfinished(isEnded: boolean): null {
  if (isEnded) throw broken('its body was cut short')
  return null
}

/** The chunks' data once the last one is there; trailers are left where they are, since nothing follows. */
function joinChunks(bytes: Buffer, place: ChunkPlace): Buffer | null {
  for (;;) {
    const { at } = place
    const lineEnd = bytes.indexOf('\r\n', Math.max(at, place.seen - 1))
    if (lineEnd === -1) {
      place.seen = bytes.length
      return null
    }
    place.seen = lineEnd
    const size = CHUNK_LINE.exec(bytes.toString('latin1', at, Math.min(lineEnd, at + LINE_BYTES)))?.[1]
    if (size === undefined) throw broken('a chunk size is malformed')
    const length = Number.parseInt(size, 16)
    if (length === 0) return Buffer.concat(place.parts.map(([from, to]) => bytes.subarray(from, to)))
    const start = lineEnd + 2
    if (bytes.length < start + length + 2) return null
    if (bytes.toString('latin1', start + length, start + length + 2) !== '\r\n') throw broken('a chunk is too long')
    place.parts.push([start, start + length])
    place.at = start + length + 2
    place.seen = place.at
  }
}

function broken(message: string): GateError {
  return new GateError('upstream.broken', `the upstream's refusal of a WebSocket: ${message}`)
}

/** What of a chunk's line says how long it is; an extension after that says nothing to us. */
const CHUNK_LINE = /^([0-9a-f]{1,8})(?:[ \t]*;|$)/i
const LINE_BYTES = 256

const EMPTY = Buffer.alloc(0)
