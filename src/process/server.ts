/** Puts the parts of a server together: sessions, snapshot, pipeline, admin listener. */

import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { randomToken } from '../base/bytes.ts'
import { GateError } from '../base/errors.ts'
import { throughProxy } from '../base/outgoing.ts'
import type { Ports } from '../base/ports.ts'
import { createSparingLog } from '../base/rate-limited-log.ts'
import { loadConfig } from '../config/load.ts'
import type { Config } from '../config/resolve/config.ts'
import type { ServerCertificate } from '../config/values/certificate.ts'
import { versionText } from '../console/version.ts'
import { createProviderPool } from '../identity/pool.ts'
import { createPortal } from '../portal/app.ts'
import { createPublications } from '../portal/authorization/publications.ts'
import { FORM_WAIT_MS } from '../portal/form.ts'
import { countUpload } from '../proxy/body/upload-errors.ts'
import { createExchanges } from '../proxy/lifetime/exchanges.ts'
import { createUpstreamPool } from '../proxy/upstream/upstream.ts'
import { createWebSocketRelay } from '../proxy/websocket/relay.ts'
import { createAcme } from '../server/acme/acme.ts'
import { createKnownRefusals } from '../server/applications/known-refusals.ts'
import { fileStateOf } from '../server/config/file-state.ts'
import { createLive, type Loaded, startValues } from '../server/config/reload.ts'
import type { Snapshot } from '../server/config/snapshot.ts'
import type { WatchState } from '../server/config/watch.ts'
import { createAccessTokens } from '../server/credentials/access-tokens.ts'
import { createFirstUses } from '../server/credentials/first-use.ts'
import { createPasswords } from '../server/credentials/passwords.ts'
import { createDesk, textsToShow } from '../server/editor/config-editor.ts'
import { createDrain } from '../server/listen/drain.ts'
import type { Listeners } from '../server/listen/listeners.ts'
import { createSockets } from '../server/listen/websockets.ts'
import { openAccessLog } from '../server/observe/access-log.ts'
import { createMetrics } from '../server/observe/counts.ts'
import { createDenials, type Denials } from '../server/observe/denials.ts'
import { createOverview, createPlaceNames } from '../server/observe/overview.ts'
import { viewProcess } from '../server/observe/process-view.ts'
import { createRouteUses } from '../server/observe/route-use.ts'
import { createExporter } from '../server/observe/tracing/exporter.ts'
import { createTracer } from '../server/observe/tracing/tracer.ts'
import { createUntrusted } from '../server/observe/untrusted-proxy.ts'
import { holdExpectations } from '../server/preview/expect.ts'
import { createExplainRequest } from '../server/preview/explain.ts'
import { createUnprovenNotes } from '../server/request/bound-session.ts'
import { createRespond } from '../server/request/errors/error-response.ts'
import { createPipelines } from '../server/request/pipeline.ts'
import { createResets } from '../server/request/rapid-reset.ts'
import {
  chargeIntrospections,
  chargeLogouts,
  countForms,
  countStarts,
  createRates,
} from '../server/request/rate-limits.ts'
import { askProviders, revokeAtProviders } from '../session/ask-provider.ts'
import { openBodies } from './bodies.ts'
import { createSnapshots, loadFile } from './load-file.ts'
import { countSignIns, openMeters } from './observe/meters.ts'
import { auditOfFile, tellMended, tellPasskeys, tellRefused, tellWarnings } from './reload-log.ts'
import { poolSizeOf, spareMemory, spareMemoryAfterLoad } from './resources.ts'
import type { ServeOptions } from './serve-options.ts'
import { openSessionState } from './session-state.ts'

/** What exists only once something listens; nothing uses it before. */
export interface Listening {
  readonly listeners: Listeners
  /** After a file that is good and different was taken over, and after any was read. */
  onChange(next: Extract<Loaded, { ok: true }>, previous: Snapshot): void
  onRead(loaded: Loaded): void
  watched(): WatchState
}

export type Server = ReturnType<typeof openServer>

/**
 * The parts of a server that listens nowhere yet, from the file as it is now: what is kept for the process, and the way of its
 * requests. `listening` is asked for what they need of the listeners. Pairs with `close`.
 *
 * Throws `config.invalid` with the rendered mistakes, `session.store`.
 */
