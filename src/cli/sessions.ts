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
import { type EndingPorts, tellFailure, withSessions } from './with-sessions.ts'

export const USAGE = {
  text: `usage: sallyport sessions list [--json] [routes.toml]
       sallyport sessions revoke ID... | --subject SUB [--provider NAME] | --all [routes.toml]

Lists or ends sessions in the session store of routes.toml. A running server follows within a second, and revokes the refresh tokens at
the provider.
An argument with a dot or a slash is the file, as with --config.
Exit code: 0 done, 1 the file or the store could not be read, an id is unknown or not all has ended, 2 for a wrong command line.

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
/** One session that cannot be ended is found within twelve. Beyond these the store itself may fail, and each takes seconds. */
const MOST_FAILURES = 30

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

/** A stored session; `session` is null where its row cannot be read. */
interface Stored {
  readonly id: string
  readonly session: Session | null
}

async function revoke(
  config: Config,
  sessions: OpenSessions,
  audit: Audit,
  ids: readonly string[],
  { subject, provider, all, json }: Values,
  io: Io,
): Promise<number> {
  // A misspelt name must not pass for somebody who is not signed in.
  if (provider !== undefined && subject !== undefined && !config.providers.has(provider))
    return failWith(io, `there is no provider "${provider}"`)
  const those = ids.length > 0 ? await findAll(sessions, [...config.portals.keys()], ids, io) : NONE
  if (those === null) return EXIT.failed
  const ending = createEnding(sessions, audit)
  const { revoked, failures, tried } = ending
  const issuer = subject === undefined ? null : (config.providers.get(provider ?? '')?.issuer ?? null)
  const match = subject === undefined ? EVERYONE : { issuer, subject, sid: null }
  async function* named(): AsyncGenerator<Stored> {
    for (const id of those?.named ?? []) {
      const entry = await sessions.describe(id)
      if (entry !== null) yield { id, session: entry.session }
    }
  }
  /** Gates that run another file may still accept what this one does not. */
  async function* portals(): AsyncGenerator<string> {
    yield* config.portals.keys()
    for (const portal of await sessions.gates.portals()) if (!config.portals.has(portal)) yield portal
  }
  async function* matching(): AsyncGenerator<Stored> {
    for await (const portal of portals()) {
      for await (const one of sessions.stored(portal, match)) {
        const isOfProvider = one.session === null ? subject !== undefined : one.session.identity.provider === provider
        if (provider === undefined || isOfProvider) yield one
      }
    }
  }
  const meant = ids.length > 0 ? named : matching
  if (ids.length > 0) {
    await tried(() => ending.endAll(named()))
    // A server may have in memory what is no longer in the store: ending an unknown id is right, too.
    for (const id of those.unstored) await tried(() => ending.endUnstored(id))
  } else if (all === true || subject !== undefined) {
    // From here on no cookie is accepted, although it takes a while until the last of many sessions has ended.
    if (all === true) await tried(() => sessions.endCookies())
    await tried(() => ending.endAll(matching()))
    await tried(() => sessions.endEverywhere(match))
  } else if (provider !== undefined) {
    const endProvider = async () =>
      sessions.endProvider(provider, await Array.fromAsync(portals()), ended => ending.tell(ended.map(storedOf)))
    if (!(await tried(endProvider))) await tried(() => ending.endAll(matching()))
    if (revoked.length === 0 && failures.length === 0 && !config.providers.has(provider))
      return failWith(io, `there is no provider "${provider}", and nobody in the store has signed in at one`)
  }
  const besides =
    all === true || subject !== undefined ? '; running servers end what they have in memory alone, too' : ''
  await io.stdout(
    json === true ? `${showJson({ revoked })}\n` : `${count(revoked.length, 'session')} revoked${besides}\n`,
  )
  if (failures.length > 0) return tellFailure(sayLeft(await countLeft(meant)), failures[0], io)
  if (subject !== undefined && revoked.length === 0) {
    const said = `no session of the subject ${showUnseen(subject)} is in the store`
    io.stderr(`${said}; that of a user of a file is htpasswd:NAME, and "sessions list --json" shows all\n`)
  }
  for (const id of those.unstored)
    io.stderr(`there is no session ${showUnseen(id)} in the store; running servers end it if they have it in memory\n`)
  return those.unstored.length > 0 ? EXIT.failed : EXIT.ok
}

const NONE = { named: [], unstored: [] } as const

function storedOf(session: Session): Stored {
  return { id: session.id, session }
}

/** Null where the store does not say. */
async function countLeft(meant: () => AsyncIterable<Stored>): Promise<number | null> {
  let number = 0
  try {
    for await (const _ of meant()) number++
    return number
  } catch {
    return null
  }
}

function sayLeft(number: number | null): string {
  if (number === null) return 'not everything could be ended'
  return number === 0
    ? 'all sessions have ended, but not all is done'
    : `${count(number, 'session')} could not be ended`
}

/** Ends sessions, whatever becomes of others, and collects what has ended and what failed. */
function createEnding(sessions: OpenSessions, audit: Audit) {
  const revoked: string[] = []
  const failures: unknown[] = []

  async function tried(act: () => Promise<unknown>): Promise<boolean> {
    try {
      await act()
      return true
    } catch (error) {
      failures.push(error)
      return false
    }
  }

  /** Does this with all of them, or where that fails with each half. Returns those with which it was done. */
  async function inHalves<T>(some: readonly T[], act: (some: readonly T[]) => Promise<void>): Promise<readonly T[]> {
    if (some.length === 0 || (await tried(() => act(some)))) return some
    if (some.length === 1 || failures.length > MOST_FAILURES) return []
    const half = some.length >> 1
    return [...(await inHalves(some.slice(0, half), act)), ...(await inHalves(some.slice(half), act))]
  }

  async function tell(ended: readonly Stored[]): Promise<void> {
    revoked.push(...ended.map(({ id }) => id))
    for (const [index, { id, session }] of ended.entries()) {
      const facts = { ...(session === null ? { session: sessionMark(id) } : sessionFacts(session)), by: 'operator' }
      // Waited for: of rows that are more than may wait, the oldest are given up.
      if (index === ended.length - 1) await audit.keep('sign_out.by_operator', facts)
      else audit.note('sign_out.by_operator', facts)
    }
  }

  async function endSome(some: readonly Stored[]): Promise<void> {
    // A user who is signed out must not come back by a token: their tokens are suspended.
    await inHalves(
      some.flatMap(({ session }) => session ?? []),
      users => sessions.tokens.suspend(...users),
    )
    const ended = await inHalves(some, those => sessions.end(...those.map(({ id }) => id)))
    await tried(() => tell(ended))
  }

  return {
    revoked,
    failures,
    tried,
    tell,
    async endAll(all: AsyncIterable<Stored>): Promise<void> {
      let some: Stored[] = []
      try {
        for await (const one of all) {
          some.push(one)
          if (some.length < ENDED_AT_ONCE) continue
          await endSome(some)
          some = []
        }
      } finally {
        await endSome(some)
      }
    },
    async endUnstored(id: string): Promise<void> {
      await sessions.end(id)
      await audit.keep('sign_out.by_operator', { session: sessionMark(id), by: 'operator' })
    },
  }
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
