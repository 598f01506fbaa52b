/** `sallyport check`: every mistake of a file, and what another file would change in its place. */

import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { showJson, showUnseen } from '../base/control-characters.ts'
import { loadConfig } from '../config/load.ts'
import { count, renderDiagnostics } from '../config/render-diagnostics.ts'
import type { Config } from '../config/resolve/config.ts'
import type { ProviderConfig } from '../config/resolve/providers.ts'
import type { Diagnostic } from '../config/text/diagnostic.ts'
import { EXIT, namedFile, parseArguments } from '../console/args.ts'
import { findUnreadable, type ServiceUser } from '../console/drop-root.ts'
import type { Io } from '../console/io.ts'
import { besideRunning, servedConfig } from '../console/running-server.ts'
import { askedOfProvider } from '../policy/required-claims.ts'
import { type Difference, difference, type PersonChange, type Turn, type Turns } from '../server/preview/difference.ts'
import { holdExpectations } from '../server/preview/expect.ts'
import type { KeyChange, RouteLine } from '../server/preview/route-changes.ts'
import type { SignedIn } from '../server/preview/signed-in-people.ts'
import { checkPasskeys, type PasskeyFinding, sayPasskeys } from '../session/accounts/people-without-passkeys.ts'
import type { RoleGrant } from '../session/grants/document.ts'
import { newestFirst } from './sessions.ts'
import { isOutOfReach, openStateAsUser, type StorePorts, tellFailure } from './with-sessions.ts'

export const USAGE = {
  text: `usage: sallyport check [routes.toml] [--diff NEW] [--json]

Checks the file without the network, and shows every error with its place and how to fix it. It lists
what only a provider can answer: "sallyport doctor" asks the provider. As root, it also says what the service's user cannot read.
Exit code: 0 for a good file, 1 for errors, 2 for a wrong command line.

  --config FILE, -c   the file, as for other commands
  --diff NEW          also checks NEW, and shows what it would change: routes, settings, and which signed-in users
                      gain or lose access (from the session store)
  --json              diagnostics and difference as JSON, for scripts and editors`,
  options: { config: { type: 'string', short: 'c' }, diff: { type: 'string' }, json: { type: 'boolean' } },
  maxPositionals: 1,
} as const

/**
 * `sallyport check`: returns the exit code. A valid file's line and JSON go to stdout, diagnostics for people to
 * stderr. `service` is the user that this process becomes at the end, to see what that user can read; null: it stays.
 */
export function runCheck(
  argv: readonly string[],
  io: Io,
  ports: StorePorts,
  service: ServiceUser | null = null,
): number | Promise<number> {
  const parsed = parseArguments(argv, USAGE, io)
  if (!parsed.ok) return parsed.exitCode
  const named = namedFile(parsed, USAGE, io, servedConfig(io))
  if (!named.ok) return named.exitCode
  const { file } = named
  const { diff, json: isJson = false } = parsed.values
  if (diff !== undefined) return tellDifference({ before: file, after: diff, isJson }, io, ports)
  const result = holdExpectations(loadConfig(resolve(io.cwd, file), { ...io, now: Date.now }, file))
  const diagnostics = result.ok ? result.warnings : result.diagnostics
  const unreadable = (service === null ? null : findUnreadable([resolve(io.cwd, file), ...result.files], service)) ?? []
  const tell = (passkeys: readonly PasskeyFinding[] | null) => {
    if (isJson) {
      const untold = result.ok ? { untold: untoldOf(result.config) } : {}
      const seen = { ...(passkeys === null ? {} : { passkeys }), ...(service === null ? {} : { unreadable }) }
      io.stdout(`${showJson({ ok: result.ok, file, diagnostics, ...untold, ...seen }, 2)}\n`)
    } else {
      io.stderr(renderDiagnostics(diagnostics, result.texts, { colour: io.colour.stderr }))
      if (result.ok) {
        io.stdout(`${praise(file, result.config, diagnostics)}\n${tellUntold(file, untoldOf(result.config))}`)
      }
      for (const { what, hint } of unreadable) io.stderr(`warning: ${showUnseen(what)}\nhint: ${showUnseen(hint)}\n`)
      tellPasskeys(passkeys ?? [], io)
    }
    return result.ok ? EXIT.ok : EXIT.failed
  }
  return result.ok && hasPasskeysHere(result.config)
    ? readPasskeys(result.config, result.config, io, ports).then(tell)
    : tell(null)
}

/**
 * Whether passkeys are in a database of this machine that is there already. A file is checked without network, and
 * nothing is made by that.
 */
function hasPasskeysHere(config: Config): boolean {
  const { store } = config.sessions
  return hasFileUsers(config) && store.kind === 'sqlite' && store.path !== ':memory:' && existsSync(store.path)
}

