/** A worker: one of several processes that serve, started by the one that supervises them. */

import { GateError } from '../base/errors.ts'
import { inTime } from '../base/maybe-promise.ts'
import type { Log } from '../base/ports.ts'
import type { Io } from '../console/io.ts'
import type { PerStream } from '../console/journal.ts'
import { openLogs } from '../console/logs.ts'
import { realPorts } from '../console/process.ts'
import { type ProcessView, parseProcessView } from '../server/observe/process-view.ts'
import { renderFamilies } from '../server/observe/prometheus.ts'
import { startServer } from './serve.ts'
import type { RunningServer, ServeOptions, WorkerPart } from './serve-options.ts'
import { boundExit, type Ending } from './signals.ts'
import { catchStrays, loadFirst, QUIET_MS, reportStart } from './start.ts'
import { openHanded } from './successor.ts'
import { checkInThread, DISK_IN_THREADS } from './threads/ask-thread.ts'
import { parseOrder, parseTexts, type Question, type Report, withTexts } from './worker-messages.ts'

const INDEX = 'SALLYPORT_WORKER'
const PSEUDONYM = 'SALLYPORT_PSEUDONYM'
const TERMINAL = 'SALLYPORT_TERMINAL'
const JOURNAL = 'SALLYPORT_JOURNAL'
const PATIENT = 'SALLYPORT_PATIENT'

/** The number of this worker, from its supervisor, and whether its output ends at a terminal, or in the journal. */
export type WorkerRole = Pick<WorkerPart, 'index' | 'pseudonym'> &
  Pick<Io, 'terminal'> & { readonly journal?: PerStream | undefined } & Pick<ServeOptions, 'isPatient'>

/** The role in the words of the environment; the other half of `readWorkerRole`. */
export function workerEnvironment(role: WorkerRole): Readonly<Record<string, string>> {
  const wordsOf = (streams: PerStream | undefined) =>
    `${streams?.stdout === true ? 'stdout ' : ''}${streams?.stderr === true ? 'stderr' : ''}`
  return {
    [INDEX]: `${role.index}`,
    [PSEUDONYM]: role.pseudonym,
    [TERMINAL]: wordsOf(role.terminal),
    [JOURNAL]: wordsOf(role.journal),
    [PATIENT]: role.isPatient === true ? '1' : '',
  }
}

/** The role that a supervisor gave this process, or null for a process that has none: then it is no worker. */
export function readWorkerRole(io: Pick<Io, 'env'>): WorkerRole | null {
  const index = Number(io.env(INDEX))
  const pseudonym = io.env(PSEUDONYM)
  if (process.send === undefined || !Number.isInteger(index) || pseudonym === undefined) return null
  const streams = (name: string) => {
    const words = io.env(name) ?? ''
    return { stdout: words.includes('stdout'), stderr: words.includes('stderr') }
  }
  return {
    index,
    pseudonym,
    terminal: streams(TERMINAL),
    journal: streams(JOURNAL),
    isPatient: io.env(PATIENT) === '1',
  }
}

/**
 * Serves as one of several workers until the supervisor stops it, or is gone; returns the exit code.
 *
 * It reads the last valid file, with its includes, from standard input. If the file on disk has a mistake by now, a
 * worker that replaces a dead one starts with the valid file, and reports the mistake like the others.
 */
