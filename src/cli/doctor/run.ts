/** `sallyport doctor`: runs every check of what a sign-in needs, and prints the results. */

import { resolve } from 'node:path'
import { showJson } from '../../base/control-characters.ts'
import { throughProxy } from '../../base/outgoing.ts'
import type { Ports } from '../../base/ports.ts'
import { loadConfig } from '../../config/load.ts'
import { renderDiagnostics } from '../../config/render-diagnostics.ts'
import type { Config } from '../../config/resolve/config.ts'
import { addressText, type ListenAddress, parseListen } from '../../config/values/listen.ts'
import { EXIT, failWith, namedFile, parseArguments } from '../../console/args.ts'
import { findUnreadable, type Running, type ServiceUser, type Unreadable } from '../../console/drop-root.ts'
import type { Io } from '../../console/io.ts'
import { besideRunning, servedConfig } from '../../console/running-server.ts'
import { holdExpectations } from '../../server/preview/expect.ts'
import { askReady } from '../health.ts'
import { examineApplications } from './applications.ts'
import { bad, countGrade, good, renderSections, type Section } from './finding.ts'
import { answersAsSallyport } from './http.ts'
import { examineMachine } from './machine.ts'
import { askedProviders, examineProvider, signInPlaces } from './provider.ts'
import { examineFronts } from './proxies-in-front.ts'
import { examineFolders, examineHosts, examinePortal, examineUpstreams } from './reachability.ts'
import { readSignIns, withSignIns } from './sign-ins.ts'
import { examineCopying } from './stand-in.ts'

export const USAGE = {
  text: `usage: sallyport doctor [routes.toml] [--sign-in] [--stand-in ADDRESS] [--json]

Tests everything that a sign-in needs: the provider (discovery, issuer, clock, keys, client, callback, scopes), names,
certificates, upstreams, applications, folders, proxies in front, listeners and the session store. It says what is wrong and how
to fix it, and changes nothing. It also uses what the server noted of the last sign-ins at a provider, because some errors show only
in a sign-in. With --sign-in it says where to sign in, and waits for the result.
With --stand-in it also sees which fields a proxy in front (verify = true) copies: stop the application, and give its address.
Exit code: 0 if nothing fails (warnings may remain), 1 for any failure or error in the file, 2 for a wrong command line,
3 if nothing fails that can be asked, and no user has signed in yet at a provider.

  --config FILE, -c    the file, as for other commands
  --sign-in            wait for a sign-in at each provider, for five minutes at most
  --stand-in ADDRESS   take the application's place here, sign in a made-up user (of a file: one of its users) for a moment, and
                       look at what arrives
  --json               the findings as JSON, for scripts`,
  options: {
    config: { type: 'string', short: 'c' },
    json: { type: 'boolean' },
    'sign-in': { type: 'boolean' },
    'stand-in': { type: 'string' },
  },
  maxPositionals: 1,
} as const

/**
 * `sallyport doctor`: returns the exit code. `service` is the user that this process becomes at the end, to see what
 * that user can read; null: it stays.
 */
export async function runDoctor(
  argv: readonly string[],
  io: Io,
  ports: Parameters<typeof loadConfig>[1] & Pick<Ports, 'now' | 'random' | 'ask' | 'resolve'>,
  service: ServiceUser | null = null,
): Promise<number> {
  const parsed = parseArguments(argv, USAGE, io)
  if (!parsed.ok) return parsed.exitCode
  const named = namedFile(parsed, USAGE, io, servedConfig(io))
  if (!named.ok) return named.exitCode
  const { file } = named
  const path = resolve(io.cwd, file)
  const running = io.running?.() ?? null
  const loaded = holdExpectations(loadConfig(path, { ...ports, env: besideRunning(ports.env, path, running) }, file))
  if (!loaded.ok) {
    io.stderr(renderDiagnostics(loaded.diagnostics, loaded.texts, { colour: io.colour.stderr }))
    return EXIT.failed
  }
  const standIn = parsed.values['stand-in']
  const address = standIn === undefined ? null : parseListen(standIn)
  if (address?.ok === false)
    return failWith(
      io,
      `--stand-in: ${address.message}${address.hint === '' ? '' : `\nhint: ${address.hint}`}`,
      EXIT.usage,
    )
  const { config, fingerprint } = loaded
  const isLater = parsed.values['sign-in'] === true
  if (isLater) {
    const places = askedProviders(config).flatMap(provider => signInPlaces(provider, config))
    io.stderr(`Open this in a browser, and sign in:\n${places.map(place => `  ${place}\n`).join('')}`)
  }
  const found = await examine(config, ports, { fingerprint, standIn: address?.value ?? null, isLater, running })
  // Last of all: this process is that user from then on.
  const files = [path, ...loaded.files, ...foldersOf(config)]
  const unreadable = service === null ? null : findUnreadable(files, service)
  const sections = unreadable === null || service === null ? found : [...found, readingOf(unreadable, service)]
  const failures = countGrade(sections, 'bad')
  const isKnown = countGrade(sections, 'unknown') === 0
  const isJson = parsed.values.json === true
  io.stdout(
    isJson
      ? `${showJson({ ok: failures === 0 && isKnown, file, sections }, 2)}\n`
      : `${renderSections(sections, io.colour.stdout)}\n${conclude(sections)}\n`,
  )
  if (failures > 0) return EXIT.failed
  return isKnown ? EXIT.ok : NOT_KNOWN
}

