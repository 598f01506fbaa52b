import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { type Facts, GateError } from '../../src/base/errors.ts'
import { plainUser } from '../../src/config/values/users-file.ts'
import { makeIdentity } from '../../src/identity/identity.ts'
import { createEndOthers, type EndOthersTools } from '../../src/session/accounts/end-others.ts'
import { openSessions } from '../../src/session/open.ts'
import { providerTrustOf } from '../../src/session/provider-trust.ts'
import { createSealer } from '../../src/session/seal.ts'
import { openSqliteStore } from '../../src/session/sqlite/store.ts'
import { fakeClock, quietPorts } from '../kit/clock.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { eventually } from '../kit/gate.ts'
import { ANY_PROVIDER } from '../kit/sessions/lifetimes.ts'

const ADA = makeIdentity('id', 'https://id.example', 'ada', {})
const NOWHERE = { host: null, path: null, methods: null, networks: null }

type Kind = 'session' | 'token' | 'link'
const KINDS: readonly Kind[] = ['session', 'token', 'link']

/** Sessions over a store that removes nothing before it is let, as one that is far away; or fails instead. */
function openSlow(folder: string) {
  const ports = quietPorts(fakeClock())
  const store = openSqliteStore(join(folder, 's.db'), ports)
  const let_ = Promise.withResolvers<void>()
  let begun = 0
  const later =
    <T extends readonly unknown[], R>(remove: (...ids: T) => R | Promise<R>) =>
    async (...ids: T): Promise<R> => {
      begun++
      await let_.promise
      return remove(...ids)
    }
  const sessions = openSessions({
    store: {
      ...store,
      remove: later(store.remove),
      removeIssued: later(store.removeIssued),
    },
    sealer: createSealer(new Uint8Array(32).fill(7), ports),
    limits: { lifetimeMs: 1e9, idleMs: 1e9, cacheBytes: 50_000, providerTrust: ANY_PROVIDER },
    ports,
  })
  async function make(kind: Kind): Promise<string> {
    if (kind === 'session') {
      const secrets = { idToken: 'i', refreshToken: null }
      return (await sessions.start({ portal: 'home', host: 'app.example', identity: ADA, secrets })).session.id
    }
    const common = { portal: 'home', name: 'n', lifetimeMs: 1e6 }
    if (kind === 'token')
      return (await sessions.tokens.create({ ...common, identity: ADA, limits: NOWHERE, follows: true })).held.session
        .id
    const link = { ...common, host: 'app.example', path: '/', landing: '/', uses: 1, by: null }
    return (await sessions.links.create(link)).held.session.id
  }
  const isKept = async (kind: Kind, id: string) =>
    (kind === 'session' ? await store.findById(id) : await store.findRecord(kind, { id })) !== null
  return { store, sessions, make, isKept, release: let_.resolve, fail: let_.reject, begun: () => begun }
}

test.each(KINDS)('an end of a %s is over only once the store has removed it', async kind => {
  using folder = temporaryFolder()
  const { sessions, make, isKept, release, begun } = openSlow(folder.path)
  const id = await make(kind)
  let isOver = false
  const ending = sessions.end(id).then(() => {
    isOver = true
  })
  // Whatever does not wait for the store is over within these turns.
  while (begun() === 0) await Bun.sleep(0)
  for (let turns = 0; turns < 20; turns++) await Bun.sleep(0)
  expect([isOver, await isKept(kind, id)]).toEqual([false, true])
  release()
  await ending
  expect([isOver, await isKept(kind, id)]).toEqual([true, false])
  await sessions.close()
})

test.each(KINDS)('an end of a %s that the store refuses is told to whoever asked for it', async kind => {
  using folder = temporaryFolder()
  const { sessions, make, isKept, fail } = openSlow(folder.path)
  const id = await make(kind)
  const ending = sessions.end(id).then(
    () => 'it ended',
    (error: unknown) => (error instanceof GateError ? error.code : error),
  )
  fail(new Error('the disk is full'))
  expect([await ending, await isKept(kind, id)]).toEqual(['session.end', true])
  await sessions.close()
})

