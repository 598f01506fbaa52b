/** A server of one process: starts, follows signals, hands over, ends. */

import type { CheckResult } from '../config/check.ts'
import { isSuccessor } from '../console/inherited-sockets.ts'
import type { Io } from '../console/io.ts'
import { openLogs } from '../console/logs.ts'
import { leaveWord } from '../console/running-server.ts'
import { showAddresses } from './open-addresses.ts'
import type { RunningServer } from './serve-options.ts'
import { boundExit, followSignals } from './signals.ts'
import { reportStart, startHere, tellServing } from './start.ts'
import { openHanded, outlivePredecessor, takePlace, tellUnasked } from './successor.ts'
import { openManager, statusOf } from './systemd.ts'

export interface AloneOptions {
  readonly configPath: string
  /** The file as it was just read, without mistakes. */
  readonly loaded: Extract<CheckResult, { ok: true }>
  /** The program's arguments, for a process that is to take over. */
  readonly argv: readonly string[]
  readonly io: Io
}

/**
 * Serves in this single process until it has to end; returns the exit code: 1, after logging the reason, where it
 * could not start.
 */
export async function runAlone({ configPath, loaded, argv, io }: AloneOptions): Promise<number> {
  const logs = openLogs(io, Date.now)
  const { log } = logs
  const inherited = openHanded(io.env)
  const manager = openManager(io.env, process.pid, log)
  const status = statusOf(manager, configPath)
  let server: RunningServer
  try {
    server = startHere(configPath, io, {
      logs,
      loaded,
      inherited,
      onRead: status.note,
      isPatient: !isSuccessor(io.env),
    })
  } catch (error) {
    reportStart(error, io)
    return 1
  }
  tellUnasked(inherited.closeOthers(), io.env, log)
  // Before anyone is told: from that moment on they may have this process stop, which no default is to do at once.
  const ending = followSignals({
    manager,
    log,
    argv,
    isKept: inherited.kept.size > 0,
    status: status.text,
    reload: server.renew,
    others: () => [],
    drainMs: () => server.config.server.drainMs,
    kill() {},
  })
  tellServing(server, configPath, log)
  if (isSuccessor(io.env)) await takePlace()
  showAddresses(server.config, server.addresses[0], io)
  leaveWord(io.env, configPath, log)
  manager.ready(status.text())
  await server.stop((await ending) === 'succeeded')
  await outlivePredecessor(io.env)
  boundExit(0)
  return 0
}
