import { showJson } from '../../../base/visible.ts'
import type { AccessRecord } from './record.ts'

/**
 * A record as one JSON object, and what ends its line; `time` is RFC 3339 in UTC.
 *
 * What a text of many parts costs is its parts: those that many records have in common are kept as one.
 */
export function jsonLine(record: AccessRecord, time: string): string {
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
  const kept = new Map<string | null, string>()
  let lastWord: string | null = null
  let lastText = make('null')
  return {
    of(word) {
      // A look at the one before costs less than to hash a word that has just come in.
      if (word === lastWord) return lastText
      let text = kept.get(word)
      if (text === undefined) {
        text = make(quote(word))
        if (kept.size < MOST_KEPT && (word === null || word.length <= LONGEST_KEPT)) kept.set(word, text)
      }
      lastWord = word
      lastText = text
      return text
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
  // Sessions end: what is full begins anew.
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
