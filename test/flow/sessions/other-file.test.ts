/** Gates of one store that do not run the same file, as while a change of it goes round. */
import { expect } from 'bun:test'
import { runDoctor } from '../../../src/cli/doctor/run.ts'
import { runSessions } from '../../../src/cli/sessions.ts'
import { ask } from '../../../src/console/network.ts'
import type { Status } from '../../../src/server/observe/status.ts'
import { startStreaming } from '../../kit/applications/streaming.ts'
import { askAsAll, collectBelongings } from '../../kit/belongings.ts'
import { quietPorts } from '../../kit/clock.ts'
import { runOn } from '../../kit/commands.ts'
import { eventually, type Gate, startGate } from '../../kit/gate.ts'
import { commandPorts, runIn } from '../../kit/io.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startValkey, type Valkey } from '../../kit/programs/valkey.ts'
import { fetchFrom, metricOf } from '../../kit/requests.ts'
import { shared } from '../../kit/sessions/shared.ts'
import { routeTo } from '../../kit/toml.ts'

const { test } = needs('valkey-server')

const HOST = 'app.example'
const WAITS = 'Other gates of this session store run another file'
const keep = untilTheEnd()
const upstream = keep(startStreaming())
const valkey = keep(await startValkey())
let database = 0

/** A file in which the one provider has this name. */
function toml(provider: string, portal = 'home'): string {
  return `
[providers.${provider}]
label = "X"
issuer = "http://127.0.0.1:9"
client_id = "gate"
client_secret = "s"

[portals.${portal}]
providers = ["${provider}"]
insecure_cookies = true
admin_role = "admin"
personal_tokens = true
guest_links = { allow = ["user"], max_uses = 5 }

[portals.${portal}.roles]
user = { any = true }
admin = { groups = ["admins"] }

${routeTo(upstream, HOST, `portal = "${portal}"\nallow = ["user", { guest_link = true }]\ntokens = true`)}`
}

interface Site {
  readonly one: Gate
  readonly two: Gate
  /** One more gate, which has this file from its start. */
  start(text: string): Promise<Gate>
  /** Whether the server has a session. */
  has(sessionId: string): Promise<boolean>
}

async function withSite(act: (site: Site) => Promise<void>): Promise<void> {
  const mine = database++
  // What another gate runs is heard of in ten seconds otherwise.
  const options = { ...shared(valkey.url(mine)), sessionTimers: { gatesMs: 500 } }
  await using one = await startGate(toml('id'), { ...options, name: 'one' })
  await using two = await startGate(toml('id'), { ...options, name: 'two' })
  const start = (text: string) => startGate(text, { ...options, name: 'three' })
  await act({ one, two, start, has: sessionId => isThere(valkey, mine, sessionId) })
}

async function isThere(server: Valkey, mine: number, sessionId: string): Promise<boolean> {
  return (await server.ask(mine, 'KEYS', `*session:${sessionId}`)) !== ''
}

function take(gate: Gate, text: string): void {
  gate.save(text)
  expect(gate.server.reload()).toBe('changed')
}

async function gatesOf({ adminPort }: Gate): Promise<Status['gates']> {
  const answer = await fetch(`http://127.0.0.1:${adminPort}/status.json`, { keepalive: false })
  return ((await answer.json()) as Status).gates
}

test.concurrent('a provider that has another name in one file is refused there at once, and ends nobody’s sign-in elsewhere', () =>
  withSite(async ({ one, two, has }) => {
    const { cookie, sessionId } = await one.signIn(HOST)
    const all = await collectBelongings(one, HOST, cookie)
    expect([await askAsAll(one, all), await askAsAll(two, all)]).toEqual([
      [200, 200, 200],
      [200, 200, 200],
    ])
    take(two, toml('new'))
    expect(await askAsAll(two, all)).toEqual([401, 401, 401])
    await eventually(() => two.told(WAITS, '"gates":"one since ').length === 1, 'it is logged')
    expect([await askAsAll(one, all), await askAsAll(two, all), await has(sessionId)]).toEqual([
      [200, 200, 200],
      [401, 401, 401],
      true,
    ])
    // Once all agree, it ends for good.
    take(one, toml('new'))
    expect(await askAsAll(one, all)).toEqual([401, 401, 401])
    await eventually(async () => !(await has(sessionId)), 'it has ended')
    expect(one.told(WAITS)).toEqual([])
    take(one, toml('id'))
    expect(await askAsAll(one, all)).toEqual([401, 401, 401])
  }))

test.concurrent('a change that is taken back has ended nothing', () =>
  withSite(async ({ one, two, has }) => {
    const { cookie, sessionId } = await one.signIn(HOST)
    const all = await collectBelongings(one, HOST, cookie)
    take(two, toml('new'))
    await eventually(() => two.told(WAITS).length === 1, 'it waits')
    take(two, toml('id'))
    // What waited is looked at again, and everybody agrees by now.
    await two.server.reload()
    expect([await askAsAll(one, all), await askAsAll(two, all), await has(sessionId)]).toEqual([
      [200, 200, 200],
      [200, 200, 200],
      true,
    ])
  }))

