import { resolve } from 'node:path'
import { showJson, showUnseen } from '../base/visible.ts'
import { loadConfig } from '../config/load.ts'
import { count, renderDiagnostics } from '../config/render.ts'
import type { Diagnostic } from '../config/text/diagnostic.ts'
import type { Config } from '../config/types/config.ts'
import { EXIT, namedFile, parseArguments } from '../console/args.ts'
import type { Io } from '../console/io.ts'
import { servedConfig } from '../console/running.ts'
import type { ServiceUser } from '../console/store-user.ts'
import { holdExpectations } from '../server/forecast/expect.ts'
import { tellDifference } from './difference.ts'
import { findUnreadable } from './unreadable.ts'
import { tellUntold, untoldOf } from './untold.ts'
import type { StorePorts } from './with-sessions.ts'

export const USAGE = {
  text: `usage: sallyport check [routes.toml] [--diff NEW] [--json]

Reads the file as serve would, without network, and shows every mistake with its place and how to mend it.
What only a provider could tell is named: sallyport doctor asks it. Run by root, it says what the user of the service cannot read.
Exit code: 0 for a good file, 1 for any mistake, 2 for a wrong command line.

  --config FILE, -c   the file, as other commands take it
  --diff NEW          checks this file too, and tells what it would change in place of the first one: routes, other
                      settings, and what whoever is signed in now gains or loses (from the session store)
  --json              the diagnostics, and the difference, as JSON, for scripts and editors`,
  options: { config: { type: 'string', short: 'c' }, diff: { type: 'string' }, json: { type: 'boolean' } },
  maxPositionals: 1,
} as const

/**
 * `sallyport check`: answers the exit code. A good file's line and JSON go to stdout, diagnostics for people to stderr. `service` is
 * whom this process becomes at the end, to see what that user can read; null: nobody.
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
  if (isJson) {
    const untold = result.ok ? { untold: untoldOf(result.config) } : {}
    const told = { ok: result.ok, file, diagnostics, ...untold, ...(service === null ? {} : { unreadable }) }
    io.stdout(`${showJson(told, 2)}\n`)
  } else {
    io.stderr(renderDiagnostics(diagnostics, result.texts, { colour: io.colour.stderr }))
    if (result.ok) {
      io.stdout(`${praise(file, result.config, diagnostics)}\n${tellUntold(file, untoldOf(result.config))}`)
    }
    for (const { what, hint } of unreadable) io.stderr(`warning: ${showUnseen(what)}\nhint: ${showUnseen(hint)}\n`)
  }
  return result.ok ? EXIT.ok : EXIT.failed
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
