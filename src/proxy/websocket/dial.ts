/** Dials the upstream of a WebSocket; its refusal reaches the client. */

import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { parseLength } from '../../base/byte-counts.ts'
import { GateError } from '../../base/errors.ts'
import { afterLimit } from '../../base/time-limit.ts'
import type { UpstreamAddress } from '../../config/values/address.ts'
import { translateFailure, unreachable } from '../failures.ts'
import { type AnswerBounds, cleanResponseFields, OWN_PATHS_ONLY } from '../fields/response.ts'
import type { Asked } from '../fields/rewrite-location.ts'
import { addressLabel, type OriginTls } from '../upstream/origin.ts'
import { splitAuthority } from '../upstream/reach.ts'
import type { FrameEncoder } from './encoder.ts'
import { checkAcceptance, encodeHandshake, type HeadPlace, parseResponseHead, type ResponseHead } from './handshake.ts'
import { connectByBun, type UpstreamLeg } from './plain-socket.ts'
import { createUpstreamSocket, type UpstreamSocket } from './upstream.ts'

export interface DialOptions {
  readonly address: UpstreamAddress
  /** For https; the system's authorities and the address's own name where it is left out. */
  readonly tls?: OriginTls | undefined
  /** Whether the address may drop what comes, as one that failed before: its connections end where they are given up. */
  readonly isDoubtful?: boolean
  /** Path and query as matched and forwarded; the address's base path is put before it here. */
  readonly path: string
  /** What goes upstream, Host among it; fields of the handshake itself are written here. */
  readonly headers: Readonly<Record<string, string>>
  /** The subprotocols the client offers, in order. */
  readonly protocols: readonly string[]
  /** Whether the client offers permessage-deflate and the upstream may agree to it. */
  readonly offersDeflate: boolean
  /** How long the upstream may take to connect and to answer. */
  readonly timeoutMs: number
  /** How long it may take to connect; `timeoutMs` where it is left out. */
  readonly connectTimeoutMs?: number
  readonly random: (byteCount: number) => Uint8Array
  readonly encoder: FrameEncoder
  /** How long one message of the upstream may be; as long as messages are by themselves where it is left out. */
  readonly maxMessageBytes?: number
  /** How far the answer's fields may reach; no further than anybody's where it is left out. */
  readonly bounds?: AnswerBounds
  /** How the client asked; where it is left out, addresses in the answer stay as they are. */
  readonly asked?: Asked
  /** The client's request: when it is gone, so is the dialling. */
  readonly signal?: AbortSignal
  /** The route, for the log. */
  readonly what?: string
  /** Called once, when the connection is over or did not come about; also long after the answer here. */
  onClosed?(): void
}

export type Dialled =
  | {
      readonly kind: 'open'
      /** What the upstream chose of the protocols offered; empty for none. */
      readonly protocol: string
      /** Whether compression was agreed upon. */
      readonly isCompressed: boolean
      /** Fields of the 101 that are for the client (cookies), hop-by-hop and handshake fields removed. */
      readonly headers: Headers
      readonly socket: UpstreamSocket
    }
  | { readonly kind: 'refused'; readonly response: Response }

/**
 * Asks an upstream for a WebSocket, before Sallyport answers the client. So a refusal reaches the client unchanged,
 * and the client gets the subprotocol that the upstream chose.
 *
 * It uses a plain socket. Bun's WebSocket client (measured at 1.4.5) hides the status, fields and body of a refusal,
 * so that a second request would have to ask for them. It also does not report a drained send buffer. A refusal's body
 * is whole, up to MAX_REFUSAL_BYTES.
 *
 * Throws `upstream.refused` (no connection), `upstream.untrusted`, `upstream.unreachable`, `upstream.timeout`,
 * `upstream.broken` (not HTTP, or not a WebSocket server's 101).
 */
