import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { askBy } from '../../../src/base/http-client.ts'
import { examineCopying } from '../../../src/cli/doctor/stand-in.ts'
import { tablesOf } from '../../kit/accounts.ts'
import { fakeClock, quietPorts } from '../../kit/clock.ts'
import { DeviceBrowser } from '../../kit/device.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { configOf, eventually, type Gate, type GateOptions, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { BEHIND_TLS, changed, proxyTests, startBehindTls } from '../../kit/programs/recipes.ts'
import { metricOf } from '../../kit/requests.ts'
import { EVERYONE, providerTable, routeTo, SILENT } from '../../kit/toml.ts'
import { forwarded, PAGE, send } from '../../kit/verify.ts'

const AUTH = 'auth.example.test'
const APP = 'app.example.test'
const MINUTE = 60_000
const PASSWORD = 'from the operator'
const SESSION = '__Host-sallyport'
const FETCH = { 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty', accept: 'application/json' }

const keep = untilTheEnd()
const upstream = keep(
  Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: ({ headers }) => new Response(headers.get('x-token-subject')) }),
)

interface Said {
  readonly url?: string | null
  readonly binding?: string | null
  readonly hosts?: readonly string[]
  readonly server?: string
}

function file({ url = AUTH, binding = 'true', hosts = [APP] }: Said): string {
  const routes = hosts.map(host => routeTo(upstream, host, 'portal = "home"\nallow = ["user"]\nheaders = "x-token"'))
  return `[providers.people]
users = "users.toml"
[portals.home]
providers = ["people"]
${url === null ? '' : `url = "https://${url}"`}
${binding === null ? '' : `bind_sessions = ${binding}`}
${url === null ? '' : 'admin_role = "admin"'}
roles.user = { any = true }
roles.admin = { users = ["bob"] }
${routes.join('\n')}`
}

async function start(said: Said = {}, options: GateOptions = {}) {
  const clock = fakeClock(Date.now())
  const gate = await startGate(file(said), {
    ...options,
    server: `trusted_proxies = ["127.0.0.1"]\n${said.server ?? ''}`,
    files: { 'users.toml': tablesOf({}, { name: 'bob' }) },
    ports: { now: clock.now },
  })
  return Object.assign(gate, { clock })
}

async function signIn(gate: Gate, name = 'ada', origin = AUTH, host = APP): Promise<DeviceBrowser> {
  const browser = await DeviceBrowser.at(gate, `https://${origin}`, [AUTH, APP, host])
  const page = await browser.submit(await browser.open(`https://${host}/`), { name, password: PASSWORD })
  expect([page.address.host, page.text]).toEqual([host, `htpasswd:${name}`])
  return browser
}

async function bound(gate: Gate, ...given: readonly string[]): Promise<DeviceBrowser> {
  const [name = 'ada', origin = AUTH, host = APP] = given
  const browser = await signIn(gate, name, origin, host)
  expect((await browser.register()).status).toBe(200)
  return browser
}

const mayOpen = async (browser: DeviceBrowser, host = APP) => (await browser.visit(`https://${host}/`)).status === 200

