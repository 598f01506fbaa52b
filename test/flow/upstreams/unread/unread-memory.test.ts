/** The executable with 200 MB, all in all, and bodies that nobody takes: it lives, and serves the others. */
import { expect } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startEndless } from '../../../kit/applications/endless.ts'
import { makeAuthority } from '../../../kit/certificates.ts'
import { temporaryFolder } from '../../../kit/folder.ts'
import { eventually } from '../../../kit/gate.ts'
import { needs } from '../../../kit/needs.ts'
import { compiledBinary } from '../../../kit/programs/binary.ts'
import { freePort, startChild } from '../../../kit/programs/child.ts'
import { makeMemoryGroup } from '../../../kit/programs/memory-group.ts'
import { metricsOf } from '../../../kit/requests.ts'
import { headers, openHttp2Wire } from '../../../kit/wire/http2.ts'
import { openSecure } from '../../../kit/wire/tls.ts'
import { openWire, sendRaw } from '../../../kit/wire/wire.ts'

const { test } = needs('openssl', '/proc', '127.0.0.2')

const MB = 1_000_000
const LIMIT_MB = 200

/**
 * Each holds megabytes in the kernel too, between the gate and both sides. All sockets of a machine share what it gives them: with a
 * thousand it ran out, and reset connections, also of others.
 */
const CLIENTS = 300
/** All of them together would hold twice what the process may use. */
const UPLOADS = 160
/** So many answers fit into `stall_memory`. */
const LEFT = 100

/** What `stall_memory` is in a process that may use 200 MB. */
const USUAL = 'stall_memory = "30MB"'

function get(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: app.example\r\n\r\n`
}

/**
 * A gate in a control group, which alone says what it may use; where none can be made it is told what it would have found, and
 * its own memory, the executable's pages among it, has to stay below the limit in either case.
 */
async function startSmall(server = '') {
  const command = [await compiledBinary()]
  // Closed here where the gate does not start: no control group and no program is left behind.
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(temporaryFolder())
  const app = stack.use(await startEndless(folder.path))
  const authority = makeAuthority()
  const certificate = authority.issue('DNS:app.example')
  writeFileSync(join(folder.path, 'app.pem'), certificate.cert)
  writeFileSync(join(folder.path, 'app.key'), certificate.key)
  const [port, securePort, adminPort] = [await freePort(), await freePort(), await freePort()]
  const group = stack.use(makeMemoryGroup(LIMIT_MB * MB))
  const gate = stack.use(
    await startChild({
      command: group?.enclose(command) ?? command,
      folder: folder.path,
      port,
      toml: `admin = "127.0.0.1:${adminPort}"
max_open = "off"
${group === null ? USUAL : ''}
${server}
[tls]
listen = ["127.0.0.1:${securePort}"]
certificates = [{ cert = "app.pem", key = "app.key" }]
redirect_http = false
[[routes]]
host = "app.example"
upstream = "http://127.0.0.1:${app.port}"
allow = "public"
`,
    }),
  )
  const owned = stack.move()
  return {
    port,
    secure: { port: securePort, name: 'app.example', ca: authority.cert },
    lines: () => gate.output().match(/"Answers were cut: [^\n]*/g) ?? [],
    async metric(name: string): Promise<number> {
      const text = await metricsOf({ adminPort })
      return Number(new RegExp(`^sallyport_${name} (\\d+)`, 'm').exec(text)?.[1])
    },
    /** What somebody else is answered. */
    async answers(): Promise<number> {
      return (await sendRaw(port, get('/plain'), { from: '127.0.0.2' })).status
    },
    expectAlive(): void {
      expect(gate.process.exitCode).toBeNull()
      expect(group?.kills() ?? 0).toBe(0)
      const peak = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${gate.process.pid}/status`, 'utf8'))?.[1]
      expect((Number(peak) * 1024) / MB).toBeLessThan(LIMIT_MB)
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

type Small = Awaited<ReturnType<typeof startSmall>>

