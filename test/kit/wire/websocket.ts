import { createHash } from 'node:crypto'
import type { WireResponse } from './wire.ts'

/** A client's key, from RFC 6455 §1.3. */
export const WEBSOCKET_KEY = 'dGhlIHNhbXBsZSBub25jZQ=='

/** The fields of a client's handshake, as lines. */
export const WEBSOCKET_FIELDS = [
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Version: 13',
  `Sec-WebSocket-Key: ${WEBSOCKET_KEY}`,
] as const

/** A client's handshake, with more fields as lines. */
export function askForWebSocket(host: string, path = '/', fields: readonly string[] = []): string {
  return [`GET ${path} HTTP/1.1`, `Host: ${host}`, ...WEBSOCKET_FIELDS, ...fields, '', ''].join('\r\n')
}

/** The 101 to a handshake that arrived at a raw upstream, with more fields as lines. */
export function acceptWebSocket(request: Pick<WireResponse, 'raw'>, fields: readonly string[] = []): string {
  const key = /^sec-websocket-key: *(.*)\r$/im.exec(request.raw.toString('latin1'))?.[1] ?? ''
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  return [
    'HTTP/1.1 101 Switching Protocols',
    // Both in another case, and among others: RFC 6455 §4.1.
    'Upgrade: WebSocket',
    'Connection: keep-alive, Upgrade',
    `Sec-WebSocket-Accept: ${accept}`,
    ...fields,
    '',
    '',
  ].join('\r\n')
}

export interface WireFrame {
  readonly opcode: number
  readonly payload: Uint8Array
  readonly isFinal: boolean
  /** The three reserved bits, 0 to 7. */
  readonly reserved: number
}

/** A frame's bytes; with a mask as a client sends it, without as a server does. */
export function frameBytes({ opcode, payload, isFinal, reserved }: WireFrame, mask: Uint8Array | null): Buffer {
  const { length } = payload
  const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8
  const head = Buffer.alloc(2 + extended)
  head[0] = (isFinal ? 0x80 : 0) | (reserved << 4) | opcode
  head[1] = (mask === null ? 0 : 0x80) | (extended === 0 ? length : extended === 2 ? 126 : 127)
  if (extended === 2) head.writeUInt16BE(length, 2)
  if (extended === 8) head.writeBigUInt64BE(BigInt(length), 2)
  return mask === null ? Buffer.concat([head, payload]) : Buffer.concat([head, mask, masked(payload, mask)])
}

/** The whole frames at the beginning of these bytes, unmasked, of either side. */
export function framesIn(bytes: Buffer): readonly WireFrame[] {
  const frames: WireFrame[] = []
  for (let at = 0; ; ) {
    const [first, second] = [bytes[at], bytes[at + 1]]
    if (first === undefined || second === undefined) return frames
    let length = second & 0x7f
    let start = at + 2
    if (length === 126) {
      if (bytes.length < start + 2) return frames
      length = bytes.readUInt16BE(start)
      start += 2
    } else if (length === 127) {
      if (bytes.length < start + 8) return frames
      length = Number(bytes.readBigUInt64BE(start))
      start += 8
    }
    const isMasked = (second & 0x80) !== 0
    const bodyStart = start + (isMasked ? 4 : 0)
    if (bytes.length < bodyStart + length) return frames
    const body = bytes.subarray(bodyStart, bodyStart + length)
    frames.push({
      opcode: first & 0x0f,
      payload: isMasked ? masked(body, bytes.subarray(start, start + 4)) : body,
      isFinal: (first & 0x80) !== 0,
      reserved: (first >> 4) & 7,
    })
    at = bodyStart + length
  }
}

function masked(payload: Uint8Array, mask: Uint8Array): Buffer {
  const bytes = Buffer.from(payload)
  for (let index = 0; index < bytes.length; index++) bytes[index] = (bytes[index] ?? 0) ^ (mask[index & 3] ?? 0)
  return bytes
}
