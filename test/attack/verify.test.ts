import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { runTokens } from '../../src/cli/tokens.ts'
import { quietPorts } from '../kit/clock.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { eventually, type Gate, PORTAL, startGate } from '../kit/gate.ts'
import { runIn } from '../kit/io.ts'
import { WEBSOCKET_KEY } from '../kit/websocket-wire.ts'
import { sendRaw, type WireResponse } from '../kit/wire.ts'

const APP = 'app.example'

/** Hosts that are served here, of which no proxy in front has the application. */
const OTHERS = [
  ['proxied.example', 'upstream = "http://127.0.0.1:9"'],
  ['answered.example', 'respond = { body = "ours" }'],
  ['moved.example', 'redirect = "https://elsewhere.example/"'],
  ['filed.example', 'files = "/usr/share"'],
] as const

/** Behind a proxy on this machine that is trusted; and one that trusts another machine alone. */
let trusting: Gate
let direct: Gate

beforeAll(async () => {
  const route = (more: string, host = APP) =>
    `[[routes]]\nhost = "${host}"\nverify = true\nportal = "home"\nheaders = "x-token"\n${more}\n`
  const toml = [
    PORTAL,
    route('allow = ["user"]'),
    route('path = "/admin"\nallow = ["admin"]'),
    route('path = "/open"\nallow = "public"'),
    route('path = "/read"\nallow = ["user"]\nmethods = ["GET"]'),
    route('path = "/ruled"\nallow = ["user"]\ndeny = [{ methods = ["DELETE"] }]'),
    route('path = "/machines"\nallow = ["user"]\ntokens = true'),
    route('path = "/inner"\nallow = [{ networks = ["10.0.0.0/8"], anonymous = true }]'),
    route('path = "/cors"\nallow = ["user"]\ncors_preflight = true'),
    route('path = "/few"\nallow = "public"\nrate = { requests = 1, per = "1h" }'),
    route('path = "/friend"\nallow = ["user"]\nallowed_origins = ["https://friend.example"]'),
    route('allow = "public"', 'open.example'),
    ...OTHERS.map(([host, leads]) => `[[routes]]\nhost = "${host}"\n${leads}\nallow = "public"\n`),
    `[[routes]]\nhost = "${APP}"\npath = "/own"\nrespond = { body = "ours" }\nallow = "public"\n`,
  ].join('\n')
  trusting = await startGate(toml, { server: 'trusted_proxies = ["127.0.0.1"]\nverify = "127.0.0.1:0"' })
  direct = await startGate(toml, { server: 'trusted_proxies = ["192.0.2.1"]\nverify = "127.0.0.1:0"' })
})

afterAll(async () => {
  await trusting[Symbol.asyncDispose]()
  await direct[Symbol.asyncDispose]()
})

type Lines = readonly string[]

