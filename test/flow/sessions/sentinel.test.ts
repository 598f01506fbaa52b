import { expect } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { EVERYONE } from '../../../src/session/ended.ts'
import { openRedisStore } from '../../../src/session/redis/store.ts'
import { troubleOf } from '../../../src/session/store-trouble.ts'
import { startSaying } from '../../kit/applications/answering.ts'
import { browserAt } from '../../kit/browser/browser-lite.ts'
import { type Authority, makeAuthority } from '../../kit/certificates.ts'
import { quietPorts } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, type Gate, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startRelay } from '../../kit/programs/failover.ts'
import { PRIMARY, startSentinels } from '../../kit/programs/sentinels.ts'
import { startProviderFor } from '../../kit/provider/provider.ts'
import { signOutOf, statusOf } from '../../kit/requests.ts'
import { redisAt, shared } from '../../kit/sessions/shared.ts'
import { providerTable } from '../../kit/toml.ts'

const { test } = needs('valkey-server')

/** So long a server has to be away that none is replaced, however slow a machine is. */
const NEVER_MS = 3_600_000

const HOST = 'app.localhost'
const PORTAL_HOST = 'auth.localhost'
const CHANGES = 'sallyport:1:changes'
const AWAY = 'The session store cannot be reached'
const BACK = 'The session store is back'
const ELSEWHERE = 'The session store takes writes elsewhere'

const keep = untilTheEnd()
const upstream = keep(startSaying('the application'))
const provider = keep(
  await startProviderFor(
    ['ada', 'bob', 'cid', 'dan', 'eve', 'fay'].map(sub => ({ sub, name: sub, groups: [] })),
    'http://auth.localhost/.sallyport/callback',
  ),
)
const TOML = `
${providerTable(provider)}
[portals.home]
url = "http://auth.localhost"
providers = ["id"]

[portals.home.roles]
user = { any = true }

[[routes]]
host = "${HOST}"
upstream = "http://127.0.0.1:${upstream.port}"
portal = "home"
allow = ["user"]
`

const status = (gate: Gate, { cookie }: Pick<Person, 'cookie'>) =>
  statusOf(gate, '/', { host: HOST, cookie, accept: 'application/json' })

function statuses(gates: readonly Gate[], person: Person): Promise<readonly number[]> {
  return Promise.all(gates.map(gate => status(gate, person)))
}

/** The cookies of somebody who has signed in, at the application and at the portal. */
interface Person {
  readonly sub: string
  readonly cookie: string
  readonly atPortal: string
}

const signOut = (gate: Gate, { atPortal }: Person) => signOutOf(gate, PORTAL_HOST, atPortal)

async function untilAll(gates: readonly Gate[], person: Person, code: number): Promise<void> {
  let last: readonly number[] = []
  await eventually(
    async () => {
      last = await statuses(gates, person)
      return last.every(one => one === code)
    },
    () => `every gate says ${code} to ${person.sub}: ${last}`,
  )
}

/** Somebody who is known asks every gate again and again, until the end of the scope; `seen` is what they were answered. */
function askAll(gates: readonly Gate[], person: Person): AsyncDisposable & { readonly seen: ReadonlySet<number> } {
  const seen = new Set<number>()
  let isOver = false
  const asking = gates.map(async gate => {
    while (!isOver) {
      seen.add(await status(gate, person))
      await Bun.sleep(20)
    }
  })
  return {
    seen,
    async [Symbol.asyncDispose]() {
      isOver = true
      await Promise.all(asking)
    },
  }
}

/** Somebody who is new, or null where they cannot sign in. */
async function trySignIn(gate: Gate, sub: string): Promise<Person | null> {
  const browser = browserAt(gate, HOST, PORTAL_HOST)
  const page = await browser.signIn(`http://${HOST}/`, sub).catch(() => null)
  if (page?.text !== 'the application') return null
  const cookieAt = (host: string) => browser.cookieHeader(new URL(`http://${host}/`))
  return { sub, cookie: cookieAt(HOST), atPortal: cookieAt(PORTAL_HOST) }
}

/** The same once they can: until another server is the primary nobody can. */
async function signIn(gate: Gate, sub: string): Promise<Person> {
  for (;;) {
    const person = await trySignIn(gate, sub)
    if (person !== null) return person
    await Bun.sleep(50)
  }
}

