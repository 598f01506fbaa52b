/** Serves: a process's parts, listeners and timers from start to stop. */

import type { Log, Ports } from '../base/ports.ts'
import type { Config } from '../config/resolve/config.ts'
import type { ListenAddress } from '../config/values/listen.ts'
import { proxyVariables } from '../console/reexec.ts'
import { versionNumber } from '../console/version.ts'
import { createMetadataSource } from '../identity/discovery.ts'
import { createProviderFetch, DEFAULT_WIRE_LIMITS, reachOf } from '../identity/http.ts'
import { membersOf } from '../policy/members.ts'
import { askedOfProvider, UNSTATED_HINT, unstatedClaims } from '../policy/required-claims.ts'
import { GOING_AWAY } from '../proxy/websocket/close-codes.ts'
import { watchExpiry } from '../server/acme/expiry.ts'
import type { Loaded } from '../server/config/reload.ts'
import { type Snapshot, upstreamsOf } from '../server/config/snapshot.ts'
import { watchFiles } from '../server/config/watch.ts'
import { closeCrowds } from '../server/listen/connection-limit.ts'
import { NONE_HANDED, stopAccepting } from '../server/listen/inherited/sockets.ts'
import { addressOf, removeSocketFile } from '../server/listen/listen.ts'
import { type Listeners, openListeners } from '../server/listen/listeners.ts'
import { pauseAccepting } from '../server/listen/pause.ts'
import { type AdminSources, openAdmin } from '../server/observe/admin-listener.ts'
import { openRecheck, type Recheck } from '../server/request/recheck.ts'
import { limitsOf } from '../session/lifetimes.ts'
import { MOST_IDLE_S } from './bodies.ts'
import { watchDescriptors } from './descriptor-limit.ts'
import { sourcesOf } from './observe/sources.ts'
import { tellLost, tellTakenOver } from './reload-log.ts'
import { spareMemory, usualCacheBytes } from './resources.ts'
import type { RunningServer, ServeOptions } from './serve-options.ts'
import { type Listening, openServer, type Server } from './server.ts'

/**
 * The composition root: everything is built here and in `parts.ts`, once, and passed down. First the parts, which do
 * not listen; then the listeners; then the maintenance.
 *
 * Throws `config.invalid` with the rendered mistakes, `listen.failed`, `session.store`. It first closes everything
 * that it has opened.
 */
export function startServer(options: ServeOptions): RunningServer {
  const parts = openServer(options, () => listening)
  const { live, relay, bodies } = parts
  const { config } = parts.first.snapshot
  let isDraining = false
  const sources = sourcesOf(parts, options.ports, {
    listeners: () => listeners,
    isDraining: () => isDraining,
    mayOpen: () => !descriptors.areOut,
  })
  const { listeners, admin } = listen(parts, options, sources)
  parts.upstreams.retain(upstreamsOf(parts.first.snapshot))
  spareMemory(parts.first.snapshot.routes.length)
  const recheck = recheckOf(parts, options)
  const expiry = watchExpiry(() => live.current.config.tls?.certificates ?? [], {
    now: options.ports.now,
    log: fileLogOf(options),
  })
  const exceptPort = portOf(config.server.admin, admin)
  const descriptors = watchDescriptors(options.ports.log, () => pauseAccepting(exceptPort), {
    most: () => live.current.config.server.maxConnections,
    close: most => closeCrowds({ most, exceptPort, isProxy: address => live.current.trusted.has(address) }),
  })
  const watching = watchFiles(parts.first.files, {
    onChange: () => void live.reload(),
    onLost: path => tellLost(fileLogOf(options), path),
  })
  const listening: Listening = {
    listeners,
    onRead({ ok, files }) {
      watching.follow(files)
      options.onRead?.(ok)
    },
    onChange: (next, previous) => takeOver(next, previous, { parts, listeners, recheck, options }),
    watched: watching.state,
  }
  tellOf(config, parts, options)
  tellUnusedProxy(config, options)
  return {
    addresses: listeners.addresses,
    secureAddresses: listeners.secureAddresses,
    verifyAddresses: listeners.verifyAddresses,
    admin: admin === null ? null : addressOf(admin, config.server.admin),
    config,
    sources,
    view: parts.view,
    reload: live.reload,
    owe: parts.sessions.owe,
    renew() {
      parts.pool.askAnew()
      return live.reload()
    },
    async stop(isSucceeded = false) {
      // A readiness check is about the process that continues.
      isDraining = !isSucceeded
      const startedMs = options.ports.now()
      if (isSucceeded) await giveWay(parts, listeners)
      else if (options.inherited !== undefined && options.inherited.kept.size > 0) stopAccepting(options.inherited.kept)
      watching.close()
      parts.stopChanging()
      recheck.close()
      expiry.close()
      descriptors.close()
      const { drainMs } = live.current.config.server
      if (!isSucceeded) await parts.leaving.begin(options.quietMs ?? 0, Math.min(drainMs / 2, MOST_LEAVING_MS))
      // Streams without an end would hold up the drain.
      bodies.streams.closeAll()
      relay.closeWhere(() => true, GOING_AWAY, 'the server is stopping')
      const leftMs = () => Math.max(0, drainMs - (options.ports.now() - startedMs))
      await listeners.stop(leftMs())
      await admin?.stop(true)
      if (admin !== null) removeSocketFile(admin)
      await parts.close(leftMs())
    },
  }
}

