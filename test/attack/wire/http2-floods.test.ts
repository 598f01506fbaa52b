/** Clients of HTTP/2 that cost themselves nothing: requests that are reset as they come, and bodies byte by byte. */
import { beforeEach, expect } from 'bun:test'
import type { Ports } from '../../../src/base/ports.ts'
import { makeAuthority } from '../../kit/certificates.ts'
import { fakeClock } from '../../kit/clock.ts'
import { eventually, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { metricOf } from '../../kit/requests.ts'
import { routeTo } from '../../kit/toml.ts'
import { type Field, FLAG, FRAME, frame, type Http2Wire, headers, openHttp2Wire } from '../../kit/wire/http2.ts'
import { secureFetch } from '../../kit/wire/tls.ts'
import { httpResponse, startRawUpstream } from '../../kit/wire/wire.ts'

const { describe, test } = needs('openssl', '127.0.0.2')

const HOST = 'app.example.com'
/** Somebody else, who has an allowance of their own. */
const STRANGER = '127.0.0.2'
const authority = makeAuthority()
const own = authority.issue(`DNS:${HOST}`)

let asked = 0
let bodies: number[] = []
const keep = untilTheEnd()
const upstream = keep(
  Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      asked++
      if (request.method === 'POST') bodies.push((await request.arrayBuffer()).byteLength)
      // Long enough for a reset to be heard.
      else if (request.url.endsWith('/slow')) await Bun.sleep(20)
      return new Response('from the application')
    },
  }),
)
const open = (
  server: string,
  ports: Partial<Ports> = {},
  application: { readonly port: number | undefined } = upstream,
) =>
  startGate(
    `[tls]
listen = ["127.0.0.1:0"]
certificates = [{ cert = "own.pem", key = "own.key" }]
${routeTo(application, HOST, 'allow = "public"')}`,
    { server, ports, files: { 'own.pem': own.cert, 'own.key': own.key } },
  )
const gate = keep(await open('max_resets = 300'))
beforeEach(() => {
  asked = 0
  bodies = []
})

const connectTo = (securePort: number, from?: string) =>
  openHttp2Wire({ port: securePort, name: HOST, ca: authority.cert }, from)
const innocent = () => secureFetch({ port: gate.securePort, name: HOST, ca: authority.cert }, '/')
const head = (method: string, path: string): readonly Field[] => [
  [':method', method],
  [':scheme', 'https'],
  [':path', path],
  [':authority', HOST],
]

/** Ends a stream as its client may, or makes the server end it. */
const ENDS: readonly (readonly [what: string, end: (stream: number) => Buffer])[] = [
  ['rapid reset (CVE-2023-44487)', stream => frame(FRAME.reset, 0, stream, Buffer.from([0, 0, 0, 8]))],
  ['a window that does not grow (MadeYouReset)', stream => frame(FRAME.windowUpdate, 0, stream, Buffer.alloc(4))],
]

/** Asks on streams of its own and ends each at once; answers the connection. */
async function askAndEnd(securePort: number, count: number, end: (stream: number) => Buffer): Promise<Http2Wire> {
  const wire = await connectTo(securePort, STRANGER)
  const parts = Array.from({ length: count }, (_, index) => 1 + 2 * index).flatMap(stream => [
    headers(head('GET', '/slow'), true, stream),
    end(stream),
  ])
  wire.socket.write(Buffer.concat(parts))
  return wire
}

const rows = (access: readonly string[]) =>
  access.map(line => JSON.parse(line) as { client: string; status: number; reason: string | null })

