import type { Server } from 'bun'
import { type DemoSite, SERVICE_SCRIPT, type SeenRequest, servicePage } from './service-page.ts'

const CLOCK_MS = 1000

/**
 * The demo service on one address: an application as it stands behind Sallyport.
 *
 * `/demo/clock` streams the time as server-sent events, `/demo/echo` is a WebSocket, `/demo/upload` counts a body's bytes,
 * `/demo/name` says who asks, `/demo/request` is the request as JSON, and every other path is the page.
 */
export function serveDemoService(hostname: string, port: number, sites: readonly DemoSite[]): Server<undefined> {
  const scriptHash = new Bun.CryptoHasher('sha256').update(SERVICE_SCRIPT).digest('base64')
  const pageHeaders = {
    'cache-control': 'no-store',
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': `default-src 'none'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; script-src 'sha256-${scriptHash}'`,
    'x-content-type-options': 'nosniff',
  }
  return Bun.serve({
    hostname,
    port,
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    async fetch(request, server) {
      const seen = seenRequest(request)
      switch (new URL(request.url).pathname) {
        case '/demo/clock':
          // The stream is quiet for as long as a reader likes; Bun would cut it after ten seconds.
          server.timeout(request, 0)
          return clockStream(request.signal)
        case '/demo/echo':
          if (server.upgrade(request)) return undefined
          return new Response('This address speaks WebSocket.', { status: 426, headers: { upgrade: 'websocket' } })
        case '/demo/upload':
          server.timeout(request, 0)
          return plainText(`${await countBytes(request)} bytes arrived`)
        case '/demo/name': {
          const name = request.headers.get('x-token-user-name')
          return plainText(name === null ? 'no name arrived' : `the name that arrived: ${name}`)
        }
        case '/demo/request':
          return Response.json(seen, { headers: { 'cache-control': 'no-store' } })
        default:
          return new Response(String(await servicePage(seen, sites)), { headers: pageHeaders })
      }
    },
    websocket: {
      idleTimeout: 0,
      message(socket, message) {
        socket.send(message)
      },
    },
  })
}

function seenRequest(request: Request): SeenRequest {
  const address = new URL(request.url)
  const headers = [...request.headers].sort(([left], [right]) => (left < right ? -1 : 1))
  return { host: address.hostname, method: request.method, target: address.pathname + address.search, headers }
}

function clockStream(signal: AbortSignal): Response {
  const encoder = new TextEncoder()
  let timer: ReturnType<typeof setInterval> | undefined
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const tick = () => controller.enqueue(encoder.encode(`data: ${new Date().toTimeString().slice(0, 8)}\n\n`))
      tick()
      timer = setInterval(tick, CLOCK_MS)
      signal.addEventListener('abort', () => clearInterval(timer))
    },
    cancel() {
      clearInterval(timer)
    },
  })
  return new Response(body, { headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' } })
}

/** Counts without keeping: an upload of any size takes the memory of one piece. */
async function countBytes(request: Request): Promise<number> {
  let count = 0
  if (request.body !== null) for await (const piece of request.body) count += piece.byteLength
  return count
}

function plainText(text: string): Response {
  return new Response(text, { headers: { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' } })
}
