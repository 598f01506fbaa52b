/** The supervisor of several workers: starts them, replaces them, ends them. */

import type { CheckResult } from '../config/check.ts'
import type { Config } from '../config/resolve/config.ts'
import { addressText } from '../config/values/listen.ts'
import { areKept, isSuccessor, socketsEnvironment } from '../console/inherited-sockets.ts'
import type { Io } from '../console/io.ts'
import { openLogs } from '../console/logs.ts'
import { realPorts } from '../console/process.ts'
import { ownCommand, ownEnvironment } from '../console/reexec.ts'
import { leaveWord } from '../console/running-server.ts'
import { versionNumber } from '../console/version.ts'
import { stopAccepting } from '../server/listen/inherited/sockets.ts'
import { listen, removeSocketFile } from '../server/listen/listen.ts'
import { openAdmin } from '../server/observe/admin-listener.ts'
import { damagedOf } from '../session/sqlite/companion-files.ts'
import { type FollowedFile, followFile } from './followed-file.ts'
import { createPoolSources } from './observe/pool-admin.ts'
import { showAddresses } from './open-addresses.ts'
import { poolSizeOf } from './resources.ts'
import { makePseudonym } from './server.ts'
import { boundExit, followSignals } from './signals.ts'
import { catchStrays, reportStart, tellListening } from './start.ts'
import { openHanded, outlivePredecessor, takePlace, tellUnasked } from './successor.ts'
import { openManager, statusOf } from './systemd.ts'
import { checkInThread } from './threads/ask-thread.ts'
import { workerEnvironment } from './worker.ts'
import { writeTexts } from './worker-messages.ts'
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

/** How many workers a file wants; 1 where it has mistakes, which the start then reports. */
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
  const { argv, io } = options
  const logs = openLogs(io, Date.now)
  const ports = realPorts(io, logs.log)
  const { log } = ports
  catchStrays(log)
  const inherited = openHanded(io.env)
  const manager = openManager(io.env, process.pid, log)
  const status = statusOf(manager, options.configPath)
  let isStopping = false
  let isSucceeded = false
  let file: FollowedFile | null = null
  let admin: Bun.Server<unknown> | null = null
  let isUp = false
  try {
    // Each worker watches the file, too; this notice makes all of them read it at once.
    const { configPath, loaded } = options
    const followed = followFile(
      configPath,
      { ...ports, checkApart: checkInThread, configureLog: logs.configure },
      {
        onChange: () => pool.reload(),
        onRead: status.note,
        loaded,
      },
    )
    file = followed
    const { server, tls, sessions } = followed.current.config
    const adminSocket = server.admin === null ? null : inherited.at(server.admin)[0]?.socket
    const places = [...server.listen, ...server.verify, ...(tls?.listen ?? [])]
    const found = places.flatMap(place => inherited.at(place))
    const sockets = [...new Set(found.flatMap(({ socket }) => socket ?? []))]
    tellUnasked(inherited.closeOthers(), io.env, log)
    const pool = openWorkerPool(options, ports, {
      sockets,
      inForce: () => writeTexts(followed.current.texts),
      // The previous process has its database open; a worker that replaces a dead one has no process to leave it to.
      isPatient: () => isUp || !isSuccessor(io.env),
    })
    await tryAddresses(found.filter(({ socket }) => socket === null).map(({ address }) => address))
    const sources = createPoolSources(
      pool,
      () => followed.state,
      () => isStopping && !isSucceeded,
      () => damagedOf(sessions),
    )
    const openOwn = () =>
      server.admin === null
        ? null
        : openAdmin(
            server.admin,
            sources,
            { version: versionNumber(), hosts: () => followed.current.config.server.adminHosts, now: ports.now },
            adminSocket,
          )
    const isLater = isSuccessor(io.env)
    // Until its workers are there, the process before it answers.
    if (!isLater) admin = openOwn()

    const drainMs = () => followed.current.config.server.drainMs
    const stopped = followSignals({
      manager,
      log,
      argv,
      isKept: inherited.kept.size > 0,
      status: status.text,
      async reload() {
        pool.renew()
        await followed.reload()
      },
      others: () => pool.members.map(({ pid }) => pid),
      drainMs,
      kill: pool.kill,
    }).then(ending => {
      isStopping = true
      isSucceeded = ending === 'succeeded'
      if (isSucceeded) stopAccepting()
      return pool.stop(drainMs() + CLOSE_MS, isSucceeded)
    })

    isUp = await pool.start()
    if (isUp && !isStopping) {
      if (isLater) {
        admin = openOwn()
        await takePlace()
      }
      leaveWord(io.env, options.configPath, log)
      manager.ready(status.text())
      tellListening(ports.log, {
        on: server.listen.map(addressText).join(', ') || null,
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
    isUp = false
    reportStart(error, options.io)
  }
  file?.close()
  await admin?.stop(true)
  if (admin !== null) removeSocketFile(admin)
  if (isUp) await outlivePredecessor(io.env)
  const code = isUp || isStopping ? 0 : 1
  boundExit(code)
  return code
}

function openWorkerPool(
  options: SupervisorOptions,
  ports: ReturnType<typeof realPorts>,
  given: {
    readonly sockets: readonly number[]
    readonly inForce: () => string
    readonly isPatient: () => boolean
  },
): WorkerPool {
  const { argv, workers, io } = options
  const { sockets, inForce, isPatient } = given
  const pseudonym = makePseudonym(ports)
  // A worker writes to us: whether there is a terminal at the end is ours to say.
  const colour = io.colour.stderr ? { FORCE_COLOR: '1', NO_COLOR: undefined } : { NO_COLOR: '1' }
  return createWorkerPool({
    size: workers,
    log: ports.log,
    now: ports.now,
    worker: index => ({
      command: [...ownCommand(), ...argv],
      env: {
        ...ownEnvironment(),
        ...colour,
        ...socketsEnvironment(sockets.length, areKept(io.env, process.pid)),
        ...workerEnvironment({ index, pseudonym, terminal: io.terminal, journal: io.journal, isPatient: isPatient() }),
      },
      sockets,
      input: inForce(),
      stdout: io.stdout,
      stderr: io.stderr,
    }),
  })
}

/**
 * Workers share their ports with any program of the same user, so only this notices another one that listens there.
 * Throws `listen.failed`.
 */
async function tryAddresses(addresses: Config['server']['listen']): Promise<void> {
  for (const address of addresses) {
    if (address.kind === 'tcp') await listen(address, { fetch: () => new Response(null, { status: 503 }) }).stop(true)
  }
}
