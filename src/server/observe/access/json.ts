import { showJson } from '../../../base/visible.ts'
import type { AccessRecord } from './record.ts'

/** A record as one JSON object, and what ends its line; `time` is RFC 3339 in UTC. */
export function jsonLine(record: AccessRecord, time: string): string {
  return (
    `{"time":"${time}","level":"info","message":"request","id":"${record.id}","client":"${record.client}"` +
    `,"method":"${record.method}","scheme":"${record.scheme}","host":${quoteCommon(record.host)},"path":${quote(record.path)}` +
    `,"protocol":"${record.protocol}","route":${quoteCommon(record.route)},"upstream":${orNull(record.upstream)}` +
    `,"user":${orNull(record.user)},"session":${orNull(record.session)},"status":${record.status},"reason":${orNull(record.reason)}` +
    `,"bytes":${record.bytes},"ms":${record.tookMs},"total_ms":${record.totalMs}` +
    `,"agent":${orNull(record.agent)},"referer":${orNull(record.referer)}}\n`
  )
}

function orNull(text: string | null): string {
  return text === null ? 'null' : quoteCommon(text)
}

/**
 * A JSON string, as `quote` makes it, of what many records have in common: hosts, routes, people, browsers. One look-up costs less than a look
 * at every character. Bounded, since clients choose hosts.
 */
function quoteCommon(text: string): string {
  const before = COMMON.get(text)
  if (before !== undefined) return before
  const quoted = quote(text)
  if (COMMON.size < MAX_COMMON && text.length <= 256) COMMON.set(text, quoted)
  return quoted
}

const COMMON = new Map<string, string>()
const MAX_COMMON = 4096

/** Printable ASCII without the two characters that JSON escapes. */
const PLAIN = /^[ !#-[\]-~]*$/

/** A JSON string; nearly every path and name can be quoted as it is. */
function quote(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : showJson(text)
}
