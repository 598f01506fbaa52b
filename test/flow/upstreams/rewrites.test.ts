import { describe, expect, test } from 'bun:test'
import { eventually, PORTAL, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { httpResponse, sendRaw, startRawUpstream } from '../../kit/wire/wire.ts'

/** The head of every request that came through, health checks left out, and of those. */
const heads: string[] = []
const checks: string[] = []

const keep = untilTheEnd()
const upstream = keep(
  await startRawUpstream(async connection => {
    while (!connection.isClosed) {
      const { raw } = await connection.receive({
        until: received => received.includes('\r\n\r\n'),
        timeoutMs: 300_000,
      })
      const head = raw.toString('latin1')
      ;(/^user-agent: sallyport-health\r$/im.test(head) ? checks : heads).push(head)
      await connection.send(
        Buffer.from(httpResponse(200, 'ok', ['X-Powered-By: app', 'X-For: app', 'Vary: Accept']), 'latin1'),
      )
    }
  }),
)
const at = `http://127.0.0.1:${upstream.port}`
const gate = keep(
  await startGate(
    `${PORTAL}
[[routes]]
host = "pass.example"
upstream = "${at}"
allow = "public"

[[routes]]
host = "own.example"
upstream = "${at}"
allow = "public"
host_header = "upstream"

[[routes]]
host = "named.example"
path = "/api"
upstream = "${at}/base"
allow = "public"
host_header = "app.internal:8443"
strip_prefix = "/api"
add_prefix = "/v2"

[[routes]]
host = "rewritten.example"
upstream = "${at}"
allow = "public"
rewrite = { from = "^/img/(thumb|full)/(.*)$", to = "/pictures/$1-$2" }

[[routes]]
host = "rewritten.example"
path = "/v1"
upstream = "${at}"
allow = "public"
strip_prefix = "/v1"
add_prefix = "/api"
rewrite = { from = "/old/", to = "/new/" }

[[routes]]
host = "rewritten.example"
path = "/join"
upstream = "${at}"
allow = "public"
rewrite = { from = "^/join/(.)-(.)/", to = "/$1$2/" }

[[routes]]
host = "rewritten.example"
path = "/long"
upstream = "${at}"
allow = "public"
rewrite = { from = "a(?:.*b)?", to = "x" }

[[routes]]
host = "basic.example"
upstream = { to = "${at}", basic_auth = { user = "sallyport", password = "\${APP_PASSWORD}" } }
allow = "public"

[[routes]]
host = "checked.example"
upstream = { to = "${at}/checked", basic_auth = { user = "sallyport", password = "pä:ss" }, health = { path = "/health" } }
allow = "public"

[[routes]]
host = "personal.example"
upstream = { to = "${at}/checked/personal", basic_auth = { user = "{email}", password = "{claims.app}-{{x}}" }, health = { path = "/personal-health" } }
portal = "home"
allow = "public"

[[routes]]
host = "shared.example"
upstream = { to = "${at}", basic_auth = { user = "{preferred_username}", password = "\${BRACED}" } }
portal = "home"
allow = ["user"]

[[routes]]
host = "cors.example"
upstream = "${at}"
portal = "home"
allow = ["user"]
headers = "x-token"
cors_preflight = true

[[routes]]
host = "closed.example"
upstream = "${at}"
portal = "home"
allow = ["user"]
deny = [{ networks = ["127.0.0.0/8"] }]
cors_preflight = true

[[routes]]
host = "fields.example"
upstream = "${at}"
portal = "home"
allow = [{ roles = ["user"] }, { networks = ["127.0.0.0/8"], anonymous = true }]
request_headers.set = { "X-Dept" = "{claims.department}", "X-What" = "{method} {scheme}://{host}{path}{query}", "X-Json" = '{{"a":1}}', "User-Agent" = "gate/{client}" }
request_headers.append = { "X-List" = "{groups}" }
request_headers.remove = ["Accept-Language", "X-Secret"]
response_headers.set = { "X-Frame-Options" = "DENY", "X-For" = "{name}", "X-Request-Id" = "{request_id}" }
response_headers.append = { Vary = "Cookie" }
response_headers.remove = ["X-Powered-By"]

[[routes]]
host = "agentless.example"
upstream = "${at}"
allow = "public"
request_headers = { remove = "User-Agent" }

[[routes]]
host = "plain.example"
upstream = "${at}"
portal = "home"
allow = ["user"]
`,
    { env: { APP_PASSWORD: 'secret', BRACED: 'a{email}{' } },
  ),
)

async function send(host: string, path = '/', fields = '', method = 'GET', body = '') {
  const before = heads.length
  const head = `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\nAccept: application/json\r\n${fields}Connection: close\r\n\r\n`
  const response = await sendRaw(gate.port, Buffer.from(head + body, 'latin1'))
  const received = heads.slice(before).join('')
  const sent = (name: string) =>
    [...received.matchAll(new RegExp(`^${name}: (.*)\\r$`, 'gim'))].map(([, value]) => value)
  return { response, received, sent }
}

const websocket = 'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
const preflight = 'Origin: https://app.example\r\nAccess-Control-Request-Method: PUT\r\n'

describe('the Host that an upstream gets', () => {
  test('is what the client asked for', async () => {
    expect((await send('pass.example')).sent('host')).toEqual(['pass.example'])
  })
  test("is the address's own where the route says so, and X-Forwarded-Host the client's", async () => {
    const { sent } = await send('own.example')
    expect(sent('host')).toEqual([`127.0.0.1:${upstream.port}`])
    expect(sent('x-forwarded-host')).toEqual(['own.example'])
  })
  test('is a name where the route gives one', async () => {
    expect((await send('named.example', '/api/x')).sent('host')).toEqual(['app.internal:8443'])
  })
  test('is the same for a WebSocket', async () => {
    const before = heads.length
    const head = `GET / HTTP/1.1\r\nHost: own.example\r\n${websocket}Connection: Upgrade\r\n\r\n`
    const response = await sendRaw(gate.port, Buffer.from(head, 'latin1'))
    expect(response.status).toBe(200)
    expect(heads.slice(before).join('')).toMatch(new RegExp(`^host: 127\\.0\\.0\\.1:${upstream.port}\\r$`, 'im'))
  })
})

test('a prefix is put before what strip_prefix left, behind the path of the address', async () => {
  expect((await send('named.example', '/api/x?y=1')).received).toStartWith('GET /base/v2/x?y=1 ')
  expect((await send('named.example', '/api')).received).toStartWith('GET /base/v2/ ')
})

describe('basic_auth', () => {
  test("takes the place of the client's Authorization", async () => {
    const { sent } = await send('basic.example', '/', 'Authorization: Bearer theirs\r\n')
    expect(sent('authorization')).toEqual([`Basic ${btoa('sallyport:secret')}`])
  })
  test('goes with health checks, as UTF-8', async () => {
    const field = `Basic ${Buffer.from('sallyport:pä:ss').toString('base64')}`
    const asked = new RegExp(
      `GET /checked/health HTTP/1\\.1\\r\\n(?:[^\\r]+\\r\\n)*authorization: ${RegExp.escape(field)}\\r`,
      'i',
    )
    await eventually(() => asked.test(checks.join('')), 'a health check with credentials')
  })
})

describe('basic_auth with placeholders', () => {
  const theirs = 'Authorization: Basic Zm9yZ2VkOng=\r\n'

  /** What someone with these claims is called at the application. */
  async function called(host: string, claims: Record<string, unknown>): Promise<readonly (string | undefined)[]> {
    const { cookie } = await gate.signIn(host, claims)
    const { sent } = await send(host, '/', `Cookie: ${cookie}\r\n${theirs}`)
    return sent('authorization').map(field => Buffer.from(field?.replace('Basic ', '') ?? '', 'base64').toString())
  }

  test('is each person’s own, as UTF-8, in place of what the client sends', async () => {
    const claims = { email: 'zoë@example.com', email_verified: true, app: 'pä:ss' }
    expect(await called('personal.example', claims)).toEqual(['zoë@example.com:pä:ss-{x}'])
  })
  test('says what would not arrive as it is in another way, and never as somebody else’s', async () => {
    const claims = { email: ' a\r\nb@example.com', email_verified: true, app: 'p\n' }
    expect(await called('personal.example', claims)).toEqual(['%20a%0D%0Ab@example.com:p%0A-{x}'])
  })
  test('takes a secret from outside as it is, braces and all', async () => {
    expect(await called('shared.example', { preferred_username: 'ada' })).toEqual(['ada:a{email}{'])
  })

  test.each<[string, Record<string, unknown>]>([
    ['a colon in the name', { email: 'admin:x@example.com', email_verified: true, app: 'p' }],
    ['no name', { app: 'p' }],
    ['no password', { email: 'a@example.com', email_verified: true }],
    ['a password of another type', { email: 'a@example.com', email_verified: true, app: { secret: 'p' } }],
    ['a name of another type', { email: ['a@example.com'], app: 'p' }],
  ])('is nothing at all with %s, not even what the client sends', async (_what, claims) => {
    expect(await called('personal.example', claims)).toEqual([])
  })

  test('is nothing for nobody, and nothing in health checks', async () => {
    const { received, sent } = await send('personal.example', '/', theirs)
    expect([received.split(' ')[1], sent('authorization')]).toEqual(['/checked/personal/', []])
    await eventually(() => checks.some(head => head.includes('/personal-health')), 'a health check')
    expect(checks.find(head => head.includes('/personal-health'))).not.toMatch(/^authorization/im)
  })
})

describe('rules for fields', () => {
  const name = 'Ädä\r\nX-Evil: 1'
  const claims = { sub: 'ada', name, department: 'R&D\nX-Evil: 2', groups: ['a,b', 'c'] }
  const utf8 = (text: string) => Buffer.from(text, 'utf8').toString('latin1')

  test('write what is known of the person and the request, without a control character', async () => {
    const { cookie } = await gate.signIn('fields.example', claims)
    const sentFields = `Cookie: ${cookie}\r\nX-Dept: forged\r\nX_Dept: forged\r\nX-List: mine\r\nX-What: mine\r\n`
    const { sent, received } = await send('fields.example', '/p%C3%A9?q=%0d', sentFields)
    expect(sent('x-dept')).toEqual(['R&D%0AX-Evil: 2'])
    expect(sent('x[_.]dept')).toEqual([])
    expect(sent('x-what')).toEqual(['GET http://fields.example/p%C3%A9?q=%0d'])
    expect(sent('x-json')).toEqual(['{"a":1}'])
    expect(sent('user-agent')).toEqual(['gate/127.0.0.1'])
    // A field that says who someone is comes from no client, not even in front of what is appended.
    expect(sent('x-list')).toEqual(['a%2Cb,c'])
    expect(received).not.toMatch(/^x-evil/im)
  })
  test('take fields out, in both directions', async () => {
    const { sent, response } = await send('fields.example', '/', 'X-Secret: 1\r\nAccept-Language: de\r\n')
    expect([sent('x-secret'), sent('accept-language')]).toEqual([[], []])
    expect(response.field('x-powered-by')).toBeNull()
    expect((await send('agentless.example', '/', 'User-Agent: x\r\n')).received).not.toMatch(
      /\bbun\b|^user-agent: \S/im,
    )
  })
  test('change an answer', async () => {
    const { cookie } = await gate.signIn('fields.example', claims)
    const { response } = await send('fields.example', '/', `Cookie: ${cookie}\r\n`)
    expect(response.field('x-frame-options')).toBe('DENY')
    expect(response.field('x-for')).toBe(utf8('Ädä  X-Evil: 1'))
    expect(response.field('x-request-id')).toStartWith('sallyport-')
    expect(response.field('vary')).toBe('Accept, Cookie')
    expect(response.field('x-evil')).toBeNull()
  })
  test('change the refusal of a WebSocket too', async () => {
    const head = `GET / HTTP/1.1\r\nHost: fields.example\r\n${websocket}Connection: Upgrade\r\n\r\n`
    const response = await sendRaw(gate.port, Buffer.from(head, 'latin1'))
    expect([response.field('x-frame-options'), response.field('x-powered-by')]).toEqual(['DENY', null])
  })
  test('that speak of a person remove the field for nobody in particular, forged or not', async () => {
    const { sent, response } = await send('fields.example', '/', 'X-Dept: forged\r\nX-List: forged\r\n')
    expect([sent('x-dept'), sent('x-list')]).toEqual([[], []])
    expect(response.field('x-for')).toBeNull()
  })
  test('that speak of a person are heard from no client on any route', async () => {
    const { sent } = await send('pass.example', '/', 'X-Dept: forged\r\nx.list: forged\r\nX-What: theirs\r\n')
    expect([sent('x-dept'), sent('x.list'), sent('x-what')]).toEqual([[], [], ['theirs']])
  })
})

describe('a CORS preflight', () => {
  test('passes without a session where the route lets it, and tells of nobody', async () => {
    const { response, received, sent } = await send(
      'cors.example',
      '/',
      `${preflight}X-Token-Subject: eve\r\n`,
      'OPTIONS',
    )
    expect(response.status).toBe(200)
    expect(received).toStartWith('OPTIONS / ')
    expect(sent('x-token-subject')).toEqual([])
  })
  const others: [string, string, string, string, string][] = [
    ['a route without the key', 'plain.example', preflight, 'OPTIONS', ''],
    ['a denied network', 'closed.example', preflight, 'OPTIONS', ''],
    ['no Origin', 'cors.example', 'Access-Control-Request-Method: PUT\r\n', 'OPTIONS', ''],
    ['no Access-Control-Request-Method', 'cors.example', 'Origin: https://app.example\r\n', 'OPTIONS', ''],
    ['another method', 'cors.example', preflight, 'GET', ''],
    ['a body', 'cors.example', `${preflight}Content-Length: 2\r\n`, 'OPTIONS', 'hi'],
    ['an upgrade', 'cors.example', `${preflight}Upgrade: websocket\r\n`, 'OPTIONS', ''],
  ]
  test.each(others)('is none, and reaches nothing, with %s', async (_what, host, fields, method, body) => {
    const { response, received } = await send(host, '/', fields, method, body)
    expect([401, 403]).toContain(response.status)
    expect(received).toBe('')
  })
})

describe('a path that is rewritten', () => {
  const sentFor = async (path: string) => {
    const before = heads.length
    const { status } = await sendRaw(
      gate.port,
      `GET ${path} HTTP/1.1\r\nHost: rewritten.example\r\nConnection: close\r\n\r\n`,
    )
    return status === 200 ? heads.slice(before).map(head => head.split(' ')[1]) : status
  }

  test('has groups in it, and its query as ever', async () => {
    expect(await sentFor('/img/thumb/a%20b.png?x=/img/full/')).toEqual(['/pictures/thumb-a%20b.png?x=/img/full/'])
    expect(await sentFor('/img/other/a.png')).toEqual(['/img/other/a.png'])
  })

  test('is what prefixes have made of it, and changes wherever it matches', async () => {
    expect(await sentFor('/v1/old/a/old/b')).toEqual(['/api/new/a/new/b'])
    expect(await sentFor('/v1/older')).toEqual(['/api/older'])
  })

  test('becomes none that is refused, and none that takes too long', async () => {
    expect(await sentFor('/join/a-b/c')).toEqual(['/ab/c'])
    const before = heads.length
    expect(await sentFor('/join/.-./c')).toBe(400)
    expect(await sentFor(`/img/thumb/${'a'.repeat(14_000)}`)).toBe(400)
    // Each of them looks for what follows as far as the end.
    expect(await sentFor(`/long/${'a'.repeat(14_000)}`)).toBe(400)
    expect(heads.length).toBe(before)
    expect(await sentFor('/long/a/a')).toEqual(['/long/x/x'])
  })
})