test.concurrent('a portal that has another name in one file ends nobody’s sign-in elsewhere', () =>
  withSite(async ({ one, two, has }) => {
    const { cookie, sessionId } = await one.signIn(HOST)
    take(two, toml('id', 'other'))
    const fields = { host: HOST, cookie, accept: 'application/json' }
    await eventually(() => two.told(WAITS).length === 1, 'it waits')
    expect([(await fetchFrom(one, '/', fields)).status, (await fetchFrom(two, '/', fields)).status]).toEqual([200, 401])
    expect(await has(sessionId)).toBe(true)
  }))

test.concurrent('sessions revoke --provider ends it at once for all gates, also with a file that has no such provider', () =>
  withSite(async ({ one, two, start, has }) => {
    const { cookie, sessionId } = await one.signIn(HOST)
    const all = await collectBelongings(one, HOST, cookie)
    take(two, toml('new'))
    await using three = await start(toml('new'))
    const later = await three.signIn(HOST, { sub: 'bob' })
    await eventually(() => two.told(WAITS).length === 1, 'it waits')
    const wrong = await runOn(two, runSessions, ['revoke', '--provider', 'di'])
    expect([wrong.code, wrong.err]).toEqual([1, expect.stringContaining('there is no provider "di"')])
    const revoked = await runOn(two, runSessions, ['revoke', '--provider', 'id', '--json'])
    expect([revoked.err, JSON.parse(revoked.out)]).toEqual(['', { revoked: [sessionId] }])
    expect(await has(sessionId)).toBe(false)
    // The token rests, and so does the guest link, until they sign in again.
    await eventually(async () => String(await askAsAll(one, all)) === '401,401,401', 'the other gate has heard')
    expect(await has(later.sessionId)).toBe(true)
    expect((await fetchFrom(two, '/', { host: HOST, cookie: later.cookie })).status).toBe(200)
  }))

test.concurrent('sessions revoke --provider also ends sign-ins at a portal that only another gate has', () =>
  withSite(async ({ one, two, has }) => {
    const { sessionId } = await one.signIn(HOST)
    // By then each has said which portals it has.
    await eventually(async () => (await gatesOf(two)).total === 2, 'they have met')
    take(two, toml('new', 'other'))
    const revoked = await runOn(two, runSessions, ['revoke', '--provider', 'id', '--json'])
    expect(JSON.parse(revoked.out)).toEqual({ revoked: [sessionId] })
    expect(await has(sessionId)).toBe(false)
  }))

test.concurrent('a gate that has the server to itself ends at once what its file does not accept any more', async () => {
  const mine = database++
  await using only = await startGate(toml('id'), shared(valkey.url(mine)))
  const { sessionId } = await only.signIn(HOST)
  take(only, toml('new'))
  await eventually(async () => !(await isThere(valkey, mine, sessionId)), 'it has ended')
  expect(only.told(WAITS)).toEqual([])
})

test.concurrent('status, metrics, doctor and the admin page say which gate runs another file, and since when', () =>
  withSite(async ({ one, two }) => {
    const same = { total: 2, other_file: 0, list: [named('one', true), named('two', true)] }
    await eventually(async () => (await gatesOf(one)).total === 2 && (await gatesOf(two)).total === 2, 'they have met')
    expect([await gatesOf(one), await gatesOf(two)]).toEqual([same, same])
    const doctor = async ({ folder }: Gate) =>
      (await runIn(folder, io => runDoctor([], io, { ...commandPorts(io), ...quietPorts({ now: Date.now }), ask }))).out
    expect(await doctor(one)).toContain('2 gates share the session store, and all run this file')
    const before = new Date().toISOString()
    take(two, toml('new'))
    await eventually(async () => (await gatesOf(one)).other_file === 1, 'the other one has heard')
    const seen = await gatesOf(one)
    expect(seen).toEqual({ total: 2, other_file: 1, list: [named('one', true), named('two', false)] })
    expect(await gatesOf(two)).toEqual({ total: 2, other_file: 1, list: [named('one', false), named('two', true)] })
    const since = seen.list[1]?.since ?? ''
    expect(since >= before && since <= new Date().toISOString()).toBe(true)
    expect(await Promise.all(['', '_other_file'].map(part => metricOf(one, `sallyport_gates${part}`)))).toEqual([2, 1])
    expect(await doctor(one)).toContain(`the gate two runs another file than this one, since ${since}`)
    expect(await doctor(two)).toContain('the gate one runs another file than this one')
    const { cookie } = await one.signIn(HOST, { groups: ['admins'] })
    const page = await (await fetchFrom(one, '/.sallyport/admin', { host: HOST, cookie, accept: 'text/html' })).text()
    expect(page).toContain('The gate two runs another file')
    take(one, toml('new'))
    await eventually(async () => (await gatesOf(two)).other_file === 0, 'they agree')
    expect(await doctor(two)).toContain('all run this file')
  }))

function named(name: string, isSame: boolean) {
  return { name, same_file: isSame, since: expect.stringMatching(/^\d{4}-\d\d-\d\dT/) }
}