describe.each(ENDS)('%s', (_, end) => {
  test('counts against the client, whatever connections it opens: 429 after max_resets, and others are served', async () => {
    const clock = fakeClock(Date.now())
    await using gate = await open('max_resets = 300', clock)
    const wires: Http2Wire[] = []
    // A sixth of them may come at once; each of these is on its way before the first is known to be given up.
    wires.push(await askAndEnd(gate.securePort, 80, end))
    await eventually(async () => (await metricOf(gate, 'sallyport_resets_total')) === 80, 'they are counted')
    // Of so many at once for one address some wait to be sent, and are given up before that.
    const reached = asked
    expect(reached).toBeGreaterThan(0)
    for (let round = 1; round <= 3; round++) {
      wires.push(await askAndEnd(gate.securePort, 40, end))
      await eventually(() => gate.access.length >= 80 + round * 40, 'each is over')
    }
    expect(asked).toBe(reached)
    expect(rows(gate.access).filter(({ status }) => status === 429)).toHaveLength(120)
    const ofOthers = await secureFetch({ port: gate.securePort, name: HOST, ca: authority.cert }, '/')
    expect(ofOthers.status).toBe(200)
    expect(gate.told('gives up', STRANGER)).toHaveLength(1)
    // 30 more than it might, at five a second.
    clock.advance(5_000)
    wires.push(await askAndEnd(gate.securePort, 1, end))
    await eventually(() => gate.access.length === 202, 'it is over')
    expect(asked).toBe(reached + 1)
    clock.advance(2_000)
    wires.push(await askAndEnd(gate.securePort, 1, end))
    await eventually(() => asked === reached + 2, 'it reaches the application')
    for (const { socket } of wires) socket.destroy()
  })

  test('the log says that the client left, and blames no upstream', async () => {
    const wire = await askAndEnd(gate.securePort, 30, end)
    await eventually(() => rows(gate.access).filter(({ client }) => client === STRANGER).length >= 30, 'each is over')
    const reasons = new Set(rows(gate.access).map(({ reason }) => reason))
    expect([...reasons]).toEqual(['client.left'])
    expect(await metricOf(gate, 'sallyport_upstream_errors_total')).toBe(0)
    expect(gate.told('upstream.')).toEqual([])
    gate.forgetLogs()
    wire.socket.destroy()
  })
})

test('max_resets = "off" counts none', async () => {
  await using gate = await open('max_resets = "off"')
  const [[, end] = []] = ENDS
  if (end === undefined) throw new Error('there is one')
  const wire = await askAndEnd(gate.securePort, 90, end)
  await eventually(() => gate.access.length >= 90, 'each is over')
  expect(rows(gate.access).filter(({ status }) => status === 429)).toEqual([])
  expect(await metricOf(gate, 'sallyport_resets_total')).toBe(0)
  wire.socket.destroy()
})

test('requests that are answered count for nothing, however many', async () => {
  const before = await metricOf(gate, 'sallyport_resets_total')
  for (let count = 0; count < 60; count++) expect((await innocent()).status).toBe(200)
  expect(await metricOf(gate, 'sallyport_resets_total')).toBe(before)
})

/** What a body in chunks says (RFC 9112 §7.1). */
function unchunked(chunks: string): string {
  let text = ''
  for (let at = 0; ; ) {
    const end = chunks.indexOf('\r\n', at)
    const length = Number.parseInt(chunks.slice(at, end), 16)
    if (!(length > 0)) return text
    text += chunks.slice(end + 2, end + 2 + length)
    at = end + 4 + length
  }
}

describe('bodies byte by byte', () => {
  const FRAMES = 20_000
  const byte = (stream: number) => frame(FRAME.data, 0, stream, Buffer.from('x'))
  const lastOf = (stream: number) => frame(FRAME.data, FLAG.endStream, stream, Buffer.alloc(0))

  test('arrive whole, and in their order', async () => {
    const raw = keep(
      await startRawUpstream(async connection => {
        await connection.receive({ until: received => received.includes('\r\n0\r\n\r\n'), timeoutMs: 300_000 })
        await connection.send(httpResponse(200, 'whole', ['Connection: close']))
      }),
    )
    await using gate = await open('', {}, raw)
    const { socket, frames } = await connectTo(gate.securePort)
    const text = Array.from({ length: FRAMES }, (_, index) => String.fromCharCode(97 + (index % 26)))
    const body = Buffer.concat(text.map(letter => frame(FRAME.data, 0, 1, Buffer.from(letter))))
    socket.write(Buffer.concat([headers(head('POST', '/'), false), body, lastOf(1)]))
    await eventually(() => frames().some(({ type, flags }) => type === FRAME.data && flags === 1), 'the answer')
    expect(unchunked(raw.text.slice(raw.text.indexOf('\r\n\r\n') + 4))).toBe(text.join(''))
    socket.destroy()
  })

  test('others are answered while many streams bring them', async () => {
    const { socket } = await connectTo(gate.securePort, '127.0.0.3')
    const streams = Array.from({ length: 50 }, (_, index) => 1 + 2 * index)
    const round = Buffer.concat(streams.map(byte))
    socket.write(Buffer.concat(streams.map(stream => headers(head('POST', '/'), false, stream))))
    socket.write(Buffer.concat(Array<Buffer>(1000).fill(round)))
    await eventually(() => asked > 0, 'the first')
    expect((await innocent()).status).toBe(200)
    expect(bodies).toEqual([])
    socket.write(Buffer.concat(streams.map(lastOf)))
    await eventually(() => bodies.length === 50, 'all of them')
    expect(new Set(bodies)).toEqual(new Set([1000]))
    socket.destroy()
  })
})
