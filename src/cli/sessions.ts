import { count } from '../config/render.ts'
import type { Config } from '../config/types.ts'
import { describeEntry } from '../portal/entry.ts'
import { detailOf, nameOf } from '../portal/pages/person.ts'
import { agoOf } from '../portal/pages/time.tsx'
import { EN } from '../portal/words/en.ts'
import type { OpenSessions } from '../session/open.ts'
import type { SessionEntry } from '../session/session.ts'
import { EXIT, parseArguments } from './args.ts'
import { columns } from './columns.ts'
import type { Io } from './io.ts'
import { type StorePorts, withSessions } from './with-sessions.ts'

const USAGE = {
  text: `usage: sallyport sessions list [--json] | sallyport sessions revoke ID... | --subject SUB | --all

Looks at, or ends, the sign-ins in the session store of routes.toml. A running server goes along within a second.

  list              who is signed in, newest first
  revoke ID...      ends these; the beginning of an id is enough where it fits only one (an id that begins with a dash goes
                    behind --)
  --subject SUB     ends all of the person whom a provider calls so
  --all             ends everyone's
  --json            as JSON, for scripts
  --config FILE     another file than routes.toml
  exit code 0 done, 1 the file or the store could not be read or an id is unknown, 2 wrong usage`,
  options: {
    json: { type: 'boolean' },
    config: { type: 'string', short: 'c', default: 'routes.toml' },
    subject: { type: 'string' },
    all: { type: 'boolean' },
  },
  maxPositionals: 1000,
} as const

/** As much of an id as a list shows. */
const SHORT_ID = 10
const PAGE = 500

type Values = {
  readonly json?: boolean | undefined
  readonly subject?: string | undefined
  readonly all?: boolean | undefined
}

/** `sallyport sessions`: answers the exit code. */
export async function runSessions(argv: readonly string[], io: Io, ports: StorePorts): Promise<number> {
  const parsed = parseArguments(argv, USAGE, io)
  if (!parsed.ok) return parsed.exitCode
  const { values, positionals } = parsed
  const [act, ...ids] = positionals
  const mistake = findMistake(act, ids, values)
  if (mistake !== null) {
    io.stderr(`${mistake}\n${USAGE.text.split('\n')[0] ?? ''}\n`)
    return EXIT.usage
  }
  return withSessions(values.config, io, ports, (config, sessions) =>
    act === 'list' ? list(config, sessions, values, io, ports.now()) : revoke(config, sessions, ids, values, io),
  )
}

function findMistake(act: string | undefined, ids: readonly string[], { subject, all }: Values): string | null {
  if (act === 'list') return ids.length > 0 || subject !== undefined || all === true ? 'list takes no sessions' : null
  if (act !== 'revoke') return act === undefined ? 'say list or revoke' : `sessions has no command "${act}"`
  const ways = [ids.length > 0, subject !== undefined, all === true].filter(Boolean).length
  if (ways !== 1) return 'revoke takes ids, --subject or --all, and one of these only'
  return ids.some(id => id === '') || subject === '' ? 'an empty name names nobody' : null
}

async function list(config: Config, sessions: OpenSessions, values: Values, io: Io, nowMs: number): Promise<number> {
  const entries = await allEntries(config, sessions)
  if (values.json === true) {
    io.stdout(`${JSON.stringify(entries.map(describeEntry), null, 2)}\n`)
    return EXIT.ok
  }
  if (entries.length === 0) {
    io.stdout('Nobody is signed in.\n')
    return EXIT.ok
  }
  const rows = entries.map(({ session, agent, client, lastSeenMs }) => {
    const detail = detailOf(session.identity)
    return [
      session.id.slice(0, SHORT_ID),
      detail === null ? nameOf(session.identity) : `${nameOf(session.identity)} <${detail}>`,
      session.portal,
      [agent, client].filter(part => part !== '').join(', '),
      agoOf(session.createdAtMs, nowMs, EN),
      agoOf(lastSeenMs, nowMs, EN),
    ]
  })
  io.stdout(columns([['ID', 'WHO', 'PORTAL', 'DEVICE', 'SIGNED IN', 'LAST USED'], ...rows]))
  return EXIT.ok
}

async function revoke(
  config: Config,
  sessions: OpenSessions,
  ids: readonly string[],
  { subject, all, json }: Values,
  io: Io,
): Promise<number> {
  const entries = await allEntries(config, sessions)
  const wanted: string[] = []
  for (const id of ids) {
    const found = entries.filter(({ session }) => session.id.startsWith(id))
    const [only] = found
    if (only === undefined || found.length > 1) {
      io.stderr(
        only === undefined ? `there is no session ${id}\n` : `${id} is the beginning of ${found.length} sessions\n`,
      )
      return EXIT.failed
    }
    wanted.push(only.session.id)
  }
  for (const { session } of entries) {
    if (all === true || (subject !== undefined && session.identity.subject === subject)) wanted.push(session.id)
  }
  const unique = [...new Set(wanted)]
  // Whoever is put out is not to come back by a token.
  for (const { session } of entries) if (unique.includes(session.id)) await sessions.tokens.suspend(session)
  if (unique.length > 0) await sessions.end(...unique)
  io.stdout(json === true ? `${JSON.stringify({ revoked: unique })}\n` : `${count(unique.length, 'session')} revoked\n`)
  return EXIT.ok
}

async function allEntries({ portals }: Config, sessions: OpenSessions): Promise<readonly SessionEntry[]> {
  const entries: SessionEntry[] = []
  for (const portal of portals.keys()) {
    let after: string | null = null
    do {
      const page: Awaited<ReturnType<OpenSessions['list']>> = await sessions.list(portal, { after, limit: PAGE })
      entries.push(...page.entries)
      after = page.next
    } while (after !== null)
  }
  return entries.sort((one, other) => other.session.createdAtMs - one.session.createdAtMs)
}
