/** Requests by HTTP/2 that no honest client sends, frame by frame: what the application gets decides. */
import { expect } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { makeAuthority } from '../../kit/certificates.ts'
import { patienceMs } from '../../kit/clock.ts'
import { PORTAL, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { routeTo } from '../../kit/toml.ts'
import { type Field, FLAG, FRAME, frame, headers, openHttp2Wire, packed } from '../../kit/wire/http2.ts'

const { test } = needs('openssl')

const authority = makeAuthority()
const own = authority.issue('DNS:app.example.com')
const other = authority.issue('DNS:other.example.com')

let seen: { readonly method: string; readonly path: string; readonly fields: Record<string, string> }[] = []

const keep = untilTheEnd()
const upstream = keep(
  Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      const { pathname, search } = new URL(request.url)
      const fields = request.headers.toJSON() as Record<string, string>
      await request.arrayBuffer()
      seen.push({ method: request.method, path: pathname + search, fields })
      return new Response('from the application')
    },
  }),
)
const route = (host: string, rest: string) => routeTo(upstream, host, rest)
const gate = keep(
  await startGate(
    `[tls]
listen = ["127.0.0.1:0"]
certificates = [{ cert = "own.pem", key = "own.key" }, { cert = "other.pem", key = "other.key" }]
${PORTAL}
${route('app.example.com', 'allow = "public"')}${route('other.example.com', 'portal = "home"\nallow = ["admin"]')}`,
    { files: { 'own.pem': own.cert, 'own.key': own.key, 'other.pem': other.cert, 'other.key': other.key } },
  ),
)

const HEAD: readonly Field[] = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':path', '/page'],
  [':authority', 'app.example.com'],
]

function replaced(name: string, value: string): readonly Field[] {
  return HEAD.map(([key, before]) => [key, key === name ? value : before])
}

const POST = replaced(':method', 'POST')

const openRaw = () => openHttp2Wire({ port: gate.securePort, name: 'app.example.com', ca: authority.cert })

/** Sends frames; answers what became of the first stream, and what the application saw. */
async function send(...parts: readonly Buffer[]) {
  seen = []
  const { socket, frames } = await openRaw()
  socket.write(Buffer.concat(parts))
  const isOver = () =>
    frames().some(({ type, stream }) => type === FRAME.goAway || (stream === 1 && type !== FRAME.windowUpdate))
  // Some are never answered.
  const giveUpAt = performance.now() + patienceMs(3_000)
  while (!isOver() && !socket.destroyed && performance.now() < giveUpAt) await Bun.sleep(10)
  const kinds = frames().filter(({ type }) => type !== FRAME.settings && type !== FRAME.windowUpdate)
  socket.destroy()
  return { isAnswered: kinds.some(({ type }) => type === FRAME.headers || type === FRAME.data), seen }
}

test('a plain request arrives as it was meant', async () => {
  const { seen: got } = await send(
    headers([...HEAD, ['cookie', 'a=1'], ['cookie', 'b=2'], ['x-a', '1'], ['x-a', '2']], true),
  )
  expect(got).toHaveLength(1)
  expect(got[0]).toMatchObject({ method: 'GET', path: '/page' })
  // RFC 9113 §8.2.3: cookies that came apart are one field again.
  expect(got[0]?.fields).toMatchObject({ host: 'app.example.com', cookie: 'a=1; b=2', 'x-a': '1, 2' })
})

const MALFORMED: readonly (readonly [what: string, ...frames: Buffer[]])[] = [
  ['§8.3.1: a Host field of another host', headers([...HEAD, ['host', 'other.example.com']], true)],
  ['§8.3: two authorities', headers([...HEAD, [':authority', 'other.example.com']], true)],
  ['§8.3.1: neither authority nor Host', headers(HEAD.slice(0, 3), true)],
  [
    '§8.3: a pseudo-header after fields',
    headers([...HEAD.slice(0, 3), ['x', 'y'], [':authority', 'app.example.com']], true),
  ],
  ['§8.3: an unknown pseudo-header', headers([...HEAD, [':x', 'y']], true)],
  ['§8.3.2: a status in a request', headers([...HEAD, [':status', '200']], true)],
  [
    '§8.3.1: no path',
    headers(
      HEAD.filter(([name]) => name !== ':path'),
      true,
    ),
  ],
  ['§8.3.1: an empty path', headers(replaced(':path', ''), true)],
  ['§8.3.1: a path that is a whole address', headers(replaced(':path', 'https://other.example.com/'), true)],
  [
    'a path with a request in it',
    headers(replaced(':path', '/ HTTP/1.1\r\nhost: other.example.com\r\n\r\nGET /'), true),
  ],
  ['a path with a space', headers(replaced(':path', '/a b'), true)],
  ['a method with a request in it', headers(replaced(':method', 'GET / HTTP/1.1\r\n\r\nGET'), true)],
  ['an authority with a line break', headers(replaced(':authority', 'app.example.com\r\nx-a: b'), true)],
  ['§8.3.1: an authority with a name before it', headers(replaced(':authority', 'ada@app.example.com'), true)],
  ['§8.2.1: a name with capitals', headers([...HEAD, ['X-Token', '1']], true)],
  ['§8.2.1: a name with a line break', headers([...HEAD, ['x: 1\r\nx-token', '1']], true)],
  ['§8.2.1: a name with a space', headers([...HEAD, ['x token', '1']], true)],
  ['§8.2.1: a value with a line break', headers([...HEAD, ['x-a', '1\r\nx-token: 2']], true)],
  ['§8.2.1: a value with a line feed', headers([...HEAD, ['x-a', '1\nx-token: 2']], true)],
  ['§8.2.1: a value with NUL', headers([...HEAD, ['x-a', '1\u0000']], true)],
  ['§8.2.2: Connection', headers([...HEAD, ['connection', 'x-token']], true)],
  [
    '§8.2.2: Transfer-Encoding',
    headers([...POST, ['transfer-encoding', 'chunked']], false),
    frame(FRAME.data, FLAG.endStream, 1, Buffer.from('0\r\n\r\n')),
  ],
  ['§8.2.2: Upgrade', headers([...HEAD, ['upgrade', 'h2c']], true)],
  ['§8.2.2: TE that is not trailers', headers([...HEAD, ['te', 'gzip']], true)],
  [
    '§8.1.1: two lengths',
    headers([...POST, ['content-length', '1'], ['content-length', '2']], false),
    frame(FRAME.data, FLAG.endStream, 1, Buffer.from('a')),
  ],
  [
    '§8.1.1: a length that is no number',
    headers([...POST, ['content-length', '+1']], false),
    frame(FRAME.data, FLAG.endStream, 1, Buffer.from('a')),
  ],
  ['§8.1.1: a length without a body', headers([...POST, ['content-length', '1']], true)],
  ['RFC 8441: an extended CONNECT', headers([...replaced(':method', 'CONNECT'), [':protocol', 'websocket']], true)],
]

