/** The admin listener of one server: where each of its answers comes from. */

import { inTime } from '../../base/maybe-promise.ts'
import type { Ports } from '../../base/ports.ts'
import { certificateGauges } from '../../server/acme/expiry.ts'
import type { Listeners } from '../../server/listen/listeners.ts'
import { type AdminSources, configState } from '../../server/observe/admin-listener.ts'
import { countFamilies, type Gauge, gaugeFamilies, upstreamGauges } from '../../server/observe/counts.ts'
import { type Family, simpleFamily } from '../../server/observe/metric-family.ts'
import { createReadiness, STORE_MS } from '../../server/observe/readiness.ts'
import { differing, gatesNow, type StatusFacts } from '../../server/observe/status.ts'
import type { ClockState } from '../../session/clock-watch.ts'
import type { GateView } from '../../session/gates.ts'
import { damagedOf } from '../../session/sqlite/companion-files.ts'
import type { Server } from '../server.ts'
import { processFamilies } from './process-metrics.ts'

/** What only the server itself knows. */
export interface ServerState {
  listeners(): Listeners
  isDraining(): boolean
  /** Whether this process may open one more file or connection. */
  mayOpen(): boolean
}

/** What the admin listener shows of a server. */
export function sourcesOf(
  parts: Server,
  ports: Pick<Ports, 'now' | 'log'>,
  { listeners, isDraining, mayOpen }: ServerState,
): AdminSources {
  const { live, metrics, meters, relay, bodies, upstreams, first, certificates, fileState } = parts
  const { flows, streams } = bodies
  const gauges: readonly Gauge[] = [
    { name: 'requests_in_flight', help: 'Requests being answered.', read: () => listeners().pendingRequests },
    { name: 'websockets_open', help: 'Open WebSockets.', read: () => relay.openCount },
    { name: 'answers_open', help: 'Answers under way, event streams among them.', read: () => flows.open.answers },
    { name: 'uploads_open', help: 'Requests whose bodies are being sent.', read: () => flows.open.uploads },
    {
      name: 'untaken_bytes',
      help: 'Memory that unread answers and uploads may hold.',
      read: () => flows.heldBytes,
    },
    { name: 'event_streams_open', help: 'Open event streams.', read: () => streams.size },
    ...upstreamGauges(upstreams),
    ...(first.snapshot.config.tls === null ? [] : certificateGauges(certificates)),
  ]
  const { pool, sessions } = parts
  const tls = () => live.current.config.tls
  return {
    unready: createReadiness({
      isDraining,
      mayOpen,
      readStore: parts.storeCheck.read,
      writeStore: parts.storeCheck.write,
      certificates: () => (first.snapshot.config.tls === null || tls()?.acme != null ? null : certificates()),
      log: ports.log,
      now: ports.now,
      tick: () => performance.now(),
    }),
    damaged: () => damagedOf(first.snapshot.config.sessions),
    config() {
      const { fingerprint, routes } = live.current
      return configState({ fingerprint, routeCount: routes.length }, live.state, fileState())
    },
    async metrics() {
      const alive = await aliveSessions(sessions)
      return [
        ...countFamilies(metrics),
        ...gaugeFamilies(gauges),
        ...(alive === null ? [] : [sessionFamily(alive)]),
        ...cacheFamilies(sessions.cacheSize()),
        ...clockFamilies(sessions.clock()),
        ...gateFamilies(await gatesNow(sessions.gates)),
        ...((await meters?.families()) ?? []),
        ...processFamilies(),
      ]
    },
    async status() {
      const { config, routes } = live.current
      const told: StatusFacts = {
        applications: routes.flatMap(({ config: { id, name, host }, upstream }) =>
          upstream === null ? [] : [{ id, name, host, upstream: upstream.label }],
        ),
        origins: parts.viewNow().origins,
        sessions: await aliveSessions(sessions),
        clock: sessions.clock(),
        gates: await gatesNow(sessions.gates),
        certificates: certificates().map(({ names, expiresAtMs }) => ({ names, endsAtMs: expiresAtMs })),
        awaited: parts.awaited(),
        providers: [...config.providers.values()]
          .filter(({ users }) => users === null)
          .map(provider => ({
            name: provider.name,
            label: provider.label,
            state: pool.client(provider).state().kind,
          })),
      }
      return [told]
    },
    workers: () => ({ total: 1, listening: isDraining() ? 0 : 1 }),
  }
}

/** How many people are signed in, each browser counted; null where the store does not say so in time. */
async function aliveSessions(sessions: Server['sessions']): Promise<number | null> {
  try {
    return await inTime(sessions.count(), STORE_MS, null)
  } catch {
    return null
  }
}

/** By how much the clock differs from the store's, and whether it is trusted. */
function clockFamilies({ aheadMs, isTrusted }: ClockState): readonly Family[] {
  return [
    simpleFamily(
      'gauge',
      'sallyport_clock_ahead_seconds',
      'How far the clock of this machine is ahead of that of the session store, below 0 where it is behind; 0 for SQLite.',
      (aheadMs ?? 0) / 1000,
    ),
    simpleFamily(
      'gauge',
      'sallyport_clock_untrusted',
      'Processes that remove nothing from the session store: their clock differs from its, or was set a moment ago.',
      isTrusted ? 0 : 1,
    ),
  ]
}

function gateFamilies(gates: readonly GateView[]): readonly Family[] {
  return [
    simpleFamily(
      'gauge',
      'sallyport_gates',
      'Gates that share the session store, this one too; 1 for SQLite.',
      gates.length,
    ),
    simpleFamily(
      'gauge',
      'sallyport_gates_other_file',
      'Gates of the same session store that run another file than this one.',
      differing(gates),
    ),
  ]
}

function cacheFamilies({ bytes, maxBytes }: ReturnType<Server['sessions']['cacheSize']>): readonly Family[] {
  return [
    simpleFamily(
      'gauge',
      'sallyport_session_cache_bytes',
      'Memory that sessions take in front of the store, as far as it is counted, of all processes.',
      bytes,
    ),
    simpleFamily(
      'gauge',
      'sallyport_session_cache_max_bytes',
      'What cache lets them take, of all processes.',
      maxBytes,
    ),
  ]
}

function sessionFamily(alive: number): Family {
  return simpleFamily(
    'gauge',
    'sallyport_sessions',
    'Sign-ins that have not come to their end, of all processes and machines.',
    alive,
  )
}
