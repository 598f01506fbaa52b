import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { NO_AUDIT, type OpenAudit } from '../../src/audit/writer.ts'
import { GateError } from '../../src/base/errors.ts'
import { makeIdentity } from '../../src/identity/identity.ts'
import { userSubject } from '../../src/identity/passwords/users.ts'
import type { SessionLimits } from '../../src/session/lifetimes.ts'
import { openSessions } from '../../src/session/open.ts'
import { filesWithLess, providerTrustOf } from '../../src/session/provider-trust.ts'
import { createSealer } from '../../src/session/seal.ts'
import { openSqliteStore } from '../../src/session/sqlite/store.ts'
import { fakeClock, quietPorts } from '../kit/clock.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { eventually } from '../kit/gate.ts'
import { LIFETIMES } from '../kit/sessions/lifetimes.ts'
import { storedSession } from '../kit/sessions/stored.ts'

const MINUTE = 60_000
const HOST = 'app.example'
const ADA = makeIdentity('id', 'https://id.example', 'ada', { groups: ['users'] })

/** The limits of a file in which the portal has these providers. */
function limitsWith(...providers: readonly string[]): SessionLimits {
  return {
    ...LIFETIMES,
    cacheBytes: 500_000,
    portals: new Map([['home', { ...LIFETIMES, refreshMs: 15 * MINUTE, refreshLimitMs: 60 * MINUTE }]]),
    providerTrust: providerTrustOf({
      providers: new Map([['id', { issuer: 'https://id.example', users: null }]]),
      portals: new Map([['home', { name: 'home', providers }]]),
    }),
  }
}

const HERE = limitsWith('id')
const GONE = limitsWith()

function openWorld(path: string) {
  const clock = fakeClock()
  const ports = quietPorts(clock)
  const store = openSqliteStore(join(path, 's.db'), ports)
  const answer = Promise.withResolvers<void>()
  /** Until then, nothing is ended in the store. */
  const sweep = Promise.withResolvers<void>()
  let asked = 0
  const sessions = openSessions({
    store: { ...store, listRecords: (kind, whose) => sweep.promise.then(() => store.listRecords(kind, whose)) },
    sealer: createSealer(new Uint8Array(32).fill(7), ports),
    limits: HERE,
    ports,
    async ask() {
      asked++
      await answer.promise
      return { kind: 'renewed', identity: ADA, secrets: { idToken: 'i', refreshToken: 'r2' } }
    },
    timers: { watchMs: 20, flushMs: 20, purgeMs: 20 },
  })
  const signIn = () =>
    sessions.start({ portal: 'home', host: HOST, identity: ADA, secrets: { idToken: 'i', refreshToken: 'r1' } })
  return { clock, store, sessions, signIn, answer: answer.resolve, sweep: sweep.resolve, asked: () => asked }
}

test('whoever waits for a provider’s answer is not let in with it once the provider is gone', async () => {
  using folder = temporaryFolder()
  const { clock, store, sessions, signIn, answer, sweep, asked } = openWorld(folder.path)
  const { token, session } = await signIn()
  const { text } = await sessions.tokens.create({
    ...{ portal: 'home', name: 'n', lifetimeMs: 9e9, identity: ADA, follows: true },
    limits: { host: null, path: null, methods: null, networks: null },
  })
  clock.advance(61 * MINUTE)
  const waiting = sessions.find(token, HOST)
  await eventually(() => asked() === 1, 'the provider is asked')
  sessions.configure(GONE)
  clock.advance(MINUTE)
  answer()
  expect(await waiting).toBeNull()
  expect(await sessions.check(session)).toBe(false)
  // Nor does that answer vouch for the token, should the provider be back.
  sweep()
  await eventually(async () => (await store.findById(session.id)) === null, 'the session has ended')
  sessions.configure(HERE)
  expect(await sessions.describe(session.id)).toBeNull()
  expect(await sessions.tokens.find(text)).toBeNull()
  await sessions.close()
})

