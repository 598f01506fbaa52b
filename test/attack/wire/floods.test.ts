import { expect, test } from 'bun:test'
import { compileFieldFates } from '../../../src/proxy/fields/names.ts'
import { PORTAL, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { routeTo } from '../../kit/toml.ts'
import { rawRequest, sendThrough } from '../../kit/wire/through.ts'
import { httpResponse, startRawUpstream } from '../../kit/wire/wire.ts'

/**
 * Requests that were made to be dear: as long as a head may be, and each the worst of its kind. Twenty of a kind have to be done
 * long before the test's time is over; where one costs half a second, as it did, they are not.
 */
const TIMES = 20
const LENGTH = 60_000

const keep = untilTheEnd()
const upstream = keep(
  await startRawUpstream([httpResponse(200, 'UPSTREAM', [`Set-Cookie: a${' '.repeat(12_000)}b=c`])]),
)
const route = (host: string, more: string) => routeTo(upstream, host, more)
const gate = keep(
  await startGate(
    [
      PORTAL,
      route('open.example', 'allow = "public"'),
      route('closed.example', 'portal = "home"\nallow = ["user"]'),
      route('closed.example', 'path = "/Deep/path"\nportal = "home"\nallow = ["user"]'),
    ].join('\n'),
    { server: 'trusted_proxies = ["127.0.0.1"]' },
  ),
)

function fill(piece: string): string {
  return piece.repeat(Math.floor(LENGTH / piece.length))
}

function distinct(prefix: string, mark: string): string {
  return Array.from({ length: 9000 }, (_, index) => `${prefix}${(index + 50_000).toString(36)}`).join(mark)
}

const PAGE = ['Accept: text/html', 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document']

const CASES: readonly (readonly [what: string, host: string, line: string, fields: readonly string[]])[] = [
  ['thousands of parameters at login', 'closed.example', `GET /.sallyport/login?${distinct('p', '&')}`, PAGE],
  ['thousands of parameters at the callback', 'closed.example', `GET /.sallyport/callback?${distinct('p', '&')}`, PAGE],
  ['thousands of parameters at enter', 'closed.example', `GET /.sallyport/enter?${distinct('p', '&')}`, []],
  ['a path of parameters', 'closed.example', `GET /${fill('A;//%5c%23')}`, []],
  ['a path of escapes', 'closed.example', `GET /${fill('%252f')}`, []],
  ['a path of many readings', 'closed.example', `GET /${fill('%2f;A//\\x')}`, []],
  ['a path of slashes', 'open.example', `GET ${fill('/a')}`, []],
  ['a path of backslashes', 'open.example', `GET /${fill('\\')}`, []],
  ['our cookies, thousands of them', 'closed.example', 'GET /', [`Cookie: ${distinct('sallyport=x; y', '; ')}`]],
  [
    'login cookies',
    'closed.example',
    'GET /.sallyport/callback?state=x',
    [`Cookie: ${fill('sallyport-login-abc=x; ')}`],
  ],
  ['cookies without a name', 'open.example', 'GET /', [`Cookie: ${fill('=sallyport; ')}`]],
  ['semicolons alone', 'open.example', 'GET /', [`Cookie: sallyport${fill(';')}`]],
  ['a long list of addresses', 'open.example', 'GET /', [`X-Forwarded-For: ${fill('::1,')}1`]],
  ['an endless address', 'open.example', 'GET /', [`X-Forwarded-For: ${fill('1:')}`]],
  ['an endless zone', 'open.example', 'GET /', [`X-Forwarded-For: fe80::1%${fill('a')}!`]],
  ['blanks in Accept', 'closed.example', 'GET /', [`Accept: text/html${fill(' ')}x`]],
  [
    'weights in Accept-Language',
    'closed.example',
    'GET /.sallyport/nothing',
    [...PAGE, `Accept-Language: ${fill('de;q=')}`],
  ],
  ['options of Connection', 'open.example', 'GET /', [`Connection: ${distinct('a', ',')}`]],
  ['an endless host', fill('a.'), 'GET /', []],
  ['an endless agent', 'closed.example', 'GET /', [...PAGE, `User-Agent: ${fill('Chrome ')}`]],
  ['an endless token', 'open.example', 'GET /', [`Authorization: Bearer ${fill('sp_')}`]],
  ['an endless password', 'open.example', 'GET /', [`Authorization: Basic ${fill('A')}`]],
]

test.each(CASES)('%s', async (_what, host, line, fields) => {
  for (let count = 0; count < TIMES; count++) {
    const { response } = await sendThrough(gate.port, upstream, rawRequest(line, host, fields))
    expect(response.status).toBeGreaterThan(0)
  }
})

test('names that nobody uses are not remembered at their full length', () => {
  const fateOf = compileFieldFates([])
  Bun.gc(true)
  const before = process.memoryUsage().heapUsed
  for (let count = 0; count < 1000; count++) expect(fateOf(`x-${count}-${'n'.repeat(50_000)}`)).toBe('keep')
  Bun.gc(true)
  // All together they are 50 MB.
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(10_000_000)
})
