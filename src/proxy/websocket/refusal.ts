import { parseLength } from '../../base/amounts.ts'
import { GateError } from '../../base/errors.ts'
import type { ResponseHead } from './handshake.ts'

/** A refusal says why in a page or a few lines of JSON; a longer body is left out, its status and fields still count. */
export const MAX_REFUSAL_BYTES = 262_144

/**
 * The body of an upstream's answer that was no 101, as far as `bytes` hold it.
 *
 * Shape: null while more is to come; otherwise the body, transfer coding removed, content coding kept.
 * `isEnded`: the upstream closed, which ends a body without a length.
 * Throws `upstream.broken` for a length, coding or chunk that cannot be trusted, or a body cut short.
 * Source: RFC 9112 §6.3 (which length holds), §7.1 (chunks).
 */
export function refusalBody(head: ResponseHead, bytes: Buffer, isEnded: boolean): Buffer | null {
  if (head.status === 204 || head.status === 304) return EMPTY
  const coding = head.headers.get('transfer-encoding')
  const rawLength = head.headers.get('content-length')
  if (coding !== null) {
    if (coding.toLowerCase() !== 'chunked') throw broken('its transfer coding is not chunked alone')
    return joinChunks(bytes) ?? unfinished(isEnded)
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
function joinChunks(bytes: Buffer): Buffer | null {
  const parts: Buffer[] = []
  for (let at = 0; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at)
    if (lineEnd === -1) return null
    const size = /^([0-9a-f]{1,8})(?:[ \t]*;.*)?$/i.exec(bytes.toString('latin1', at, lineEnd))?.[1]
    if (size === undefined) throw broken('a chunk size is malformed')
    const length = Number.parseInt(size, 16)
    if (length === 0) return Buffer.concat(parts)
    const start = lineEnd + 2
    if (bytes.length < start + length + 2) return null
    if (bytes.toString('latin1', start + length, start + length + 2) !== '\r\n') throw broken('a chunk is too long')
    parts.push(bytes.subarray(start, start + length))
    at = start + length + 2
  }
}

function broken(message: string): GateError {
  return new GateError('upstream.broken', `the upstream's refusal of a WebSocket: ${message}`)
}

const EMPTY = Buffer.alloc(0)