export function dialUpstream(options: DialOptions): Promise<Dialled> {
  const { address, what = 'a WebSocket', connectTimeoutMs = options.timeoutMs } = options
  const label = addressLabel(address)
  const key = Buffer.from(options.random(16)).toString('base64')
  const asked = { protocols: options.protocols, offersDeflate: options.offersDeflate, key }
  const request = encodeHandshake({
    ...asked,
    path: address.kind === 'unix' ? options.path : address.basePath + options.path,
    authority: address.kind === 'unix' ? 'localhost' : address.authority,
    headers: options.headers,
  })
  return new Promise((resolve, reject) => {
    const received = new Received()
    const headPlace: HeadPlace = { start: 0, seen: 0 }
    const chunkPlace = chunksBegin()
    let head: ResponseHead | null = null
    let isConnected = false
    const socket = openSocket(options, () => {
      isConnected = true
      stopConnecting()
      socket.write(request)
    })
    const stopConnecting = afterLimit(connectTimeoutMs, () => fail(unreachable(what, label, connectTimeoutMs)))
    const stopWaiting = afterLimit(options.timeoutMs, () => {
      fail(new GateError('upstream.timeout', `no answer to a WebSocket handshake after ${options.timeoutMs} ms`))
    })

    function settle(): void {
      stopWaiting()
      stopConnecting()
      options.signal?.removeEventListener('abort', onAbort)
      socket.off('data', onData)
      socket.off('end', onEnd)
      socket.off('close', onEnd)
      socket.off('error', onError)
    }
    function fail(error: GateError): void {
      settle()
      socket.on('error', ignore)
      socket.destroy()
      reject(error)
    }
    function advance(isEnded: boolean): void {
      try {
        head ??= parseResponseHead(received.bytes, headPlace)
        if (head === null) {
          if (isEnded)
            throw new GateError('upstream.broken', 'the upstream closed without an answer to a WebSocket handshake')
        } else if (head.status === 101) {
          open(head)
        } else {
          refuse(head, isEnded)
        }
      } catch (error) {
        fail(error instanceof GateError ? error : new GateError('internal', 'dialling failed', { cause: error }))
      }
    }
    function open({ headers, length }: ResponseHead): void {
      const { protocol, isCompressed } = checkAcceptance(headers, asked)
      cleanResponseFields(headers, options.bounds ?? OWN_PATHS_ONLY, options.asked ?? null, address)
      for (const name of [...headers.keys()]) if (name.startsWith('sec-websocket-')) headers.delete(name)
      settle()
      resolve({
        kind: 'open',
        protocol,
        isCompressed,
        headers,
        socket: createUpstreamSocket({
          socket,
          early: received.bytes.subarray(length),
          encoder: options.encoder,
          isCompressed,
          ...(options.maxMessageBytes === undefined ? {} : { maxMessageBytes: options.maxMessageBytes }),
        }),
      })
    }
    function refuse({ status, headers, length }: ResponseHead, isEnded: boolean): void {
      const bytes = received.bytes.subarray(length)
      const isTooLong = bytes.length > MAX_REFUSAL_BYTES
      const body = isTooLong ? null : refusalBody({ status, headers, length }, bytes, isEnded, chunkPlace)
      if (body === null && !isTooLong) return
      cleanResponseFields(headers, options.bounds ?? OWN_PATHS_ONLY, options.asked ?? null, address)
      headers.delete('content-length')
      if (isTooLong) for (const name of ['content-type', 'content-encoding']) headers.delete(name)
      const hasBody = body !== null && body.length > 0
      settle()
      socket.on('error', ignore)
      socket.destroy()
      resolve({ kind: 'refused', response: new Response(hasBody ? new Uint8Array(body) : null, { status, headers }) })
    }
    function onAbort(): void {
      fail(new GateError('upstream.refused', 'the client left before its WebSocket was open'))
    }

    function onData(chunk: Buffer): void {
      received.add(chunk)
      advance(false)
    }
    function onEnd(): void {
      advance(true)
    }
    function onError(cause: Error): void {
      const error = translateFailure(cause, what, label)
      // Before the connection is complete, with TLS, nothing was sent, regardless of the error.
      const isUnasked = !isConnected && error.code === 'upstream.broken'
      const { message, facts, hint = '' } = error
      fail(isUnasked ? new GateError('upstream.refused', message, { cause, facts, hint }) : error)
    }

    if (options.onClosed !== undefined) socket.once('close', options.onClosed)
    socket.on('data', onData)
    socket.on('end', onEnd)
    socket.on('close', onEnd)
    socket.on('error', onError)
    options.signal?.addEventListener('abort', onAbort)
    if (options.signal?.aborted === true) onAbort()
  })
}

/**
 * A connection that is about to be made; TLS verified against the address's own name unless another is given.
 *
 * Bun's own sockets cannot be closed before they are connected (Bun 1.4.5): at an address that drops what comes, each would keep its
 * descriptor for two minutes. Those of node:net can.
 */
function openSocket({ address, tls, isDoubtful = false }: DialOptions, onConnected: () => void): UpstreamLeg {
  if (address.kind === 'unix') return connectByBun({ path: address.path }, onConnected)
  const { host, name: own, port } = splitAuthority(address.authority, address.scheme === 'https' ? 443 : 80)
  if (address.scheme === 'http')
    return isDoubtful ? connect({ host, port }, onConnected) : connectByBun({ host, port }, onConnected)
  // RFC 6066 §3: an address is no server name.
  const isName = !/^[0-9.]+$|:/.test(own)
  const { serverName = isName ? own : undefined, ...rest } = tls ?? {}
  const name = serverName === undefined ? {} : { servername: serverName }
  return connectTls({ host, port, ALPNProtocols: ['http/1.1'], ...rest, ...name }, onConnected)
}

/** What has come, in one piece that is moved as often as it doubles: a byte at a time is a third of a million packets. */
class Received {
  #space: Buffer = Buffer.alloc(0)
  #length = 0

  get bytes(): Buffer {
    return this.#space.subarray(0, this.#length)
  }

  add(chunk: Buffer): void {
    const length = this.#length + chunk.length
    if (length > this.#space.length) {
      const space = Buffer.allocUnsafeSlow(Math.max(length, 2 * this.#space.length, 1024))
      this.#space.copy(space, 0, 0, this.#length)
      this.#space = space
    }
    chunk.copy(this.#space, this.#length)
    this.#length = length
  }
}

/** A socket that was given up may still report an error; without a listener that would end the process. */
function ignore(): void {}

/** A refusal says why in a page or a few lines of JSON; a longer body is left out, its status and fields still count. */
const MAX_REFUSAL_BYTES = 262_144

/** How far a body in chunks has been read, so that nothing of it is read twice. */
interface ChunkPlace {
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
 * The body of an upstream's answer other than 101, as far as `bytes` contain it. It writes `place`: the next call,
 * with more of the same bytes, continues there.
 *
 * Shape: null while more is to come; otherwise the body, transfer coding removed, content coding kept.
 * `isEnded`: the upstream closed, which ends a body without a length.
 * Throws `upstream.broken` for a length, coding or chunk that cannot be trusted, or a body cut short.
 * Source: RFC 9112 §6.3 (which length counts), §7.1 (chunks).
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

/** The data of the chunks once the last one has come; trailers are ignored, since nothing follows. */
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
