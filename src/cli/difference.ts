import { dirname, resolve } from 'node:path'
import { showJson, showUnseen } from '../base/visible.ts'
import { loadConfig } from '../config/load.ts'
import { renderDiagnostics } from '../config/render.ts'
import type { Diagnostic } from '../config/text/diagnostic.ts'
import type { Config } from '../config/types/config.ts'
import { EXIT } from '../console/args.ts'
import type { Io } from '../console/io.ts'
import { besideRunning } from '../console/running.ts'
import { type Difference, difference, type PersonChange, type Turn, type Turns } from '../server/forecast/difference.ts'
import { holdExpectations } from '../server/forecast/expect.ts'
import type { SignedIn } from '../server/forecast/people.ts'
import type { KeyChange, RouteLine } from '../server/forecast/route-changes.ts'
import type { RoleGrant } from '../session/grants/document.ts'
import { newestFirst } from './newest-first.ts'
import { isOutOfReach, openStateAsUser, type StorePorts, tellFailure } from './with-sessions.ts'

/** The two files. */
interface Files {
  /** The one in force, whose sessions are looked at. */
  readonly before: string
  readonly after: string
  readonly isJson: boolean
}

/** Who is signed in; null where that cannot be read. */
type People = Omit<Parameters<typeof difference>[2], 'nowMs'> | null

/** `sallyport check --diff`: what a new file would change. Answers the exit code: 1 for a mistake in either. */
export async function tellDifference({ before, after, isJson }: Files, io: Io, ports: StorePorts): Promise<number> {
  const own = resolve(io.cwd, before)
  // The new file is to take the place of the other: without a store in it, its sessions stay where they are.
  const inForce = besideRunning(io.env, own, io.running?.() ?? null)
  const env = (name: string) => inForce(name) || (name === 'SALLYPORT_DATA' ? dirname(own) : undefined)
  // What is in force is: whether all holds that it expects is the new one's to say.
  const old = loadConfig(own, { ...ports, env: inForce }, before)
  const next = holdExpectations(loadConfig(resolve(io.cwd, after), { ...ports, env }, after))
  const diagnostics = [...(old.ok ? [] : old.diagnostics), ...(next.ok ? next.warnings : next.diagnostics)]
  const isOk = old.ok && next.ok
  const people = isOk ? await readPeople(old.config, next.config, io, ports) : null
  const found = isOk ? difference(old.config, next.config, { ...(people ?? NOBODY), nowMs: ports.now() }) : null
  if (isJson) {
    io.stdout(`${showJson(asJson({ before, after }, diagnostics, found, people !== null), 2)}\n`)
  } else {
    const texts = new Map([...old.texts, ...next.texts])
    io.stderr(renderDiagnostics(diagnostics, texts, { colour: io.colour.stderr }))
    if (found !== null) io.stdout(renderDifference(found, { before, after }, people !== null))
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
  if (open.length > 0) blocks.push(['Whoever is not signed in:', ...open])
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
