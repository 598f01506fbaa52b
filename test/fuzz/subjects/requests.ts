import { openWire } from '../../kit/wire/wire.ts'
import { readMessage } from '../framing.ts'
import { openGuarded } from '../guarded.ts'
import { hold, LINE_MARKS, type Subject, textOf } from '../subject.ts'

/** How long bytes are waited for that may never come: a request may want more of itself. */
const PATIENCE_MS = 25

const request = (line: string, fields: readonly string[], body = '') =>
  [`${line} HTTP/1.1`, 'Host: app.example', ...fields, '', body].join('\r\n')

/** All that a client sends on a connection, to the whole gate; nobody has signed in. */
export const requests: Subject = {
  name: 'requests',
  seeds: [
    request('GET /', ['Connection: close']),
    request('GET /app/public/x?y', ['Connection: close', 'X-Token-Subject: mallory', 'X-Forwarded-For: 10.0.0.1']),
    request('POST /x', ['Content-Length: 5', 'Connection: close'], 'hello'),
    request('POST /x', ['Transfer-Encoding: chunked', 'Connection: close'], '5\r\nhello\r\n0\r\n\r\n'),
    request('GET /', [], request('GET /admin', ['Connection: close'])),
    request('POST /', ['Content-Length: 48', 'Connection: close'], request('GET /admin', [])),
    request('GET /admin', ['Connection: close']),
    request('GET /app', ['Connection: X-Forwarded-For, close', 'Cookie: sallyport=x; a=1']),
    request('GET /', ['Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Version: 13']),
  ],
  words: [
    ...LINE_MARKS,
    ...[' HTTP/1.1\r\n', ' HTTP/1.0\r\n', 'GET ', 'POST ', 'HEAD ', 'OPTIONS ', 'MOVE '],
    ...[
      'Content-Length: 5\r\n',
      'Content-Length: +5\r\n',
      'Transfer-Encoding: chunked\r\n',
      'Transfer-Encoding: x\r\n',
      '0\r\n\r\n',
      '5;x=y\r\n',
    ],
    ...[
      'Host: told.example\r\n',
      'Host: evil.example\r\n',
      'http://told.example',
      '/admin',
      '/app',
      '%2e',
      '%2f',
      '//',
      '..',
      ';',
      '\\',
    ],
    ...[
      'Connection: close, X-Forwarded-For\r\n',
      'Expect: 100-continue\r\n',
      'TE: trailers\r\n',
      'Trailer: X\r\n',
      'Upgrade: h2c\r\n',
    ],
    ...[
      'X_Token_Subject: mallory\r\n',
      'Remote-User: mallory\r\n',
      'X-Forwarded-Host: evil.example\r\n',
      'X-Forwarded-Uri: /\r\n',
    ],
    ...[
      'Destination: /admin/x\r\n',
      'X-HTTP-Method-Override: DELETE\r\n',
      'Cookie: sallyport=x\r\n',
      'Authorization: Bearer x\r\n',
    ],
  ],
  maxBytes: 700,
  slowMs: 5000,
  async open() {
    const { gate, take, close } = await openGuarded()
    return {
      async attempt(input) {
        take()
        const wire = await openWire(gate.port)
        let status = 'none'
        try {
          await wire.send(input)
          const isWhole = (bytes: Buffer) => readMessage(Buffer.from(bytes), false, wire.isClosed) !== 'more'
          const { raw } = await wire.receive({ until: isWhole, timeoutMs: PATIENCE_MS })
          status = /^HTTP\/1\.1 (\d{3})/.exec(raw.toString('latin1'))?.[1] ?? (raw.length === 0 ? 'closed' : 'odd')
        } catch {
          status = wire.received.length > 0 ? 'part' : 'waits'
        } finally {
          wire.close()
        }
        const received = take()
        hold(status !== 'odd', 'an answer is one of HTTP', wire.received.toString('latin1'))
        hold(status !== '500', 'nothing fails on our side', textOf(input), gate.log.slice(-3))
        return `${status} ${received.map(({ startLine, body }) => `${startLine.split(' ', 1)[0]}${body.length > 0}`).slice(0, 3)}`
      },
      close,
    }
  },
}