test('what cannot be ended keeps nothing else from it, however much there is', async () => {
  using folder = temporaryFolder()
  const ports = quietPorts(fakeClock())
  const store = openSqliteStore(join(folder.path, 's.db'), ports)
  const isStuck = (id: string) => id.startsWith('stuck')
  const sessions = openSessions({
    store: {
      ...store,
      // As of several servers: those that are there remove theirs.
      async remove(...ids) {
        const removed = await store.remove(...ids.filter(id => !isStuck(id)))
        if (ids.some(isStuck)) throw new Error('one of the servers does not answer')
        return removed
      },
      async removeIssued() {
        throw new Error('the server of tokens does not answer')
      },
    },
    sealer: createSealer(new Uint8Array(32).fill(7), ports),
    limits: { lifetimeMs: 1e9, idleMs: 1e9, cacheBytes: 50_000, providerTrust: ANY_PROVIDER },
    ports,
    timers: { watchMs: 20 },
  })
  const start = async () => {
    const secrets = { idToken: 'i', refreshToken: null }
    return (await sessions.start({ portal: 'home', host: 'app.example', identity: ADA, secrets })).session.id
  }
  const token = await sessions.tokens.create({
    ...{ portal: 'home', name: 'n', lifetimeMs: 1e6, identity: ADA, limits: NOWHERE, follows: true },
  })
  // Beside a token that cannot be revoked, and behind many sessions that cannot be ended.
  const beside = await start()
  sessions.owe([token.held.session.id, beside])
  await eventually(async () => (await store.findById(beside)) === null, 'the one beside it has ended')
  const behind = await start()
  sessions.owe([...Array.from({ length: 120 }, (_, index) => `stuck-${index}`), behind])
  await eventually(async () => (await store.findById(behind)) === null, 'the one behind them has ended')
  await sessions.close()
})

test.each([
  ['ends as the process stops, once the store can do it', false, []],
  ['is told of where the process stops before the store can do it', true, [1]],
])('what could not be ended %s', async (_title, isAway, told) => {
  using folder = temporaryFolder()
  const path = join(folder.path, 's.db')
  const errors: unknown[] = []
  const quiet = quietPorts(fakeClock())
  const ports = {
    ...quiet,
    log: { ...quiet.log, error: (_: string, facts?: Facts) => void errors.push(facts?.number) },
  }
  const store = openSqliteStore(path, ports)
  let isFailing = true
  const sessions = openSessions({
    store: {
      ...store,
      remove(...ids) {
        if (isFailing) throw new Error('the disk is full')
        return store.remove(...ids)
      },
    },
    sealer: createSealer(new Uint8Array(32).fill(7), ports),
    limits: { lifetimeMs: 1e9, idleMs: 1e9, cacheBytes: 50_000, providerTrust: ANY_PROVIDER },
    ports,
    timers: { watchMs: 1e6 },
  })
  const secrets = { idToken: 'i', refreshToken: null }
  const { id } = (await sessions.start({ portal: 'home', host: 'app.example', identity: ADA, secrets })).session
  await expect(sessions.end(id)).rejects.toThrow('still valid')
  isFailing = isAway
  await sessions.close()
  const again = openSqliteStore(path, ports)
  expect([(await again.findById(id)) !== null, errors]).toEqual([isAway, told])
  await again.close()
})

