import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from 'bun:test'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect as connectTcp, createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Server } from 'bun'
import { WebSocket as Client, WebSocketServer } from 'ws'
import { GateError } from '../../../src/base/errors.ts'
import type { Log } from '../../../src/base/ports.ts'
import type { UpstreamAddress } from '../../../src/config/values/address.ts'
import { makeIdentity } from '../../../src/identity/identity.ts'
import { dialUpstream } from '../../../src/proxy/websocket/dial.ts'
import { FrameEncoder } from '../../../src/proxy/websocket/encoder.ts'
import { checkHandshake, parseProtocols, VERSION_FIELDS } from '../../../src/proxy/websocket/handshake.ts'
import { connectByBun } from '../../../src/proxy/websocket/plain-socket.ts'
import { createWebSocketRelay, type RelayData, type WebSocketRelay } from '../../../src/proxy/websocket/relay.ts'
import { createUpstreamSocket } from '../../../src/proxy/websocket/upstream.ts'
import { parseTarget } from '../../../src/route/target.ts'
import type { Session } from '../../../src/session/session.ts'
import { patienceMs } from '../../kit/clock.ts'
import {
  acceptWebSocket,
  frameBytes,
  framesIn,
  WEBSOCKET_KEY as KEY,
  WEBSOCKET_FIELDS,
} from '../../kit/wire/websocket.ts'
import {
  hasHead,
  openWire,
  type RawUpstream,
  sendRaw,
  startRawUpstream,
  type UpstreamConnection,
} from '../../kit/wire/wire.ts'

const stops: (() => unknown)[] = []
const folder = mkdtempSync(join(tmpdir(), 'websocket-'))
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
})
afterAll(() => rmSync(folder, { recursive: true }))

interface Proxy {
  readonly server: Server<RelayData>
  readonly port: number
  readonly relay: WebSocketRelay
  readonly logged: string[]
}

interface ProxyOptions {
  readonly timeoutMs?: number
  readonly random?: (byteCount: number) => Uint8Array
  readonly idleS?: number
  readonly readWaitMs?: number
  readonly lastWordsMs?: number
  readonly maxMessageBytes?: number
}

/** A gate that does what the pipeline does around the code under test, and nothing else. */
function startProxy(address: UpstreamAddress, options: ProxyOptions = {}): Proxy {
  const logged: string[] = []
  const note = (message: string): void => void logged.push(message)
  const log: Log = { debug: note, info: note, warn: note, error: note }
  const relay = createWebSocketRelay(log, {
    idleS: options.idleS ?? 120,
    now: Date.now,
    ...(options.readWaitMs === undefined ? {} : { readWaitMs: options.readWaitMs }),
    ...(options.lastWordsMs === undefined ? {} : { lastWordsMs: options.lastWordsMs }),
    ...(options.maxMessageBytes === undefined ? {} : { maxMessageBytes: options.maxMessageBytes }),
  })
  const encoder = new FrameEncoder(options.random ?? randomBytes)
  const server = Bun.serve<RelayData>({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request, server) {
      const fault = checkHandshake(request)
      if (fault !== null) {
        return new Response(fault.code, {
          status: fault.status,
          headers: fault.code === 'websocket.version' ? VERSION_FIELDS : {},
        })
      }
      const { pathname, search } = new URL(request.url)
      try {
        const dialled = await dialUpstream({
          address,
          path: pathname + search,
          headers: Object.fromEntries(request.headers),
          protocols: parseProtocols(request.headers) ?? [],
          timeoutMs: options.timeoutMs ?? 5000,
          random: options.random ?? randomBytes,
          encoder,
          offersDeflate: false,
          signal: request.signal,
        })
        if (dialled.kind === 'refused') return dialled.response
        return relay.upgrade(server, request, dialled, {
          routeId: pathname,
          session: sessionOf(request.headers.get('x-session')),
          elsewhere: null,
          sent: {},
          method: request.method,
          client: '127.0.0.1',
          target: parseTarget('GET', '/', 'app.example'),
          isWebSocket: true,
          headers: dialled.headers,
        })
      } catch (error) {
        if (!(error instanceof GateError)) throw error
        return new Response(error.code, { status: error.status })
      }
    },
    websocket: relay.handlers,
  })
  stops.push(() => server.stop(true))
  return { server, port: server.port ?? 0, relay, logged }
}

function sessionOf(id: string | null): Session | null {
  if (id === null) return null
  return {
    id,
    portal: 'home',
    identity: makeIdentity('p', 'https://id.example', id, {}),
    isRemembered: false,
    createdAtMs: 0,
    expiresAtMs: 1,
  }
}

const tcp = (port: number, basePath = ''): UpstreamAddress => ({
  kind: 'url',
  scheme: 'http',
  authority: `127.0.0.1:${port}`,
  basePath,
})

async function startServer(options: ConstructorParameters<typeof WebSocketServer>[0] = {}): Promise<WebSocketServer> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', ...options })
  await once(server, 'listening')
  stops.push(() => {
    for (const client of server.clients) client.terminate()
    server.close()
  })
  return server
}

function portOf(server: WebSocketServer): number {
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('not listening')
  return address.port
}

/**
 * Two clients that say nothing, of whom one has vanished. Bun waits up to eight seconds, in which the tests before this one run: light
 * ones, since who is busy for seconds answers no more than who has vanished.
 */
