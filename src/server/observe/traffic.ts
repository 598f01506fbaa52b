/** Metrics of requests, by route and upstream. */

import { Tally } from '../../base/byte-counts.ts'
import type { ForwardMeter } from '../../proxy/forwarded.ts'
import { Named } from './label-limit.ts'
import { type Family, Histogram, histogramFamily, type Sample, simpleFamily } from './metric-family.ts'

/** What is counted of each request, by its route. Each call costs some 50 ns. */
export interface Traffic extends ForwardMeter {
  /** An answer is on its way: when its request came, by `tick`. Null: it belongs to no route. */
  finished(routeId: string | null, status: number, cameAtMs: number): void
  /** The names that have labels from now on. */
  retain(routeIds: Iterable<string>, upstreams: Iterable<string>): void
  families(): readonly Family[]
}

/** Requests to no route of the file: the portal's own pages, unknown hosts, and invented addresses. */
const NO_ROUTE = '(none)'

/** Of one route. By status class where there are six: index 2 is 2xx, 1 a WebSocket. */
interface RouteTraffic {
  readonly took: Histogram
  readonly answers: Float64Array
  readonly sent: readonly Tally[]
  readonly received: Tally
}

/** Counts requests and what they take; `tick` is a clock in milliseconds that is never set, and `onRequest` hears of each. */
export function createTraffic(tick: () => number, onRequest: () => void): Traffic {
  const routes = new Named<RouteTraffic>(createRouteTraffic)
  const nowhere = createRouteTraffic()
  const upstreams = new Named<Histogram>(() => new Histogram())

  function* routeEntries(): Iterable<readonly [string, RouteTraffic]> {
    yield* routes.entries()
    yield [NO_ROUTE, nowhere]
  }

  function* byClass(read: (one: RouteTraffic, statusClass: number) => number): Iterable<Sample> {
    for (const [route, one] of routeEntries()) {
      for (let at = 1; at <= 5; at++) {
        const value = read(one, at)
        if (value > 0) yield { labels: { route, class: `${at}xx` }, value }
      }
    }
  }

  function* received(): Iterable<Sample> {
    for (const [route, one] of routeEntries()) yield { labels: { route }, value: one.received.sum }
  }

  function* took(): Iterable<readonly [Readonly<Record<string, string>>, Histogram]> {
    for (const [route, one] of routeEntries()) yield [{ route }, one.took]
  }

  function* waited(): Iterable<readonly [Readonly<Record<string, string>>, Histogram]> {
    for (const [upstream, one] of upstreams.entries()) yield [{ upstream }, one]
  }

  return {
    tick,
    finished(routeId, status, cameAtMs) {
      const one = routeId === null ? nowhere : routes.of(routeId)
      const at = classOf(status)
      one.answers[at] = (one.answers[at] ?? 0) + 1
      one.took.observe(tick() - cameAtMs)
      onRequest()
    },
    answered: (upstream, tookMs) => upstreams.of(upstream).observe(tookMs),
    sent: (routeId, status) =>
      (routeId === null ? nowhere : routes.of(routeId)).sent[classOf(status)] ?? nowhere.received,
    received: routeId => routes.of(routeId).received,
    retain(routeIds, upstreamNames) {
      routes.retain(routeIds)
      upstreams.retain(upstreamNames)
    },
    families: () => [
      simpleFamily(
        'counter',
        'sallyport_requests_total',
        'Requests by route and status class.',
        byClass((one, at) => one.answers[at] ?? 0),
      ),
      histogramFamily(
        'sallyport_request_duration_seconds',
        'From the head of a request to the head of its answer.',
        took(),
      ),
      simpleFamily(
        'counter',
        'sallyport_response_body_bytes_total',
        'Bodies of applications and files, as far as they have been handed on; those that go on unseen once they are whole.',
        byClass((one, at) => one.sent[at]?.sum ?? 0),
      ),
      simpleFamily(
        'counter',
        'sallyport_request_body_bytes_total',
        'Bodies that went to applications; those that go on unseen once they are whole.',
        received(),
      ),
      histogramFamily(
        'sallyport_upstream_duration_seconds',
        'From sending a request to an upstream to the head of its answer.',
        waited(),
      ),
    ],
  }
}

function createRouteTraffic(): RouteTraffic {
  return {
    took: new Histogram(),
    answers: new Float64Array(6),
    sent: Array.from({ length: 6 }, () => new Tally()),
    received: new Tally(),
  }
}

/** 1 to 5. */
function classOf(status: number): number {
  return Math.min(5, Math.max(1, Math.floor(status / 100)))
}
