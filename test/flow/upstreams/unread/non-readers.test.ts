/** Clients that do not read, of each kind: who shows in the kernel is cut first, and what all of them hold is bounded. */
import { expect } from 'bun:test'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { startEndless } from '../../../kit/applications/endless.ts'
import { makeAuthority } from '../../../kit/certificates.ts'
import { temporaryFolder } from '../../../kit/folder.ts'
import { eventually, type Gate, startGate } from '../../../kit/gate.ts'
import { needs } from '../../../kit/needs.ts'
import { untilTheEnd } from '../../../kit/opened.ts'
import { metricOf } from '../../../kit/requests.ts'
import { type Http2Wire, headers, openHttp2Wire } from '../../../kit/wire/http2.ts'
import { sendRaw } from '../../../kit/wire/wire.ts'

const { test } = needs('openssl', 'python3', '/proc')

const LIMIT = 20_000_000
const DEAF = 14

/** Pages of memory that the kernel gives to all TCP sockets of a machine before it saves (tcp(7), tcp_mem), and those that it has given. */
const told = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8') : '')
const [pages = 0] = told('/proc/sys/net/ipv4/tcp_mem').split(/\s+/).map(Number)
const given = Number(/^TCP: .* mem (\d+)$/m.exec(told('/proc/net/sockstat'))?.[1] ?? 0)

/**
 * How many clients there are of the two kinds that are most usual, and of each other kind. What they do not read is in the kernel, on the side
 * of each; where that runs out of memory, connections break, also of others. Eight of them fit in, and the next one of a client has its
 * turn 50 ms after the last (`proxy/body/long-turns.ts`), on a busy machine much later.
 */
const MOST = Math.max(50, Math.min(300, Math.floor(((pages - given) * 4096) / 1_000_000)))
const FEW = Math.min(100, MOST)

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

/** Opens so many clients that read nothing; answers how they are closed. */
type Open = (gate: Gate, count: number) => Promise<() => void>

/** The same, where they are sockets, each opened by its number. */
const sockets =
  (open: (gate: Gate, number: number) => Socket): Open =>
  async (gate, count) => {
    const all = Array.from({ length: count }, (_, number) => open(gate, number))
    await Promise.all(all.map(socket => (socket.connecting ? once(socket, 'connect') : null)))
    return () => {
      for (const socket of all) socket.destroy()
    }
  }

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

/** Many clients in one process, each of which takes a byte twice a second. */
const SLOWLY = `
import socket, sys, time
all = []
for number in range(int(sys.argv[3])):
    one = socket.socket(); one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    one.connect(('127.0.0.1', int(sys.argv[1]))); one.send(sys.argv[2].replace('NUMBER', str(number)).encode())
    one.setblocking(False); all.append(one)
print('asked', flush=True)
while all:
    for one in all[:]:
        try:
            if not one.recv(1): all.remove(one)
        except BlockingIOError: pass
        except OSError: all.remove(one)
    time.sleep(0.5)
`

/** As many as one connection may have under way. */
const STREAMS = 50

const KINDS: Readonly<Record<string, readonly [count: number, open: Open]>> = {
  'by HTTP/1.1': [MOST, sockets((gate, number) => openDeaf(gate.port, pathOf(number)))],
  'by HTTP/1.1 behind a proxy': [
    FEW,
    sockets((gate, number) => {
      relayTo = gate.port
      const at = relay.address()
      return openDeaf(at !== null && typeof at === 'object' ? at.port : 0, pathOf(number))
    }),
  ],
  'by HTTP/1.1, but for a byte now and then': [
    FEW,
    async (gate, count) => {
      const argv = [String(gate.port), get('/NUMBER/endless'), String(count)]
      const child = Bun.spawn(['python3', '-c', SLOWLY, ...argv], { stdin: 'ignore', stdout: 'pipe', stderr: 'ignore' })
      await child.stdout.getReader().read()
      return () => child.kill('SIGKILL')
    },
  ],
  'by HTTP/2, held back by the windows of their streams': [
    MOST,
    async (gate, count) => {
      const secure = { port: gate.securePort, name: 'app.example', ca: authority.cert }
      const wires: Http2Wire[] = []
      for (let number = 0; number < count; number++) {
        const at = number % STREAMS
        if (at === 0) wires.push(await openHttp2Wire(secure))
        const fields = [
          [':method', 'GET'],
          [':scheme', 'https'],
          [':authority', 'app.example'],
          [':path', pathOf(number)],
        ] as const
        wires.at(-1)?.socket.write(headers(fields, true, 2 * at + 1))
      }
      return () => {
        for (const { socket } of wires) socket.destroy()
      }
    },
  ],
  'by a local socket': [
    FEW,
    sockets((gate, number) => openDeaf(gate.server.addresses[0]?.replace(/^unix:/, '') ?? '', pathOf(number))),
  ],
}

test.each(Object.entries(KINDS))(
  '%s: what they hold is bounded, and others are served',
  async (kind, [count, open]) => {
    const isLocal = kind === 'by a local socket'
    using place = temporaryFolder()
    await using gate = await start(isLocal ? `unix:${join(place.path, 'gate.sock')}` : undefined)
    const at = isLocal ? (gate.server.addresses[0]?.replace(/^unix:/, '') ?? '') : gate.port
    const close = await open(gate, count)
    // Each has its turn; eight of them hold all that they may, and the others have made room.
    const haveBegun = async () => {
      expect(await metricOf(gate, 'sallyport_untaken_bytes')).toBeLessThanOrEqual(LIMIT)
      expect((await sendRaw(at, get('/plain'))).status).toBe(200)
      return (await cutBy(gate)) >= count - LIMIT / 2_500_000
    }
    await eventually(haveBegun, `all ${count} have had their turn, and made room`, 120_000)
    expect(await metricOf(gate, 'sallyport_answers_open')).toBeLessThanOrEqual(LIMIT / 2_500_000)
    close()
    await eventually(async () => (await metricOf(gate, 'sallyport_answers_open')) === 0, 'nothing is kept')
    expect(await metricOf(gate, 'sallyport_untaken_bytes')).toBe(0)
    expect((await sendRaw(at, get('/plain'))).status).toBe(200)
  },
  600_000,
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