async function beSilent() {
  const server = await startServer()
  const closedUpstream: string[] = []
  server.on('connection', (socket, request) => socket.on('close', () => closedUpstream.push(request.url ?? '')))
  const proxy = startProxy(tcp(portOf(server)), { idleS: 8 })
  const alive = await connect(proxy, '/alive')
  const heard = { pings: 0 }
  alive.on('ping', () => heard.pings++)
  const vanished = await connect(proxy, '/vanished')
  vanished.pause()
  return { server, closedUpstream, alive, heard }
}

let silence: ReturnType<typeof beSilent>
const stopsLast: typeof stops = []
beforeAll(async () => {
  silence = beSilent()
  await silence
  stopsLast.push(...stops.splice(0))
})
afterAll(async () => {
  for (const stop of stopsLast.reverse()) await stop()
})

/** An upstream that accepts the handshake as it should, and then has the raw connection to itself. */
async function startRaw(then: (connection: UpstreamConnection) => Promise<void> | void): Promise<RawUpstream> {
  const upstream = await startRawUpstream(async connection => {
    await connection.send(acceptWebSocket(await connection.receive({ until: hasHead })))
    await then(connection)
  })
  stops.push(() => upstream.close())
  return upstream
}

async function startScript(...script: (string | number)[]): Promise<RawUpstream> {
  const upstream = await startRawUpstream(script)
  stops.push(() => upstream.close())
  return upstream
}

/** A frame as a server sends it; `first` is the byte with FIN and the opcode. */
function frame(first: number, payload: Uint8Array | string): Buffer {
  return frameBytes(
    { opcode: first & 15, isFinal: first >= 0x80, reserved: (first >> 4) & 7, payload: Buffer.from(payload) },
    null,
  )
}

interface Told {
  readonly code: number
  readonly reason: string
}

async function connect(proxy: Proxy, path = '/', protocols: string[] = [], headers = {}): Promise<Client> {
  const client = new Client(`ws://127.0.0.1:${proxy.port}${path}`, protocols, { headers })
  stops.push(() => client.terminate())
  await once(client, 'open')
  return client
}

async function closed(socket: Client | import('ws').WebSocket): Promise<Told> {
  const [code, reason] = await once(socket, 'close')
  return { code: Number(code), reason: String(reason) }
}

/** Both ends of one relayed connection. */
async function connectBoth(): Promise<{ proxy: Proxy; client: Client; upstream: import('ws').WebSocket }> {
  const server = await startServer()
  const proxy = startProxy(tcp(portOf(server)))
  const accepted = once(server, 'connection')
  const client = await connect(proxy)
  const [upstream] = await accepted
  return { proxy, client, upstream }
}

async function until(holds: () => boolean, limitMs = 10_000): Promise<void> {
  const deadline = performance.now() + patienceMs(limitMs)
  while (!holds()) {
    if (performance.now() > deadline) throw new Error('it never came true')
    await Bun.sleep(5)
  }
}

const ask = (...fields: string[]): string =>
  ['GET /chat?room=1 HTTP/1.1', 'Host: app.example', ...fields, '', ''].join('\r\n')
const without = (name: string, ...more: string[]): string =>
  ask(...WEBSOCKET_FIELDS.filter(field => !field.startsWith(`${name}:`)), ...more)

