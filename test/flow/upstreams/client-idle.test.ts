import { expect, test } from 'bun:test'
import { type AdminSources, openAdmin } from '../../../src/server/observe/admin-listener.ts'
import { eventually, startGate } from '../../kit/gate.ts'
import { routeTo } from '../../kit/toml.ts'
import { hasHead, openWire, type RawUpstream, startRawUpstream, type Wire } from '../../kit/wire/wire.ts'

/** Longer than the gate below lets an idle connection be, and than the steps of four seconds in which Bun looks at them. */
const SILENCE_MS = 14_000

const CHUNKED = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n'
const EVENTS = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n'

// All of these wait for Bun's timers, and so they wait together.

test.concurrent('a request may be silent for longer than an idle connection, which is closed all the same afterwards', async () => {
  const upstream = await startQuiet()
  await using gate = await startGate(routeTo(upstream, 'app.example', 'allow = "public"\ntimeout = "60s"'), {
    idleTimeoutS: 8,
  })
  const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: app.example\r\n\r\n`
  const ask = async (request: string) => {
    const wire = await openWire(gate.port)
    await wire.send(request)
    return wire
  }
  const ends = async (wire: Wire, mark: string) => {
    await eventually(() => wire.received.includes(mark) || wire.isClosed, mark, 60_000)
    expect(wire.received.toString('latin1')).toContain(mark)
    return wire
  }
  const upload = async () => {
    const wire = await ask('POST /upload HTTP/1.1\r\nHost: app.example\r\nContent-Length: 4\r\n\r\nab')
    await wire.send(SILENCE_MS)
    await wire.send('cd')
    return ends(wire, 'uploaded')
  }
  const idle = await Promise.all([
    ask(get('/late')).then(wire => ends(wire, 'at last')),
    ask(get('/pause')).then(wire => ends(wire, '\r\n0\r\n\r\n')),
    ask(get('/events')).then(wire => ends(wire, 'data: 2')),
    upload(),
  ])
  await eventually(() => idle.every(wire => wire.isClosed), 'no idle connection stays', 60_000)
  await upstream.close()
}, 300_000)

test.concurrent('fetch is told to wait for events as long as it takes, wherever Accept names them', async () => {
  const timeouts = new Map<string, unknown>()
  const upstream = await startQuiet()
  await using gate = await startGate(routeTo(upstream, 'app.example', 'allow = "public"'), {
    ports: {
      forward(address, init) {
        timeouts.set(new Headers(init?.headers).get('accept') ?? '', init?.timeout)
        return fetch(address, init)
      },
    },
  })
  for (const accept of ['text/event-stream', 'application/json, text/event-stream', 'text/html']) {
    const wire = await openWire(gate.port)
    await wire.send(`POST /upload HTTP/1.1\r\nHost: app.example\r\nAccept: ${accept}\r\nContent-Length: 4\r\n\r\nabcd`)
    expect((await wire.receive()).status).toBe(200)
    wire.close()
  }
  expect([...timeouts.values()]).toEqual([false, false, undefined])
  await upstream.close()
})

test.concurrent('a client that dawdles over its head is cut, and reaches nothing', async () => {
  const upstream = await startQuiet()
  await using gate = await startGate(routeTo(upstream, 'app.example', 'allow = "public"'))
  const wire = await openWire(gate.port)
  await wire.send('GET / HTTP/1.1\r\nHost: app.example\r\n')
  const giveUpAt = performance.now() + 60_000
  while (!wire.isClosed && performance.now() < giveUpAt) {
    await wire.send('X: y\r\n')
    await Bun.sleep(1000)
  }
  expect(wire.isClosed).toBe(true)
  expect(upstream.connections.length).toBe(0)
  await upstream.close()
}, 300_000)

test.concurrent('the admin listener answers however long it takes to ask the store', async () => {
  const sources: Partial<AdminSources> = { unready: () => Bun.sleep(SILENCE_MS).then(() => null), damaged: () => [] }
  const about = { version: '1', hosts: () => [], now: Date.now }
  const admin = openAdmin({ kind: 'tcp', host: '127.0.0.1', port: 0 }, sources as AdminSources, about)
  const answer = await fetch(new URL('/readyz', admin.url), { keepalive: false })
  expect([answer.status, await answer.text()]).toEqual([200, 'ready\n'])
  await admin.stop(true)
}, 300_000)

test.concurrent('Bun 1.4.5 leaves an idle timeout that was taken off to the connection: when this fails, proxy/lifetime/client-idle.ts is simpler', async () => {
  const strict = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    idleTimeout: 1,
    fetch(request, self) {
      self.timeout(request, 0)
      return new Response('ok')
    },
  })
  const wire = await openWire(strict.port ?? 0)
  await wire.send('GET / HTTP/1.1\r\nHost: app.example\r\n\r\n')
  await wire.receive()
  const other = await openWire(strict.port ?? 0)
  await eventually(() => other.isClosed, 'a connection with the usual limit is closed')
  expect(wire.isClosed).toBe(false)
  wire.close()
  await strict.stop(true)
}, 300_000)

/** An upstream that is silent where a path says so. */
function startQuiet(): Promise<RawUpstream> {
  return startRawUpstream(async connection => {
    while (!connection.isClosed) {
      const { raw } = await connection.receive({ until: hasHead, timeoutMs: 300_000 })
      const path = /^\S+ (\S+)/.exec(raw.toString('latin1'))?.[1]
      if (path === '/late') {
        await connection.send(SILENCE_MS)
        await connection.send('HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n\r\nat last')
      } else if (path === '/pause') {
        await connection.send(`${CHUNKED}1\r\na\r\n`)
        await connection.send(SILENCE_MS)
        await connection.send('1\r\nb\r\n0\r\n\r\n')
      } else if (path === '/events') {
        await connection.send(`${EVENTS}data: 1\n\n`)
        await connection.send(SILENCE_MS)
        await connection.send('data: 2\n\n')
        connection.end()
      } else if (path === '/upload') {
        if (!raw.includes('abcd')) await connection.receive({ until: rest => rest.includes('cd'), timeoutMs: 300_000 })
        await connection.send('HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 8\r\n\r\nuploaded')
      }
    }
  })
}
