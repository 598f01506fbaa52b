/** The handshake of a WebSocket (RFC 6455 §4), of the client and with the upstream. */

import { createHash } from 'node:crypto'
import { GateError } from '../../base/errors.ts'
import { DEFLATE_OFFER, faultOfAcceptance } from './deflate.ts'

/** What an answer with `websocket.version` must carry (RFC 6455 §4.4, RFC 9110 §15.5.22). */
export const VERSION_FIELDS = { 'sec-websocket-version': '13', upgrade: 'websocket', connection: 'Upgrade' } as const

/** Whether a request asks for a WebSocket at all: only then is the rest of the handshake worth checking. */
function asksForWebSocket(headers: Headers): boolean {
  const upgrade = headers.get('upgrade')
  return upgrade !== null && hasToken(upgrade, 'websocket')
}

/**
 * What is wrong with a WebSocket handshake, or null. Checked before the upstream is dialled.
 *
 * Answers `websocket.version` for another version (send VERSION_FIELDS with it), `websocket.handshake` for the rest.
 * Source: RFC 6455 §4.2.1. Origin is the caller's to check.
 */
export function checkHandshake(request: Request): GateError | null {
  const { headers } = request
  if (request.method !== 'GET') return malformed(`the method is ${request.method.slice(0, 20)}, not GET`)
  if (!asksForWebSocket(headers)) return malformed('Upgrade does not name websocket')
  if (!hasToken(headers.get('connection') ?? '', 'upgrade')) return malformed('Connection does not name upgrade')
  const version = headers.get('sec-websocket-version')
  if (version !== '13')
    return new GateError('websocket.version', `version ${version?.slice(0, 20) ?? 'none'} was asked for`)
  if (!KEY.test(headers.get('sec-websocket-key') ?? '')) return malformed('the key is not 16 bytes in base64')
  if (parseProtocols(headers) === null) return malformed('Sec-WebSocket-Protocol is not a list of distinct tokens')
  return null
}

/** The subprotocols a client offers, in its order of preference; null when the field is malformed (RFC 6455 §4.1, 10). */
export function parseProtocols(headers: Headers): readonly string[] | null {
  const field = headers.get('sec-websocket-protocol')
  if (field === null) return []
  const names = field.split(',').map(name => name.trim())
  return names.every(name => TOKEN.test(name)) && new Set(names).size === names.length ? names : null
}

export interface HandshakeRequest {
  /** What the request line names: path and query. */
  readonly path: string
  /** Sent when `headers` has no host. */
  readonly authority: string
  readonly headers: Readonly<Record<string, string>>
  readonly protocols: readonly string[]
  /** Whether permessage-deflate is offered. */
  readonly offersDeflate: boolean
  readonly key: string
}

/**
 * The bytes that ask an upstream for a WebSocket.
 *
 * Fields of the handshake itself and of framing are dropped from `headers`: they are this hop's own.
 * Throws TypeError for a name or value that would break the message apart.
 */
export function encodeHandshake(request: HandshakeRequest): Buffer {
  const { path, authority, headers, protocols, key } = request
  const target = path.replace(/[^\0-\x7f]+/g, encodeURIComponent)
  if (!TARGET.test(target)) throw new TypeError('the path cannot stand in a request line')
  let head = `GET ${target} HTTP/1.1\r\nhost: ${headers.host ?? authority}\r\n`
  for (const [name, value] of Object.entries(headers)) {
    const lower = name.toLowerCase()
    if (OWN_FIELDS.has(lower) || lower.startsWith('sec-websocket-')) continue
    if (!TOKEN.test(name) || !FIELD_VALUE.test(value)) throw new TypeError(`field ${name} cannot be sent`)
    head += `${name}: ${value}\r\n`
  }
  head += `connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: ${key}\r\n`
  if (protocols.length > 0) head += `sec-websocket-protocol: ${protocols.join(', ')}\r\n`
  if (request.offersDeflate) head += `sec-websocket-extensions: ${DEFLATE_OFFER}\r\n`
  return Buffer.from(`${head}\r\n`, 'latin1')
}

export interface ResponseHead {
  readonly status: number
  readonly headers: Headers
  /** Bytes up to and with the empty line. */
  readonly length: number
}

/** How far a head that comes piece by piece has been read, so that nothing is read twice. */
export interface HeadPlace {
  /** Where the head begins that is not all there: past interim ones. */
  start: number
  /** Up to where it is known not to end. */
  seen: number
}