/** A connection that asks for a gigabyte, and reads nothing of it. */
const UNREAD: Readonly<Record<string, (gate: Small) => Promise<() => void>>> = {
  'by HTTP/1.1': async ({ port }) => {
    const wire = await openWire(port)
    wire.pause()
    await wire.send(get('/endless'))
    return () => wire.close()
  },
  'by HTTP/1.1 and TLS': async ({ secure }) => {
    const socket = await openSecure(secure)
    socket.on('error', () => undefined)
    socket.pause()
    socket.write(get('/endless'))
    return () => socket.destroy()
  },
}

test.each(Object.entries(UNREAD))(
  'hundreds of clients that read nothing, %s, one after the other',
  async (_, open) => {
    await using gate = await startSmall()
    const closes: (() => void)[] = []
    for (let count = 0; count < CLIENTS; count++) {
      closes.push(await open(gate))
      if (count % 20 === 0) expect(await gate.answers()).toBe(200)
    }
    await eventually(async () => (await gate.metric('memory_cut_total')) >= CLIENTS - LEFT, 'most make room', 120_000)
    expect(await gate.answers()).toBe(200)
    gate.expectAlive()
    // One line for the first, and one in ten seconds.
    expect(gate.lines().length).toBeGreaterThan(0)
    expect(gate.lines().length).toBeLessThan(30)
    for (const close of closes) close()
    await eventually(async () => (await gate.metric('answers_open')) === 0, 'nothing is kept')
  },
  300_000,
)

test('hundreds of clients that read nothing, all at once', async () => {
  await using gate = await startSmall()
  const wires = await Promise.all(Array.from({ length: CLIENTS }, () => openWire(gate.port)))
  for (const wire of wires) wire.pause()
  await Promise.all(wires.map(wire => wire.send(get('/endless'))))
  for (let count = 0; count < 20; count++) expect(await gate.answers()).toBe(200)
  await eventually(async () => (await gate.metric('memory_cut_total')) >= CLIENTS - LEFT, 'most make room', 120_000)
  gate.expectAlive()
  for (const wire of wires) wire.close()
}, 300_000)

test('hundreds of uploads, all at once, into an application that reads nothing', async () => {
  await using gate = await startSmall()
  const wires = await Promise.all(Array.from({ length: UPLOADS }, () => openWire(gate.port)))
  // Large ones keep this process from all else for seconds on a busy machine, and who is that late with a request is cut.
  const piece = Buffer.alloc(64 * 1024)
  for (const wire of wires) {
    const send = async (): Promise<void> => {
      await wire.send('POST /deaf HTTP/1.1\r\nHost: app.example\r\nContent-Length: 1000000000\r\n\r\n')
      for (let count = 0; count < 48; count++) await wire.send(piece)
    }
    // Those that are cut are.
    send().catch(() => undefined)
  }
  for (let count = 0; count < 10; count++) expect(await gate.answers()).toBe(200)
  await eventually(async () => (await gate.metric('memory_cut_total')) >= UPLOADS - 50, 'most make room', 120_000)
  expect(await gate.answers()).toBe(200)
  gate.expectAlive()
  for (const wire of wires) wire.close()
}, 300_000)

test('two hundred streams of one HTTP/2 connection that reads nothing, which are cut after stall_timeout', async () => {
  await using gate = await startSmall('stall_timeout = "5s"')
  const { socket } = await openHttp2Wire(gate.secure)
  // Its windows are never made wider, so no stream brings more than their beginning.
  for (let count = 0; count < 200; count++) {
    const fields = [
      [':method', 'GET'],
      [':scheme', 'https'],
      [':authority', 'app.example'],
      [':path', '/endless'],
    ] as const
    socket.write(headers(fields, true, 2 * count + 1))
    if (count % 20 === 0) expect(await gate.answers()).toBe(200)
  }
  const cut = async () => (await gate.metric('memory_cut_total')) + (await gate.metric('stalled_total'))
  await eventually(async () => (await cut()) === 200, 'all have been cut', 120_000)
  // A busy machine takes so long to open them all that some have been still for long enough by then.
  expect(await gate.metric('memory_cut_total')).toBeGreaterThanOrEqual(100)
  expect(await gate.metric('stalled_total')).toBeGreaterThan(0)
  expect(await gate.answers()).toBe(200)
  expect(await gate.metric('untaken_bytes')).toBe(0)
  gate.expectAlive()
  socket.destroy()
}, 300_000)
