/** What `sallyport guests` and `sallyport tokens` have in common: they make, list and revoke credentials. */

import type { AuditFacts } from '../audit/record.ts'
import type { Audit } from '../audit/writer.ts'
import { showJson } from '../base/control-characters.ts'
import type { Config } from '../config/resolve/config.ts'
import { EXIT, failWith, namedFileAmong } from '../console/args.ts'
import type { Io } from '../console/io.ts'
import { columns } from '../console/terminal.ts'
import { usageLines } from '../console/usage.ts'
import type { OpenSessions } from '../session/open.ts'
import type { Session } from '../session/session.ts'
import { personFacts } from '../session/session-facts.ts'
import { type StorePorts, withSessions } from './with-sessions.ts'

/** A mistake in the arguments, in words. */
export class Mistake extends Error {}

/** What commands for credentials take alike. */
interface CommonValues {
  readonly config?: string | undefined
  readonly json?: boolean | undefined
}

/** A command that makes, lists and revokes one kind of credential. */
export interface CredentialCommand<Values extends CommonValues, Wanted, Held extends { readonly session: Session }> {
  /** The events about one, with the fact that has its id. */
  readonly made: 'token.made' | 'guest.made'
  readonly revoked: 'token.revoked' | 'guest.revoked'
  readonly fact: 'token' | 'link'
  /** What `--help` shows; its first line is shown after a mistake. */
  readonly usage: string
  readonly one: string
  readonly many: string
  /** The member of what `create --json` writes that has the secret. */
  readonly member: string
  readonly head: readonly string[]
  rowOf(held: Held): readonly string[]
  untilOf(session: Session): string
  /** One for scripts: no secret. */
  describe(held: Held): Readonly<Record<string, unknown>>
  list(sessions: OpenSessions, portal: string): Promise<readonly Held[]>
  /** What `create` was asked for, checked as far as it can be without the file. Throws Mistake. */
  parseWanted(values: Values): Wanted
  /** Makes it, with the secret as it is shown; text: why it cannot be made. */
  create(
    config: Config,
    sessions: OpenSessions,
    wanted: Wanted,
  ): Promise<{ readonly held: Held; readonly secret: string } | string>
}

/** `create`, `list`, or `revoke` with an ID: answers the exit code. */
export async function runCredentials<Values extends CommonValues, Wanted, Held extends { readonly session: Session }>(
  command: CredentialCommand<Values, Wanted, Held>,
  parsed: { readonly values: Values; readonly positionals: readonly string[] },
  io: Io,
  ports: StorePorts,
): Promise<number> {
  const { values } = parsed
  const named = namedFileAmong(parsed, { text: command.usage }, io)
  if (!named.ok) return named.exitCode
  const [act, id, surplus] = named.others
  const isJson = values.json === true

  /** An operator's action on a user's token or link. */
  function factsOf({ id, portal, identity }: Session): AuditFacts {
    return { ...personFacts(identity), portal, by: 'operator', [command.fact]: id }
  }

  async function create(config: Config, sessions: OpenSessions, audit: Audit, wanted: Wanted): Promise<number> {
    const made = await command.create(config, sessions, wanted)
    if (typeof made === 'string') return failWith(io, made)
    const { held, secret } = made
    await audit.keep(command.made, factsOf(held.session))
    if (isJson) io.stdout(`${showJson({ ...command.describe(held), [command.member]: secret }, 2)}\n`)
    else {
      io.stdout(`${secret}\n`)
      io.stderr(`This is shown once. It is ${held.session.id}, good until ${command.untilOf(held.session)}.\n`)
    }
    return EXIT.ok
  }

  async function list(config: Config, sessions: OpenSessions): Promise<number> {
    const all = await allOf(config, sessions)
    if (isJson) io.stdout(`${showJson(all.map(command.describe), 2)}\n`)
    else if (all.length === 0) io.stdout(`There are no ${command.many}.\n`)
    else io.stdout(columns([command.head, ...all.map(command.rowOf)]))
    return EXIT.ok
  }

  async function revoke(config: Config, sessions: OpenSessions, audit: Audit, wanted: string): Promise<number> {
    const all = await allOf(config, sessions)
    const held = all.find(({ session }) => session.id === wanted)
    if (held === undefined) return failWith(io, `there is no ${command.one} ${wanted}`)
    await sessions.end(wanted)
    await audit.keep(command.revoked, factsOf(held.session))
    io.stdout(`${wanted} revoked\n`)
    return EXIT.ok
  }

  async function allOf({ portals }: Config, sessions: OpenSessions): Promise<readonly Held[]> {
    const all: Held[] = []
    for (const portal of portals.keys()) all.push(...(await command.list(sessions, portal)))
    return all
  }

  const withStore = (run: (config: Config, sessions: OpenSessions, audit: Audit) => Promise<number>) =>
    withSessions(named.file, io, ports, (config, sessions, { audit }) => run(config, sessions, audit))
  try {
    if (surplus !== undefined) throw new Mistake(`unexpected argument "${surplus}"`)
    // A list that takes no notice of --portal would look like one of that portal.
    const other = Object.keys(values).find(option => option !== 'json' && option !== 'config')
    if (act !== 'create' && other !== undefined) throw new Mistake(`--${other} belongs to create`)
    if (act === 'create' && id === undefined) {
      const wanted = command.parseWanted(values)
      return await withStore((config, sessions, audit) => create(config, sessions, audit, wanted))
    }
    if (act === 'list' && id === undefined) return await withStore(list)
    if (act === 'revoke' && id !== undefined && id !== '') {
      return await withStore((config, sessions, audit) => revoke(config, sessions, audit, id))
    }
    throw new Mistake('say create, list, or revoke with one ID')
  } catch (error) {
    if (!(error instanceof Mistake)) throw error
    return failWith(io, `${error.message}\n${usageLines(command.usage)}`, EXIT.usage)
  }
}
