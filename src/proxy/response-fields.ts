import { setsOwnCookie } from '../session/cookie.ts'

/** A response's fields as Bun's `Headers.toJSON` gives them: lower-case names, repeated ones joined, Set-Cookie as a list. */
export type ReceivedFields = Readonly<Record<string, string | undefined>>

/**
 * Takes out of an upstream's answer what ends at this hop and what would overwrite our cookies. Works in place: a response
 * that is handed on untouched is what Bun sends cheapest. Answers the fields as they were.
 *
 * Set-Cookie fields keep their order and are never combined (RFC 9110 §5.3). A length beside a transfer coding is not to be
 * believed, nor passed on (RFC 9112 §6.3).
 */
export function cleanResponseFields(headers: Headers): ReceivedFields {
  // Read once: looking a field up in Headers costs more than deleting the two that are usually there.
  const fields = headers.toJSON() as ReceivedFields
  const { connection } = fields
  if (connection !== undefined) {
    headers.delete('connection')
    if (connection !== 'keep-alive' && connection !== 'close') {
      for (const option of connection.split(',')) {
        const name = option.trim()
        if (FIELD_NAME.test(name)) headers.delete(name)
      }
    }
  }
  if (fields['transfer-encoding'] !== undefined) headers.delete('content-length')
  for (const name of HOP_BY_HOP) if (fields[name] !== undefined) headers.delete(name)
  if (fields['set-cookie'] !== undefined) dropOwnCookies(headers)
  return fields
}

function dropOwnCookies(headers: Headers): void {
  const cookies = headers.getSetCookie()
  if (!cookies.some(setsOwnCookie)) return
  headers.delete('set-cookie')
  for (const cookie of cookies) if (!setsOwnCookie(cookie)) headers.append('set-cookie', cookie)
}

/** What ends at this hop besides Connection (RFC 9110 §7.6.1): the fields that a response can have. */
const HOP_BY_HOP = ['keep-alive', 'proxy-connection', 'proxy-authenticate', 'trailer', 'transfer-encoding', 'upgrade']

const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/i
