import type { AccessRecord } from './record.ts'

/**
 * A record as nginx and Apache write it (`combined`), which tools of many years read: of what else is known there is nothing in it.
 *
 * What could end a text or a line is escaped as nginx does (`\x22`), and in the user's name, which has no quotes around it, also what
 * could be taken for the next part.
 * Source: nginx.org, ngx_http_log_module (log_format combined, escape=default).
 */
export function combinedLine(record: AccessRecord, time: string): string {
  const { client, user, method, path, protocol, status, reason, isAnnounced, agent, referer } = record
  // Nothing here tells a number that was announced from one that was counted.
  const bytes = isAnnounced && reason !== null ? null : record.bytes
  const who = user === null || user === '' ? '-' : user === '-' ? '\\x2D' : escapeText(user, LOOSE)
  const line = `${escapeText(method, QUOTED)} ${escapeText(path, QUOTED)} ${protocol}`
  return `${client} - ${who} [${time}] "${line}" ${status} ${bytes ?? '-'} "${orDash(referer)}" "${orDash(agent)}"\n`
}

function orDash(text: string | null): string {
  return text === null || text === '' ? '-' : escapeText(text, QUOTED)
}

/** What is not printable ASCII, the quote and the backslash. */
const QUOTED = /[^ !#-[\]-~]/gu

/** The same, with blanks and brackets. */
const LOOSE = /[^!#-Z^-~]/gu

function escapeText(text: string, unsafe: RegExp): string {
  return text.replace(unsafe, escapeBytes)
}

/** Its bytes in UTF-8. */
function escapeBytes(character: string): string {
  let escaped = ''
  for (const byte of Buffer.from(character)) escaped += `\\x${byte.toString(16).toUpperCase().padStart(2, '0')}`
  return escaped
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** `24/Nov/2026:19:41:48 +0000`: the time of these lines, in UTC. */
export function combinedTime(atMs: number): string {
  const at = new Date(atMs)
  const day = String(at.getUTCDate()).padStart(2, '0')
  return `${day}/${MONTHS[at.getUTCMonth()]}/${at.getUTCFullYear()}:${at.toISOString().slice(11, 19)} +0000`
}
