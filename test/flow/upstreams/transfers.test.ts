import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { startApp } from '../../kit/applications/app.ts'
import { makeAuthority } from '../../kit/certificates.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { compiledBinary } from '../../kit/programs/binary.ts'
import { freePort, startChild } from '../../kit/programs/child.ts'
import { routeTo } from '../../kit/toml.ts'
import { openWire, sendRaw, startRawUpstream } from '../../kit/wire/wire.ts'

const TRANSFER_BYTES = 200 * 1024 * 1024
const ENDLESS_BYTES = 1024 * 1024 * 1024

/** More than the program needs for any of this, and far less than any of the bodies. */
const MOST_MB = 160

const BLOCK = Buffer.from(Array.from({ length: 256 * 1024 }, (_, index) => (index * 31 + (index >> 9)) & 255))

/** How many bytes of an upload the app has seen, and their hash once it has ended. */
let uploaded = { bytes: 0, hash: '' }
/** What goes on with an upload that the app does not read; null while it reads them. */
let readOn: (() => void)[] | null = null

const keep = untilTheEnd()
const folder = keep(temporaryFolder())
const app = keep(
  await startApp((request, response) => {
    if (request.url === '/plain') response.end('plain')
    else if (request.method === 'GET')
      sendBlocks(response, Number(request.headers['x-bytes']), request.url === '/chunked')
    else receive(request, response)
  }),
)
// Answers a head and keeps its connection, for tests to go on with.
const held = keep(
  await startRawUpstream(async connection => {
    await connection.receive({ until: received => received.includes('\r\n\r\n'), timeoutMs: 300_000 })
  }),
)
const gate = keep(
  await startChild({
    command: [await compiledBinary()],
    folder: folder.path,
    port: await freePort(),
    toml: `
${routeTo(app, 'app.example', 'allow = "public"')}
${routeTo(held, 'held.example', 'allow = "public"')}`,
  }),
)

function sendBlocks(response: ServerResponse, bytes: number, isChunked: boolean): void {
  response.setHeader('content-type', 'application/octet-stream')
  if (!isChunked) response.setHeader('content-length', bytes)
  let left = bytes
  const pump = (): void => {
    while (left > 0 && !response.destroyed) {
      left -= BLOCK.length
      if (!response.write(BLOCK)) return void response.once('drain', pump)
    }
    response.end()
  }
  pump()
}

function receive(request: IncomingMessage, response: ServerResponse): void {
  const hasher = new Bun.CryptoHasher('sha256')
  uploaded = { bytes: 0, hash: '' }
  if (readOn !== null) return void readOn.push(() => request.resume())
  request.on('data', (bytes: Buffer) => {
    hasher.update(bytes)
    uploaded.bytes += bytes.length
  })
  request.on('end', () => {
    uploaded.hash = hasher.digest('hex')
    response.setHeader('content-type', 'text/plain')
    response.end('received')
  })
}

function hashOfBlocks(bytes: number): string {
  const hasher = new Bun.CryptoHasher('sha256')
  for (let left = bytes; left > 0; left -= BLOCK.length) hasher.update(BLOCK)
  return hasher.digest('hex')
}

