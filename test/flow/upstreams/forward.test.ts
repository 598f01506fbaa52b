import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { eventually, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { httpResponse, openWire, sendRaw, startRawUpstream } from '../../kit/wire/wire.ts'

/** What the next connection to the upstream is answered with, and what it received. */
let answer: (path: string) => string | null = () => httpResponse(200, 'ok')

const keep = untilTheEnd()
const upstream = keep(
  await startRawUpstream(async connection => {
    while (!connection.isClosed) {
      const { raw } = await connection.receive({ until: isWhole, timeoutMs: 300_000 })
      const reply = answer(/^\S+ (\S+)/.exec(raw.toString('latin1'))?.[1] ?? '')
      if (reply === null) continue
      await connection.send(Buffer.from(reply, 'latin1'))
      if (/connection: close/i.test(reply)) connection.close()
    }
  }),
)

/** Whether a request is here with its body. */
function isWhole(received: Buffer): boolean {
  const [head = '', ...rest] = received.toString('latin1').split('\r\n\r\n')
  return rest.length > 0 && rest.join('\r\n\r\n').length >= Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0)
}

const at = `http://127.0.0.1:${upstream.port}`
const gate = keep(
  await startGate(`
[[routes]]
host = "app.example"
upstream = "${at}"
allow = "public"

[[routes]]
host = "app.example"
path = "/silent"
upstream = "${at}"
allow = "public"
timeout = "500ms"

[[routes]]
host = "app.example"
path = "/stripped"
strip_prefix = "/stripped"
upstream = "${at}/base"
allow = "public"

[[routes]]
host = "get.example"
upstream = "${at}"
allow = "public"
methods = ["GET", "HEAD"]

[[routes]]
host = "gone.example"
upstream = "http://127.0.0.1:1"
allow = "public"

[[routes]]
host = "several.example"
upstream = ["http://127.0.0.1:1", "${at}"]
allow = "public"

[[routes]]
host = "ruled.example"
upstream = "${at}"
allow = "public"
response_headers = { set = { X-Ruled = "yes" } }
`),
)

async function send(request: string, reply: string | null = httpResponse(200, 'ok')) {
  answer = () => reply
  const before = upstream.text.length
  const response = await sendRaw(gate.port, Buffer.from(request, 'latin1'))
  return { response, received: upstream.text.slice(before) }
}

function get(path: string, fields = '', host = 'app.example'): string {
  return `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${fields}Connection: close\r\n\r\n`
}

function fieldsOf(response: { fields: readonly (readonly [string, string])[] }, name: string): string[] {
  return response.fields.filter(([field]) => field.toLowerCase() === name).map(([, value]) => value)
}

describe('a request', () => {
  test('arrives with path, query and fields as sent, and ours beside them', async () => {
    const { received } = await send(get('/a%20b/c?x=%2F&y', 'X-Custom: 1\r\nAccept: text/plain\r\n'))
    expect(received).toStartWith('GET /a%20b/c?x=%2F&y HTTP/1.1\r\n')
    expect(received).toMatch(/^host: app\.example\r$/im)
    expect(received).toMatch(/^x-custom: 1\r$/im)
    expect(received).toMatch(/^x-forwarded-for: 127\.0\.0\.1\r$/im)
    expect(received).toMatch(/^via: 1\.1 sallyport-/im)
    expect(received).not.toMatch(/\bbun\b/i)
  })
  test('loses its prefix where the route strips it, at a segment boundary', async () => {
    expect((await send(get('/stripped/x'))).received).toStartWith('GET /base/x ')
    expect((await send(get('/stripped?q'))).received).toStartWith('GET /base/?q ')
    expect((await send(get('/strippedx'))).received).toStartWith('GET /strippedx ')
  })
  test.each(['POST', 'PATCH', 'PUT', 'DELETE', 'OPTIONS', 'PROPFIND'])(
    'with %s keeps its Content-Length, and its body',
    async method => {
      const { received } = await send(
        `${method} /p HTTP/1.1\r\nHost: app.example\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello`,
      )
      expect(received).toMatch(/^content-length: 5\r$/im)
      expect(received).not.toMatch(/^transfer-encoding/im)
      expect(received).toEndWith('\r\n\r\nhello')
    },
  )
  test.each(['TRACE / HTTP/1.1', 'CONNECT app.example:80 HTTP/1.1', 'OPTIONS * HTTP/1.1'])(
    '"%s" never reaches an upstream',
    async line => {
      const { response, received } = await send(`${line}\r\nHost: app.example\r\nConnection: close\r\n\r\n`)
      expect([400, 405]).toContain(response.status)
      expect(received).toBe('')
    },
  )
  test('with a method that the route does not list is 405 with Allow', async () => {
    const { response, received } = await send(
      'POST / HTTP/1.1\r\nHost: get.example\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
    )
    expect(response.status).toBe(405)
    expect(fieldsOf(response, 'allow')).toEqual(['GET, HEAD'])
    expect(received).toBe('')
  })
})

