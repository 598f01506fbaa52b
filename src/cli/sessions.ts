/** `sallyport sessions`: lists the sessions of a store, and ends some of them. */

import type { Audit } from '../audit/writer.ts'
import { showJson, showUnseen } from '../base/control-characters.ts'
import { throughProxy } from '../base/outgoing.ts'
import { count } from '../config/render-diagnostics.ts'
import type { Config } from '../config/resolve/config.ts'
import { EXIT, failWith, namedFileAmong, parseArguments } from '../console/args.ts'
import type { Io } from '../console/io.ts'
import { columns } from '../console/terminal.ts'
import { usageLines } from '../console/usage.ts'
import { createProviderPool } from '../identity/pool.ts'
import { detailOf, hasSeveral, nameOf } from '../portal/layout/person.ts'
import { agoOf } from '../portal/layout/time.tsx'
import { EN } from '../portal/words/en.ts'
import { revokeAtProviders } from '../session/ask-provider.ts'
import { EVERYONE } from '../session/ended.ts'
import type { OpenSessions } from '../session/open.ts'
import type { Session, SessionEntry } from '../session/session.ts'
import { describeEntry, sessionFacts, sessionMark } from '../session/session-facts.ts'
import { type EndingPorts, withSessions } from './with-sessions.ts'

export const USAGE = {
  text: `usage: sallyport sessions list [--json] [routes.toml]
       sallyport sessions revoke ID... | --subject SUB [--provider NAME] | --all [routes.toml]

Lists or ends sessions in the session store of routes.toml. A running server follows within a second, and revokes the refresh tokens at
the provider.
An argument with a dot or a slash is the file, as with --config.
Exit code: 0 done, 1 the file or the store could not be read or an id is unknown, 2 for a wrong command line.

  list              the signed-in users, newest first
  revoke ID...      ends these sessions; the beginning of an id is enough if it is unique (put an id that begins with a dash
                    behind --). A whole id is sent to running servers, even if it is not in the store
  --subject SUB     ends all sessions of this subject, at every provider that has it
  --provider NAME   of these, only sessions of this provider. Alone, it ends all sessions of this provider, also one that
                    the file does not name any more; tokens and links of its users are paused
  --all             ends all sessions. No cookie counts from the first moment on; the rest may take a while
  --json            as JSON, for scripts
  --config FILE     another file than routes.toml`,
  options: {
    json: { type: 'boolean' },
    config: { type: 'string', short: 'c' },
    subject: { type: 'string' },
    provider: { type: 'string' },
    all: { type: 'boolean' },
  },
  maxPositionals: 1000,
} as const

/** As much of an id as a list shows. */
const SHORT_ID = 10
/** In one step of the store, between which a running server, which writes to it too, gets its turn. */
const ENDED_AT_ONCE = 2500

/** Rows that are aligned with each other. */
const TABLE_ROWS = 1000

type Values = {
  readonly json?: boolean | undefined
  readonly subject?: string | undefined
  readonly provider?: string | undefined
  readonly all?: boolean | undefined
}

/** `sallyport sessions`: answers the exit code. */
export async function runSessions(argv: readonly string[], io: Io, ports: EndingPorts): Promise<number> {
  const parsed = parseArguments(argv, USAGE, io)
  if (!parsed.ok) return parsed.exitCode
  const named = namedFileAmong(parsed, USAGE, io)
  if (!named.ok) return named.exitCode
  const { values } = parsed
  const [act, ...ids] = named.others
  const mistake = findMistake(act, ids, values)
  if (mistake !== null) return failWith(io, `${mistake}\n${usageLines(USAGE.text)}`, EXIT.usage)
  return withSessions(
    named.file,
    io,
    ports,
    (config, sessions, { audit }) =>
      act === 'list'
        ? list(config, sessions, values, io, ports.now())
        : revoke(config, sessions, audit, ids, values, io),
    ({ providers, server }) => {
      const pool = createProviderPool(throughProxy(ports, () => server.outgoing))
      return { revoke: revokeAtProviders(pool, name => providers.get(name)) }
    },
  )
}

function findMistake(
  act: string | undefined,
  ids: readonly string[],
  { subject, provider, all }: Values,
): string | null {
  const namesSome = ids.length > 0 || subject !== undefined || provider !== undefined || all === true
  if (act === 'list') return namesSome ? 'list takes no sessions' : null
  if (act !== 'revoke') return act === undefined ? 'say list or revoke' : `sessions has no command "${act}"`
  const ways = [ids.length > 0, subject !== undefined, all === true].filter(Boolean).length
  if (ways > 1 || (ways === 0 && provider === undefined))
    return 'revoke takes ids, --subject, --provider or --all, and one of these only'
  if (provider !== undefined && ways === 1 && subject === undefined)
    return '--provider says where --subject signed in, or stands alone'
  return ids.some(id => id === '') || subject === '' ? 'an empty name matches no user' : null
}

