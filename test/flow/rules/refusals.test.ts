import { describe, expect, test } from 'bun:test'
import { PORTAL, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { WEBSOCKET_FIELDS } from '../../kit/wire/websocket.ts'
import { sendRaw, startRawUpstream, type WireResponse } from '../../kit/wire/wire.ts'

/** Two hosts and a wildcard of one portal, one of another portal, a public one without any. */
function routes(): string {
  const route = (host: string, more: string, to = `http://127.0.0.1:${upstream.port}`) =>
    `[[routes]]\nhost = "${host}"\nupstream = "${to}"\n${more}\n`
  return [
    PORTAL,
    '[portals.other]\nproviders = ["id"]\ninsecure_cookies = true\n[portals.other.roles]\nuser = { any = true }',
    route('app.test', 'portal = "home"\nallow = ["user"]'),
    route('app.test', 'path = "/admin"\nportal = "home"\nallow = ["admin"]'),
    route('app.test', 'path = "/api"\nportal = "home"\nallow = ["user"]\ntokens = true'),
    route('app.test', 'path = "/open"\nallow = "public"\nrate = { requests = 1, per = "1h", burst = 1 }'),
    route('app.test', 'path = "/dead"\nallow = "public"', 'http://127.0.0.1:1'),
    route(
      'app.test',
      'path = "/friend"\nportal = "home"\nallow = ["user"]\nallowed_origins = ["https://friend.example"]',
    ),
    route('web.test', 'portal = "home"\nallow = ["user"]'),
    route(
      'app.test',
      'path = "/mixed"\nportal = "home"\nallow = [{ roles = "user", acr = "phr" }, { methods = "PUT", roles = "user" }]\nprogram_paths = ["^/mixed/api/", "[.]json$"]',
    ),
    route('*.wild.test', 'portal = "home"\nallow = ["user"]'),
    route('else.test', 'portal = "other"\nallow = ["user"]'),
    route('open.test', 'allow = "public"', 'http://127.0.0.1:1'),
  ].join('\n')
}

const keep = untilTheEnd()
const upstream = keep(await startRawUpstream(['HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi']))
const gate = keep(await startGate(routes()))

const SCRIPT = ['Sec-Fetch-Mode: cors', 'Sec-Fetch-Dest: empty', 'Accept: */*']

/** Sends a request as a script of an origin would. */
function ask(path: string, origin: string, more: readonly string[] = SCRIPT, host = 'app.test'): Promise<WireResponse> {
  const lines = [`GET ${path} HTTP/1.1`, `Host: ${host}`, `Origin: ${origin}`, ...more]
  return sendRaw(gate.port, `${lines.join('\r\n')}\r\n\r\n`)
}

function cors(answer: WireResponse): readonly (string | null)[] {
  return ['access-control-allow-origin', 'access-control-allow-credentials', 'vary'].map(name => answer.field(name))
}

const FORBIDDEN: readonly (string | null)[] = [null, null, 'origin']

describe('scripts of the portal’s own hosts can read our refusals', () => {
  test.each(['http://web.test', 'http://app.test', 'http://any.wild.test'])('%s', async origin => {
    const { status, body, field } = await ask('/', origin)
    expect([status, field('access-control-allow-origin')]).toEqual([401, origin])
    expect(field('access-control-allow-credentials')).toBe('true')
    expect(field('vary')).toBe('origin')
    expect(field('access-control-expose-headers')).toContain('retry-after')
    expect(field('location')).toBeNull()
    expect(JSON.parse(body.toString())).toMatchObject({
      code: 'access.sign_in',
      sign_in: 'http://app.test/.sallyport/login',
    })
  })

  test('also 403, 429 and 5xx', async () => {
    const { cookie } = await gate.signIn('app.test')
    const denied = await ask('/admin', 'http://web.test', [...SCRIPT, `Cookie: ${cookie}`])
    expect([denied.status, denied.field('access-control-allow-origin')]).toEqual([403, 'http://web.test'])
    await ask('/open', 'http://web.test')
    const limited = await ask('/open', 'http://web.test')
    expect([limited.status, limited.field('access-control-allow-origin')]).toEqual([429, 'http://web.test'])
    const down = await ask('/dead', 'http://web.test')
    expect([down.status, down.field('access-control-allow-origin')]).toEqual([502, 'http://web.test'])
  })

  test('an answer of the application is its own business', async () => {
    const { cookie } = await gate.signIn('app.test')
    const answer = await ask('/', 'http://web.test', [...SCRIPT, `Cookie: ${cookie}`])
    expect([answer.status, ...cors(answer)]).toEqual([200, null, null, null])
  })
})

describe('nobody else can', () => {
  const strangers = [
    'http://evil.example',
    'http://else.test',
    'http://open.test',
    'http://wild.test',
    'https://web.test',
    'http://web.test:8080',
    'http://WEB.test',
    'http://web.test.',
    'http://web.test/',
    'http://user@web.test',
    'http://web.test.evil.example',
    'http://evil.example#web.test',
    'null',
    '*',
    '',
    'http://web.test, http://evil.example',
    'http://web.test http://evil.example',
    'file://',
  ]
  test.each(strangers)('%j', async origin => {
    const answer = await ask('/', origin)
    expect([answer.status, ...cors(answer).slice(0, 2)]).toEqual([401, null, null])
  })

  test('but for what allowed_origins names, on that route', async () => {
    expect(cors(await ask('/friend', 'https://friend.example'))).toEqual(['https://friend.example', 'true', 'origin'])
    expect(cors(await ask('/', 'https://friend.example'))).toEqual(FORBIDDEN)
  })

  test('a host without a portal names nobody', async () => {
    expect(cors(await ask('/', 'http://app.test', SCRIPT, 'open.test'))).toEqual(FORBIDDEN)
  })

  test('our own pages answer only their own origin', async () => {
    expect(cors(await ask('/.sallyport/sessions', 'http://web.test')).slice(0, 2)).toEqual([null, null])
    expect(cors(await ask('/.sallyport/nothing', 'http://web.test')).slice(0, 2)).toEqual([null, null])
  })
})

test('RFC 6750 §3: 401 names Bearer where the route takes tokens, and nothing elsewhere that a browser would ask a password for', async () => {
  expect((await ask('/api', 'http://web.test')).field('www-authenticate')).toBe('Bearer realm="sallyport"')
  expect((await ask('/', 'http://web.test')).field('www-authenticate')).toBeNull()
})

test.each([
  ['a WebSocket', WEBSOCKET_FIELDS],
  ['an event stream', ['Accept: text/event-stream', 'Sec-Fetch-Mode: cors', 'Sec-Fetch-Dest: empty']],
  ['a manifest', ['Sec-Fetch-Mode: cors', 'Sec-Fetch-Dest: manifest']],
  ['a service worker', ['Sec-Fetch-Mode: same-origin', 'Sec-Fetch-Dest: serviceworker', 'Service-Worker: script']],
  ['an old browser’s service worker', ['Service-Worker: script', 'Accept: */*']],
  ['an icon', ['Sec-Fetch-Mode: no-cors', 'Sec-Fetch-Dest: image', 'Accept: image/*']],
  ['a font', ['Sec-Fetch-Mode: cors', 'Sec-Fetch-Dest: font']],
  ['XMLHttpRequest', ['X-Requested-With: XMLHttpRequest', 'Accept: text/html']],
])(
  '%s without a session gets 401 with a sign-in address, never a redirect, and the application sees nothing',
  async (_, fields) => {
    const before = upstream.text.length
    const answer = await ask('/thing', 'http://web.test', fields)
    expect([answer.status, answer.field('location'), answer.field('content-type')]).toEqual([
      401,
      null,
      'application/problem+json',
    ])
    expect(JSON.parse(answer.body.toString()).sign_in).toBe('http://app.test/.sallyport/login')
    expect(upstream.text.length).toBe(before)
  },
)

describe('where everybody counts as a program', () => {
  const page = (path: string, method = 'GET', more: readonly string[] = []) => {
    const lines = [`${method} ${path} HTTP/1.1`, 'Host: app.test', 'Accept: text/html', ...more]
    return sendRaw(gate.port, `${lines.join('\r\n')}\r\n\r\n`)
  }
  const FORM = ['Content-Type: application/x-www-form-urlencoded', 'Content-Length: 0']

  test('whoever has to sign in is told so by 401, and never led to a page', async () => {
    for (const path of ['/mixed/api/x', '/mixed/api/', '/mixed/a.json', '/mixed/%61pi/x', '/mixed/x%2fapi/a.json']) {
      const { status, body, field } = await page(path)
      expect([path, status, field('location'), JSON.parse(body.toString()).code]).toEqual([
        path,
        401,
        null,
        'access.sign_in',
      ])
    }
    const form = await page('/mixed/api/x', 'POST', FORM)
    expect([form.status, form.field('content-type')]).toEqual([401, 'application/problem+json'])
    for (const path of ['/mixed', '/mixed/x', '/mixed/apix']) {
      const { status, field } = await page(path)
      expect([path, status, field('location')]).toEqual([path, 302, expect.stringContaining('login')])
    }
  })

  test('whoever may not pass, or has to sign in anew, gets no page either', async () => {
    const { cookie } = await gate.signIn('app.test')
    const fields = [`Cookie: ${cookie}`]
    expect((await page('/mixed/x', 'GET', fields)).status).toBe(302)
    const anew = await page('/mixed/api/x', 'GET', fields)
    expect([anew.status, JSON.parse(anew.body.toString()).code]).toEqual([401, 'access.step_up'])
    expect((await page('/mixed/api/x', 'PUT', [...fields, 'Content-Length: 0'])).status).toBe(200)
  })
})
