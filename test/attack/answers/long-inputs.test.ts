import { describe, expect, test } from 'bun:test'
import { csvLine } from '../../../src/audit/export.ts'
import { parseLength } from '../../../src/base/byte-counts.ts'
import { canonicalAddress } from '../../../src/base/net.ts'
import { parsePicture } from '../../../src/config/values/picture.ts'
import { parseBasic } from '../../../src/identity/passwords/password.ts'
import { isEventStream } from '../../../src/proxy/body/event-streams.ts'
import { cleanResponseFields, compileBounds, rewriteCookie } from '../../../src/proxy/fields/response.ts'
import { compileOwnAddresses, rewriteAddress, rewriteRefresh } from '../../../src/proxy/fields/rewrite-location.ts'
import { faultOfAcceptance } from '../../../src/proxy/websocket/deflate.ts'
import { chunksBegin, refusalBody } from '../../../src/proxy/websocket/dial.ts'
import { checkAcceptance, type HeadPlace, parseResponseHead } from '../../../src/proxy/websocket/handshake.ts'
import { retryAfterMs } from '../../../src/server/acme/authority/response.ts'
import { wordsOf } from '../../../src/server/applications/ask.ts'
import { readMessages } from '../../../src/server/request/mcp/judge.ts'
import { growsWith } from '../../kit/growth.ts'

/** As long as a field of an answer may be. */
const LONGEST = 60_000

const address = { kind: 'url', scheme: 'http', authority: 'inner.test:8080', basePath: '/base' } as const
const asked = { scheme: 'https', target: { host: 'app.example', authority: 'app.example' }, prefix: '' } as const
const own = compileOwnAddresses('/app', null, { kind: 'keep' } as never, true, true)
const bounds = compileBounds('/app', [], own, true)

/** Each parser of what applications, and others whom the gate asks, send. What it throws is an answer too. */
const PARSERS: readonly (readonly [name: string, parse: (text: string) => unknown])[] = [
  ['Set-Cookie', text => rewriteCookie(`a=1;path${text}`, own, asked, address)],
  ['Set-Cookie, Path', text => rewriteCookie(`a=1; Path=/${text}x`, own, asked, address)],
  ['Set-Cookie, Domain', text => rewriteCookie(`a=1; Domain=${text}x; Path=/`, own, asked, address)],
  ['Location', text => rewriteAddress(`http://inner.test:8080/${text}`, own, asked, address)],
  ['Location, authority', text => rewriteAddress(`http://${text}`, own, asked, address)],
  ['Refresh', text => rewriteRefresh(`5${text}`, one => rewriteAddress(one, own, asked, address))],
  ...[
    'Connection',
    'Transfer-Encoding',
    'Service-Worker-Allowed',
    'Set-Cookie',
    'Location',
    'Refresh',
    'Content-Location',
  ].map(
    name =>
      [
        `all fields, ${name}`,
        (text: string) => cleanResponseFields(new Headers([[name, `/${text}x`]]), bounds, asked, address),
      ] as const,
  ),
  [
    'Cache-Control',
    text => cleanResponseFields(new Headers([['Cache-Control', `public${text}x`]]), bounds, asked, address),
  ],
  ['Content-Length', text => parseLength(`1${text}1`)],
  ['Content-Type', text => isEventStream(`text/event-stream${text}x`)],
  [
    'the head of a handshake',
    text => parseResponseHead(Buffer.from(`HTTP/1.1 200 ${text}\r\nX:${text}\0\r\n\r\n`, 'latin1')),
  ],
  [
    'a field of a handshake',
    text => parseResponseHead(Buffer.from(`HTTP/1.1 200 OK\r\nX:${text}\0\r\n\r\n`, 'latin1')),
  ],
  ['Sec-WebSocket-Extensions', text => faultOfAcceptance(`permessage-deflate${text}x`)],
  [
    'Upgrade, Connection',
    text =>
      checkAcceptance(new Headers({ upgrade: `${text}websocket`, connection: `x${text}` }), {
        key: '',
        protocols: [],
        offersDeflate: false,
      }),
  ],
  [
    'a chunk of a refusal',
    text =>
      refusalBody(
        { status: 403, headers: new Headers({ 'transfer-encoding': 'chunked' }), length: 0 },
        Buffer.from(`5${text}\r\nhello\r\n0\r\n\r\n`, 'latin1'),
        false,
      ),
  ],
  ['a page', text => wordsOf(`<p${text}>`, true)],
  ['a text', text => wordsOf(text, false)],
  ['a picture', text => parsePicture(Buffer.from(text), { takes: ['image/svg+xml'], mostBytes: 1, hasNames: false })],
  ['Retry-After', text => retryAfterMs(new Headers({ 'retry-after': text, date: text }))],
  ['messages of MCP', text => readMessages(Buffer.from(`{"method":"${text.replaceAll('"', '\\"')}","a":[${text}]}`))],
  ['an address', text => canonicalAddress(`:${text}.:`)],
  ['a name and a password', text => parseBasic(`basic ${text}\n`)],
  ['a row of the audit trail', text => csvLine({ atMs: 0, event: 'sign_in' as never, facts: { user: text } as never })],
]