export function openServer(options: ServeOptions, listening: () => Listening) {
  const { ports, worker } = options
  const following = followFile(options, listening, () => ({ fileAudit, sessions: state.sessions }))
  const { first, live, inForce, current, outgoing, asked, metrics, meters, pool } = following
  const { config } = first.snapshot
  const ownName = makePseudonym(ports)
  const state = openState(options, following, worker?.pseudonym ?? ownName)
  const { sessions, sealer, store, audit } = state
  const fileAudit = auditOfFile(audit, worker)
  const rates = createRates(ports.now)
  const resets = createResets(ports.now, { log: asked.log, metrics })
  const exchanges = createExchanges()
  const relay = createWebSocketRelay(asked.log, {
    now: ports.now,
    maxMessageBytes: config.server.maxMessageBytes,
    onTooLong: () => metrics.socketsTooLong++,
    onFlood(owner) {
      metrics.socketFloods++
      const { resets: bucket } = current()
      if (bucket !== null && owner.client !== null) resets.charge(bucket, owner.client)
    },
  })
  const pendingRequests = () => listening().listeners.pendingRequests
  const bodies = openBodies(options, config, { metrics, current: inForce, pendingRequests })
  const passwords = createPasswords({
    ports: asked,
    sessions,
    portal: name => inForce().portals.get(name),
    providers: () => inForce().providers.values(),
    askAgainMs: options.askAgainMs,
  })
  const accessLog = openAccessLog(options.logs.access)
  const sparing = spareMemoryAfterLoad()
  const denials = createDenials()
  const leaving = createDrain()
  const respond = createRespond(asked.log, audit, denials, sessions.grants)
  const acme = createAcme({
    config: () => inForce().tls?.acme ?? null,
    store,
    sealer,
    ports: outgoing,
    onLook: () => listening().listeners.useCertificates(certificates()),
    timers: options.acmeTimers,
  })
  const certificates = () => [...(inForce().tls?.certificates ?? []), ...acme.certificates]
  const awaited = () => awaitedOf(inForce(), acme)
  const { uses, viewNow, view } = openView(denials, following.upstreams, worker)
  const pipelines = createPipelines({
    ...bodies,
    ports: asked,
    exchanges,
    sessions,
    seal: sealer,
    accessTokens: createAccessTokens(pool, asked, sessions.directories, chargeIntrospections(rates, metrics)),
    passwords,
    metrics,
    meter: meters?.traffic ?? null,
    uses,
    rates,
    resets,
    noteUnproven: createUnprovenNotes(sessions.bindings, { audit, ports: asked, metrics }),
    noteFirstUse: createFirstUses({ audit, tokens: sessions.tokens, ports: asked }),
    noteRequest: sparing.noteRequest,
    accessLog,
    untrusted: createUntrusted(ports.log),
    tracer: following.tracer,
    portal: openPortal(options, following, state, { rates, bodies, passwords, view, certificates, awaited }),
    respond,
    leaving,
    answerAuthority: acme.answer,
    sockets: createSockets(relay, exchanges, asked),
    pseudonym: worker?.pseudonym ?? ownName,
    idPrefix: ownName,
    current,
  })
  return {
    ...{ first, live, outgoing, pool, acme, certificates, awaited },
    fileState: following.fileState,
    started: following.started,
    upstreams: following.upstreams,
    sessions,
    storeCheck: state.check,
    fileAudit,
    passwords,
    metrics,
    meters,
    exchanges,
    relay,
    bodies,
    uses,
    respond,
    leaving,
    pipelines,
    view,
    viewNow,
    /** What reads the file, and asks authorities: nothing changes any more. */
    stopChanging(): void {
      following.stop()
      acme.close()
    },
    /** `waitMs`: how long what is being asked of providers may still take. */
    async close(waitMs = 0): Promise<void> {
      following.upstreams.close()
      meters?.close()
      bodies.close()
      sparing.close()
      accessLog.close()
      await following.exporter.close()
      await sessions.close(waitMs)
    },
  }
}

/** Hosts that an authority has yet to give a certificate for. */
function awaitedOf({ tls }: Config, { certificates }: ReturnType<typeof createAcme>): readonly string[] {
  return (tls?.acme?.names ?? []).filter(name => !certificates.some(({ names }) => names.includes(name)))
}

