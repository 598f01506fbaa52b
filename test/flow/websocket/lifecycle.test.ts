import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { once } from 'node:events'
import { WebSocket as Client, type WebSocket, WebSocketServer } from 'ws'
import { fakeClock } from '../../kit/clock.ts'
import { eventually, type Gate, PORTAL, startGate } from '../../kit/gate.ts'
import { metricOf } from '../../kit/requests.ts'
import { askForWebSocket, frameBytes, framesIn } from '../../kit/wire/websocket.ts'
import { hasHead, httpResponse, openWire, sendRaw, startRawUpstream } from '../../kit/wire/wire.ts'

const HOST = 'app.example'
let server: WebSocketServer
let port = 0

beforeAll(async () => {
  server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('not listening')
  port = address.port
})
afterAll(() => {
  for (const client of server.clients) client.terminate()
  server.close()
})

function file(role = 'user', upstream = port): string {
  return `${PORTAL}
[[routes]]
host = "${HOST}"
upstream = "http://127.0.0.1:${upstream}"
portal = "home"
allow = ["${role}"]
`
}

interface Sides {
  readonly client: Client
  readonly upstream: WebSocket
}

async function open(gate: Gate, cookie: string): Promise<Sides> {
  const accepted = once(server, 'connection')
  const client = new Client(`ws://127.0.0.1:${gate.port}/`, { headers: { host: HOST, cookie } })
  const [[upstream]] = await Promise.all([accepted, once(client, 'open')])
  return { client, upstream }
}

/** With what each side is closed. */
async function closings({ client, upstream }: Sides, act: () => unknown): Promise<unknown[]> {
  const told = [client, upstream].map(async side => {
    const [code, reason] = await once(side, 'close')
    return [Number(code), String(reason)]
  })
  await act()
  return Promise.all(told)
}

const ended = [1008, 'the session has ended']
/** No Close frame came: some pages open a new WebSocket only then (`!event.wasClean`). */
const dropped = [1006, '']

test('an application at a name below localhost is on this machine, for WebSockets as for requests', async () => {
  await using gate = await startGate(file().replace('upstream = "http://127.0.0.1', 'upstream = "http://app.localhost'))
  const { cookie } = await gate.signIn(HOST)
  const client = new Client(`ws://127.0.0.1:${gate.port}/`, { headers: { host: HOST, cookie } })
  const [opened] = await Promise.race([
    once(client, 'open').then(() => ['open']),
    once(client, 'error').then(([error]) => [String(error)]),
  ])
  client.terminate()
  expect(opened).toBe('open')
})

describe('when what allowed a WebSocket ends, its client is dropped, and its application gets a Close frame', () => {
  test('at sign-out', async () => {
    await using gate = await startGate(file())
    const { cookie } = await gate.signIn(HOST)
    const sides = await open(gate, cookie)
    expect(await closings(sides, () => signOut(gate, cookie))).toEqual([dropped, ended])
  })

  test('when its session is revoked by another process', async () => {
    await using gate = await startGate(file())
    const { cookie, sessionId } = await gate.signIn(HOST)
    const sides = await open(gate, cookie)
    expect(await closings(sides, () => gate.end(sessionId))).toEqual([dropped, ended])
  })

  test('when the lifetime of its session is over, whatever it says meanwhile', async () => {
    const clock = fakeClock(Date.now())
    await using gate = await startGate(file(), { ports: clock, sessions: 'lifetime = "1h"\nidle = "30m"' })
    const earlier = await open(gate, (await gate.signIn(HOST)).cookie)
    clock.advance(60_000)
    const sides = await open(gate, (await gate.signIn(HOST)).cookie)
    // The look that ends the one leaves the other, which has a minute more.
    expect(await closings(earlier, () => clock.advance(59 * 60_000))).toEqual([dropped, ended])
    expect(sides.client.readyState).toBe(Client.OPEN)
    expect(await closings(sides, () => clock.advance(60_000))).toEqual([dropped, ended])
  })

  test('when a save no longer allows it', async () => {
    await using gate = await startGate(file())
    const { cookie } = await gate.signIn(HOST)
    const sides = await open(gate, cookie)
    const over = [1008, 'the rules have changed']
    expect(await closings(sides, () => gate.save(file('admin')))).toEqual([dropped, over])
  })

  test('when the server stops', async () => {
    const gate = await startGate(file())
    const { cookie } = await gate.signIn(HOST)
    const sides = await open(gate, cookie)
    const stopping = [1001, 'the server is stopping']
    let stopped: Promise<unknown> = Promise.resolve()
    expect(
      await closings(sides, () => {
        stopped = Promise.resolve(gate[Symbol.asyncDispose]())
      }),
    ).toEqual([dropped, stopping])
    await stopped
  })

  test('even when its client reads nothing', async () => {
    await using gate = await startGate(file())
    const { cookie } = await gate.signIn(HOST)
    const { client, upstream } = await open(gate, cookie)
    client.pause()
    for (let index = 0; index < 200; index++) upstream.send(Buffer.alloc(262_144))
    await Bun.sleep(200)
    // One that reads nothing may be gone before it reads on.
    const both = [once(upstream, 'close'), once(client, 'close')]
    await signOut(gate, cookie)
    await both[0]
    client.resume()
    await both[1]
  })

  test('even when its application reads nothing', async () => {
    await using gate = await startGate(file())
    const { cookie } = await gate.signIn(HOST)
    const { client, upstream } = await open(gate, cookie)
    upstream.pause()
    for (let index = 0; index < 200; index++) client.send(Buffer.alloc(262_144))
    await Bun.sleep(200)
    const [told, gone] = [once(client, 'close'), once(upstream, 'close')]
    await signOut(gate, cookie)
    expect((await told)[0]).toBe(1006)
    upstream.resume()
    await gone
  })

  test.each([
    ['that waits here for a client that reads slowly', 12_000_000, 0],
    ['that is on its way, while the client sends what nobody takes', 1_000_000, 8_000_000],
  ])('only once it was sent what the application has said, %s', async (_, saidBytes, unreadBytes) => {
    await using gate = await startGate(file())
    const { cookie } = await gate.signIn(HOST)
    const accepted = once(server, 'connection')
    const client = await openWire(gate.port)
    await client.send(askForWebSocket(HOST, '/', [`Cookie: ${cookie}`]))
    const head = (await client.receive({ until: hasHead })).raw.length
    const [upstream] = await accepted
    if (unreadBytes > 0) {
      upstream.pause()
      const payload = Buffer.alloc(20_000)
      const one = frameBytes({ opcode: 2, payload, isFinal: true, reserved: 0 }, Buffer.alloc(4))
      void client.send(Buffer.concat(Array(unreadBytes / payload.length).fill(one))).catch(() => undefined)
    }
    // A message goes on whole: where its beginning has come, all of it was handed on.
    upstream.send(Buffer.alloc(saidBytes))
    await client.receive({ until: bytes => bytes.length > 0 })
    client.pause()
    const told = once(upstream, 'close')
    await signOut(gate, cookie)
    upstream.resume()
    expect((await told)[0]).toBe(1008)
    client.resume()
    await eventually(() => client.isClosed, 'the client is dropped')
    const came = framesIn(client.received.subarray(head))
    // The ping asks whether all of it was read.
    expect(came.map(({ opcode, payload }) => [opcode, payload.length])).toEqual([
      [2, saidBytes],
      [9, expect.any(Number)],
    ])
  })
})