export async function runWorker(role: WorkerRole, configPath: string, given: Io): Promise<number> {
  const { terminal, journal = given.journal } = role
  const io: Io = { ...given, terminal, ...(journal === undefined ? {} : { journal }) }
  const logs = openLogs(io, Date.now, { worker: role.index })
  const ports = realPorts(io, logs.log)
  catchStrays(ports.log)
  const supervisor = hearSupervisor()
  const stopping = new AbortController()
  void supervisor.ending.then(() => stopping.abort())
  const inForce = parseTexts(await Bun.stdin.text())
  const { index, pseudonym } = role
  const worker: WorkerPart = {
    index,
    pseudonym,
    fileLog: hushed(ports.log),
    askOthers: createOthers(),
    tellOwed: ids => report({ kind: 'owe', ids }),
  }
  const inherited = openHanded(io.env)
  const start = async (own: typeof ports) => {
    const loaded = await loadFirst(configPath, { ...own, signal: stopping.signal })
    return startServer({
      configPath,
      ports: own,
      logs,
      worker,
      inherited,
      loaded,
      checkApart: checkInThread,
      diskWork: DISK_IN_THREADS,
      quietMs: QUIET_MS,
      isPatient: role.isPatient ?? false,
    })
  }
  let server: RunningServer
  try {
    try {
      server = await start(ports)
    } catch (error) {
      if (!(error instanceof GateError) || error.code !== 'config.invalid' || inForce.size === 0) throw error
      let isStarting = true
      server = await start(withTexts(ports, inForce, () => isStarting))
      isStarting = false
      void server.reload()
    }
  } catch (error) {
    const isEnded = stopping.signal.aborted
    if (!isEnded) reportStart(error, io)
    process.disconnect?.()
    return isEnded ? 0 : 1
  }
  supervisor.serve(server)
  await server.stop((await supervisor.ending) === 'succeeded')
  process.disconnect?.()
  boundExit(0)
  return 0
}

/** What the supervisor says to a worker. */
interface Supervisor {
  /** Settles once it says stop, or is gone. */
  readonly ending: Promise<Ending>
  /** Does what it says, and what it has said so far, with this server. */
  serve(server: RunningServer): void
}

/** Hears the supervisor from now on. Call it first: nobody would hear that it stops, or ends, while a long file is checked. */
function hearSupervisor(): Supervisor {
  const { promise: ending, resolve: end } = Promise.withResolvers<Ending>()
  const { promise: started, resolve: begin } = Promise.withResolvers<RunningServer>()
  const stop = () => end('stopped')
  process.on('message', async raw => {
    const order = parseOrder(raw)
    switch (order?.kind) {
      case 'stop':
        return stop()
      case 'leave':
        return end('succeeded')
    }
    const server = await started
    switch (order?.kind) {
      case 'beat':
        return report({ kind: 'beat' })
      case 'reload':
        return void server.reload()
      case 'renew':
        return void server.renew()
      case 'owe':
        return server.owe(order.ids)
      case 'ask':
        return report({ kind: 'answer', id: order.id, value: await answerTo(order.what, server) })
    }
  })
  process.on('disconnect', stop)
  if (!process.connected) stop()
  return {
    ending,
    serve(server) {
      // A terminal sends signals to all of a group: any of them means the same here.
      process.on('SIGHUP', () => server.renew())
      process.on('SIGINT', stop)
      process.on('SIGTERM', stop)
      begin(server)
      report({ kind: 'listening' })
    },
  }
}

async function answerTo(what: Question, { sources, view }: RunningServer): Promise<unknown> {
  switch (what) {
    case 'view':
      return view()
    case 'metrics':
      return renderFamilies(await sources.metrics())
    case 'status':
      return (await sources.status())[0]
    default:
      return sources[what]()
  }
}

function report(message: Report): void {
  if (process.connected) process.send?.(message)
}

/** The supervisor logs changes of the file, once; here they are only at debug. */
function hushed({ debug }: Log): Log {
  return { debug, info: debug, warn: debug, error: debug }
}

/** Longer than the supervisor waits for the slowest of the others. */
const MAX_WAIT_MS = 2000

/** How a worker learns what the others know: it asks the supervisor, which asks them. Nothing is heard where it does not answer. */
function createOthers(): () => Promise<readonly (ProcessView | null)[]> {
  const waiting = new Map<number, (values: readonly unknown[]) => void>()
  let lastId = 0
  process.on('message', raw => {
    const order = parseOrder(raw)
    if (order?.kind === 'others') waiting.get(order.id)?.(order.values)
  })
  return async () => {
    if (!process.connected) return []
    const id = ++lastId
    const { promise, resolve } = Promise.withResolvers<readonly unknown[]>()
    waiting.set(id, resolve)
    const question: Report = { kind: 'ask-others', id }
    process.send?.(question)
    const values = await inTime(promise, MAX_WAIT_MS, [null])
    waiting.delete(id)
    return values.map(parseProcessView)
  }
}
