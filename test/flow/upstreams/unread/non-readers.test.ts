/** Clients that do not read, of each kind: who shows in the kernel is cut first, and what all of them hold is bounded. */
import { expect } from 'bun:test'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { startEndless } from '../../../kit/applications/endless.ts'
import { makeAuthority } from '../../../kit/certificates.ts'
import { temporaryFolder } from '../../../kit/folder.ts'
import { eventually, type Gate, startGate } from '../../../kit/gate.ts'
import { needs } from '../../../kit/needs.ts'
import { untilTheEnd } from '../../../kit/opened.ts'
import { metricOf } from '../../../kit/requests.ts'
import { headers, openHttp2Wire } from '../../../kit/wire/http2.ts'
import { sendRaw } from '../../../kit/wire/wire.ts'

const { test } = needs('openssl', 'python3', '/proc')

const LIMIT = 20_000_000
const CLIENTS = 12
const DEAF = 14

const keep = untilTheEnd()
const folder = keep(temporaryFolder())
const app = keep(await startEndless(folder.path))
const authority = makeAuthority()
const own = authority.issue('DNS:app.example')
const toml = `[tls]
listen = ["127.0.0.1:0"]
redirect_http = false
certificates = [{ cert = "own.pem", key = "own.key" }]
[[routes]]
host = "app.example"
upstream = "http://127.0.0.1:${app.port}"
allow = "public"
`

function start(listen?: string, memory = '20MB') {
  return startGate(toml, {
    server: `stall_memory = "${memory}"\nstall_timeout = "1h"`,
    files: { 'own.pem': own.cert, 'own.key': own.key },
    ...(listen === undefined ? {} : { listen }),
  })
}

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: app.example\r\n\r\n`
const pathOf = (number: number) => `/${number}/endless`

function openDeaf(at: number | string, path: string): Socket {
  const socket = typeof at === 'number' ? connect(at, '127.0.0.1') : connect(at)
  socket.on('error', () => undefined)
  socket.pause()
  socket.write(get(path))
  return socket
}

/** A client, in a process of its own, that reads all the time, if not much of it; tells when it is over. */
function openSlow(port: number, path: string) {
  const child = Bun.spawn(['python3', '-u', '-c', STEADILY, String(port), get(path)], {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'ignore',
  })
  const seen = { bytes: 0, isOver: false }
  const follow = async () => {
    for await (const piece of child.stdout) seen.bytes += piece.length
    seen.isOver = true
  }
  void follow()
  return { seen, close: () => child.kill('SIGKILL') }
}

/** It says a letter for each 64 KiB that it has read. */
const STEADILY = `
import socket, sys, time
one = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); one.send(sys.argv[2].encode())
while one.recv(65536): sys.stdout.write('.'); time.sleep(0.01)
`

/** Opens a client that reads nothing; answers how it is closed. */
type Open = (gate: Gate, number: number) => Promise<() => void> | (() => void)

const closing = (socket: Socket) => () => void socket.destroy()

/** Passes on what both sides take, and no more. */
const relay = createServer(client => {
  const gate = connect(relayTo, '127.0.0.1')
  for (const socket of [client, gate]) socket.on('error', () => undefined)
  client.on('close', () => gate.destroy())
  gate.on('close', () => client.destroy())
  client.pipe(gate).pipe(client)
})
let relayTo = 0
await new Promise<void>(resolve => relay.listen(0, '127.0.0.1', resolve))
keep({ [Symbol.dispose]: () => void relay.close() })

const SLOWLY = `
import socket, sys, time
one = socket.socket(); one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
one.connect(('127.0.0.1', int(sys.argv[1]))); one.send(sys.argv[2].encode())
while one.recv(1): time.sleep(0.5)
`

const KINDS: Readonly<Record<string, Open>> = {
  'by HTTP/1.1': (gate, number) => closing(openDeaf(gate.port, pathOf(number))),
  'by HTTP/1.1 behind a proxy': (gate, number) => {
    relayTo = gate.port
    const at = relay.address()
    return closing(openDeaf(at !== null && typeof at === 'object' ? at.port : 0, pathOf(number)))
  },
  'by HTTP/1.1, but for a byte now and then': (gate, number) => {
    const child = Bun.spawn(['python3', '-c', SLOWLY, String(gate.port), get(pathOf(number))], {
      stdin: 'ignore',
      stdout: 'ignore',
      stderr: 'ignore',
    })
    return () => child.kill('SIGKILL')
  },
  'by HTTP/2, held back by the windows of their streams': async (gate, number) => {
    const { socket } = await openHttp2Wire({ port: gate.securePort, name: 'app.example', ca: authority.cert })
    const fields = [
      [':method', 'GET'],
      [':scheme', 'https'],
      [':authority', 'app.example'],
      [':path', pathOf(number)],
    ] as const
    socket.write(headers(fields, true, 1))
    return () => void socket.destroy()
  },
  'by a local socket': (gate, number) =>
    closing(openDeaf(gate.server.addresses[0]?.replace(/^unix:/, '') ?? '', pathOf(number))),
}

test.each(Object.entries(KINDS))(
  '%s: what they hold is bounded, and others are served',
  async (kind, open) => {
    const isLocal = kind === 'by a local socket'
    using place = temporaryFolder()
    await using gate = await start(isLocal ? `unix:${join(place.path, 'gate.sock')}` : undefined)
    const closes: (() => void)[] = []
    for (let number = 1; number <= CLIENTS; number++) {
      closes.push(await open(gate, number))
      const opened = async () => (await metricOf(gate, 'sallyport_answers_open')) + (await cutBy(gate)) >= number
      await eventually(opened, `${number} have begun`)
    }
    // Eight of them hold all that they may.
    await eventually(async () => (await cutBy(gate)) >= CLIENTS - LIMIT / 2_500_000, 'the others make room')
    expect(await metricOf(gate, 'sallyport_untaken_bytes')).toBeLessThanOrEqual(LIMIT)
    const at = isLocal ? (gate.server.addresses[0]?.replace(/^unix:/, '') ?? '') : gate.port
    expect((await sendRaw(at, get('/plain'))).status).toBe(200)
    for (const close of closes) close()
    await eventually(async () => (await metricOf(gate, 'sallyport_answers_open')) === 0, 'nothing is kept')
  },
  300_000,
)

test('who does not read by HTTP/1.1 is cut from the oldest on, once three quarters are used up, and nobody who reads', async () => {
  await using gate = await start(undefined, '40MB')
  const slow = openSlow(gate.port, pathOf(0))
  await eventually(() => slow.seen.bytes > 0, 'one reads')
  const sockets: Socket[] = []
  const open = () => metricOf(gate, 'sallyport_answers_open')
  for (let number = 1; number <= DEAF; number++) {
    sockets.push(openDeaf(gate.port, pathOf(number)))
    await eventually(async () => (await open()) + (await cutBy(gate)) > number, `${number} have begun`)
    // Twelve of them hold 30 MB.
    await eventually(async () => (await open()) <= 12, 'memory is short no more')
  }
  await eventually(() => gate.access.length === DEAF + 1 - 12, 'those that were cut are recorded')
  const cut = gate.access.map(line => Number(JSON.parse(line).path.split('/')[1]))
  expect(cut.sort((one, other) => one - other)).toEqual([1, 2, 3])
  const before = slow.seen.bytes
  await eventually(() => slow.seen.bytes > before + 20, 'who reads goes on')
  expect(slow.seen.isOver).toBe(false)
  slow.close()
  for (const socket of sockets) socket.destroy()
}, 300_000)

const cutBy = (gate: Gate) => metricOf(gate, 'sallyport_memory_cut_total')
