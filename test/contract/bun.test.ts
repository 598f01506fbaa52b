/**
 * What Bun 1.4.5 does not do, or does to us. Each test fails once a newer Bun has mended it, and says what can go then.
 * What takes long stands beside what it is about (flow/upstreams/client-idle, flow/upstreams/tls). The other half is in docs/limits.md.
 */
import { describe, expect, test } from 'bun:test'
import { makeAuthority } from '../kit/certificates.ts'
import { eventually } from '../kit/gate.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'
import { askForWebSocket, frameBytes } from '../kit/wire/websocket.ts'
import { hasHead, openWire, sendRaw, startRawUpstream, type WireResponse } from '../kit/wire/wire.ts'

/** What the next request is answered with, and the address of the last one as its handler saw it. */
let answer: (request: Request) => Response | Promise<Response> = () => new Response('ok')
let seen = ''
let reply = ''

const keep = untilTheEnd()
const server = keep(
  Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch(request) {
      seen = request.url
      return answer(request)
    },
  }),
)
const upstream = keep(
  await startRawUpstream(async connection => {
    while (!connection.isClosed) {
      await connection.receive({ until: hasHead, timeoutMs: 300_000 })
      if (!connection.isClosed) await connection.send(reply)
    }
  }),
)

function ask(request: string, until?: (received: Buffer) => boolean): Promise<WireResponse> {
  return sendRaw(server.port ?? 0, request, until === undefined ? {} : { until })
}

/** The server as a bare proxy of an upstream that says this. */
function passOn(text: string): void {
  reply = text
  answer = request => fetch(`http://127.0.0.1:${upstream.port}/`, { method: request.method, decompress: false })
}

/** A body that comes in two pieces, the second in its own time. */
function inPieces(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      controller.enqueue(Buffer.from('one'))
      await Bun.sleep(10)
      controller.enqueue(Buffer.from('two'))
      controller.close()
    },
  })
}

const GET = 'GET / HTTP/1.1\r\nHost: a.example\r\n\r\n'
const isEnded = (received: Buffer) => received.toString('latin1').endsWith('\r\n0\r\n\r\n')

describe('Bun.serve', () => {
  test('issue 10507 makes a body of known length chunked: when this fails, proxy/body/buffered-bodies.ts can go', async () => {
    answer = () => new Response(inPieces(), { headers: { 'content-length': '6' } })
    const response = await ask(GET, isEnded)
    expect([response.field('content-length'), response.field('transfer-encoding')]).toEqual([null, 'chunked'])
  })
  test('PR 33660 holds the head back until the first byte of the body: when this fails, event streams need no lead', async () => {
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
    const body = new ReadableStream({
      async pull(controller) {
        await begun
        controller.enqueue(Buffer.from('first'))
        controller.close()
      },
    })
    answer = () => new Response(body)
    const wire = await openWire(server.port ?? 0)
    await wire.send(GET)
    await Bun.sleep(100)
    expect(wire.received.toString('latin1')).not.toContain('\r\n\r\n')
    begin()
    await eventually(() => wire.received.includes('first'), 'the body')
    wire.close()
  })
  test('makes up a type for a whole body: when this fails, proxy/hand-on.ts need not stream one', async () => {
    passOn('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi')
    expect((await ask(GET)).field('content-type')).toBe('application/octet-stream')
  })
  test('says a length of 0 to HEAD where there is none: when this fails, proxy/hand-on.ts need not say chunked', async () => {
    passOn('HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n')
    expect((await ask(GET.replace('GET', 'HEAD'), hasHead)).field('content-length')).toBe('0')
  })
  test('says reasons of its own: when this fails, pass the upstream’s on', async () => {
    passOn('HTTP/1.1 299 Quite Good\r\nContent-Length: 0\r\n\r\n')
    expect((await ask(GET)).raw.toString('latin1')).not.toContain('Quite Good')
  })
  test('closes on a second request that comes before the first is answered: when this fails, pipelining works', async () => {
    answer = () => Bun.sleep(20).then(() => new Response('ok'))
    const response = await ask(GET + GET, () => false)
    expect([response.raw.length, response.isClosed]).toEqual([0, true])
  })
  test('drops the host of an absolute-form target: when this fails, route/target.ts can refuse one that disagrees', async () => {
    answer = () => new Response('ok')
    await ask('GET http://other.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n')
    expect(seen).toBe('http://a.example/x')
  })
  test('resolves paths before anyone sees them: when this fails, route/target.ts sees what was sent', async () => {
    answer = () => new Response('ok')
    await ask('GET /a/../b/%2e%2e/c\\d HTTP/1.1\r\nHost: a.example\r\n\r\n')
    expect(seen).toBe('http://a.example/c/d')
  })
  test('drops the body of GET: when this fails, it can be passed on', async () => {
    answer = async request => new Response(`<${await request.text()}>`)
    expect((await ask(`${GET.replace('\r\n\r\n', '\r\nContent-Length: 5\r\n\r\n')}hello`)).body.toString()).toBe('<>')
  })
  test('refuses a request with trailers: when this fails, see whether they can be passed on', async () => {
    answer = async request => new Response(await request.text())
    const response = await ask(
      'POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-After: 1\r\n\r\n',
      () => false,
    )
    expect(response.raw.toString('latin1')).toContain('400 Bad Request')
  })
  test('has no trailers for an answer: when this fails, see whether gRPC can pass', () => {
    expect('trailers' in Response.prototype).toBe(false)
  })
})

