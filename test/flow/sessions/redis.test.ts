import { expect } from 'bun:test'
import { join } from 'node:path'
import { startSaying } from '../../kit/applications/answering.ts'
import { BrowserLite } from '../../kit/browser/browser-lite.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, type Gate, PORTAL, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { FROM_SOURCE, freePort, startChild } from '../../kit/programs/child.ts'
import { startValkey, type Valkey } from '../../kit/programs/valkey.ts'
import { startProviderFor } from '../../kit/provider/provider.ts'
import { signOutOf, statusOf } from '../../kit/requests.ts'
import { SESSION_KEY, shared } from '../../kit/sessions/shared.ts'
import { providerTable } from '../../kit/toml.ts'

const { describe, test } = needs('valkey-server')

const AWAY = 'The session store cannot be reached'
const BACK = 'The session store is back'

const keep = untilTheEnd()
const provider = keep(
  await startProviderFor(
    [{ sub: 'ada', name: 'Ada', email: 'ada@example.com', email_verified: true, groups: [] }],
    'http://auth.localhost/.sallyport/callback',
  ),
)
const upstream = keep(startSaying('the application'))

function route(host: string, allow: string): string {
  const rule = allow === 'public' ? 'allow = "public"' : `portal = "home"\nallow = ["${allow}"]`
  return `\n[[routes]]\nhost = "${host}"\nupstream = "http://127.0.0.1:${upstream.port}"\n${rule}\n`
}

function startNode(valkey: Valkey, toml: string): Promise<Gate> {
  return startGate(toml, shared(valkey.url()))
}

const status = (gate: Gate, host: string, cookie = '', path = '/') =>
  statusOf(gate, path, { host, cookie, accept: 'application/json' })

test.each([
  ['of one clock', 0],
  ['whose clocks are 90 seconds apart', 90_000],
])(
  'a sign-in whose every request reaches another node, %s, succeeds, and holds on both',
  async (_, aheadMs) => {
    await using valkey = await startValkey({ password: 'p@ss/w:rd%' })
    const toml = `
${providerTable(provider)}
[portals.home]
url = "http://auth.localhost"
providers = ["id"]

[portals.home.roles]
user = { any = true }
${route('app.localhost', 'user')}`
    await using one = await startNode(valkey, toml)
    await using other = await startGate(toml, { ...shared(valkey.url()), ports: { now: () => Date.now() + aheadMs } })
    let turn = 0
    const ada = new BrowserLite({
      transport(address, init) {
        if (!address.hostname.endsWith('.localhost')) return fetch(address, init)
        const port = [one, other][turn++ % 2]?.port
        init.headers.set('host', address.host)
        return fetch(`http://127.0.0.1:${port}${address.pathname}${address.search}`, init)
      },
    })
    const page = await ada.signIn('http://app.localhost/deep', 'ada')
    expect([page.response.status, page.address.pathname, page.text]).toEqual([200, '/deep', 'the application'])
    expect(turn).toBeGreaterThan(3)
    expect(page.trail.filter(address => address.includes('/enter?'))).toHaveLength(1)
    const cookie = ada.cookieHeader(new URL('http://app.localhost/'))
    expect([await status(one, 'app.localhost', cookie), await status(other, 'app.localhost', cookie)]).toEqual([
      200, 200,
    ])
    expect(await valkey.ask(0, 'KEYS', '*')).toContain('sallyport:1:session:')
    for (const line of [...one.log, ...other.log]) expect(line).not.toContain('p@ss')
  },
  300_000,
)

test('a sign-out on one node is denied on the other within a second', async () => {
  await using valkey = await startValkey()
  const toml = PORTAL + route('app.example', 'user')
  await using one = await startNode(valkey, toml)
  await using other = await startNode(valkey, toml)
  for (let round = 0; round < 5; round++) {
    const { cookie } = await one.signIn('app.example', { sub: 'ada' })
    expect([await status(one, 'app.example', cookie), await status(other, 'app.example', cookie)]).toEqual([200, 200])
    expect(await signOutOf(one, 'app.example', cookie)).toBe(303)
    expect(await status(one, 'app.example', cookie)).toBe(401)
    await eventually(async () => (await status(other, 'app.example', cookie)) === 401, 'the other denies it')
  }
}, 300_000)

