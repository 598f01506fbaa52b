/** The entry of every command: finds the command that the arguments name, and runs it. */

import { findServiceUser, type Running } from '../console/drop-root.ts'
import { type Io, processIo } from '../console/io.ts'
import { openLogs } from '../console/logs.ts'
import { liftRequestLimit, realPorts } from '../console/process.ts'
import { findRunning } from '../console/running-server.ts'
import { processTerminal, type Terminal } from '../console/terminal.ts'
import { runImport } from '../migrate/import.ts'
import { runRehearse } from '../migrate/rehearse/run.ts'
import { startHere, tellServing } from '../process/start.ts'
import { runAudit } from './audit.ts'
import { runBackup } from './backup.ts'
import { runCheck } from './check.ts'
import { runClientKey } from './client-key.ts'
import { runCompletion } from './completion.ts'
import { runDemo } from './demo/run.ts'
import { runDoctor } from './doctor/run.ts'
import { runExplain } from './explain.ts'
import { runFmt } from './fmt.ts'
import { runGuests } from './guests.ts'
import { runHealth } from './health.ts'
import { hintFor, overview, runHelp } from './help/run.ts'
import { runInit } from './init/init.ts'
import { runRecipe } from './recipe/run.ts'
import { runRequests } from './requests.ts'
import { runRestore } from './restore.ts'
import { runSchema } from './schema.ts'
import { runServe } from './serve.ts'
import { serveArguments } from './serve-arguments.ts'
import { runService } from './service.ts'
import { runSessions } from './sessions.ts'
import { runTokens } from './tokens.ts'
import { runReset, setByUsers } from './user/accounts.ts'
import { runInvite } from './user/invite.ts'
import { runUser } from './user/user.ts'
import { runVersion } from './version.ts'

/**
 * Runs the command that the arguments name and returns the exit code: 0 done, 1 failed (mistakes in the file, could
 * not start), 2 wrong usage; `explain` has its own codes.
 */
export async function run(argv: readonly string[], own: Io = processIo()): Promise<number> {
  const serving = serveArguments(argv)
  if (serving !== null) return runServe(serving, argv, own)
  // Looked for once: a command of root may be somebody else by the second time.
  let running: Running | null | undefined
  const io: Io = {
    ...own,
    running() {
      if (running === undefined) running = findRunning(own.env)
      return running
    },
  }
  const [first = '', ...rest] = argv
  switch (first) {
    case 'check':
      return runCheck(rest, io, realPorts(io), findServiceUser())
    case 'fmt':
      return runFmt(rest, io)
    case 'explain':
      return runExplain(rest, io, realPorts(io))
    case 'doctor':
      return runDoctor(rest, io, realPorts(io), findServiceUser())
    case 'schema':
      return runSchema(rest, io)
    case 'init':
      return runAtTerminal(terminal => runInit(rest, io, realPorts(io), terminal, findServiceUser()))
    case 'recipe':
      return runRecipe(rest, io)
    case 'import':
      return runImport(rest, io)
    case 'rehearse':
      return runRehearse(rest, io)
    case 'completion':
      return runCompletion(rest, io)
    case 'health':
      return runHealth(rest, io)
    case 'sessions':
      return runSessions(rest, io, realPorts(io))
    case 'tokens':
      return runTokens(rest, io, realPorts(io))
    case 'guests':
      return runGuests(rest, io, realPorts(io))
    case 'audit':
      return runAudit(rest, io, realPorts(io))
    case 'service':
      return runService(rest, io)
    case 'requests':
      return runRequests(rest, io, realPorts(io))
    case 'user':
      return runAtTerminal(terminal =>
        runUser(
          rest,
          io,
          {
            terminal,
            readInput: () => Bun.stdin.text(),
            invite: wish => runInvite(wish, io, realPorts(io)),
            reset: wish => runReset(wish, io, realPorts(io)),
            setByUsers: wish => setByUsers(wish, io, realPorts(io)),
          },
          realPorts(io),
        ),
      )
    case 'client-key':
      return runClientKey(rest, io)
    case 'backup':
      return runBackup(rest, io, realPorts(io))
    case 'restore':
      return runRestore(rest, io, realPorts(io))
    case 'demo':
      // To show the options, the program is not executed again.
      if (!rest.includes('--help') && !rest.includes('-h')) liftRequestLimit(argv, realPorts(io).log)
      return runDemo(rest, io, async configPath => {
        const logs = openLogs(io, Date.now)
        const server = startHere(configPath, io, { logs })
        tellServing(server, configPath, logs.log)
        return server
      })
    case 'version':
    case '--version':
    case '-v':
      return runVersion(rest, io)
    case 'help':
      return runHelp(rest, io, command => run([command, '--help']))
    case '--help':
    case '-h':
      io.stdout(overview())
      return 0
    default:
      io.stderr(`sallyport has no command "${first}": ${hintFor(first, true)}\n`)
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
