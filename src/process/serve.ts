import { resolve } from 'node:path'
import { randomToken } from '../base/bytes.ts'
import { errorFacts, GateError } from '../base/errors.ts'
import type { LevelledLog } from '../base/log.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import type { Log, Ports } from '../base/ports.ts'
import type { CheckResult } from '../config/check.ts'
import { loadConfig } from '../config/load.ts'
import type { Config } from '../config/types/config.ts'
import { createProviderPool } from '../identity/pool.ts'
import { createPortal } from '../portal/app.ts'
import { createEventStreams } from '../proxy/body/event-streams.ts'
import { createFlows } from '../proxy/body/flows.ts'
import { createWholeBodies } from '../proxy/body/whole.ts'
import { createClientIdle } from '../proxy/lifetime/client-idle.ts'
import { openDeadlines } from '../proxy/lifetime/deadlines.ts'
import { createExchanges } from '../proxy/lifetime/exchanges.ts'
import { createUpstreamPool } from '../proxy/upstream/upstream.ts'
import { GOING_AWAY } from '../proxy/websocket/close-codes.ts'
import { createWebSocketRelay } from '../proxy/websocket/relay.ts'
import { type AcmeTimers, createAcme } from '../server/acme/acme.ts'
import { certificateGauges, watchExpiry } from '../server/acme/expiry.ts'
import { createLive, type Loaded, type Reloaded } from '../server/config/reload.ts'
import { type Snapshot, upstreamsOf } from '../server/config/snapshot.ts'
import { watchFiles } from '../server/config/watch.ts'
import { createAccessTokens } from '../server/credentials/access-tokens.ts'
import { createPasswords } from '../server/credentials/passwords.ts'
import { type Fronts, openFronts } from '../server/listen/fronts.ts'
import { addressOf } from '../server/listen/listen.ts'
import { createSockets } from '../server/listen/sockets.ts'
import { openAccessLog } from '../server/observe/access-log.ts'
import { type AdminSources, configState, openAdmin } from '../server/observe/admin.ts'
import { createCutLog } from '../server/observe/cut-log.ts'
import { createDenials } from '../server/observe/denials.ts'
import { createMetrics, type Gauge, renderMetrics } from '../server/observe/metrics.ts'
import { createOverview } from '../server/observe/overview.ts'
import { type ProcessView, viewProcess } from '../server/observe/process-view.ts'
import { upstreamGauges } from '../server/observe/upstream-gauges.ts'
import { createPipelines } from '../server/request/pipeline.ts'
import { countStarts, createRates } from '../server/request/rates.ts'
import { openRecheck } from '../server/request/recheck.ts'
import { createRespond } from '../server/request/refusal/respond.ts'
import { askProviders } from '../session/ask.ts'
import { limitsOf } from '../session/life.ts'
import type { CheckApart } from './check-apart.ts'
import { usualStallMemory } from './memory.ts'
import { poolSizeOf } from './pool-size.ts'
import { tellRefused, tellTakenOver, tellWarnings } from './reload-log.ts'
import { openSessionState } from './session-state.ts'
import { createSnapshots } from './snapshots.ts'
import { reclaimMemory, spareMemory } from './spare-memory.ts'

/** What a server needs from outside. */
export interface ServeOptions {
  readonly configPath: string
  /** The file as it was just read, where whoever starts has read it already: ten thousand routes take a second. */
  readonly loaded?: CheckResult
  /** How a long file is checked when it has changed, so that requests need not wait for it; absent: as any other. */
  readonly checkApart?: CheckApart
  readonly ports: Omit<Ports, 'log'> & { readonly log: LevelledLog }
  /** Where access records go, in batches of whole lines. */
  readonly writeAccess: (lines: string) => void
  /** How often what is open is held against rules about time; a sensible default when absent. */
  readonly recheckMs?: number
  /** How long a client's connection may be silent, in seconds; what Bun takes at most when absent. */
  readonly idleTimeoutS?: number
  /** How long a body of known length is waited for, so that it keeps its length; a sensible default when absent. */
  readonly bodyWaitMs?: number
  /** What `stall_memory` is where the file does not say; a part of what the process may use when absent. */
  readonly stallMemoryBytes?: number
  /** How long an HTTPS listener whose certificates were replaced goes on. */
  readonly partingMs?: number
  /** How often certificates from an authority are looked after; sensible times when absent. */
  readonly acmeTimers?: AcmeTimers
  /** Set where this process is one of several that a supervisor started. */
  readonly worker?: WorkerPart
}

/** What differs in a worker from a server of its own; the admin listener, too, is the supervisor's. */
export interface WorkerPart {
  /** From 1. The first alone listens on local sockets, which processes cannot share. */
  readonly index: number
  /** The name in Via that all workers share: a request that comes back to another of them is a loop too. */
  readonly pseudonym: string
  /** Where to say what every worker says of the file, and the supervisor once for all. */
  readonly fileLog: Log
  /** What the other workers know, with null for one that does not answer. */
  askOthers(): Promise<readonly (ProcessView | null)[]>
}