describe('while the server is away', () => {
  test('cached sessions and public routes go on, the rest is 503, and all heals by itself', async () => {
    await using valkey = await startValkey()
    await using gate = await startNode(valkey, PORTAL + route('app.example', 'user') + route('open.example', 'public'))
    const known = await gate.signIn('app.example', { sub: 'ada' })
    const unknown = await gate.signIn('app.example', { sub: 'bob' })
    expect(await status(gate, 'app.example', known.cookie)).toBe(200)
    for (let round = 0; round < 2; round++) {
      await valkey.kill()
      await eventually(() => gate.told(AWAY).length > round, 'it is noticed')
      expect(await status(gate, 'app.example', known.cookie)).toBe(200)
      expect(await status(gate, 'open.example')).toBe(200)
      if (round === 0) expect(await status(gate, 'app.example', unknown.cookie)).toBe(503)
      expect(await status(gate, 'app.example')).toBe(401)
      await valkey.start()
      await eventually(() => gate.told(BACK).length > round, 'it is back')
      expect(await status(gate, 'app.example', unknown.cookie)).toBe(200)
      expect(await status(gate, 'app.example', known.cookie)).toBe(200)
    }
    expect(await signOutOf(gate, 'app.example', known.cookie)).toBe(303)
    expect(await status(gate, 'app.example', known.cookie)).toBe(401)
    // Told once for each time, whatever was tried meanwhile.
    expect(gate.told(AWAY)).toHaveLength(2)
    expect(gate.told('is tried again').length).toBeLessThan(10)
  }, 300_000)

  test('one that hangs costs a wait to nobody but those who need it', async () => {
    await using valkey = await startValkey()
    await using gate = await startNode(valkey, PORTAL + route('app.example', 'user') + route('open.example', 'public'))
    const known = await gate.signIn('app.example', { sub: 'ada' })
    const unknown = await gate.signIn('app.example', { sub: 'bob' })
    expect(await status(gate, 'app.example', known.cookie)).toBe(200)
    valkey.freeze()
    let isAnswered = false
    const waiting = status(gate, 'app.example', unknown.cookie).then(code => {
      isAnswered = true
      return code
    })
    let rounds = 0
    for (; !isAnswered; rounds++) {
      expect(await status(gate, 'app.example', known.cookie)).toBe(200)
      expect(await status(gate, 'open.example')).toBe(200)
    }
    expect(rounds).toBeGreaterThan(1)
    expect(await waiting).toBe(503)
    valkey.thaw()
    await eventually(async () => (await status(gate, 'app.example', unknown.cookie)) === 200, 'it heals')
  }, 300_000)

  test('at the start, the gate starts', async () => {
    await using valkey = await startValkey()
    await valkey.kill()
    await using gate = await startNode(valkey, PORTAL + route('app.example', 'user') + route('open.example', 'public'))
    expect(await status(gate, 'open.example')).toBe(200)
    await eventually(() => gate.told(AWAY).length > 0, 'it is said')
    await valkey.start()
    await eventually(() => gate.told(BACK).length > 0, 'it is there')
    const { cookie } = await gate.signIn('app.example')
    expect(await status(gate, 'app.example', cookie)).toBe(200)
  }, 300_000)

  test('a server that comes back without its data signs everybody out', async () => {
    await using valkey = await startValkey()
    await using gate = await startNode(valkey, PORTAL + route('app.example', 'user'))
    const { cookie } = await gate.signIn('app.example', { sub: 'ada' })
    expect(await status(gate, 'app.example', cookie)).toBe(200)
    await valkey.kill()
    await eventually(() => gate.told(AWAY).length > 0, 'it is noticed')
    await valkey.start({ isEmpty: true })
    await eventually(async () => (await status(gate, 'app.example', cookie)) === 401, 'it is asked again')
  }, 300_000)
})

test('a key that is not the one of the server’s sessions is told at the start, and the first one stays theirs', async () => {
  await using valkey = await startValkey()
  const toml = PORTAL + route('app.example', 'user')
  const isTold = (gate: Gate) => gate.told('The key does not fit the session store').length > 0
  await using one = await startNode(valkey, toml)
  await eventually(async () => (await valkey.ask(0, 'KEYS', '*:shared:key')) !== '', 'the first key is noted')
  const noted = await valkey.ask(0, 'GET', 'sallyport:1:shared:key')
  const otherKey = Buffer.alloc(32, 8).toString('base64')
  await using other = await startGate(toml, { store: valkey.url(), sessions: `key = "${otherKey}"` })
  await eventually(() => isTold(other), 'the other key is told')
  const told = other.log.find(line => line.includes('The key does not fit')) ?? ''
  expect(told).toContain('the key of [sessions] is not the one that')
  expect(told).toContain('another database of that server')
  for (const secret of [SESSION_KEY, otherKey]) expect(told).not.toContain(secret)
  expect(isTold(one)).toBe(false)
  expect(await valkey.ask(0, 'GET', 'sallyport:1:shared:key')).toBe(noted)
}, 300_000)

test('several workers on one server agree, over TLS', async () => {
  using folder = temporaryFolder()
  const [cert, key] = [join(folder.path, 'cert.pem'), join(folder.path, 'key.pem')]
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2', '-nodes']
  const made = Bun.spawnSync([
    'openssl',
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    ...subject,
    '-keyout',
    key,
    '-out',
    cert,
  ])
  expect(made.exitCode).toBe(0)
  await using valkey = await startValkey({ password: 'secret', tls: { cert, key } })
  const port = await freePort()
  const portal = PORTAL.replace('http://127.0.0.1:9', provider.issuer)
  const toml = `workers = 2
[sessions]
store = "rediss://:\${VALKEY_PASSWORD}@127.0.0.1:${valkey.port}"
key = "${SESSION_KEY}"
${portal}${route('app.example', 'user')}`
  const env = { VALKEY_PASSWORD: 'secret', NODE_EXTRA_CA_CERTS: cert }
  await using child = await startChild({ command: FROM_SOURCE, folder: folder.path, toml, port, env })
  for (let index = 0; index < 6; index++) {
    const headers = { host: 'app.example', accept: 'text/html', 'sec-fetch-mode': 'navigate', connection: 'close' }
    const asked = await fetch(`http://127.0.0.1:${port}/.sallyport/login?return=%2F`, {
      headers,
      redirect: 'manual',
      keepalive: false,
    })
    expect(asked.headers.get('location')).toStartWith(provider.issuer)
  }
  expect((await valkey.ask(0, 'KEYS', 'sallyport:1:once:login:*')).split('\n')).toHaveLength(6)
  expect(child.output()).not.toContain(AWAY)
}, 300_000)
