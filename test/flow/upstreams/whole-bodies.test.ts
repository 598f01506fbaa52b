import { describe, expect, test } from 'bun:test'
import { BUDGET_BYTES, createWholeBodies, MAX_WHOLE_BYTES } from '../../../src/proxy/body/buffered-bodies.ts'
import { startAnswering } from '../../kit/applications/answering.ts'
import { eventually, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { routeTo } from '../../kit/toml.ts'
import {
  hasHead,
  openWire,
  sendRaw,
  startRawUpstream,
  type UpstreamConnection,
  type Wire,
  type WireResponse,
} from '../../kit/wire/wire.ts'

/** What an upstream does with the connection that a request came by. */
let script: (connection: UpstreamConnection) => Promise<void>

const keep = untilTheEnd()
const upstream = keep(
  await startRawUpstream(async connection => {
    while (!connection.isClosed) {
      await connection.receive({ until: hasHead, timeoutMs: 300_000 })
      if (!connection.isClosed) await script(connection)
    }
  }),
)
const toml = `
${routeTo(upstream, 'app.example', 'allow = "public"')}
[[routes]]
host = "limited.example"
upstream = { to = "http://127.0.0.1:${upstream.port}", max_connections = 1, queue = 0 }
allow = "public"

${routeTo(upstream, 'kept.example', 'allow = "public"\nkeep_length = "16MiB"')}
[[routes]]
host = "pair.example"
upstream = ["http://127.0.0.1:${upstream.port}", "http://localhost:${upstream.port}"]
allow = "public"
`
/** Waits long for bodies, so that nothing depends on how busy the machine is; and one that does not wait at all. */
const gate = keep(await startGate(toml, { bodyWaitMs: 60_000 }))
const hasty = keep(await startGate(toml, { bodyWaitMs: 1 }))

/** Whose answer it is where nothing depends on it. */
const NOBODY = {
  front: { port: 1, timeout: () => undefined, requestIP: () => null, protocol: 'http' as const },
  connection: new Request('http://app.example/'),
  keepLengthBytes: null,
}

function bodies(unsent: number) {
  const deadlines = { add: () => undefined, remove: () => undefined, close: () => undefined }
  return createWholeBodies({ unsent: () => unsent, deadlines, now: () => 0, waitMs: undefined })
}

function head(length: number | string, fields = '', status = '200 OK'): string {
  return `HTTP/1.1 ${status}\r\nContent-Type: application/x-test\r\nContent-Length: ${length}\r\n${fields}\r\n`
}

function get(host = 'app.example', method = 'GET'): string {
  return `${method} /file HTTP/1.1\r\nHost: ${host}\r\n\r\n`
}

function valuesOf(response: WireResponse, name: string): string[] {
  return response.fields.filter(([field]) => field.toLowerCase() === name).map(([, value]) => value)
}

/** Bytes that show when a piece is missing or out of place. */
function bytes(count: number): Buffer {
  return Buffer.from(Array.from({ length: count }, (_, index) => (index * 7 + (index >> 8)) & 255))
}

describe('RFC 9110 §8.6: Content-Length stays', () => {
  test.each([1, 5, 1000, 70_000, 300_000, MAX_WHOLE_BYTES])('where %i bytes come after their head', async count => {
    const body = bytes(count)
    script = async connection => {
      await connection.send(head(count, 'ETag: "e"\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n'))
      await connection.send(2)
      await connection.send(body.subarray(0, count / 3))
      await connection.send(body.subarray(count / 3))
    }
    const response = await sendRaw(gate.port, get())
    expect(valuesOf(response, 'content-length')).toEqual([String(count)])
    expect(response.field('transfer-encoding')).toBeNull()
    expect(response.body.equals(body)).toBe(true)
    expect(valuesOf(response, 'set-cookie')).toEqual(['a=1', 'b=2'])
    expect(response.field('etag')).toBe('"e"')
    expect(response.field('content-type')).toBe('application/x-test')
  })
  test('with the coding that the upstream chose, byte for byte', async () => {
    const body = Bun.gzipSync(new Uint8Array(bytes(100_000)))
    script = async connection => {
      await connection.send(head(body.length, 'Content-Encoding: gzip\r\n'))
      await connection.send(2)
      await connection.send(body)
    }
    const response = await sendRaw(gate.port, get())
    expect(response.field('content-encoding')).toBe('gzip')
    expect(response.field('content-length')).toBe(String(body.length))
    expect(response.body.equals(body)).toBe(true)
  })
  test('for a part of a file', async () => {
    script = async connection => {
      await connection.send(head(9, 'Content-Range: bytes 1-9/20\r\n', '206 Partial Content'))
      await connection.send(2)
      await connection.send('partial!!')
    }
    const response = await sendRaw(gate.port, get())
    expect([response.status, response.field('content-length'), response.field('content-range')]).toEqual([
      206,
      '9',
      'bytes 1-9/20',
    ])
  })
  test('for a part of recorded events, of which every byte counts', async () => {
    const part = head(9, 'Content-Range: bytes 1-9/20\r\n', '206 Partial Content')
    script = async connection => {
      await connection.send(part.replace('application/x-test', 'text/event-stream'))
      await connection.send(2)
      await connection.send('ta: 1\n\nda')
    }
    const response = await sendRaw(gate.port, get())
    expect([response.field('content-length'), response.body.toString()]).toEqual(['9', 'ta: 1\n\nda'])
  })
  test.each(['HEAD', '304'])('and no body is waited for after %s', async kind => {
    script = connection => connection.send(head(1234, 'ETag: "e"\r\n', kind === '304' ? '304 Not Modified' : '200 OK'))
    const response = await sendRaw(gate.port, get('app.example', kind === 'HEAD' ? 'HEAD' : 'GET'), {
      until: hasHead,
    })
    expect(response.field('etag')).toBe('"e"')
    if (kind === 'HEAD') expect(response.field('content-length')).toBe('1234')
    expect(response.body.length).toBe(0)
  })
  test('where connections are limited, and the place is free at once', async () => {
    script = async connection => {
      await connection.send(head(100_000))
      await connection.send(2)
      await connection.send(bytes(100_000))
    }
    for (let round = 0; round < 3; round++) {
      const response = await sendRaw(gate.port, get('limited.example'))
      expect([response.status, response.field('content-length')]).toEqual([200, '100000'])
    }
  })
})

describe('keep_length', () => {
  const MIB = 1024 * 1024

  /** A body of this length, in pieces that take their time. */
  function sends(length: number): void {
    script = async connection => {
      await connection.send(head(length))
      for (let left = length; left > 0; left -= MIB) {
        await connection.send(20)
        await connection.send(Buffer.alloc(Math.min(left, MIB), 'x'))
      }
    }
  }

  test('keeps the length of longer and slower ones', async () => {
    sends(4 * MIB)
    const response = await sendRaw(hasty.port, get('kept.example'))
    expect([valuesOf(response, 'content-length'), response.body.length]).toEqual([[String(4 * MIB)], 4 * MIB])
  })
  test('but not of those that are longer still', async () => {
    sends(17 * MIB)
    const response = await sendRaw(hasty.port, get('kept.example'), { until: hasHead })
    expect([response.field('content-length'), response.field('transfer-encoding')]).toEqual([null, 'chunked'])
  })
  test('within a memory of its own, which is free again once they have left', async () => {
    sends(16 * MIB)
    const wires: Wire[] = []
    const held = BUDGET_BYTES / (16 * MIB)
    for (let count = 0; count <= held; count++) {
      const wire = await openWire(gate.port)
      await wire.send(get('kept.example'))
      await eventually(() => hasHead(wire.received), 'the head')
      wire.pause()
      expect(/content-length/i.test(wire.received.toString('latin1', 0, 500))).toBe(count < held)
      wires.push(wire)
    }
    for (const wire of wires) wire.close()
    sends(2 * MIB)
    await eventually(
      async () => (await sendRaw(gate.port, get('kept.example'))).field('content-length') === String(2 * MIB),
      'the length again',
    )
  }, 300_000)
})

test.each([1, 70_000])(
  'RFC 9110 §8.3: of %i bytes nobody says a type where the application says an empty one',
  async count => {
    const body = bytes(count)
    script = connection =>
      connection.send(Buffer.concat([Buffer.from(head(count).replace('application/x-test', '')), body]))
    const response = await sendRaw(gate.port, get())
    expect(valuesOf(response, 'content-type').filter(type => type !== '')).toEqual([])
    expect(response.status).toBe(200)
  },
)

describe('a body is streamed', () => {
  test('where it is longer than what is worth collecting', async () => {
    const body = bytes(MAX_WHOLE_BYTES + 1)
    const { promise: seen, resolve: see } = Promise.withResolvers<void>()
    script = async connection => {
      await connection.send(head(body.length))
      await connection.send(body.subarray(0, 1000))
      await seen
      await connection.send(body.subarray(1000))
    }
    const wire = await openWire(gate.port)
    await wire.send(get())
    await eventually(() => hasHead(wire.received), 'the head')
    see()
    const response = await wire.receive()
    wire.close()
    expect(response.field('transfer-encoding')).toBe('chunked')
    expect(dechunk(response.body).equals(body)).toBe(true)
  })
  test('from where it stands, once it is slow: what came is passed on before the rest is there', async () => {
    const body = bytes(200_000)
    const { promise: seen, resolve: see } = Promise.withResolvers<void>()
    script = async connection => {
      await connection.send(head(body.length))
      await connection.send(body.subarray(0, 1000))
      await connection.send(5)
      await connection.send(body.subarray(1000, 30_000))
      await seen
      for (let from = 30_000; from < body.length; from += 34_000) {
        await connection.send(body.subarray(from, from + 34_000))
        await connection.send(1)
      }
    }
    const wire = await openWire(hasty.port)
    await wire.send(get())
    await eventually(() => wire.received.length > 30_000, 'what came so far')
    see()
    await eventually(() => wire.received.subarray(-5).equals(Buffer.from('0\r\n\r\n')), 'the rest')
    const response = wire.received
    const bodyStart = response.indexOf('\r\n\r\n') + 4
    expect(response.toString('latin1', 0, bodyStart)).not.toMatch(/content-length/i)
    expect(dechunk(response.subarray(bodyStart)).equals(body)).toBe(true)
    wire.close()
  })
  test('where memory is short: every answer that has not left may hold a whole one', () => {
    const response = new Response(new ReadableStream(), { headers: { 'content-length': '1000' } })
    const crowd = BUDGET_BYTES / MAX_WHOLE_BYTES
    expect(bodies(crowd + 1).collect(response, 1000, 0, NOBODY, body => body)).toBe(response)
    expect(bodies(crowd).collect(response, 1000, 0, NOBODY, body => body)).toBeInstanceOf(Promise)
  })
  test('as Bun hands it on, where it is here already', async () => {
    const app = startAnswering(() => new Response('x'.repeat(5000)))
    const address = `http://127.0.0.1:${app.port}/path`
    const response = await fetch(address)
    expect(bodies(0).collect(response, 5000, address.length, NOBODY, body => body)).toBe(response)
    await app.stop(true)
  })
  test('where it is made of events, whatever its length says', async () => {
    const { promise: seen, resolve: see } = Promise.withResolvers<void>()
    script = async connection => {
      await connection.send(head(18).replace('application/x-test', 'text/event-stream'))
      await connection.send('data: 1\n\n')
      await seen
      await connection.send('data: 2\n\n')
    }
    const wire = await openWire(gate.port)
    await wire.send(get())
    await eventually(() => wire.received.includes('data: 1'), 'the first event')
    see()
    await eventually(() => wire.received.includes('data: 2'), 'the second event')
    wire.close()
  })
})

describe('RFC 9112 §8: a body that breaks off is never seen as whole', () => {
  test('before anything was sent: 502', async () => {
    script = async connection => {
      await connection.send(head(1000))
      await connection.send('short')
      connection.close()
    }
    const response = await sendRaw(gate.port, get())
    expect(response.status).toBe(502)
    expect(response.raw.includes('short')).toBe(false)
  })
  test('before anything was sent, of several addresses: the next one is asked, for a method that may be repeated', async () => {
    let asked = 0
    script = async connection => {
      const isFirst = asked++ === 0
      await connection.send(head(1000))
      await connection.send(2)
      await connection.send(isFirst ? 'short' : bytes(1000))
      if (isFirst) connection.close()
    }
    const response = await sendRaw(gate.port, get('pair.example'))
    expect([response.status, asked, response.body.equals(bytes(1000))]).toEqual([200, 2, true])
    asked = 0
    const post = await sendRaw(gate.port, get('pair.example', 'POST'))
    expect([post.status, asked]).toEqual([502, 1])
  })
  test('after its beginning was sent: the connection is cut', async () => {
    const { promise: seen, resolve: see } = Promise.withResolvers<void>()
    script = async connection => {
      await connection.send(head(1000))
      await connection.send('short')
      await seen
      connection.close()
    }
    const wire = await openWire(hasty.port)
    await wire.send(get())
    await eventually(() => wire.received.includes('short'), 'the beginning')
    see()
    await eventually(() => wire.isClosed, 'the cut')
    expect(wire.received.includes('0\r\n\r\n')).toBe(false)
    wire.close()
  })
})

test('a client that leaves while a body is collected releases the upstream', async () => {
  let closed: () => boolean = () => false
  script = async connection => {
    closed = () => connection.isClosed
    await connection.send(head(1000))
    await connection.send('short')
    await connection.receive({ until: () => false })
  }
  const wire = await openWire(gate.port)
  const before = upstream.text.length
  await wire.send(get())
  await eventually(() => upstream.text.length > before, 'the request arrives')
  wire.close()
  await eventually(() => closed(), 'the upstream is released')
})

/** The bytes within chunks (RFC 9112 §7.1). */
function dechunk(raw: Buffer): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; ; ) {
    const end = raw.indexOf('\r\n', at)
    const size = Number.parseInt(raw.toString('latin1', at, end), 16)
    if (size === 0) return Buffer.concat(parts)
    parts.push(raw.subarray(end + 2, end + 2 + size))
    at = end + 2 + size + 2
  }
}