/** A running server. Pairs with `stop`. */
export interface RunningServer {
  /** Addresses that are listened on, as the file writes them, with the real port where the file says 0. */
  readonly addresses: readonly string[]
  /** The same for HTTPS. */
  readonly secureAddresses: readonly string[]
  /** Where proxies in front ask for verdicts. */
  readonly verifyAddresses: readonly string[]
  readonly admin: string | null
  readonly config: Config
  /** What the admin listener tells of this process. */
  readonly sources: AdminSources
  /** What this process alone knows, for the other workers. */
  view(): ProcessView
  /** Reads the file again; answers what happened, for a long file later. */
  reload(): MaybePromise<Reloaded>
  /** Takes no new requests, lets those in flight finish for `drain` at most, and closes everything. */
  stop(): Promise<void>
}

/**
 * The composition root: everything is built here, once, and handed down.
 *
 * Throws `config.invalid` with the rendered mistakes, `listen.failed`, `session.store`. What was opened before is closed again.
 */
export function startServer(options: ServeOptions): RunningServer {
  const { ports, worker, idleTimeoutS = 255 } = options
  const fileLog = worker?.fileLog ?? ports.log
  const configPath = resolve(options.configPath)
  const upstreams = createUpstreamPool(ports)
  const pool = createProviderPool(ports)
  const closing = new AbortController()
  const snapshots = createSnapshots(configPath, {
    ...ports,
    upstreams,
    checkApart: options.checkApart,
    signal: closing.signal,
  })
  const first = snapshots.of(options.loaded ?? loadConfig(configPath, ports))
  if (!first.ok) throw new GateError('config.invalid', first.refusal.trimEnd())
  const { config } = first.snapshot
  ports.log.setLevel(config.server.logLevel)
  tellWarnings(fileLog, first.warnings)

  const { sessions, sealer, store } = openSessionState(
    config,
    ports,
    askProviders(
      pool,
      name => live.current.config.providers.get(name),
      name => live.current.wantsAccess.has(name),
    ),
  )
  const metrics = createMetrics()
  const rates = createRates(ports.now)
  const exchanges = createExchanges()
  const streams = createEventStreams()
  const relay = createWebSocketRelay(ports.log)
  const sockets = createSockets(relay, exchanges, ports)
  const deadlines = openDeadlines(ports.now)
  const live = createLive({
    initial: first.snapshot,
    now: ports.now,
    load: snapshots.load,
    onRead: ({ files }) => watching.follow(files),
    onChange: takeOver,
    onRefuse(refusal) {
      metrics.reloadsRefused++
      tellRefused(fileLog, refusal)
      spareMemory(live.current.routes.length)
    },
  })
  const cutLog = createCutLog(ports.log, deadlines, ports.now)
  const usualBytes = options.stallMemoryBytes ?? usualStallMemory(config.server.workers)
  const flows = createFlows({
    deadlines,
    now: ports.now,
    limits() {
      const { maxOpen, stallMs, memoryBytes } = live.current.config.server.flows
      return { maxOpen, stallMs, memoryBytes: memoryBytes ?? usualBytes }
    },
    onCut(owner, why) {
      metrics.cut[why]++
      if (owner.kind === 'answer') cutLog.note(owner, why)
    },
    reclaim: reclaimMemory,
  })
  const passwords = createPasswords({ ports, portal: name => live.current.config.portals.get(name) })
  const accessLog = openAccessLog(options.writeAccess, () => live.current.config.server.accessLog)
  const denials = createDenials()
  const respond = createRespond(ports.log, denials)
  const ownName = makePseudonym(ports)
  const acme = createAcme({
    config: () => live.current.config.tls?.acme ?? null,
    store,
    sealer,
    ports,
    onChange: () => fronts.useCertificates(certificates()),
    timers: options.acmeTimers,
  })
  const certificates = () => [...(live.current.config.tls?.certificates ?? []), ...acme.certificates]
  const ownView = () => viewProcess(denials, upstreams)
  const pipelines = createPipelines({
    ports,
    deadlines,
    exchanges,
    flows,
    streams,
    wholeBodies: createWholeBodies({
      unsent: () => fronts.pendingRequests - streams.size,
      deadlines,
      now: ports.now,
      waitMs: options.bodyWaitMs,
    }),
    clientIdle: createClientIdle(deadlines, ports.now, { idleTimeoutS, offersHttp2: config.tls?.http2 === true }),
    noteTruncated(error) {
      metrics.truncated++
      ports.log.warn('An upstream ended in the middle of its answer', errorFacts(error))
    },
    sessions,
    accessTokens: createAccessTokens(pool, ports),
    passwords,
    metrics,
    rates,
    accessLog,
    portal: createPortal({
      ports,
      sessions,
      pool,
      seal: sealer,
      noteStart: countStarts(rates, metrics, worker === undefined ? 1 : poolSizeOf(config.server)),
      overview: createOverview({ live, pool, own: ownView, others: worker?.askOthers ?? (() => []) }),
    }),
    respond,
    sockets,
    pseudonym: worker?.pseudonym ?? ownName,
    idPrefix: ownName,
    current: () => live.current,
  })

  let isDraining = false
  const gauges: readonly Gauge[] = [
    {
      name: 'requests_in_flight',
      help: 'Requests being answered.',
      read: () => fronts.pendingRequests,
    },
    { name: 'websockets_open', help: 'Open WebSockets.', read: () => relay.openCount },
    { name: 'answers_open', help: 'Answers under way, event streams among them.', read: () => flows.open.answers },
    { name: 'uploads_open', help: 'Requests whose bodies are being sent.', read: () => flows.open.uploads },
    {
      name: 'untaken_bytes',
      help: 'What answers and uploads that nobody takes may hold.',
      read: () => flows.heldBytes,
    },
    { name: 'event_streams_open', help: 'Open event streams.', read: () => streams.size },
    ...upstreamGauges(upstreams),
    ...(config.tls === null ? [] : certificateGauges(certificates)),
  ]
  const sources: AdminSources = {
    unready: () => (isDraining ? 'draining' : null),
    config: () => configState(live),
    metrics: () => renderMetrics(metrics, gauges),
  }
  const own = (places: Config['server']['listen']) =>
    places.filter(({ kind }) => kind === 'tcp' || worker === undefined || worker.index === 1)
  let fronts: Fronts
  let admin: Bun.Server<unknown> | null = null
  try {
    if (config.server.admin !== null && worker === undefined) admin = openAdmin(config.server.admin, sources)
    fronts = openFronts({
      plain: own(config.server.listen),
      verify: { places: own(config.server.verify), fetch: pipelines.questions },
      tls: config.tls,
      certificates: certificates(),
      challenge: acme.answer,
      listener: { fetch: pipelines.requests, error: respond.broken, websocket: relay.handlers, idleTimeoutS },
      hstsS: () => live.current.config.tls?.hstsS ?? null,
      partingMs: options.partingMs,
      isShared: worker !== undefined,
      log: ports.log,
    })
  } catch (error) {
    void admin?.stop(true)
    acme.close()
    deadlines.close()
    accessLog.close()
    void sessions.close()
    throw error
  }

  upstreams.retain(upstreamsOf(first.snapshot))
  spareMemory(first.snapshot.routes.length)
  const recheck = openRecheck({
    initial: first.snapshot,
    ports,
    sessions: {
      onEnd: sessions.onEnd,
      onOwner: sessions.onOwner,
      onChange: sessions.onChange,
      follower: sessions.follower,
      check: async session => passwords.judge(session) ?? sessions.check(session),
    },
    owners: () => [...exchanges.owners(), ...relay.owners()],
    endWhere(isOver, reason) {
      exchanges.endWhere(isOver, reason)
      relay.closeWhere(isOver, undefined, reason)
    },
    everyMs: options.recheckMs,
  })
  const expiry = watchExpiry(() => live.current.config.tls?.certificates ?? [], { now: ports.now, log: fileLog })
  const watching = watchFiles(first.files, () => void live.reload())

  function takeOver({ snapshot: next, warnings }: Extract<Loaded, { ok: true }>, previous: Snapshot): void {
    metrics.reloads++
    sessions.configure(limitsOf(next.config))
    ports.log.setLevel(next.config.server.logLevel)
    pool.retain(next.config.providers.values())
    upstreams.retain(upstreamsOf(next))
    fronts.useCertificates(certificates())
    recheck.takeOver(next)
    spareMemory(next.routes.length)
    tellTakenOver(fileLog, { config: next.config, warnings }, previous.config)
  }

  return {
    addresses: fronts.addresses,
    secureAddresses: fronts.secureAddresses,
    verifyAddresses: fronts.verifyAddresses,
    admin: admin === null ? null : addressOf(admin, config.server.admin),
    config,
    sources,
    view: ownView,
    reload: live.reload,
    async stop() {
      isDraining = true
      watching.close()
      live.close()
      closing.abort()
      recheck.close()
      expiry.close()
      acme.close()
      // What never ends by itself would hold up the drain.
      streams.closeAll()
      relay.closeWhere(() => true, GOING_AWAY, 'the server is stopping')
      await fronts.stop(live.current.config.server.drainMs)
      await admin?.stop(true)
      upstreams.close()
      cutLog.close()
      deadlines.close()
      accessLog.close()
      await sessions.close()
    },
  }
}

/** A name in Via that no other gate has, so that one's own requests are recognised when they come back. */
export function makePseudonym(ports: Pick<Ports, 'random'>): string {
  const letters = randomToken(ports.random).replace(/[^A-Za-z0-9]/g, '')
  return `sallyport-${letters.slice(0, 8)}`
}
