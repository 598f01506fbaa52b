import type { OriginState, UpstreamPool } from '../../proxy/upstream/upstream.ts'
import type { Sample } from './family.ts'
import type { Gauge } from './metrics.ts'

/** What is known about each address of each upstream, for the metrics. Sums over workers mean what they say. */
export function upstreamGauges(pool: UpstreamPool): readonly Gauge[] {
  return [
    {
      name: 'upstream_down',
      help: 'Workers that leave an address out as long as there are others: requests or checks failed there.',
      read: () => samplesOf(pool.states(), state => (state.isUp ? 0 : 1)),
    },
    {
      name: 'upstream_in_flight',
      help: 'Requests that wait for an address to answer, answers that are counted to their end, and WebSockets.',
      read: () => samplesOf(pool.states(), state => state.inFlight),
    },
  ]
}

function samplesOf(states: readonly OriginState[], measure: (state: OriginState) => number): readonly Sample[] {
  return states.map(state => ({
    labels: { upstream: state.upstream, address: state.address },
    value: measure(state),
  }))
}