/** The most memory that the program ever had, in MB (proc(5)). */
function peakMb(): number {
  return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${gate.process.pid}/status`, 'utf8'))?.[1]) / 1024
}

async function isAnswering(): Promise<boolean> {
  const request = 'GET /plain HTTP/1.1\r\nHost: app.example\r\n\r\n'
  return (await sendRaw(gate.port, request)).raw.includes('plain')
}

needs('/proc').describe('200 MB pass with flat memory, byte for byte', () => {
  test.each(['/known', '/chunked'])(
    'down, of length %s',
    async path => {
      const hasher = new Bun.CryptoHasher('sha256')
      await new Promise<void>((resolve, reject) => {
        const request = httpRequest(
          { port: gate.port, path, headers: { host: 'app.example', 'x-bytes': TRANSFER_BYTES } },
          response => {
            response.on('data', (bytes: Buffer) => hasher.update(bytes))
            response.once('end', resolve)
            response.once('error', reject)
          },
        )
        request.once('error', reject)
        request.end()
      })
      expect(hasher.digest('hex')).toBe(hashOfBlocks(TRANSFER_BYTES))
      expect(peakMb()).toBeLessThan(MOST_MB)
    },
    300_000,
  )

  test.each(['known', 'chunked'])(
    'up, of length %s',
    async kind => {
      const answer = await new Promise<string>((resolve, reject) => {
        const request = httpRequest(
          {
            port: gate.port,
            path: '/up',
            method: 'PUT',
            headers: { host: 'app.example', ...(kind === 'known' ? { 'content-length': TRANSFER_BYTES } : {}) },
          },
          response => {
            let text = ''
            response.on('data', (bytes: Buffer) => {
              text += bytes.toString()
            })
            response.once('end', () => resolve(text))
          },
        )
        request.once('error', reject)
        let left = TRANSFER_BYTES
        const pump = (): void => {
          while (left > 0) {
            left -= BLOCK.length
            if (!request.write(BLOCK)) return void request.once('drain', pump)
          }
          request.end()
        }
        pump()
      })
      expect(answer).toBe('received')
      expect(uploaded).toEqual({ bytes: TRANSFER_BYTES, hash: hashOfBlocks(TRANSFER_BYTES) })
      expect(peakMb()).toBeLessThan(MOST_MB)
    },
    300_000,
  )
})

needs('/proc').describe('who does not read holds up nobody else, and no memory', () => {
  test.each(['/known', '/chunked'])(
    'a client of a body of 1 GB, of length %s',
    async path => {
      const readers = await Promise.all(Array.from({ length: 4 }, () => openWire(gate.port)))
      for (const wire of readers) {
        wire.pause()
        await wire.send(`GET ${path} HTTP/1.1\r\nHost: app.example\r\nX-Bytes: ${ENDLESS_BYTES}\r\n\r\n`)
      }
      await eventually(() => app.underWay === readers.length, 'all of them begun')
      for (let round = 0; round < 20; round++) {
        expect(await isAnswering()).toBe(true)
        await Bun.sleep(20)
      }
      expect(peakMb()).toBeLessThan(MOST_MB)
      for (const wire of readers) wire.close()
      await eventually(() => app.underWay === 0, 'the upstream is released')
    },
    300_000,
  )

  test('an upstream of an upload', async () => {
    readOn = []
    const wire = await openWire(gate.port)
    await wire.send(`POST /up HTTP/1.1\r\nHost: app.example\r\nContent-Length: ${ENDLESS_BYTES}\r\n\r\n`)
    let sent = 0
    let isStuck = false
    // What the kernel's buffers and ours take, they take; then nothing goes on.
    while (sent < ENDLESS_BYTES && !isStuck) {
      isStuck = await Promise.race([wire.send(BLOCK).then(() => false), Bun.sleep(1000).then(() => true)])
      sent += BLOCK.length
    }
    expect(isStuck).toBe(true)
    expect(await isAnswering()).toBe(true)
    expect(peakMb()).toBeLessThan(MOST_MB)
    wire.close()
    // Who does not read does not see the end either.
    for (const go of readOn) go()
    await eventually(() => app.underWay === 0, 'the upstream is released')
    readOn = null
  }, 300_000)
})

describe('an abort reaches the other side', () => {
  const get = 'GET / HTTP/1.1\r\nHost: held.example\r\n\r\n'
  const begun = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1000000\r\n\r\nbegun'

  async function open(request: string) {
    const wire = await openWire(gate.port)
    const count = held.connections.length
    await wire.send(request)
    await eventually(() => held.connections.length > count, 'the request upstream')
    const upstream = held.connections.at(-1)
    if (upstream === undefined) throw new Error('there is a connection')
    await eventually(() => upstream.received.includes('\r\n\r\n'), 'its head')
    return { wire, upstream }
  }

  test('from the client, before the answer', async () => {
    const { wire, upstream } = await open(get)
    wire.close()
    await eventually(() => upstream.isClosed, 'the upstream knows')
  })
  test('from the client, in the middle of the answer', async () => {
    const { wire, upstream } = await open(get)
    await upstream.send(begun)
    await eventually(() => wire.received.includes('begun'), 'the beginning')
    wire.close()
    await eventually(() => upstream.isClosed, 'the upstream knows')
  })
  test('from the client, in the middle of its body', async () => {
    const { wire, upstream } = await open(
      'POST / HTTP/1.1\r\nHost: held.example\r\nContent-Length: 100000\r\n\r\nbegun',
    )
    await eventually(() => upstream.received.includes('begun'), 'the beginning')
    wire.close()
    await eventually(() => upstream.isClosed, 'the upstream knows')
    expect(upstream.received.toString('latin1')).toEndWith('begun')
  })
  test('from the upstream, in the middle of the answer', async () => {
    const { wire, upstream } = await open(get)
    await upstream.send(begun)
    await eventually(() => wire.received.includes('begun'), 'the beginning')
    upstream.close()
    await eventually(() => wire.isClosed, 'the client knows')
    expect(wire.received.toString('latin1')).not.toEndWith('0\r\n\r\n')
  })
  test('from the upstream, in the middle of the request: 502', async () => {
    const { wire, upstream } = await open(
      'POST / HTTP/1.1\r\nHost: held.example\r\nContent-Length: 100000\r\n\r\nbegun',
    )
    await eventually(() => upstream.received.includes('begun'), 'the beginning')
    upstream.close()
    expect((await wire.receive()).status).toBe(502)
    wire.close()
  })
})

test('RFC 9110 §15.5.14: a refusal in the middle of an upload reaches the client', async () => {
  const wire = await openWire(gate.port)
  const count = held.connections.length
  await wire.send(`POST / HTTP/1.1\r\nHost: held.example\r\nContent-Length: ${TRANSFER_BYTES}\r\n\r\n`)
  await wire.send(BLOCK)
  await eventually(() => held.connections.length > count, 'the request upstream')
  const upstream = held.connections.at(-1)
  await upstream?.send(
    'HTTP/1.1 413 Content Too Large\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: 8\r\n\r\ntoo much',
  )
  upstream?.end()
  const response = await wire.receive()
  expect([response.status, response.body.toString()]).toEqual([413, 'too much'])
  wire.close()
})

test('an upstream that sends a byte at a time is passed on as it goes', async () => {
  const wire = await openWire(gate.port)
  const count = held.connections.length
  await wire.send('GET / HTTP/1.1\r\nHost: held.example\r\n\r\n')
  await eventually(() => held.connections.length > count, 'the request upstream')
  const upstream = held.connections.at(-1)
  await upstream?.send('HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\n')
  for (const letter of 'abcdef') {
    await Bun.sleep(60)
    await upstream?.send(letter)
    // The next one is sent only once this one is there.
    await eventually(() => wire.received.includes(`\r\n${letter}\r\n`), letter)
  }
  await eventually(() => wire.received.toString('latin1').endsWith('\r\n0\r\n\r\n'), 'the end')
  wire.close()
})

test('an upstream that closes its idle connections costs no POST', async () => {
  let closed = 0
  await using idle = await startApp((request, response) => {
    request.resume()
    request.on('end', () => {
      response.setHeader('content-type', 'text/plain')
      request.socket.once('close', () => closed++)
      response.end(`done ${request.url}`, () => request.socket.end())
    })
  })
  using place = temporaryFolder()
  await using child = await startChild({
    command: [await compiledBinary()],
    folder: place.path,
    port: await freePort(),
    toml: routeTo(idle, 'app.example', 'allow = "public"'),
  })
  for (let round = 0; round < 30; round++) {
    const response = await sendRaw(
      child.port,
      `POST /${round} HTTP/1.1\r\nHost: app.example\r\nContent-Length: 4\r\n\r\nbody`,
    )
    expect([response.status, response.body.toString()]).toEqual([200, `done /${round}`])
    await eventually(() => closed > round, 'the gate knows that this connection is over')
  }
  expect(idle.paths.length).toBe(30)
}, 300_000)

describe.each(['none', 'every'] as const)('where of bodies %s goes unseen,', unseen => {
  const EACH = 4
  const BYTES = 48 * BLOCK.length
  /** What the application sends for a number. */
  const own = (number: number) => BLOCK.map(byte => byte ^ number)

  /** Each way by which a client may come, and how its fetch says so. */
  const ways: readonly (readonly [string, RequestInit])[] = [
    ['HTTP/1.1', {}],
    ['HTTP/1.1 over TLS', { protocol: 'http1.1' } as RequestInit],
    ['HTTP/2', { protocol: 'http2' } as RequestInit],
    ['a local socket', {}],
  ]

  /** Compares a piece with what is to come from a place on; answers where the next one begins. */
  function compared(bytes: Buffer, expected: Buffer, at: number): number {
    let count = at
    for (let from = 0; from < bytes.length; ) {
      const start = count % BLOCK.length
      const length = Math.min(bytes.length - from, BLOCK.length - start)
      if (bytes.compare(expected, start, start + length, from, from + length) !== 0) {
        throw new Error(`other bytes between ${count} and ${count + length}`)
      }
      from += length
      count += length
    }
    return count
  }

  /** Answers how many bytes came that were right. */
  function takeSlowly(request: IncomingMessage, response: ServerResponse, blocks: Uint8Array, number: number): void {
    const expected = Buffer.from(blocks)
    let count = 0
    let pieces = 0
    request.on('data', (bytes: Buffer) => {
      count = compared(bytes, expected, count)
      if (pieces++ % (number % 5) !== 1) return
      request.pause()
      setTimeout(() => request.resume(), number % 7)
    })
    request.on('end', () => {
      response.setHeader('content-type', 'text/plain')
      response.end(String(count))
    })
  }

  needs('openssl', '/proc').test(
    'each byte is its own application’s, by whatever way and at whatever pace it is read',
    async () => {
      using place = temporaryFolder()
      const at = join(place.path, 'gate.sock')
      const authority = makeAuthority()
      const { cert, key } = authority.issue('DNS:app.example')
      await using source = await startApp((request, response) => {
        const number = Number(request.url?.slice(1))
        const blocks = own(number)
        if (request.method === 'POST') return takeSlowly(request, response, blocks, number)
        response.setHeader('content-type', 'application/octet-stream')
        response.setHeader('content-length', BYTES)
        let left = BYTES
        const pump = (): void => {
          while (left > 0 && !response.destroyed) {
            left -= blocks.length
            if (!response.write(blocks)) return void response.once('drain', pump)
          }
          response.end()
        }
        pump()
      })
      const toml = `[tls]\nlisten = ["127.0.0.1:0"]\nredirect_http = false\ncertificates = [{ cert = "own.pem", key = "own.key" }]\n${routeTo(source, 'app.example', 'allow = "public"')}`
      await using gate = await startGate(toml, { files: { 'own.pem': cert, 'own.key': key }, unseen })
      await using local = await startGate(routeTo(source, 'app.example', 'allow = "public"'), {
        listen: `unix:${at}`,
        unseen,
      })
      expect(local.server.addresses).toEqual([`unix:${at}`])

      function ask([way, init]: (typeof ways)[number], number: number, body?: ReadableStream): Promise<Response> {
        const isLocal = way === 'a local socket'
        const isSecure = 'protocol' in init
        const address = isSecure
          ? `https://127.0.0.1:${gate.securePort}/${number}`
          : `http://127.0.0.1:${gate.port}/${number}`
        return fetch(address, {
          ...init,
          ...(body === undefined ? {} : { method: 'POST', body }),
          headers: { host: 'app.example' },
          ...(isSecure ? { tls: { ca: authority.cert, serverName: 'app.example' } } : {}),
          ...(isLocal ? { unix: at } : {}),
        } as RequestInit)
      }
      async function read(way: (typeof ways)[number], number: number): Promise<number> {
        const response = await ask(way, number)
        const expected = Buffer.from(own(number))
        let count = 0
        let pieces = 0
        for await (const piece of response.body ?? []) {
          count = compared(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength), expected, count)
          // Some go on at once, and others leave their window closed for a while.
          if (pieces++ % (number % 5) === 1) await Bun.sleep(number % 7)
        }
        return count
      }
      async function send(way: (typeof ways)[number], number: number): Promise<string> {
        let left = BYTES
        const body = new ReadableStream({
          pull(controller) {
            if (left === 0) return controller.close()
            left -= BLOCK.length
            controller.enqueue(own(number))
          },
        })
        return (await ask(way, number, body)).text()
      }

      const numbers = Array.from({ length: ways.length * EACH }, (_, number) => number + 1)
      const wayOf = (number: number) => ways[number % ways.length] ?? ['', {}]
      expect(await Promise.all(numbers.map(number => read(wayOf(number), number)))).toEqual(numbers.map(() => BYTES))
      expect(await Promise.all(numbers.map(number => send(wayOf(number), number)))).toEqual(
        numbers.map(() => String(BYTES)),
      )
      const byHttp2 = () => gate.access.filter(line => JSON.parse(line).protocol === 'HTTP/2.0').length
      await eventually(() => gate.access.length === 6 * EACH, 'all are recorded')
      expect(byHttp2()).toBe(2 * EACH)
    },
    300_000,
  )
})
