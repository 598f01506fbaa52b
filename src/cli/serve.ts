/** `sallyport serve`: reads its arguments, and starts the server or its supervisor. */

import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { renderDiagnostics } from '../config/render-diagnostics.ts'
import { EXIT, namedFile, parseArguments } from '../console/args.ts'
import type { Io } from '../console/io.ts'
import { liftRequestLimit, realPorts } from '../console/process.ts'
import { ignoreStrays } from '../process/signals.ts'
import { runAlone } from '../process/single-process.ts'
import { loadFirst, reportToPeople } from '../process/start.ts'
import { countWorkers, runSupervisor } from '../process/supervise.ts'
import { readWorkerRole, runWorker } from '../process/worker.ts'

export const USAGE = {
  text: `usage: sallyport [serve] [routes.toml]

Serves what the file says. A save takes effect at once, and so does SIGHUP. If a file has errors, the previous one stays in use.
SIGTERM lets open requests finish, for as long as drain in [server] says; a second SIGTERM stops at once. SIGUSR2 starts the executable that
is now on disk, on the same sockets, and stops this process when the new one accepts requests (Linux).
Exit code: 0 stopped, 1 could not start, 2 for a wrong command line, or for "sallyport" alone in a folder without routes.toml.

  --config FILE, -c   the file, as for other commands`,
  options: { config: { type: 'string', short: 'c' } },
  maxPositionals: 1,
} as const

/**
 * `sallyport serve`, and `sallyport` without a command: serves until it has to stop, and returns the exit code.
 * `options` are the arguments of the command, `argv` those of the program, by which it starts itself again.
 */
export async function runServe(options: readonly string[], argv: readonly string[], io: Io): Promise<number> {
  const parsed = parseArguments(options, USAGE, io)
  if (!parsed.ok) return parsed.exitCode
  const named = namedFile(parsed, USAGE, io)
  if (!named.ok) return named.exitCode
  const config = resolve(io.cwd, named.file)
  const role = readWorkerRole(io)
  if (role === null && argv.length === 0 && !existsSync(config)) {
    const { firstSteps } = await import('./help/first-steps.ts')
    io.stderr(firstSteps())
    return EXIT.usage
  }
  ignoreStrays(realPorts(io).log)
  liftRequestLimit(argv, realPorts(io).log)
  if (role !== null) return runWorker(role, config, io)
  const loaded = await loadFirst(config, realPorts(io))
  if (!loaded.ok) {
    reportToPeople(renderDiagnostics(loaded.diagnostics, loaded.texts, { colour: io.colour.stderr }), io)
    return EXIT.failed
  }
  const workers = countWorkers(loaded)
  if (workers > 1) return runSupervisor({ configPath: config, workers, loaded, argv, io })
  return runAlone({ configPath: config, loaded, argv, io })
}