describe('a WebSocket ends with either of its sides', () => {
  test('an application that dies lets go of the client', async () => {
    await using gate = await startGate(file())
    const sides = await open(gate, (await gate.signIn(HOST)).cookie)
    expect(await closings(sides, () => sides.upstream.terminate())).toEqual([
      [1006, ''],
      [1006, ''],
    ])
  })

  test('a client that dies lets go of the application', async () => {
    await using gate = await startGate(file())
    const sides = await open(gate, (await gate.signIn(HOST)).cookie)
    expect(await closings(sides, () => sides.client.terminate())).toEqual([
      [1006, ''],
      [1006, ''],
    ])
  })
})

describe('RFC 6455 §5.5.2: a ping', () => {
  test.each(['client', 'upstream'] as const)('of the %s is answered at once, and passed on', async from => {
    await using gate = await startGate(file())
    const sides = await open(gate, (await gate.signIn(HOST)).cookie)
    const [sender, receiver] = from === 'client' ? [sides.client, sides.upstream] : [sides.upstream, sides.client]
    const seen = Promise.all([once(sender, 'pong'), once(receiver, 'ping')])
    let pongs = 0
    sender.on('pong', () => pongs++)
    sender.ping('beat')
    expect((await seen).map(([payload]) => String(payload))).toEqual(['beat', 'beat'])
    const after = once(receiver, 'message')
    sender.send('after')
    await after
    expect(pongs).toBe(1)
    sides.client.terminate()
  })
})