test('primaries killed one after the other, planned failovers and sentinels that restart are noticed by nobody who is known, and sign-outs hold', async () => {
  await using site = await startSentinels({ count: 4, password: 'p@ss/w:rd%', watchword: 'watch@men' })
  const store = shared(site.url(':p@ss/w:rd%@', '?sentinel_password=watch%40men'))
  await using one = await startGate(TOML, store)
  await using two = await startGate(TOML, store)
  const gates = [one, two] as const
  const ada = await signIn(one, 'ada')
  expect(await statuses(gates, ada)).toEqual([200, 200])
  await using crowd = askAll(gates, ada)
  /** New people come at one gate, are known at the other, and leave for good. */
  async function comeAndGo(): Promise<void> {
    for (const [here, there] of [
      [one, two],
      [two, one],
    ] as const) {
      const eve = await signIn(here, 'eve')
      expect(await status(there, eve)).toBe(200)
      expect(await signOut(there, eve)).toBe(303)
      await untilAll(gates, eve, 401)
    }
  }
  const gone = await signIn(one, 'bob')
  expect(await statuses(gates, gone)).toEqual([200, 200])
  expect(await signOut(two, gone)).toBe(303)
  await untilAll(gates, gone, 401)

  for (let crash = 0; crash < 3; crash++) {
    const before = await site.primary()
    await before.kill()
    const after = await site.another(before)
    await comeAndGo()
    expect(await after.ask(0, 'EXISTS', CHANGES)).toBe('1')
    expect(await statuses(gates, gone)).toEqual([401, 401])
  }
  const last = await site.primary()
  for (const server of site.servers) if (server !== last) await server.start({ replicaOf: last.port })
  for (let planned = 0; planned < 2; planned++) {
    const before = await site.primary()
    await site.failOver()
    await site.another(before)
    await comeAndGo()
    expect(await statuses(gates, gone)).toEqual([401, 401])
  }
  for (const at of site.ports.keys()) await site.stop(at)
  expect(await statuses(gates, ada)).toEqual([200, 200])
  for (const at of site.ports.keys()) await site.start(at)
  await comeAndGo()

  await crowd[Symbol.asyncDispose]()
  expect([...crowd.seen]).toEqual([200])
}, 300_000)

test('a gate that is cut off from all but the old primary writes nothing there, and hears of all that happened once it is back', async () => {
  await using primary = await startRelay(1)
  await using site = await startSentinels({
    downMs: NEVER_MS,
    portOf: (server, index) => (index === 0 ? primary.port : server.port),
    onStarted: ([first]) => primary.leadTo(first?.port ?? null),
  })
  const relays = await Promise.all(site.ports.map(port => startRelay(port)))
  const [old] = site.servers
  if (old === undefined) throw new Error('no server')
  const away = `redis+sentinel://${relays.map(({ port }) => `127.0.0.1:${port}`).join(',')}/${PRIMARY}`
  await using inside = await startGate(TOML, shared(site.url()))
  await using outside = await startGate(TOML, shared(away))
  const gates = [inside, outside]
  async function downAfter(at: number, ms: number): Promise<void> {
    expect(await site.ask(at, 'SENTINEL', 'SET', PRIMARY, 'down-after-milliseconds', `${ms}`)).toBe('OK')
  }
  const [ada, bob, fay] = [await signIn(inside, 'ada'), await signIn(inside, 'bob'), await signIn(inside, 'fay')]
  for (const person of [ada, bob, fay]) expect(await statuses(gates, person)).toEqual([200, 200])
  // So that the gate outside knows who is to sign out there, however long it hears of no sentinel.
  expect(await statusOf(outside, '/.sallyport/me', { host: PORTAL_HOST, cookie: bob.atPortal })).toBe(200)
  /** How often the gate inside came to another server. */
  const moves = () => inside.told(ELSEWHERE).length + inside.told(BACK).length
  const movesBefore = moves()

  // The connections of the gate outside to the old primary stay, and it answers them; nobody else reaches it, nor does it reach anyone.
  for (const relay of relays) {
    relay.leadTo(null)
    relay.cut()
  }
  primary.leadTo(null)
  for (const line of (await old.ask(0, 'CLIENT', 'LIST')).split('\n')) {
    const [, id] = /^id=(\d+) .*(?:name=sentinel-|flags=S)/.exec(line) ?? []
    if (id !== undefined) await old.ask(0, 'CLIENT', 'KILL', 'ID', id)
  }
  for (const at of site.ports.keys()) await downAfter(at, 3000)
  // It is still the primary for most sentinels. Its replica never hears of this.
  await eventually(async () => (await signOut(inside, fay)) === 303, 'somebody signs out at the primary that is left')
  const after = await site.another(old)
  // A machine that is slow is no reason to choose again.
  for (const at of site.ports.keys()) await downAfter(at, NEVER_MS)
  await eventually(() => moves() > movesBefore, 'the gate inside writes to the new one')
  const [before] = (await old.ask(0, 'XREVRANGE', CHANGES, '+', '-', 'COUNT', '1')).split('\n')
  expect(await old.ask(0, 'SET', 'anything', 'is taken')).toBe('OK')
  expect(await trySignIn(outside, 'eve')).toBeNull()
  expect(await signOut(outside, bob)).toBe(503)
  expect(outside.told('"code":"session.end"').length).toBeGreaterThan(0)
  await untilAll([inside], fay, 401)
  const cid = await signIn(inside, 'cid')
  await eventually(async () => (await signOut(inside, cid)) === 303, 'somebody signs out at the new one')
  expect(await status(outside, ada)).toBe(200)
  expect((await old.ask(0, 'XREVRANGE', CHANGES, '+', '-', 'COUNT', '1')).split('\n')[0]).toBe(before)

  for (const [at, relay] of relays.entries()) relay.leadTo(site.ports[at] ?? null)
  const dan = await signIn(outside, 'dan')
  expect(await after.ask(0, 'EXISTS', CHANGES)).toBe('1')
  expect(await statuses(gates, dan)).toEqual([200, 200])
  await untilAll(gates, cid, 401)
  // What was signed out while the gate was away is repeated.
  await untilAll(gates, bob, 401)
  await untilAll(gates, fay, 401)
  expect(await statuses(gates, ada)).toEqual([200, 200])
  expect(outside.told(AWAY).length + outside.told(ELSEWHERE).length).toBeGreaterThan(0)
  for (const relay of relays) await relay[Symbol.asyncDispose]()
}, 300_000)

