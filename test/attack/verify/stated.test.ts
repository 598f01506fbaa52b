import { describe, expect, test } from 'bun:test'
import { createToken } from '../../kit/commands.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { APP, askersOf, forwarded, type Lines, original, PAGE, send, startAsked } from '../../kit/verify.ts'
import { WEBSOCKET_KEY } from '../../kit/wire/websocket.ts'

const keep = untilTheEnd()
/** Behind a proxy on this machine that is trusted. */
const trusting = keep(await startAsked())

const { relayed, toTraefik, toEnvoy, toNginx, toIngress, cookieOf } = askersOf(() => trusting)

test('a path that Traefik took a prefix off before it asked is not judged', async () => {
  const answer = await toTraefik(forwarded('/open/x', ['X-Forwarded-Prefix: /admin']))
  expect(answer.status).toBe(400)
})

test('fields that contradict the request by which Envoy asks are refused: a client may have written them', async () => {
  expect((await toEnvoy(forwarded('/open?a=b%20c'))).status).toBe(200)
  expect((await toEnvoy(forwarded('/open/a|b'))).status).toBe(200)
  expect((await toEnvoy(forwarded('/admin'))).status).toBe(401)
  for (const path of ['/admin', '/open/', '/open?q', '/OPEN', '', '/../../login', '/%2e%2e/x', '/%zz'])
    expect([path, (await toEnvoy(forwarded('/open'), path)).status >= 400]).toEqual([path, true])
  expect((await toEnvoy(forwarded('/open'), '/open', 'DELETE')).status).toBe(400)
  expect((await toEnvoy(original('/open'), '/open')).status).toBe(200)
  expect((await toEnvoy(original('/open'), '/admin')).status).toBe(400)
})

test('where Envoy adds no fields, its own request is judged, and no field that a client writes is in its place', async () => {
  const ask = async (path: string, lines: Lines = [], method = 'GET', host = APP) =>
    (await toEnvoy(lines, path, method, host)).status
  expect([await ask('/open/x?a=b%20c'), await ask('/admin'), await ask('/')]).toEqual([200, 401, 401])
  expect(await ask('/admin', [await cookieOf(['admins'])])).toBe(200)
  expect(await ask('/read', [await cookieOf()], 'POST')).toBe(405)
  expect(await ask('/x', [], 'GET', 'open.example')).toBe(200)
  for (const field of [
    'X-Forwarded-Uri: /open',
    'X-Forwarded-Method: OPTIONS',
    'X-Forwarded-Host: open.example',
    `X-Forwarded-Host: ${APP}:8080`,
    'X-Forwarded-Host: ',
    'X-Original-URL: /open',
    'X_Forwarded_Uri: /open',
    'X_Forwarded_Host: open.example',
  ]) {
    for (const path of ['/admin', '/', '/nowhere']) expect([field, await ask(path, [field])]).toEqual([field, 400])
    // Of a host that is not served here, and of one that is for everybody.
    expect(await ask('/secret', [field], 'GET', 'elsewhere.example')).toBeGreaterThan(399)
  }
  expect(await ask('/open', [`X-Forwarded-Host: ${APP}`, 'X-Forwarded-Uri: /open', 'X-Forwarded-Method: GET'])).toBe(
    200,
  )
  expect(await ask('/open', ['X-Forwarded-Host: open.example, app.example'])).toBe(400)
  expect(await ask('/%61dmin')).toBeGreaterThan(399)
  expect(await ask('/../../login')).toBeGreaterThan(399)
})

test('a host that the ingress has from its client is judged only where it is the one that nginx chose', async () => {
  const about = (chosen: Lines) => toIngress(original('/open', chosen, 'GET', `${APP}:8080`))
  expect((await about([`X-Forwarded-Host: ${APP}`])).status).toBe(204)
  expect((await about([`X-Forwarded-Host: ${APP.toUpperCase()}`])).status).toBe(204)
  for (const chosen of [
    [],
    ['X-Forwarded-Host: open.example'],
    ['X-Forwarded-Host: '],
    ['X-Forwarded-Host: a b'],
    [`X-Forwarded-Host: ${APP}`, 'X-Forwarded-Host: open.example'],
  ]) {
    expect([chosen, (await about(chosen)).status]).toEqual([chosen, 403])
  }
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

test('a handshake of a WebSocket is no plain request where the route lets none through: the proxy in front would pass it on', async () => {
  for (const lines of [
    [`Sec-WebSocket-Key: ${WEBSOCKET_KEY}`],
    ['Sec-WebSocket-Version: 13'],
    ['Upgrade: WebSocket'],
  ]) {
    expect((await relayed(forwarded('/plain', lines))).status).toBe(400)
    expect((await toNginx(original('/plain', lines))).status).toBe(403)
    expect((await relayed(forwarded('/open', lines))).status).toBe(204)
  }
  expect((await relayed(forwarded('/plain'))).status).toBe(204)
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
    const create = async (...more: string[]) => `Authorization: Bearer ${(await createToken(trusting, more)).token}`
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
