import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { loadConfig } from '../config/load.ts'
import { type Io, processIo } from '../console/io.ts'
import { liftRequestLimit, realPorts } from '../console/process.ts'
import { processTerminal, type Terminal } from '../console/terminal.ts'
import { versionText } from '../console/version.ts'
import { runImport } from '../import/run.ts'
import type { RunningServer } from '../process/serve.ts'
import { reportStart, startHere } from '../process/start.ts'
import { countWorkers, runSupervisor } from '../process/supervise.ts'
import { readWorkerRole, runWorker } from '../process/worker.ts'
import { runBackup } from './backup.ts'
import { runCheck } from './check.ts'
import { runDemo } from './demo/run.ts'
import { runDoctor } from './doctor/run.ts'
import { runExplain } from './explain.ts'
import { runGuests } from './guests.ts'
import { runHealth } from './health.ts'
import { runInit } from './init/run.ts'
import { runRestore } from './restore.ts'
import { runSchema } from './schema.ts'
import { runSessions } from './sessions.ts'
import { runTokens } from './tokens.ts'

const HELP = `Sallyport: an authenticating reverse proxy. One executable, one routes.toml.

  sallyport [serve] [--config routes.toml]   serve; every save of the file takes effect, as does SIGHUP
  sallyport check [routes.toml] [--json]     all mistakes, with line, caret and hint
  sallyport explain URL [--as sub=ada,...]   which route, which rule, which verdict, and why
  sallyport doctor [routes.toml] [--json]    what is in the way of signing in, and how to mend it
  sallyport sessions list | revoke           who is signed in; ends sign-ins on a running server
  sallyport tokens create | list | revoke    for scripts and apps, in place of signing in
  sallyport guests create | list | revoke    links by which guests open one address without signing in
  sallyport backup FILE | restore FILE       the session database, whole, also while the server runs
  sallyport demo                             everything on this machine, to try it in a minute
  sallyport init                             asks little, and writes a first routes.toml
  sallyport import FILE                      a routes.toml from an oauth2-proxy.cfg or a Caddyfile
  sallyport schema                           the JSON schema of routes.toml, for editors
  sallyport health [ADDRESS]                 asks the admin listener; exit 0 when ready (for containers)
  sallyport version
`

/**
 * Runs the command that the arguments name and answers the exit code: 0 done, 1 failed (mistakes in the file, could not
 * start), 2 wrong usage; `explain` has codes of its own.
 */
export async function run(argv: readonly string[]): Promise<number> {
  const io = processIo()
  const [first, ...rest] = argv
  switch (first) {
    case 'check':
      return runCheck(rest, io)
    case 'explain':
      return runExplain(rest, io, realPorts(io))
    case 'doctor':
      return runDoctor(rest, io, realPorts(io))
    case 'schema':
      return runSchema(rest, io)
    case 'init':
      return runAtTerminal(terminal => runInit(rest, io, realPorts(io), terminal))
    case 'import':
      return runImport(rest, io)
    case 'health':
      return runHealth(rest, io)
    case 'sessions':
      return runSessions(rest, io, realPorts(io))
    case 'tokens':
      return runTokens(rest, io, realPorts(io))
    case 'guests':
      return runGuests(rest, io, realPorts(io))
    case 'backup':
      return runBackup(rest, io, realPorts(io))
    case 'restore':
      return runRestore(rest, io, realPorts(io))
    case 'demo':
      liftRequestLimit(argv, realPorts(io).log)
      return runDemo(rest, io, async configPath => startHere(configPath, io))
    case 'version':
    case '--version':
    case '-v':
      io.stdout(`${versionText()}\n`)
      return 0
    case 'help':
    case '--help':
    case '-h':
      io.stdout(HELP)
      return 0
    case undefined:
    case 'serve':
      return runServe(rest, argv, io)
    default:
      if (first.startsWith('-')) return runServe(argv, argv, io)
      io.stderr(`sallyport has no command "${first}"\n\n${HELP}`)
      return 2
  }
}

async function runAtTerminal(command: (terminal: Terminal | null) => Promise<number>): Promise<number> {
  const terminal = processTerminal()
  try {
    return await command(terminal)
  } finally {
    terminal?.close()
  }
}

async function runServe(options: readonly string[], argv: readonly string[], io: Io): Promise<number> {
  if (options.includes('--help') || options.includes('-h')) {
    io.stdout(HELP)
    return 0
  }
  let config: string
  try {
    const { values } = parseArgs({
      args: [...options],
      options: { config: { type: 'string', short: 'c', default: 'routes.toml' } },
    })
    config = resolve(io.cwd, values.config)
  } catch (error) {
    io.stderr(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`)
    return 2
  }
  liftRequestLimit(argv, realPorts(io).log)
  const role = readWorkerRole(io)
  if (role !== null) return runWorker(role, config, io)
  const loaded = loadConfig(resolve(config), { ...io, now: Date.now })
  const workers = countWorkers(loaded)
  if (workers > 1) return runSupervisor({ configPath: config, workers, argv, io })
  let server: RunningServer
  try {
    server = startHere(config, io, loaded)
  } catch (error) {
    reportStart(error, io)
    return 1
  }
  process.on('SIGHUP', () => server.reload())
  await untilStopped()
  await server.stop()
  return 0
}

/** The first SIGINT or SIGTERM; a second one ends the process at once, for those who cannot wait for the drain. */
function untilStopped(): Promise<void> {
  return new Promise(settle => {
    const stop = () => {
      settle()
      process.once('SIGINT', () => process.exit(1))
    }
    process.once('SIGINT', stop)
    process.once('SIGTERM', stop)
  })
}
