import { afterEach, describe, expect, test } from 'bun:test'
import { untilTheEnd } from '../../kit/opened.ts'
import { standingOf, standsAs } from '../../kit/standing.ts'
import { type Exchange, PLAIN, startExchange } from '../../kit/wire/exchange.ts'
import { hasHead, type UpstreamConnection, type WireResponse } from '../../kit/wire/wire.ts'

const TYPE = 'Content-Type: application/x-test\r\n'

const keep = untilTheEnd()
const exchange = keep(await startExchange())
const standing = await standingOf(exchange.gate)
afterEach(async () => {
  // Whatever an upstream said, the gate stands as it did, and the next request gets the answer to itself.
  exchange.script = PLAIN
  const { response } = await exchange.send(request('GET', '/after'))
  expect([response.status, response.body.toString()]).toEqual([200, 'ok'])
  await standsAs(exchange.gate, standing)
})

function request(method = 'GET', path = '/'): string {
  return `${method} ${path} HTTP/1.1\r\nHost: app.example\r\n\r\n`
}

/** What a client gets of an upstream that says this, after the head of its request came. */
async function answers(script: Exchange['script'], method = 'GET'): Promise<WireResponse> {
  exchange.script = script
  const isHeadEnough = method === 'HEAD' || (typeof script === 'string' && / (?:204|304) /.test(script))
  const { response } = await exchange.send(request(method), isHeadEnough ? { until: hasHead } : {})
  return response
}

/** An upstream that says this and closes its connection. */
function lastly(text: string): (connection: UpstreamConnection) => Promise<void> {
  return async connection => {
    await connection.send(text)
    connection.end()
  }
}

function head(fields = '', status = '200 OK'): string {
  return `HTTP/1.1 ${status}\r\n${TYPE}${fields}\r\n`
}

function valuesOf(response: WireResponse, name: string): string[] {
  return response.fields.filter(([field]) => field.toLowerCase() === name).map(([, value]) => value)
}

describe('RFC 9112 §6.3: an answer without a body', () => {
  const empty: readonly [string, string, string, string | null][] = [
    ['GET', '204 No Content', '', null],
    ['GET', '204 No Content', 'Content-Length: 5\r\n', null],
    ['GET', '304 Not Modified', '', null],
    ['GET', '304 Not Modified', 'Content-Length: 5\r\n', '5'],
    ['HEAD', '200 OK', 'Content-Length: 5\r\n', '5'],
    ['HEAD', '404 Not Found', 'Content-Length: 5\r\n', '5'],
    ['HEAD', '304 Not Modified', '', null],
    ['HEAD', '204 No Content', '', null],
    ['HEAD', '200 OK', '', null],
    ['HEAD', '200 OK', 'Transfer-Encoding: chunked\r\n', null],
  ]
  test.each(empty)(
    'to %s with %s and "%s" keeps what it says, and nothing follows it',
    async (method, status, fields, length) => {
      const response = await answers(head(`${fields}ETag: "e"\r\n`, status), method)
      expect(response.status).toBe(Number(status.slice(0, 3)))
      expect(response.field('content-length')).toBe(length)
      expect(response.field('etag')).toBe('"e"')
      expect(response.body.length).toBe(0)
    },
  )
  test.each([
    ['GET', '204 No Content'],
    ['GET', '304 Not Modified'],
    ['HEAD', '200 OK'],
  ])('to %s with %s has none where an upstream sends one all the same', async (method, status) => {
    const response = await answers(`${head('Content-Length: 5\r\n', status)}hello`, method)
    expect(response.raw.includes('hello')).toBe(false)
  })
  test('of length 0 has it', async () => {
    for (const status of ['200 OK', '201 Created', '205 Reset Content', '404 Not Found']) {
      const response = await answers(head('Content-Length: 0\r\n', status))
      expect([response.status, valuesOf(response, 'content-length')]).toEqual([Number(status.slice(0, 3)), ['0']])
    }
  })
})

