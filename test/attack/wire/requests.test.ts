import { describe, expect, test } from 'bun:test'
import { eventually } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { metricsOf } from '../../kit/requests.ts'
import { PLAIN, startExchange } from '../../kit/wire/exchange.ts'
import { hasHead, type WirePart } from '../../kit/wire/wire.ts'

const HOST = 'Host: app.example\r\n'

const keep = untilTheEnd()
const exchange = keep(
  await startExchange(
    address => `
[[routes]]
host = "app.example"
upstream = "${address}"
allow = "public"
timeout = "2s"

[upstreams.pair]
to = ["${address}", "http://127.0.0.1:1"]

[[routes]]
host = "pair.example"
upstream = "@pair"
allow = "public"
`,
  ),
)

async function forwards(request: string | readonly WirePart[]) {
  exchange.script = PLAIN
  const { response, received } = await exchange.send(request)
  return { status: response.status, response, received }
}

/** The values of a field in a request's head, in order. */
function valuesOf(head: string, name: string): string[] {
  const [lines = ''] = head.split('\r\n\r\n')
  return lines
    .split('\r\n')
    .filter(line => line.toLowerCase().startsWith(`${name}:`))
    .map(line => line.slice(name.length + 1).trim())
}

describe('a query', () => {
  const asked = async (query: string) => {
    const { status, received } = await forwards(`GET /x${query} HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`)
    return [status, received.split(' HTTP/1.1', 1)[0]]
  }

  test.each([
    '?a=\xe4',
    '?a=\xff&b=\xc3\xa9',
    '?\xc0\xaf',
    '?a=\xed\xa0\x80',
    '?a=\xf4\x90\x80\x80',
    '?a=\xef\xbf\xbd',
  ])('of bytes that are not UTF-8 (%j), of which Bun makes others, is refused', async query => {
    expect(await asked(query)).toEqual([400, ''])
  })

  test.each(['?a=%E4', '?a=%ff%C0%AF', '?a=%ef%bf%bd', '?a=%zz', '?=&&;%2f%2F+%20'])(
    'of escapes (%s) is passed on as it is',
    async query => {
      expect(await asked(query)).toEqual([200, `GET /x${query}`])
    },
  )

  test('of UTF-8 is passed on with its bytes escaped', async () => {
    expect(await asked('?a=\xc3\xa9')).toEqual([200, 'GET /x?a=%C3%A9'])
  })
})

describe('trailers, of which Bun 1.4.5 makes a 400 once a request has been carried out', () => {
  /** The end comes when the application could long have begun. */
  const chunked = (announces: string) => [
    `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n${announces}\r\n2\r\nhi\r\n`,
    100,
    '0\r\nX-After: 1\r\n\r\n',
  ]

  test.each(['Trailer: X-After\r\n', 'trailer: X-After, X-Then\r\n', 'Trailer: X-After\r\nTE: trailers\r\n'])(
    'RFC 9110 §6.6.2: one that announces them (%j) is refused before the application hears of it',
    async announces => {
      const { status, received, response } = await forwards(chunked(announces))
      expect([status, received, response.field('connection')]).toEqual([400, '', 'close'])
    },
  )

  test('a body of a known length has none, whatever is announced', async () => {
    const { status } = await forwards(`POST / HTTP/1.1\r\n${HOST}Content-Length: 2\r\nTrailer: X-After\r\n\r\nhi`)
    expect(status).toBe(200)
  })
})

describe('what ends at this hop', () => {
  test('RFC 9110 §7.6.1: Connection, what it names and every other hop-by-hop field', async () => {
    const { status, received } = await forwards(
      `GET / HTTP/1.1\r\n${HOST}Connection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n` +
        'Trailer: X\r\nProxy-Authorization: Basic x\r\nProxy-Authenticate: Basic\r\nX-End: 1\r\n\r\n',
    )
    expect(status).toBe(200)
    for (const name of [
      'x-hop',
      'keep-alive',
      'proxy-connection',
      'trailer',
      'proxy-authorization',
      'proxy-authenticate',
    ])
      expect([name, valuesOf(received, name)]).toEqual([name, []])
    expect(valuesOf(received, 'connection')).toEqual(['keep-alive'])
    expect(valuesOf(received, 'x-end')).toEqual(['1'])
  })
  test.each([
    ['gzip, trailers;q=0.5', ['trailers']],
    ['trailers', ['trailers']],
    ['gzip', []],
  ])('RFC 9110 §10.1.4: of TE: %s only trailers passes', async (te, expected) => {
    expect(valuesOf((await forwards(`GET / HTTP/1.1\r\n${HOST}TE: ${te}\r\n\r\n`)).received, 'te')).toEqual(expected)
  })
  test('RFC 9113 §3.1: a change to HTTP/2 is never asked for', async () => {
    const { status, received } = await forwards(
      `GET / HTTP/1.1\r\n${HOST}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n`,
    )
    expect(status).toBe(200)
    expect(received).not.toMatch(/upgrade|http2-settings/i)
  })
  test('RFC 9112 §6.1: framing fields in spellings that a backend may fold', async () => {
    const { status, received } = await forwards(
      `POST / HTTP/1.1\r\n${HOST}Content_Length: 7\r\nTransfer.Encoding: chunked\r\nTransfer_Encoding: chunked\r\nContent-Length: 2\r\n\r\nhi`,
    )
    expect(status).toBe(200)
    expect(received).not.toMatch(/content[_.]length|transfer.encoding/i)
    expect(valuesOf(received, 'content-length')).toEqual(['2'])
  })
})

