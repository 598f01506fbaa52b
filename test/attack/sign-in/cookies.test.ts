import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { PORTAL, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { routeTo } from '../../kit/toml.ts'
import { linesOf, rawRequest, sendThrough } from '../../kit/wire/through.ts'
import { hasHead, httpResponse, startRawUpstream } from '../../kit/wire/wire.ts'

/** What the upstream answers with, besides its status. */
let setCookies: readonly string[] = []

const keep = untilTheEnd()
const upstream = keep(
  await startRawUpstream(async connection => {
    while (!connection.isClosed) {
      await connection.receive({ until: hasHead, timeoutMs: 300_000 })
      await connection.send(
        httpResponse(
          200,
          'UPSTREAM',
          setCookies.map(line => `Set-Cookie: ${line}`),
        ),
      )
    }
  }),
)
const route = (host: string, more: string) => routeTo(upstream, `${host}.example`, more)
const gate = keep(
  await startGate(
    [PORTAL, route('closed', 'portal = "home"\nallow = ["user"]'), route('open', 'allow = "public"')].join('\n'),
  ),
)
const cookie = (await gate.signIn('closed.example', { sub: 'bob' })).cookie
const token = cookie.slice(cookie.indexOf('=') + 1)

function ask(host: string, fields: readonly string[]) {
  return sendThrough(gate.port, upstream, Buffer.from(rawRequest('GET /', host, fields), 'latin1'))
}

/** The Cookie that reached the upstream, as Latin-1; null for none. */
function cookieOf(received: string): string | null {
  const [line, ...more] = linesOf(received, 'cookie')
  expect(more).toEqual([])
  return line === undefined ? null : line.slice('cookie: '.length)
}

describe('what goes upstream', () => {
  test('is every cookie of the application, byte for byte, and none of ours, however many fields they come in', async () => {
    const theirs = fc.tuple(
      fc.constantFrom(
        'a',
        'SALLYPORT',
        'sallyport2',
        '__Host-app',
        '__Host-sallyport2',
        '\xe9\xff',
        'sallyport-x',
        '_',
      ),
      fc.constantFrom('=1', '="x y"', '=', '', '=sallyport=x', '=a,b', '=\xc3\xa9\xa0', `=${'z'.repeat(300)}`),
    )
    const ours = fc.tuple(
      fc.constantFrom(
        'sallyport',
        '__Host-sallyport',
        'sallyport-login',
        '__Host-sallyport-ask-abc',
        'sallyport-rounds',
      ),
      fc.constantFrom('=SECRET', '=', '=SECRET=SECRET', ' =SECRET', '\t= SECRET'),
    )
    const fields = fc.array(fc.array(fc.oneof(theirs, ours), { minLength: 1, maxLength: 5 }), {
      minLength: 1,
      maxLength: 3,
    })
    await fc.assert(
      fc.asyncProperty(fields, async lines => {
        const texts = lines.map(pairs => pairs.map(pair => pair.join('')).join('; '))
        const { received } = await ask(
          'open.example',
          texts.map(text => `Cookie: ${text}`),
        )
        const isOurs = (name: string) => /^(?:__Host-)?sallyport(?:$|-(?:rounds|(?:login|ask)(?:-.{3})?)$)/.test(name)
        const kept = lines.flat().filter(([name]) => !isOurs(name))
        const expected = kept.length === 0 ? null : kept.map(pair => pair.join('')).join('; ')
        expect([texts, cookieOf(received)]).toEqual([texts, expected])
      }),
      { numRuns: 200 },
    )
  })

  test('is never the cookie of a session, wherever it stands', async () => {
    for (const [field, rest] of [
      [cookie, null],
      [`a=1; ${cookie}; b=2`, 'a=1; b=2'],
      [`a=1;${cookie};b=2`, 'a=1;b=2'],
      [`${cookie}; ${cookie}`, null],
      [`a="1; ${cookie}; b=2"`, 'a="1; b=2"'],
      [`;;;${cookie};;;`, ';;;;;'],
      [`${cookie}; SALLYPORT=x`, 'SALLYPORT=x'],
    ] as const) {
      const { response, received } = await ask('closed.example', [`Cookie: ${field}`])
      expect([field, response.status, received.includes(token)]).toEqual([field, 200, false])
      if (rest !== ';;;;;') expect([field, cookieOf(received)]).toEqual([field, rest])
    }
  })
})

describe('a cookie that is none of a session', () => {
  const junk = [
    'sallyport=',
    'sallyport="TOKEN"',
    'sallyport=TOKEN ',
    'sallyport= TOKEN',
    'sallyport=TOKEN\xa0',
    'sallyport\xa0=TOKEN',
    '\xa0sallyport=TOKEN',
    '\tsallyport=TOKEN',
    'sallyport =TOKEN',
    'SALLYPORT=TOKEN',
    'Sallyport=TOKEN',
    '=sallyport=TOKEN',
    'sallyport==TOKEN',
    'sallyport=TOKEN=',
    'sallyport=TOKENx',
    'sallyport=xTOKEN',
    'sallyport=%TOKEN',
    'sallyport=TOKEN,TOKEN',
    '__Host-sallyport=TOKEN',
    '__Secure-sallyport=TOKEN',
    '$Version=1; $sallyport=TOKEN',
    'a=sallyport=TOKEN',
    'a=1, sallyport=TOKEN',
    'sallyport[]=TOKEN',
    'sallyport.0=TOKEN',
    'sallyport_=TOKEN',
    'sallyport-login=TOKEN',
    'sallyport=null',
    'sallyport=undefined',
    'sallyport=[object Object]',
    'sallyport=true',
    "sallyport=' OR 1=1 --",
    'sallyport=../../etc/passwd',
    'sallyport=e30.e30.',
  ]
  // White space at the ends of a field is none of its value (RFC 9110 §5.5).
  const isSame = (field: string) => /^\tsallyport=TOKEN$|^sallyport=TOKEN $/.test(field)
  test.each(junk)('(%j) is nobody', async field => {
    const { response, received } = await ask('closed.example', [`Cookie: ${field.replaceAll('TOKEN', token)}`])
    expect([response.status, received === '']).toEqual(isSame(field) ? [200, false] : [401, true])
  })

  test('before a good one hides it: the first of a name counts, as the browser sends the most specific first', async () => {
    const { response } = await ask('closed.example', [`Cookie: sallyport=x; ${cookie}`])
    expect(response.status).toBe(401)
  })
})

describe('an upstream', () => {
  test('sets its own cookies, in order and byte for byte, and none of ours', async () => {
    const own = [
      'a=1; Path=/',
      'b="x, y"; Expires=Wed, 21 Oct 2026 07:28:00 GMT',
      'sallyport2=x; Secure',
      '__Host-app=1; Secure; Path=/',
      'c=\xe9\xff; HttpOnly',
      'SALLYPORT=y',
      'a=2; Domain=example',
    ]
    const ours = [
      'sallyport=evil; Path=/',
      ' sallyport=evil',
      'sallyport =evil',
      '\tsallyport\t=evil; Domain=example',
      '__Host-sallyport=evil; Secure; Path=/',
      'sallyport-login-abc=evil',
      '__Host-sallyport-ask=; Max-Age=0',
      'sallyport-rounds=evil',
      '=sallyport=evil',
      'sallyport; Path=/',
      'sallyport=; Expires=Thu, 01 Jan 1970 00:00:00 GMT',
    ]
    setCookies = own.flatMap((line, index) => [ours[index] ?? 'sallyport=', line, ours[index + 4] ?? 'sallyport='])
    const { response } = await ask('open.example', [])
    const set = response.fields.filter(([name]) => name.toLowerCase() === 'set-cookie').map(([, value]) => value)
    expect(set).toEqual(own)
    expect(response.raw.toString('latin1')).not.toContain('evil')
    setCookies = []
  })
})