/** Nothing fails that can be asked, and whether anybody can sign in is not known. */
const NOT_KNOWN = 3

/** What the service can read of what root reads. */
function readingOf(unreadable: readonly Unreadable[], { name }: ServiceUser): Section {
  const all = good(`${name}, the user of the service, can read the file and all files that it names`)
  return {
    about: 'the service',
    findings: unreadable.length === 0 ? [all] : unreadable.map(({ what, hint }) => bad(what, hint)),
  }
}

function foldersOf({ routes }: Config): readonly string[] {
  return routes.flatMap(({ answer }) => (answer?.kind === 'files' ? [answer.folder] : []))
}

/** All checks run at once: the slowest answer decides how long it takes. */
async function examine(
  config: Config,
  given: Pick<Ports, 'now' | 'random' | 'ask' | 'resolve' | 'readText'>,
  {
    fingerprint,
    standIn,
    isLater,
    running,
  }: {
    readonly fingerprint: string
    readonly standIn: ListenAddress | null
    readonly isLater: boolean
    readonly running: Running | null
  },
): Promise<readonly Section[]> {
  // What is found is said once, in the report.
  const quiet = () => undefined
  const ports = { ...given, log: { debug: quiet, info: quiet, warn: quiet, error: quiet } }
  const outgoing = throughProxy(ports, () => config.server.outgoing)
  const providers = askedProviders(config)
  const found = await Promise.all([
    ...providers.map(provider => examineProvider(provider, config, outgoing)),
    ...[...config.portals.values()].map(portal => examinePortal(portal, ports)),
    examineHosts(config),
    examineUpstreams(config),
    examineApplications(config, ports),
    examineFolders(config),
    examineFronts(config, ports),
    isRunning(config, ports).then(runs => examineMachine(config, fingerprint, ports, runs)),
  ])
  // Separately: it opens the store, for which a command of root becomes another user, who may not read the rest.
  if (standIn !== null) found.splice(-1, 0, await examineCopying(config, standIn, ports, running))
  if (providers.length > 0) {
    const seen = await readSignIns(config, providers, ports, { isLater, running })
    for (const [at, provider] of providers.entries()) {
      const section = found[at]
      if (section !== undefined) found[at] = withSignIns(section, provider, seen)
    }
  }
  return found.filter(({ findings }) => findings.length > 0)
}

/** Whether a Sallyport of this file runs here: its admin listener says so, or it answers for a portal where it would listen. */
async function isRunning({ server, tls, portals, routes }: Config, ports: Pick<Ports, 'ask'>): Promise<boolean> {
  if (server.admin !== null && (await askReady(addressText(server.admin))) === null) return true
  const host = [...portals.values()].map(({ url }) => url?.host).find(one => one !== undefined)
  const served = host ?? routes.find(({ portal }) => portal !== null)?.host
  if (served === undefined) return false
  const here = [
    ...server.listen.flatMap(address => (address.kind === 'tcp' ? [`http://${reachable(address)}`] : [])),
    ...(tls?.listen ?? []).map(address => `https://${reachable(address)}`),
  ]
  return (await Promise.all(here.map(address => answersAsSallyport(address, ports, { host: served })))).includes(true)
}

/** Where a listener is reachable from this machine: a listener for all addresses has no single address. */
function reachable({ host, port }: Extract<ListenAddress, { kind: 'tcp' }>): string {
  if (host === '0.0.0.0') return `127.0.0.1:${port}`
  return host.includes(':') ? `[${host === '::' ? '::1' : host}]:${port}` : `${host}:${port}`
}

function conclude(sections: readonly Section[]): string {
  const [failures, warnings, unseen, unknowns] = (['bad', 'warning', 'unseen', 'unknown'] as const).map(grade =>
    countGrade(sections, grade),
  ) as [number, number, number, number]
  const say = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`
  const rest = warnings === 0 ? '' : `; ${say(warnings, 'warning')}`
  if (failures > 0) return `${say(failures, 'failure')}${warnings === 0 ? '' : `, ${say(warnings, 'warning')}`}.`
  if (unknowns > 0) return `Nothing fails of what can be asked${rest}; whether people can sign in is not known yet.`
  if (unseen > 0)
    return `Nothing fails of what can be asked${rest}; ${say(unseen, 'note')}: see there how the rest shows.`
  return warnings === 0 ? 'Nothing is wrong.' : `Nothing fails${rest}.`
}
