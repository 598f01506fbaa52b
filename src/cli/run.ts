import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { errorFacts, GateError } from '../base/errors.ts'
import { runCheck } from './check.ts'
import { runDemo } from './demo/run.ts'
import { runExplain } from './explain.ts'
import { runHealth } from './health.ts'
import { type Io, processIo } from './io.ts'
import { liftRequestLimit, realPorts } from './process.ts'
import { runSchema } from './schema.ts'
import { type RunningServer, startServer } from './serve.ts'
import { versionText } from './version.ts'

const HELP = `Sallyport: an authenticating reverse proxy. One executable, one routes.toml.

  sallyport [serve] [--config routes.toml]   serve; every save of the file takes effect, as does SIGHUP
  sallyport check [routes.toml] [--json]     all mistakes, with line, caret and hint
  sallyport explain URL [--as sub=ada,...]   which route, which rule, which verdict, and why
  sallyport demo                             everything on this machine, to try it in a minute
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
    case 'schema':
      return runSchema(rest, io)
    case 'health':
      return runHealth(rest, io)
    case 'demo':
      liftRequestLimit(argv)
      return runDemo(rest, io, async configPath => start(configPath, io))
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

async function runServe(options: readonly string[], argv: readonly string[], io: Io): Promise<number> {
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
  liftRequestLimit(argv)
  let server: RunningServer
  try {
    server = start(config, io)
  } catch (error) {
    reportStart(error, io)
    return 1
  }
  process.on('SIGHUP', () => server.reload())
  await untilStopped()
  await server.stop()
  return 0
}

function start(configPath: string, io: Io): RunningServer {
  const ports = realPorts(io)
  // Bun ends the process for a throw in a timer or a WebSocket handler that nobody listens for.
  process.on('uncaughtException', error =>
    ports.log.error('An error of ours was caught at the last moment', errorFacts(error)),
  )
  process.on('unhandledRejection', error =>
    ports.log.error('An error of ours was caught at the last moment', errorFacts(error)),
  )
  const server = startServer({ configPath, ports, writeAccess: io.stdout })
  ports.log.info('Sallyport is listening', {
    version: versionText(),
    on: server.addresses.join(', '),
    admin: server.admin,
    config: configPath,
  })
  return server
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

/** Why nothing was started: for people, so without a stack; mistakes in the file are shown as they are. */
function reportStart(error: unknown, io: Io): void {
  if (error instanceof GateError && error.code === 'config.invalid') {
    io.stderr(`${error.message}\n`)
    return
  }
  const { error: what, hint, cause } = errorFacts(error)
  io.stderr(`Sallyport cannot start: ${what}\n`)
  if (hint !== undefined) io.stderr(`hint: ${hint}\n`)
  if (cause !== undefined) io.stderr(`cause: ${cause}\n`)
}