function send(port: number, path: string, lines: Lines, host = APP): Promise<WireResponse> {
  const head = [`GET ${path} HTTP/1.1`, `Host: ${host}`, 'Connection: close', ...lines]
  return sendRaw(port, Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'))
}

/** Asks as Caddy and Traefik do. */
const forwarded = (uri: string, more: Lines = [], method = 'GET', host = APP): Lines => [
  `X-Forwarded-Method: ${method}`,
  `X-Forwarded-Uri: ${uri}`,
  `X-Forwarded-Host: ${host}`,
  'X-Forwarded-Proto: http',
  ...more,
]
/** Asks as nginx does. */
const original = (uri: string, more: Lines = [], method = 'GET', host = APP): Lines => [
  `X-Original-Method: ${method}`,
  `X-Original-URL: http://${host}${uri}`,
  ...more,
]
const toTraefik = (lines: Lines) => send(trusting.verifyPort, '/.sallyport/verify/traefik', lines, 'sallyport')
const toEnvoy = (lines: Lines, path = '/any/path?q=1') =>
  send(trusting.verifyPort, `/.sallyport/verify/envoy${path}`, lines, 'sallyport')
const relayed = (lines: Lines) => send(trusting.verifyPort, '/.sallyport/verify', lines, 'sallyport')
const toNginx = (lines: Lines) => send(trusting.verifyPort, '/.sallyport/verify/nginx', lines, 'sallyport')
const PAGE = ['Accept: text/html', 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document']

async function cookieOf(groups: readonly string[] = [], gate = trusting): Promise<string> {
  return `Cookie: ${(await gate.signIn(APP, { sub: 'ada', groups })).cookie}`
}

describe('an untrusted peer', () => {
  const statements: Lines[] = [
    forwarded('/open'),
    original('/open'),
    forwarded('/'),
    [],
    ['X-Forwarded-For: 192.0.2.1', ...forwarded('/open')],
  ]
  test.each(statements.map(lines => [lines] as const))('gets no verdict for %p, not even of its own', async lines => {
    const cookie = await cookieOf(['admins'], direct)
    for (const path of ['/.sallyport/verify', '/.sallyport/verify/nginx']) {
      for (const own of [[], [cookie]]) {
        const answer = await send(direct.verifyPort, path, [...lines, ...own])
        expect(answer.status).toBe(403)
        expect(answer.field('x-token-subject')).toBeNull()
      }
    }
  })

  test('changes nothing by stating another request beside its own', async () => {
    for (const lines of [forwarded('/open'), original('/open'), ['X-Rewrite-URL: /open']]) {
      expect((await send(direct.port, '/', lines)).status).toBe(401)
    }
  })

  test('is not told what the application of such a route is', async () => {
    expect((await send(direct.port, '/open/x', [])).status).toBe(404)
  })
})

test('a local socket may be where proxies ask, and counts as 127.0.0.1', async () => {
  using folder = temporaryFolder()
  const socket = join(folder.path, 'verify.sock')
  const route = '[[routes]]\nhost = "app.example"\nverify = true\nallow = "public"\n'
  for (const [trusted, status] of [
    ['127.0.0.1', 204],
    ['192.0.2.1', 403],
  ]) {
    await using gate = await startGate(route, { server: `trusted_proxies = ["${trusted}"]\nverify = "unix:${socket}"` })
    const head = ['GET /.sallyport/verify HTTP/1.1', 'Host: sallyport', 'Connection: close', ...forwarded('/')]
    expect((await sendRaw(socket, `${head.join('\r\n')}\r\n\r\n`)).status).toBe(Number(status))
    expect(gate.server.verifyAddresses).toEqual([`unix:${socket}`])
  }
})

describe('where clients reach it', () => {
  const paths = ['/.sallyport/verify', '/.sallyport/verify/nginx', '/.sallyport/verify/', '/.sallyport/verify?x']

  test.each(paths)('%s is nothing, for anyone: what a script would read in the answer is not there', async path => {
    const cookie = await cookieOf(['admins'])
    for (const lines of [forwarded('/', [cookie]), original('/', [cookie]), [cookie]]) {
      for (const host of [APP, 'open.example', 'nowhere.example']) {
        const answer = await send(trusting.port, path, lines, host)
        expect([host, answer.status, answer.field('x-token-subject')]).toEqual([host, 404, null])
      }
    }
  })
})

describe('where proxies ask', () => {
  test.each([
    '/',
    '/open',
    '/.sallyport/',
    '/.sallyport/login',
    '/.sallyport/me',
    '/.sallyport/jwks.json',
    '/.sallyport/verify/x',
  ])('%s is nothing: no page of ours and no application is there', async path => {
    const cookie = await cookieOf(['admins'])
    for (const lines of [[], [cookie], forwarded('/', [cookie])]) {
      expect((await send(trusting.verifyPort, path, lines)).status).toBe(404)
    }
  })

  test('ids of requests there and elsewhere are never the same', async () => {
    await relayed(forwarded('/open'))
    await send(trusting.port, '/own', [])
    const ids = () => trusting.access.map(line => JSON.parse(line).id)
    await eventually(() => trusting.access.some(line => line.includes('"/own"')), 'the access log has both')
    expect(ids().length).toBeGreaterThan(1)
    expect(new Set(ids()).size).toBe(ids().length)
  })
})

test('who may pass is named in the fields of the route, whatever the request says in them', async () => {
  const cookie = await cookieOf(['admins'])
  const forged = ['X-Token-Subject: root', 'X-Token-User-Roles: root', 'X-Forwarded-User: root']
  for (const answer of [
    await relayed(forwarded('/admin/x', [cookie, ...forged])),
    await toNginx(original('/admin/x', [cookie, ...forged])),
  ]) {
    expect([answer.status, answer.field('x-token-subject'), answer.field('x-token-user-roles')]).toEqual([
      204,
      'ada',
      'user admin',
    ])
    expect(answer.raw.toString('latin1')).not.toContain('root')
    expect(answer.field('cookie')).toBe('')
    expect(answer.field('cache-control')).toBe('no-store')
  }
})

test('where nobody is known every field is there and empty, so that a proxy that copies it writes over what its client sent', async () => {
  const answer = await relayed(
    forwarded('/open/x', ['X-Token-Subject: root', 'Cookie: a=b; sallyport=junk; c=d', 'Authorization: Basic YTpi']),
  )
  expect(answer.status).toBe(204)
  const names = ['x-token-subject', 'x-token-user-name', 'x-token-user-email', 'x-token-user-roles']
  expect(names.map(name => answer.field(name))).toEqual(['', '', '', ''])
  expect(answer.field('cookie')).toBe('a=b; c=d')
  expect(answer.field('authorization')).toBe('Basic YTpi')
})

test.each(['X_Token_Subject', 'x.token.subject', 'X-Token_User-Roles', 'X~Token~User~Name'])(
  '%s, which an application may take for a field about who is there, is refused on every route',
  async name => {
    const cookie = await cookieOf(['admins'])
    for (const lines of [[cookie, `${name}: root`], [`${name}: root`]]) {
      for (const uri of ['/open', '/admin']) {
        for (const ask of [relayed, toTraefik, toEnvoy]) expect((await ask(forwarded(uri, lines))).status).toBe(400)
        expect((await toNginx(original(uri, lines))).status).toBe(403)
      }
    }
  },
)

test('Traefik is told nothing in empty fields, which it would pass on', async () => {
  const nobody = await toTraefik(forwarded('/open/x', ['X-Token-Subject: root', 'Cookie: sallyport=junk']))
  expect(nobody.status).toBe(204)
  for (const name of ['x-token-subject', 'x-token-user-email', 'cookie', 'authorization'])
    expect(nobody.field(name)).toBeNull()
  const known = await toTraefik(forwarded('/admin', [await cookieOf(['admins']), 'Authorization: Basic YTpi']))
  expect(['x-token-subject', 'authorization', 'cookie'].map(name => known.field(name))).toEqual([
    'ada',
    'Basic YTpi',
    null,
  ])
})

test('a path that Traefik took a prefix off before it asked is not judged', async () => {
  const answer = await toTraefik(forwarded('/open/x', ['X-Forwarded-Prefix: /admin']))
  expect(answer.status).toBe(400)
})

test('Envoy is told which fields of its client to take off', async () => {
  const removed = async (lines: Lines) =>
    (await toEnvoy(forwarded('/open', lines))).field('x-envoy-auth-headers-to-remove')
  expect(await removed(['X-Token-Subject: root', 'Cookie: a=b'])).toBe(
    'authorization,x-token-subject,x-token-user-name,x-token-user-email,x-token-user-roles,x-token-provider,x-sallyport-token',
  )
  expect(await removed([await cookieOf(['admins']), 'Authorization: Basic YTpi'])).toBe(
    'cookie,x-token-user-name,x-token-user-email,x-token-provider,x-sallyport-token',
  )
})

test('the path behind the address where Envoy asks decides nothing: the fields state what is judged', async () => {
  expect((await toEnvoy(forwarded('/admin'), '/open')).status).toBe(401)
  expect((await toEnvoy(forwarded('/open'), '/admin')).status).toBe(204)
  expect((await toEnvoy(original('/open'), '/open')).status).toBe(400)
  for (const path of ['', '/../../login', '/%2e%2e/x', '/%zz'])
    expect((await toEnvoy(forwarded('/open'), path)).status).toBeGreaterThanOrEqual(400)
})

test('a port that the scheme has anyway is no other origin: nginx says it with every host', async () => {
  const page = await send(trusting.verifyPort, '/.sallyport/verify/nginx', original('/deep', PAGE, 'GET', `${APP}:80`))
  expect(page.field('x-sallyport-sign-in')).toBe(`http://${APP}/.sallyport/login?return=%2Fdeep`)
  const odd = await toNginx(original('/deep', PAGE, 'GET', `${APP}:443`))
  expect(odd.field('x-sallyport-sign-in')).toBe(`http://${APP}:443/.sallyport/login?return=%2Fdeep`)
  const handshake = [await cookieOf(), `Sec-WebSocket-Key: ${WEBSOCKET_KEY}`, `Origin: http://${APP}`]
  expect((await toNginx(original('/', handshake, 'GET', `${APP}:80`))).status).toBe(204)
  expect((await toNginx(original('/', handshake, 'GET', `${APP}:443`))).status).toBe(403)
})

test('a host that Host contradicts is refused, where Host names one that is served here', async () => {
  const ask = (host: string, stated: string) =>
    send(trusting.verifyPort, '/.sallyport/verify', forwarded('/open', [], 'GET', stated), host)
  for (const host of ['open.example', 'OPEN.example:80', 'open.example.', 'proxied.example']) {
    expect([host, (await ask(host, APP)).status]).toEqual([host, 400])
  }
  for (const host of [APP, `${APP}:8080`, 'APP.example.', 'sallyport:9080', '127.0.0.1']) {
    expect([host, (await ask(host, APP)).status]).toEqual([host, 204])
  }
})

test('a name in other letters arrives as UTF-8, and no control character leaves', async () => {
  const { cookie } = await trusting.signIn(APP, { sub: 'gäst 雪\r\nx-evil: 1', name: 'a\nb' })
  const answer = await relayed(forwarded('/', [`Cookie: ${cookie}`]))
  expect(Buffer.from(answer.field('x-token-subject') ?? '', 'latin1').toString('utf8')).toBe('gäst 雪%0D%0Ax-evil: 1')
  expect(answer.field('x-evil')).toBeNull()
})

test('page loads are sent to sign in where answers are relayed, and nginx is told where', async () => {
  const page = await relayed(forwarded('/deep?q=1', PAGE))
  expect([page.status, page.field('location')]).toEqual([302, `http://${APP}/.sallyport/login?return=%2Fdeep%3Fq%3D1`])
  const status = await toNginx(original('/deep?q=1', PAGE))
  expect([status.status, status.field('location')]).toEqual([401, null])
  expect(status.field('x-sallyport-sign-in')).toBe(`http://${APP}/.sallyport/login?return=%2Fdeep%3Fq%3D1`)
  const program = await toNginx(original('/deep'))
  expect([program.status, program.field('x-sallyport-sign-in')]).toEqual([401, null])
  expect((await relayed(forwarded('/deep'))).status).toBe(401)
  const form = await relayed(forwarded('/deep', PAGE, 'POST'))
  expect(form.status).toBe(401)
})

test('the address to sign in at stays on the host that was asked for', async () => {
  for (const uri of ['//evil.example/x', '/\\evil.example', '/x?return=https://evil.example', '/x#@evil.example']) {
    for (const answer of [await toNginx(original(uri, PAGE)), await relayed(forwarded(uri, PAGE))]) {
      const address = answer.field('x-sallyport-sign-in') ?? answer.field('location')
      if (address === null) expect(answer.status).toBeGreaterThanOrEqual(400)
      else {
        const url = new URL(address, `http://${APP}`)
        expect(url.host).toBe(APP)
        expect(new URL(url.searchParams.get('return') ?? '', `http://${APP}`).host).toBe(APP)
      }
    }
  }
})

describe('a route that no proxy in front has the application of', () => {
  test.each(OTHERS)('%s: no verdict is given about it, though everybody may go there', async host => {
    expect((await send(trusting.port, '/', [], host)).status).not.toBe(401)
    for (const answer of [
      await relayed(forwarded('/', [], 'GET', host)),
      await toNginx(original('/', [], 'GET', host)),
      await relayed(forwarded('/', [await cookieOf(['admins'])], 'GET', host)),
    ]) {
      expect(answer.status).toBeGreaterThanOrEqual(400)
    }
  })

  test('nor is one given about a path that may be read as one of its paths', async () => {
    const cookie = await cookieOf(['admins'])
    expect((await relayed(forwarded('/own', [cookie]))).status).toBe(404)
    for (const uri of ['/OWN', '/%6fwn', '//own/x', '/;x/own', '/%2fown']) {
      expect([uri, (await relayed(forwarded(uri, [cookie]))).status]).toEqual([uri, 400])
    }
  })
})

describe('what is stated', () => {
  const cases: [title: string, lines: Lines][] = [
    ['nothing', []],
    ['no method', ['X-Forwarded-Uri: /open']],
    ['no path', ['X-Forwarded-Method: GET']],
    ['the other dialect', original('/open')],
    ['an empty path', forwarded('')],
    ['a whole address', forwarded('http://app.example/open')],
    ['a path without a slash', forwarded('open')],
    ['two paths', [...forwarded('/open'), 'X-Forwarded-Uri: /open']],
    ['two methods', [...forwarded('/open'), 'X-Forwarded-Method: GET']],
    ['two hosts', [...forwarded('/open'), 'X-Forwarded-Host: app.example']],
    ['no method that is one', forwarded('/open', [], 'G T')],
    ['TRACE', forwarded('/open', [], 'TRACE')],
    ['CONNECT', forwarded('/open', [], 'CONNECT')],
    ['a space', forwarded('/open x')],
    ['a raw letter that some backend may fold', forwarded('/open\xe2\x84\xaa')],
    ['a fragment', forwarded('/open#/../admin')],
    ['a dot segment', forwarded('/open/../admin')],
    ['an escaped dot segment', forwarded('/open/%2e%2e/admin')],
    ['several slashes in front', forwarded('//open')],
    ['a malformed escape', forwarded('/open/%zz')],
    ['a host with a path', forwarded('/open', [], 'GET', 'app.example/x')],
    ['a host with a user', forwarded('/open', [], 'GET', 'open.example@app.example')],
    ['a page of ours', forwarded('/.sallyport/login')],
    ['itself', forwarded('/.sallyport/verify')],
    ['a host that nobody serves', forwarded('/open', [], 'GET', 'nowhere.example')],
  ]
  test.each(cases)('%s: refused', async (title, lines) => {
    const cookie = await cookieOf(['admins'])
    const answer = await relayed([...lines, cookie])
    expect([answer.status >= 400 && answer.status < 500, answer.field('x-token-subject')]).toEqual([true, null])
    const same = lines.map(line =>
      line
        .replace('X-Forwarded-Method', 'X-Original-Method')
        .replace('X-Forwarded-Uri: ', 'X-Original-URL: http://app.example'),
    )
    // What states a host of the one dialect is not read in the other.
    if (title === 'the other dialect' || /host/.test(title)) return
    const { status } = await toNginx([...same, cookie])
    expect(status === 400 || status === 403).toBe(true)
  })

  test('an address in the query is not taken for the one that is asked for', async () => {
    expect((await relayed(forwarded('/admin?next=://x/open'))).status).toBe(401)
    expect((await relayed(forwarded('/admin?next=http://app.example/open'))).status).toBe(401)
    expect((await toNginx(original('/admin?next=http://app.example/open'))).status).toBe(401)
  })

  test('a host of the other dialect is not read', async () => {
    const other = ['X-Original-URL: http://open.example/', 'X-Original-Method: GET']
    expect((await relayed(forwarded('/', other))).status).toBe(401)
    expect((await toNginx(original('/', forwarded('/', [], 'GET', 'open.example')))).status).toBe(401)
  })

  test('a cookie of one host is nothing on another', async () => {
    const cookie = await cookieOf()
    expect((await relayed(forwarded('/', [cookie]))).status).toBe(204)
    const { cookie: foreign } = await trusting.signIn('open.example')
    expect((await relayed(forwarded('/', [`Cookie: ${foreign}`]))).status).toBe(401)
  })

  test('the method is the stated one, and so is that of a preflight', async () => {
    const cookie = await cookieOf()
    expect((await relayed(forwarded('/read', [cookie]))).status).toBe(204)
    expect((await relayed(forwarded('/read', [cookie], 'POST'))).status).toBe(405)
    expect((await toNginx(original('/read', [cookie], 'DELETE'))).status).toBe(403)
    const preflight = ['Origin: https://page.example', 'Access-Control-Request-Method: POST']
    expect((await relayed(forwarded('/cors', preflight, 'OPTIONS'))).status).toBe(204)
    expect((await relayed(forwarded('/cors', preflight))).status).toBe(401)
    for (const body of ['Content-Type: text/plain', 'X-Original-Body: 3', 'X-Original-Body: chunked']) {
      expect([body, (await relayed(forwarded('/cors', [...preflight, body], 'OPTIONS'))).status]).toEqual([body, 401])
      expect((await toNginx(original('/cors', [...preflight, body], 'OPTIONS'))).status).toBe(401)
    }
    for (const none of ['X-Original-Body: 0', 'X-Original-Body:']) {
      expect((await relayed(forwarded('/cors', [...preflight, none], 'OPTIONS'))).status).toBe(204)
    }
    for (const override of ['X-HTTP-Method-Override: DELETE', 'X_Method_Override: GET']) {
      expect((await relayed(forwarded('/cors', [...preflight, override], 'OPTIONS'))).status).toBe(403)
    }
    expect((await relayed(forwarded('/', preflight, 'OPTIONS'))).status).toBe(401)
  })

  const overrides: [title: string, query: string, lines: Lines][] = [
    ['X-HTTP-Method-Override', '', ['X-HTTP-Method-Override: DELETE']],
    ['X-HTTP-Method', '', ['X-HTTP-Method: DELETE']],
    ['X-Method-Override', '', ['X-Method-Override: DELETE']],
    ['another spelling', '', ['x_http.method_override: DELETE']],
    ['a parameter', '?_method=DELETE', []],
  ]
  test.each(overrides)('another method by %s: refused where methods are looked at', async (_, query, lines) => {
    const cookie = await cookieOf()
    for (const path of ['/read', '/ruled', '/READ', '/%72ead']) {
      expect([path, (await relayed(forwarded(path + query, [cookie, ...lines]))).status]).toEqual([path, 403])
      expect([path, (await toNginx(original(path + query, [cookie, ...lines]))).status]).toEqual([path, 403])
    }
    const preflight = ['Origin: https://page.example', 'Access-Control-Request-Method: POST']
    expect((await relayed(forwarded(`/cors${query}`, [...preflight, ...lines], 'OPTIONS'))).status).toBe(403)
    expect((await relayed(forwarded(`/${query}`, [cookie, ...lines]))).status).toBe(204)
    expect((await toNginx(original(`/${query}`, [cookie, ...lines]))).status).toBe(204)
  })

  test.each(overrides)('another method by %s: refused for a token of some methods', async (_, query, lines) => {
    const create = async (...more: string[]) => {
      const base = ['create', '--json', '--name', 'n', '--portal', 'home', '--service', 's', '--roles', 'user', ...more]
      const { out } = await runIn(trusting.folder, io =>
        runTokens(base, io, { ...io, ...quietPorts({ now: Date.now }) }),
      )
      return `Authorization: Bearer ${JSON.parse(out).token}`
    }
    const [any, few] = [await create(), await create('--methods', 'GET')]
    expect((await relayed(forwarded('/machines', [few]))).status).toBe(204)
    expect((await relayed(forwarded(`/machines${query}`, [few, ...lines]))).status).toBe(403)
    expect((await toNginx(original(`/machines${query}`, [few, ...lines]))).status).toBe(403)
    expect((await relayed(forwarded(`/machines${query}`, [any, ...lines]))).status).toBe(204)
  })

  test('the client’s address is the last that no trusted proxy added', async () => {
    const from = (value: string) => relayed(forwarded('/inner', [`X-Forwarded-For: ${value}`]))
    expect((await from('10.1.2.3')).status).toBe(204)
    expect((await from('10.1.2.3, 198.51.100.1')).status).toBeGreaterThanOrEqual(401)
    expect((await from('junk')).status).toBeGreaterThanOrEqual(401)
    expect((await relayed(forwarded('/inner'))).status).toBeGreaterThanOrEqual(401)
  })
})

test('a WebSocket that a page of another site opens is refused, by the field that no hop drops', async () => {
  const cookie = await cookieOf()
  const handshake = (origin: string) => [cookie, `Sec-WebSocket-Key: ${WEBSOCKET_KEY}`, `Origin: ${origin}`]
  expect((await relayed(forwarded('/', handshake('https://evil.example')))).status).toBe(403)
  expect((await toNginx(original('/', handshake('null')))).status).toBe(403)
  expect((await relayed(forwarded('/', handshake(`http://${APP}`)))).status).toBe(204)
  expect((await relayed(forwarded('/friend', handshake('https://friend.example')))).status).toBe(204)
  const [, ...nobody] = handshake('https://evil.example')
  expect((await relayed(forwarded('/open', nobody))).status).toBe(204)
  expect((await relayed(forwarded('/open', handshake('https://evil.example')))).status).toBe(403)
})

test('a rate counts what is asked about', async () => {
  expect((await relayed(forwarded('/few'))).status).toBe(204)
  const second = await relayed(forwarded('/few'))
  expect([second.status, Number(second.field('retry-after')) > 0]).toEqual([429, true])
  expect((await toNginx(original('/few'))).status).toBe(403)
})

test('nothing of a cookie or a token is in the log', async () => {
  const cookie = await cookieOf()
  await relayed(forwarded('/admin', [cookie]))
  await toNginx(original('/admin', [cookie]))
  const secret = cookie.slice(cookie.indexOf('=') + 1)
  for (const line of [...trusting.log, ...trusting.access]) expect(line).not.toContain(secret)
})
