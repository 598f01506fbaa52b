/** The access log: a line for each request, as JSON, as text or in the combined format, written in batches. */

import { showJson, showUnseen } from '../../base/control-characters.ts'
import { type LogOutput, type LogStyle, timeOfDay } from '../../base/log.ts'
import { memoize } from '../../base/memoize.ts'
import { tickWhileBusy } from '../../base/while-busy.ts'

/** How requests are written: as everything else, or as other servers write them. */
export type AccessStyle = LogStyle | 'combined'

/** Pairs with `close`, which writes what is left. */
export interface AccessLog {
  write(record: AccessRecord): void
  close(): void
}

const FLUSH_MS = 100
const FLUSH_CHARACTERS = 64 * 1024

/** An access log that writes lines in batches: one system call for many requests. Nothing wakes the process while none come. */
export function openAccessLog(output: LogOutput<AccessStyle>): AccessLog {
  let pending = ''
  let isClosed = false
  const timeText = rememberLast(atMs => new Date(atMs).toISOString())
  const combinedText = rememberLast(combinedTime)

  function flush(): void {
    const lines = pending
    pending = ''
    if (lines !== '') output.write(lines)
  }

  const ticker = tickWhileBusy(FLUSH_MS, () => {
    if (pending === '') return false
    flush()
    return true
  })

  function lineOf(record: AccessRecord): string {
    switch (output.style) {
      case 'json':
        return jsonLine(record, timeText(record.atMs))
      case 'combined':
        return combinedLine(record, combinedText(record.atMs))
      case 'text':
        return textLine(record, timeText(record.atMs))
      case 'plain':
        return lineForPeople(record, false)
      case 'pretty':
        return lineForPeople(record, true)
    }
  }

  return {
    write(record) {
      pending += lineOf(record)
      ticker.wake()
      // An answer that is broken off at the very end is recorded, too.
      if (isClosed || pending.length > FLUSH_CHARACTERS) flush()
    },
    close() {
      isClosed = true
      ticker.close()
      flush()
    },
  }
}

/** Under load many requests share a millisecond: its text is kept. */
function rememberLast(make: (atMs: number) => string): (atMs: number) => string {
  let lastMs = -1
  let lastText = ''
  return atMs => {
    if (atMs !== lastMs) {
      lastMs = atMs
      lastText = make(atMs)
    }
    return lastText
  }
}

/**
 * A record as nginx and Apache write it (`combined`), which tools of many years read: of what else is known there is nothing in it.
 *
 * What could end a text or a line is escaped as nginx does (`\x22`), and in the user's name, which has no quotes around it, also what
 * could be taken for the next part.
 * Source: nginx.org, ngx_http_log_module (log_format combined, escape=default).
 */