describe('RFC 9110 §7.6.2: Max-Forwards', () => {
  test('is counted down for OPTIONS', async () => {
    const { received } = await forwards(`OPTIONS / HTTP/1.1\r\n${HOST}Max-Forwards: 5\r\n\r\n`)
    expect(valuesOf(received, 'max-forwards')).toEqual(['4'])
  })
  test('of 0 ends OPTIONS here', async () => {
    const { status, received } = await forwards(`OPTIONS / HTTP/1.1\r\n${HOST}Max-Forwards: 0\r\n\r\n`)
    expect([status, received]).toEqual([204, ''])
  })
  test.each([
    ['GET', '0'],
    ['OPTIONS', 'x'],
    ['OPTIONS', '9'.repeat(16)],
  ])('says nothing in %s with %s', async (method, value) => {
    const { received } = await forwards(`${method} / HTTP/1.1\r\n${HOST}Max-Forwards: ${value}\r\n\r\n`)
    expect(valuesOf(received, 'max-forwards')).toEqual([value])
  })
  test.each(['TRACE', 'CONNECT'])('%s is forwarded with none', async method => {
    const { status, received } = await forwards(
      `${method} ${method === 'CONNECT' ? 'app.example:80' : '/'} HTTP/1.1\r\n${HOST}Max-Forwards: 5\r\n\r\n`,
    )
    expect([400, 405]).toContain(status)
    expect(received).toBe('')
  })
})

test('RFC 9110 §7.6.3: a request that comes back is 508, and goes round once', async () => {
  let own = ''
  exchange.script = async (connection, head) => {
    own = /via: (.*)\r/i.exec(head)?.[1] ?? ''
    await connection.send(PLAIN)
  }
  await exchange.send(`GET / HTTP/1.1\r\n${HOST}Via: 1.0 fred\r\n\r\n`)
  expect(own).toMatch(/^1\.0 fred, 1\.1 sallyport-\w+$/)
  const { response, received } = await exchange.send(`GET / HTTP/1.1\r\n${HOST}Via: ${own}\r\n\r\n`)
  expect([response.status, received]).toEqual([508, ''])
})

describe('RFC 9110 §9: a method', () => {
  const methods = (
    'PUT POST PATCH DELETE OPTIONS QUERY PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK SEARCH REPORT MKCALENDAR ' +
    'CHECKOUT MERGE NOTIFY SUBSCRIBE UNSUBSCRIBE PURGE LINK UNLINK BIND REBIND UNBIND ACL'
  ).split(' ')
  test.each(methods)('%s passes, with its body', async method => {
    exchange.script = async (connection, head) => {
      if (!head.endsWith('hello')) await connection.receive({ until: rest => rest.includes('hello') })
      await connection.send(PLAIN)
    }
    const { response, received } = await exchange.send(
      `${method} /m?q HTTP/1.1\r\n${HOST}Depth: 1\r\nContent-Length: 5\r\n\r\nhello`,
    )
    expect(response.status).toBe(200)
    expect(received).toStartWith(`${method} /m?q HTTP/1.1\r\n`)
    expect(received).toEndWith('\r\n\r\nhello')
    expect(valuesOf(received, 'content-length')).toEqual(['5'])
  })
  test.each(['GET', 'HEAD'])('%s passes without a body, and says none', async method => {
    exchange.script = PLAIN
    const { response, received } = await exchange.send(
      `${method} / HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nhello`,
      { until: hasHead },
    )
    expect(response.status).toBe(200)
    expect(received).not.toMatch(/content-length|transfer-encoding|hello/i)
  })
})