/** Clients that come again and again do not hold up a stop for longer, nor take the time of what is slow. */
const MOST_LEAVING_MS = 5000

/** How long a client with a kept connection may take to come back, where nothing waits for this process to end. */
const SUCCEEDED_QUIET_MS = 1000

/** Accepts nothing more, and lets end what is open, for most of `drain`; who may stay is looked after meanwhile as ever. */
async function giveWay({ live, leaving, relay, bodies }: Server, listeners: Listeners): Promise<void> {
  const limitMs = Math.max(0, live.current.config.server.drainMs - SUCCEEDED_QUIET_MS)
  listeners.leave()
  stopAccepting()
  const tookMs = await leaving.begin(Math.min(SUCCEEDED_QUIET_MS, limitMs), limitMs)
  for (let ms = tookMs; ms < limitMs && relay.openCount + bodies.streams.size > 0; ms += LOOK_MS)
    await Bun.sleep(LOOK_MS)
}

const LOOK_MS = 100

/** Where the admin listener is; the number of a server itself is not its own where its socket was handed over. */
function portOf(address: ListenAddress | null, server: Bun.Server<unknown> | null): number | null {
  return address?.kind === 'tcp' && address.port !== 0 ? address.port : (server?.port ?? null)
}

/** Opens every listener, or none: what is open is closed again where one cannot be opened. Throws `listen.failed`. */
function listen(
  parts: Server,
  options: ServeOptions,
  sources: AdminSources,
): { readonly listeners: Listeners; readonly admin: Bun.Server<unknown> | null } {
  const { worker, ports, idleTimeoutS = MOST_IDLE_S, inherited = NONE_HANDED } = options
  const { live, pipelines, respond, relay } = parts
  const { server, tls } = parts.first.snapshot.config
  const own = (places: readonly ListenAddress[]) =>
    places.filter(({ kind }) => kind === 'tcp' || worker === undefined || worker.index === 1)
  let admin: Bun.Server<unknown> | null = null
  try {
    if (server.admin !== null && worker === undefined)
      admin = openAdmin(
        server.admin,
        sources,
        { version: versionNumber(), hosts: () => live.current.config.server.adminHosts, now: ports.now },
        inherited.at(server.admin)[0]?.socket,
      )
    const listeners = openListeners({
      plain: own(server.listen),
      verify: { places: own(server.verify), fetch: pipelines.questions },
      tls,
      certificates: parts.certificates(),
      listener: { fetch: pipelines.requests, error: respond.broken, websocket: relay.handlers, idleTimeoutS },
      hstsS: () => live.current.config.tls?.hstsS ?? null,
      partingMs: options.partingMs,
      isShared: worker !== undefined,
      inherited,
      log: ports.log,
    })
    return { listeners, admin }
  } catch (error) {
    void admin?.stop(true)
    parts.stopChanging()
    void parts.close()
    throw error
  }
}