async function list(config: Config, sessions: OpenSessions, values: Values, io: Io, nowMs: number): Promise<number> {
  const entries = newestFirst(sessions, config.portals.keys())
  if (values.json === true) return listAsJson(entries, io)
  return listAsTable(entries, [...config.portals.values()].some(hasSeveral), io, nowMs)
}

/** An array, written as it is read: it may be of any length. */
async function listAsJson(entries: AsyncIterable<SessionEntry>, io: Io): Promise<number> {
  let isFirst = true
  for await (const entry of entries) {
    const text = showJson(describeEntry(entry), 2).replaceAll('\n', '\n  ')
    await io.stdout(`${isFirst ? '[' : ','}\n  ${text}`)
    isFirst = false
  }
  await io.stdout(isFirst ? '[]\n' : '\n]\n')
  return EXIT.ok
}

/** A table, or, where people are many, one after the other. */
async function listAsTable(
  entries: AsyncIterable<SessionEntry>,
  saysProvider: boolean,
  io: Io,
  nowMs: number,
): Promise<number> {
  let rows: string[][] = []
  let isEmpty = true
  const write = async () => {
    if (rows.length > 0)
      await io.stdout(
        columns([
          ['ID', 'WHO', ...(saysProvider ? ['PROVIDER'] : []), 'PORTAL', 'DEVICE', 'SIGNED IN', 'LAST USED'],
          ...rows,
        ]),
      )
    rows = []
  }
  for await (const { session, agent, client, lastSeenMs } of entries) {
    isEmpty = false
    const detail = detailOf(session.identity)
    rows.push([
      session.id.slice(0, SHORT_ID),
      detail === null ? nameOf(session.identity) : `${nameOf(session.identity)} <${detail}>`,
      ...(saysProvider ? [session.identity.provider] : []),
      session.portal,
      [agent, client].filter(part => part !== '').join(', '),
      agoOf(session.createdAtMs, nowMs, EN),
      agoOf(lastSeenMs, nowMs, EN),
    ])
    if (rows.length === TABLE_ROWS) await write()
  }
  await write()
  if (isEmpty) await io.stdout('No user is signed in.\n')
  return EXIT.ok
}

/** A user who is signed out must not come back by a token: their tokens are suspended. */
async function revoke(
  config: Config,
  sessions: OpenSessions,
  audit: Audit,
  ids: readonly string[],
  { subject, provider, all, json }: Values,
  io: Io,
): Promise<number> {
  if (provider !== undefined && subject === undefined) {
    return revokeProvider(config, sessions, audit, provider, json === true, io)
  }
  // A misspelt name must not pass for somebody who is not signed in.
  if (provider !== undefined && !config.providers.has(provider))
    return failWith(io, `there is no provider "${provider}"`)
  const portals = [...config.portals.keys()]
  const those = ids.length > 0 ? await findAll(sessions, portals, ids, io) : { named: [], unstored: [] }
  if (those === null) return EXIT.failed
  const { named, unstored } = those
  const tell = (ended: readonly Session[]) => tellEnded(ended, audit)
  const found: Session[] = []
  for (const id of named) {
    const entry = await sessions.describe(id)
    if (entry === null) continue
    await sessions.tokens.suspend(entry.session)
    found.push(entry.session)
  }
  // A server may have in memory what is no longer in the store: ending an unknown id is right, too.
  await sessions.end(...named, ...unstored)
  await tell(found)
  for (const id of unstored) await audit.keep('sign_out.by_operator', { session: sessionMark(id), by: 'operator' })
  const revoked = [...named]
  if (ids.length === 0) {
    // From here on no cookie is accepted, although it takes a while until the last of many sessions has ended.
    if (all === true) await sessions.endCookies()
    let some: Session[] = []
    const endThem = async () => {
      const ending = some.map(({ id }) => id)
      await sessions.tokens.suspend(...some)
      await sessions.end(...ending)
      await tell(some)
      revoked.push(...ending)
      some = []
    }
    for await (const { session } of newestFirst(sessions, portals)) {
      const { identity } = session
      const isMeant = identity.subject === subject && (provider === undefined || identity.provider === provider)
      if (all !== true && !isMeant) continue
      some.push(session)
      if (some.length === ENDED_AT_ONCE) await endThem()
    }
    await endThem()
    const issuer = provider === undefined ? null : (config.providers.get(provider)?.issuer ?? null)
    const match = all === true ? EVERYONE : { issuer, subject: subject ?? null, sid: null }
    for (const portal of portals) {
      const unreadable = await sessions.unreadable(portal, match)
      await sessions.end(...unreadable)
      for (const id of unreadable)
        await audit.keep('sign_out.by_operator', { session: sessionMark(id), by: 'operator' })
      revoked.push(...unreadable)
    }
    await sessions.endEverywhere(match)
  }
  const besides = ids.length > 0 ? '' : '; running servers end what they have in memory alone, too'
  await io.stdout(
    json === true ? `${showJson({ revoked })}\n` : `${count(revoked.length, 'session')} revoked${besides}\n`,
  )
  if (subject !== undefined && revoked.length === 0) {
    const said = `no session of the subject ${showUnseen(subject)} is in the store`
    io.stderr(`${said}; that of a user of a file is htpasswd:NAME, and "sessions list --json" shows all\n`)
  }
  for (const id of unstored)
    io.stderr(`there is no session ${showUnseen(id)} in the store; running servers end it if they have it in memory\n`)
  return unstored.length > 0 ? EXIT.failed : EXIT.ok
}

