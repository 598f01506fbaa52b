/** `sallyport audit`: shows the audit trail, and erases what it says of one subject. */

import { eraseFromAudit } from '../audit/erase.ts'
import { EVENT_NAMES } from '../audit/events.ts'
import { jsonLine } from '../audit/export.ts'
import { type AuditRecord, FACTS } from '../audit/record.ts'
import { type AuditSearch, searchAudit } from '../audit/search.ts'
import type { AuditStore } from '../audit/store.ts'
import { showUnseen } from '../base/control-characters.ts'
import { count } from '../config/render-diagnostics.ts'
import { didYouMean } from '../config/text/suggest.ts'
import { parseDuration } from '../config/values/duration.ts'
import { EXIT, failWith, namedFile, parseArguments } from '../console/args.ts'
import type { Io } from '../console/io.ts'
import { servedConfig } from '../console/running-server.ts'
import { usageLines } from '../console/usage.ts'
import { type StorePorts, withSessions } from './with-sessions.ts'

export const USAGE = {
  text: `usage: sallyport audit [--who WHO] [--event NAME] [--since 24h|DATE] [--json] [routes.toml]
       sallyport audit --erase SUBJECT [--provider NAME] [routes.toml]

Shows the audit trail from the session store of routes.toml, if [audit] keeps one: newest first.
Exit code: 0 done, 1 the file or the store could not be read, 2 for a wrong command line.

  --who WHO        a subject, a name, an address, or the id of a token or a link, as a whole
  --event NAME     an event, or the part before a dot for several: sign_out
  --since 24h      no older than this; or since a date: 2026-11-24, 2026-11-24T19:00:00Z
  --json           a line of JSON for each row, for scripts
  --erase SUBJECT  removes every row about this subject, or about what they did
  --provider NAME  of these, only rows of this provider
  --config FILE    another file than routes.toml`,
  options: {
    json: { type: 'boolean' },
    config: { type: 'string', short: 'c' },
    who: { type: 'string' },
    event: { type: 'string' },
    since: { type: 'string' },
    erase: { type: 'string' },
    provider: { type: 'string' },
  },
  maxPositionals: 1,
} as const

type Values = {
  readonly who?: string | undefined
  readonly event?: string | undefined
  readonly since?: string | undefined
  readonly erase?: string | undefined
  readonly provider?: string | undefined
}

/** `sallyport audit`: answers the exit code. */
export async function runAudit(argv: readonly string[], io: Io, ports: StorePorts): Promise<number> {
  const parsed = parseArguments(argv, USAGE, io)
  if (!parsed.ok) return parsed.exitCode
  const named = namedFile(parsed, USAGE, io, servedConfig(io))
  if (!named.ok) return named.exitCode
  const { values } = parsed
  const wanted = readWanted(values, ports.now())
  if (typeof wanted === 'string') return failWith(io, `${wanted}\n${usageLines(USAGE.text)}`, EXIT.usage)
  return withSessions(named.file, io, ports, async ({ audit: { keepMs } }, _sessions, { store, audit }) => {
    if ('user' in wanted) {
      const number = await eraseFromAudit(store, wanted)
      await audit.keep('audit.erased', { by: 'operator', number })
      await io.stdout(`${count(number, 'row')} erased\n`)
      return EXIT.ok
    }
    if (keepMs === 0) io.stderr('nothing is kept: write [audit] keep = "90d" to keep a row of each event\n')
    return show(store, wanted, values.json === true, io)
  })
}

/** What is to be done; text: what is wrong with the arguments. */
function readWanted(
  { who, event, since, erase, provider }: Values,
  nowMs: number,
): AuditSearch | { readonly user: string; readonly provider: string | null } | string {
  if (erase !== undefined) {
    if ([who, event, since].some(one => one !== undefined)) return '--erase takes nothing of what is looked for by'
    return erase === '' ? 'an empty name matches no user' : { user: erase, provider: provider ?? null }
  }
  if (provider !== undefined) return '--provider says where --erase SUBJECT signed in'
  if (event !== undefined && !EVENT_NAMES.some(name => name === event || name.startsWith(`${event}.`))) {
    const hint = didYouMean(event, EVENT_NAMES, '')
    return `there is no event "${event}"${hint === '' ? '' : `: ${hint}`}`
  }
  const sinceMs = since === undefined ? null : parseSince(since, nowMs)
  if (sinceMs !== null && Number.isNaN(sinceMs)) return `--since is a duration or a date, not "${since}"`
  return { who: who ?? null, event: event ?? null, sinceMs, portal: null }
}

/** A moment, in milliseconds; NaN for what is none. */
function parseSince(text: string, nowMs: number): number {
  const duration = parseDuration(text)
  if (duration.ok) return nowMs - duration.value
  return /^\d{4}-\d{2}-\d{2}(?:T[\d:.]+(?:Z|[+-]\d{2}:\d{2})?)?$/.test(text) ? Date.parse(text) : Number.NaN
}

async function show(store: AuditStore, search: AuditSearch, isJson: boolean, io: Io): Promise<number> {
  let isEmpty = true
  for await (const record of searchAudit(store, search)) {
    isEmpty = false
    await io.stdout(isJson ? jsonLine(record) : lineOf(record))
  }
  if (isEmpty && !isJson) await io.stdout('Nothing is recorded.\n')
  return EXIT.ok
}

/** A record in a line for people: nothing in it drives a terminal. */
function lineOf({ atMs, event, facts }: AuditRecord): string {
  const told = FACTS.flatMap(name => (facts[name] === undefined ? [] : [`${name}=${showUnseen(String(facts[name]))}`]))
  return `${new Date(atMs).toISOString().slice(0, 19)}Z  ${event.padEnd(23)}  ${told.join(' ')}\n`
}
