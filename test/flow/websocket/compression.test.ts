import { afterEach, describe, expect, test } from 'bun:test'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib'
import { WebSocket as Client, type PerMessageDeflateOptions, WebSocketServer } from 'ws'
import { eventually, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { routeTo } from '../../kit/toml.ts'
import { acceptWebSocket, askForWebSocket, frameBytes, framesIn, type WireFrame } from '../../kit/wire/websocket.ts'
import { hasHead, openWire, startRawUpstream, type UpstreamConnection, type Wire } from '../../kit/wire/wire.ts'

const OFFER = 'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits'
const AGREED = 'Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover'
const TAIL = Buffer.from([0, 0, 0xff, 0xff])
const MIB = 1024 * 1024

/** RFC 7692 §7.2.1: a payload as it travels. */
function deflated(payload: string | Uint8Array): Buffer {
  const whole = deflateRawSync(payload, { finishFlush: constants.Z_SYNC_FLUSH })
  return whole.subarray(0, whole.length - TAIL.length)
}

function inflated(payload: Uint8Array): Buffer {
  return inflateRawSync(Buffer.concat([payload, TAIL]), { finishFlush: constants.Z_SYNC_FLUSH })
}

function frame(opcode: number, payload: string | Uint8Array, more: Partial<WireFrame> = {}): WireFrame {
  return { opcode, payload: Buffer.from(payload), isFinal: true, reserved: 0, ...more }
}

const compressed = (payload: string | Uint8Array, more: Partial<WireFrame> = {}): WireFrame =>
  frame(1, deflated(payload), { reserved: 4, ...more })

/** What the upstream answers to the next handshake. */
let answerFields: readonly string[] = []
const wires: Wire[] = []

const keep = untilTheEnd()
const upstream = keep(
  await startRawUpstream(async connection => {
    const request = await connection.receive({ until: hasHead })
    await connection.send(acceptWebSocket(request, answerFields))
    await connection.receive({ until: () => false, timeoutMs: 300_000 })
  }),
)
const route = (host: string, more: string) => routeTo(upstream, `${host}.example`, `allow = "public"\n${more}`)
const gate = keep(await startGate(route('on', 'websocket_compression = true') + route('off', '')))
afterEach(() => {
  for (const wire of wires.splice(0)) wire.close()
})

interface Pair {
  readonly status: number
  /** What client and gate agreed upon; null for nothing. */
  readonly agreed: string | null
  /** What the upstream was offered. */
  readonly offered: string | null
  readonly client: Wire
  readonly server: UpstreamConnection
  /** Frames that the client has got. */
  clientFrames(): readonly WireFrame[]
  serverFrames(): readonly WireFrame[]
  say(frame: WireFrame): Promise<void>
  answer(...frames: WireFrame[]): Promise<void>
}

async function open(host: string, fields: readonly string[], agreed: readonly string[]): Promise<Pair> {
  answerFields = agreed
  const before = upstream.connections.length
  const client = await openWire(gate.port)
  wires.push(client)
  await client.send(askForWebSocket(`${host}.example`, '/', fields))
  const response = await client.receive({ until: hasHead })
  const server = upstream.connections[before]
  if (server === undefined) throw new Error('the upstream was not asked')
  const afterHead = (wire: Wire) => wire.received.subarray(wire.received.indexOf('\r\n\r\n') + 4)
  return {
    status: response.status,
    agreed: response.field('sec-websocket-extensions'),
    offered: /^sec-websocket-extensions: *(.*)\r$/im.exec(server.received.toString('latin1'))?.[1] ?? null,
    client,
    server,
    clientFrames: () => framesIn(afterHead(client)),
    serverFrames: () => framesIn(afterHead(server)),
    say: one => client.send(frameBytes(one, randomBytes(4))),
    answer: (...frames) => server.send(Buffer.concat(frames.map(one => frameBytes(one, null)))),
  }
}

describe('permessage-deflate is agreed upon', () => {
  test.each([
    ['where the client offers it, the application takes it and the route lets it', 'on', [OFFER], [AGREED], true, true],
    ['not where the client does not offer it', 'on', [], [], false, false],
    ['not where the application does not take it', 'on', [OFFER], [], true, false],
    ['not where the route does not let it', 'off', [OFFER], [], false, false],
    [
      'not for another extension',
      'on',
      ['Sec-WebSocket-Extensions: x-webkit-deflate-frame, permessage-deflated'],
      [],
      false,
      false,
    ],
    [
      'among other offers',
      'on',
      ['Sec-WebSocket-Extensions: x-other; a=1, permessage-deflate; server_max_window_bits=10, permessage-deflate'],
      [AGREED],
      true,
      true,
    ],
  ])('%s', async (_, host, fields, accepted, isOffered, isAgreed) => {
    const pair = await open(host, fields, accepted)
    expect(pair.status).toBe(101)
    expect(pair.offered).toBe(
      isOffered ? 'permessage-deflate; server_no_context_takeover; client_no_context_takeover' : null,
    )
    expect(pair.agreed).toBe(
      isAgreed ? 'permessage-deflate; client_no_context_takeover; server_no_context_takeover' : null,
    )
  })

  test('with an application that narrows its own window', async () => {
    expect((await open('on', [OFFER], [`${AGREED}; server_max_window_bits=10`])).status).toBe(101)
  })

  test.each([
    ['messages that do not stand alone', 'permessage-deflate'],
    ['a window of ours', 'permessage-deflate; server_no_context_takeover; client_max_window_bits=10'],
    ['a window that there is not', 'permessage-deflate; server_no_context_takeover; server_max_window_bits=16'],
    ['a parameter twice', 'permessage-deflate; server_no_context_takeover; server_no_context_takeover'],
    ['a parameter that there is not', 'permessage-deflate; server_no_context_takeover; x=1'],
    ['another extension beside it', 'permessage-deflate; server_no_context_takeover, x-other'],
    ['another extension', 'x-webkit-deflate-frame'],
  ])('RFC 7692 §7.1: an application that chooses %s is 502', async (_, extensions) => {
    expect((await open('on', [OFFER], [`Sec-WebSocket-Extensions: ${extensions}`])).status).toBe(502)
  })
})

describe('RFC 7692 §7.2: a message', () => {
  test('that the application compresses goes on compressed, any other as it is', async () => {
    const pair = await open('on', [OFFER], [AGREED])
    const long = 'over and over '.repeat(5000)
    await pair.answer(compressed(long), frame(1, 'plain'), compressed(''), frame(2, 'bytes'))
    await eventually(() => pair.clientFrames().length === 4, 'all messages arrive')
    const [first, second, third, fourth] = pair.clientFrames()
    expect(first).toMatchObject({ opcode: 1, reserved: 4, isFinal: true })
    expect(inflated(first?.payload ?? Buffer.alloc(0)).toString()).toBe(long)
    expect(second).toEqual(frame(1, 'plain'))
    expect(Buffer.from(third?.payload ?? 'x').length).toBeLessThan(10)
    expect(fourth).toEqual(frame(2, 'bytes'))
  })

  test('over 1 MiB goes on as it is', async () => {
    const pair = await open('on', [OFFER], [AGREED])
    await pair.answer(compressed('x'.repeat(MIB)), compressed('x'.repeat(MIB + 1)))
    await eventually(() => pair.clientFrames().length === 2, 'both arrive')
    expect(pair.clientFrames().map(({ reserved }) => reserved)).toEqual([4, 0])
    expect(pair.clientFrames()[1]?.payload.length).toBe(MIB + 1)
  })

  test('in fragments is compressed as a whole', async () => {
    const pair = await open('on', [OFFER], [AGREED])
    const payload = deflated('in one piece')
    await pair.answer(
      frame(1, payload.subarray(0, 3), { reserved: 4, isFinal: false }),
      frame(9, 'beat'),
      frame(0, payload.subarray(3)),
    )
    const messages = () => pair.clientFrames().filter(({ opcode }) => opcode === 1)
    await eventually(() => messages().length === 1, 'it arrives')
    expect(inflated(messages()[0]?.payload ?? Buffer.alloc(0)).toString()).toBe('in one piece')
  })

  test('that the client compresses arrives as it was', async () => {
    const pair = await open('on', [OFFER], [AGREED])
    await pair.say(compressed('said compressed'))
    await pair.say(frame(1, 'said plainly'))
    await eventually(() => pair.serverFrames().length === 2, 'both arrive')
    expect(pair.serverFrames()).toEqual([frame(1, 'said compressed'), frame(1, 'said plainly')])
  })

  test.each([
    ['that is no compression', frame(1, Buffer.from('ffffff', 'hex'), { reserved: 4 }), 1007],
    ['that inflates to more than may be', compressed(Buffer.alloc(16 * MIB + 1, 'x')), 1009],
    ['that inflates to a thousand times more', compressed(Buffer.alloc(256 * MIB, 'x')), 1009],
    ['that is no text once inflated', compressed(Buffer.from([0xc0, 0x80])), 1007],
  ])('%s ends the connection, whoever sends it', async (_, one, code) => {
    const there = await open('on', [OFFER], [AGREED])
    await there.say(one)
    await eventually(() => there.client.isClosed, 'the client is closed')
    expect(closeCode(there.clientFrames())).toBe(code)
    await eventually(() => there.server.isClosed, 'the application is let go')
    expect(there.serverFrames()).toEqual([])

    const back = await open('on', [OFFER], [AGREED])
    await back.answer(one)
    await eventually(() => closeCode(back.serverFrames()) !== null, 'the application is told')
    expect(closeCode(back.serverFrames())).toBe(code)
    await eventually(() => back.client.isClosed, 'the client is dropped')
    expect(closeCode(back.clientFrames())).toBeNull()
  })

  test.each([
    ['a continuation that says it is compressed', [frame(1, 'x', { isFinal: false }), frame(0, 'y', { reserved: 4 })]],
    ['a ping that says it is compressed', [frame(9, 'x', { reserved: 4 })]],
    ['another reserved bit', [frame(1, 'x', { reserved: 6 })]],
  ])('%s ends the connection', async (_, frames) => {
    const there = await open('on', [OFFER], [AGREED])
    for (const one of frames) await there.say(one)
    await eventually(() => there.client.isClosed, 'the client is closed')
    expect(closeCode(there.clientFrames())).toBe(1002)

    const back = await open('on', [OFFER], [AGREED])
    await back.answer(...frames)
    await eventually(() => closeCode(back.serverFrames()) !== null, 'the application is told')
    expect(closeCode(back.serverFrames())).toBe(1002)
  })
})

describe('a client whose messages inflate to more than the application takes', () => {
  test('is closed with 1009', async () => {
    const pair = await open('on', [OFFER], [AGREED])
    pair.server.pause()
    const one = frameBytes(compressed(Buffer.alloc(8 * MIB, 'x')), randomBytes(4))
    for (let index = 0; index < 20 && !pair.client.isClosed; index++) await pair.client.send(one)
    await eventually(() => pair.client.isClosed, 'the client is closed')
    const close = pair.clientFrames().find(({ opcode }) => opcode === 8)
    expect(Buffer.from(close?.payload ?? '').toString('latin1')).toBe(
      `${String.fromCharCode(0x03, 0xf1)}more at once than the application takes`,
    )
  })
})

describe('whatever the peers agree upon, every message arrives as it was', () => {
  const sizes = [0, 16, 64, 256, 1024, 4096, 8192, 16_384, 32_768, 65_536, 131_072]
  const clientSides: PerMessageDeflateOptions[] = [
    {},
    { serverNoContextTakeover: true, clientNoContextTakeover: true },
    { clientMaxWindowBits: 9 },
    { serverMaxWindowBits: 9 },
  ]
  const serverSides: PerMessageDeflateOptions[] = [
    { threshold: 0 },
    { threshold: 1024 },
    { threshold: 0, serverMaxWindowBits: 9 },
    { threshold: 0, zlibDeflateOptions: { level: 9 } },
    { threshold: 0, zlibDeflateOptions: { strategy: constants.Z_HUFFMAN_ONLY } },
  ]
  test.each(serverSides)('an application with %p', async options => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: options })
    await once(server, 'listening')
    const address = server.address()
    if (typeof address !== 'object' || address === null) throw new Error('not listening')
    server.on('connection', socket =>
      socket.on('message', (data: Buffer, isBinary: boolean) => socket.send(data, { binary: isBinary })),
    )
    await using inner = await startGate(
      routeTo(address, 'on.example', 'allow = "public"\nwebsocket_compression = true'),
    )
    for (const perMessageDeflate of clientSides) {
      const client = new Client(`ws://127.0.0.1:${inner.port}/`, {
        headers: { host: 'on.example' },
        perMessageDeflate: { threshold: 0, ...perMessageDeflate },
      })
      const received: (string | Buffer)[] = []
      client.on('message', (data: Buffer, isBinary: boolean) => received.push(isBinary ? data : data.toString()))
      await once(client, 'open')
      const sent = sizes.flatMap(size => [
        'some text, and again some text; '.repeat(size / 32 + 1).slice(0, size),
        randomBytes(size),
        Buffer.alloc(size, 7),
      ])
      for (const message of [...sent, ...sent]) client.send(message)
      await eventually(() => received.length === 2 * sent.length, 'everything comes back')
      expect(received.every((message, at) => same(message, sent[at % sent.length]))).toBe(true)
      client.terminate()
    }
    for (const client of server.clients) client.terminate()
    server.close()
  })
})

function same(one: string | Buffer, other: string | Buffer | undefined): boolean {
  return typeof one === typeof other && other !== undefined && Buffer.from(one).equals(Buffer.from(other))
}

function closeCode(frames: readonly WireFrame[]): number | null {
  const close = frames.find(({ opcode }) => opcode === 8)
  return close === undefined ? null : Buffer.from(close.payload).readUInt16BE()
}
