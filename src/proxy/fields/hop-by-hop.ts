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