describe('RFC 9110 §15: a status', () => {
  test.each([200, 203, 206, 226, 299, 300, 307, 308, 400, 402, 418, 451, 499, 500, 511, 599])(
    '%i is passed on',
    async status => {
      const response = await answers(`${head('Content-Length: 2\r\n', `${status} Whatever`)}hi`)
      expect([response.status, response.body.toString()]).toEqual([status, 'hi'])
    },
  )
  test.each(['600 Whatever', '700 Whatever', '999 Whatever', '099 Low', '1000 High', '20 Short', 'abc Letters'])(
    '"%s" is none: 502',
    async status => {
      expect((await answers(lastly(`${head('Content-Length: 2\r\n', status)}hi`))).status).toBe(502)
    },
  )
  test('RFC 9110 §15.2: of interim answers only the last answer is left', async () => {
    const interim =
      'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n'
    const response = await answers(interim + PLAIN)
    expect(response.raw.toString('latin1')).toStartWith('HTTP/1.1 200 ')
    expect(response.field('link')).toBeNull()
  })
  test('RFC 9110 §15.2.2: of a switch of protocols that nobody asked for is 502', async () => {
    const response = await answers('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nraw')
    expect(response.status).toBe(502)
    expect(response.raw.includes('raw')).toBe(false)
  })
})

describe('RFC 9110 §5: fields', () => {
  test('end to end stay as they are, Latin-1 too', async () => {
    const fields = [
      'ETag: W/"a,b"',
      'X-Latin: caf\xe9',
      'X-Empty:',
      'Date: Tue, 01 Jan 2030 00:00:00 GMT',
      'Server: app',
      'Age: 5',
    ]
    const response = await answers(`${head(`${fields.join('\r\n')}\r\nContent-Length: 2\r\n`)}hi`)
    for (const field of fields) {
      const name = field.slice(0, field.indexOf(':'))
      expect([name, valuesOf(response, name.toLowerCase())]).toEqual([name, [field.slice(name.length + 1).trim()]])
    }
  })
  test('may be many and long', async () => {
    const many = Array.from({ length: 240 }, (_, index) => `X-${index}: ${index}\r\n`).join('')
    const response = await answers(`${head(`${many}X-Long: ${'a'.repeat(100_000)}\r\nContent-Length: 2\r\n`)}hi`)
    expect([response.status, response.field('x-239'), response.field('x-long')?.length]).toEqual([200, '239', 100_000])
  })
  test('RFC 6265 §3: cookies are never combined, and keep their order', async () => {
    const cookies = [
      'a=1; Path=/',
      'b="x, y"; Expires=Wed, 09 Jun 2030 10:18:14 GMT',
      '__Secure-c=3; Secure',
      '__Host-d=4; Secure; Path=/',
      'a=5',
    ]
    const response = await answers(
      `${head(`${cookies.map(one => `Set-Cookie: ${one}\r\n`).join('')}Content-Length: 2\r\n`)}hi`,
    )
    expect(valuesOf(response, 'set-cookie')).toEqual(cookies)
  })
  test('§5.3: repeated ones are one list, in order', async () => {
    const response = await answers(`${head('Vary: a\r\nLink: <a>\r\nVary: b\r\nLink: <b>\r\nContent-Length: 2\r\n')}hi`)
    expect([response.field('vary'), response.field('link')]).toEqual(['a, b', '<a>, <b>'])
  })
  test('§7.6.1: that end at this hop, and those that Connection names, are not passed on', async () => {
    const fields =
      'Connection: X-Hop, close\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nProxy-Connection: close\r\nUpgrade: h2c\r\nTrailer: a\r\n'
    const response = await answers(lastly(`${head(`${fields}Content-Length: 2\r\n`)}hi`))
    for (const name of [
      'connection',
      'x-hop',
      'keep-alive',
      'proxy-authenticate',
      'proxy-connection',
      'upgrade',
      'trailer',
    ])
      expect([name, response.field(name)]).toEqual([name, null])
    expect(response.body.toString()).toBe('hi')
  })
  test('§8.3: no type is made up', async () => {
    for (const method of ['GET', 'HEAD']) {
      const response = await answers(
        `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n${method === 'GET' ? 'hi' : ''}`,
        method,
      )
      expect(response.field('content-type')).toBeNull()
    }
    const chunked = await answers('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n')
    expect(chunked.field('content-type')).toBeNull()
    expect(chunked.raw.includes('hi')).toBe(true)
  })
})