/** What this process knows. `view` is for somebody who looks: of several processes, the first asks all applications. */
function openView(denials: Denials, upstreams: Following['upstreams'], worker: ServeOptions['worker']) {
  const uses = createRouteUses()
  const viewNow = () => viewProcess(denials, upstreams, uses)
  return {
    uses,
    viewNow,
    async view() {
      if (worker === undefined || worker.index === 1) await upstreams.look()
      return viewNow()
    },
  }
}

/** Who is told of another file, once it is there. */
interface Told {
  readonly fileAudit: ReturnType<typeof auditOfFile>
  readonly sessions: Pick<ReturnType<typeof openState>['sessions'], 'clientKeys' | 'accounts'>
}

type Following = ReturnType<typeof followFile>

/** The file as it is followed, and what depends on it alone: how others are asked, and what is counted and traced. */
function followFile(options: ServeOptions, listening: () => Listening, told: () => Told) {
  const { ports, worker } = options
  // For log lines that requests cause: any client can send these without end.
  const asked = { ...ports, log: createSparingLog(ports.log, ports.now) }
  const upstreams = createUpstreamPool(ports)
  const { first, load, check, stopLoading } = readFile(options, upstreams)
  const { config } = first.snapshot
  // Applications are asked by `ports`, and everybody else by these.
  const outgoing = throughProxy(ports, () => live.current.config.server.outgoing)
  const metrics = createMetrics()
  // Without an admin listener nothing is measured.
  const meters = config.server.admin === null ? null : openMeters()
  meters?.retain(first.snapshot)
  const exporter = createExporter({
    ports: outgoing,
    config: () => live.current.config.telemetry,
    version: versionText(),
    instance: makePseudonym(ports),
  })
  const tracer = createTracer(exporter, { ...ports, tick: () => performance.now() })
  const providers = createProviderPool({ ...outgoing, ask: tracer.watch(outgoing.ask) })
  const pool = meters === null ? providers : meters.providers.watch(providers)
  let texts = textsToShow(config, first.texts)
  const live = createLive({
    initial: first.snapshot,
    now: ports.now,
    load,
    onRead: loaded => listening().onRead(loaded),
    onChange(next, previous) {
      texts = textsToShow(next.snapshot.config, next.texts)
      void told().sessions.clientKeys.note(next.snapshot.config.providers.values())
      if (isFirstOf(worker)) void tellPasskeys(ports.log, next.snapshot.config, told().sessions.accounts)
      listening().onChange(next, previous)
    },
    onMend: () => tellMended(worker?.fileLog ?? ports.log),
    onRefuse(refused) {
      metrics.reloadsRefused++
      tellRefused(told().fileAudit, refused)
      spareMemory(live.current.routes.length)
    },
  })
  const path = resolve(options.configPath)
  const started = startValues(config)
  const watched = () => listening().watched()
  return {
    first,
    check,
    live,
    path,
    started,
    texts: () => texts,
    fileState: () => fileStateOf(live, { path, started, watched }),
    current: () => live.current,
    inForce: () => live.current.config,
    asked,
    outgoing,
    upstreams,
    metrics,
    meters,
    exporter,
    tracer,
    pool,
    stop(): void {
      live.close()
      stopLoading()
    },
  }
}

/** Sessions and the trail in their store. */
function openState(options: ServeOptions, { first, pool, inForce, current, meters }: Following, gate: string) {
  const { ports, worker } = options
  const { config, fingerprint } = first.snapshot
  const providerOf = (name: string) => inForce().providers.get(name)
  const state = openSessionState(config, ports, {
    ask: askProviders(pool, providerOf, name => current().wantsAccess.has(name)),
    revoke: revokeAtProviders(pool, providerOf),
    diskWork: options.diskWork,
    watch: meters?.store ?? null,
    keepAuditMs: () => inForce().audit.keepMs,
    auditLines: ports.log,
    isPatient: options.isPatient ?? false,
    timers: options.sessionTimers,
    bindingTimes: options.bindingTimes,
    gate: { own: { id: `${gate} ${worker?.index ?? 1}`, gate, name: options.name ?? hostname() }, fingerprint },
  })
  const { audit, sessions } = state
  void audit.announce()
  void sessions.clientKeys.note(config.providers.values())
  // Names may have left their file while nothing ran; one process of several looks.
  if (isFirstOf(worker)) {
    void sessions.lookForLeftBehind()
    void tellPasskeys(ports.log, config, sessions.accounts)
  }
  if (worker !== undefined) sessions.onOwed(worker.tellOwed)
  return state
}