/**
 * The head of an upstream's answer, after any interim ones (RFC 9110 §15.2); null while it is incomplete. It writes
 * `place`: the next call, with more of the same bytes, continues there.
 *
 * Throws `upstream.broken` for anything that RFC 9112 §2.2 and §5 do not allow, or over 64 KiB.
 */
export function parseResponseHead(bytes: Buffer, place: HeadPlace = { start: 0, seen: 0 }): ResponseHead | null {
  for (;;) {
    const end = bytes.indexOf('\r\n\r\n', Math.max(place.start, place.seen - 3))
    if (end === -1 || end > MAX_HEAD_BYTES) {
      if (bytes.length > MAX_HEAD_BYTES) throw broken(`its head is over ${MAX_HEAD_BYTES} bytes`)
      place.seen = bytes.length
      return null
    }
    const [statusLine = '', ...lines] = bytes.toString('latin1', place.start, end).split('\r\n')
    const status = Number(STATUS_LINE.exec(statusLine)?.[1] ?? 0)
    if (status === 0) throw broken('it is not HTTP/1.1')
    place.start = end + 4
    place.seen = end + 4
    if (status >= 200 || status === 101) return { status, headers: parseFields(lines), length: place.start }
  }
}

/** What an upstream agreed to with its 101. */
export interface Acceptance {
  /** The subprotocol; empty when it chose none. */
  readonly protocol: string
  /** Whether it may send compressed messages. */
  readonly isCompressed: boolean
}

/**
 * What an upstream chose of what `asked` offers.
 *
 * Throws `upstream.broken` when the answer does not prove that a WebSocket server read this very handshake, or chose what
 * was not offered (RFC 6455 §4.1).
 */
export function checkAcceptance(
  headers: Headers,
  asked: Pick<HandshakeRequest, 'key' | 'protocols' | 'offersDeflate'>,
): Acceptance {
  if (!hasToken(headers.get('upgrade') ?? '', 'websocket')) throw broken('its 101 is not for a WebSocket')
  if (!hasToken(headers.get('connection') ?? '', 'upgrade')) throw broken('its 101 does not name upgrade in Connection')
  if (headers.get('sec-websocket-accept') !== acceptOf(asked.key)) {
    throw broken('its Sec-WebSocket-Accept is not for our key')
  }
  const extensions = headers.get('sec-websocket-extensions')
  if (extensions !== null) {
    const fault = asked.offersDeflate ? faultOfAcceptance(extensions) : 'it uses an extension that was not offered'
    if (fault !== null) throw broken(fault)
  }
  const protocol = headers.get('sec-websocket-protocol')
  if (protocol !== null && !asked.protocols.includes(protocol))
    throw broken('it chose a subprotocol that was not offered')
  return { protocol: protocol ?? '', isCompressed: extensions !== null }
}

function parseFields(lines: readonly string[]): Headers {
  const headers = new Headers()
  for (const line of lines) {
    const field = FIELD_LINE.exec(line)
    if (field === null) throw broken('a header field is malformed')
    headers.append(field[1] ?? '', field[2] ?? '')
  }
  return headers
}

/** RFC 6455 §4.2.2, step 5.4. */
function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
}

function hasToken(field: string, token: string): boolean {
  return field.split(',').some(part => part.trim().toLowerCase() === token)
}

function malformed(message: string): GateError {
  return new GateError('websocket.handshake', message)
}

function broken(message: string): GateError {
  return new GateError('upstream.broken', `the upstream's answer to a WebSocket handshake: ${message}`)
}

const MAX_HEAD_BYTES = 65_536
const STATUS_LINE = /^HTTP\/1\.[01] ([1-5][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?$/
/** `Headers` takes the blanks around a value off. */
const FIELD_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t\x20-\x7e\x80-\xff]*)$/
/** Also DEL, which Bun 1.4.5 takes from clients and hands on by HTTP (RFC 9110 §5.5 leaves that to it). */
const FIELD_VALUE = /^[\t\x20-\xff]*$/
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const TARGET = /^\/[\x21-\x7e]*$/
/** 16 bytes: 22 characters, of which the last holds two bits, and padding. */
const KEY = /^[A-Za-z0-9+/]{21}[AQgw]==$/
const OWN_FIELDS = new Set([
  'host',
  'connection',
  'upgrade',
  'keep-alive',
  'content-length',
  'transfer-encoding',
  'te',
  'trailer',
  'expect',
])