describe('junk is answered with a clear 4xx and reaches nothing', () => {
  const junk: [string, string, number[]][] = [
    ['two Hosts', 'GET / HTTP/1.1\r\nHost: app.example\r\nHost: gone.example\r\n\r\n', [400]],
    ['no Host', 'GET / HTTP/1.1\r\n\r\n', [400]],
    ['an odd Host', 'GET / HTTP/1.1\r\nHost: app.example/x\r\n\r\n', [400]],
    ['a percent-encoded Host', 'GET / HTTP/1.1\r\nHost: %61pp.example\r\n\r\n', [400]],
    ['an unknown Host', 'GET / HTTP/1.1\r\nHost: nowhere.example\r\n\r\n', [404]],
    ['a space before the colon', 'GET / HTTP/1.1\r\nHost : app.example\r\n\r\n', [400]],
    ['a folded line', 'GET / HTTP/1.1\r\nHost: app.example\r\nX: a\r\n b\r\n\r\n', [400]],
    ['a NUL', 'GET / HTTP/1.1\r\nHost: app.example\r\nX: a\0b\r\n\r\n', [400]],
    ['a bare CR', 'GET / HTTP/1.1\r\nHost: app.example\r\nX: a\rb\r\n\r\n', [400]],
    ['a malformed escape', 'GET /%zz HTTP/1.1\r\nHost: app.example\r\n\r\n', [400]],
    ['a huge head', `GET / HTTP/1.1\r\nHost: app.example\r\nX: ${'a'.repeat(70_000)}\r\n\r\n`, [431, 400]],
    ['Connection that is no list of names', 'GET / HTTP/1.1\r\nHost: app.example\r\nConnection: a b\r\n\r\n', [400]],
  ]
  test.each(junk)('%s', async (_what, request, statuses) => {
    const { response, received } = await send(request)
    expect(statuses).toContain(response.status)
    expect(received).toBe('')
  })
})

describe('a response', () => {
  test('keeps status, repeated Set-Cookie in order, ETag and coding', async () => {
    const { response } = await send(
      get('/', 'Accept-Encoding: gzip\r\n'),
      httpResponse(201, '\x1f\x8bxx', [
        'Set-Cookie: a=1; Path=/',
        'Set-Cookie: b=2',
        'ETag: W/"x"',
        'Content-Encoding: gzip',
        'Content-Type: text/plain',
      ]),
    )
    expect(response.status).toBe(201)
    expect(fieldsOf(response, 'set-cookie')).toEqual(['a=1; Path=/', 'b=2'])
    expect(fieldsOf(response, 'etag')).toEqual(['W/"x"'])
    expect(fieldsOf(response, 'content-encoding')).toEqual(['gzip'])
    expect(fieldsOf(response, 'content-length')).toEqual(['4'])
    expect(response.body.toString('latin1')).toBe('\x1f\x8bxx')
  })
  test('that redirects is passed on, not followed', async () => {
    const { response } = await send(get('/'), httpResponse(302, '', ['Location: http://elsewhere.example/x']))
    expect(response.status).toBe(302)
    expect(fieldsOf(response, 'location')).toEqual(['http://elsewhere.example/x'])
  })
  test('with part of a file is passed on', async () => {
    const { response, received } = await send(
      get('/', 'Range: bytes=0-1\r\n'),
      httpResponse(206, 'ab', ['Content-Range: bytes 0-1/10']),
    )
    expect(received).toMatch(/^range: bytes=0-1\r$/im)
    expect([response.status, fieldsOf(response, 'content-range')]).toEqual([206, ['bytes 0-1/10']])
  })
})

describe('an upstream that fails', () => {
  test('by refusing is 502 with a way on', async () => {
    const { response } = await send(get('/', 'Accept: text/html\r\n', 'gone.example'))
    expect(response.status).toBe(502)
    expect(fieldsOf(response, 'retry-after').length).toBe(1)
    expect(response.body.toString()).toContain('<h1>gone.example could not be reached</h1>')
  })
  test('by silence is 504 at the timeout, then without holding the upstream', async () => {
    for (let round = 0; round < 2; round++) {
      const { response } = await send(get('/silent'), null)
      expect(response.status).toBe(504)
      expect(JSON.parse(response.body.toString())).toMatchObject({ code: 'upstream.timeout', status: 504 })
    }
    const last = upstream.connections.at(-1)
    await eventually(() => last?.isClosed === true, 'the abandoned upstream connection is closed')
  })
  test('one of several is passed over', async () => {
    for (let round = 0; round < 4; round++) {
      expect((await send(get('/', '', 'several.example'))).response.status).toBe(200)
    }
  })
  test('says the same reference on the page and in the log', async () => {
    const { response } = await send(get('/', 'Accept: text/html\r\n', 'gone.example'))
    const reference = /sallyport-\w+-\w+/.exec(response.body.toString())?.[0] ?? ''
    expect(reference).not.toBe('')
    expect(gate.told(`"${reference}"`, '"code":"upstream.refused"').length > 0).toBe(true)
  })
})

