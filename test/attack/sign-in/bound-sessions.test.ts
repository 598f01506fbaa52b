import { Database } from 'bun:sqlite'
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { join } from 'node:path'
import { exportJWK, SignJWT } from 'jose'
import { personOf } from '../../../src/identity/passwords/users.ts'
import { openSessionState } from '../../../src/process/session-state.ts'
import { tablesOf } from '../../kit/accounts.ts'
import { fakeClock, quietPorts, type SettableClock } from '../../kit/clock.ts'
import { challengeOf, DeviceBrowser, makeDevice } from '../../kit/device.ts'
import { bearer, SCRIPT } from '../../kit/fields.ts'
import { eventually, type Gate, startGate } from '../../kit/gate.ts'
import { McpClient } from '../../kit/mcp/client.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { fetchFrom } from '../../kit/requests.ts'
import { routeTo } from '../../kit/toml.ts'

const AUTH = 'auth.example.test'
const ONE = 'one.example.test'
const TWO = 'two.example.test'
/** Where another portal is. */
const OTHER = 'other.example.test'
const MINUTE = 60_000
const PASSWORD = 'from the operator'
const SESSION = '__Host-sallyport'

const keep = untilTheEnd()
const upstream = keep(
  Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: ({ headers }) => {
      const told = ['x-token-subject', 'cookie', 'secure-session-skipped'].flatMap(name => headers.get(name) ?? [])
      return new Response(told.join(' '), { headers: { 'secure-session-registration': 'theirs' } })
    },
  }),
)

function file(mode: string): string {
  const route = (host: string, portal = 'home', more = '') =>
    routeTo(upstream, host, `portal = "${portal}"\nallow = ["user"]\nheaders = "x-token"\n${more}`)
  return `[audit]
keep = "30d"
[providers.people]
users = "users.toml"
[portals.home]
url = "https://${AUTH}"
compat = "oauth2-proxy"
providers = ["people"]
bind_sessions = ${mode}
personal_tokens = true
guest_links = { allow = ["user"] }
roles.user = { any = true }
[portals.other]
url = "https://${OTHER}"
providers = ["people"]
bind_sessions = true
roles.user = { any = true }
${route(ONE, 'home', 'tokens = true')}
${route(ONE, 'home', 'path = "/mcp"\nmcp = true')}
${routeTo(upstream, ONE, 'path = "/board"\nportal = "home"\nallow = ["user", { guest_link = true }]')}
${route(TWO)}
${route(OTHER, 'other')}`
}

let clock: SettableClock
let gate: Gate

async function start(mode = 'true'): Promise<void> {
  clock = fakeClock(Date.now())
  gate = await startGate(file(mode), {
    server: 'trusted_proxies = ["127.0.0.1"]',
    files: { 'users.toml': tablesOf({}, { name: 'bob' }) },
    ports: { now: clock.now },
  })
}

beforeEach(() => start())
afterEach(() => gate[Symbol.asyncDispose]())

function comes(client?: string, host = AUTH): Promise<DeviceBrowser> {
  return DeviceBrowser.at(gate, `https://${host}`, [ONE, TWO, AUTH, OTHER], client === undefined ? {} : { client })
}

/** Signs somebody in by the form, at the application on `host`. */
async function signIn(browser: DeviceBrowser, name = 'ada', host = ONE): Promise<DeviceBrowser> {
  const page = await browser.open(`https://${host}/`)
  const answer = await browser.submit(page, { name, password: PASSWORD })
  const isTold = answer.text.includes('used without your device')
  const after = isTold ? await browser.follow(answer, 'Continue') : answer
  if (after.address.host !== host) throw new Error(`${after.address.href}: ${after.text}`)
  return browser
}

async function bound(browser?: DeviceBrowser, name = 'ada'): Promise<DeviceBrowser> {
  const one = await signIn(browser ?? (await comes()), name)
  expect((await one.register()).status).toBe(200)
  return one
}

/** A browser that has what a thief copied: the session's cookies, and the proofs if `isWhole`. */
async function copyOf(owner: DeviceBrowser, isWhole = false, client = '198.51.100.7'): Promise<DeviceBrowser> {
  const thief = await comes(client)
  for (const host of [AUTH, ONE]) {
    for (const { name, value } of owner.cookiesLike(host, SESSION)) {
      if (name === SESSION || (isWhole && name.includes('-bound-'))) thief.plant(host, name, value, true)
    }
  }
  return thief
}

