/** Compression of WebSocket messages (permessage-deflate, RFC 7692), as far as it is offered. */

import { zlib } from '../../base/zlib.ts'

/**
 * The offer to an upstream: messages that are compressed separately (RFC 7692 §7.1.1), so that no side keeps a window
 * per connection.
 */
export const DEFLATE_OFFER = 'permessage-deflate; server_no_context_takeover; client_no_context_takeover'

/** Whether a client offers permessage-deflate, in any variant. */
export function offersDeflate(headers: Headers): boolean {
  const offers = headers.get('sec-websocket-extensions')?.split(',') ?? []
  return offers.some(offer => nameOf(offer) === NAME)
}

/**
 * What is wrong with an upstream's answer to DEFLATE_OFFER, or null.
 *
 * Source: RFC 7692 §7.1: a server that accepts must say that it resets its context with each message, and may narrow
 * its own window; narrowing the client's window was not offered.
 */
export function faultOfAcceptance(field: string): string | null {
  const [name = '', ...parameters] = field.split(';').map(part => part.trim().toLowerCase())
  if (field.includes(',') || name !== NAME) return 'it uses an extension that was not offered'
  if (!parameters.includes('server_no_context_takeover')) return 'it compresses messages that do not stand alone'
  const isKnown = parameters.every(parameter => ACCEPTABLE.test(parameter))
  const names = parameters.map(parameter => parameter.split('=', 1)[0])
  return isKnown && new Set(names).size === names.length ? null : 'it compresses with parameters that were not offered'
}

/** A message of an upstream without its compression; `too_long` over `maxBytes`, `malformed` for what is no compression. */
export function inflateMessage(payload: Buffer, maxBytes: number): Buffer | 'too_long' | 'malformed' {
  const { constants, inflateRawSync } = zlib()
  try {
    return inflateRawSync(Buffer.concat([payload, TAIL]), {
      finishFlush: constants.Z_SYNC_FLUSH,
      maxOutputLength: maxBytes,
    })
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE' ? 'too_long' : 'malformed'
  }
}

function nameOf(offer: string): string {
  return offer.split(';', 1)[0]?.trim().toLowerCase() ?? ''
}

const NAME = 'permessage-deflate'
const ACCEPTABLE = /^(?:server_no_context_takeover|client_no_context_takeover|server_max_window_bits=(?:8|9|1[0-5]))$/
/** RFC 7692 §7.2.2: the end of a block, which is not sent. */
const TAIL = Buffer.from([0x00, 0x00, 0xff, 0xff])
