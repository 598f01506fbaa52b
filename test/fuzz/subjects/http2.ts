import { makeAuthority } from '../../kit/certificates.ts'
import { type Field, FLAG, FRAME, frame, openHttp2Wire, packed } from '../../kit/wire/http2.ts'
import { sendRaw } from '../../kit/wire/wire.ts'
import { openGuarded } from '../guarded.ts'
import { bytesOf, hold, type Subject, textOf } from '../subject.ts'

/** How long is waited for what may never come: a stream may want more of itself. */
const PATIENCE_MS = 25
const MAX_FRAME_BYTES = 16_384

const HEAD = ':method GET\n:scheme https\n:path /\n:authority app.example'
const post = HEAD.replace('GET', 'POST')
const [HEADERS, LAST] = [FRAME.headers, FLAG.endHeaders | FLAG.endStream]

/** All that a client sends by HTTP/2 once it has said its preface: `R` and bytes as they come, or `F` and frames, each of which is
 * `type flags stream` and what it holds, up to a line with `=`; fields are `name value` lines there. */
export const http2: Subject = {
  name: 'http2',
  seeds: [
    `F${HEADERS} ${LAST} 1\n${HEAD}`,
    `F${HEADERS} 4 1\n${post}\ncontent-length 5\n=\n0 1 1\nhello`,
    `F${HEADERS} 4 1\n${post}\n=\n0 0 1\nhel\n=\n0 1 1\nlo`,
    `F${HEADERS} 1 1\n${HEAD}\n=\n9 4 1\nx-a 1\n=\n${HEADERS} ${LAST} 3\n${HEAD.replace('/\n', '/admin\n')}`,
    `F${HEADERS} ${LAST} 1\n${HEAD.replace('/\n', '/app/public/x?y\n')}\nx-token-subject mallory\ncookie a=1\ncookie sallyport=x`,
    `F${HEADERS} ${LAST} 1\n${HEAD}\nhost told.example\ntransfer-encoding chunked\nconnection x-forwarded-for`,
    `F${HEADERS} ${LAST} 1\n${HEAD}\n=\n3 0 1\n\0\0\0\x08\n=\n8 0 0\n\0\0\0\x01\n=\n6 0 0\n12345678`,
    `F4 0 0\n\0\x04\0\0\0\0\n=\n${HEADERS} ${LAST} 1\n${HEAD}\n=\n8 0 1\n\0\0\0\x01`,
    `F${HEADERS} 4 1\n${post}\n=\n0 0 1\nhi\n=\n${HEADERS} ${LAST} 1\nx-after 1`,
    `R${textOf(
      frame(
        HEADERS,
        LAST,
        1,
        packed([
          [':method', 'GET'],
          [':scheme', 'https'],
          [':path', '/'],
          [':authority', 'app.example'],
        ]),
      ),
    )}`,
    `R${textOf(frame(HEADERS, LAST, 1, Buffer.from([0x82, 0x87, 0x84, 0x41, 0x0b, ...bytesOf('app.example')])))}`,
  ],
  words: [
    ...[
      '\n=\n',
      '\n',
      ' ',
      '0 0 1\n',
      '0 1 1\n',
      '0 9 1\n\x02',
      '1 5 3\n',
      '1 37 1\n',
      '2 0 1\n\0\0\0\0\0',
      '3 0 1\n\0\0\0\x08',
      '4 1 0\n',
      '5 4 1\n',
    ],
    ...[
      '6 0 0\n12345678',
      '7 0 0\n\0\0\0\0\0\0\0\0',
      '8 0 1\n\x7f\xff\xff\xff',
      '9 4 1\n',
      '4 0 0\n\0\x01\0\0\0\0',
      '4 0 0\n\0\x05\0\0\x40\0',
    ],
    ...[
      ':method ',
      ':path ',
      ':authority ',
      ':scheme http\n',
      ':status 200\n',
      ':protocol websocket\n',
      'CONNECT',
      'TRACE',
      'MOVE',
      '/admin',
      '/app',
    ],
    ...[
      'host evil.example\n',
      'content-length 5\n',
      'transfer-encoding chunked\n',
      'te gzip\n',
      'te trailers\n',
      'connection close\n',
      'upgrade h2c\n',
    ],
    ...[
      'cookie sallyport=x\n',
      'x_token_subject mallory\n',
      'Remote-User mallory\n',
      'x-forwarded-uri /\n',
      'destination /admin\n',
      'expect 100-continue\n',
    ],
    ...[
      'told.example',
      '%2e',
      '%2f',
      '..',
      ';',
      '\\',
      '\r',
      '\0',
      '\xff',
      '\x82\x87\x84',
      '\x41\x0bapp.example',
      '\x3f\xe1\x1f',
      '\x20',
    ],
  ],
  maxBytes: 700,
  slowMs: 5000,
  async open() {
    const authority = makeAuthority()
    const own = authority.issue('DNS:app.example,DNS:told.example')
    const { gate, take, close } = await openGuarded(
      '[tls]\nlisten = ["127.0.0.1:0"]\nredirect_http = false\ncertificates = [{ cert = "own.pem", key = "own.key" }]\n',
      { 'own.pem': own.cert, 'own.key': own.key },
    )
    return {
      async attempt(input) {
        take()
        const { socket, below, frames } = await openHttp2Wire({
          port: gate.securePort,
          name: 'app.example',
          ca: authority.cert,
        })
        socket.write(framesOf(input))
        // An answer that is whole, a stream or a connection that is refused, or nothing.
        const isOver = () =>
          socket.destroyed ||
          frames().some(
            ({ type, flags }) => type === FRAME.goAway || type === FRAME.reset || (type < 2 && (flags & 1) === 1),
          )
        for (const giveUpAt = performance.now() + PATIENCE_MS; !isOver() && performance.now() < giveUpAt; )
          await Bun.sleep(1)
        const got = frames()
        socket.destroy()
        below.destroy()
        for (const { type, stream, length } of got) {
          hold(
            type <= FRAME.continuation && length <= MAX_FRAME_BYTES,
            'frames that every client knows come back',
            type,
            length,
          )
          const isOfStream = type <= FRAME.reset || type === FRAME.continuation
          hold(!isOfStream || stream % 2 === 1, 'an answer is on a stream of the client', type, stream)
        }
        const { status } = await sendRaw(gate.port, 'GET / HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\n\r\n')
        hold(status === 200, 'others are served', status)
        const received = take().filter(({ fields }) =>
          fields.some(([name, value]) => name === 'x-forwarded-proto' && value === 'https'),
        )
        hold(!gate.log.some(line => line.includes('failed on our side')), 'nothing fails on our side', gate.log.at(-1))
        const kinds = got.filter(({ type }) => type !== FRAME.settings && type !== FRAME.windowUpdate)
        const led = kinds.slice(0, 4).map(({ type, code }) => `${type}${code === null ? '' : `:${code}`}`)
        return `${led} ${received.map(({ startLine, body }) => `${startLine.split(' ', 1)[0]}${body.length > 0}`).slice(0, 3)}`
      },
      close,
    }
  },
}

/** The bytes that an input means. */
function framesOf(input: Uint8Array): Buffer {
  const text = textOf(input)
  if (text.startsWith('R')) return Buffer.from(input.subarray(1))
  return Buffer.concat(
    text
      .slice(1)
      .split('\n=\n')
      .map(part => {
        const [line = '', ...rest] = part.split('\n')
        const [type = 0, flags = 0, stream = 0] = line.split(' ').map(word => Number(word) || 0)
        const isHead = (type & 255) === FRAME.headers || (type & 255) === FRAME.continuation
        const payload = isHead ? packed(rest.map(fieldOf)) : bytesOf(rest.join('\n'))
        return frame(type & 255, flags & 255, Math.abs(Math.trunc(stream)) % 2 ** 32, payload)
      }),
  )
}

function fieldOf(line: string): Field {
  const space = line.indexOf(' ')
  const [name, value] = space === -1 ? [line, ''] : [line.slice(0, space), line.slice(space + 1)]
  return [name.slice(0, 126), value.slice(0, 126)]
}
