/** Fields that end at each hop, or are counted there (RFC 9110 §7.6). */

import { parseLength } from '../../base/byte-counts.ts'

/** Fields that end at this hop in either direction (RFC 9110 §7.6.1, RFC 9112 §9.6), but for those that are read before they go. */
const ENDING: readonly string[] = ['keep-alive', 'proxy-connection', 'proxy-authenticate', 'trailer', 'upgrade']

/** Those of a request. Source: RFC 9110 §7.6.1 and §10.1.4 (TE), RFC 9112 §6.1, RFC 7540 §3.2.1 (HTTP2-Settings). */
export const REQUEST_HOP_BY_HOP: readonly string[] = [
  ...ENDING,
  'connection',
  'transfer-encoding',
  'proxy-authorization',
  'te',
  'http2-settings',
]

/** Those of an answer, but for Connection and Transfer-Encoding: what they say is acted upon first. */
export const ANSWER_HOP_BY_HOP: readonly string[] = ENDING

/**
 * The length of an answer's body, by `raw`, its Content-Length; null where it is unknown. In place: a length is sent as one number, or
 * not at all, since the next recipient may choose another of several (RFC 9112 §6.3).
 */
export function settleLength(headers: Headers, raw: string | undefined): number | null {
  if (raw === undefined) return null
  const length = parseLength(raw)
  if (length === null) headers.delete('content-length')
  else if (String(length) !== raw) headers.set('content-length', String(length))
  return length
}

/**
 * Decrements Max-Forwards, in place; returns whether the request ends here.
 *
 * Only for OPTIONS: TRACE is never forwarded, and for other methods the field means nothing. Neither does a value that
 * is not a number.
 *
 * Source: RFC 9110 §7.6.2.
 */
export function countHop(headers: Headers): boolean {
  const left = headers.get('max-forwards')
  if (left === null || !/^[0-9]{1,15}$/.test(left)) return false
  if (Number(left) === 0) return true
  headers.set('max-forwards', String(Number(left) - 1))
  return false
}
