/**
 * Bodies by HTTP/2 whose Content-Length is not the length of what comes (RFC 9113 §8.1.1), piece by piece.
 *
 * By HTTP/1.1 the application goes by the length that it was told: a byte beyond it would be the beginning of another request.
 */
import { beforeEach, expect } from 'bun:test'
import { makeAuthority } from '../../kit/certificates.ts'
import { eventually, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { routeTo } from '../../kit/toml.ts'
import { type Field, FLAG, FRAME, frame, headers, openHttp2Wire } from '../../kit/wire/http2.ts'
import { httpResponse, type RawUpstream, startRawUpstream } from '../../kit/wire/wire.ts'

const { describe, test } = needs('openssl')

const HOST = 'app.example.com'
const authority = makeAuthority()
const own = authority.issue(`DNS:${HOST}`)

/** Paths of requests that the application has got whole, by their length alone. */
let whole: string[] = []

async function answerWhole(connection: RawUpstream['connections'][number]): Promise<void> {
  for (let at = 0; !connection.isClosed; ) {
    await connection.receive({ until: () => readRequest(connection.received, at) !== null, timeoutMs: 300_000 })
    const request = readRequest(connection.received, at)
    if (request === null) return
    at = request.end
    whole.push(request.path)
    await connection.send(httpResponse(200, 'whole'))
  }
}

/** The request that begins here, once it is whole. */
function readRequest(received: Buffer, from: number): { readonly path: string; readonly end: number } | null {
  const blank = received.indexOf('\r\n\r\n', from)
  if (blank === -1) return null
  const head = received.toString('latin1', from, blank)
  const end = blank + 4 + Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? '0')
  return received.length < end ? null : { path: head.split(' ', 2)[1] ?? '', end }
}

const keep = untilTheEnd()
const upstream = keep(await startRawUpstream(answerWhole))
const gate = keep(
  await startGate(
    `[tls]
listen = ["127.0.0.1:0"]
certificates = [{ cert = "own.pem", key = "own.key" }]
${routeTo(upstream, HOST, 'allow = "public"')}`,
    { files: { 'own.pem': own.cert, 'own.key': own.key } },
  ),
)

/** Another one for each test: what is left of a request that was broken off may arrive late. */
let path = ''
let count = 0
beforeEach(() => {
  path = `/${count++}/`
  whole = []
})

function head(length: string): Buffer {
  const fields: readonly Field[] = [
    [':method', 'POST'],
    [':scheme', 'https'],
    [':path', path],
    [':authority', HOST],
    ['content-length', length],
  ]
  return headers(fields, false)
}

const data = (text: string, isLast = false) =>
  frame(FRAME.data, isLast ? FLAG.endStream : 0, 1, Buffer.from(text, 'latin1'))

/**
 * Sends frames, and waits for the stream's reset. What stands between them as a text is waited for: as much of the body has to
 * have reached the application. A number is a pause in milliseconds.
 */
async function send(...parts: readonly (Buffer | string | number)[]): Promise<void> {
  const { socket, frames } = await openHttp2Wire({ port: gate.securePort, name: HOST, ca: authority.cert })
  for (const part of parts) {
    if (typeof part === 'string') await eventually(() => bodyOf(path) === part, `${JSON.stringify(part)} upstream`)
    else if (typeof part === 'number') await Bun.sleep(part)
    else socket.write(part)
  }
  await eventually(() => frames().some(({ stream, type }) => stream === 1 && type === FRAME.reset), 'a reset stream')
  socket.destroy()
}

/** Whatever the application got behind the head of a request; null where it got none. */
function bodyOf(asked: string): string | null {
  const found = upstream.connections.map(({ received }) => received.toString('latin1').split(` ${asked} HTTP`)[1])
  return (
    found
      .find(text => text !== undefined)
      ?.split('\r\n\r\n')
      .slice(1)
      .join('|') ?? null
  )
}

describe('at once: the stream is reset, and the application gets no whole request', () => {
  const cases: [what: string, length: string, frames: readonly Buffer[]][] = [
    ['more than the length', '1', [data('abc', true)]],
    ['more, in two pieces', '2', [data('a'), data('bc', true)]],
    ['more, without an end', '1', [data('abc')]],
    ['less than the length', '9', [data('abc', true)]],
    ['nothing', '1', [data('', true)]],
    ['less, and trailers', '9', [data('abc'), headers([['x-after', '1']], true)]],
  ]
  test.each(cases)('%s', async (_, length, frames) => {
    await send(Buffer.concat([head(length), ...frames]))
    expect(whole).toEqual([])
  })
})

describe('bit by bit: the stream is reset, and no byte goes beyond the length that the application was told', () => {
  const SMUGGLED = data('GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n', true)
  const cases: [what: string, length: string, parts: readonly (Buffer | string | number)[], isWhole: boolean][] = [
    // Too long to be read whole before it is sent on.
    ['less than the length', '100000', [data('abc'), 'abc', data('', true)], false],
    ['less than a short length', '9', [data('abc'), 100, data('', true)], false],
    ['more, before the length is reached', '9', [data('abc'), 100, SMUGGLED], false],
    ['more, after the length is reached', '3', [data('abc'), 100, SMUGGLED], false],
    // The application has all that it was promised by then, and nobody can take that back.
    ['something after none', '0', ['', SMUGGLED], true],
  ]
  test.each(cases)('%s', async (_, length, parts, isWhole) => {
    await send(head(length), ...parts)
    expect(whole).toEqual(isWhole ? [path] : [])
    expect(upstream.text).not.toContain('smuggled')
  })
})