function combinedLine(record: AccessRecord, time: string): string {
  const { client, user, method, path, protocol, status, reason, isAnnounced, agent, referer } = record
  // This format does not distinguish an announced number from a counted one.
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
function combinedTime(atMs: number): string {
  const at = new Date(atMs)
  const day = String(at.getUTCDate()).padStart(2, '0')
  return `${day}/${MONTHS[at.getUTCMonth()]}/${at.getUTCFullYear()}:${at.toISOString().slice(11, 19)} +0000`
}

/**
 * A record as one JSON object, and what ends its line; `time` is RFC 3339 in UTC.
 *
 * What a text of many parts costs is its parts: those that many records have in common are kept as one.
 */
function jsonLine(record: AccessRecord, time: string): string {
  const { id, client, method, status, bytes, tookMs, totalMs } = record
  const path = PLAIN.test(record.path) ? record.path : showJson(record.path).slice(1, -1)
  return `{"time":"${time}","level":"info","message":"request","id":"${id}","client":"${client}","method":"${method}${place(record)}${path}${way(record)}${person(record)}${status}${REASONS.of(record.reason)}${bytes}${record.isAnnounced ? ANNOUNCED : ''},"ms":${tookMs},"total_ms":${totalMs}${AGENTS.of(record.agent)}${REFERERS.of(record.referer)}`
}

/** Texts that are made once for each word; bounded, since clients choose words. */
interface Parts {
  of(word: string | null): string
}

const MOST_KEPT = 4096
const LONGEST_KEPT = 256

function parts(make: (quoted: string) => string): Parts {
  const none = make('null')
  const made = memoize(word => make(quote(word)), MOST_KEPT, LONGEST_KEPT)
  let lastWord: string | null = null
  let lastText = none
  return {
    of(word) {
      // A look at the one before costs less than to hash a word that has just come in.
      if (word === lastWord) return lastText
      lastText = word === null ? none : made(word)
      lastWord = word
      return lastText
    },
  }
}

const SECURE = parts(host => `","scheme":"https","host":${host},"path":"`)
const PLAIN_HTTP = parts(host => `","scheme":"http","host":${host},"path":"`)
const REASONS = parts(reason => `,"reason":${reason},"bytes":`)
const ANNOUNCED = ',"bytes_announced":true'
const AGENTS = parts(agent => `,"agent":${agent}`)
const REFERERS = parts(referer => `,"referer":${referer}}\n`)

function place({ scheme, host }: AccessRecord): string {
  return (scheme === 'https' ? SECURE : PLAIN_HTTP).of(host)
}

/** Two words that mostly come with a third. */
interface Kept {
  readonly one: string | null
  readonly other: string | null
  readonly text: string
}

const WAYS = new Map<string, Kept>()
const PEOPLE = new Map<string, Kept>()

/** By the route: from one address or another of its upstream, by one protocol or another. */
function way({ route, protocol, upstream }: AccessRecord): string {
  const before = WAYS.get(route)
  if (before !== undefined && before.one === protocol && before.other === upstream) return before.text
  const text = `","protocol":"${protocol}","route":${quote(route)},"upstream":${quote(upstream)}`
  keep(WAYS, route, { one: protocol, other: upstream, text })
  return text
}

/** By the session, whose user it is. */
function person({ user, session }: AccessRecord): string {
  if (user === null && session === null) return NOBODY
  const before = PEOPLE.get(session ?? '')
  if (before !== undefined && before.one === user) return before.text
  const text = `,"user":${quote(user)},"session":${quote(session)},"status":`
  keep(PEOPLE, session ?? '', { one: user, other: null, text })
  return text
}

const NOBODY = ',"user":null,"session":null,"status":'

function keep(kept: Map<string, Kept>, key: string, value: Kept): void {
  // Sessions end, so a full cache starts again.
  if (kept.size >= MOST_KEPT) kept.clear()
  kept.set(key, value)
}

/** Printable ASCII without the two characters that JSON escapes. */
const PLAIN = /^[ !#-[\]-~]*$/

/** A JSON string or null; nearly every name can be quoted as it is. */
function quote(text: string | null): string {
  if (text === null) return 'null'
  return PLAIN.test(text) ? `"${text}"` : showJson(text)
}

/** A request as people read it at a terminal: `14:03:09 200   GET app.example/settings by ada from 203.0.113.9 in 3 ms`. */
function lineForPeople(record: AccessRecord, hasColours: boolean): string {
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
function textLine(record: AccessRecord, time: string): string {
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

/** The record of a finished request, of which the access log makes a line. */

/** One finished request. The query is absent on purpose, here and in `referer`: it may hold tokens. */
export interface AccessRecord {
  readonly atMs: number
  readonly id: string
  readonly client: string
  readonly method: string
  readonly host: string
  readonly path: string
  /** How the client reaches the host: `https` or `http`. */
  readonly scheme: string
  /** As in a request line: `HTTP/1.1`, or `HTTP/2.0`. */
  readonly protocol: string
  /** The route's id, `-` where none was found. */
  readonly route: string
  /** The address that was asked, as host:port or the path of a socket; null where none was. */
  readonly upstream: string | null
  /** The subject, or null without a user. */
  readonly user: string | null
  /** What `sessionMark` makes of the session, or null. */
  readonly session: string | null
  readonly status: number
  /** Why it was refused: a reason of a rule, or the code of an error. Null where it was not. */
  readonly reason: string | null
  /** Bytes of the body that were written to the client's connection; null where they are not counted. */
  readonly bytes: number | null
  /** Whether `bytes` is only the announced length: the body passed uncounted. */
  readonly isAnnounced: boolean
  /** Whole milliseconds from the request's head to the response's. */
  readonly tookMs: number
  /** The same to the end of the body. */
  readonly totalMs: number
  /** User-Agent and Referer, cut to `MOST_SAID`; null where the client sent none. */
  readonly agent: string | null
  readonly referer: string | null
}

/** Clients choose these as long as they like. */
const MOST_SAID = 256

/** What a client says of itself, as far as it is kept. */
export function agentOf(field: string | undefined): string | null {
  return field === undefined ? null : cut(field)
}

/** The page from which a request came: without query and fragment, and without a name and password. */
export function refererOf(field: string | undefined): string | null {
  if (field === undefined) return null
  const end = field.search(/[?#]/)
  const page = end === -1 ? field : field.slice(0, end)
  return cut(page.includes('@') ? page.replace(/^([^/]*\/\/)[^/]*@/, '$1') : page)
}

function cut(text: string): string {
  return text.length > MOST_SAID ? text.slice(0, MOST_SAID) : text
}