function hasFileUsers({ portals, providers }: Config): boolean {
  return [...portals.values()].some(portal => portal.providers.some(name => providers.get(name)?.users != null))
}

/** What a file comes to for those who have passkeys in the store of another; null, and why, where that cannot be read. */
async function readPasskeys(
  inForce: Config,
  config: Config,
  io: Io,
  ports: StorePorts,
): Promise<readonly PasskeyFinding[] | null> {
  try {
    const { sessions } = openStateAsUser(inForce, ports, io.running?.() ?? null)
    try {
      return await checkPasskeys(config, sessions.accounts, inForce)
    } finally {
      await sessions.close()
    }
  } catch (error) {
    tellFailure('who has a passkey cannot be read', error, io)
    return null
  }
}

function tellPasskeys(found: readonly PasskeyFinding[], io: Io): void {
  for (const { message, hint } of found.map(sayPasskeys))
    io.stderr(`warning: ${showUnseen(message)}\nhint: ${showUnseen(hint)}\n`)
}

function praise(file: string, config: Config, warnings: readonly Diagnostic[]): string {
  const hosts = new Set(config.routes.map(route => route.host)).size
  const what = `${count(config.routes.length, 'route')} on ${count(hosts, 'host')}`
  const who = `${count(config.portals.size, 'portal')}, ${count(config.providers.size, 'provider')}`
  const but = warnings.length === 0 ? '' : ` (${count(warnings.length, 'warning')})`
  const met = config.expectations.length === 0 ? '' : `, ${count(config.expectations.length, 'expectation')} met`
  return `${file} is good: ${what}, ${who}${certificatesOf(config)}${met}${but}`
}

function certificatesOf({ tls }: Config): string {
  if (tls === null) return ''
  const own = `, ${count(tls.certificates.length, 'certificate')}`
  return tls.acme === null ? own : `${own} and ${tls.acme.names.length} to be obtained`
}

/** The two files. */
interface Files {
  /** The current file, whose sessions are read. */
  readonly before: string
  readonly after: string
  readonly isJson: boolean
}

/** Who is signed in; null where that cannot be read. */
type People = Omit<Parameters<typeof difference>[2], 'nowMs'> | null

/** `sallyport check --diff`: what a new file would change. Answers the exit code: 1 for a mistake in either. */
async function tellDifference({ before, after, isJson }: Files, io: Io, ports: StorePorts): Promise<number> {
  const own = resolve(io.cwd, before)
  // The new file is to take the place of the other: without a store in it, its sessions stay where they are.
  const inForce = besideRunning(io.env, own, io.running?.() ?? null)
  const env = (name: string) => inForce(name) || (name === 'SALLYPORT_DATA' ? dirname(own) : undefined)
  // The current file is in use in any case: only the new one has to meet its expectations.
  const old = loadConfig(own, { ...ports, env: inForce }, before)
  const next = holdExpectations(loadConfig(resolve(io.cwd, after), { ...ports, env }, after))
  const diagnostics = [...(old.ok ? [] : old.diagnostics), ...(next.ok ? next.warnings : next.diagnostics)]
  const isOk = old.ok && next.ok
  const people = isOk ? await readPeople(old.config, next.config, io, ports) : null
  const passkeys =
    isOk && people !== null && hasFileUsers(old.config) ? await readPasskeys(old.config, next.config, io, ports) : null
  const found = isOk ? difference(old.config, next.config, { ...(people ?? NOBODY), nowMs: ports.now() }) : null
  if (isJson) {
    const told = asJson({ before, after }, diagnostics, found, people !== null)
    io.stdout(`${showJson({ ...told, ...(passkeys === null ? {} : { passkeys }) }, 2)}\n`)
  } else {
    const texts = new Map([...old.texts, ...next.texts])
    io.stderr(renderDiagnostics(diagnostics, texts, { colour: io.colour.stderr }))
    if (found !== null) io.stdout(renderDifference(found, { before, after }, people !== null))
    tellPasskeys(passkeys ?? [], io)
  }
  return isOk ? EXIT.ok : EXIT.failed
}

const NOBODY = { entries: [], grants: new Map() }

function asJson(
  { before, after }: Omit<Files, 'isJson'>,
  diagnostics: readonly Diagnostic[],
  found: Difference | null,
  isRead: boolean,
): object {
  const shown = found === null || isRead ? found : { ...found, people: null, judged: null }
  return { ok: found !== null, file: after, in_force: before, diagnostics, difference: shown }
}

