import type { CheckResult } from '../config/check.ts'
import type { Config } from '../config/types/config.ts'
import type { Io } from '../console/io.ts'
import { openLogs } from '../console/logs.ts'
import { ownCommand, ownEnvironment, realPorts } from '../console/process.ts'
import { versionNumber } from '../console/version.ts'
import { addressText, listen } from '../server/listen/listen.ts'
import { openAdmin } from '../server/observe/admin.ts'
import { type FollowedFile, followFile } from './followed-file.ts'
import { createPoolSources } from './observe/pool-admin.ts'
import { showAddresses } from './open-addresses.ts'
import { makePseudonym } from './parts.ts'
import { poolSizeOf } from './pool-size.ts'
import { boundExit } from './signals.ts'
import { catchStrays, reportStart, tellListening } from './start.ts'
import { writeTexts } from './texts-in-force.ts'
import { checkInThread } from './threads/check-apart.ts'
import { workerEnvironment } from './worker.ts'
import { createWorkerPool, type WorkerPool } from './worker-pool.ts'

export interface SupervisorOptions {
  readonly configPath: string
  readonly workers: number
  /** The file as it was just read. */
  readonly loaded: CheckResult
  /** The program's arguments, for the workers too. */
  readonly argv: readonly string[]
  readonly io: Io
}

/** What a worker may need beyond `drain` to close its store and to write its log. */
const CLOSE_MS = 2000

/** How many workers a file asks for; 1 where it has mistakes, which the start then tells. */
export function countWorkers(loaded: CheckResult): number {
  return loaded.ok ? poolSizeOf(loaded.config.server) : 1
}

/**
 * Runs several workers that share the listeners, with one admin listener for all, until a signal; answers the exit code.
 *
 * SIGHUP reloads all; the first SIGINT or SIGTERM drains all and ends with 0, another ends everything at once with 1. Ends with 1,
 * having said why once, when nothing could be started.
 */
export async function runSupervisor(options: SupervisorOptions): Promise<number> {
  const logs = openLogs(options.io, Date.now)
  const ports = realPorts(options.io, logs.log)
  catchStrays(ports.log)
  let isStopping = false
  let file: FollowedFile | null = null
  let admin: Bun.Server<unknown> | null = null
  let isUp = false
  try {
    // Each worker watches the file as well; told, all of them have it at once.
    const { configPath, loaded } = options
    const followed = followFile(
      configPath,
      { ...ports, checkApart: checkInThread, configureLog: logs.configure },
      () => pool.reload(),
      loaded,
    )
    file = followed
    const { server, tls } = followed.current.config
    const pool = openWorkerPool(options, ports, () => writeTexts(followed.current.texts))
    await tryAddresses([...server.listen, ...server.verify, ...(tls?.listen ?? [])])
    const sources = createPoolSources(
      pool,
      () => followed.state,
      () => isStopping,
    )
    if (server.admin !== null) admin = openAdmin(server.admin, sources, { version: versionNumber(), now: ports.now })

    const { promise: stopped, resolve: settle } = Promise.withResolvers<void>()
    const stop = () => {
      if (isStopping) {
        pool.kill()
        process.exit(1)
      }
      isStopping = true
      settle(pool.stop(followed.current.config.server.drainMs + CLOSE_MS))
    }
    process.on('SIGINT', stop)
    process.on('SIGTERM', stop)
    process.on('SIGHUP', () => {
      followed.reload()
      pool.reload()
    })

    isUp = await pool.start()
    if (isUp && !isStopping) {
      tellListening(ports.log, {
        on: server.listen.map(addressText).join(', '),
        https: tls?.listen.map(addressText).join(', ') ?? null,
        verify: server.verify.map(addressText).join(', ') || null,
        admin: server.admin === null ? null : addressText(server.admin),
        config: options.configPath,
        workers: options.workers,
      })
      showAddresses(followed.current.config, server.listen.map(addressText)[0], options.io)
    }
    if (isUp || isStopping) await stopped
  } catch (error) {
    reportStart(error, options.io)
  }
  file?.close()
  await admin?.stop(true)
  const code = isUp || isStopping ? 0 : 1
  boundExit(code)
  return code
}

function openWorkerPool(
  options: SupervisorOptions,
  ports: ReturnType<typeof realPorts>,
  inForce: () => string,
): WorkerPool {
  const { argv, workers, io } = options
  const pseudonym = makePseudonym(ports)
  // A worker writes to us: whether there is a terminal at the end is ours to say.
  const colour = io.colour.stderr ? { FORCE_COLOR: '1', NO_COLOR: undefined } : { NO_COLOR: '1' }
  return createWorkerPool({
    size: workers,
    log: ports.log,
    now: ports.now,
    worker: index => ({
      command: [...ownCommand(), ...argv],
      env: { ...ownEnvironment(), ...colour, ...workerEnvironment({ index, pseudonym, terminal: io.terminal }) },
      input: inForce(),
      stdout: io.stdout,
      stderr: io.stderr,
    }),
  })
}

/** Workers share their ports with any program of the same user, so this alone notices one that listens there. Throws `listen.failed`. */
async function tryAddresses(addresses: Config['server']['listen']): Promise<void> {
  for (const address of addresses) {
    if (address.kind === 'tcp') await listen(address, { fetch: () => new Response(null, { status: 503 }) }).stop(true)
  }
}