test('of two processes that end what stood on a provider, each counts what it took out of the store itself', async () => {
  using folder = temporaryFolder()
  const clock = fakeClock()
  const ports = quietPorts(clock)
  const stores = [1, 2].map(() => openSqliteStore(join(folder.path, 's.db'), ports))
  const { promise: areBoth, resolve: goOn } = Promise.withResolvers<void>()
  let removing = 0
  const counted: unknown[] = []
  const audit: OpenAudit = {
    ...NO_AUDIT,
    note: (event, facts) => void (event === 'sign_out.withdrawn' && counted.push(facts.number)),
  }
  const both = stores.map(store =>
    openSessions({
      store: {
        ...store,
        async remove(...ids) {
          if (++removing === 2) goOn()
          await areBoth
          return store.remove(...ids)
        },
      },
      sealer: createSealer(new Uint8Array(32).fill(7), ports),
      limits: HERE,
      ports,
      audit,
      timers: { watchMs: 20, flushMs: 20, purgeMs: 20 },
    }),
  )
  const [one] = both
  if (one === undefined) throw new TypeError('two')
  for (let count = 0; count < 3; count++)
    await one.start({ portal: 'home', host: HOST, identity: ADA, secrets: { idToken: 'i', refreshToken: null } })
  clock.advance(MINUTE)
  for (const sessions of both) sessions.configure(GONE)
  await eventually(() => counted.length > 0, 'they are counted')
  for (const sessions of both) await sessions.close()
  expect(counted).toEqual([3])
})

test('of two processes that end what a name left behind, one notes that a token and a link were revoked', async () => {
  using folder = temporaryFolder()
  const clock = fakeClock()
  const ports = quietPorts(clock)
  const limits: SessionLimits = {
    ...HERE,
    providerTrust: providerTrustOf({
      providers: new Map([['id', { issuer: ADA.issuer, users: { entries: new Map(), totp: new Map(), groups: [] } }]]),
      portals: new Map([['home', { name: 'home', providers: ['id'] }]]),
    }),
  }
  const noted: string[] = []
  const audit: OpenAudit = { ...NO_AUDIT, note: event => void noted.push(event) }
  const { promise: areBoth, resolve: goOn } = Promise.withResolvers<void>()
  let listing = 0
  const both = [1, 2].map(() => {
    const store = openSqliteStore(join(folder.path, 's.db'), ports)
    return openSessions({
      store: {
        ...store,
        async listRecords(kind, whose) {
          const found = await store.listRecords(kind, whose)
          if (kind === 'link' && ++listing === 2) goOn()
          if (kind === 'link') await areBoth
          return found
        },
      },
      sealer: createSealer(new Uint8Array(32).fill(7), ports),
      limits,
      ports,
      audit,
      timers: { watchMs: 20, flushMs: 20, purgeMs: 20 },
    })
  })
  const [one] = both
  if (one === undefined) throw new TypeError('two')
  const identity = makeIdentity('id', ADA.issuer, userSubject('ada'), { groups: ['users'] })
  const made = { portal: 'home', name: 'n', lifetimeMs: 60 * MINUTE }
  const everywhere = { host: null, path: null, methods: null, networks: null }
  await one.tokens.create({ ...made, identity, limits: everywhere, follows: true })
  const by = { identity, name: 'Ada' }
  await one.links.create({ ...made, uses: 1, host: HOST, path: '/', landing: '/', by })
  clock.advance(MINUTE)
  await Promise.all(both.map(sessions => sessions.lookForLeftBehind()))
  for (const sessions of both) await sessions.close()
  expect(noted.sort()).toEqual(['guest.revoked', 'token.revoked'])
})