describe('fetch', () => {
  test('has 256 slots unless its environment says otherwise: when this fails, the program need not start itself again', async () => {
    const script = `
      let begun = 0
      const server = Bun.serve({ port: 0, hostname: '127.0.0.1', idleTimeout: 0, fetch: () => { begun++; return new Promise(() => {}) } })
      for (let index = 0; index < 300; index++) fetch(server.url).catch(() => {})
      for (let last = -1; last !== begun || begun < 256; await Bun.sleep(500)) last = begun
      console.log(begun)
      process.exit(0)`
    const child = Bun.spawn([process.execPath, '-e', script], {
      env: { PATH: process.env.PATH ?? '', BUN_CONFIG_MAX_HTTP_REQUESTS: undefined },
      stdout: 'pipe',
    })
    expect((await new Response(child.stdout).text()).trim()).toBe('256')
  }, 300_000)
  test('joins repeated fields but Set-Cookie: when this fails, pass them on one by one', async () => {
    passOn('HTTP/1.1 200 OK\r\nVary: a\r\nVary: b\r\nContent-Length: 0\r\n\r\n')
    expect((await ask(GET)).fields.filter(([name]) => /^vary$/i.test(name))).toEqual([['Vary', 'a, b']])
  })
  test('swallows interim answers: when this fails, pass 103 on', async () => {
    passOn('HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
    expect((await ask(GET)).raw.toString('latin1')).not.toContain('103')
  })
  test('adds Accept and User-Agent: when this fails, request-fields.ts need not blank one', async () => {
    passOn('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
    const before = upstream.text.length
    await ask(GET)
    expect(upstream.text.slice(before)).toMatch(/^accept: \*\/\*\r$/im)
    expect(upstream.text.slice(before)).toMatch(/^user-agent: bun/im)
  })
  test('makes GET of a method that it does not know: when this fails, route/target.ts can let more through', async () => {
    reply = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'
    const before = upstream.text.length
    await fetch(`http://127.0.0.1:${upstream.port}/method`, { method: 'FROB' }).catch(() => undefined)
    expect(upstream.text.slice(before)).not.toContain('FROB /method')
  })
  test('makes one of leading slashes: when this fails, route/target.ts need not', async () => {
    reply = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'
    const before = upstream.text.length
    await fetch(`http://127.0.0.1:${upstream.port}///slashes`)
    expect(upstream.text.slice(before)).toStartWith('GET /slashes HTTP/1.1')
  })
})

describe('WebSockets of Bun.serve', () => {
  const serve = (handle: (ws: Bun.ServerWebSocket<undefined>) => void) =>
    Bun.serve<undefined>({
      port: 0,
      hostname: '127.0.0.1',
      fetch: (request, own) => (own.upgrade(request) ? undefined : new Response('no WebSocket')),
      websocket: { message: handle },
    })

  test('bring what one read brought even after a pause: when this fails, proxy/websocket.ts need not close who sends too much', async () => {
    let brought = 0
    const own = serve(ws => {
      brought++
      ws.pause()
    })
    const wire = await openWire(own.port ?? 0)
    await wire.send(askForWebSocket('a.example'))
    await wire.receive({ until: hasHead })
    const one = frameBytes({ opcode: 1, payload: Buffer.from('x'), isFinal: true, reserved: 0 }, Buffer.alloc(4))
    await wire.send(Buffer.concat(Array(100).fill(one)))
    await eventually(
      () => brought === 100,
      () => `all of them, not ${brought}`,
    )
    wire.close()
    await own.stop(true)
  })

  test('choose a subprotocol by themselves: when this fails, proxy/websocket.ts need not hide the offer', async () => {
    const own = serve(() => undefined)
    const wire = await openWire(own.port ?? 0)
    await wire.send(askForWebSocket('a.example', '/', ['Sec-WebSocket-Protocol: soap, wamp']))
    expect((await wire.receive({ until: hasHead })).field('sec-websocket-protocol')).toBe('soap')
    wire.close()
    await own.stop(true)
  })
})

needs('openssl').test(
  'a server that asks for client certificates checks them, and shows none (oven-sh/bun#14097)',
  async () => {
    const authority = makeAuthority()
    const { cert, key } = authority.issue('DNS:localhost,IP:127.0.0.1')
    const shown: string[] = []
    await using secure = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      tls: { cert, key, ca: authority.cert, requestCert: true, rejectUnauthorized: true },
      fetch(request, own) {
        for (let one: object | null = request; one !== null; one = Object.getPrototypeOf(one))
          shown.push(...Object.getOwnPropertyNames(one))
        shown.push(...Object.keys(own.requestIP(request) ?? {}))
        return new Response('in')
      },
    })
    const tls = { ca: authority.cert, cert, key }
    expect((await fetch(`https://localhost:${secure.port}/`, { tls })).status).toBe(200)
    const without = fetch(`https://localhost:${secure.port}/`, { tls: { ca: authority.cert } })
    await expect(without).rejects.toThrow()
    expect(shown.filter(name => /cert|peer|tls|subject|authorized/i.test(name))).toEqual([])
  },
)