describe('the handshake', () => {
  test.each([
    ['no key', without('Sec-WebSocket-Key'), 400],
    ['a key of 15 bytes', without('Sec-WebSocket-Key', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j'), 400],
    ['a key that is not base64', without('Sec-WebSocket-Key', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ!=='), 400],
    ['two keys', ask(...WEBSOCKET_FIELDS, `Sec-WebSocket-Key: ${KEY}`), 400],
    ['Connection without upgrade', without('Connection', 'Connection: keep-alive'), 400],
    ['no Upgrade', without('Upgrade'), 400],
    ['Upgrade to something else', without('Upgrade', 'Upgrade: h2c'), 400],
    ['a subprotocol that is no token', ask(...WEBSOCKET_FIELDS, 'Sec-WebSocket-Protocol: a b'), 400],
    ['a subprotocol offered twice', ask(...WEBSOCKET_FIELDS, 'Sec-WebSocket-Protocol: a, a'), 400],
    ['no version', without('Sec-WebSocket-Version'), 426],
    ['version 8', without('Sec-WebSocket-Version', 'Sec-WebSocket-Version: 8'), 426],
    ['a method other than GET', ask(...WEBSOCKET_FIELDS, 'Content-Length: 0').replace('GET', 'POST'), 400],
  ])('RFC 6455 §4.2.1: %s is refused and the upstream hears nothing', async (_, request, status) => {
    const upstream = await startScript()
    const proxy = startProxy(tcp(upstream.port))
    const answer = await sendRaw(proxy.port, request)
    expect(answer.status).toBe(status)
    if (status === 426) expect(answer.field('Sec-WebSocket-Version')).toBe('13')
    expect(upstream.connections).toHaveLength(0)
  })

  test('the upstream is asked at its base path, with the fields given and a key of its own', async () => {
    const upstream = await startRaw(() => {})
    const proxy = startProxy(tcp(upstream.port, '/base'))
    await sendRaw(
      proxy.port,
      ask(...WEBSOCKET_FIELDS, 'Sec-WebSocket-Extensions: permessage-deflate', 'X-Token-Subject: kim'),
    )
    const [requestLine, ...fields] = upstream.text.split('\r\n')
    expect(requestLine).toBe('GET /base/chat?room=1 HTTP/1.1')
    expect(fields).toContain('host: app.example')
    expect(fields).toContain('x-token-subject: kim')
    expect(upstream.text).not.toContain(KEY)
    expect(upstream.text).not.toMatch(/sec-websocket-extensions/i)
    expect(upstream.text.match(/^(upgrade|connection|sec-websocket-key|sec-websocket-version|host):/gim)).toHaveLength(
      5,
    )
  })

  test('the client gets the subprotocol that the upstream chose', async () => {
    const server = await startServer({ handleProtocols: offered => [...offered].at(-1) ?? false })
    const proxy = startProxy(tcp(portOf(server)))
    expect((await connect(proxy, '/', ['soap', 'wamp'])).protocol).toBe('wamp')
  })

  test('an upstream that chooses no subprotocol leaves the client without one', async () => {
    const upstream = await startRaw(() => {})
    const proxy = startProxy(tcp(upstream.port))
    const answer = await sendRaw(proxy.port, ask(...WEBSOCKET_FIELDS, 'Sec-WebSocket-Protocol: soap, wamp'))
    expect(answer.status).toBe(101)
    expect(answer.field('Sec-WebSocket-Protocol')).toBeNull()
  })

  test("a cookie in the upstream's 101 reaches the client, and its hop-by-hop fields do not", async () => {
    const upstream = await startRawUpstream(async connection => {
      const request = await connection.receive({ until: hasHead })
      await connection.send(
        acceptWebSocket(request, ['Set-Cookie: sticky=1', 'Set-Cookie: b=2', 'Keep-Alive: timeout=5']),
      )
    })
    stops.push(() => upstream.close())
    const answer = await sendRaw(startProxy(tcp(upstream.port)).port, ask(...WEBSOCKET_FIELDS))
    expect(answer.fields.filter(([name]) => /^set-cookie$/i.test(name)).map(([, value]) => value)).toEqual([
      'sticky=1',
      'b=2',
    ])
    expect(answer.field('keep-alive')).toBeNull()
  })

  test('an upstream on a unix socket is reached', async () => {
    const path = join(folder, 'upstream.sock')
    const http = createServer()
    const server = new WebSocketServer({ server: http })
    server.on('connection', socket => socket.send('hello'))
    http.listen(path)
    await once(http, 'listening')
    stops.push(() => {
      for (const client of server.clients) client.terminate()
      http.close()
    })
    const proxy = startProxy({ kind: 'unix', path })
    const client = new Client(`ws://127.0.0.1:${proxy.port}/`)
    stops.push(() => client.terminate())
    expect(String((await once(client, 'message'))[0])).toBe('hello')
  })
})

describe('a refusal', () => {
  test.each([
    [
      'with a length',
      'HTTP/1.1 403 No\r\nContent-Type: text/plain\r\nContent-Length: 4\r\nX-Why: rank\r\n\r\nrank',
      403,
      'rank',
    ],
    [
      'in chunks',
      'HTTP/1.1 429 No\r\nTransfer-Encoding: chunked\r\nX-Why: rank\r\n\r\n3\r\nslo\r\n1;x=y\r\nw\r\n0\r\n\r\n',
      429,
      'slow',
    ],
    [
      'after an interim answer',
      'HTTP/1.1 103 X\r\nLink: a\r\n\r\nHTTP/1.1 401 No\r\nX-Why: rank\r\nContent-Length: 0\r\n\r\n',
      401,
      '',
    ],
    ['with a redirect', 'HTTP/1.1 302 X\r\nLocation: /x\r\nX-Why: rank\r\nContent-Length: 0\r\n\r\n', 302, ''],
    ['that is no refusal but a page', 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-Why: rank\r\n\r\npage', 200, 'page'],
  ])('%s reaches the client with status, fields and body', async (_, script, status, body) => {
    const upstream = await startScript(script)
    const answer = await sendRaw(startProxy(tcp(upstream.port)).port, ask(...WEBSOCKET_FIELDS))
    expect(answer.status).toBe(status)
    expect(answer.body.toString()).toBe(body)
    expect(answer.field('x-why')).toBe('rank')
    expect(upstream.connections).toHaveLength(1)
  })

  test('whose body ends with the connection is whole', async () => {
    const upstream = await startRawUpstream(async connection => {
      await connection.receive({ until: received => received.includes('\r\n\r\n') })
      await connection.send('HTTP/1.1 403 No\r\n\r\nuntil')
      await connection.send(' the end')
      connection.end()
    })
    stops.push(() => upstream.close())
    const answer = await sendRaw(startProxy(tcp(upstream.port)).port, ask(...WEBSOCKET_FIELDS))
    expect([answer.status, answer.body.toString()]).toEqual([403, 'until the end'])
  })

  test('with an endless body keeps its status and loses its body', async () => {
    const upstream = await startRawUpstream(async connection => {
      await connection.receive({ until: received => received.includes('\r\n\r\n') })
      await connection.send('HTTP/1.1 403 No\r\nContent-Type: text/plain\r\nX-Why: rank\r\n\r\n')
      while (!connection.isClosed) await connection.send('x'.repeat(65_536))
    })
    stops.push(() => upstream.close())
    const answer = await sendRaw(startProxy(tcp(upstream.port)).port, ask(...WEBSOCKET_FIELDS))
    expect([answer.status, answer.body.length, answer.field('x-why')]).toEqual([403, 0, 'rank'])
  })

  const accept = (fields: string): string =>
    `HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n${fields}\r\n`
  test.each([
    ['is not HTTP', 'SSH-2.0-OpenSSH\r\n\r\n'],
    ['has a folded field', 'HTTP/1.1 403 No\r\nX: a\r\n b\r\n\r\n'],
    ['has a bare line feed in a field', 'HTTP/1.1 403 No\r\nX: a\nSet-Cookie: b=c\r\nContent-Length: 0\r\n\r\n'],
    ['has a length that is no number', 'HTTP/1.1 403 No\r\nContent-Length: 4, 5\r\n\r\nbody'],
    ['has a transfer coding that is not chunked', 'HTTP/1.1 403 No\r\nTransfer-Encoding: gzip\r\n\r\nbody'],
    ['has a malformed chunk', 'HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n'],
    ['accepts another key', accept('Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n')],
    ['accepts without proof', accept('')],
    ['switches to another protocol', 'HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n'],
    ['has an endless head', `HTTP/1.1 403 No\r\n${'X-A: b\r\n'.repeat(10_000)}`],
  ])('that %s becomes 502', async (_, script) => {
    const upstream = await startScript(script)
    const answer = await sendRaw(startProxy(tcp(upstream.port)).port, ask(...WEBSOCKET_FIELDS))
    expect([answer.status, answer.body.toString()]).toEqual([502, 'upstream.broken'])
  })

  test.each([
    ['a subprotocol that was not offered', 'Sec-WebSocket-Protocol: secret'],
    ['an extension that was not offered', 'Sec-WebSocket-Extensions: permessage-deflate'],
  ])('is made of a 101 that chooses %s', async (_, field) => {
    const upstream = await startRawUpstream(async connection => {
      const request = await connection.receive({ until: hasHead })
      await connection.send(acceptWebSocket(request, [field]))
    })
    stops.push(() => upstream.close())
    const answer = await sendRaw(startProxy(tcp(upstream.port)).port, ask(...WEBSOCKET_FIELDS))
    expect([answer.status, answer.body.toString()]).toEqual([502, 'upstream.broken'])
  })

  test('an upstream that hangs up without a word becomes 502', async () => {
    const upstream = await startRawUpstream(async connection => {
      await connection.receive({ until: received => received.includes('\r\n\r\n') })
      connection.close()
    })
    stops.push(() => upstream.close())
    expect((await sendRaw(startProxy(tcp(upstream.port)).port, ask(...WEBSOCKET_FIELDS))).status).toBe(502)
  })

  test('an upstream that does not listen becomes 502', async () => {
    // Nobody may listen there but root.
    const answer = await sendRaw(startProxy(tcp(1)).port, ask(...WEBSOCKET_FIELDS))
    expect([answer.status, answer.body.toString()]).toEqual([502, 'upstream.refused'])
  })

  test('an upstream that has answered while this process was held up itself is in time', async () => {
    const upstream = await startRawUpstream(async connection => {
      const request = await connection.receive({ until: hasHead })
      await connection.send(acceptWebSocket(request))
    })
    stops.push(() => upstream.close())
    const dialling = dialUpstream({
      address: tcp(upstream.port),
      path: '/',
      headers: {},
      protocols: [],
      timeoutMs: 500,
      random: randomBytes,
      encoder: new FrameEncoder(randomBytes),
      offersDeflate: false,
    })
    Bun.sleepSync(600)
    const dialled = await dialling
    expect(dialled.kind).toBe('open')
    if (dialled.kind === 'open') dialled.socket.destroy()
  })

  test('an upstream that says nothing becomes 504', async () => {
    const upstream = await startRawUpstream(() => {})
    stops.push(() => upstream.close())
    const answer = await sendRaw(startProxy(tcp(upstream.port), { timeoutMs: 100 }).port, ask(...WEBSOCKET_FIELDS))
    expect([answer.status, answer.body.toString()]).toEqual([504, 'upstream.timeout'])
  })

  test('a client that leaves while the upstream thinks takes the dialling with it', async () => {
    const upstream = await startRawUpstream(() => {})
    stops.push(() => upstream.close())
    const proxy = startProxy(tcp(upstream.port), { timeoutMs: 60_000 })
    const client = await openWire(proxy.port)
    await client.send(ask(...WEBSOCKET_FIELDS))
    await until(() => upstream.connections.length > 0)
    client.close()
    await until(() => upstream.connections[0]?.isClosed === true)
  })
})

describe('messages', () => {
  const sizes = [0, 1, 2, 3, 4, 5, 125, 126, 127, 65_535, 65_536, 1_000_003]

  test('text and binary of every length class arrive unchanged in both directions, in order', async () => {
    const { client, upstream } = await connectBoth()
    const sent = sizes.flatMap((size): (string | Buffer)[] => ['ß'.repeat(size / 2), randomBytes(size)])
    for (const [from, to] of [[client, upstream] as const, [upstream, client] as const]) {
      const received: (string | Buffer)[] = []
      to.on('message', (data: Buffer, isBinary: boolean) => received.push(isBinary ? data : data.toString()))
      for (const message of sent) from.send(message)
      await until(() => received.length === sent.length)
      expect(received.map(message => typeof message)).toEqual(sent.map(message => typeof message))
      expect(received.every((message, index) => Buffer.from(message).equals(Buffer.from(sent[index] ?? '')))).toBe(true)
    }
  })

  test('RFC 6455 §5.4: fragments with a ping between them are one message', async () => {
    const upstream = await startRaw(async connection => {
      await connection.send(
        Buffer.concat([frame(0x01, 'on'), frame(0x89, 'are you there'), frame(0x00, ''), frame(0x80, 'e')]),
      )
    })
    const client = await new Promise<string>(resolve => {
      const socket = new Client(`ws://127.0.0.1:${startProxy(tcp(upstream.port)).port}/`)
      stops.push(() => socket.terminate())
      socket.on('message', data => resolve(String(data)))
    })
    expect(client).toBe('one')
    // The pong: FIN and opcode 10, masked, 13 bytes.
    await until(() => upstream.text.includes('\x8a\x8d'))
  })

  test('fragments from the client are one message upstream', async () => {
    const { client, upstream } = await connectBoth()
    const message = once(upstream, 'message')
    client.send('on', { fin: false })
    client.send('e', { fin: true })
    expect(String((await message)[0])).toBe('one')
  })

  test('what an upstream sends together with its 101 is not lost', async () => {
    const upstream = await startRawUpstream(async connection => {
      const request = await connection.receive({ until: hasHead })
      await connection.send(Buffer.concat([Buffer.from(acceptWebSocket(request)), frame(0x81, 'early')]))
    })
    stops.push(() => upstream.close())
    const client = new Client(`ws://127.0.0.1:${startProxy(tcp(upstream.port)).port}/`)
    stops.push(() => client.terminate())
    expect(String((await once(client, 'message'))[0])).toBe('early')
  })

  test('the memory of a long message is free as soon as it has gone on, either way; nobody else’s is', async () => {
    let arrived: string[] = []
    const raw = await startRaw(async connection => {
      const { raw: bytes } = await connection.receive({ until: received => framesIn(received).length === 3 })
      arrived = framesIn(bytes).map(({ payload }) => Buffer.from(payload).toString())
      await connection.send(frame(0x82, Buffer.alloc(8000, 'up')))
    })
    const dialled = await dialUpstream({
      address: tcp(raw.port),
      path: '/',
      headers: {},
      protocols: [],
      timeoutMs: 60_000,
      random: randomBytes,
      encoder: new FrameEncoder(randomBytes),
      offersDeflate: false,
    })
    if (dialled.kind !== 'open') throw new Error('it was refused')
    stops.push(() => dialled.socket.destroy())
    const told: { readonly text: string; readonly message: Buffer }[] = []
    const fails = () => {
      throw new Error('nothing of this was meant to be told')
    }
    dialled.socket.start({
      together: act => act(),
      text: fails,
      binary: message => told.push({ text: message.toString(), message }),
      ping: fails,
      full() {},
      drained() {},
      closed: fails,
      lost() {},
    })
    const [long, short, shared] = [Buffer.alloc(8000, 'down'), Buffer.alloc(40, 'down'), Buffer.alloc(16_000, 'down')]
    for (const message of [long, short, shared.subarray(0, 8000)]) expect(dialled.socket.send(message)).toBe(true)
    expect([long.length, short.length, shared.length]).toEqual([0, 40, 16_000])
    await until(() => told.length === 1)
    expect(arrived).toEqual([2000, 10, 2000].map(times => 'down'.repeat(times)))
    expect(told[0]?.text).toBe('up'.repeat(4000))
    // What was told is a view of memory that is no more.
    expect(told[0]?.message.length).toBe(0)
  })

  test('an upstream whose Close has come while this process was held up itself is left without a reset', async () => {
    const errors: unknown[] = []
    const { promise: isOver, resolve: end } = Promise.withResolvers<void>()
    const upstream = createTcpServer(socket => {
      socket.on('error', error => errors.push(error))
      socket.on('close', () => end())
      socket.once('data', () => {
        socket.write(frame(0x88, Buffer.from([3, 232])))
        Bun.sleepSync(1200)
      })
    })
    await new Promise<void>(resolve => upstream.listen(0, '127.0.0.1', resolve))
    stops.push(() => upstream.close())
    const { port } = upstream.address() as { readonly port: number }
    const leg = connectByBun({ host: '127.0.0.1', port }, () => {
      const early = Buffer.alloc(0)
      const encoder = new FrameEncoder(randomBytes)
      const socket = createUpstreamSocket({ socket: leg, early, encoder, isCompressed: false, closeWaitMs: 1000 })
      const nothing = () => {}
      const events = { text: nothing, binary: nothing, ping: nothing, full: nothing, drained: nothing, closed: nothing }
      socket.start({ ...events, together: act => act(), lost: why => errors.push(why) })
      socket.close(1000, '')
    })
    await isOver
    expect(errors).toEqual([])
  })

  test('pings of either side are answered', async () => {
    const { client, upstream } = await connectBoth()
    for (const side of [client, upstream]) {
      const pong = once(side, 'pong')
      side.ping('beat')
      expect(String((await pong)[0])).toBe('beat')
    }
  })

  test('compression is not agreed to, and long text passes without it', async () => {
    const { client, upstream } = await connectBoth()
    expect(client.extensions).toBe('')
    const text = 'all work and no play '.repeat(1000)
    const message = once(client, 'message')
    upstream.send(text)
    expect(String((await message)[0])).toBe(text)
  })
})

describe('closing', () => {
  test.each([
    [1000, 'bye'],
    [1001, ''],
    [1011, 'ü'.repeat(61)],
    [1013, 'later'],
    [3000, ''],
    [4999, 'an application’s own'],
  ])('code %i travels from the client upstream and from the upstream to the client', async (code, reason) => {
    const there = await connectBoth()
    const seenUpstream = closed(there.upstream)
    there.client.close(code, reason)
    expect(await seenUpstream).toEqual({ code, reason })

    const back = await connectBoth()
    const seenByClient = closed(back.client)
    back.upstream.close(code, reason)
    expect(await seenByClient).toEqual({ code, reason })
  })

  test('a Close without a code stays one, in both directions', async () => {
    const there = await connectBoth()
    const seenUpstream = closed(there.upstream)
    there.client.close()
    expect(await seenUpstream).toEqual({ code: 1005, reason: '' })

    const back = await connectBoth()
    const seenByClient = closed(back.client)
    back.upstream.close()
    expect(await seenByClient).toEqual({ code: 1005, reason: '' })
  })

  test('a client that vanishes is a lost connection upstream', async () => {
    const { client, upstream, proxy } = await connectBoth()
    const seen = closed(upstream)
    client.terminate()
    expect((await seen).code).toBe(1006)
    expect(proxy.relay.openCount).toBe(0)
  })

  test('an upstream that vanishes is a lost connection for the client', async () => {
    const { client, upstream, proxy } = await connectBoth()
    const seen = closed(client)
    upstream.terminate()
    expect((await seen).code).toBe(1006)
    await until(() => proxy.relay.openCount === 0)
  })

  test('what an upstream said before it vanished still arrives', async () => {
    const upstream = await startRaw(async connection => {
      await connection.send(Buffer.concat([frame(0x81, 'last'), frame(0x82, randomBytes(300_000))]))
      connection.end()
    })
    const client = new Client(`ws://127.0.0.1:${startProxy(tcp(upstream.port)).port}/`)
    stops.push(() => client.terminate())
    let bytes = 0
    client.on('message', data => {
      bytes += Buffer.from(data as Buffer).length
    })
    expect((await closed(client)).code).toBe(1006)
    expect(bytes).toBe(300_004)
  })

  test.each([
    ['a masked frame', Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x61]), 1002],
    ['a reserved bit', frame(0xc1, 'x'), 1002],
    ['a reserved opcode', frame(0x83, 'x'), 1002],
    ['a reserved control opcode', frame(0x8b, 'x'), 1002],
    ['a fragmented ping', frame(0x09, 'x'), 1002],
    ['a ping of 126 bytes', frame(0x89, 'x'.repeat(126)), 1002],
    ['a continuation of nothing', frame(0x80, 'x'), 1002],
    ['a message inside a message', Buffer.concat([frame(0x01, 'x'), frame(0x81, 'y')]), 1002],
    ['a close code of one byte', frame(0x88, 'x'), 1002],
    ['close code 1006 on the wire', frame(0x88, Buffer.from([0x03, 0xee])), 1002],
    ['text that is not UTF-8', frame(0x81, Buffer.from([0xc3, 0x28])), 1007],
    ['a message of 2^62 bytes', Buffer.from([0x82, 127, 0x40, 0, 0, 0, 0, 0, 0, 0]), 1009],
    [
      'fragments that add up to too much',
      Buffer.concat(
        Array(17)
          .fill(0)
          // Nothing is left to read once it is too much: with that a socket is reset, and the Close frame may be lost.
          .map((_, at) => frame(at === 0 ? 0x02 : 0, Buffer.alloc(at < 16 ? 1_048_576 : 1))),
      ),
      1009,
    ],
  ])('RFC 6455: %s from an upstream ends both connections and nothing else', async (_, bytes, code) => {
    const upstream = await startRaw(connection => connection.send(bytes))
    const proxy = startProxy(tcp(upstream.port))
    const client = new Client(`ws://127.0.0.1:${proxy.port}/`)
    stops.push(() => client.terminate())
    expect((await closed(client)).code).toBe(1006)
    await until(() => upstream.connections[0]?.isClosed === true)
    const sent = upstream.connections[0]?.received ?? Buffer.alloc(0)
    const close = framesIn(sent.subarray(sent.indexOf('\r\n\r\n') + 4)).at(-1)
    expect([close?.opcode, [...(close?.payload ?? [])]]).toEqual([8, [code >> 8, code & 255]])
  })

  test.each([
    ['once it says that it has read all', true],
    ['and where it says nothing, too', false],
  ])('a client whose application vanishes is dropped without a Close %s', async (_, answers) => {
    const upstream = await startRaw(async connection => {
      await connection.receive({ until: received => framesIn(received).length === 1 })
      await connection.send(frame(0x81, 'last'))
      connection.end()
    })
    // Nothing but its answer ends the first in time.
    const { port } = startProxy(tcp(upstream.port), answers ? { readWaitMs: 600_000 } : {})
    const client = await openWire(port)
    stops.push(() => client.close())
    await client.send(ask(...WEBSOCKET_FIELDS))
    await client.receive({ until: hasHead })
    const begin = client.received.length
    const told = () => framesIn(client.received.subarray(begin))
    const say = (opcode: number, payload: Uint8Array) =>
      client.send(frameBytes({ opcode, isFinal: true, reserved: 0, payload }, randomBytes(4)))
    await say(1, Buffer.from('go'))
    await until(() => told().length === 2 || client.isClosed)
    const [last, ping] = told()
    expect([Buffer.from(last?.payload ?? []).toString(), last?.opcode, ping?.opcode]).toEqual(['last', 1, 9])
    // Another pong says nothing of what was read.
    if (answers) await say(10, Buffer.from('another'))
    if (answers) await say(10, ping?.payload ?? new Uint8Array())
    await until(() => client.isClosed)
    expect(told().map(({ opcode }) => opcode)).toEqual([1, 9])
  })

  test.each([
    ['long ones', Buffer.alloc(50_000), 3],
    ['empty ones', Buffer.alloc(0), 2000],
  ])('of a client that is dropped no more than two of the longest messages are read: %s', async (_, payload, count) => {
    const server = await startServer()
    // Nothing but what it sends ends it in time.
    const proxy = startProxy(tcp(portOf(server)), { readWaitMs: 600_000, maxMessageBytes: 65_536 })
    const client = await openWire(proxy.port)
    stops.push(() => client.close())
    await client.send(ask(...WEBSOCKET_FIELDS))
    await until(() => proxy.relay.openCount === 1)
    proxy.relay.closeWhere(() => true, 1008, 'over')
    const message = frameBytes({ opcode: 2, isFinal: true, reserved: 0, payload }, randomBytes(4))
    await client.send(Buffer.concat(Array<Buffer>(count).fill(message)))
    await until(() => client.isClosed && proxy.relay.openCount === 0)
  })

  test('what a client has sent while this process was held up is read before its connection is dropped, which resets nothing', async () => {
    const server = await startServer()
    const proxy = startProxy(tcp(portOf(server)), { readWaitMs: 50 })
    const client = connectTcp(proxy.port, '127.0.0.1')
    stops.push(() => client.destroy())
    const told: string[] = []
    client.on('error', error => told.push(String(error)))
    client.on('end', () => told.push('end')).resume()
    client.write(ask(...WEBSOCKET_FIELDS))
    await until(() => proxy.relay.openCount === 1)
    await holdUp(100, () => {
      client.write(frameBytes({ opcode: 2, isFinal: true, reserved: 0, payload: Buffer.alloc(10_000) }, randomBytes(4)))
      proxy.relay.closeWhere(() => true, 1008, 'over')
    })
    await until(() => told.length > 0)
    expect(told).toEqual(['end'])
  })

  test('what a client has sent before its Close goes on, though this process was held up meanwhile', async () => {
    const MESSAGES = 5000
    let got = Buffer.alloc(0)
    const { promise: isOver, resolve: end } = Promise.withResolvers<void>()
    const upstream = createTcpServer(socket => {
      socket.once('data', (head: Buffer) => {
        socket.write(acceptWebSocket({ raw: head }))
        socket.once('data', () => Bun.sleepSync(1100))
        socket.on('data', (bytes: Buffer) => {
          got = Buffer.concat([got, bytes])
          if (framesIn(got).at(-1)?.opcode === 8) socket.end()
        })
        socket.on('close', () => end())
        socket.on('error', () => undefined)
      })
    })
    await new Promise<void>(resolve => upstream.listen(0, '127.0.0.1', resolve))
    stops.push(() => upstream.close())
    const proxy = startProxy(tcp((upstream.address() as { readonly port: number }).port), { lastWordsMs: 1000 })
    const client = await openWire(proxy.port)
    stops.push(() => client.close())
    await client.send(ask(...WEBSOCKET_FIELDS))
    await client.receive({ until: hasHead })
    const message = frameBytes({ opcode: 2, isFinal: true, reserved: 0, payload: Buffer.from('a') }, randomBytes(4))
    const last = frameBytes({ opcode: 8, isFinal: true, reserved: 0, payload: Buffer.from([3, 232]) }, randomBytes(4))
    await client.send(Buffer.concat([...Array(MESSAGES).fill(message), last]))
    await isOver
    const opcodes = framesIn(got).map(({ opcode }) => opcode)
    expect([opcodes.length, opcodes.at(-1)]).toEqual([MESSAGES + 1, 8])
  })

  test('RFC 6455 §5.1: an unmasked frame from a client ends the connection', async () => {
    const server = await startServer()
    const proxy = startProxy(tcp(portOf(server)))
    const accepted = once(server, 'connection')
    const client = await openWire(proxy.port)
    await client.send(ask(...WEBSOCKET_FIELDS))
    await client.receive({ until: hasHead })
    const [upstream] = await accepted
    let heard = 0
    upstream.on('message', () => heard++)
    const ended = closed(upstream)
    await client.send(Buffer.from([0x81, 0x01, 0x61]))
    await ended
    await until(() => client.isClosed)
    expect(heard).toBe(0)
  })

  test('closeWhere tells the application why, drops the client, and leaves the others open', async () => {
    const server = await startServer()
    const upstreams: import('ws').WebSocket[] = []
    server.on('connection', socket => upstreams.push(socket))
    const proxy = startProxy(tcp(portOf(server)))
    const ann = await connect(proxy, '/a', [], { 'x-session': 'ann' })
    const bob = await connect(proxy, '/a', [], { 'x-session': 'bob' })
    const anyone = await connect(proxy, '/b')
    await until(() => upstreams.length === 3)
    const seen = [closed(ann), closed(upstreams[0] ?? ann)]
    expect(proxy.relay.closeWhere(owner => owner.session?.id === 'ann', 1008, 'signed out')).toBe(1)
    expect(await Promise.all(seen)).toEqual([
      { code: 1006, reason: '' },
      { code: 1008, reason: 'signed out' },
    ])
    expect([bob.readyState, anyone.readyState, proxy.relay.openCount]).toEqual([Client.OPEN, Client.OPEN, 2])
    const gone = closed(anyone)
    expect(proxy.relay.closeWhere(owner => owner.routeId === '/b')).toBe(1)
    expect((await gone).code).toBe(1006)
  })

  test('an application that is seconds behind with its reading is told why, after all that came before', async () => {
    const server = await startServer()
    const accepted = once(server, 'connection')
    let frames = 0
    const proxy = startProxy(tcp(portOf(server)), {
      random(byteCount) {
        frames++
        return randomBytes(byteCount)
      },
    })
    const client = await connect(proxy)
    const [upstream] = await accepted
    upstream.pause()
    const taken = once(upstream, 'message')
    const ended = closed(upstream)
    const before = frames
    // More than the system keeps of a connection: the rest waits here.
    client.send(Buffer.alloc(16_000_000))
    await until(() => frames > before)
    jest.useFakeTimers()
    try {
      proxy.relay.closeWhere(() => true, 1008, 'signed out')
      jest.advanceTimersByTime(4000)
    } finally {
      jest.useRealTimers()
    }
    upstream.resume()
    expect((await ended).code).toBe(1008)
    expect((await taken)[0].length).toBe(16_000_000)
  })

  test('an exception while relaying ends that connection alone', async () => {
    const server = await startServer()
    server.on('connection', socket => socket.on('message', data => socket.send(String(data))))
    let isFailing = false
    const proxy = startProxy(tcp(portOf(server)), {
      random(byteCount) {
        if (isFailing) throw new Error('no randomness left')
        return randomBytes(byteCount)
      },
    })
    const [broken, fine] = [await connect(proxy), await connect(proxy)]
    const seen = closed(broken)
    isFailing = true
    broken.send('now')
    await seen
    isFailing = false
    expect(proxy.logged).toContain('a WebSocket was closed by an unexpected error')
    const echo = once(fine, 'message')
    fine.send('still here')
    expect(String((await echo)[0])).toBe('still here')
  })
})

describe('silence', () => {
  test('is probed: a client that answers stays, one that has vanished is let go with its upstream', async () => {
    const { server, closedUpstream, alive, heard } = await silence
    await until(() => closedUpstream.length > 0, 30_000)
    await until(() => heard.pings > 0, 30_000)
    expect(closedUpstream).toEqual(['/vanished'])
    const message = once(alive, 'message')
    for (const socket of server.clients) socket.send('still here')
    expect(String((await message)[0])).toBe('still here')
  }, 300_000)
})

describe('back-pressure', () => {
  const MESSAGE = Buffer.alloc(262_144, 7)
  const COUNT = 240
  /** Far more than the kernel's buffers and one message take, far less than all of it. */
  const BOUND = 40 * 1024 * 1024

  test('a client that does not read stops the upstream from being read, and misses nothing', async () => {
    const { client, upstream } = await connectBoth()
    client.pause()
    for (let index = 0; index < COUNT; index++) upstream.send(MESSAGE)
    await settles(() => upstream.bufferedAmount)
    expect(COUNT * MESSAGE.length - upstream.bufferedAmount).toBeLessThan(BOUND)
    let received = 0
    client.on('message', data => {
      received += (data as Buffer).length
    })
    client.resume()
    await until(() => received === COUNT * MESSAGE.length)
  })

  test('an upstream that does not read stops the client from being read, and misses nothing', async () => {
    const { client, upstream } = await connectBoth()
    upstream.pause()
    for (let index = 0; index < COUNT; index++) client.send(MESSAGE)
    await settles(() => client.bufferedAmount)
    expect(COUNT * MESSAGE.length - client.bufferedAmount).toBeLessThan(BOUND)
    let received = 0
    upstream.on('message', data => {
      received += (data as Buffer).length
    })
    upstream.resume()
    await until(() => received === COUNT * MESSAGE.length)
  })

  test('an upstream that dies while its client is not being read still closes the client', async () => {
    const { client, upstream } = await connectBoth()
    upstream.pause()
    for (let index = 0; index < COUNT; index++) client.send(MESSAGE)
    await settles(() => client.bufferedAmount)
    const seen = closed(client)
    upstream.terminate()
    await seen
  })
})

/** Does this where something has come by a socket, and takes so long about it. */
async function holdUp(ms: number, act: () => void): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const busy = await startRawUpstream(async connection => {
    await connection.receive({ until: got => got.length > 0 })
    act()
    for (const began = performance.now(); performance.now() - began < ms; ) Math.random()
    resolve()
  })
  stops.push(() => busy.close())
  const wire = await openWire(busy.port)
  await wire.send('now')
  await promise
}

/** Waits until a number has stopped changing. */
async function settles(read: () => number): Promise<void> {
  for (let same = 0, before = read(); same < 10; ) {
    await Bun.sleep(20)
    const now = read()
    same = now === before ? same + 1 : 0
    before = now
  }
}