describe('a client that goes away', () => {
  test('before the head releases the upstream within a second', async () => {
    answer = () => null
    const wire = await openWire(gate.port)
    const before = upstream.connections.length
    await wire.send(get('/wait').replace('Connection: close\r\n', ''))
    await eventually(
      () => upstream.connections.length > before || upstream.text.includes('/wait'),
      'the request arrives',
    )
    const connection = upstream.connections.at(-1)
    wire.close()
    await eventually(() => connection?.isClosed === true, 'the upstream connection is closed')
  })
})

test('RFC 9112 §9.3.2: requests on one connection are answered in order', async () => {
  answer = path => httpResponse(200, path)
  const wire = await openWire(gate.port)
  for (const path of ['/one', '/two', '/three']) {
    await wire.send(`GET ${path} HTTP/1.1\r\nHost: app.example\r\n\r\n`)
    expect((await wire.receive()).body.toString()).toBe(path)
  }
  wire.close()
})

test('an access record names route, status and path, and no query', async () => {
  await send(get('/logged?token=secret'))
  await eventually(() => gate.access.some(line => line.includes('/logged')), 'the record is written')
  const record = JSON.parse(gate.access.find(line => line.includes('/logged')) ?? '{}')
  expect(record).toMatchObject({
    method: 'GET',
    host: 'app.example',
    path: '/logged',
    route: 'app.example/',
    status: 200,
    user: null,
  })
  expect(gate.access.join('')).not.toContain('secret')
})

test('each request has one record, with the status that its client got, whatever is done with its answer', async () => {
  const ends: readonly [host: string, path: string, reply: string | null, status: number][] = [
    ['app.example', '/once/whole', httpResponse(201, 'ok'), 201],
    ['app.example', '/once/untyped', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', 200],
    ['app.example', '/once/none', 'HTTP/1.1 204 No Content\r\n\r\n', 204],
    ['ruled.example', '/once/ruled', httpResponse(202, 'ok'), 202],
    ['several.example', '/once/again', httpResponse(203, 'ok'), 203],
    ['gone.example', '/once/gone', null, 502],
    ['app.example', '/once/broken', 'nonsense, connection: close\r\n\r\n', 502],
    ['app.example', '/silent/once', null, 504],
    ['app.example', '/once/last', httpResponse(200, 'ok'), 200],
  ]
  for (const [host, path, reply, status] of ends) {
    const { response } = await send(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`, reply)
    expect([path, response.status]).toEqual([path, status])
  }
  await eventually(() => gate.access.some(line => line.includes('/once/last')), 'the last record is written')
  const records = gate.access.map(line => JSON.parse(line)).filter(({ path }) => /\/once/.test(path))
  expect(records.map(({ host, path, status }) => [host, path, status])).toEqual(
    ends.map(([host, path, , status]) => [host, path, status]),
  )
})

test('a request that cannot even be begun is answered and recorded as a mistake of our own', async () => {
  const forwardNothing = () => {
    throw new TypeError('no request can be made of this')
  }
  const toml = '[[routes]]\nhost = "app.example"\nupstream = "http://127.0.0.1:1"\nallow = "public"\n'
  await using other = await startGate(toml, { ports: { forward: forwardNothing } })
  for (const path of ['/once', '/twice']) {
    const answered = await fetch(`http://127.0.0.1:${other.port}${path}`, { headers: { host: 'app.example' } })
    expect([answered.status, await answered.text()]).toEqual([500, expect.stringContaining('internal')])
  }
  await eventually(() => other.access.length === 2, 'both have a record')
  expect(other.access.map(line => JSON.parse(line).reason)).toEqual(['internal', 'internal'])
})

test('an upstream on a unix socket is reached', async () => {
  const path = join(gate.folder, 'app.sock')
  const server = Bun.serve({ unix: path, fetch: request => new Response(`unix ${new URL(request.url).pathname}`) })
  await using unixGate = await startGate(`
[[routes]]
host = "unix.example"
upstream = "unix:${path}"
allow = "public"
`)
  const response = await sendRaw(unixGate.port, get('/x/y', '', 'unix.example'))
  expect(response.body.toString()).toBe('unix /x/y')
  await server.stop(true)
})