test('what a browser is told of its session, and what its owner and admins see of it', async () => {
  await using gate = await start()
  const browser = await signIn(gate)
  const unbound = await browser.visit(`https://${AUTH}/.sallyport/sessions`, { headers: FETCH })
  expect(await unbound.text()).not.toContain('is_bound')
  const answer = await browser.register()
  const name = browser.proof
  expect(name).toMatch(/^__Host-sallyport-bound-[A-Za-z0-9_-]{3}$/)
  expect(await answer.json()).toEqual({
    session_identifier: expect.any(String),
    refresh_url: '/.sallyport/renew',
    scope: { include_site: false, scope_specification: [] },
    allowed_refresh_initiators: ['*'],
    credentials: [{ type: 'cookie', name, attributes: 'Path=/; HttpOnly; Secure; SameSite=Lax' }],
  })
  const [proof = ''] = answer.headers.getSetCookie()
  expect(proof.replace(/=[^;]+/, '=…')).toBe(`${name}=…; Path=/; Max-Age=540; HttpOnly; Secure; SameSite=Lax`)

  const own = await browser.visit(`https://${AUTH}/.sallyport/sessions`, { headers: FETCH })
  expect(await own.json()).toMatchObject({ sessions: [{ is_bound: true, is_this: true }] })
  expect((await browser.open(`https://${AUTH}/.sallyport/sessions`)).text).toContain('Bound to this device')
  const admin = await bound(gate, 'bob')
  const all = await admin.open(`https://${AUTH}/.sallyport/sessions?all=1`)
  expect([all.text.includes('Bound to this device'), all.text.includes('Bound to its device')]).toEqual([true, true])

  await signIn(gate, 'bob')
  const overview = await admin.open(`https://${AUTH}/.sallyport/admin`)
  expect(overview.html.texts('.figure .note').join()).toContain('2 bound to a device, 1 not')

  // A copy that comes to the portal, from anywhere.
  const thief = await DeviceBrowser.at(gate, `https://${AUTH}`, [APP], { client: '198.51.100.7' })
  thief.plant(AUTH, SESSION, browser.cookie(AUTH, SESSION) ?? '', true)
  expect((await thief.open(`https://${AUTH}/`)).html.has('input[name="password"]')).toBe(true)
  await eventually(() => gate.told('session.unproven').length === 1, 'it is noted')
  expect(JSON.parse(gate.told('session.unproven')[0] ?? '')).toMatchObject({
    user: 'htpasswd:ada',
    client: '198.51.100.7',
    host: AUTH,
    reason: 'none',
  })
  expect((await browser.open(`https://${AUTH}/.sallyport/sessions`)).text).toContain('from 198.51.100.7')
  expect((await browser.renew()).status).toBe(200)
  thief.instructions = browser.instructions
  expect((await thief.renew()).status).toBe(200)
  const counts = ['sessions_bound', 'session_proofs', 'session_unproven', 'session_thefts']
  expect(await Promise.all(counts.map(one => metricOf(gate, `sallyport_${one}_total`)))).toEqual([2, 1, 1, 1])
})

test('on an application’s host, a proof that is over is not noted where the device was last, and what is from elsewhere is its own once it is proven', async () => {
  await using gate = await start()
  const browser = await bound(gate)
  browser.forget(APP, browser.proof)
  expect(await mayOpen(browser)).toBe(false)
  expect((await browser.visit(`https://${APP}/`, { headers: FETCH })).status).toBe(401)
  expect(gate.told('session.unproven')).toEqual([])
  const moved = { 'x-forwarded-for': '203.0.113.5' }
  expect((await browser.visit(`https://${APP}/`, { headers: moved })).status).toBe(302)
  await eventually(() => gate.told('session.unproven').length === 1, 'it is noted')
  const sessions = async () => (await browser.open(`https://${AUTH}/.sallyport/sessions`)).text
  expect(await sessions()).toContain('from 203.0.113.5')
  const challenge = await browser.challenge()
  const identifier = browser.instructions?.session_identifier ?? ''
  const proof = { 'sec-secure-session-id': identifier, 'secure-session-response': await browser.device.sign(challenge) }
  expect((await browser.ask('renew', { ...proof, ...moved })).status).toBe(200)
  expect(await sessions()).not.toContain('203.0.113.5')
})

test('a browser that keeps a proof too long is rid of it, and renews before it asks again', async () => {
  await using gate = await start()
  const browser = await bound(gate)
  gate.clock.advance(11 * MINUTE)
  const address = `https://${AUTH}/.sallyport/login?return=%2Fx`
  const answer = await browser.visit(address)
  expect([answer.status, answer.headers.get('location')]).toEqual([302, '/.sallyport/login?return=%2Fx'])
  expect(browser.cookie(AUTH, browser.proof)).toBeNull()
  const next = await browser.open(address)
  expect(next.html.has('input[name="password"]')).toBe(true)
  expect((await browser.renew()).status).toBe(200)
  expect((await browser.visit(address)).headers.get('location')).toBe('/x')
})

test('where each host has a portal of its own, a proof lasts until a browser can renew all of them', async () => {
  const hosts = Array.from({ length: 36 }, (_, index) => `app${index + 1}.example.test`)
  await using gate = await start({ url: null, hosts })
  const ages: number[] = []
  for (const host of hosts) {
    const browser = await bound(gate, 'ada', host, host)
    expect(await mayOpen(browser, host)).toBe(true)
    ages.push(browser.cookieAge(host, browser.proof) ?? 0)
    if (host !== 'app6.example.test') continue
    // No browser renews those of another: only hosts count, and not on how many devices one signs in.
    const other = await bound(gate, 'ada', host, host)
    expect(other.cookieAge(host, other.proof)).toBe(660)
  }
  // In seconds: nine minutes, and from the fifth on one and a half for each, and two.
  expect(ages.slice(0, 6)).toEqual([540, 540, 540, 540, 570, 660])
  // And less than an hour, however many there are.
  expect(ages.slice(-4)).toEqual([3090, 3180, 3180, 3180])
})

