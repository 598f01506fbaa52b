import { timeOfDay } from '../../../base/log.ts'
import { showJson, showUnseen } from '../../../base/visible.ts'
import type { AccessRecord } from './record.ts'

/** A request as people read it at a terminal: `14:03:09 200   GET app.example/settings by ada from 203.0.113.9 in 3 ms`. */
export function lineForPeople(record: AccessRecord, hasColours: boolean): string {
  const { atMs, status, method, host, path, user, client, tookMs } = record
  const paint = (code: number, text: string) => (hasColours ? `\x1b[${code}m${text}\x1b[0m` : text)
  const colour = STATUS_COLOURS[Math.floor(status / 100)] ?? 31
  const who = user === null ? '' : ` ${paint(2, 'by')} ${showUnseen(user)}`
  const what = `${showUnseen(method)} ${showUnseen(host + path)}${who}`
  const rest = paint(2, `from ${client} in ${tookMs} ms`)
  return `${paint(2, timeOfDay(atMs))} ${paint(colour, String(status).padEnd(5))} ${what} ${rest}\n`
}

/** ANSI colours by the first digit of a status. */
const STATUS_COLOURS: readonly (number | undefined)[] = [undefined, 36, 32, 36, 33, 31]

/**
 * All of a record in a line of text, for files: first what people look for, each part where it always is, then the rest as
 * `name=value`. `time` is RFC 3339 in UTC. What a client or a provider chooses is one word, or in quotes.
 */
export function textLine(record: AccessRecord, time: string): string {
  const { status, method, scheme, host, path, user, client, tookMs } = record
  const facts = [
    ['bytes', record.bytes],
    ['bytes_announced', record.isAnnounced ? 'true' : null],
    ['total_ms', record.totalMs],
    ['protocol', record.protocol],
    ['route', record.route === '-' ? null : record.route],
    ['upstream', record.upstream],
    ['session', record.session],
    ['reason', record.reason],
    ['id', record.id],
    ['referer', record.referer],
    ['agent', record.agent],
  ] as const
  let line = `${time} ${status} ${client} ${word(user ?? '-')} ${word(method)} ${word(`${scheme}://${host}${path}`)} ${tookMs} ms`
  for (const [name, value] of facts) if (value !== null) line += ` ${name}=${word(String(value))}`
  return `${line}\n`
}

/** What needs no quotes. */
const WORD = /^[\w!#$%&'()*+,./:;<>?@[\]^`{|}~-]+$/

function word(text: string): string {
  return WORD.test(text) ? text : showJson(text)
}