test('what a name left behind ends beside what cannot be ended', async () => {
  using folder = temporaryFolder()
  const clock = fakeClock()
  const ports = quietPorts(clock)
  const users = { entries: new Map(), totp: new Map(), groups: [] }
  const limits: SessionLimits = {
    ...HERE,
    providerTrust: providerTrustOf({
      providers: new Map([['id', { issuer: ADA.issuer, users }]]),
      portals: new Map([['home', { name: 'home', providers: ['id'] }]]),
    }),
  }
  const store = openSqliteStore(join(folder.path, 's.db'), ports)
  const stuck = new Set<string>()
  const refuse = () => {
    throw new Error('not now')
  }
  const sessions = openSessions({
    store: {
      ...store,
      async remove(...ids) {
        const removed = await store.remove(...ids.filter(id => !stuck.has(id)))
        return ids.some(id => stuck.has(id)) ? refuse() : removed
      },
      removeIssued: (kind, id) => (kind === 'link' ? refuse() : store.removeIssued(kind, id)),
    },
    sealer: createSealer(new Uint8Array(32).fill(7), ports),
    limits,
    ports,
    timers: { watchMs: 20, flushMs: 20, purgeMs: 20 },
  })
  const identity = makeIdentity('id', ADA.issuer, userSubject('ada'), { groups: ['users'] })
  const made = { portal: 'home', name: 'n', lifetimeMs: 60 * MINUTE }
  const by = { identity, name: 'Ada' }
  await sessions.links.create({ ...made, uses: 1, host: HOST, path: '/', landing: '/', by })
  const everywhere = { host: null, path: null, methods: null, networks: null }
  await sessions.tokens.create({ ...made, identity, limits: everywhere, follows: true })
  const row = { ...storedSession('left'), portal: 'home', identity: JSON.stringify(identity) }
  for (let count = 0; count < 101; count++) {
    const id = `left${count}`
    const atMs = clock.now()
    const times = { createdAtMs: atMs, lastSeenMs: atMs, checkedAtMs: atMs, expiresAtMs: atMs + 60 * MINUTE }
    await store.insert({ ...row, ...times, id }, { hash: id, sessionId: id, host: HOST })
  }
  const all = await store.list('home', { after: null, limit: 1000 })
  stuck.add(all.sessions[0]?.id ?? '')
  clock.advance(MINUTE)
  await sessions.lookForLeftBehind()
  const left = await store.list('home', { after: null, limit: 1000 })
  expect(left.sessions.map(({ id }) => id)).toEqual([...stuck])
  expect(await sessions.tokens.list('home')).toEqual([])
  await sessions.close()
})

test('nobody signs in by a provider that has just left the portal', async () => {
  using folder = temporaryFolder()
  const { sessions, signIn } = openWorld(folder.path)
  sessions.configure(GONE)
  const thrown = await signIn().catch((error: unknown) => error)
  expect(thrown instanceof GateError ? thrown.code : thrown).toBe('sign_in.state')
  await sessions.close()
})

test('a stored session that does not say who vouched is nobody’s', async () => {
  using folder = temporaryFolder()
  const { store, sessions, signIn, clock } = openWorld(folder.path)
  const { session } = await signIn()
  const row = { ...storedSession('odd'), portal: 'home', createdAtMs: clock.now(), expiresAtMs: session.expiresAtMs }
  for (const [index, identity] of [
    { subject: 'ada', groups: [] },
    { subject: 'ada', groups: [], provider: '', issuer: '' },
    { subject: 'ada', groups: [], provider: 'id' },
  ].entries()) {
    const id = `odd${index}`
    await store.insert({ ...row, id, identity: JSON.stringify(identity) }, { hash: id, sessionId: id, host: HOST })
    expect(await sessions.describe(id)).toBeNull()
  }
  expect(await sessions.describe(session.id)).not.toBeNull()
  await sessions.close()
})

test('a portal has the providers that it names, each with its issuer', () => {
  const { counts } = providerTrustOf({
    providers: new Map([
      ['a', { issuer: 'https://a.example', users: null }],
      ['b', { issuer: 'https://b.example', users: null }],
    ]),
    portals: new Map([
      ['home', { name: 'home', providers: ['a'] }],
      ['none', { name: 'none', providers: [] }],
    ]),
  })
  const by = (portal: string, name: string, issuer: string) =>
    counts({ portal, identity: makeIdentity(name, issuer, 'ada', {}) })
  expect(by('home', 'a', 'https://a.example')).toBe(true)
  expect(by('home', 'b', 'https://b.example')).toBe(false)
  expect(by('home', 'a', 'https://a.example/')).toBe(false)
  expect(by('home', 'a', 'https://b.example')).toBe(false)
  expect(by('none', 'a', 'https://a.example')).toBe(false)
  expect(by('home', '', '')).toBe(false)
})

test('a file says less where it has lost a name, or where its users have ids now, or have none any more', () => {
  const file = (names: readonly string[], hasIds: boolean, portal = 'home') => ({
    portal,
    issuer: 'file',
    names: new Set(names),
    hasIds,
  })
  const before = [file(['ada', 'bob'], false)]
  const isLess = (now: ReturnType<typeof file>) => filesWithLess(before, [now]).length === 1
  expect(isLess(file(['ada', 'bob'], false))).toBe(false)
  expect(isLess(file(['ada', 'bob', 'cy'], false))).toBe(false)
  expect(isLess(file(['ada'], false))).toBe(true)
  expect(isLess(file(['ada', 'bob'], true))).toBe(true)
  expect(isLess(file(['ada', 'bob'], false, 'office'))).toBe(true)
})