test('what belonged to a name that left its file is ended once the store can be read again', async () => {
  using folder = temporaryFolder()
  const ports = quietPorts(fakeClock())
  const store = openSqliteStore(join(folder.path, 's.db'), ports)
  let isAway = true
  let failed = 0
  const users = { entries: new Map([['bob', plainUser('a hash')]]), totp: new Map(), groups: [] }
  const sessions = openSessions({
    store: {
      ...store,
      listRecords(kind, whose) {
        if (!isAway || kind !== 'token') return store.listRecords(kind, whose)
        failed++
        throw new Error('the store is away')
      },
    },
    sealer: createSealer(new Uint8Array(32).fill(7), ports),
    limits: {
      lifetimeMs: 1e9,
      idleMs: 1e9,
      cacheBytes: 50_000,
      providerTrust: providerTrustOf({
        portals: new Map([['home', { name: 'home', providers: ['people'] }]]),
        providers: new Map([['people', { issuer: 'users:people', users }]]),
      }),
      offeredRoles: new Map([['home', new Set(['friend'])]]),
    },
    ports,
    timers: { watchMs: 1_000, flushMs: 1_000, purgeMs: 20 },
  })
  const make = async (name: string) => {
    const identity = makeIdentity('people', 'users:people', `htpasswd:${name}`, {})
    const wanted = { portal: 'home', name: 'n', lifetimeMs: 1e6, identity, limits: NOWHERE, follows: true }
    return (await sessions.tokens.create(wanted)).held.session.id
  }
  const [ada, bob] = [await make('ada'), await make('bob')]
  const grant = async (name: string) => {
    const identity = makeIdentity('people', 'users:people', `htpasswd:${name}`, {})
    const wanted = { name, role: 'friend', route: 'x', text: '' }
    const asked = await sessions.grants.ask({ portal: 'home', identity }, wanted)
    if (asked.kind !== 'asked') throw new Error(asked.kind)
    await sessions.grants.grant('home', asked.request.id, { forMs: null, by: 'admin' })
    return () => sessions.grants.of({ portal: 'home', identity }).grants.length
  }
  const [adas, bobs] = [await grant('ada'), await grant('bob')]
  expect([adas(), bobs()]).toEqual([1, 1])
  await sessions.lookForLeftBehind()
  await eventually(() => failed > 1, 'it is tried again')
  expect(await store.findRecord('token', { id: ada })).not.toBeNull()
  isAway = false
  await eventually(async () => (await store.findRecord('token', { id: ada })) === null, 'it is ended')
  expect(await store.findRecord('token', { id: bob })).not.toBeNull()
  expect([adas(), bobs()]).toEqual([0, 1])
  await sessions.close()
})

test('what else a user of a file has ends, and nothing of another of the same name, id or provider', async () => {
  const issued = (id: string, issuer: string, subject: string, userId?: string) => ({
    session: {
      id,
      identity: { ...makeIdentity('family', issuer, subject, {}), ...(userId === undefined ? {} : { userId }) },
    },
    limits: {},
    owner: {},
  })
  const all = [
    issued('theirs', 'file', 'ada', '1'),
    issued('of an earlier one of the name', 'file', 'ada', '2'),
    issued('of the name without an id', 'file', 'ada'),
    issued('of another', 'file', 'bob', '1'),
    issued('of another file', 'elsewhere', 'ada', '1'),
    { ...issued('of an operator', 'file', 'ada', '1'), owner: null },
    { ...issued('a client', 'file', 'ada', '1'), limits: { resource: 'https://app.example' } },
  ]
  const ended: string[] = []
  const endOthers = createEndOthers({
    store: { findBySubject: () => [] },
    tokens: { list: async () => all },
    links: {
      list: async () =>
        all
          .slice(0, 5)
          .map(({ session }) => ({ session: { id: `link ${session.id}` }, grant: { maker: session.identity } })),
    },
    end: async (...ids: readonly string[]) => void ended.push(...ids),
    endEverywhere: async () => 0,
    files: () => [{ portal: 'home', issuer: 'file', names: new Set(), hasIds: true }],
  } as unknown as EndOthersTools)
  const whose = { issuer: 'file', subject: 'ada', userId: '1' }
  expect(await endOthers(whose, { keep: null, endsTokens: true })).toEqual({
    sessions: 0,
    clients: 1,
    tokens: 1,
    links: 1,
  })
  expect(ended).toEqual(['a client', 'theirs', 'link theirs'])
})
