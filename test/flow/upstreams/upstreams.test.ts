import { describe, expect, test } from 'bun:test'
import type { ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { descriptorsOf } from '../../../src/base/connections.ts'
import { startApp } from '../../kit/applications/app.ts'
import { startStreaming } from '../../kit/applications/streaming.ts'
import { eventually, type Gate, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { freePort } from '../../kit/programs/child.ts'
import { metricsOf } from '../../kit/requests.ts'
import { routeTo } from '../../kit/toml.ts'
import { askForWebSocket } from '../../kit/wire/websocket.ts'
import {
  hasHead,
  httpResponse,
  openWire,
  sendRaw,
  startRawUpstream,
  type UpstreamConnection,
} from '../../kit/wire/wire.ts'

/** The gate in front of an upstream with these keys. */
function gateTo(ports: readonly number[], keys = '', route = ''): Promise<Gate> {
  const to = ports.map(port => `"http://127.0.0.1:${port}"`).join(', ')
  return startGate(
    `[upstreams.app]\nto = [${to}]\n${keys}\n[[routes]]\nhost = "app.example"\nupstream = "@app"\nallow = "public"\n${route}\n`,
  )
}

async function send(gate: Gate, path = '/', init: RequestInit = {}) {
  const headers = { host: 'app.example', ...init.headers }
  const response = await fetch(`http://127.0.0.1:${gate.port}${path}`, { ...init, headers })
  return { status: response.status, text: await response.text(), headers: response.headers }
}

async function texts(gate: Gate, count: number, init: RequestInit = {}): Promise<string[]> {
  const answers: string[] = []
  for (let index = 0; index < count; index++) answers.push((await send(gate, '/', init)).text)
  return answers
}

function countOf(answers: readonly string[], text: string): number {
  return answers.filter(answer => answer === text).length
}

async function metric(gate: Gate, name: string, port: number): Promise<number> {
  const text = await metricsOf(gate)
  const line = text.split('\n').find(one => one.startsWith(`sallyport_${name}{`) && one.includes(`127.0.0.1:${port}"`))
  return Number(line?.split(' ').at(-1))
}

async function openSocket(gate: Gate): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${gate.port}/`, { headers: { host: 'app.example' } })
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve)
    socket.addEventListener('error', reject)
  })
  return socket
}

/** How many this process has open. */
function socketCount(): number {
  return descriptorsOf('socket:').size
}

/** An app whose answers end when a test says so. */
function holding(): {
  readonly held: ServerResponse[]
  readonly handler: (_: unknown, response: ServerResponse) => void
} {
  const held: ServerResponse[] = []
  return { held, handler: (_, response) => void held.push(response) }
}

describe('several addresses', () => {
  test('take turns', async () => {
    await using one = await startApp('one')
    await using two = await startApp('two')
    await using gate = await gateTo([one.port, two.port])
    const answers = await texts(gate, 10)
    expect(countOf(answers, 'one')).toBe(5)
    expect(one.connections).toBe(1)
  })

  test('by least connections: what is busy with long answers gets no more', async () => {
    const { held, handler } = holding()
    await using busy = await startApp((request, response) => {
      response.write('begun ')
      handler(request, response)
    })
    await using idle = await startApp('idle')
    await using gate = await gateTo([busy.port, idle.port], 'balance = "least-connections"')
    const long = send(gate)
    await eventually(() => held.length === 1, 'the long answer begun')
    expect(await metric(gate, 'upstream_in_flight', busy.port)).toBe(1)
    expect(await texts(gate, 6)).toEqual(Array.from({ length: 6 }, () => 'idle'))
    held[0]?.end('ended')
    expect((await long).text).toBe('begun ended')
    await eventually(async () => (await metric(gate, 'upstream_in_flight', busy.port)) === 0, 'the end noticed')
    void send(gate)
    void send(gate)
    await eventually(() => held.length === 2, 'its turn again')
    held[1]?.end()
  })

  test('by hash: one value stays at one address, and many spread', async () => {
    await using one = await startApp('one')
    await using two = await startApp('two')
    await using three = await startApp('three')
    const ports = [one.port, two.port, three.port]
    await using gate = await gateTo(ports, 'balance = "hash"\nhash = "cookie:node"')
    const byCookie = (value: number) => ({ headers: { cookie: `x=1; node=${value}` } })
    const homes = new Map<number, string>()
    for (let value = 0; value < 30; value++) {
      const answers = await texts(gate, 3, byCookie(value))
      expect(new Set(answers).size).toBe(1)
      homes.set(value, answers[0] ?? '')
    }
    expect(new Set(homes.values()).size).toBe(3)
    // An address that goes moves only what was its own.
    await three.stop()
    for (const [value, home] of homes) {
      const [answer] = await texts(gate, 1, byCookie(value))
      if (home === 'three') expect(['one', 'two']).toContain(answer ?? '')
      else expect(answer).toBe(home)
    }
  })

  test('of which one goes down: it is skipped, and taken back when it answers again', async () => {
    await using steady = await startApp('steady')
    const coming = await startApp('coming')
    await using gate = await gateTo([steady.port, coming.port])
    expect(new Set(await texts(gate, 4)).size).toBe(2)
    await coming.stop()
    expect(await texts(gate, 6)).toEqual(Array.from({ length: 6 }, () => 'steady'))
    expect(await metric(gate, 'upstream_down', coming.port)).toBe(1)
    await using back = await startApp('back', { port: coming.port })
    await eventually(async () => (await texts(gate, 2)).includes('back'), 'the address in use again')
    expect(await metric(gate, 'upstream_down', back.port)).toBe(0)
  })

  test('that are all down are still tried: 502, and at once well again', async () => {
    const gone = await startApp('gone')
    const other = await freePort()
    await gone.stop()
    await using gate = await gateTo([gone.port, other])
    expect((await send(gate)).status).toBe(502)
    expect((await send(gate)).status).toBe(502)
    await using back = await startApp('back', { port: gone.port })
    expect(await texts(gate, 2)).toEqual(['back', 'back'])
    expect(back.paths).toHaveLength(2)
  })
})

describe('a request that fails before its answer begins', () => {
  test.each(['GET', 'POST', 'PATCH'])(
    '%s goes on to another address where nothing was sent, its body whole',
    async method => {
      await using echo = await startApp((request, response) => void request.pipe(response))
      await using gate = await gateTo([await freePort(), echo.port])
      const body = method === 'GET' ? null : 'x'.repeat(300_000)
      for (let turn = 0; turn < 3; turn++) {
        const { status, text } = await send(gate, '/', { method, body })
        expect([status, text]).toEqual([200, body ?? ''])
      }
    },
  )

  const outcomes: readonly [string, string, number, number][] = [
    ['GET', '', 200, 2],
    ['DELETE', '', 200, 2],
    ['PROPFIND', '', 200, 2],
    ['POST', '', 502, 1],
    ['PATCH', '', 502, 1],
    ['LOCK', '', 502, 1],
    ['POST', 'a body', 502, 1],
    ['PUT', 'a body', 502, 1],
  ]
  test.each(outcomes)(
    '%s %p that an application reset: %i, and it was sent %i times',
    async (method, body, status, times) => {
      let sent = 0
      const script = async (connection: UpstreamConnection): Promise<void> => {
        await connection.receive({ until: hasHead })
        if (++sent === 1) connection.close()
        else await connection.send(httpResponse(200, 'ok'))
      }
      const [one, two] = [await startRawUpstream(script), await startRawUpstream(script)]
      {
        await using gate = await gateTo([one.port, two.port])
        const response = await send(gate, '/', { method, ...(body === '' ? {} : { body }) })
        expect([response.status, sent]).toEqual([status, times])
      }
      await one.close()
      await two.close()
    },
  )

  test('is sent to two addresses at most where it was lost: it may be what kills them', async () => {
    let sent = 0
    const kill = async (connection: UpstreamConnection): Promise<void> => {
      await connection.receive({ until: hasHead })
      sent++
      connection.close()
    }
    const apps = [await startRawUpstream(kill), await startRawUpstream(kill), await startRawUpstream(kill)]
    {
      await using gate = await gateTo(apps.map(app => app.port))
      expect((await send(gate)).status).toBe(502)
      expect(sent).toBe(2)
    }
    for (const app of apps) await app.close()
  })

  test('never repeats a POST on a kept connection that the application has closed meanwhile', async () => {
    const posts: number[] = []
    const app = await startRawUpstream(async connection => {
      await connection.receive({ until: hasHead })
      await connection.send(httpResponse(200, 'warm'))
      await connection.receive({ until: hasHead })
      posts.push(connection.number)
      connection.close()
    })
    {
      await using gate = await gateTo([app.port])
      expect((await send(gate)).text).toBe('warm')
      expect((await send(gate, '/', { method: 'POST', body: 'once' })).status).toBe(502)
      expect(posts).toEqual([1])
    }
    await app.close()
  })
})

describe('active checks', () => {
  test('leave an address out that is not well, and take it back', async () => {
    let isWell = true
    const hosts = new Set<string | undefined>()
    await using moody = await startApp((request, response) => {
      if (request.url === '/healthz') hosts.add(request.headers.host)
      response.statusCode = request.url === '/healthz' && !isWell ? 500 : 200
      response.end('moody')
    })
    await using steady = await startApp('steady')
    const health =
      'health = { path = "/healthz", host = "check.example", interval = "100ms", unhealthy_after = 2, healthy_after = 1 }'
    await using gate = await gateTo([moody.port, steady.port], health)
    await eventually(() => moody.paths.includes('/healthz'), 'the first question')
    expect(new Set(await texts(gate, 4)).size).toBe(2)
    isWell = false
    await eventually(async () => (await metric(gate, 'upstream_down', moody.port)) === 1, 'the address out')
    expect(gate.log.join('')).toContain('status 500')
    expect(await texts(gate, 4)).toEqual(['steady', 'steady', 'steady', 'steady'])
    isWell = true
    await eventually(async () => (await metric(gate, 'upstream_down', moody.port)) === 0, 'the address back')
    expect(new Set(await texts(gate, 4)).size).toBe(2)
    expect([...hosts]).toEqual(['check.example'])
  })

  test('go on over a reload that does not touch them, and end with their upstream', async () => {
    await using app = await startApp('app')
    const routes = (host: string) => routeTo(app, host, 'allow = "public"')
    const upstream = `[upstreams.app]\nto = "http://127.0.0.1:${app.port}"\nhealth = { interval = "100ms", path = "/check" }\n`
    const checked = `${upstream}[[routes]]\nhost = "app.example"\nupstream = "@app"\nallow = "public"\n`
    await using gate = await startGate(checked)
    await eventually(() => app.paths.length > 0, 'the first question')
    gate.save(`${checked}${routes('other.example')}`)
    expect(gate.server.reload()).toBe('changed')
    const before = app.paths.length
    // Twice the checks would be twice the questions: one a turn is what one set of them asks.
    await eventually(() => app.paths.length >= before + 3, 'further questions')
    gate.save(routes('other.example'))
    expect(gate.server.reload()).toBe('changed')
    const ended = app.paths.length
    await Bun.sleep(400)
    // One may have been on its way.
    expect(app.paths.length).toBeLessThan(ended + 2)
  })
})

describe('max_connections', () => {
  test('holds: as many as it says reach the upstream, the next waits for its turn', async () => {
    const { held, handler } = holding()
    await using app = await startApp(handler)
    await using gate = await gateTo([app.port], 'max_connections = 2\nqueue_timeout = "1m"')
    const answers = [send(gate, '/1'), send(gate, '/2'), send(gate, '/3')]
    await eventually(() => held.length === 2, 'two under way')
    await Bun.sleep(50)
    expect(app.underWay).toBe(2)
    held[0]?.end('first')
    await eventually(() => held.length === 3, 'the third under way')
    held[1]?.end()
    held[2]?.end()
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200])
  })

  test('counts an answer until its body has ended', async () => {
    const { held, handler } = holding()
    await using app = await startApp((request, response) => {
      response.write('begun')
      handler(request, response)
    })
    await using gate = await gateTo([app.port], 'max_connections = 1\nqueue = 0')
    const first = send(gate)
    await eventually(() => held.length === 1, 'an answer under way')
    expect((await send(gate)).status).toBe(503)
    held[0]?.end()
    await first
    void send(gate)
    await eventually(() => held.length === 2, 'the place given back')
    held[1]?.end()
  })

  test('answers 503 with Retry-After where the queue is full, and where the wait is over', async () => {
    const { held, handler } = holding()
    await using app = await startApp(handler)
    await using gate = await gateTo([app.port], 'max_connections = 1\nqueue = 1\nqueue_timeout = "200ms"')
    const first = send(gate)
    await eventually(() => held.length === 1, 'one under way')
    const waiting = send(gate)
    const over = await send(gate)
    expect([over.status, JSON.parse(over.text).type]).toEqual([
      503,
      (await waiting.then(({ text }) => JSON.parse(text))).type,
    ])
    expect(over.text).toContain('upstream.busy')
    expect(Number(over.headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await waiting).status).toBe(503)
    held[0]?.end()
    expect((await first).status).toBe(200)
    expect(app.paths).toHaveLength(1)
  })

  test('gives the place of a client back that left', async () => {
    const { held, handler } = holding()
    await using app = await startApp(handler)
    await using gate = await gateTo([app.port], 'max_connections = 1')
    const wire = await openWire(gate.port)
    await wire.send('GET / HTTP/1.1\r\nHost: app.example\r\n\r\n')
    await eventually(() => held.length === 1, 'one under way')
    wire.close()
    void send(gate)
    await eventually(() => held.length === 2, 'the next one')
    held[1]?.end()
  })

  test('counts a WebSocket until it is closed', async () => {
    using server = startStreaming(() => 'plain')
    {
      await using gate = await gateTo([server.port ?? 0], 'max_connections = 1\nqueue = 0')
      const socket = await openSocket(gate)
      expect(await metric(gate, 'upstream_in_flight', server.port ?? 0)).toBe(1)
      expect((await send(gate)).status).toBe(503)
      socket.close()
      await eventually(async () => (await send(gate)).status === 200, 'the place given back')
      expect(await metric(gate, 'upstream_in_flight', server.port ?? 0)).toBe(0)
    }
  })
})

test('a WebSocket goes on to another address where none came about', async () => {
  using server = startStreaming(() => 'plain')
  {
    await using gate = await gateTo([await freePort(), server.port ?? 0])
    for (let turn = 0; turn < 3; turn++) {
      const socket = await openSocket(gate)
      socket.close()
    }
  }
})

describe('idle_timeout', () => {
  test('cuts an answer that falls silent in the middle, at both ends', async () => {
    let isCut = false
    await using app = await startApp((_, response) => {
      response.on('close', () => {
        isCut = true
      })
      response.write('begun')
    })
    await using gate = await gateTo([app.port], 'idle_timeout = "300ms"')
    const answer = await sendRaw(gate.port, 'GET / HTTP/1.1\r\nHost: app.example\r\n\r\n', {
      until: received => received.includes('\r\n0\r\n\r\n'),
    })
    expect(answer.status).toBe(200)
    expect(answer.isClosed).toBe(true)
    // No last chunk: the client sees a truncation.
    expect(answer.body.toString('latin1')).not.toContain('0\r\n\r\n')
    await eventually(() => isCut, 'the upstream released')
    expect(gate.log.join('')).toContain('idle_timeout')
  })
  test('of an answer that is silent after its head is 504', async () => {
    await using app = await startApp((_, response) => void response.writeHead(200).flushHeaders())
    await using gate = await gateTo([app.port], 'idle_timeout = "300ms"')
    const { status, text } = await send(gate)
    expect(status).toBe(504)
    expect(text).toContain('upstream.stalled')
  })
  test('lets a slow answer be, and event streams as long as they like', async () => {
    await using app = await startApp(async (request, response) => {
      if (request.url === '/events') response.setHeader('content-type', 'text/event-stream')
      for (let part = 0; part < 5; part++) {
        response.write('data: x\n\n')
        await Bun.sleep(request.url === '/events' && part === 1 ? 1_800 : 350)
      }
      response.end()
    })
    await using gate = await gateTo([app.port], 'idle_timeout = "1500ms"')
    const answers = await Promise.all([send(gate, '/slow'), send(gate, '/events')])
    expect(answers.map(({ text }) => text.split('data').length)).toEqual([6, 6])
  })
})

describe('connect_timeout', () => {
  /** A program that listens and is stopped: once its queue is full the system drops every further try to connect. */
  async function startUnreachable() {
    const script = `const s = require('net').createServer().listen(0, '127.0.0.1', () => {
      console.log(s.address().port)
      setTimeout(() => process.kill(process.pid, 'SIGSTOP'), 50)
    })`
    const child = Bun.spawn([process.execPath, '-e', script], { stdin: 'ignore', stdout: 'pipe', stderr: 'inherit' })
    const { value } = await child.stdout.getReader().read()
    const port = Number(new TextDecoder().decode(value))
    const isStopped = async (): Promise<boolean> =>
      /^State:\s+T/m.test(await Bun.file(`/proc/${child.pid}/status`).text())
    await eventually(isStopped, 'the program stopped')
    // Bun 1.4.5 lets 512 connections wait to be accepted.
    let connected = 0
    const fillers = Array.from({ length: 530 }, () =>
      connect(port, '127.0.0.1', () => connected++).on('error', () => {}),
    )
    await eventually(() => connected > 512, 'the queue full')
    return {
      port,
      async [Symbol.asyncDispose]() {
        for (const socket of fillers) socket.destroy()
        child.kill('SIGKILL')
        await child.exited
      },
    }
  }

  needs('/proc').test(
    'makes an address that drops what comes count as unreachable: 504, long before timeout',
    async () => {
      await using unreachable = await startUnreachable()
      {
        await using gate = await gateTo([unreachable.port], 'connect_timeout = "400ms"', 'timeout = "1h"')
        const { status, text } = await send(gate)
        expect(status).toBe(504)
        expect(text).toContain('upstream.unreachable')
        expect(gate.log.join('')).toContain('connect_timeout')
      }
    },
  )

  needs('/proc').test('lets a request go on to another address, and a WebSocket too', async () => {
    await using unreachable = await startUnreachable()
    using server = startStreaming(() => 'well')
    {
      await using gate = await gateTo([unreachable.port, server.port ?? 0], 'connect_timeout = "1s"')
      expect((await send(gate)).text).toBe('well')
      expect((await send(gate)).text).toBe('well')
    }
    {
      await using gate = await gateTo([unreachable.port, server.port ?? 0], 'connect_timeout = "1s"')
      const socket = await openSocket(gate)
      socket.close()
    }
  })

  needs('/proc').test('leaves no descriptor of a WebSocket behind where connections failed before', async () => {
    await using unreachable = await startUnreachable()
    {
      await using gate = await gateTo([unreachable.port], 'connect_timeout = "400ms"')
      const open = async () => (await sendRaw(gate.port, askForWebSocket('app.example'))).status
      expect(await open()).toBe(504)
      const before = socketCount()
      for (let count = 0; count < 4; count++) expect(await open()).toBe(504)
      await eventually(
        () => socketCount() <= before,
        () => `${socketCount()} sockets, ${before} before`,
        5000,
      )
    }
  })

  test('is over for a WebSocket once its address is back, which says what it likes', async () => {
    const port = await freePort()
    await using gate = await gateTo([port])
    await expect(openSocket(gate)).rejects.toBeDefined()
    using back = Bun.serve({
      port,
      hostname: '127.0.0.1',
      fetch: (request, server) => (server.upgrade(request) ? undefined : new Response('no')),
      websocket: { message: (socket, message) => void socket.send(message) },
    })
    const socket = await openSocket(gate)
    const long = 'x'.repeat(300_000)
    const answer = new Promise<unknown>(resolve => socket.addEventListener('message', ({ data }) => resolve(data)))
    socket.send(long)
    expect(await answer).toBe(long)
    const closed = new Promise<number>(resolve => socket.addEventListener('close', ({ code }) => resolve(code)))
    await back.stop(true)
    expect(await closed).toBe(1001)
  })

  test('is no limit for an answer that is slow: the connection stands', async () => {
    await using app = await startApp((_, response) => void setTimeout(() => response.end('slow'), 1_500))
    await using gate = await gateTo([app.port], 'connect_timeout = "1s"')
    expect(await send(gate)).toMatchObject({ status: 200, text: 'slow' })
    expect(app.paths).toEqual(['/'])
  })
})

test('an event stream begins before its first event, by blank lines alone: some readers know no comments', async () => {
  const { held, handler } = holding()
  await using app = await startApp((request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
    handler(request, response)
  })
  await using gate = await gateTo([app.port])
  const response = await fetch(`http://127.0.0.1:${gate.port}/`, { headers: { host: 'app.example' } })
  expect(response.headers.get('content-type')).toBe('text/event-stream')
  for (const stream of held) stream.end('data: 1\n\n')
  expect(await response.text()).toMatch(/^\n*data: 1\n\n$/)
})
