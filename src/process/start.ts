/** The start of a server, as a command sees it: loads the file, starts, and reports. */

import { errorFacts, GateError } from '../base/errors.ts'
import type { Log, Ports } from '../base/ports.ts'
import type { CheckResult } from '../config/check.ts'
import type { Io } from '../console/io.ts'
import { withPriority } from '../console/journal.ts'
import type { Logs } from '../console/logs.ts'
import { realPorts } from '../console/process.ts'
import { versionText } from '../console/version.ts'
import { loadFile } from './load-file.ts'
import { startServer } from './serve.ts'
import type { RunningServer, ServeOptions } from './serve-options.ts'
import { checkInThread, DISK_IN_THREADS } from './threads/ask-thread.ts'

/** Long enough for an answer to arrive and for the next request to come back; a machine that restarts does not wait for more. */
export const QUIET_MS = 200

/** What the caller provides for a server. */
type Given = Partial<Pick<ServeOptions, 'loaded' | 'inherited' | 'onRead' | 'isPatient'>> & { readonly logs: Logs }

/** Starts the server in this process, with the real effects. Throws what `startServer` throws. */
export function startHere(configPath: string, io: Io, given: Given): RunningServer {
  const ports = realPorts(io, given.logs.log)
  catchStrays(ports.log)
  return startServer({
    configPath,
    ports,
    checkApart: checkInThread,
    diskWork: DISK_IN_THREADS,
    quietMs: QUIET_MS,
    ...given,
  })
}

/** Says where a server of this process listens. Call it once signals are followed: who has read this may send one. */
export function tellServing(server: RunningServer, configPath: string, log: Log): void {
  tellListening(log, {
    on: server.addresses.join(', ') || null,
    https: server.secureAddresses.join(', ') || null,
    verify: server.verifyAddresses.join(', ') || null,
    admin: server.admin,
    config: configPath,
  })
}

/**
 * The file that this process is to serve, checked; a long one without leaving behind what that takes. Rejects when that is given up.
 */
export async function loadFirst(
  configPath: string,
  ports: Ports & { readonly signal?: AbortSignal },
): Promise<CheckResult> {
  return loadFile(configPath, { ...ports, checkApart: checkInThread })
}

/** Logs uncaught errors. Bun ends the process for a throw in a timer or a WebSocket handler without such a listener. */
export function catchStrays(log: Log): void {
  const tell = (error: unknown) => log.error('An unexpected error was caught', errorFacts(error))
  process.on('uncaughtException', tell)
  process.on('unhandledRejection', tell)
}

/** The line that says that requests are taken; other programs wait for it. */
export function tellListening(
  log: Log,
  facts: {
    readonly on: string | null
    readonly https: string | null
    readonly verify: string | null
    readonly admin: string | null
    readonly config: string
    readonly workers?: number
  },
): void {
  log.info('Sallyport is listening', { version: versionText(), ...facts })
}

/** Why nothing was started: for people, so without a stack; mistakes in the file are shown as they are. */
export function reportStart(error: unknown, io: Io): void {
  if (error instanceof GateError && error.code === 'config.invalid') {
    reportToPeople(`${error.message}\n`, io)
    return
  }
  const { error: what, hint, cause } = errorFacts(error)
  const lines = [`Sallyport cannot start: ${what}`]
  if (hint !== undefined) lines.push(`hint: ${hint}`)
  if (cause !== undefined) lines.push(`cause: ${cause}`)
  reportToPeople(lines.map(line => `${line}\n`).join(''), io)
}

/** Writes an error that ends a start: for people as it is, for the journal as an error. */
export function reportToPeople(text: string, io: Pick<Io, 'stderr' | 'journal'>): void {
  io.stderr(io.journal?.stderr === true ? withPriority(text, 'error') : text)
}
