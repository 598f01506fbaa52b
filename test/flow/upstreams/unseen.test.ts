/** Long bodies that go on as Bun hands them on: which do, what is told of them, and how they end. The log says `bytes_announced` of them. */
import { describe, expect } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeAuthority } from '../../kit/certificates.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, type Gate, PORTAL, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { compiledBinary } from '../../kit/programs/binary.ts'
import { childToml, freePort, startChild } from '../../kit/programs/child.ts'
import { metricOf } from '../../kit/requests.ts'
import { openHttp2, openSecure } from '../../kit/wire/tls.ts'
import { hasHead, openWire, startRawUpstream, type Wire } from '../../kit/wire/wire.ts'

const { test } = needs('openssl', '/proc')

const LENGTH = 20_000_000
const HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n'

const keep = untilTheEnd()
/** Answers with 20 MB at once, or with what a path says. */
const startApp = () =>
  startRawUpstream(async connection => {
    while (!connection.isClosed) {
      const { raw } = await connection.receive({ until: hasHead, timeoutMs: 300_000 })
      const path = /^\S+ (\S+)/.exec(raw.toString('latin1'))?.[1] ?? ''
      const length = path === '/shorter' ? 7_000_000 : LENGTH
      const rest = Buffer.alloc(length, 'x')
      if (path.startsWith('/chunked')) {
        await connection.send(`${HEAD}Transfer-Encoding: chunked\r\n\r\n${LENGTH.toString(16)}\r\n`)
        await connection.send(rest)
        await connection.send('\r\n0\r\n\r\n')
      } else if (path === '/quiet') {
        await connection.send(`${HEAD}Content-Length: ${LENGTH}\r\n\r\n${'x'.repeat(100_000)}`)
        return
      } else if (path === '/silent') {
        return
      } else {
        await connection.send(`${HEAD}Content-Length: ${length}\r\n\r\n`)
        await connection.send(rest)
      }
    }
  })
const app = keep(await startApp())
/** The same at another port. */
const silent = keep(await startApp())
const authority = makeAuthority()
const own = authority.issue('DNS:app.example,DNS:limited.example,DNS:kept.example')
const files = { 'own.pem': own.cert, 'own.key': own.key }
const TLS = `[tls]\nlisten = ["127.0.0.1:0"]\nredirect_http = false\ncertificates = [{ cert = "own.pem", key = "own.key" }]\n`

function route(host: string, more = '', to = `"http://127.0.0.1:${app.port}"`): string {
  return `[[routes]]\nhost = "${host}"\nupstream = ${to}\nallow = "public"\n${more}\n`
}

