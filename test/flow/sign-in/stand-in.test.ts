import { expect, test } from 'bun:test'
import { portalWith, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { routeForUsers, routeTo } from '../../kit/toml.ts'
import { askersOf, forwarded, original, startAsked } from '../../kit/verify.ts'
import { rawRequest } from '../../kit/wire/through.ts'
import { httpResponse, sendRaw, startRawUpstream, type WireResponse } from '../../kit/wire/wire.ts'

const WORKER = ['Sec-Fetch-Mode: same-origin', 'Sec-Fetch-Dest: serviceworker', 'Sec-Fetch-Site: same-origin']
const ASKED = ['Accept: */*', 'Service-Worker: script', ...WORKER]

const keep = untilTheEnd()
const upstream = keep(await startRawUpstream([httpResponse(200, 'OWN')]))
const passwords = `[portals.file]
htpasswd = "users.htpasswd"
insecure_cookies = true
roles.user = { any = true }
`
const gate = keep(
  await startGate(
    [
      portalWith(''),
      passwords,
      routeForUsers(upstream, 'app.test'),
      routeForUsers(upstream, 'app.test', 'path = "/wiki"'),
      routeForUsers(upstream, 'app.test', 'path = "/wide"\npass_fields = ["Service-Worker-Allowed"]'),
      routeForUsers(upstream, 'app.test', 'path = "/held"\nservice_workers = false'),
      routeForUsers(upstream, 'app.test', 'path = "/read"\nmethods = ["HEAD"]'),
      routeTo(upstream, 'app.test', 'path = "/admin"\nportal = "home"\nallow = ["admin"]'),
      routeTo(upstream, 'app.test', 'path = "/new"\nportal = "home"\nallow = [{ roles = "user", max_age = "15m" }]'),
      routeTo(upstream, 'app.test', 'path = "/open"\nallow = "public"'),
      routeTo(upstream, 'file.test', 'portal = "file"\nallow = ["user"]\npasswords = true'),
    ].join('\n'),
    { files: { 'users.htpasswd': `ada:${await Bun.password.hash('not asked', { algorithm: 'bcrypt', cost: 4 })}\n` } },
  ),
)

const ask = (path: string, fields: readonly string[] = ASKED, method = 'GET', host = 'app.test') =>
  sendRaw(gate.port, rawRequest(`${method} ${path}`, host, fields))
const isOurs = ({ body }: WireResponse) => body.toString().startsWith('// Sallyport')

test('the script of a service worker, while nobody is signed in: one of ours, as wide as the application’s may be, kept by no cache', async () => {
  for (const [path, scope] of [
    ['/sw.js', '/'],
    ['/wiki/js/sw.js?v=1', '/wiki/'],
    ['/wide/sw.js', '/'],
  ] as const) {
    const answer = await ask(path)
    expect([path, answer.status, isOurs(answer)]).toEqual([path, 200, true])
    expect(answer.field('content-type')).toBe('text/javascript; charset=utf-8')
    expect(answer.field('cache-control')).toBe('no-store')
    expect(answer.field('service-worker-allowed')).toBe(scope)
    expect(answer.field('content-security-policy')).toBe("default-src 'none'; connect-src 'self'")
    expect(answer.field('set-cookie')).toBeNull()
  }
  expect((await ask('/sw.js')).body).toEqual((await ask('/wiki/sw.js')).body)
  expect(upstream.text).toBe('')
})

test('also to WebKit, which looks for a newer one without saying what for', async () => {
  expect(isOurs(await ask('/sw.js', ['Accept: */*', 'Service-Worker: script', 'Origin: http://app.test']))).toBe(true)
})

test('also to whoever has signed in too long ago for the route', async () => {
  const { cookie } = await gate.signIn('app.test', { auth_time: Math.floor(Date.now() / 1000) - 3600 })
  expect(isOurs(await ask('/new/sw.js', [...ASKED, `Cookie: ${cookie}`]))).toBe(true)
})

test.each([
  ['a script that says so', ['Service-Worker: script', 'Sec-Fetch-Mode: cors', 'Sec-Fetch-Dest: empty']],
  ['what a worker imports', WORKER],
  ['a page of another origin', ['Service-Worker: script', 'Origin: http://else.test']],
  ['a script of a browser that tells a part of it', ['Service-Worker: script', 'Sec-Fetch-Mode: cors']],
  ['another word', ['Service-Worker: module', ...WORKER]],
  ['another site', ['Service-Worker: script', ...WORKER.slice(0, 2), 'Sec-Fetch-Site: cross-site']],
])('%s gets 401 as ever', async (_title, fields) => {
  const answer = await ask('/sw.js', fields)
  expect([answer.status, answer.field('content-type')]).toEqual([401, 'application/problem+json'])
})

test.each(['HEAD', 'POST'])('nor is it an answer to %s', async method => {
  expect((await ask('/sw.js', ASKED, method)).status).toBe(401)
})

test('nor where no worker may be, where a browser asks for a password by itself, or the method is not served', async () => {
  expect((await ask('/held/sw.js')).status).toBe(403)
  expect((await ask('/read/sw.js')).status).toBe(405)
  const answer = await ask('/sw.js', ASKED, 'GET', 'file.test')
  expect([answer.status, answer.field('www-authenticate')]).toEqual([401, 'Basic realm="sallyport", charset="UTF-8"'])
})

test('nor right after the page of a form that met no session, from which it would lead away', async () => {
  const page = await ask('/save', ['Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document', 'Accept: text/html'], 'POST')
  const cookie = page.field('set-cookie')?.split(';')[0] ?? ''
  expect([page.status, cookie]).toEqual([401, 'sallyport-form=1'])
  expect(page.field('set-cookie')).toContain('Max-Age=300;')
  expect((await ask('/sw.js', [...ASKED, `Cookie: ${cookie}`])).status).toBe(401)
})

test('whoever may open a route gets the application’s own, and whoever is signed in and may not is told so', async () => {
  const { cookie } = await gate.signIn('app.test')
  const signedIn = [...ASKED, `Cookie: ${cookie}`]
  expect((await ask('/sw.js', signedIn)).body.toString()).toBe('OWN')
  expect((await ask('/open/sw.js')).body.toString()).toBe('OWN')
  expect((await ask('/admin/sw.js', signedIn)).status).toBe(403)
})

test('a proxy in front that asks for a verdict is never told that the script may pass', async () => {
  await using asked = await startAsked()
  const { relayed, toTraefik, toEnvoy, toNginx } = askersOf(() => asked)
  for (const answer of [
    await relayed(forwarded('/sw.js', ASKED)),
    await toTraefik(forwarded('/sw.js', ASKED)),
    await toEnvoy(forwarded('/sw.js', ASKED)),
    await toNginx(original('/sw.js', ASKED)),
  ])
    expect(answer.status).toBe(401)
})