async function readPeople(before: Config, after: Config, io: Io, ports: StorePorts): Promise<People> {
  if (isOutOfReach(before.sessions.store, io)) return null
  try {
    const { sessions } = openStateAsUser(before, ports, io.running?.() ?? null)
    try {
      const entries: SignedIn[] = []
      for await (const entry of newestFirst(sessions, before.portals.keys())) entries.push(entry)
      const grants = new Map<string, readonly RoleGrant[]>()
      for (const { name, requests } of [...before.portals.values(), ...after.portals.values()]) {
        if (requests !== null && !grants.has(name)) grants.set(name, (await sessions.grants.list(name)).grants)
      }
      return { entries, grants }
    } finally {
      await sessions.close()
    }
  } catch (error) {
    tellFailure('who is signed in cannot be read', error, io)
    return null
  }
}

/** A Difference for people. */
function renderDifference(found: Difference, { before, after }: Omit<Files, 'isJson'>, isRead: boolean): string {
  const { routes, settings, restart, anybody, people, judged } = found
  const lines = [
    ...routes.added.map(line => `+ ${routeText(line)}`),
    ...routes.removed.map(line => `- ${routeText(line)}`),
    ...routes.changed.map(({ route, keys }) => `~ ${route}: ${keys.map(keyText).join(', ')}`),
    ...settings.map(({ key, change }) => `${SIGNS[change]} ${key}`),
    ...restart.map(key => `! ${key} takes a restart`),
  ]
  if (lines.length === 0) return `${after} changes nothing of ${before}\n`
  const blocks = [[`${after} in place of ${before}:`, ...lines]]
  const open = turnLines(anybody)
  if (open.length > 0) blocks.push(['Visitors without a sign-in:', ...open])
  if (isRead) {
    const some = `Of ${judged} signed in, something changes for ${people.length}:`
    blocks.push([people.length === 0 ? `Nothing changes for the ${judged} signed in.` : some])
    for (const person of people) blocks.push([personText(person), ...turnLines(person)])
  }
  return `${blocks.map(([title, ...rest]) => [title, ...rest.map(line => `  ${line}`)].join('\n')).join('\n')}\n`
}

const SIGNS = { added: '+', removed: '-', changed: '~' } as const

function routeText({ route, upstream, allow, portal }: RouteLine): string {
  return `${route} -> ${upstream.join(', ')}: ${allow}${portal === null ? '' : ` (portal ${portal})`}`
}

function keyText({ key, before, after }: KeyChange): string {
  return before === null || after === null || before === after ? key : `${key} ${before} -> ${after}`
}

function personText({ name, email, subject, portal, provider, sessions, ended }: PersonChange): string {
  const known = name ?? email ?? subject
  const detail = email === null || email === known ? '' : ` <${email}>`
  const ends = ended === 0 ? '' : ended === sessions ? ', is signed out' : `, ${ended} of ${sessions} sessions end`
  return showUnseen(`${known}${detail} at ${portal} (${provider} ${subject})${ends}`)
}

function turnLines({ gains, loses, again }: Turns): readonly string[] {
  return [
    ...gains.map(turn => `gains ${turnText(turn)}`),
    ...loses.map(turn => `loses ${turnText(turn)}: ${turn.after}`),
    ...again.map(turn => `has to sign in again for ${turnText(turn)}`),
  ]
}

function turnText({ address, method }: Turn): string {
  return method === 'GET' ? address : `${method} ${address}`
}

/** Keys that work only where a provider supports them, which its discovery document says and no local file. */
interface Untold {
  readonly provider: string
  readonly keys: readonly string[]
}

/** What of a good file only its OpenID providers could tell; those of which nothing depends on that are left out. */
function untoldOf(config: Config): readonly Untold[] {
  return [...config.providers.values()]
    .filter(({ users, oauth2 }) => users === null && oauth2 === null)
    .map(provider => ({ provider: provider.name, keys: keysOf(provider, config) }))
    .filter(({ keys }) => keys.length > 0)
}

function keysOf({ name, par, accessTokens }: ProviderConfig, config: Config): readonly string[] {
  const { maxAge, acr } = askedOfProvider(config, name)
  const portals = [...config.portals.values()].filter(({ providers }) => providers.includes(name))
  const needed: Readonly<Record<string, boolean>> = {
    max_age: maxAge,
    acr,
    par: par === 'always',
    provider_logout: portals.some(({ providerLogout }) => providerLogout),
    introspect: accessTokens?.introspects === true,
  }
  return Object.keys(needed).filter(key => needed[key] === true)
}

/** The same for people, with the command that asks; a line for each provider. */
function tellUntold(file: string, untold: readonly Untold[]): string {
  return untold
    .map(
      ({ provider, keys }) =>
        `sallyport doctor ${file} asks "${provider}" whether it has what ${list(keys)} need${keys.length === 1 ? 's' : ''}\n`,
    )
    .join('')
}

function list(keys: readonly string[]): string {
  const last = keys.at(-1) ?? ''
  return keys.length < 2 ? last : `${keys.slice(0, -1).join(', ')} and ${last}`
}
