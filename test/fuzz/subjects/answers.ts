import { startGate } from '../../kit/gate.ts'
import { standingOf, standsAs } from '../../kit/standing.ts'
import { httpResponse, openWire, startRawUpstream } from '../../kit/wire/wire.ts'
import { readMessage } from '../framing.ts'
import { hold, LINE_MARKS, type Subject, textOf } from '../subject.ts'

/** How long a broken application keeps its connection open once it has said all it says. */
const OPEN_MS = 15
const PATIENCE_MS = 10_000

/** Stands for more bytes than anybody keeps in passing, in a body or a field. */
const LONG = '{long}'
const LONG_TEXT = 'x'.repeat(70_000)

const answer = (line: string, fields: readonly string[], body = '') =>
  [`HTTP/1.1 ${line}`, ...fields, '', body].join('\r\n')

/** All that an application sends on a connection, when it is asked for something. */
export const answers: Subject = {
  name: 'answers',
  seeds: [
    httpResponse(200, 'hello'),
    httpResponse(200, 'hello') + httpResponse(200, 'STOLEN'),
    answer('200 OK', ['Content-Type: text/plain', 'Content-Length: 5', 'Content-Length: 5'], 'hello'),
    answer('200 OK', ['Content-Type: text/plain', 'Content-Length: 70000', 'Content-Length: 070000'], LONG),
    answer('200 OK', ['Content-Length: 70000', 'Content-Length: 70000', 'Transfer-Encoding: identity'], LONG),
    answer('206 Partial Content', ['Content-Length: 00000000000000000000005', `X-Long: ${LONG}`], 'hello'),
    answer('200 OK', ['Content-Type: text/plain'], LONG),
    answer('200 OK', ['Transfer-Encoding: chunked'], '5\r\nhello\r\n0\r\n\r\n'),
    answer('200 OK', ['Content-Length: 5', 'Transfer-Encoding: chunked'], '5\r\nhello\r\n0\r\n\r\n'),
    answer('204 No Content', ['Set-Cookie: sallyport=x; Path=/', 'Set-Cookie: a=1']),
    answer('304 Not Modified', ['ETag: "x"', 'Content-Length: 5']),
    answer('103 Early Hints', ['Link: </x>'], httpResponse(200, 'hello')),
    answer('101 Switching Protocols', ['Upgrade: websocket', 'Connection: Upgrade'], '\x81\x02hi'),
    answer('302 Found', ['Location: https://evil.example/', 'Content-Length: 0', 'Connection: X-Then', 'X-Then: 1']),
    answer('200 OK', ['Content-Type: text/event-stream'], 'data: 1\n\n'),
    answer('200 OK', ['Content-Encoding: gzip', 'Content-Length: 3'], '\x1f\x8b\x08'),
  ],
  words: [
    ...LINE_MARKS,
    ...['HTTP/1.1 200 OK\r\n', 'HTTP/1.0 200 OK\r\n', 'HTTP/2 200\r\n', '0\r\n\r\n'],
    ...[
      'Content-Length: 5\r\n',
      'Content-Length: -1\r\n',
      'Content-Length: 70000\r\n',
      'Content-Length: 05\r\n',
      'Content-Length: 5, 5\r\n',
      'Content-Length: 18446744073709551615\r\n',
      'Content-Length: 9007199254740993\r\n',
      'Content-Length: 99999999999\r\n',
      'Transfer-Encoding: chunked\r\n',
      'Transfer-Encoding: identity\r\n',
      'Connection: content-length\r\n',
      'ffffffff\r\n',
      LONG,
    ],
    ...[
      '100 ',
      '101 ',
      '199 ',
      '204 ',
      '205 ',
      '304 ',
      '600 ',
      '999 ',
      '000 ',
      'Set-Cookie: __Host-sallyport=x\r\n',
      'Connection: close\r\n',
    ],
    ...[
      'Location: \r\n',
      'Content-Type: \r\n',
      'Trailer: X\r\n',
      'Clear-Site-Data: "*"\r\n',
      'X-Sallyport-A: 1\r\n',
      ' folded\r\n',
      '\xff',
    ],
  ],
  maxBytes: 600,
  slowMs: 5000,
  async open() {
    let said: Uint8Array = new Uint8Array(0)
    const upstream = await startRawUpstream(async connection => {
      while (!connection.isClosed) {
        const { raw } = await connection.receive({ until: bytes => bytes.includes('\r\n\r\n'), timeoutMs: 600_000 })
        const own = /^GET \/own\/(\d+) /.exec(raw.toString('latin1'))?.[1]
        if (own !== undefined) {
          await connection.send(httpResponse(200, `own ${own}`))
          continue
        }
        await connection.send(Buffer.from(textOf(said).replaceAll(LONG, LONG_TEXT), 'latin1'))
        await connection.send(OPEN_MS)
        connection.close()
      }
    })
    const gate = await startGate(
      `[[routes]]\nhost = "app.example"\nupstream = "http://127.0.0.1:${upstream.port}"\nallow = "public"\ntimeout = "5s"\n`,
    )
    const standing = await standingOf(gate)
    let count = 0
    const ask = async (line: string) => {
      const wire = await openWire(gate.port)
      try {
        await wire.send(`${line} HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\n\r\n`)
        const { raw } = await wire.receive({ until: () => false, timeoutMs: PATIENCE_MS })
        return readMessage(Buffer.from(raw), line.startsWith('HEAD'), true)
      } finally {
        wire.close()
      }
    }
    return {
      async attempt(input) {
        said = input
        const number = ++count
        // The next one comes while the connection before is open still, and may be used again.
        const method = (input.length & 3) === 3 ? 'HEAD' : 'GET'
        const result = await ask(`${method} /broken`)
        const next = await ask(`GET /own/${number}`)
        hold(typeof next !== 'string', 'a good answer is given whole', next, textOf(input))
        // A connection that is closed beneath it costs the next one its answer, and no more than that one.
        if (next.startLine.includes(' 502 ')) await ask(`GET /own/${number}`)
        await standsAs(gate, standing)
        const status = /^HTTP\/1\.1 (\d{3}) /.exec(next.startLine)?.[1]
        const isOwn = status === '200' && next.body.toString('latin1') === `own ${number}`
        hold(
          isOwn || status === '502',
          'nobody gets another one’s answer',
          next.startLine,
          next.body.toString('latin1'),
        )
        if (typeof result === 'string') return `${method} ${result}`
        const [, code = ''] = /^HTTP\/1\.1 ([2-5]\d\d) /.exec(result.startLine) ?? []
        hold(
          (code !== '' && code !== '500') || textOf(input).includes('500'),
          'an answer of theirs or 502',
          result.startLine,
          textOf(input),
        )
        for (const [name, value] of result.fields) {
          hold(!['upgrade', 'trailer', 'keep-alive', 'proxy-authenticate'].includes(name), 'what ends here', name)
          hold(name !== 'set-cookie' || !/^(?:__Host-)?sallyport[=;]/.test(value), 'no cookie of ours is set', value)
          hold(name !== 'clear-site-data' || !value.includes('*'), 'nothing acts on the whole host', value)
        }
        const names = new Set(result.fields.map(([name]) => name))
        const framing = ['content-length', 'transfer-encoding', 'location', 'set-cookie', 'content-type'].map(name =>
          names.has(name),
        )
        return `${method} ${code} ${framing} ${result.body.length > 0}`
      },
      async close() {
        await gate[Symbol.asyncDispose]()
        await upstream.close()
      },
    }
  },
}