test.each(MALFORMED)('RFC 9113 %s: the application sees nothing', async (_, ...frames) => {
  expect(await send(...frames)).toEqual({ isAnswered: false, seen: [] })
})

test.each([
  ['shorter', '1', 'abc'],
  ['longer', '9', 'abc'],
])('RFC 9113 §8.1.1: of a body with a %s length no whole request arrives', async (_, length, body) => {
  const got = await send(
    headers([...POST, ['content-length', length]], false),
    frame(FRAME.data, FLAG.endStream, 1, Buffer.from(body)),
  )
  expect(got).toEqual({ isAnswered: false, seen: [] })
})

test('RFC 9113 §8.1: what comes after a body is dropped, and the rest arrives', async () => {
  const got = await send(
    headers([...POST, ['trailer', 'x-after']], false),
    frame(FRAME.data, 0, 1, Buffer.from('hi')),
    headers([['x-after', '1']], true),
  )
  expect(got.isAnswered).toBe(true)
  expect(got.seen.map(({ fields }) => [fields.trailer, fields['x-after']])).toEqual([[undefined, undefined]])
})

test('a host is judged by its own rules, whichever certificate the connection was opened with', async () => {
  const got = await send(headers(replaced(':authority', 'other.example.com'), true))
  expect(got).toEqual({ isAnswered: true, seen: [] })
})

test('streams that are opened and reset in a row neither reach the application nor stop the gate (CVE-2023-44487)', async () => {
  seen = []
  const { socket } = await openRaw()
  const cancel = Buffer.from([0, 0, 0, 8])
  for (let round = 0; round < 20; round++) {
    const parts: Buffer[] = []
    for (let index = 0; index < 500; index++) {
      const stream = 1 + 2 * (round * 500 + index)
      parts.push(headers(HEAD, true, stream), frame(FRAME.reset, 0, stream, cancel))
    }
    socket.write(Buffer.concat(parts))
    await Bun.sleep(1)
  }
  const ofThem = seen
  const { isAnswered } = await send(headers(HEAD, true))
  expect(isAnswered).toBe(true)
  socket.destroy()
  expect(ofThem.length + seen.length).toBeLessThan(5_000)
})

test('a head that never ends is cut off (CVE-2024-27316)', async () => {
  const { socket, frames } = await openRaw()
  const piece = frame(FRAME.continuation, 0, 1, packed([['x-a', 'a'.repeat(100)]]))
  socket.write(frame(FRAME.headers, FLAG.endStream, 1, packed(HEAD)))
  const flood = Buffer.concat(Array<Buffer>(1000).fill(piece))
  let sent = 0
  const isOver = () => socket.destroyed || frames().some(({ type }) => type === FRAME.goAway || type === FRAME.reset)
  while (!isOver() && sent < 50_000_000) {
    socket.write(flood)
    sent += flood.length
    await Bun.sleep(2)
  }
  expect(isOver()).toBe(true)
  socket.destroy()
  expect((await send(headers(HEAD, true))).isAnswered).toBe(true)
})

test('of two addresses of a client, that a trusted proxy hands on, none is taken: by HTTP/2 as by HTTP/1.1', async () => {
  const text = readFileSync(gate.configPath, 'utf8')
  const trusting = '[server]\ntrusted_proxies = ["127.0.0.1"]\nclient_address = "X-Real-IP"'
  writeFileSync(gate.configPath, text.replace('[server]', trusting))
  await gate.server.reload()
  const ask = (...addresses: readonly string[]) =>
    send(headers([...HEAD, ...addresses.map((address): Field => ['x-real-ip', address])], true))
  expect((await ask('10.1.2.3')).seen.map(({ fields }) => fields['x-real-ip'])).toEqual(['10.1.2.3'])
  for (const two of [
    ['10.1.2.3', '198.51.100.1'],
    ['198.51.100.1', ''],
  ])
    expect([two, (await ask(...two)).seen]).toEqual([two, []])
})
