import { GateError } from '../base/errors.ts'
import { setsOwnCookie } from '../session/cookie.ts'

/**
 * Takes out of an upstream's answer what ends at this hop and what would overwrite our cookies. Works in place: a response
 * that is handed on untouched is what Bun sends cheapest.
 *
 * Set-Cookie fields keep their order and are never combined (RFC 9110 §5.3). A length beside a transfer coding is not to be
 * believed, nor passed on (RFC 9112 §6.3). Deleting what is not there costs less than finding out (Bun 1.4.5), and a call for
 * each name less than a loop over names.
 *
 * Throws `upstream.broken` for a transfer coding other than chunked: Bun does not decode it, and the client would not know of it
 * (RFC 9112 §6.1).
 * Source: RFC 9110 §7.6.1 (Connection, and the fields that end at a hop without it).
 */
export function cleanResponseFields(headers: Headers): void {
  const connection = headers.get('connection')
  if (connection !== null) {
    headers.delete('connection')
    if (connection !== 'keep-alive' && connection !== 'close') {
      for (const option of connection.split(',')) {
        const name = option.trim()
        if (FIELD_NAME.test(name)) headers.delete(name)
      }
    }
  }
  if (headers.has('transfer-encoding')) {
    headers.delete('content-length')
    if (!/^(?:chunked|identity)$/i.test(headers.get('transfer-encoding') ?? '')) {
      throw new GateError(
        'upstream.broken',
        'an upstream compressed its message with a transfer coding nobody asked for',
      )
    }
    headers.delete('transfer-encoding')
  }
  headers.delete('keep-alive')
  headers.delete('proxy-connection')
  headers.delete('proxy-authenticate')
  headers.delete('trailer')
  headers.delete('upgrade')
  if (headers.has('set-cookie')) dropOwnCookies(headers)
}

function dropOwnCookies(headers: Headers): void {
  const cookies = headers.getSetCookie()
  if (!cookies.some(setsOwnCookie)) return
  headers.delete('set-cookie')
  for (const cookie of cookies) if (!setsOwnCookie(cookie)) headers.append('set-cookie', cookie)
}

const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/i