async function ask(port: number | string, path = '/', host = 'app.example'): Promise<Wire> {
  const wire = await openWire(port)
  wire.pause()
  await wire.send(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
  return wire
}

/** What the log says of the answers so far. */
function recorded(gate: Gate): readonly Readonly<Record<string, unknown>>[] {
  return gate.access.map(line => JSON.parse(line))
}

const isAnnounced = (gate: Gate) => recorded(gate).filter(one => one.bytes_announced === true).length

async function untilOpen(gate: Gate, count: number): Promise<void> {
  await eventually(async () => (await metricOf(gate, 'sallyport_answers_open')) === count, `${count} are under way`)
}

async function untilRecorded(gate: Gate, count: number): Promise<void> {
  await eventually(() => gate.access.length === count, `${count} are recorded`)
}

describe('which go unseen:', () => {
  async function countUnseen(server: string, asked: number): Promise<number> {
    await using gate = await startGate(route('app.example'), { server })
    const wires: Wire[] = []
    for (let count = 1; count <= asked; count++) {
      wires.push(await ask(gate.port))
      await untilOpen(gate, count)
    }
    for (const wire of wires) wire.close()
    await untilRecorded(gate, asked)
    await untilOpen(gate, 0)
    return isAnnounced(gate)
  }

  test('as many as half of stall_memory holds, and no more', async () => {
    expect(await countUnseen('stall_memory = "10MB"', 3)).toBe(2)
  })

  test('as many again, once those before are over', async () => {
    await using gate = await startGate(route('app.example'), { server: 'stall_memory = "10MB"' })
    for (let round = 1; round <= 3; round++) {
      const wires = [await ask(gate.port), await ask(gate.port)]
      await untilOpen(gate, 2)
      for (const wire of wires) wire.resume()
      await eventually(() => wires.every(wire => wire.received.length > LENGTH), 'both have all of it')
      for (const wire of wires) wire.close()
      await untilRecorded(gate, round * 2)
      expect(isAnnounced(gate)).toBe(round * 2)
    }
    expect(recorded(gate).map(({ bytes, reason }) => [bytes, reason])).toEqual(
      Array.from({ length: 6 }, () => [LENGTH, null]),
    )
  })

  test('none whose length is not known, that has a query, that is kept whole, or whose application is counted', async () => {
    await using gate = await startGate(
      route('app.example') +
        route('kept.example', 'keep_length = "16MiB"') +
        route('limited.example', '', `{ to = "http://127.0.0.1:${app.port}", max_connections = 9 }`),
    )
    for (const [path, host] of [
      ['/chunked', 'app.example'],
      ['/?key=1', 'app.example'],
      ['/', 'limited.example'],
    ] as const) {
      const wire = await ask(gate.port, path, host)
      await untilOpen(gate, 1)
      wire.close()
      await untilOpen(gate, 0)
    }
    await untilRecorded(gate, 3)
    expect(isAnnounced(gate)).toBe(0)
  })

  test('those by HTTP/1.1 over TLS, and by HTTP/2 those of which not all can be here', async () => {
    await using gate = await startGate(TLS + route('app.example'), { files })
    using client = openHttp2({ port: gate.securePort, name: 'app.example', ca: authority.cert })
    await client.hold('/', { accept: '*/*' })
    await untilRecorded(gate, 1)
    await client.hold('/shorter', { accept: '*/*' })
    await untilRecorded(gate, 2)
    const socket = await openSecure({ port: gate.securePort, name: 'app.example', ca: authority.cert })
    socket.on('error', () => undefined)
    socket.pause()
    socket.write('GET / HTTP/1.1\r\nHost: app.example\r\nAccept: */*\r\n\r\n')
    await untilOpen(gate, 1)
    socket.destroy()
    await untilRecorded(gate, 3)
    const [long, shorter, first] = recorded(gate)
    expect([long?.protocol, long?.bytes, long?.bytes_announced]).toEqual(['HTTP/2.0', LENGTH, true])
    expect([shorter?.protocol, shorter?.bytes, shorter?.bytes_announced]).toEqual(['HTTP/2.0', 7_000_000, undefined])
    expect([first?.protocol, first?.bytes_announced, first?.reason]).toEqual(['HTTP/1.1', true, 'answer.cut'])
  })

  test('none by a local socket', async () => {
    using folder = temporaryFolder()
    const at = join(folder.path, 'gate.sock')
    await using gate = await startGate(route('app.example'), { listen: `unix:${at}` })
    const wire = await ask(at)
    await untilOpen(gate, 1)
    wire.close()
    await untilRecorded(gate, 1)
    expect(isAnnounced(gate)).toBe(0)
  })
})

describe('how they end:', () => {
  test('a client that leaves is recorded, and its application is let go', async () => {
    await using gate = await startGate(route('app.example'))
    const before = app.connections.length
    const wire = await ask(gate.port)
    await untilOpen(gate, 1)
    wire.close()
    await untilRecorded(gate, 1)
    expect(recorded(gate)[0]).toMatchObject({ status: 200, bytes: LENGTH, bytes_announced: true, reason: 'answer.cut' })
    await eventually(() => app.connections[before]?.isClosed === true, 'its application is let go')
    expect(await metricOf(gate, 'sallyport_truncated_total')).toBe(0)
  })

  test('a client that reads nothing for stall_timeout is cut, and one whose application is silent is not', async () => {
    await using gate = await startGate(route('app.example'), { server: 'stall_timeout = "2s"' })
    const quiet = await openWire(gate.port)
    await quiet.send('GET /quiet HTTP/1.1\r\nHost: app.example\r\n\r\n')
    const wire = await ask(gate.port)
    await eventually(async () => (await metricOf(gate, 'sallyport_stalled_total')) === 1, 'it is cut')
    await untilRecorded(gate, 1)
    expect(recorded(gate)[0]).toMatchObject({ path: '/', bytes_announced: true, reason: 'answer.cut' })
    expect(quiet.isClosed).toBe(false)
    wire.close()
    quiet.close()
    await untilOpen(gate, 0)
  }, 300_000)

  test('by HTTP/2, a stream whose window stays closed for stall_timeout is cut, and one whose application is silent is not', async () => {
    const toml = route('app.example') + route('kept.example', '', `"http://127.0.0.1:${silent.port}"`)
    await using gate = await startGate(TLS + toml, { files, server: 'stall_timeout = "2s"' })
    using quiet = openHttp2({ port: gate.securePort, name: 'kept.example', ca: authority.cert })
    const { closed } = await quiet.hold('/quiet')
    let isQuietOver = false
    void closed.then(() => {
      isQuietOver = true
    })
    using client = openHttp2({ port: gate.securePort, name: 'app.example', ca: authority.cert })
    await client.dawdle('/')
    await eventually(async () => (await metricOf(gate, 'sallyport_stalled_total')) === 1, 'it is cut')
    await untilRecorded(gate, 1)
    expect(recorded(gate)[0]).toMatchObject({ path: '/', bytes_announced: true, reason: 'answer.cut' })
    // The connection is as good as before.
    expect((await client.ask('/shorter')).body).toHaveLength(7_000_000)
    expect(isQuietOver).toBe(false)
    quiet[Symbol.dispose]()
    await untilOpen(gate, 0)
  }, 300_000)

  test('max_open counts them, and a place is free as soon as one is over', async () => {
    await using gate = await startGate(route('app.example'), { server: 'max_open = 2' })
    const wires = [await ask(gate.port), await ask(gate.port)]
    await untilOpen(gate, 2)
    const refused = await openWire(gate.port)
    await refused.send('GET / HTTP/1.1\r\nHost: app.example\r\n\r\n')
    expect((await refused.receive()).status).toBe(429)
    wires[0]?.close()
    await untilRecorded(gate, 2)
    const next = await ask(gate.port)
    await untilOpen(gate, 2)
    for (const wire of [...wires, refused, next]) wire.close()
    await untilRecorded(gate, 4)
    expect(isAnnounced(gate)).toBe(3)
  })

  test('what is under way when a gate stops is recorded', async () => {
    await using gate = await startGate(route('app.example'))
    const wire = await ask(gate.port)
    await untilOpen(gate, 1)
    await gate.server.stop()
    await untilRecorded(gate, 1)
    expect(recorded(gate)[0]).toMatchObject({ bytes_announced: true, reason: 'answer.cut' })
    wire.close()
  })

  test('the executable says nothing of its own on standard error, whoever ends them', async () => {
    using folder = temporaryFolder()
    const [port, adminPort] = [await freePort(), await freePort()]
    const toml = (allow: string, stallTimeout: string) =>
      [
        `admin = "127.0.0.1:${adminPort}"\nstall_timeout = "${stallTimeout}"\n${PORTAL}`,
        route('app.example').replace('"public"', `${allow}\nportal = "home"`),
        route('open.example'),
      ].join('\n')
    await using gate = await startChild({
      command: [await compiledBinary()],
      folder: folder.path,
      port,
      toml: toml('"public"', '1h'),
    })
    const [read, unread] = [await openWire(port), await ask(port)]
    await read.send('GET /quiet HTTP/1.1\r\nHost: app.example\r\n\r\n')
    await eventually(async () => (await metricOf({ adminPort }, 'sallyport_answers_open')) === 2, 'two are under way')
    const upload = await openWire(port)
    await upload.send('POST /silent HTTP/1.1\r\nHost: app.example\r\nContent-Length: 1000000\r\n\r\nbegun')
    await eventually(async () => (await metricOf({ adminPort }, 'sallyport_uploads_open')) === 1, 'so is an upload')
    writeFileSync(join(folder.path, 'routes.toml'), childToml(port, toml('["admin"]', '2s')))
    await eventually(() => read.isClosed, 'what is read ends')
    await eventually(async () => (await metricOf({ adminPort }, 'sallyport_answers_open')) === 0, 'so does the other')
    expect((await upload.receive()).status).toBe(401)
    const stalled = await ask(port, '/', 'open.example')
    await eventually(async () => (await metricOf({ adminPort }, 'sallyport_stalled_total')) === 1, 'one is cut')
    for (const wire of [stalled, read, unread, upload]) wire.close()
    const strange = gate
      .output()
      .split('\n')
      .filter(line => line !== '' && !line.startsWith('{'))
    expect(strange).toEqual([])
  }, 300_000)
})