describe('RFC 9110 §14: parts of a file', () => {
  const parts =
    '--B\r\nContent-Range: bytes 0-1/9\r\n\r\nab\r\n--B\r\nContent-Range: bytes 4-5/9\r\n\r\nef\r\n--B--\r\n'
  test('several pass byte for byte', async () => {
    const response = await answers(
      `HTTP/1.1 206 Partial Content\r\nContent-Type: multipart/byteranges; boundary=B\r\nContent-Length: ${parts.length}\r\n\r\n${parts}`,
    )
    expect([response.status, response.field('content-type'), response.body.toString()]).toEqual([
      206,
      'multipart/byteranges; boundary=B',
      parts,
    ])
  })
  test('and every field that asks for one, in both directions', async () => {
    exchange.script = head('Content-Range: bytes */9\r\nContent-Length: 0\r\n', '416 Range Not Satisfiable')
    const { response, received } = await exchange.send(
      'GET / HTTP/1.1\r\nHost: app.example\r\nRange: bytes=0-1, -3\r\nIf-Range: "e"\r\nIf-None-Match: W/"x", "y"\r\nIf-Modified-Since: Tue, 01 Jan 2030 00:00:00 GMT\r\n\r\n',
    )
    for (const line of [
      'range: bytes=0-1, -3',
      'if-range: "e"',
      'if-none-match: W/"x", "y"',
      'if-modified-since: Tue, 01 Jan 2030 00:00:00 GMT',
    ])
      expect(received.toLowerCase()).toContain(`\r\n${line.toLowerCase()}\r\n`)
    expect([response.status, response.field('content-range')]).toEqual([416, 'bytes */9'])
  })
})

describe('RFC 9110 §8.4: a content coding', () => {
  test.each(['gzip', 'br', 'zstd', 'deflate', 'x-own'])(
    '%s is left alone, and asked for as the client did',
    async coding => {
      const bytes = '\x1f\x8b\x00\xff\x80coded'
      exchange.script = `${head(`Content-Encoding: ${coding}\r\nETag: "e"\r\nVary: Accept-Encoding\r\nContent-Length: ${bytes.length}\r\n`)}${bytes}`
      const { response, received } = await exchange.send(
        `GET / HTTP/1.1\r\nHost: app.example\r\nAccept-Encoding: ${coding};q=0.5\r\n\r\n`,
      )
      expect(received).toMatch(new RegExp(`^accept-encoding: ${coding};q=0.5\r$`, 'im'))
      expect([response.field('content-encoding'), response.field('etag')]).toEqual([coding, '"e"'])
      expect(response.body.toString('latin1')).toBe(bytes)
    },
  )
  test('is not asked for where the client did not', async () => {
    exchange.script = PLAIN
    expect((await exchange.send(request())).received).not.toMatch(/accept-encoding/i)
  })
})