/** As a browser does it when its cookie is over. */
function dropProofs(browser: DeviceBrowser, ...hosts: readonly string[]): void {
  for (const host of hosts) browser.forget(host, browser.proof)
}

const statusAt = async (browser: DeviceBrowser, host = ONE, headers = {}) =>
  (await browser.visit(`https://${host}/`, { headers })).status
const FETCH = { 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty', accept: '*/*' }
const clientsOf = (event: string) => gate.told(`"event":"${event}"`).map(line => JSON.parse(line).client)

test('a copied cookie is of no use without the proof, and of a copied proof after ten minutes; the session stays its owner’s', async () => {
  const owner = await bound()
  expect(await statusAt(owner)).toBe(200)
  const [thief, whole] = [await copyOf(owner), await copyOf(owner, true)]
  expect([await statusAt(thief), await statusAt(thief, ONE, FETCH)]).toEqual([302, 401])
  expect(await statusAt(whole)).toBe(200)
  clock.advance(9 * MINUTE)
  expect((await owner.renew()).status).toBe(200)
  clock.advance(MINUTE + 1)
  expect([await statusAt(whole), await statusAt(whole, ONE, FETCH)]).toEqual([302, 401])
  // Nor does the way by the portal help: no ticket is given, and nobody is signed out by it.
  expect((await whole.open(`https://${ONE}/`)).address.host).toBe(AUTH)
  dropProofs(owner, ONE)
  expect((await owner.open(`https://${ONE}/`)).text).toContain('htpasswd:ada')
  expect(clientsOf('session.theft')).toEqual([])
  await eventually(() => clientsOf('session.unproven').length > 0, 'the copies are noted')
  expect(new Set(clientsOf('session.unproven'))).toEqual(new Set(['198.51.100.7']))
})

test('an application’s host is proven no longer than the portal is, however late its ticket', async () => {
  const owner = await bound()
  clock.advance(9 * MINUTE)
  dropProofs(owner, ONE)
  expect((await owner.open(`https://${ONE}/`)).text).toContain('htpasswd:ada')
  expect(owner.cookieAge(ONE, owner.proof)).toBeLessThanOrEqual(60)
  const thief = await copyOf(owner, true)
  expect(await statusAt(thief)).toBe(200)
  clock.advance(MINUTE + 1)
  expect(await statusAt(thief)).toBe(302)
})

test('what is asked of a proof: each wrong one is answered with another challenge, and the session goes on', async () => {
  const owner = await bound()
  const other = await bound(await comes(), 'bob')
  const name = owner.proof
  const before = owner.cookie(AUTH, name)
  const jwk = await exportJWK(owner.device.publicKey)
  const publicBytes = new TextEncoder().encode(JSON.stringify(jwk))
  const unsigned = async (challenge: string, alg: string) => {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    return `${part({ alg, typ: 'dbsc+jwt' })}.${part({ jti: challenge })}.${alg === 'none' ? '' : 'AAAA'}`
  }
  const fresh = () => owner.challenge()
  const used = await owner.device.sign(await fresh())
  expect((await owner.answer(used)).status).toBe(200)
  const late = await owner.device.sign(await fresh())
  clock.advance(5 * MINUTE + 1)
  const wrong: Readonly<Record<string, string>> = {
    'a challenge that was answered': used,
    'a challenge that is over': late,
    'a challenge of another session': await owner.device.sign(await other.challenge()),
    'a challenge of a registration': await owner.device.sign(owner.offered ?? ''),
    'a challenge of the device’s own': await owner.device.sign('mine'),
    'another type': await owner.device.sign(await fresh(), { header: { typ: 'JWT' } }),
    'no type': await owner.device.sign(await fresh(), { header: { typ: undefined } }),
    'no algorithm': await unsigned(await fresh(), 'none'),
    'another algorithm': await unsigned(await fresh(), 'RS256'),
    'the public key as a secret': await new SignJWT({ jti: await fresh() })
      .setProtectedHeader({ alg: 'HS256', typ: 'dbsc+jwt' })
      .sign(publicBytes),
    'no proof': 'x.y',
    'a long one': `${'a'.repeat(5000)}.b.c`,
  }
  const renewed = owner.cookie(AUTH, name)
  expect(renewed).not.toBe(before)
  for (const [what, proof] of Object.entries(wrong)) {
    const answer = await owner.answer(proof)
    expect([what, answer.status, answer.headers.getSetCookie()]).toEqual([what, 403, []])
    expect(challengeOf(answer)).not.toBe('')
  }
  expect(owner.cookie(AUTH, name)).toBe(renewed)
  expect((await owner.renew()).status).toBe(200)
  dropProofs(owner, ONE)
  expect((await owner.open(`https://${ONE}/`)).text).toContain('htpasswd:ada')
  expect(clientsOf('session.theft')).toEqual([])
})

test('theft is told, though the store fails to end the session at that moment', async () => {
  const owner = await bound()
  const thief = await copyOf(owner, true)
  thief.instructions = owner.instructions
  const database = new Database(join(gate.folder, 'sallyport.db'))
  database.run("CREATE TRIGGER fail BEFORE DELETE ON sessions BEGIN SELECT RAISE(ABORT, 'not now'); END")
  expect((await thief.renew()).status).toBe(503)
  database.run('DROP TRIGGER fail')
  database.close()
  expect(clientsOf('session.theft')).toEqual(['198.51.100.7'])
  await eventually(async () => (await statusAt(owner)) === 302, 'the session has ended')
  const told = await owner.submit(await owner.open(`https://${ONE}/`), { name: 'ada', password: PASSWORD })
  expect(told.text).toContain('198.51.100.7')
})

test('a signature by another key is theft: that ends the session everywhere, and is told', async () => {
  const owner = await bound()
  const thief = await copyOf(owner, true)
  thief.instructions = owner.instructions
  const answer = await thief.renew()
  expect([answer.status, answer.headers.getSetCookie(), await answer.json()]).toEqual([
    200,
    [],
    { session_identifier: owner.instructions?.session_identifier, continue: false },
  ])
  expect([await statusAt(owner), await statusAt(thief)]).toEqual([302, 302])
  expect(clientsOf('session.theft')).toEqual(['198.51.100.7'])
  // Its owner’s browser is told to forget it, and they sign in again.
  expect(await (await owner.answer(await owner.device.sign('x'))).json()).toMatchObject({ continue: false })
  const told = await owner.submit(await owner.open(`https://${ONE}/`), { name: 'ada', password: PASSWORD })
  expect(told.text).toContain('198.51.100.7')
})

test('a stranger’s identifier, and one with the cookie of another session, lead to nothing', async () => {
  const owner = await bound()
  const other = await bound(await comes(), 'bob')
  const identifier = owner.instructions?.session_identifier ?? ''
  for (const [browser, said] of [
    [await comes(), 'mine'],
    [await comes(), `${identifier}A`],
    [other, identifier],
  ] as const) {
    const answer = await browser.ask('renew', { 'sec-secure-session-id': said })
    expect([answer.status, await answer.json()]).toEqual([200, { session_identifier: said, continue: false }])
  }
  expect((await owner.renew()).status).toBe(200)
})

test('a proof’s cookie that was forged, or is another host’s, session’s or portal’s, proves nothing', async () => {
  const owner = await bound()
  const second = await bound(await comes(), 'ada')
  expect(second.cookie(ONE, SESSION)).not.toBe(owner.cookie(ONE, SESSION))
  const elsewhere = await signIn(await comes(undefined, OTHER), 'ada', OTHER)
  expect((await elsewhere.register()).status).toBe(200)
  await owner.open(`https://${TWO}/`)
  const values = {
    'of another host': owner.cookie(AUTH, owner.proof),
    'of another application': owner.cookie(TWO, owner.proof),
    'of another session of the same person': second.cookie(ONE, second.proof),
    'of another portal': elsewhere.cookie(OTHER, elsewhere.proof),
    'of nobody': 'A'.repeat(150),
    'the session’s cookie itself': owner.cookie(ONE, SESSION),
    'the identifier': owner.instructions?.session_identifier,
    empty: '',
    long: 'A'.repeat(5000),
  }
  for (const [what, value] of Object.entries(values)) {
    expect([what, typeof value]).toEqual([what, 'string'])
    const thief = await copyOf(owner)
    thief.plant(ONE, owner.proof, value ?? '', true)
    expect([what, await statusAt(thief), await statusAt(thief, ONE, FETCH)]).toEqual([what, 302, 401])
  }
  expect(await statusAt(owner)).toBe(200)
})

test('a session is bound once, to the key that signed the challenge of its own sign-in', async () => {
  const owner = await signIn(await comes())
  const offered = owner.offered ?? ''
  const thief = await makeDevice()
  const other = await bound(await comes(), 'bob')
  const refusedFor = async (browser: DeviceBrowser, proof: string) => {
    const answer = await browser.register(proof)
    expect(answer.headers.getSetCookie()).toEqual([])
    return answer.status
  }
  // Whoever has its cookie alone was never given its challenge.
  const copy = await copyOf(owner)
  expect(await refusedFor(copy, await thief.sign('guessed', { isNew: true }))).toBe(403)
  expect(await refusedFor(copy, await thief.sign(other.offered ?? '', { isNew: true }))).toBe(403)
  expect(await refusedFor(other, await other.device.sign(offered, { isNew: true }))).toBe(403)
  expect(await refusedFor(owner, await owner.device.sign(offered))).toBe(403)
  const theirs = await exportJWK(thief.publicKey)
  expect(await refusedFor(owner, await owner.device.sign(offered, { header: { jwk: theirs } }))).toBe(403)
  expect(await refusedFor(owner, await owner.device.sign(offered, { isNew: true, header: { typ: 'JWT' } }))).toBe(403)
  expect((await owner.register(await owner.device.sign(offered, { isNew: true }))).status).toBe(200)
  expect(await refusedFor(owner, await owner.device.sign(offered, { isNew: true }))).toBe(403)
  expect(await refusedFor(copy, await thief.sign(offered, { isNew: true }))).toBe(403)
  expect((await owner.renew()).status).toBe(200)
})

test('an offer is over after five minutes, and none is made but at a sign-in', async () => {
  const owner = await signIn(await comes())
  clock.advance(5 * MINUTE + 1)
  expect((await owner.register()).status).toBe(403)
  owner.offered = null
  for (const address of [`https://${AUTH}/`, `https://${AUTH}/.sallyport/login`, `https://${ONE}/`])
    await owner.open(address)
  expect(owner.offered).toBeNull()
  // A browser that binds nothing goes on as without.
  clock.advance(60 * MINUTE)
  expect(await statusAt(owner)).toBe(200)
})

test('no page of another site binds or renews anything', async () => {
  const owner = await signIn(await comes())
  const proof = await owner.device.sign(owner.offered ?? '', { isNew: true })
  for (const foreign of [
    { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
    { origin: `https://${ONE}`, 'sec-fetch-site': 'same-site' },
    { origin: 'https://evil.example', 'sec-fetch-site': '' },
  ]) {
    expect((await owner.register(proof, foreign)).status).toBe(403)
    const asked = await owner.ask('renew', { 'sec-secure-session-id': 'x', ...foreign })
    expect([asked.status, asked.headers.get('secure-session-challenge')]).toEqual([403, null])
  }
  const preflight = {
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'secure-session-response',
  }
  const answer = await owner.visit(`https://${AUTH}/.sallyport/bind`, {
    method: 'OPTIONS',
    headers: { origin: `https://${ONE}`, ...preflight },
  })
  expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([405, null])
  expect((await owner.register(proof)).status).toBe(200)
})

test('the applications’ hosts bind nothing, and applications see no proof', async () => {
  const owner = await bound()
  const page = await owner.open(`https://${ONE}/`)
  expect(page.text).toBe('htpasswd:ada')
  // Whoever knows the name of a bound session can end it by a wrong signature; and what an application registers takes part in the quota.
  const skipped = `quota_exceeded;session_identifier="${owner.instructions?.session_identifier}"`
  const answer = await owner.visit(`https://${ONE}/`, { headers: { 'secure-session-skipped': skipped } })
  expect([await answer.text(), answer.headers.get('secure-session-registration')]).toEqual(['htpasswd:ada', null])
  for (const name of ['bind', 'renew']) {
    const answer = await owner.visit(`https://${ONE}/.sallyport/${name}`, { method: 'POST' })
    expect([name, answer.status]).toEqual([name, 404])
  }
})

test('another user’s sign-in with a copied cookie leaves its session alone; the person’s own one takes its place', async () => {
  const owner = await bound()
  const thief = await signIn(await copyOf(owner), 'bob')
  expect((await thief.open(`https://${ONE}/`)).text).toContain('htpasswd:bob')
  expect((await owner.renew()).status).toBe(200)
  dropProofs(owner, AUTH, ONE)
  // Chromium came to its quota: the person signs in again, and is bound again.
  const before = owner.cookie(AUTH, SESSION)
  owner.offered = null
  await signIn(owner)
  expect(owner.offered).not.toBeNull()
  expect(owner.cookie(AUTH, SESSION)).not.toBe(before)
  expect((await owner.register()).status).toBe(200)
  const old = await comes()
  old.plant(AUTH, SESSION, before ?? '', true)
  expect((await old.visit(`https://${AUTH}/.sallyport/sessions`)).status).toBe(302)
})

test('who signs out where the device is not proven has signed out; the page says nothing of who it was', async () => {
  const owner = await bound()
  const name = owner.proof
  const proof = owner.cookie(AUTH, name) ?? ''
  dropProofs(owner, AUTH)
  const page = await owner.open(`https://${AUTH}/.sallyport/logout`)
  expect([page.html.has('form[action="/.sallyport/logout"]'), /\bada\b/.test(page.text)]).toEqual([true, false])
  const foreign = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }
  const forced = await owner.visit(`https://${AUTH}/.sallyport/logout`, { method: 'POST', headers: foreign })
  expect(forced.status).toBe(403)
  expect(await statusAt(owner)).toBe(200)
  await owner.submit(page, {})
  expect(await (await owner.answer('x.y.z')).json()).toMatchObject({ continue: false })
  owner.plant(AUTH, name, proof, true)
  expect([await statusAt(owner, AUTH), await statusAt(owner)]).toEqual([302, 302])
  expect(clientsOf('sign_out')).toEqual(['192.0.2.1'])
  // By the old address too.
  const other = await bound(await comes(), 'bob')
  dropProofs(other, AUTH)
  const typed = { 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }
  expect((await other.visit(`https://${AUTH}/oauth2/sign_out`, { headers: typed })).status).toBe(302)
  expect(await (await other.answer('x.y.z')).json()).toMatchObject({ continue: false })
})

test('an application’s host has one cookie of a session that counts, however often it was proven anew', async () => {
  const owner = await bound()
  for (let count = 0; count < 3; count++) {
    clock.advance(9 * MINUTE)
    expect((await owner.renew()).status).toBe(200)
    dropProofs(owner, ONE)
    expect((await owner.open(`https://${ONE}/`)).text).toContain('htpasswd:ada')
  }
  using database = new Database(join(gate.folder, 'sallyport.db'), { readonly: true })
  const kept = database.query('SELECT host, until_ms FROM handles WHERE until_ms IS NULL ORDER BY host')
  expect(kept.all()).toEqual([AUTH, ONE].map(host => ({ host, until_ms: null })))
})

test('a sign-in that tells its user something first binds its session like any other', async () => {
  const { sessions } = openSessionState(gate.server.config, quietPorts(clock))
  const provider = gate.server.config.providers.get('people')
  const person = provider === undefined ? null : personOf(provider, 'ada')
  if (person === null) throw new Error('ada is in the file')
  const notice = { what: 'recovery', atMs: clock.now() } as const
  await sessions.accounts.note(person, before => ({ ...before, notices: [notice] }))
  await sessions.close()
  const owner = await comes()
  const told = await owner.submit(await owner.open(`https://${ONE}/`), { name: 'ada', password: PASSWORD })
  expect([told.address.host, told.text.includes('A recovery code was used to sign in')]).toEqual([AUTH, true])
  expect((await owner.register()).status).toBe(200)
  expect((await owner.follow(told, 'Continue')).address.host).toBe(ONE)
  expect([await statusAt(owner), await statusAt(await copyOf(owner))]).toEqual([200, 302])
})

test('a clock that is set back makes no copied proof last longer, and the device proves itself anew', async () => {
  const owner = await bound()
  const whole = await copyOf(owner, true)
  expect(await statusAt(whole)).toBe(200)
  for (const [ahead, status] of [
    // As between machines.
    [-29_000, 200],
    [-50 * MINUTE, 302],
  ] as const) {
    clock.set(ahead)
    expect([ahead, await statusAt(whole), await statusAt(owner)]).toEqual([ahead, status, status])
  }
  expect((await owner.open(`https://${ONE}/`)).address.host).toBe(AUTH)
  expect(owner.cookie(AUTH, owner.proof)).toBeNull()
  expect((await owner.renew()).status).toBe(200)
  expect((await owner.open(`https://${ONE}/`)).text).toContain('htpasswd:ada')
  expect([await statusAt(owner), await statusAt(whole)]).toEqual([200, 302])
})

test.each(['true', '"required"'])(
  'with %s, neither a client of MCP nor a guest is asked for a device, long after the proof of who let them in',
  async mode => {
    await gate[Symbol.asyncDispose]()
    await start(mode)
    const owner = await comes()
    await owner.submit(await owner.open(`https://${ONE}/`), { name: 'ada', password: PASSWORD })
    expect((await owner.register()).status).toBe(200)
    const [session, proof] = [SESSION, owner.proof].map(name => `${name}=${owner.cookie(AUTH, name)}`)
    const resource = `https://${ONE}/mcp`
    const client = new McpClient(gate, AUTH)
    expect((await client.register()).status).toBe(201)
    // Who lets them in is asked: the cookie alone leads to the sign-in.
    expect(await client.code(resource, session ?? '')).toBe('')
    const given = await client.redeem(await client.code(resource, `${session}; ${proof}`), resource)
    const made = await owner.visit(`https://${AUTH}/.sallyport/guests`, {
      method: 'POST',
      headers: SCRIPT,
      body: new URLSearchParams({
        act: 'create',
        address: `https://${ONE}/board`,
        name: 'Aunt',
        hours: '24',
        uses: '2',
      }),
    })
    const link =
      /https:\/\/one\.example\.test\/\.sallyport\/guest\?link=[A-Za-z0-9_-]+/.exec(await made.text())?.[0] ?? ''
    const guest = await comes('203.0.113.9')
    const entered = await guest.submit(await guest.open(link))
    expect(entered.address.pathname).toBe('/board')

    const used = async (token = '') => (await fetchFrom(gate, '/mcp', { host: ONE, ...bearer(token) })).status
    expect(await used(given.body.access_token)).toBe(200)
    clock.advance(30 * MINUTE)
    expect(await statusAt(owner)).toBe(302)
    const renewed = await client.refresh(given.body.refresh_token ?? '')
    expect([renewed.status, await used(renewed.body.access_token)]).toEqual([200, 200])
    expect((await guest.visit(`https://${ONE}/board`)).status).toBe(200)
    expect((await guest.visit(`https://${ONE}/`)).status).toBe(302)
  },
)

test('API tokens are asked for no device; a portal that requires one lets nobody in without', async () => {
  const owner = await bound()
  const page = await owner.open(`https://${AUTH}/.sallyport/tokens`)
  const made = await owner.submit(page, { act: 'create', name: 'script', days: '7' }, 'create')
  const token = /sp_[A-Za-z0-9_-]+/.exec(made.text)?.[0] ?? ''
  const script = await comes()
  expect(
    (
      await script.visit(`https://${ONE}/`, {
        headers: { authorization: `Bearer ${token}`, 'x-sallyport-token': token },
      })
    ).status,
  ).toBe(200)
  await gate[Symbol.asyncDispose]()
  await start('"required"')
  const plain = await comes()
  const waiting = await plain.submit(await plain.open(`https://${ONE}/`), { name: 'ada', password: PASSWORD })
  expect([waiting.address.host, waiting.address.pathname]).toEqual([AUTH, '/.sallyport/device'])
  expect((await plain.visit(`https://${AUTH}/.sallyport/sessions`)).status).toBe(302)
  let last = waiting
  for (let looks = 0; looks < 15; looks++) last = await plain.refresh(last)
  expect([last.response.status, last.html.has('meta[http-equiv="refresh"]')]).toEqual([403, false])
  const able = await comes()
  const offered = await able.submit(await able.open(`https://${ONE}/`), { name: 'ada', password: PASSWORD })
  expect((await able.register()).status).toBe(200)
  expect((await able.refresh(offered)).text).toContain('htpasswd:ada')
})

test('a cookie that a later sign-in has replaced gets no ticket where a sign-in waits for its device', async () => {
  await gate[Symbol.asyncDispose]()
  await start('"required"')
  const owner = await comes()
  await owner.submit(await owner.open(`https://${ONE}/`), { name: 'ada', password: PASSWORD })
  expect((await owner.register()).status).toBe(200)
  // The place where it waits is of a sign-in of the thief's own.
  const thief = await comes('198.51.100.7')
  const waiting = await thief.submit(await thief.open(`https://${ONE}/`), { name: 'bob', password: PASSWORD })
  expect(waiting.address.pathname).toBe('/.sallyport/device')
  for (const name of [SESSION, owner.proof]) thief.plant(AUTH, name, owner.cookie(AUTH, name) ?? '', true)
  const led = async () => {
    const { status, headers } = await thief.visit(waiting.address.href)
    return [status, headers.get('location')?.split('=', 1)[0]]
  }
  expect(await led()).toEqual([303, `https://${ONE}/.sallyport/enter?ticket`])
  const form = await owner.open(`https://${AUTH}/.sallyport/login?again=1`)
  expect((await owner.submit(form, { name: 'ada', password: PASSWORD })).response.status).toBe(200)
  expect(await led()).toEqual([200, undefined])
})
