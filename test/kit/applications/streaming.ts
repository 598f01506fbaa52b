/** An event stream that says `begun` and never ends by itself. */
function beginEvents(): Response {
  const body = new ReadableStream({
    start: controller => controller.enqueue(new TextEncoder().encode('data: begun\n\n')),
  })
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
}

/**
 * An application with pages, with an event stream at every path that ends in `/events`, and with WebSockets for whoever asks.
 * Ends with its scope, or by `stop`.
 *
 * `say` is called for each request, and answers the text of the page.
 */
export function startStreaming(say: (request: Request) => string = () => 'a page'): Bun.Server<undefined> {
  return Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    idleTimeout: 0,
    fetch(request, server) {
      const text = say(request)
      if (server.upgrade(request)) return undefined
      return new URL(request.url).pathname.endsWith('/events') ? beginEvents() : new Response(text)
    },
    websocket: { message: () => undefined },
  })
}