/** Whether this process does what one of several is to do. */
function isFirstOf(worker: ServeOptions['worker']): boolean {
  return worker === undefined || worker.index === 1
}

/** What the portal uses of the parts that requests use. */
interface Shared {
  readonly rates: ReturnType<typeof createRates>
  readonly bodies: ReturnType<typeof openBodies>
  readonly passwords: ReturnType<typeof createPasswords>
  readonly view: () => Promise<ReturnType<typeof viewProcess>>
  readonly certificates: () => readonly ServerCertificate[]
  readonly awaited: () => readonly string[]
}

/** The portal: pages, endpoints and the editor of the file. */
function openPortal(
  options: ServeOptions,
  following: Following,
  { sessions, sealer, store, audit }: ReturnType<typeof openState>,
  { rates, bodies, passwords, view, certificates, awaited }: Shared,
) {
  const { ports, worker } = options
  const { first, live, inForce, asked, outgoing, metrics, meters, pool } = following
  const processes = worker === undefined ? 1 : poolSizeOf(first.snapshot.config.server)
  const { findUser, checkCode, confirm, confirmFactor } = passwords
  return createPortal({
    ...(meters === null ? { sessions, findUser, checkCode } : countSignIns(sessions, passwords, meters)),
    confirm,
    confirmFactor,
    ports: { ...asked, ask: outgoing.ask },
    audit,
    trail: {
      store,
      isKept: () => inForce().audit.keepMs > 0,
      isOfOnePortal: () => inForce().portals.size === 1,
      nameOf: createPlaceNames(inForce),
    },
    configEditor: createDesk({
      path: following.path,
      sources: ports,
      markOf: source => sealer.mark(source, 'a secret of the file'),
      inForce: () => ({ config: inForce(), texts: following.texts() }),
      load: following.check,
      reload: live.reload,
      sessions,
      now: ports.now,
    }),
    pool,
    seal: sealer,
    publications: createPublications(outgoing),
    formWaitMs: options.formWaitMs ?? FORM_WAIT_MS,
    chargeLogout: chargeLogouts(rates, metrics),
    noteDevice: what => metrics[what]++,
    noteForm: countForms(rates, metrics, processes),
    countForm: (name, client) => countUpload(bodies.flows, name, client),
    noteStart: countStarts(rates, { metrics, log: asked.log }, () => inForce().server.signIns, processes),
    overview: createOverview({
      live,
      gates: sessions.gates,
      fileState: following.fileState,
      pool,
      refusals: createKnownRefusals(ports),
      now: ports.now,
      certificates,
      awaited,
      own: view,
      others: worker?.askOthers ?? (() => []),
    }),
    explain: createExplainRequest({ inForce, grants: sessions.grants, now: ports.now }),
  })
}

/** The file as it is now, and how it is read again. Throws `config.invalid`. */
function readFile(options: ServeOptions, upstreams: ReturnType<typeof createUpstreamPool>) {
  const { ports, worker } = options
  const configPath = resolve(options.configPath)
  const closing = new AbortController()
  const loading = { ...ports, checkApart: options.checkApart, signal: closing.signal }
  const { of, load } = createSnapshots(configPath, { ...loading, upstreams })
  const first = of(options.loaded ?? holdExpectations(loadConfig(configPath, ports)))
  if (!first.ok) throw new GateError('config.invalid', first.refusal.trimEnd())
  ports.log.setLevel(first.snapshot.config.server.logLevel)
  options.logs.configure(first.snapshot.config.log)
  tellWarnings(worker?.fileLog ?? ports.log, first.warnings)
  const check = (instead: ReadonlyMap<string, string>) => {
    const readText = (path: string) => instead.get(path) ?? ports.readText(path)
    return loadFile(configPath, { ...loading, readText })
  }
  return { first, load, check, stopLoading: () => closing.abort() }
}

/** A name in Via that no other gate has, so that one's own requests are recognised when they come back. */
export function makePseudonym(ports: Pick<Ports, 'random'>): string {
  const letters = randomToken(ports.random).replace(/[^A-Za-z0-9]/g, '')
  return `sallyport-${letters.slice(0, 8)}`
}
