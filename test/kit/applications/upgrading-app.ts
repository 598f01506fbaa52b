import { createServer, type Socket } from 'node:net'

/** An application that speaks HTTP/2 to whoever asks for it by `Upgrade` (RFC 7540 §3.2), as Hypercorn and Jetty do. */
export interface UpgradingApp extends AsyncDisposable {
  readonly port: number
  /** The Upgrade fields of each request so far, in order, as they came. */
  readonly upgrades: readonly (readonly string[])[]
  /** What came on connections after they had switched: requests that nobody has judged. */
  readonly unjudged: readonly string[]
}

/** It takes `h2c` in any place of any Upgrade field, in any case: more than any application would. */
export async function startUpgradingApp(): Promise<UpgradingApp> {
  const upgrades: (readonly string[])[] = []
  const unjudged: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    let text = ''
    let hasSwitched = false
    socket.setEncoding('latin1')
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (chunk: string) => {
      if (hasSwitched) {
        unjudged.push(chunk)
        return
      }
      text += chunk
      const end = text.indexOf('\r\n\r\n')
      if (end === -1) return
      const found = [...text.slice(0, end).matchAll(/\r\nupgrade:[ \t]*([^\r]*)/gi)].map(([, value = '']) => value)
      upgrades.push(found)
      hasSwitched = /h2c/i.test(found.join())
      const rest = text.slice(end + 4)
      if (!hasSwitched) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nplain')
      else socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n')
      if (hasSwitched && rest !== '') unjudged.push(rest)
    })
  })
  const { promise, resolve } = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', resolve)
  await promise
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('it listens on no port')
  return {
    port: address.port,
    upgrades,
    unjudged,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise(done => server.close(done))
    },
  }
}