describe('RFC 9112 §6: where an answer ends', () => {
  test('a second one that nobody asked for is never delivered', async () => {
    const response = await answers(PLAIN + PLAIN.replace('ok', 'NO'))
    expect(response.body.toString()).toBe('ok')
  })
  test('a length beside chunks is not believed', async () => {
    const response = await answers(
      `${head('Content-Length: 3\r\nTransfer-Encoding: chunked\r\n')}5\r\nhello\r\n0\r\n\r\n`,
    )
    expect(response.raw.toString('latin1')).toContain('hello')
    expect(response.field('content-length')).not.toBe('3')
  })
  const same = ['Content-Length: 5\r\nContent-Length: 5\r\n', 'Content-Length: 5\r\nContent-Length: 005\r\n'] as const
  test.each(same)('the same length twice is one: %j', async fields => {
    for (const method of ['GET', 'HEAD']) {
      const response = await answers(head(fields) + (method === 'GET' ? 'hello' : ''), method)
      expect([method, valuesOf(response, 'content-length')]).toEqual([method, ['5']])
      expect(response.body.toString()).toBe(method === 'GET' ? 'hello' : '')
    }
  })
  test.each(same)('and is one for a body that is late, or has no type: %j', async fields => {
    const late = await answers(async connection => {
      await connection.send(`${head(fields)}he`)
      await connection.send(50)
      await connection.send('llo')
    })
    const untyped = await answers(`HTTP/1.1 200 OK\r\n${fields}\r\nhello`)
    for (const response of [late, untyped]) expect(response.raw.toString('latin1')).toContain('hello')
  })
  test('and so is one of a long body that is taken, and one that nobody takes to its end', async () => {
    const fields = 'Content-Length: 3000000\r\nContent-Length: 3000000\r\n'
    exchange.script = head(fields) + 'x'.repeat(3_000_000)
    const { response } = await exchange.send(request(), { until: bytes => bytes.length > 3_000_000 })
    expect(response.status).toBe(200)
    const client = await exchange.open()
    await client.send(request())
    await client.receive({ until: hasHead })
    client.close()
  })
  test('chunks with extensions and trailers: the bytes pass, the rest ends here', async () => {
    const response = await answers(
      `${head('Transfer-Encoding: chunked\r\nTrailer: X-After\r\n')}2;a=b\r\nhi\r\n0\r\nX-After: 1\r\n\r\n`,
    )
    expect(response.raw.includes('hi')).toBe(true)
    expect(response.raw.toString('latin1')).not.toMatch(/x-after|a=b/i)
  })
  test('a body that ends with its connection is whole', async () => {
    const response = await answers(lastly(`${head()}until the end`))
    expect(response.raw.includes('until the end')).toBe(true)
    expect(response.raw.toString('latin1')).toMatch(/\r\n0\r\n\r\n$|content-length: 13/i)
  })
  const broken: readonly [string, string][] = [
    ['two lengths', `${head('Content-Length: 5\r\nContent-Length: 6\r\n')}hello!`],
    ['a list of lengths', `${head('Content-Length: 5, 6\r\n')}hello!`],
    ['a length that is no number', `${head('Content-Length: 5x\r\n')}hello!`],
    ['a negative length', `${head('Content-Length: -5\r\n')}hello!`],
    ['a transfer coding that nobody knows', `${head('Transfer-Encoding: foo\r\n')}hello`],
    [
      'a transfer coding that nobody asked for',
      `${head('Transfer-Encoding: gzip, chunked\r\n')}5\r\nhello\r\n0\r\n\r\n`,
    ],
    ['chunks that are none', `${head('Transfer-Encoding: chunked\r\n')}zz\r\nhello\r\n0\r\n\r\n`],
    ['a folded field', `${head('X: a\r\n  b\r\nContent-Length: 5\r\n')}hello`],
    ['a NUL in a field', `${head('X: a\0b\r\nContent-Length: 5\r\n')}hello`],
    ['a bare CR in a field', `${head('X: a\rSet-Cookie: b=1\r\nContent-Length: 5\r\n')}hello`],
    ['a space before the colon', `${head('Content-Length : 5\r\n')}hello`],
    ['no HTTP', 'SSH-2.0-OpenSSH_9.6\r\n\r\n'],
    ['half a head', 'HTTP/1.1 200 OK\r\nContent-'],
    ['nothing', ''],
    ['a head without end', `HTTP/1.1 200 OK\r\n${`X: ${'a'.repeat(8000)}\r\n`.repeat(400)}`],
  ]
  test.each(broken)('%s: 502, and not a byte of it', async (_what, text) => {
    const response = await answers(lastly(text))
    expect(response.status).toBe(502)
    expect(response.raw.toString('latin1')).not.toMatch(/hello|SSH|b=1/)
  })
  const short: readonly [string, string][] = [
    ['of known length', `${head('Content-Length: 100\r\n')}hello`],
    ['in chunks', `${head('Transfer-Encoding: chunked\r\n')}5\r\nhello\r\n`],
    ['in the middle of a chunk', `${head('Transfer-Encoding: chunked\r\n')}50\r\nhello`],
  ]
  test.each(short)('RFC 9112 §8: a body %s that breaks off is never a whole one', async (_what, text) => {
    const response = await answers(lastly(text))
    if (response.status === 502) return
    expect(response.isClosed).toBe(true)
    expect(response.field('content-length')).toBeNull()
    expect(response.raw.toString('latin1')).not.toEndWith('0\r\n\r\n')
  })
})
