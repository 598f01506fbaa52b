import type { Server, ServerWebSocket } from 'bun'

/** What an application got, as it came. */
export interface Received {
  /** Which of the applications. */
  readonly application: string
  readonly method: string
  /** Path and query. */
  readonly target: string
  /** Lower-case names. */
  readonly fields: Readonly<Record<string, string>>
  readonly body: string
}

/** Applications that tell what they were told. Each name has a port of its own. */
export interface TellingApp extends AsyncDisposable {
  portOf(application: string): number
  /** Every request so far, in order. */
  readonly received: readonly Received[]
}

/** How long `/events` is silent after its first event: a proxy that holds it back shows nothing until it ends. */
const SILENT_MS = 60_000

/**
 * Starts an application for each name. It answers who asked, by `Remote-User`, for which path; what ends with `/events` is an event
 * stream that says one thing and stays open, with `/socket` a WebSocket that echoes. Who is to listen in place of one gives it a port.
 */
export async function startTellingApp(
  applications: readonly string[],
  ports: Readonly<Record<string, number>> = {},
): Promise<TellingApp> {
  const received: Received[] = []
  const servers = new Map<string, Server<undefined>>()
  for (const application of applications) {
    const server = Bun.serve({
      port: ports[application] ?? 0,
      hostname: '127.0.0.1',
      idleTimeout: 0,
      async fetch(request, self) {
        const { pathname, search } = new URL(request.url)
        const fields = request.headers.toJSON() as Record<string, string>
        received.push({
          application,
          method: request.method,
          target: pathname + search,
          fields,
          body: await request.text(),
        })
        if (pathname.endsWith('/socket') && self.upgrade(request)) return undefined
        if (pathname.endsWith('/events'))
          return new Response(oneEvent(), { headers: { 'content-type': 'text/event-stream' } })
        return new Response(`${fields['remote-user'] ?? 'nobody'} sees ${pathname}${search}`)
      },
      websocket: {
        message: (socket: ServerWebSocket<undefined>, text) => void socket.send(`echo ${text}`),
      },
    })
    servers.set(application, server)
  }
  return {
    received,
    portOf(application) {
      const port = servers.get(application)?.port
      if (port === undefined) throw new Error(`no application is called ${application}`)
      return port
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...servers.values()].map(server => server.stop(true)))
    },
  }
}

function oneEvent(): ReadableStream<Uint8Array> {
  let timer: Timer
  return new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode('data: first\n\n'))
      timer = setTimeout(() => controller.close(), SILENT_MS)
    },
    cancel: () => clearTimeout(timer),
  })
}