test('without the key nothing is offered, and cookies count alone; with it, those who are bound prove themselves again', async () => {
  await using gate = await start({ binding: null })
  const before = await signIn(gate)
  expect(before.offered).toBeNull()
  expect((await before.ask('bind', {})).status).toBe(404)
  gate.save(file({}))
  gate.server.reload()
  // A session of before is bound to nothing, and stays as it is.
  expect(await mayOpen(before)).toBe(true)
  const browser = await bound(gate)
  browser.forget(APP, browser.proof)
  expect(await mayOpen(browser)).toBe(false)
  gate.save(file({ binding: 'false' }))
  gate.server.reload()
  expect(await mayOpen(browser)).toBe(true)
  gate.save(file({ binding: '"required"' }))
  gate.server.reload()
  expect([await mayOpen(browser), await mayOpen(before)]).toEqual([false, false])
  expect((await browser.renew()).status).toBe(200)
  expect((await browser.open(`https://${APP}/`)).text).toBe('htpasswd:ada')
  // One that is bound to nothing leads to its sign-in, and nowhere else.
  expect((await before.open(`https://${APP}/`)).html.has('input[name="password"]')).toBe(true)
})

test('a client that asks too often is told to come back: a browser gives its session up for any other refusal', async () => {
  await using gate = await start({ server: 'rate = { requests = 10, per = "1h" }' })
  const browser = await DeviceBrowser.at(gate, `https://${AUTH}`, [APP])
  const statuses = new Set<number>()
  for (let count = 0; count < 12; count++) statuses.add((await browser.ask('renew', {})).status)
  expect([...statuses]).toEqual([200, 503])
  expect((await browser.ask('bind', {})).status).toBe(429)
  expect(await metricOf(gate, 'sallyport_rate_limited_total')).toBe(3)
  await using other = await start({ binding: null, server: 'rate = { requests = 1, per = "1h" }' })
  const unbound = await DeviceBrowser.at(other, `https://${AUTH}`, [APP])
  expect([(await unbound.ask('renew', {})).status, (await unbound.ask('renew', {})).status]).toEqual([404, 429])
})

test('a proxy in front that asks gets the same word: no proof, no session', async () => {
  const verifying = file({}).replace(/upstream = "[^"]*"/, 'verify = true')
  await using gate = await startGate(verifying, {
    server: 'trusted_proxies = ["127.0.0.1"]\nverify = "127.0.0.1:0"',
    files: { 'users.toml': tablesOf({}) },
  })
  const browser = await DeviceBrowser.at(gate, `https://${AUTH}`, [APP])
  const page = await browser.open(`https://${AUTH}/`)
  await browser.submit(page, { name: 'ada', password: PASSWORD })
  expect((await browser.register()).status).toBe(200)
  // Its host gets a cookie by the way that browsers go.
  const to = await browser.visit(`https://${APP}/.sallyport/login`)
  await browser.open(new URL(to.headers.get('location') ?? '', `https://${APP}`))
  const [session, proof] = [SESSION, browser.proof].map(name => `${name}=${browser.cookie(APP, name)}`)
  const asked = async (cookie: string, kind = PAGE as readonly string[]) => {
    const lines = forwarded('/', [...kind, `Cookie: ${cookie}`], 'GET', APP).map(line =>
      line.replace('Proto: http', 'Proto: https'),
    )
    return (await send(gate.verifyPort, '/.sallyport/verify', lines, 'sallyport')).status
  }
  expect(await asked(`${session}; ${proof}`)).toBe(204)
  expect(await asked(`${session}`)).toBe(302)
  expect(await asked(`${session}`, ['Accept: */*'])).toBe(401)
})

const [FRONT_AUTH, FRONT_APP] = ['auth.example.com', 'app.example.com']

/** An application that reads the fields of the recipe. */
const named = keep(
  Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: ({ headers }) => new Response(`${headers.get('remote-name')} ${headers.get('cookie')}`),
  }),
)

function startAsked(): Promise<Gate> {
  const verifying = file({ url: FRONT_AUTH, hosts: [FRONT_APP] })
    .replace(/upstream = "[^"]*"/, 'verify = true')
    .replace('"x-token"', '"remote"')
  return startGate(verifying, {
    server: 'trusted_proxies = ["127.0.0.1"]\nverify = "127.0.0.1:0"',
    files: { 'users.toml': tablesOf({}, { name: 'bob' }) },
  })
}

