import { expect } from 'bun:test'
import { connect, type Socket } from 'node:net'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { compiledBinary } from '../../kit/programs/binary.ts'
import { freePort, startChild } from '../../kit/programs/child.ts'
import { routeTo } from '../../kit/toml.ts'
import { askForWebSocket } from '../../kit/wire/websocket.ts'
import { openWire } from '../../kit/wire/wire.ts'

const keep = untilTheEnd()
/** What answers wait for. */
let held = Promise.resolve()
/** It keeps no connection, so that each request needs one more. */
const upstream = keep(
  Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch() {
      await held
      return new Response('here', { headers: { connection: 'close' } })
    },
  }),
)

/** More connections of those who came before, for each worker, than there are descriptors in reserve. */
const KNOWN = 44

/** What one client may have open. */
const MOST = 40

/** Far more than the program may open. */
const CLIENTS = 300
const LIMIT = 192

const SHORT = 'No file or connection can be opened any more'
const OVER = 'Files and connections can be opened again'

function ask(port: number, host: string, path = '/'): Promise<number> {
  const headers = { host, connection: 'close' }
  return fetch(`http://127.0.0.1:${port}${path}`, { headers, keepalive: false }).then(({ status }) => status)
}

// Elsewhere listeners cannot be paused, and nothing is left for those who came before.
needs('/proc').test.each([
  ['one process', 1],
  ['each of two workers', 2],
])(
  'when %s may open no more it is told once, blames nobody, and goes on when it may',
  async (_what, workers) => {
    using folder = temporaryFolder()
    const [port, admin] = [await freePort(), await freePort()]
    const route = routeTo(upstream, 'app.example', 'allow = "public"')
    const limited = ['sh', '-c', `ulimit -n ${LIMIT}; exec "$0" "$@"`, await compiledBinary()]
    const toml = `workers = ${workers}\nadmin = "127.0.0.1:${admin}"\ndrain = "1s"\n${route}`
    await using child = await startChild({ command: limited, folder: folder.path, port, toml })
    const told = (what: string) => child.output().split(what).length - 1
    const known = await Promise.all(Array.from({ length: KNOWN * workers }, () => openWire(port)))
    const askOn = (whenShort = () => {}) =>
      Promise.all(
        known.map(async wire => {
          await wire.send('GET / HTTP/1.1\r\nHost: app.example\r\nAccept: application/json\r\n\r\n')
          const { status } = await wire.receive()
          if (status === 503) whenShort()
          return status
        }),
      )

    // Bun closes a connection that asks for nothing in its first ten seconds.
    expect(new Set(await askOn())).toEqual(new Set([200]))
    const crowd: Socket[] = Array.from({ length: CLIENTS * workers }, () =>
      connect(port, '127.0.0.1').on('error', () => undefined),
    )
    await eventually(() => told(SHORT) === workers, 'it is told')
    // What is left is for them, and for the admin listener.
    const short = Promise.withResolvers<void>()
    held = short.promise
    expect(new Set(await askOn(short.resolve))).toEqual(new Set([200, 503]))
    expect(await ask(admin, 'localhost', '/healthz')).toBe(200)
    expect(await ask(admin, 'localhost', '/metrics')).toBe(200)

    for (const socket of crowd) socket.destroy()
    await eventually(() => told(OVER) === workers, 'it is told that it is over')
    expect(new Set([...(await askOn()), await ask(port, 'app.example')])).toEqual(new Set([200]))
    expect([told(SHORT), told('A request could not be answered'), told('is down')]).toEqual([workers, 0, 0])
    for (const wire of known) wire.close()
  },
  300_000,
)

/** What waits for an answer, each with a connection of its own, until somebody finds none left. */
const holding = keep(
  Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request, server) {
      await held
      return server.upgrade(request) ? undefined : new Response('here')
    },
    websocket: { message() {} },
  }),
)