/** What a long input is made of. */
const PIECES = [
  ' ',
  '\t',
  ' \t',
  ';',
  ',',
  '; ',
  ', ',
  '=',
  '/',
  '/.',
  '.',
  ':',
  '"',
  '\\"',
  '\\',
  '<',
  '<!--',
  '<!---->',
  '<?xml>',
  '-',
  '%2e',
  'a',
  '0',
  '0,',
  '&#',
  '\r\n',
  '\n',
  ';a=b',
  'path',
  ';path ',
  '[',
  '\0',
  '\xa0',
  '\u3000',
]

describe('60 kB cost what they are long', () => {
  test.each(PARSERS)('%s', (name, parse) => {
    for (const piece of PIECES) {
      const work = (length: number) => {
        try {
          parse(piece.repeat(Math.ceil(length / piece.length)))
        } catch {}
      }
      growsWith(work, LONGEST, `${name}, ${JSON.stringify(piece)}`)
    }
  })
})

describe('what comes in pieces is read once', () => {
  /** How many bytes a reader looks at that is called for each byte that comes. */
  function looksOf(bytes: Buffer, read: (soFar: Buffer) => unknown): number {
    let looks = 0
    for (let length = 1; length <= bytes.length; length++) {
      const soFar = bytes.subarray(0, length)
      const counted = Object.assign(soFar, {
        indexOf: (value: string, from = 0) => {
          const at = Buffer.prototype.indexOf.call(soFar, value, from)
          looks += (at === -1 ? length : at) - from
          return at
        },
        toString: (coding: BufferEncoding, from: number, to: number) => {
          looks += to - from
          return Buffer.prototype.toString.call(soFar, coding, from, to)
        },
      })
      if (read(counted as Buffer) !== null) break
    }
    return looks
  }

  test('the head of an answer to a handshake, interim ones before it', () => {
    const text = `${'HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n'.repeat(100)}HTTP/1.1 403 No\r\n${'A: b\r\n'.repeat(500)}\r\n`
    const place: HeadPlace = { start: 0, seen: 0 }
    expect(looksOf(Buffer.from(text), soFar => parseResponseHead(soFar, place))).toBeLessThan(6 * text.length)
  })

  test('the chunks of a refusal, and an extension without end', () => {
    const head = { status: 403, headers: new Headers({ 'transfer-encoding': 'chunked' }), length: 0 }
    for (const text of [`${'1\r\na\r\n'.repeat(1000)}0\r\n\r\n`, `1;${'x'.repeat(5000)}`]) {
      const place = chunksBegin()
      let body: Buffer | null = null
      const looks = looksOf(Buffer.from(text), soFar => {
        body = refusalBody(head, soFar, false, place)
        return body
      })
      expect(looks).toBeLessThan(6 * text.length)
      if (text.endsWith('\r\n')) expect(String(body)).toBe('a'.repeat(1000))
    }
  })
})
