import type { ListenAddress } from '../config/types.ts'
import { listen } from './listen.ts'
import type { Live } from './live.ts'
import { type Gauge, type Metrics, renderMetrics } from './metrics.ts'

/** What the admin listener tells. */
export interface AdminSources {
  readonly live: Live
  readonly metrics: Metrics
  readonly gauges: readonly Gauge[]
  /** False once the process drains. */
  isReady(): boolean
}

/**
 * The admin listener: `/healthz` (alive), `/readyz` (taking requests; 503 while draining), `/config` (the file in force, and
 * why the last save was refused), `/metrics`. Never on the public listeners. Throws `listen.failed`.
 *
 * Reads only; a request with an Origin, which only a web page sends, is refused.
 */
export function openAdmin(address: ListenAddress, sources: AdminSources): Bun.Server<unknown> {
  return listen(address, {
    fetch(request) {
      if (request.headers.has('origin')) return text(403, 'not for web pages\n')
      if (request.method !== 'GET' && request.method !== 'HEAD') return text(405, 'read only\n')
      const { live } = sources
      switch (request.url.slice(request.url.indexOf('/', 8)).split('?')[0]) {
        case '/healthz':
          return text(200, 'ok\n')
        case '/readyz':
          return sources.isReady() ? text(200, 'ready\n') : text(503, 'draining\n')
        case '/config':
          return Response.json({
            fingerprint: live.current.fingerprint,
            routes: live.current.routes.length,
            last_read: new Date(live.state.atMs).toISOString(),
            refused: live.state.refusal,
          })
        case '/metrics':
          return new Response(renderMetrics(sources.metrics, sources.gauges), {
            headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
          })
        default:
          return text(404, '/healthz /readyz /config /metrics\n')
      }
    },
  })
}

function text(status: number, body: string): Response {
  return new Response(body, { status, headers: { 'content-type': 'text/plain; charset=utf-8' } })
}