async function tellEnded(ended: readonly Session[], audit: Audit): Promise<void> {
  const facts = (one: Session) => ({ ...sessionFacts(one), by: 'operator' })
  for (const one of ended.slice(0, -1)) audit.note('sign_out.by_operator', facts(one))
  // Waited for: of rows that are more than may wait, the oldest are given up.
  for (const last of ended.slice(-1)) await audit.keep('sign_out.by_operator', facts(last))
}

/** Of a provider that this file may not have any more: gates that run another file may still take its sign-ins. */
async function revokeProvider(
  config: Config,
  sessions: OpenSessions,
  audit: Audit,
  provider: string,
  isJson: boolean,
  io: Io,
): Promise<number> {
  const portals = new Set([...config.portals.keys(), ...(await sessions.gates.portals())])
  const revoked: string[] = []
  await sessions.endProvider(provider, [...portals], async ended => {
    revoked.push(...ended.map(({ id }) => id))
    await tellEnded(ended, audit)
  })
  if (revoked.length === 0 && !config.providers.has(provider))
    return failWith(io, `there is no provider "${provider}", and nobody in the store has signed in at one`)
  await io.stdout(isJson ? `${showJson({ revoked })}\n` : `${count(revoked.length, 'session')} revoked\n`)
  return EXIT.ok
}

/** What `randomToken` makes. */
const WHOLE_ID = /^[A-Za-z0-9_-]{43}$/

/**
 * The sessions whose ids begin so, one for each, and whole ids that the store does not have; null, and the reason written, where there
 * is none or more than one of a beginning.
 */
async function findAll(
  sessions: OpenSessions,
  portals: readonly string[],
  ids: readonly string[],
  io: Io,
): Promise<{ readonly named: readonly string[]; readonly unstored: readonly string[] } | null> {
  const found = new Map<string, string[]>()
  const beginnings: string[] = []
  for (const id of new Set(ids)) {
    if ((await sessions.describe(id)) !== null) found.set(id, [id])
    else beginnings.push(id)
  }
  if (beginnings.length > 0) {
    for await (const { session } of newestFirst(sessions, portals)) {
      for (const id of beginnings) {
        if (session.id.startsWith(id)) found.set(id, [...(found.get(id) ?? []), session.id])
      }
    }
  }
  for (const id of ids) {
    const all = found.get(id) ?? []
    if (all.length === 1 || (all.length === 0 && WHOLE_ID.test(id))) continue
    io.stderr(all.length === 0 ? `there is no session ${id}\n` : `${id} is the beginning of ${all.length} sessions\n`)
    return null
  }
  const unstored = [...new Set(ids)].filter(id => !found.has(id))
  return { named: [...new Set([...found.values()].flat())], unstored }
}

const PAGE = 500

/** What is listed of one portal, as far as it has been read. */
interface Reading {
  readonly portal: string
  entries: readonly SessionEntry[]
  /** The next of `entries`. */
  at: number
  /** Where the page after this one begins; null where there is none. */
  next: string | null
}

/**
 * Every live session of these portals, newest first, without ever holding more than a page of each.
 *
 * One that begins or ends meanwhile may or may not be among them.
 */
export async function* newestFirst(
  sessions: Pick<OpenSessions, 'list'>,
  portals: Iterable<string>,
): AsyncGenerator<SessionEntry> {
  const readings: Reading[] = []
  for (const portal of portals) {
    const reading = await fill(sessions, { portal, entries: [], at: 0, next: null }, null)
    if (reading !== null) readings.push(reading)
  }
  while (readings.length > 0) {
    const newest = readings.reduce((one, other) => (createdAtMs(other) > createdAtMs(one) ? other : one))
    const entry = newest.entries[newest.at++]
    if (entry !== undefined) yield entry
    if (newest.at < newest.entries.length) continue
    const isMore = newest.next !== null && (await fill(sessions, newest, newest.next)) !== null
    if (!isMore) readings.splice(readings.indexOf(newest), 1)
  }
}

/** Reads on until there is an entry; null where none is left. A page may be empty: its sessions are over, and not yet purged. */
async function fill(
  sessions: Pick<OpenSessions, 'list'>,
  reading: Reading,
  from: string | null,
): Promise<Reading | null> {
  for (let after = from; ; after = reading.next) {
    const { entries, next } = await sessions.list(reading.portal, { after, limit: PAGE })
    Object.assign(reading, { entries, next, at: 0 })
    if (entries.length > 0) return reading
    if (next === null) return null
  }
}

function createdAtMs({ entries, at }: Reading): number {
  return entries[at]?.session.createdAtMs ?? 0
}
