/** Clients that take nothing of their answers: what they hold is bounded, for each and for all, and others are served. */
import { expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startApp } from '../../kit/applications/app.ts'
import { makeAuthority } from '../../kit/certificates.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, startGate } from '../../kit/gate.ts'
import { compiledBinary } from '../../kit/programs/binary.ts'
import { freePort, startChild } from '../../kit/programs/child.ts'
import { headers, openHttp2Wire } from '../../kit/wire/http2.ts'
import { openWire, sendRaw, type Wire } from '../../kit/wire/wire.ts'

const BLOCK = Buffer.alloc(256 * 1024, 'x')

/** Answers `/endless` as long as someone takes it, `/quiet` with a beginning and nothing more, and anything else at once. */
function startEndless() {
  return startApp((request, response) => {
    if (request.url === '/quiet') return void response.write('begun')
    if (request.url !== '/endless') return void response.end('plain')
    const pump = (): void => {
      while (!response.destroyed) if (!response.write(BLOCK)) return void response.once('drain', pump)
    }
    pump()
  })
}

function route(port: number): string {
  return `[[routes]]\nhost = "app.example"\nupstream = "http://127.0.0.1:${port}"\nallow = "public"\n`
}

function get(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: app.example\r\n\r\n`
}

async function openUnread(port: number): Promise<Wire> {
  const wire = await openWire(port)
  wire.pause()
  await wire.send(get('/endless'))
  return wire
}

async function metric(adminPort: number, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text()
  return Number(new RegExp(`^sallyport_${name} (\\d+)`, 'm').exec(text)?.[1])
}

test('an answer that its client takes nothing of for stall_timeout is cut, and one whose application is silent is not', async () => {
  await using app = await startEndless()
  await using gate = await startGate(route(app.port), { server: 'stall_timeout = "2s"' })
  const quiet = await openWire(gate.port)
  await quiet.send(get('/quiet'))
  const unread = await openUnread(gate.port)
  await eventually(async () => (await metric(gate.adminPort, 'stalled_total')) === 1, 'one is cut', 30_000)
  await eventually(() => app.underWay === 1, 'its application is let go', 30_000)
  expect(quiet.isClosed).toBe(false)
  expect(quiet.received.includes('begun')).toBe(true)
  expect(gate.log.some(line => line.includes('its client took no more of it'))).toBe(true)
  quiet.close()
  unread.close()
  await eventually(async () => (await metric(gate.adminPort, 'answers_open')) === 0, 'nothing is kept', 30_000)
}, 90_000)

test('a client has max_open answers under way, and a place again when one is over', async () => {
  await using app = await startEndless()
  await using gate = await startGate(route(app.port), { server: 'max_open = 3' })
  const open = await Promise.all([1, 2, 3].map(() => openUnread(gate.port)))
  await eventually(async () => (await metric(gate.adminPort, 'answers_open')) === 3, 'all are under way')
  const refused = await sendRaw(gate.port, get('/plain'))
  expect([refused.status, refused.field('retry-after'), refused.body.includes('limit.open')]).toEqual([429, '5', true])
  expect(await metric(gate.adminPort, 'open_limited_total')).toBe(1)
  open[0]?.close()
  await eventually(async () => (await sendRaw(gate.port, get('/plain'))).status === 200, 'a place', 20_000)
  for (const wire of open) wire.close()
}, 60_000)

/** A gate of its own process, whose memory is looked at: in MB, the most that it ever had. */
async function startMeasured(folder: string, server: string, toml: string) {
  const adminPort = await freePort()
  const gate = await startChild({
    command: [await compiledBinary()],
    folder,
    port: await freePort(),
    toml: `admin = "127.0.0.1:${adminPort}"\nstall_memory = "50MB"\n${server}\n${toml}`,
  })
  const peakMb = () =>
    Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${gate.process.pid}/status`, 'utf8'))?.[1]) / 1024
  return { ...gate, adminPort, peakMb, [Symbol.asyncDispose]: () => gate[Symbol.asyncDispose]() }
}

async function isServed(port: number): Promise<boolean> {
  return (await sendRaw(port, get('/plain'), { timeoutMs: 20_000 })).status === 200
}

test('a thousand clients that read nothing hold stall_memory and no more, while others are served', async () => {
  await using app = await startEndless()
  using folder = temporaryFolder()
  await using gate = await startMeasured(folder.path, 'max_open = "off"', route(app.port))
  const wires: Wire[] = []
  for (let count = 0; count < 1000; count++) {
    wires.push(await openUnread(gate.port))
    if (count % 50 === 0) expect(await isServed(gate.port)).toBe(true)
  }
  await eventually(() => app.underWay <= 20, 'most have been cut', 60_000)
  expect(await isServed(gate.port)).toBe(true)
  expect(await metric(gate.adminPort, 'memory_cut_total')).toBeGreaterThanOrEqual(900)
  // Unbounded, three hundred of them take more than 700.
  expect(gate.peakMb()).toBeLessThan(600)
  for (const wire of wires) wire.close()
}, 180_000)

test('two hundred streams of one HTTP/2 connection that reads nothing hold no more either, and are cut after stall_timeout', async () => {
  await using app = await startEndless()
  using folder = temporaryFolder()
  const authority = makeAuthority()
  const certificate = authority.issue('DNS:app.example')
  writeFileSync(join(folder.path, 'app.pem'), certificate.cert)
  writeFileSync(join(folder.path, 'app.key'), certificate.key)
  const securePort = await freePort()
  const tls = `[tls]\nlisten = ["127.0.0.1:${securePort}"]\ncertificates = [{ cert = "app.pem", key = "app.key" }]\nredirect_http = false\n`
  await using gate = await startMeasured(folder.path, 'stall_timeout = "5s"', `${tls}${route(app.port)}`)
  const { socket } = await openHttp2Wire({ port: securePort, name: 'app.example', ca: authority.cert })
  // Its windows are never made wider, so no stream brings more than their beginning.
  const asked = (path: string, stream: number) =>
    headers(
      [
        [':method', 'GET'],
        [':scheme', 'https'],
        [':authority', 'app.example'],
        [':path', path],
      ],
      true,
      stream,
    )
  for (let count = 0; count < 200; count++) {
    socket.write(asked('/endless', 2 * count + 1))
    if (count % 20 === 0) expect(await isServed(gate.port)).toBe(true)
  }
  await eventually(
    () => app.paths.filter(path => path === '/endless').length === 200,
    'all have been asked for',
    60_000,
  )
  await eventually(async () => (await metric(gate.adminPort, 'memory_cut_total')) >= 180, 'most make room', 60_000)
  expect(await isServed(gate.port)).toBe(true)
  await eventually(() => app.underWay === 0, 'no application is kept', 60_000)
  expect(await metric(gate.adminPort, 'stalled_total')).toBeGreaterThan(0)
  expect(await metric(gate.adminPort, 'untaken_bytes')).toBe(0)
  // Unbounded it was 432 MB.
  expect(gate.peakMb()).toBeLessThan(300)
  socket.destroy()
}, 180_000)

test('an answer that its client has taken counts for max_open no more, however soon the next request comes', async () => {
  await using app = await startApp((_, response) => response.end(Buffer.alloc(40 * 1024, 'x')))
  await using gate = await startGate(route(app.port), { server: 'max_open = 3' })
  const statuses: number[] = []
  for (let count = 0; count < 20; count++) statuses.push((await sendRaw(gate.port, get('/plain'))).status)
  expect(statuses).toEqual(statuses.map(() => 200))
  expect(await metric(gate.adminPort, 'open_limited_total')).toBe(0)
}, 60_000)
