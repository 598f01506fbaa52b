import { PORTAL, startGate } from '../../kit/gate.ts'
import { isOwn, needsOf, type PathRule, readingsOf } from '../../kit/wire/readings.ts'
import { httpResponse, openWire, startRawUpstream } from '../../kit/wire/wire.ts'
import { type Message, readMessage } from '../framing.ts'
import { hold, type Subject, textOf } from '../subject.ts'

const RULES: readonly PathRule[] = [
  { path: '/', allow: 'public' },
  { path: '/app', allow: 'user' },
  { path: '/admin', allow: 'admin' },
  { path: '/app/public', allow: 'public' },
]
const HOSTS = ['app.example', 'told.example']

/** Fields that say who somebody is. */
const NAMED = /^(?:x-token-(?:subject|user-(?:id|name|email|roles))|remote-user|x-forwarded-user)$/

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
    ...[
      '\r\n',
      '\n',
      '\r',
      '\r\n\r\n',
      ' ',
      '\t',
      ':',
      '\0',
      ' HTTP/1.1\r\n',
      ' HTTP/1.0\r\n',
      'GET ',
      'POST ',
      'HEAD ',
      'OPTIONS ',
      'MOVE ',
    ],
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
    let received: Message[] = []
    let broken: string | null = null
    const upstream = await startRawUpstream(async connection => {
      for (let at = 0; !connection.isClosed; ) {
        const bytes = connection.received.subarray(at)
        const message = readMessage(Buffer.from(bytes), false, false)
        if (message === 'malformed') broken ??= bytes.toString('latin1')
        if (typeof message === 'string') {
          const before = connection.received.length
          await connection.receive({ until: fresh => fresh.length > 0, timeoutMs: 600_000 })
          if (connection.received.length === before) return
          continue
        }
        at += message.length
        received.push(message)
        await connection.send(httpResponse(200, message.startLine.startsWith('HEAD') ? '' : 'UPSTREAM'))
      }
    })
    const routes = HOSTS.flatMap(host =>
      RULES.map(
        ({ path, allow }) => `[[routes]]
host = "${host}"
path = "${path}"
upstream = "http://127.0.0.1:${upstream.port}"
headers = "x-token"
portal = "home"
allow = ${allow === 'public' ? '"public"' : `["${allow}"]`}
`,
      ),
    )
    const gate = await startGate(PORTAL + routes.join('\n'))
    return {
      async attempt(input) {
        received = []
        broken = null
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
        hold(broken === null, 'the application is sent good requests', broken, textOf(input))
        hold(status !== 'odd', 'an answer is one of HTTP', wire.received.toString('latin1'))
        hold(status !== '500', 'nothing fails on our side', textOf(input), gate.log.slice(-3))
        for (const message of received) checkRequest(message)
        return `${status} ${received.map(({ startLine, body }) => `${startLine.split(' ', 1)[0]}${body.length > 0}`).slice(0, 3)}`
      },
      async close() {
        await gate[Symbol.asyncDispose]()
        await upstream.close()
      },
    }
  },
}

/** What may be in a request that nobody sends. */
function checkRequest({ startLine, fields }: Message): void {
  const [method = '', target = ''] = startLine.split(' ')
  hold(!['CONNECT', 'TRACE'].includes(method), 'a method that may pass', startLine)
  for (const path of readingsOf(target)) {
    hold(!isOwn(path), 'nothing of ours is asked for', target, path)
    for (const need of needsOf(RULES, path))
      hold(need === 'public', 'nobody reaches what is for somebody', target, path)
  }
  const valuesOf = (name: string) => fields.filter(([given]) => given === name).map(([, value]) => value)
  hold(HOSTS.includes(valuesOf('host').join()), 'one host that is served', fields)
  hold(valuesOf('x-forwarded-for').join() === '127.0.0.1', 'the address that it comes from', fields)
  hold(HOSTS.includes(valuesOf('x-forwarded-host').join()), 'the host that was asked', fields)
  for (const [name, value] of fields) {
    const folded = name.replace(/[^a-z0-9]/g, '-')
    hold(!NAMED.test(folded), 'nobody says who they are', name, value)
    hold(!/(?:^|; *)sallyport=/.test(name === 'cookie' ? value : ''), 'no cookie of ours', value)
    hold(name !== 'te' || /^trailers$/i.test(value), 'what ends here', name, value)
    hold(!['upgrade', 'trailer', 'proxy-connection', 'keep-alive'].includes(name), 'what ends here', name, value)
  }
}