async function signInThrough(front: { readonly port: number }): Promise<DeviceBrowser> {
  const browser = await DeviceBrowser.at(front, `https://${FRONT_AUTH}`, [FRONT_APP])
  const form = await browser.open(`https://${FRONT_APP}/`)
  const page = await browser.submit(form, { name: 'ada', password: PASSWORD })
  expect([page.address.host, page.text]).toEqual([FRONT_APP, 'ada null'])
  return browser
}

for (const name of BEHIND_TLS) {
  proxyTests(name).test(
    `behind a real ${name} that asks by the recipe, sessions are bound and renewed, and count with their proof alone`,
    async () => {
      await using gate = await startAsked()
      using folder = temporaryFolder()
      await using front = await startBehindTls(name, folder.path, gate, named.port ?? 0)
      const browser = await signInThrough(front)
      expect((await browser.register()).status).toBe(200)
      expect((await browser.renew()).status).toBe(200)
      browser.forget(FRONT_APP, browser.proof)
      const app = `https://${FRONT_APP}/`
      const refused = await browser.visit(app, { headers: FETCH })
      // The controller of an ingress leads programs there, too, and by the application's host.
      const isIngress = name === 'ingress-nginx'
      const login = `https://${isIngress ? FRONT_APP : FRONT_AUTH}/.sallyport/login?`
      if (isIngress) expect(refused.headers.get('location')).toStartWith(login)
      else expect([refused.status, await refused.json()]).toMatchObject([401, { sign_in: expect.any(String) }])
      expect((await browser.visit(app)).headers.get('location')).toStartWith(login)
      expect((await browser.open(app)).text).toBe('ada null')
    },
  )
}

needs('nginx').test('a proxy that drops the fields of bound sessions binds nothing, on either way', async () => {
  await using gate = await startAsked()
  using folder = temporaryFolder()
  const portal = 'location / {\n        proxy_pass http://sallyport:8080;'
  const lost = 'proxy_hide_header Secure-Session-Registration; proxy_set_header Secure-Session-Response "";'
  const spoil = changed([portal, `${portal} ${lost}`])
  await using front = await startBehindTls('nginx', folder.path, gate, named.port ?? 0, spoil)
  const unbound = await signInThrough(front)
  expect(unbound.offered).toBeNull()
  using whole = temporaryFolder()
  await using other = await startBehindTls('nginx', whole.path, gate, named.port ?? 0)
  unbound.offered = (await signInThrough(other)).offered
  expect((await unbound.register()).status).toBe(403)
  expect(await mayOpen(unbound, FRONT_APP)).toBe(true)
})

test('the doctor in place of an application is let through where sessions have to be bound', async () => {
  const portal = `url = "https://${AUTH}"\nproviders = ["id"]\nbind_sessions = "required"\n${EVERYONE}`
  const route = `host = "${APP}"\nverify = true\nportal = "home"\nallow = ["user"]\nheaders = "x-token"`
  await using gate = await startGate(`${providerTable(SILENT)}\n[portals.home]\n${portal}\n[[routes]]\n${route}`, {
    server: 'trusted_proxies = ["127.0.0.1"]\nverify = "127.0.0.1:0"',
  })
  const path = join(gate.folder, 'doctor.sock')
  // A proxy in front that asks, and copies.
  const ask = askBy(async (address, init) => {
    const { pathname, search } = new URL(address)
    const sent = [...new Headers(init.headers)].map(([name, value]) => `${name}: ${value}`)
    const lines = forwarded(pathname + search, sent, 'GET', APP).map(line =>
      line.replace('Proto: http', 'Proto: https'),
    )
    const verdict = await send(gate.verifyPort, '/.sallyport/verify', lines, 'sallyport')
    if (verdict.status !== 204) return new Response(null, { status: verdict.status })
    const headers = new Headers({ host: APP })
    for (const [name, value] of verdict.fields) if (/^(?:x-token-|cookie$)/i.test(name)) headers.set(name, value)
    return fetch(`http://doctor${pathname}${search}`, { headers, unix: path })
  })
  const { findings } = await examineCopying(configOf(gate), { kind: 'unix', path }, { ...quietPorts(Date), ask })
  expect(findings.map(({ grade, what }) => `${grade}: ${what}`)).toEqual([
    `good: https://${APP}: every field of the route is copied, and its host arrives`,
  ])
})