needs('/proc').test(
  'a WebSocket for which no connection can be opened is told so, and the application is not blamed',
  async () => {
    using folder = temporaryFolder()
    const [port, admin] = [await freePort(), await freePort()]
    const route = routeTo(holding, 'app.example', `allow = "public"`)
    const limited = ['sh', '-c', `ulimit -n ${LIMIT}; exec "$0" "$@"`, await compiledBinary()]
    const toml = `admin = "127.0.0.1:${admin}"\ndrain = "1s"\n${route}`
    await using child = await startChild({ command: limited, folder: folder.path, port, toml })
    const told = (what: string) => child.output().split(what).length - 1
    const short = Promise.withResolvers<void>()
    const known = await Promise.all(Array.from({ length: KNOWN }, () => openWire(port)))
    for (const wire of known) {
      await wire.send('GET /.sallyport/nothing HTTP/1.1\r\nHost: app.example\r\n\r\n')
      await wire.receive()
    }
    const crowd = Array.from({ length: CLIENTS }, () => connect(port, '127.0.0.1').on('error', () => undefined))
    await eventually(() => told(SHORT) === 1, 'it is told')
    held = short.promise
    const answers = await Promise.all(
      known.map(async wire => {
        await wire.send(askForWebSocket('app.example', '/', ['Accept: application/json']))
        const { status, body } = await wire.receive()
        if (status >= 500) short.resolve()
        return status < 400 ? 'passed' : `${status} ${/"code":"([^"]*)"/.exec(body.toString())?.[1]}`
      }),
    )
    expect(new Set(answers)).toEqual(new Set(['passed', '503 limit.descriptors']))
    for (const socket of crowd) socket.destroy()
    await eventually(() => told(OVER) === 1, 'it is told that it is over')
    expect([told('A request could not be answered'), told('is down')]).toEqual([0, 0])
    for (const wire of known) wire.close()
  },
  300_000,
)

needs('127.0.0.2').test(
  'a client that has more connections open than it may loses the quietest, and everybody else is answered',
  async () => {
    using folder = temporaryFolder()
    const [port, admin] = [await freePort(), await freePort()]
    const route = routeTo(upstream, 'app.example', 'allow = "public"')
    const limited = ['sh', '-c', `ulimit -n ${LIMIT}; exec "$0" "$@"`, await compiledBinary()]
    const toml = `admin = "127.0.0.1:${admin}"\ndrain = "1s"\nmax_client_connections = ${MOST}\n${route}`
    await using child = await startChild({ command: limited, folder: folder.path, port, toml })
    const request = 'GET / HTTP/1.1\r\nHost: app.example\r\n\r\n'
    const open = async (from: string) => {
      const wire = await openWire(port, from)
      await wire.send(request)
      expect((await wire.receive()).status).toBe(200)
      return wire
    }
    const other = await open('127.0.0.3')
    // Not one more than it may: these would be closed before they have their answers.
    const idle = await Promise.all(Array.from({ length: MOST }, () => open('127.0.0.2')))
    const crowd = Array.from({ length: CLIENTS }, () =>
      connect({ port, host: '127.0.0.1', localAddress: '127.0.0.2' }).on('error', () => undefined),
    )
    await eventually(() => child.output().includes('Connections of a client were closed'), 'it is told')
    const told = child
      .output()
      .split('\n')
      .find(line => line.includes('Connections of a client were closed'))
    expect(JSON.parse(told ?? '')).toMatchObject({ level: 'warn', client: '127.0.0.2' })
    // The system's queue has the rest of them, which are accepted one after another, and closed as well.
    await eventually(() => idle.filter(({ isClosed }) => isClosed).length >= 5, 'the quietest are closed')
    // Until then a request may still find no descriptor, and get 503.
    await eventually(() => crowd.filter(({ destroyed }) => !destroyed).length <= MOST, 'the crowd is let in and closed')
    await other.send(request)
    expect((await other.receive()).status).toBe(200)
    expect(await ask(port, 'app.example')).toBe(200)
    for (const socket of crowd) socket.destroy()
    for (const wire of [other, ...idle]) wire.close()
  },
  300_000,
)
