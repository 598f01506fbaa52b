/** Counters and gauges of the metrics, and their names. */

import type { OriginState, UpstreamPool } from '../../proxy/upstream/upstream.ts'
import { type Family, type Sample, simpleFamily } from './metric-family.ts'

/** Counts that the request path keeps as plain numbers; made into text only when someone asks. */
export interface Metrics {
  /** By status class: index 0 is unused, 2 is 2xx. */
  readonly responses: number[]
  signInsAsked: number
  denied: number
  upstreamErrors: number
  truncated: number
  tooLarge: number
  rateLimited: number
  openLimited: number
  /** Requests that waited for others' bodies before they were sent. */
  waited: number
  /** Requests that their clients gave up. */
  resets: number
  /** WebSockets that were closed for floods of pings or pongs. */
  socketFloods: number
  /** WebSockets closed for a message that is too long. */
  socketsTooLong: number
  /** Answers and uploads that were cut, by why. */
  readonly cut: Record<'stalled' | 'memory', number>
  reloads: number
  reloadsRefused: number
  /** Sessions that were bound to a device, proofs of devices that were taken, requests without one, and proofs by another device. */
  bound: number
  proofs: number
  unproven: number
  thefts: number
}

/** Counts of a process that has just started: all are nothing. */
export function createMetrics(): Metrics {
  return {
    responses: [0, 0, 0, 0, 0, 0],
    signInsAsked: 0,
    denied: 0,
    upstreamErrors: 0,
    truncated: 0,
    tooLarge: 0,
    rateLimited: 0,
    openLimited: 0,
    waited: 0,
    resets: 0,
    socketFloods: 0,
    socketsTooLong: 0,
    cut: { stalled: 0, memory: 0 },
    reloads: 0,
    reloadsRefused: 0,
    bound: 0,
    proofs: 0,
    unproven: 0,
    thefts: 0,
  }
}

/** A number that is read at each scrape; or several, with different labels. */
export interface Gauge {
  readonly name: string
  readonly help: string
  read(): number | readonly Sample[]
}

/** What the counts are called, in their order. */
export function countFamilies(metrics: Metrics): readonly Family[] {
  const classes = [1, 2, 3, 4, 5].map(at => ({ labels: { class: `${at}xx` }, value: metrics.responses[at] ?? 0 }))
  return [
    simpleFamily('counter', 'sallyport_responses_total', 'Responses by status class.', classes),
    counter('sign_ins_asked', 'Requests that were asked to sign in.', metrics.signInsAsked),
    counter('denied', 'Requests that a rule denied.', metrics.denied),
    counter('upstream_errors', 'Requests whose upstream failed.', metrics.upstreamErrors),
    counter(
      'truncated',
      'Answers that broke off after their beginning was sent, but for those that Bun alone sees.',
      metrics.truncated,
    ),
    counter('too_large', 'Requests whose body was longer than max_body.', metrics.tooLarge),
    counter('rate_limited', 'Requests that came faster than a rate allows.', metrics.rateLimited),
    counter('open_limited', 'Requests of clients that had max_open under way.', metrics.openLimited),
    counter('waited', 'Requests that waited before they were sent, since bodies used up stall_memory.', metrics.waited),
    counter('resets', 'Requests that clients gave up by HTTPS before they were answered.', metrics.resets),
    counter('websocket_floods', 'WebSockets closed for their floods of pings or pongs.', metrics.socketFloods),
    counter(
      'websocket_too_long',
      'WebSockets closed for a message longer than max_message, or for more than the application takes.',
      metrics.socketsTooLong,
    ),
    counter('stalled', 'Answers and uploads cut for want of progress.', metrics.cut.stalled),
    counter('memory_cut', 'Answers and uploads cut to stay within stall_memory.', metrics.cut.memory),
    counter('reloads', 'Configurations taken over.', metrics.reloads),
    counter('reloads_refused', 'Configurations refused for their mistakes.', metrics.reloadsRefused),
    counter('sessions_bound', 'Sessions that were bound to a device.', metrics.bound),
    counter('session_proofs', 'Proofs by which devices renewed their sessions.', metrics.proofs),
    counter(
      'session_unproven',
      'Noted requests that brought the cookie of a bound session without the proof of its device.',
      metrics.unproven,
    ),
    counter('session_thefts', 'Bound sessions that ended, since another device signed for them.', metrics.thefts),
  ]
}

function counter(name: string, help: string, value: number): Family {
  return simpleFamily('counter', `sallyport_${name}_total`, help, value)
}

/** A family for each gauge, as it is at this moment. */
export function gaugeFamilies(gauges: readonly Gauge[]): readonly Family[] {
  return gauges.map(({ name, help, read }) => simpleFamily('gauge', `sallyport_${name}`, help, read()))
}

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