describe('RFC 9112 §7.1: a body of unknown length', () => {
  test.each(['PUT', 'POST'])('of %s arrives as it is sent, and ends where it ends', async method => {
    const wire = await exchange.open()
    exchange.script = async connection => {
      await connection.receive({ until: rest => rest.includes('0\r\n\r\n') })
      await connection.send(PLAIN)
    }
    const before = exchange.upstream.text.length
    const arrived = () => exchange.upstream.text.slice(before)
    await wire.send(`${method} /up HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n`)
    await eventually(() => arrived().includes('first'), 'the first part')
    expect(arrived()).not.toContain('\r\n0\r\n')
    await wire.send('6;extension=1\r\nsecond\r\n0\r\n\r\n')
    expect((await wire.receive()).status).toBe(200)
    expect(arrived()).toMatch(/transfer-encoding: chunked/i)
    expect(arrived()).not.toMatch(/content-length/i)
    expect(arrived().replace(/\r\n[0-9a-f]+\r\n/gi, '')).toEndWith('firstsecond\r\n')
    wire.close()
  })
})

test('RFC 9110 §10.1.1: who waits for 100 Continue gets it, and the body arrives', async () => {
  const wire = await exchange.open()
  exchange.script = async (connection, head) => {
    if (!head.endsWith('hello')) await connection.receive({ until: rest => rest.includes('hello') })
    // An upstream that says it, too, says it to this hop.
    await connection.send(`HTTP/1.1 100 Continue\r\n\r\n${PLAIN}`)
  }
  await wire.send(`POST /e HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n`)
  await eventually(() => wire.received.includes('HTTP/1.1 100 Continue\r\n\r\n'), '100 Continue')
  await wire.send('hello')
  await eventually(() => wire.received.includes('\r\n\r\nok'), 'the answer')
  expect(wire.received.toString('latin1').match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 100', 'HTTP/1.1 200'])
  wire.close()
})

describe('RFC 9112 §9.6: the connection', () => {
  test.each([
    ['HTTP/1.1', 'Connection: close\r\n', PLAIN],
    ['HTTP/1.0', '', PLAIN],
    [
      'HTTP/1.0',
      '',
      'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
    ],
  ])('of %s with "%s" is closed after the answer', async (version, field, reply) => {
    exchange.script = reply
    const { response } = await exchange.send(`GET / ${version}\r\n${HOST}${field}\r\n`, { until: () => false })
    expect([response.status, response.isClosed]).toEqual([200, true])
    expect(response.raw.toString('latin1')).toEndWith('\r\n\r\nok')
  })
  test('of the client stays when the upstream closes its own', async () => {
    const wire = await exchange.open()
    exchange.script = async connection => {
      await connection.send(PLAIN.replace('\r\n', '\r\nConnection: close\r\n'))
      connection.end()
    }
    for (let round = 0; round < 3; round++) {
      await wire.send(`GET / HTTP/1.1\r\n${HOST}\r\n`)
      const response = await wire.receive()
      expect([response.status, response.field('connection')]).toEqual([200, null])
    }
    wire.close()
  })
})

describe('RFC 9112 §6.3: a request whose end is in doubt is 400, closes, and nothing of it is taken for another', () => {
  const inner = `GET /smuggled HTTP/1.1\r\n${HOST}\r\n`
  const fields: readonly string[] = [
    'Transfer-Encoding: chunked\r\nContent-Length: 5',
    'Content-Length: 5\r\nTransfer-Encoding: chunked',
    'Transfer-Encoding: chunked, identity',
    'Transfer-Encoding: identity',
    'Transfer-Encoding: gzip',
    'Transfer-Encoding: gzip, chunked',
    'Transfer-Encoding: xchunked',
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
    'Transfer-Encoding: "chunked"',
    'Transfer-Encoding : chunked',
    'Transfer-Encoding: chunked\x0b',
    'Content-Length: +5',
    'Content-Length: -1',
    'Content-Length: 0x5',
    'Content-Length: 5 5',
    'Content-Length: 5, 5',
    'Content-Length: ',
    'Content-Length: 5\r\nContent-Length: 5',
    'Content-Length: 5\r\nContent-Length: 6',
    'Content-Length: 99999999999999999999',
    ' Content-Length: 5',
    'X: a\r\n Content-Length: 5',
    'X: a\nContent-Length: 5',
    'X: a\rContent-Length: 5',
    'X: a\0b',
    'Content-Length: 5\0',
    'No colon',
    ': no name',
  ]
  test.each(fields)('%j', async field => {
    const { response, received } = await forwards(
      `POST /smuggle HTTP/1.1\r\n${HOST}${field}\r\n\r\n5\r\nhello\r\n0\r\n\r\n${inner}`,
    )
    expect(response.status).toBe(400)
    expect(received).toBe('')
    expect((await exchange.send(`GET /after HTTP/1.1\r\n${HOST}\r\n`)).received).not.toContain('/smuggled')
  })
  test('Transfer-Encoding in HTTP/1.0', async () => {
    const { status, received } = await forwards(
      `POST / HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
    )
    expect([status, received]).toEqual([400, ''])
  })
  const chunks: readonly string[] = [
    'FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n',
    '-5\r\nhello\r\n0\r\n\r\n',
    '0x5\r\nhello\r\n0\r\n\r\n',
    '5\nhello\r\n0\r\n\r\n',
    '5;a\nb\r\nhello\r\n0\r\n\r\n',
    '5\r\nhelloX\r\n0\r\n\r\n',
    '5\r\nhello\n0\r\n\r\n',
    'z\r\nhello\r\n0\r\n\r\n',
  ]
  test.each(chunks)('the chunks %j', async body => {
    // An exchange of its own: what comes late is seen here, and by nobody else.
    const own = await startExchange()
    own.script = async connection => {
      await connection.receive({ until: rest => rest.includes('0\r\n\r\n') })
    }
    const { response } = await own.send(
      `POST /smuggle HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n${body}${inner}`,
    )
    await own[Symbol.asyncDispose]()
    expect(response.status).toBe(400)
    expect(response.isClosed).toBe(true)
    // A head may be on its way before its body proves bad: it never ends well.
    expect(own.upstream.text).not.toContain('\r\n0\r\n\r\n')
    expect(own.upstream.text).not.toContain('/smuggled')
  })
  test('and is no failure of the upstream', async () => {
    const bad = 'POST / HTTP/1.1\r\nHost: pair.example\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello'
    for (let round = 0; round < 4; round++) expect((await forwards(bad)).status).toBe(400)
    const metrics = await metricsOf(exchange.gate)
    const down = metrics
      .split('\n')
      .filter(line => line.startsWith('sallyport_upstream_down{') && line.includes('pair'))
    expect(down.map(line => line.split(' ').at(-1))).toEqual(['0', '0'])
  })
})

describe('RFC 9112 §3: a first line that is none is refused, and reaches nothing', () => {
  const lines: readonly string[] = [
    `GET / HTTP/1.2\r\n${HOST}`,
    `GET / HTTP/2.0\r\n${HOST}`,
    `GET / HTTP/11\r\n${HOST}`,
    `GET / http/1.1\r\n${HOST}`,
    `GET  /  HTTP/1.1\r\n${HOST}`,
    `GET\t/\tHTTP/1.1\r\n${HOST}`,
    `GET /a b HTTP/1.1\r\n${HOST}`,
    `GET HTTP/1.1\r\n${HOST}`,
    `GET a HTTP/1.1\r\n${HOST}`,
    `G@T / HTTP/1.1\r\n${HOST}`,
    `GET /\xe4 HTTP/1.1\r\n${HOST}`,
    `GET /a\0b HTTP/1.1\r\n${HOST}`,
    'GET / HTTP/1.1\nHost: app.example\n',
    'GET /\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n',
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n',
  ]
  test.each(lines)('%j', async line => {
    const { status, received } = await forwards(`${line}\r\n`)
    expect([400, 404, 405, 501, 505]).toContain(status)
    expect(received).toBe('')
  })
})

test('RFC 9110 §5.3: repeated fields are one list, and RFC 6265 §5.4: cookies one line, in order', async () => {
  const { received } = await forwards(
    `GET / HTTP/1.1\r\n${HOST}X-A: 1\r\nCookie: a=1\r\nX-A: 2, 3\r\nCookie: b=2; c=3\r\nX-Empty:\r\nX-Latin:  caf\xe9 \r\n\r\n`,
  )
  expect(valuesOf(received, 'x-a')).toEqual(['1, 2, 3'])
  expect(valuesOf(received, 'cookie')).toEqual(['a=1; b=2; c=3'])
  expect(valuesOf(received, 'x-empty')).toEqual([''])
  expect(valuesOf(received, 'x-latin')).toEqual(['caf\xe9'])
})

test('RFC 9110 §15.5.15: a target that is too long is refused, and reaches nothing', async () => {
  const { status, received } = await forwards(`GET /${'a'.repeat(70_000)} HTTP/1.1\r\n${HOST}\r\n`)
  expect([414, 431]).toContain(status)
  expect(received).toBe('')
})
