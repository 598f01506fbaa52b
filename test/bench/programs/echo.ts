/** An upstream that sends every WebSocket message back, and answers other requests. Usage: bun echo.ts PORT */
export {}

const [port] = process.argv.slice(2)

Bun.serve<undefined>({
  port: Number(port),
  hostname: '127.0.0.1',
  fetch: (request, server) => (server.upgrade(request) ? undefined : new Response('an echo of WebSockets\n')),
  websocket: {
    message(socket, message) {
      socket.send(message)
    },
  },
})
