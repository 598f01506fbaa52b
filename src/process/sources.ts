import { certificateGauges } from '../server/acme/expiry.ts'
import type { Fronts } from '../server/listen/fronts.ts'
import { type AdminSources, configState } from '../server/observe/admin.ts'
import { type Gauge, renderMetrics } from '../server/observe/metrics.ts'
import { upstreamGauges } from '../server/observe/upstream-gauges.ts'
import type { Parts } from './parts.ts'

/** What the admin listener tells of a server. */
export function sourcesOf(
  { live, metrics, relay, bodies, upstreams, first, certificates, fileState }: Parts,
  fronts: () => Fronts,
  isDraining: () => boolean,
): AdminSources {
  const { flows, streams } = bodies
  const gauges: readonly Gauge[] = [
    { name: 'requests_in_flight', help: 'Requests being answered.', read: () => fronts().pendingRequests },
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
    ...(first.snapshot.config.tls === null ? [] : certificateGauges(certificates)),
  ]
  return {
    unready: () => (isDraining() ? 'draining' : null),
    config() {
      const { fingerprint, routes } = live.current
      return configState({ fingerprint, routeCount: routes.length }, live.state, fileState())
    },
    metrics: () => renderMetrics(metrics, gauges),
  }
}
