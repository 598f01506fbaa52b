/** Answers that break off after they have begun: whoever reads them sees that, and so does the operator, once. */
import { expect } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { createServer as createSecureServer, type TLSSocket } from 'node:tls'
import { makeAuthority } from '../../kit/certificates.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, type Gate, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { metricsOf } from '../../kit/requests.ts'
import { openHttp2, openSecure } from '../../kit/wire/tls.ts'
import { openWire } from '../../kit/wire/wire.ts'

const { afterAll, beforeAll, describe, test } = needs('openssl')

/** What an upstream sends before it breaks off, by the first part of the path. */
const BEGINNINGS: Readonly<Record<string, string>> = {
  length: 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100000000\r\n\r\nbegun',
  chunked: 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n',
  'in-a-chunk': 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nbegun',
  'old-length': 'HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100000000\r\n\r\nbegun',
  old: 'HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nbegun',
}
/** How it breaks off, by the second. */
const ENDS: Readonly<Record<string, (socket: Socket) => void>> = {
  fin: socket => void socket.end(),
  reset: socket => void socket.resetAndDestroy(),
}

const authority = makeAuthority()
const own = authority.issue('DNS:plain.example,DNS:tls.example,IP:127.0.0.1')
const folder = temporaryFolder()
let gate: Gate
const upstreams: Server[] = []
/** Breaks off the answer that is under way. */
let breakOff: () => void = () => {}
/** How many answers have been cut. */
let cuts = 0

beforeAll(async () => {
  const answer = (socket: Socket) => {
    socket.on('error', () => undefined)
    socket.once('data', (head: Buffer) => {
      const [, beginning = '', end = ''] = /^GET \/([^/]+)\/(\S+)/.exec(head.toString('latin1')) ?? []
      breakOff = () => ENDS[end]?.(socket)
      socket.write(BEGINNINGS[beginning] ?? '')
    })
  }
  upstreams.push(
    createServer(answer),
    createSecureServer(own, (socket: TLSSocket) => answer(socket)),
  )
  const ports = await Promise.all(upstreams.map(listen))
  const ca = join(folder.path, 'ca.pem')
  writeFileSync(ca, authority.cert)
  gate = await startGate(
    `[tls]
listen = ["127.0.0.1:0"]
redirect_http = false
certificates = [{ cert = "own.pem", key = "own.key" }]
[[routes]]
host = "plain.example"
upstream = "http://127.0.0.1:${ports[0]}"
allow = "public"
[[routes]]
host = "tls.example"
upstream = { to = "https://127.0.0.1:${ports[1]}", tls = { ca = "${ca}" } }
allow = "public"
`,
    { files: { 'own.pem': own.cert, 'own.key': own.key } },
  )
})
afterAll(async () => {
  await gate[Symbol.asyncDispose]()
  await Promise.all(upstreams.map(server => new Promise(resolve => server.close(resolve))))
  folder[Symbol.dispose]()
})

async function listen(server: Server): Promise<number> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const bound = server.address()
  return typeof bound === 'object' && bound !== null ? bound.port : 0
}

async function truncated(): Promise<number> {
  const text = await metricsOf(gate)
  return Number(/^sallyport_truncated_total (\d+)$/m.exec(text)?.[1])
}

const told = () => gate.log.filter(line => line.includes('in the middle of its answer'))

/** Whether who asks by each protocol sees the answer that has begun come to a good end. */
const FRONTS: Readonly<Record<string, (host: string, path: string) => Promise<boolean>>> = {
  async 'HTTP/1.1'(host, path) {
    const wire = await openWire(gate.port)
    await wire.send(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    const begun = await wire.receive({ until: got => got.includes('begun') })
    expect(begun.status).toBe(200)
    breakOff()
    await eventually(() => wire.isClosed || endsWell(wire.received), 'it is over')
    wire.close()
    return endsWell(wire.received)
  },
  async 'HTTP/1.1 over TLS'(host, path) {
    const socket = await openSecure({ port: gate.securePort, name: host, ca: authority.cert })
    let received = Buffer.alloc(0)
    let isClosed = false
    socket.on('data', (piece: Buffer) => {
      received = Buffer.concat([received, piece])
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      isClosed = true
    })
    socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}:${gate.securePort}\r\n\r\n`)
    await eventually(() => received.includes('begun'), 'it has begun')
    breakOff()
    await eventually(() => isClosed || endsWell(received), 'it is over')
    socket.destroy()
    return endsWell(received)
  },
  async 'HTTP/2'(host, path) {
    using client = openHttp2({ port: gate.securePort, name: host, ca: authority.cert })
    const { closed } = await client.hold(path)
    breakOff()
    return (await closed) === 0
  },
}

/** Whether the last chunk is there (RFC 9112 §7.1); a known length is never reached here. */
function endsWell(received: Buffer): boolean {
  return received.toString('latin1').endsWith('\r\n0\r\n\r\n')
}

const CUT = Object.keys(BEGINNINGS)
  .filter(beginning => beginning !== 'old')
  .flatMap(beginning => Object.keys(ENDS).map(end => `/${beginning}/${end}`))

describe.each(Object.entries(FRONTS))('by %s', (_, ask) => {
  describe.each(['plain.example', 'tls.example'])('from %s', host => {
    test.each(CUT)('%s is cut for whoever reads it, counted once and told once, with its route', async path => {
      cuts++
      const [before, lines] = [await truncated(), told().length]
      expect(await ask(host, path)).toBe(false)
      await eventually(() => told().length > lines, 'it is told')
      expect([await truncated(), told().length]).toEqual([before + 1, lines + 1])
      expect(JSON.parse(told().at(-1) ?? '')).toMatchObject({ route: `${host}/` })
    })

    test('RFC 1945 §7.2.2: an answer without a length is whole where its connection ends', async () => {
      const before = await truncated()
      expect(await ask(host, '/old/fin')).toBe(true)
      expect(await truncated()).toBe(before)
    })

    test('Bun 1.4.5 takes a reset for that end, too: when this fails, docs/limits.md has one less', async () => {
      const before = await truncated()
      expect(await ask(host, '/old/reset')).toBe(true)
      expect(await truncated()).toBe(before)
    })
  })
})

test('none was counted more than once, nor told', async () => {
  expect([await truncated(), told().length]).toEqual([cuts, cuts])
})