function recheckOf({ first, sessions, passwords, exchanges, relay }: Server, options: ServeOptions): Recheck {
  return openRecheck({
    initial: first.snapshot,
    ports: options.ports,
    sessions: {
      onEnd: sessions.onEnd,
      onLookAgain(listener) {
        sessions.onLookAgain(listener)
        passwords.onChange(listener)
      },
      onOwner: sessions.onOwner,
      onChange: sessions.onChange,
      onStanding: sessions.onStanding,
      directories: sessions.directories,
      onGrants: sessions.onGrants,
      rejoined: sessions.rejoined,
      isMember: sessions.isMember,
      follower: sessions.follower,
      check: async session => passwords.judge(session) ?? sessions.check(session),
    },
    owners: () => [...exchanges.owners(), ...relay.owners()],
    onBusy(listener) {
      exchanges.onBusy(listener)
      relay.onBusy(listener)
    },
    note: exchanges.note,
    endWhere(isOver, reason, whose) {
      exchanges.endWhere(isOver, reason, whose)
      relay.closeWhere(isOver, undefined, reason)
    },
    everyMs: options.recheckMs,
  })
}

interface Running {
  readonly parts: Server
  readonly listeners: Listeners
  readonly recheck: Recheck
  readonly options: ServeOptions
}

/** The file has changed: updates everything that was made from the previous one. */
function takeOver(
  { snapshot, warnings }: Extract<Loaded, { ok: true }>,
  previous: Snapshot,
  { parts, listeners, recheck, options }: Running,
): void {
  const { config } = snapshot
  parts.metrics.reloads++
  parts.meters?.retain(snapshot)
  parts.uses.retain(snapshot.routes.map(route => route.config.id))
  const limits = limitsOf(config, membersOf(config), usualCacheBytes(config.server.workers))
  parts.sessions.configure(limits, snapshot.fingerprint)
  options.ports.log.setLevel(config.server.logLevel)
  options.logs.configure(config.log)
  parts.pool.retain(config.providers.values())
  parts.upstreams.retain(upstreamsOf(snapshot))
  listeners.useCertificates(parts.certificates())
  parts.acme.wake()
  recheck.takeOver(snapshot)
  spareMemory(snapshot.routes.length)
  tellTakenOver(fileLogOf(options), parts.fileAudit, { config, warnings }, previous.config, parts.started)
  tellOf(config, parts, options)
}

/** Gauges that need a request first: by one process of several. */
function tellOf(config: Config, { outgoing }: Server, { worker, ports }: ServeOptions): void {
  if (worker === undefined || worker.index === 1) tellUnstated(config, outgoing, ports.log)
}

/**
 * Variables that other programs use have no effect here. An operator who set one would not see why no user can sign
 * in.
 */
function tellUnusedProxy({ server }: Config, options: ServeOptions): void {
  const variables = proxyVariables(options.ports.env)
  if (server.outgoing !== null || variables.length === 0) return
  fileLogOf(options).warn('The environment names an outgoing proxy, which is not used', {
    variables: variables.join(', '),
    hint: 'for providers, certificates, traces and webhooks write outgoing = { proxy = "http://HOST:PORT" } into [server]',
  })
}

function fileLogOf({ worker, ports }: ServeOptions): Log {
  return worker?.fileLog ?? ports.log
}

/**
 * Says which rules ask for what a provider does not list, by asking for its discovery document: once for each start and each file that is
 * taken over, and only where a rule asks for such a thing. A provider that does not answer is none of this's business.
 */
function tellUnstated(config: Config, ports: Pick<Ports, 'now' | 'ask' | 'resolve' | 'proxyFor'>, log: Log): void {
  const quiet = () => undefined
  const silent = { now: ports.now, log: { debug: quiet, info: quiet, warn: quiet, error: quiet } }
  for (const provider of config.providers.values()) {
    const asked = askedOfProvider(config, provider.name)
    if (provider.users !== null || provider.oauth2 !== null || (!asked.maxAge && !asked.acr)) continue
    const source = createMetadataSource(
      provider,
      createProviderFetch(ports, DEFAULT_WIRE_LIMITS, reachOf(provider)),
      silent,
    )
    source.get().then(
      metadata => {
        for (const { claim, key } of unstatedClaims(metadata, asked)) {
          log.warn(
            'A provider does not list a claim that a rule needs: users who sign in again for it may be refused',
            {
              provider: provider.name,
              claim,
              key,
              hint: UNSTATED_HINT,
            },
          )
        }
      },
      () => undefined,
    )
  }
}