test('sentinels by TLS that want a certificate and a user of their own lead to the primary by TLS, and to the next one', async () => {
  const authority = makeAuthority()
  using folder = temporaryFolder()
  const file = (name: string, text: string) => {
    writeFileSync(join(folder.path, name), text)
    return { path: join(folder.path, name), text }
  }
  const pair = (name: string, by: Authority, names: string) => {
    const { cert, key } = by.issue(names)
    return { cert: file(`${name}.pem`, cert), key: file(`${name}.key`, key) }
  }
  const ca = file('ca.pem', authority.cert)
  const server = pair('server', authority, 'IP:127.0.0.1')
  const own = pair('gate', authority, 'DNS:gate')
  await using site = await startSentinels({
    ...{ tls: { cert: server.cert.path, key: server.key.path }, ca: ca.path, clientCa: ca.path },
    ...{ password: 'servers', watchword: 'sentinels', watcher: 'w@tch' },
  })
  const before = await site.primary()
  const right = '?sentinel_user=watch&sentinel_password=w%40tch'
  const login = 'it does not take this user and password'
  const certificate = 'it wants a certificate of this gate that it trusts'
  for (const [query, tls, why] of [
    ['?sentinel_user=watch&sentinel_password=sentinels', { ca, own }, login],
    ['?sentinel_user=gate&sentinel_password=w%40tch', { ca, own }, login],
    [right, { ca, own: null }, certificate],
    [right, { ca, own: pair('stranger', makeAuthority('Strangers'), 'DNS:gate') }, certificate],
    [right, { ca: null, own }, 'its certificate is from an authority that is not trusted here'],
  ] as const) {
    const address = redisAt(site.url(':servers@', query))
    const store = openRedisStore({ ...address, tls }, quietPorts({ now: Date.now }))
    const refused: unknown = await Promise.resolve(store.tellEnded(EVERYONE)).catch((thrown: unknown) => thrown)
    expect([query, troubleOf(refused)]).toEqual([query, why])
    await store.close()
  }
  expect(await before.ask(0, 'DBSIZE')).toBe('0')
  const { store, sessions } = shared(site.url(':servers@', right))
  const files = `{ ca = "${ca.path}", cert = "${own.cert.path}", key = "${own.key.path}" }`
  await using gate = await startGate(TOML, { store, sessions: `${sessions}\nstore_tls = ${files}` })
  const ada = await signIn(gate, 'ada')
  for (const at of site.ports.keys()) expect(await site.ask(at, 'CLIENT', 'LIST')).toContain('user=watch')
  await site.failOver()
  await site.another(before)
  const bob = await signIn(gate, 'bob')
  expect([await status(gate, ada), await status(gate, bob)]).toEqual([200, 200])
  expect(gate.told(AWAY)).toEqual([])
}, 300_000)