describe('RFC 6455 §4: a handshake', () => {
  test.each([
    ['401', httpResponse(401, 'who?', ['WWW-Authenticate: Basic realm="app"']), 'who?', 'www-authenticate'],
    ['403', httpResponse(403, 'no', ['X-Why: rank']), 'no', 'x-why'],
    ['404', httpResponse(404, '', ['X-Why: nothing']), '', 'x-why'],
    ['426', httpResponse(426, '', ['Sec-WebSocket-Version: 14']), '', 'sec-websocket-version'],
    ['502', httpResponse(502, 'gone', ['Retry-After: 5']), 'gone', 'retry-after'],
    ['503', httpResponse(503, 'later', ['Retry-After: 5']), 'later', 'retry-after'],
  ])('that the application refuses with %s is refused with it', async (status, answer, body, field) => {
    const raw = await startRawUpstream([answer])
    await using gate = await startGate(file('user', raw.port))
    const { cookie } = await gate.signIn(HOST)
    const response = await sendRaw(gate.port, askForWebSocket(HOST, '/', [`Cookie: ${cookie}`]))
    expect(response.status).toBe(Number(status))
    expect(response.body.toString()).toBe(body)
    expect(response.field(field)).not.toBeNull()
    await raw.close()
  })

  test('that the application never answers is 504', async () => {
    const raw = await startRawUpstream(async connection => {
      await connection.receive({ until: () => false })
    })
    await using gate = await startGate(`${file('user', raw.port)}timeout = "200ms"\n`)
    const { cookie } = await gate.signIn(HOST)
    const response = await sendRaw(gate.port, askForWebSocket(HOST, '/', [`Cookie: ${cookie}`]))
    expect(response.status).toBe(504)
    await eventually(() => raw.connections.every(({ isClosed }) => isClosed), 'the application is let go')
    await raw.close()
  })

  test('from a page of another host that may open one needs a session of this host', async () => {
    await using gate = await startGate(`${file()}allowed_origins = ["http://page.example"]\n`)
    const ask = async (fields: readonly string[]) => {
      const wire = await openWire(gate.port)
      await wire.send(askForWebSocket(HOST, '/', ['Origin: http://page.example', ...fields]))
      const { status } = await wire.receive({ until: hasHead })
      wire.close()
      return status
    }
    const [here, there] = [await gate.signIn(HOST), await gate.signIn('page.example')]
    expect(await Promise.all([[], [`Cookie: ${there.cookie}`], [`Cookie: ${here.cookie}`]].map(ask))).toEqual([
      401, 401, 101,
    ])
  })

  test.each([
    ['no session', [], 401],
    ['a page of another site', ['Origin: https://evil.example'], 403],
    ['a page that hides its site', ['Origin: null'], 403],
  ])('with %s reaches no application', async (_, fields, status) => {
    const raw = await startRawUpstream([httpResponse(404)])
    await using gate = await startGate(file('user', raw.port))
    const { cookie } = await gate.signIn(HOST)
    const wire = await openWire(gate.port)
    const cookies = status === 401 ? [] : [`Cookie: ${cookie}`]
    await wire.send(askForWebSocket(HOST, '/', [...fields, ...cookies]))
    expect((await wire.receive({ until: hasHead })).status).toBe(status)
    expect(raw.connections).toHaveLength(0)
    wire.close()
    await raw.close()
  })
})

async function signOut(gate: Gate, cookie: string): Promise<void> {
  const out = await sendRaw(
    gate.port,
    `POST /.sallyport/logout HTTP/1.1\r\nHost: ${HOST}\r\nCookie: ${cookie}\r\nOrigin: http://${HOST}\r\nSec-Fetch-Site: same-origin\r\nContent-Length: 0\r\n\r\n`,
  )
  expect(out.status).toBe(303)
}

describe('a message of a WebSocket', () => {
  const counted = (gate: Gate) => metricOf(gate, 'sallyport_websocket_too_long_total')
  const MIB = 1024 * 1024

  test('that is longer than max_message closes it, from either side, with a line in the log and in a metric', async () => {
    await using gate = await startGate(file(), { server: 'max_message = "1MiB"' })
    const { cookie } = await gate.signIn(HOST)
    for (const [count, from] of [
      [1, 'client'],
      [2, 'application'],
    ] as const) {
      const sides = await open(gate, cookie)
      const sender = from === 'client' ? sides.client : sides.upstream
      const receiver = from === 'client' ? sides.upstream : sides.client
      sender.send(Buffer.alloc(MIB))
      const [message] = (await once(receiver, 'message')) as [Buffer]
      expect(message.length).toBe(MIB)
      const [code] = await Promise.all([
        once(sender, 'close'),
        once(receiver, 'close'),
        sender.send(Buffer.alloc(MIB + 1)),
      ])
      expect(code[0]).toBe(1009)
      await eventually(async () => (await counted(gate)) === count, 'it is counted')
      const told = gate.told('A WebSocket was closed', `a message of the ${from} is longer than max_message`)
      expect(told).toHaveLength(1)
      expect(JSON.parse(told[0] ?? '')).toMatchObject({ level: 'warn', route: `${HOST}/`, max_bytes: MIB })
    }
    const sides = await open(gate, cookie)
    sides.client.send('still')
    expect(String(((await once(sides.upstream, 'message')) as [Buffer])[0])).toBe('still')
    // A client that says of itself what Bun says of one.
    await Promise.all([once(sides.upstream, 'close'), sides.client.close(1000, 'Received too big message')])
    expect(gate.told('A WebSocket was closed')).toHaveLength(2)
    expect(await counted(gate)).toBe(2)
  })

  test('may be longer than 16 MiB where the file says so, in both directions', async () => {
    await using gate = await startGate(file(), { server: 'max_message = "20MiB"' })
    const { cookie } = await gate.signIn(HOST)
    const { client, upstream } = await open(gate, cookie)
    for (const [sender, receiver] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sender.send(Buffer.alloc(20 * MIB))
      const [message] = (await once(receiver, 'message')) as [Buffer]
      expect(message.length).toBe(20 * MIB)
    }
    expect(await counted(gate)).toBe(0)
    client.terminate()
  })
})
