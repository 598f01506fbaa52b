/** WebSockets whose client sends what costs it nothing and the gate something: others are answered meanwhile. */
import { beforeEach, describe, expect, test } from 'bun:test'
import { eventually, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { metricOf, statusOf } from '../../kit/requests.ts'
import { routeTo } from '../../kit/toml.ts'
import { acceptWebSocket, askForWebSocket, frameBytes, framesIn } from '../../kit/wire/websocket.ts'
import { hasHead, httpResponse, openWire, startRawUpstream, type Wire } from '../../kit/wire/wire.ts'

const HOST = 'ws.example'
const PING = 9
const PONG = 10
const keep = untilTheEnd()
/** Takes WebSockets, and answers any other request at once. */
const upstream = keep(
  await startRawUpstream(async connection => {
    const request = await connection.receive({ until: hasHead })
    const isSocket = request.raw.includes('websocket')
    await connection.send(isSocket ? acceptWebSocket(request) : httpResponse(200, 'plain', ['Connection: close']))
  }),
)
const gate = keep(await startGate(routeTo(upstream, HOST, 'allow = "public"')))
beforeEach(() => gate.forgetLogs())

interface Sides {
  readonly client: Wire
  /** The frames that the application has got, and how many. */
  got(): ReturnType<typeof framesIn>
  readonly toClient: (bytes: Uint8Array) => Promise<void>
}

async function open(): Promise<Sides> {
  const before = upstream.connections.length
  const client = await openWire(gate.port)
  await client.send(askForWebSocket(HOST))
  await client.receive({ until: hasHead })
  const server = upstream.connections[before]
  if (server === undefined) throw new Error('nobody was asked')
  return {
    client,
    got: () => framesIn(server.received.subarray(server.received.indexOf('\r\n\r\n') + 4)),
    toClient: bytes => server.send(bytes),
  }
}

const MASK = Buffer.from([1, 2, 3, 4])
const frame = (opcode: number, payload: string | Uint8Array = '', mask: Uint8Array | null = MASK) =>
  frameBytes({ opcode, payload: Buffer.from(payload), isFinal: true, reserved: 0 }, mask)
const times = (count: number, bytes: Buffer) => Buffer.concat(Array<Buffer>(count).fill(bytes))

/** The code of the close frame among what a client got. */
function closeCode({ received }: Wire): number | null {
  const frames = framesIn(received.subarray(received.indexOf('\r\n\r\n') + 4))
  const last = frames.find(({ opcode }) => opcode === 8)
  return last === undefined ? null : Buffer.from(last.payload).readUInt16BE(0)
}

describe('pings and pongs', () => {
  test.each([
    ['pings whose answers are not read', PING, false],
    ['pings', PING, true],
    ['pongs that nobody asked for', PONG, true],
  ])('floods of %s end with 1008, and few of them go on', async (_, opcode, isRead) => {
    const before = await metricOf(gate, 'sallyport_websocket_floods_total')
    const { client, got } = await open()
    if (!isRead) client.pause()
    void client.send(times(200_000, frame(opcode))).catch(() => undefined)
    await eventually(() => got().some(({ opcode: is }) => is === 8), 'the application hears that it is over')
    expect(got().filter(({ opcode: is }) => is === PING).length).toBeLessThan(300)
    client.resume()
    await eventually(() => closeCode(client) !== null, 'the client hears it')
    expect(closeCode(client)).toBe(1008)
    expect(gate.told('A WebSocket was closed: its client sends more pings', '127.0.0.1')).toHaveLength(1)
    expect(await metricOf(gate, 'sallyport_websocket_floods_total')).toBe(before + 1)
    expect(await statusOf(gate, '/', { host: HOST })).toBe(200)
    client.close()
  })

  test('as many as programs send are answered, and so are those of an application', async () => {
    const { client, got, toClient } = await open()
    await client.send(times(50, frame(PING, 'a')))
    const pongs = () => framesIn(client.received.subarray(client.received.indexOf('\r\n\r\n') + 4)).length
    await eventually(() => pongs() === 50, '50 pongs')
    // More than a client may send by itself: each answers one of the application, whose pings go on as often as one needs.
    for (let count = 1; count <= 90; count++) {
      await toClient(frame(PING, 'b', null))
      await eventually(() => pongs() === 50 + count, 'a ping of the application')
      await client.send(frame(PONG, 'b'))
    }
    await client.send(frame(1, 'still there'))
    await eventually(() => got().some(({ payload }) => Buffer.from(payload).toString() === 'still there'), 'a message')
    expect(gate.told('was closed')).toEqual([])
    client.close()
  })

  test('of a flood of pings of an application few go on to the client', async () => {
    const { client, toClient } = await open()
    await toClient(times(5000, frame(PING, 'b', null)))
    await toClient(frame(1, 'after', null))
    const came = () => framesIn(client.received.subarray(client.received.indexOf('\r\n\r\n') + 4))
    await eventually(() => came().some(({ opcode }) => opcode === 1), 'the message after them')
    expect(came().length).toBeLessThan(300)
    client.close()
  })
})

describe('messages', () => {
  const COUNT = 300_000

  test.each([
    ['of one byte', frame(2, 'x')],
    ['without a byte', frame(1)],
  ])('others are answered while one client sends %s by hundreds of thousands', async (_, message) => {
    const { client, got } = await open()
    void client.send(times(COUNT, message)).catch(() => undefined)
    await eventually(() => got().length > 0, 'the first')
    expect(await statusOf(gate, '/', { host: HOST })).toBe(200)
    expect(got().length).toBeLessThan(COUNT)
    client.close()
  })

  test('all of them arrive in their order, and the close after them', async () => {
    const { client, got } = await open()
    const many = Array.from({ length: 20_000 }, (_, index) => String(index))
    await client.send(Buffer.concat([...many.map(text => frame(1, text)), frame(8, Buffer.from([0x03, 0xe8]))]))
    await eventually(() => got().some(({ opcode }) => opcode === 8), 'the close')
    expect(
      got()
        .slice(0, -1)
        .map(({ payload }) => Buffer.from(payload).toString()),
    ).toEqual(many)
    client.close()
  })

  test('what waits when a save ends the WebSocket reaches nobody', async () => {
    const { client, got } = await open()
    void client.send(times(COUNT, frame(2, 'x'))).catch(() => undefined)
    await eventually(() => got().length > 0, 'the first')
    gate.save(routeTo(upstream, 'elsewhere.example', 'allow = "public"'))
    await eventually(() => got().some(({ opcode }) => opcode === 8), 'the close')
    const { length } = got()
    expect(length).toBeLessThan(COUNT)
    client.close()
    await eventually(async () => (await metricOf(gate, 'sallyport_websockets_open')) === 0, 'none is open any more')
  })
})
