import { describe, expect, test } from 'bun:test'
import { type Gate, PORTAL, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { linesOf, type Passed, rawRequest, sendThrough } from '../../kit/wire/through.ts'
import { httpResponse, startRawUpstream } from '../../kit/wire/wire.ts'

/** What a browser says of a page load. */
const PAGE = ['Accept: text/html', 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document']
const SECRET = 'PROTECTED-BYTES'
const HOST = 'app.example'

const keep = untilTheEnd()
const upstream = keep(await startRawUpstream([httpResponse(200, SECRET)]))
const route = (path: string, rest: string) =>
  `[[routes]]\nhost = "${HOST}"\npath = "${path}"\nupstream = "http://127.0.0.1:${upstream.port}"\n${rest}\n`
const toml = [
  PORTAL,
  route('/open', 'allow = "public"'),
  route('/', 'portal = "home"\nallow = ["user"]\nkeep_posts = "64KiB"'),
  route('/admin', 'portal = "home"\nallow = ["admin"]'),
  route('/mailed', 'portal = "home"\nallow = [{ domains = ["friends.example"] }, { emails = ["aunt@kin.example"] }]'),
].join('\n')
const gate = keep(await startGate(toml))
const trusting = keep(await startGate(toml, { server: 'trusted_proxies = ["127.0.0.1"]' }))

const ask = (at: Gate, line: string, fields: readonly string[] = []): Promise<Passed> =>
  sendThrough(at.port, upstream, rawRequest(line, HOST, fields))

/** Not let in: an answer of ours, and an upstream that was not touched. */
function expectShut({ response, received }: Passed, what: unknown): void {
  expect([what, [302, 303, 400, 401, 403, 404, 421].includes(response.status), received]).toEqual([what, true, ''])
  expect(response.raw.includes(SECRET)).toBe(false)
}

describe('an e-mail address that is none', () => {
  const odd = [
    'mallory@evil.example@friends.example',
    'mallory@friends.example@evil.example',
    '"mallory@evil.example"@friends.example',
    'mallory@evil.example,@friends.example',
    'mallory@evil.example @friends.example',
    'mallory@evil.example\0@friends.example',
    'aunt@kin.example@evil.example',
    'aunt@kin.example\n',
    '@friends.example',
    'mallory@friend\u0455.example',
    'mallory@friends.example.',
    'mallory@friends。example',
    'aunt@\u212Ain.example',
    'a\u0075\u0308nt@kin.example',
  ]
  test.each(odd)('with more than one @, or with look-alike letters, is nobody’s whom a rule names: %j', async email => {
    const claims = { sub: 'mallory', email, email_verified: true }
    const { cookie } = await gate.signIn(HOST, claims)
    expectShut(await ask(gate, 'GET /mailed', [`Cookie: ${cookie}`]), email)
  })

  test('is what the refusals are about, not any: plain ones pass', async () => {
    for (const email of ['ada@friends.example', 'Ada@Friends.Example', 'aunt@kin.example']) {
      const { cookie } = await gate.signIn(HOST, { sub: 'ada', email, email_verified: true })
      expect((await ask(gate, 'GET /mailed', [`Cookie: ${cookie}`])).response.status).toBe(200)
    }
  })
})

describe('a field that states another request', () => {
  const stated = [
    'X-Forwarded-Uri',
    'X-Forwarded-Path',
    'X-Forwarded-Prefix',
    'X-Forwarded-Method',
    'X-Original-URL',
    'X-Original-URI',
    'X-Original-Path',
    'X-Original-Method',
    'X-Auth-Request-Redirect',
    'X-Rewrite-URL',
    'X_Forwarded_Uri',
    'X-Envoy-Original-Path',
  ]
  const values = ['/open', `http://${HOST}/open`, 'OPTIONS', '/open?', 'open']

  test('decides nothing, be its sender a trusted proxy or anyone', async () => {
    for (const at of [gate, trusting]) {
      const { cookie } = await at.signIn(HOST, { sub: 'bob' })
      for (const name of stated) {
        for (const value of values) {
          const line = `${name}: ${value}`
          expectShut(await ask(at, 'GET /', [line]), line)
          expectShut(await ask(at, 'GET /admin', [line, `Cookie: ${cookie}`]), line)
        }
      }
    }
  })

  test('nor does a prefix that is stated take the path of an open route along', async () => {
    for (const at of [gate, trusting]) {
      const { response, received } = await ask(at, 'GET /open/x', ['X-Forwarded-Prefix: /admin'])
      expect([response.status, received.split(' ')[1]]).toEqual([200, '/open/x'])
    }
  })
})

describe('a crafted Cookie field', () => {
  const crafted = [
    '',
    ' ',
    ';',
    ';;;;',
    '=',
    '=;=',
    'mod_auth_openidc_session_chunks=99999999',
    'sallyport_chunks=99999999; sallyport_0=x',
    'sallyport-login-abc=; sallyport-ask=%; sallyport-owner=.',
    'sallyport-guest-abc=eyJhbGciOiJub25lIn0.e30.',
    `_oauth2_proxy=${'A'.repeat(40)}|1|x; _oauth2_proxy_0=x; _oauth2_proxy_1=x`,
    'authentik_proxy=\xff\xfe; authelia_session=x',
    'sallyport=\xff\xff\xff',
  ]
  test.each(crafted)('%j is nobody’s, and harms nobody', async value => {
    expectShut(await ask(gate, 'GET /', [`Cookie: ${value}`]), value)
    expect((await ask(gate, 'GET /open', [`Cookie: ${value}`])).response.status).toBe(200)
  })

  test('does not go on where it was empty but for ours', async () => {
    const { received } = await ask(gate, 'GET /open', ['Cookie: sallyport=x; sallyport-login-abc=y'])
    expect(linesOf(received, 'cookie')).toEqual([])
  })
})

test('the way to sign in is all that nobody gets: no byte of the application comes before, after or with it', async () => {
  for (const line of ['GET /', 'HEAD /', 'GET /x', 'GET /admin']) {
    for (const fields of [PAGE, [], ['Range: bytes=0-'], ['Connection: keep-alive, Cookie']]) {
      expectShut(await ask(gate, line, fields), line)
    }
  }
})

test('a form without a word in it, sent by nobody, is refused too', async () => {
  const from = [...PAGE, `Origin: http://${HOST}`, 'Sec-Fetch-Site: same-origin']
  for (const fields of [
    ['Content-Length: 0'],
    ['Content-Length: 0', 'Content-Type: application/x-www-form-urlencoded'],
    ['Content-Length: 0', 'Content-Type: multipart/form-data'],
    ['Content-Length: 0', 'Content-Type: multipart/form-data; boundary='],
    ['Content-Length: 0', 'Content-Type:'],
  ]) {
    expectShut(await ask(gate, 'POST /', [...from, ...fields]), fields)
    expectShut(await ask(gate, 'POST /', fields), fields)
  }
})

describe('what guards a route', () => {
  const guarded = (lines: string) =>
    `${PORTAL}${lines}\n[[routes]]\nhost = "${HOST}"\nupstream = "http://127.0.0.1:9"\nportal = "home"\n`
  test.each([
    [
      'a file of passwords',
      guarded('').replace('insecure_cookies', 'htpasswd = "none"\ninsecure_cookies'),
      /the file "none" does not exist/,
    ],
    [
      'the secret of a client',
      guarded('').replace('"gate-secret"', '"${file:none}"'),
      /the file "none" does not exist/,
    ],
    ['a variable in a rule', `${guarded('')}allow = [{ groups = ["\${NONE}"] }]`, /NONE/],
  ])('and cannot be read is refused at the start, never left out: %s', async (_what, toml, complaint) => {
    const text = toml.includes('allow =') ? toml : `${toml}allow = ["user"]`
    await expect(startGate(text)).rejects.toThrow(complaint)
  })

  test.each(['allow = []', 'allow = [""]', 'allow = [{}]', 'allow = [{ groups = [] }]', 'allow = [{ emails = [""] }]'])(
    'and names nobody is refused: %s',
    async allow => {
      await expect(startGate(`${guarded('')}${allow}`)).rejects.toThrow(/allow/)
    },
  )

  test('and says whom it lets in is taken: the same file with nothing missing starts', async () => {
    await using good = await startGate(`${guarded('')}allow = ["user"]`)
    expect(good.port).toBeGreaterThan(0)
  })
})
