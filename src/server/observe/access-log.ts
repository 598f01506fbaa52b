import { type LogStyle, timeOfDay } from '../../base/log.ts'
import { showUnseen } from '../../base/visible.ts'
import { tickWhileBusy } from '../../base/while-busy.ts'

/** One finished request. The query is absent on purpose: it may hold tokens. */
export interface AccessRecord {
  readonly atMs: number
  readonly id: string
  readonly client: string
  readonly method: string
  readonly host: string
  readonly path: string
  /** The route's id, `-` where none was found. */
  readonly route: string
  /** The subject, or null for nobody. */
  readonly user: string | null
  readonly status: number
  /** Whole milliseconds from the request's head to the response's. */
  readonly tookMs: number
}

/** Pairs with `close`, which writes what is left. */
export interface AccessLog {
  readonly isOn: boolean
  write(record: AccessRecord): void
  close(): void
}

const FLUSH_MS = 100
const FLUSH_CHARACTERS = 64 * 1024

/**
 * An access log that writes lines in batches: one system call for many requests. Lines are JSON, or for people what they look for.
 *
 * A record is made into text only when the log is on.
 */
export function openAccessLog(
  { write, style }: { readonly write: (lines: string) => void; readonly style: LogStyle },
  isEnabled: () => boolean,
): AccessLog {
  let pending = ''
  let lastMs = -1
  let lastText = ''

  function flush(): void {
    if (pending === '') return
    const lines = pending
    pending = ''
    write(lines)
  }

  /** Only while something is to be written. */
  const ticker = tickWhileBusy(FLUSH_MS, () => {
    if (pending === '') return false
    flush()
    return true
  })

  /** RFC 3339 in UTC. Under load many requests share a millisecond: its text is kept. */
  function timeText(atMs: number): string {
    if (atMs !== lastMs) {
      lastMs = atMs
      lastText = new Date(atMs).toISOString()
    }
    return lastText
  }

  function jsonLine(record: AccessRecord): string {
    return (
      `{"time":"${timeText(record.atMs)}","level":"info","message":"request","id":"${record.id}","client":"${record.client}"` +
      `,"method":"${record.method}","host":${quoteCommon(record.host)},"path":${quote(record.path)},"route":${quoteCommon(record.route)}` +
      `,"user":${record.user === null ? 'null' : quoteCommon(record.user)},"status":${record.status},"ms":${record.tookMs}}\n`
    )
  }

  return {
    get isOn() {
      return isEnabled()
    },
    write(record) {
      pending += style === 'json' ? jsonLine(record) : lineForPeople(record, style)
      ticker.wake()
      if (pending.length > FLUSH_CHARACTERS) flush()
    },
    close() {
      ticker.close()
      flush()
    },
  }
}

/** A request as people read it: `14:03:09 200   GET app.example/settings by ada from 203.0.113.9 in 3 ms`. */
function lineForPeople(record: AccessRecord, style: 'pretty' | 'plain'): string {
  const { atMs, status, method, host, path, user, client, tookMs } = record
  const paint = (code: number, text: string) => (style === 'pretty' ? `\x1b[${code}m${text}\x1b[0m` : text)
  const colour = STATUS_COLOURS[Math.floor(status / 100)] ?? 31
  const who = user === null ? '' : ` ${paint(2, 'by')} ${showUnseen(user)}`
  const what = `${showUnseen(method)} ${showUnseen(host + path)}${who}`
  const rest = paint(2, `from ${client} in ${tookMs} ms`)
  return `${paint(2, timeOfDay(atMs))} ${paint(colour, String(status).padEnd(5))} ${what} ${rest}\n`
}

/** ANSI colours by the first digit of a status. */
const STATUS_COLOURS: readonly (number | undefined)[] = [undefined, 36, 32, 36, 33, 31]

/**
 * A JSON string, as `quote` makes it, of what many records have in common: hosts, routes, people. One look-up costs less than a look at every
 * character. Bounded, since clients choose hosts.
 */
function quoteCommon(text: string): string {
  const before = COMMON.get(text)
  if (before !== undefined) return before
  const quoted = quote(text)
  if (COMMON.size < MAX_COMMON && text.length < 256) COMMON.set(text, quoted)
  return quoted
}

const COMMON = new Map<string, string>()
const MAX_COMMON = 4096

/** Printable ASCII without the two characters that JSON escapes. */
const PLAIN = /^[ !#-[\]-~]*$/

/** A JSON string; nearly every path and name can be quoted as it is. */
function quote(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text)
}
