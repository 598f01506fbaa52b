/** A request that is answered before all of it has come: its answer can be read, and then its connection is closed, whatever drips. */
import { expect } from 'bun:test'
import { connect } from 'node:tls'
import { startApp } from '../../../kit/applications/app.ts'
import { makeAuthority } from '../../../kit/certificates.ts'
import { eventually, PORTAL, startGate } from '../../../kit/gate.ts'
import { needs } from '../../../kit/needs.ts'
import { untilTheEnd } from '../../../kit/opened.ts'
import { openWire } from '../../../kit/wire/wire.ts'

const { test } = needs('openssl')

const authority = makeAuthority()
const certificate = authority.issue('DNS:app.example')

/** Longer than a connection is kept that is to be closed, and than the steps of four seconds in which Bun looks at them. */
const LATE_MS = 12_000

const keep = untilTheEnd()
const app = keep(
  await startApp((request, response) => {
    setTimeout(() => response.end('plain'), request.url === '/late' ? LATE_MS : 0)
  }),
)
const upstream = `upstream = "http://127.0.0.1:${app.port}"\n`
const gate = keep(
  await startGate(
    `[tls]
listen = ["127.0.0.1:0"]
certificates = [{ cert = "app.pem", key = "app.key" }]
http2 = false
redirect_http = false
${PORTAL}
[[routes]]
host = "app.example"
portal = "home"
allow = ["admin"]
${upstream}
[[routes]]
host = "public.example"
allow = "public"
${upstream}
[[routes]]
host = "listed.example"
allow = "public"
methods = ["GET"]
${upstream}
[[routes]]
host = "moved.example"
allow = "public"
redirect = "https://elsewhere.example"

[[routes]]
host = "limited.example"
allow = "public"
rate = { requests = 1, per = "1h", burst = 1, by = "route" }
${upstream}`,
    { files: { 'app.pem': certificate.cert, 'app.key': certificate.key } },
  ),
)
const cookie = (await gate.signIn('app.example')).cookie

interface Case {
  readonly status: number
  readonly host: string
  readonly method?: string
  readonly more?: string
  readonly before?: () => Promise<unknown>
}

const page = 'Accept: text/html\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n'
const CASES: Readonly<Record<string, () => Case>> = {
  'no user is signed in': () => ({ status: 401, host: 'app.example' }),
  'a role is missing': () => ({ status: 403, host: 'app.example', more: `Cookie: ${cookie}\r\n` }),
  'a browser is sent to sign in': () => ({ status: 302, host: 'app.example', method: 'GET', more: page }),
  'no route serves it': () => ({ status: 404, host: 'unknown.example' }),
  'the method is not listed': () => ({ status: 405, host: 'listed.example' }),
  'the route sends it elsewhere': () => ({ status: 302, host: 'moved.example' }),
  'there were too many': () => ({
    status: 429,
    host: 'limited.example',
    before: () => fetch(`http://127.0.0.1:${gate.port}/`, { headers: { host: 'limited.example' } }),
  }),
  'the body of a GET is not waited for': () => ({ status: 200, host: 'public.example', method: 'GET' }),
}

// All of these wait for Bun's timers, and so they wait together.
for (const [why, make] of Object.entries(CASES)) {
  test.concurrent(`where ${why}`, async () => {
    const { status, host, method = 'POST', more = '', before } = make()
    await before?.()
    const wire = await openWire(gate.port)
    await wire.send(`${method} / HTTP/1.1\r\nHost: ${host}\r\n${more}Content-Length: 200000\r\n\r\nbegun`)
    expect((await wire.receive()).status).toBe(status)
    await closes(
      () => wire.isClosed,
      () => wire.send('x'),
    )
  }, 300_000)
}

test.concurrent('where it comes in chunks', async () => {
  const wire = await openWire(gate.port)
  await wire.send('POST / HTTP/1.1\r\nHost: app.example\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n')
  expect((await wire.receive()).status).toBe(401)
  await closes(
    () => wire.isClosed,
    () => wire.send('1\r\nx\r\n'),
  )
}, 300_000)

test.concurrent('where it comes by HTTPS that carries no HTTP/2', async () => {
  const socket = connect({ host: '127.0.0.1', port: gate.securePort, ca: authority.cert, servername: 'app.example' })
  let [got, isClosed] = ['', false]
  socket.on('data', bytes => {
    got += bytes
  })
  socket.on('error', () => undefined)
  socket.on('close', () => {
    isClosed = true
  })
  socket.write('POST / HTTP/1.1\r\nHost: app.example\r\nContent-Length: 200000\r\n\r\nbegun')
  await eventually(() => got.startsWith('HTTP/1.1 401 '), 'it is answered')
  await closes(
    () => isClosed,
    async () => void socket.write('x'),
  )
}, 300_000)

test.concurrent('the connection of one that was sent to its end carries more, however long these take', async () => {
  const wire = await openWire(gate.port)
  await wire.send('POST / HTTP/1.1\r\nHost: app.example\r\nContent-Length: 4\r\n\r\nsent')
  expect((await wire.receive()).status).toBe(401)
  await wire.send('GET /late HTTP/1.1\r\nHost: public.example\r\n\r\n')
  expect((await wire.receive()).status).toBe(200)
  wire.close()
}, 300_000)

async function closes(isClosed: () => boolean, drip: () => Promise<void>): Promise<void> {
  await eventually(async () => {
    await drip()
    await Bun.sleep(200)
    return isClosed()
  }, 'the connection is closed')
}
