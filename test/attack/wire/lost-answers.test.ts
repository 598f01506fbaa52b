import { describe, expect, test } from 'bun:test'
import { startAnswering } from '../../kit/applications/answering.ts'
import { makeAuthority } from '../../kit/certificates.ts'
import { eventually, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { metricsOf } from '../../kit/requests.ts'
import { routeTo } from '../../kit/toml.ts'
import { secureFetch } from '../../kit/wire/tls.ts'
import { openWire, sendRaw, type WirePart } from '../../kit/wire/wire.ts'

const HOST = 'Host: app.example\r\n'
const keep = untilTheEnd()
/** What the application was asked; `/held` is answered once somebody lets it go. */
const asked: string[] = []
let letGo = Promise.withResolvers<void>()
const app = keep(
  startAnswering(async request => {
    const { pathname } = new URL(request.url)
    asked.push(`${request.method} ${pathname} ${await request.text()}`)
    if (pathname === '/held') await letGo.promise
    return new Response('carried out')
  }),
)
const gate = keep(await startGate(routeTo(app, 'app.example', 'allow = "public"')))

const post = (path: string) => `POST ${path} HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabc`
const chunked = (path: string, fields = '') =>
  `POST ${path} HTTP/1.1\r\n${HOST}${fields}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-After: 1\r\n\r\n`

/** What came back until the connection was closed, what the application was asked for it, and the lines about it. */
async function exchange(parts: readonly WirePart[]) {
  asked.length = 0
  letGo = Promise.withResolvers()
  const before = gate.access.length
  const wire = await openWire(gate.port)
  for (const part of parts) await wire.send(part)
  await eventually(() => wire.isClosed, 'the connection is closed')
  letGo.resolve()
  const about = () =>
    gate.access
      .slice(before)
      .map(line => JSON.parse(line) as Record<string, unknown>)
      .filter(({ path }) => path !== '/next')
  await eventually(() => about().length > 0, 'the request is logged')
  const lines = about()
  return {
    answers: [...wire.received.toString('latin1').matchAll(/HTTP\/1\.1 [0-9]+/g)].map(([line]) => line),
    asked: [...asked],
    logged: lines.map(({ path, status, reason }) => [path, status, reason]),
  }
}

/** The next client is none the wiser. */
async function isWell(): Promise<void> {
  const { status } = await sendRaw(gate.port, `GET /next HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`)
  expect(status).toBe(200)
  const metrics = async () => await metricsOf(gate)
  await eventually(async () => /^sallyport_requests_in_flight 0$/m.test(await metrics()), 'nothing is under way')
}

describe('an answer that Bun 1.4.5 takes from its client is logged as one that never arrived', () => {
  test.each<[what: string, parts: readonly WirePart[], answers: readonly string[]]>([
    ['an empty line behind a body', [`${post('/held')}\r\n`], ['HTTP/1.1 400']],
    ['one that comes a while later', [post('/held'), 50, '\r\n'], ['HTTP/1.1 400']],
    ['one where the answer is quick', [`${post('/quick')}\r\n`], ['HTTP/1.1 400']],
    ['trailers that nothing announced', [chunked('/held')], ['HTTP/1.1 400']],
    ['a second request', [post('/held') + post('/second')], []],
    ['a second request a while later', [post('/held'), 50, post('/second')], []],
  ])('%s', async (_, parts, answers) => {
    const path = String(parts[0]).split(' ')[1]
    const found = await exchange(parts)
    expect(found.answers).toEqual([...answers])
    expect(found.asked).toEqual([`POST ${path} abc`])
    expect(found.logged).toEqual([[path, 499, 'client.left']])
    await isWell()
  })
})

test('RFC 9110 §6.6.2: a request that announces trailers gets one answer, and the application nothing', async () => {
  for (const parts of [
    [chunked('/announced', 'Trailer: X-After\r\n')],
    [
      ...chunked('/announced', 'Trailer: X-After\r\n')
        .split(/(?=0\r\nX-After)/)
        .flatMap(part => [part, 30]),
    ],
  ]) {
    const found = await exchange(parts)
    expect(found).toEqual({ answers: ['HTTP/1.1 400'], asked: [], logged: [['/announced', 400, 'target.header']] })
    await isWell()
  }
})

describe('RFC 9110 §7.8: an Upgrade that Connection does not name is ignored', () => {
  test.each([
    '',
    'Connection: close\r\n',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n',
  ])('with %j', async fields => {
    asked.length = 0
    const { status, body } = await sendRaw(
      gate.port,
      `GET /plain HTTP/1.1\r\n${HOST}Upgrade: websocket\r\n${fields}\r\n`,
    )
    expect([status, String(body), asked]).toEqual([200, 'carried out', ['GET /plain ']])
  })

  test('and one that it names still asks for a WebSocket', async () => {
    const { status } = await sendRaw(
      gate.port,
      `GET / HTTP/1.1\r\n${HOST}Upgrade: websocket\r\nConnection: x, Upgrade\r\n\r\n`,
    )
    expect([400, 426]).toContain(status)
  })
})

test.each(['BAN', 'get', 'VERSION-CONTROL', 'UPDATE', 'MKWORKSPACE', 'LABEL'])(
  'the method %s closes the connection without an answer: when this fails, docs/limits.md has one too many',
  async method => {
    asked.length = 0
    const wire = await openWire(gate.port)
    await wire.send(`${method} / HTTP/1.1\r\n${HOST}\r\n`)
    await eventually(() => wire.isClosed, 'the connection is closed')
    expect([wire.received.length, asked]).toEqual([0, []])
    await isWell()
  },
)

test.each(['PROPFIND', 'LOCK', 'REPORT', 'MKCALENDAR', 'PURGE', 'LINK', 'QUERY'])(
  'the method %s passes',
  async method => {
    asked.length = 0
    const { status } = await sendRaw(gate.port, `${method} /passes HTTP/1.1\r\n${HOST}Content-Length: 0\r\n\r\n`)
    expect([status, asked]).toEqual([200, [`${method} /passes `]])
  },
)

needs('openssl').test(
  'plain HTTP to a port of [tls] is closed without a byte: when this fails, docs/limits.md has one too many',
  async () => {
    const authority = makeAuthority()
    const { cert, key } = authority.issue('DNS:app.example')
    await using secure = await startGate(
      `[tls]
listen = ["127.0.0.1:0"]
redirect_http = false
certificates = [{ cert = "own.pem", key = "own.key" }]
${routeTo(app, 'app.example', 'allow = "public"')}`,
      { files: { 'own.pem': cert, 'own.key': key } },
    )
    asked.length = 0
    const wire = await openWire(secure.securePort)
    await wire.send(`GET / HTTP/1.1\r\n${HOST}\r\n`)
    await eventually(() => wire.isClosed, 'the connection is closed')
    expect([wire.received.length, asked, secure.access]).toEqual([0, [], []])
    // Whoever comes by TLS is answered as before.
    const answer = await secureFetch({ port: secure.securePort, name: 'app.example', ca: authority.cert }, '/')
    expect([answer.status, await answer.text()]).toEqual([200, 'carried out'])
  },
)
