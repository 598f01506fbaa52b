import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { Socket } from 'node:net'
import { freePort } from '../programs/child.ts'

/** An application behind the gate, that tests can look into. Ends with its scope: `await using app = await startApp(…)`. */
export interface App extends AsyncDisposable {
  readonly port: number
  /** Paths of all requests so far, in order. */
  readonly paths: readonly string[]
  /** How many connections were ever accepted. */
  readonly connections: number
  /** Requests that have no whole answer yet. */
  readonly underWay: number
  /** Stops, cutting every connection; the port is then refused, and no other program is given it. */
  stop(): Promise<void>
}

export interface AppOptions {
  /** The port of an app that was stopped. */
  readonly port?: number
  /** HTTPS with these, as node:https takes them. */
  readonly tls?: {
    readonly cert: string
    readonly key: string
    readonly ca?: string
    readonly requestCert?: boolean
    readonly rejectUnauthorized?: boolean
  }
}

export type AppHandler = (request: IncomingMessage, response: ServerResponse) => void

/** Starts an application on loopback; a text instead of a handler is what it answers to everything. */
export async function startApp(handler: AppHandler | string, options: AppOptions = {}): Promise<App> {
  const port = options.port ?? (await freePort())
  const paths: string[] = []
  const sockets = new Set<Socket>()
  let connections = 0
  let underWay = 0
  const answer =
    typeof handler === 'string' ? (_: IncomingMessage, response: ServerResponse) => response.end(handler) : handler
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    paths.push(request.url ?? '')
    underWay++
    response.once('close', () => underWay--)
    answer(request, response)
  }
  const server = options.tls === undefined ? createServer(listener) : createSecureServer(options.tls, listener)
  // By itself it ends a connection after five idle seconds: a POST that comes just then is lost, as it may be with any application.
  server.keepAliveTimeout = 240_000
  server.on('tlsClientError', () => {})
  server.on(options.tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
    connections++
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  const stop = async (): Promise<void> => {
    if (!server.listening) return
    const closed = new Promise(resolve => server.close(resolve))
    for (const socket of sockets) socket.destroy()
    await closed
  }
  return {
    port,
    paths,
    get connections() {
      return connections
    },
    get underWay() {
      return underWay
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}
