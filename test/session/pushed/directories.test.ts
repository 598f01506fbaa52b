import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { makeIdentity } from '../../../src/identity/identity.ts'
import type { SessionLimits } from '../../../src/session/life.ts'
import { openSessions } from '../../../src/session/open.ts'
import { type Directory, type PushedUser, resourceIdOf } from '../../../src/session/pushed/resource.ts'
import { createSealer } from '../../../src/session/seal.ts'
import { openSqliteStore } from '../../../src/session/sqlite/store.ts'
import type { SessionStore } from '../../../src/session/store.ts'
import { vouchersOf } from '../../../src/session/vouchers.ts'
import { fakeClock, quietPorts } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { LIFETIMES } from '../../kit/sessions/lifetimes.ts'
import { refusal } from '../../kit/thrown.ts'

const HOST = 'app.example'
const ISSUER = 'https://id.example'
const ADA = makeIdentity('id', ISSUER, 'ada', { groups: ['said'] })
const DIRECTORY: Directory = { provider: 'id', issuer: ISSUER, portals: ['home'], groups: null }
const LIMITS: SessionLimits = {
  ...LIFETIMES,
  cacheEntries: 100,
  portals: new Map([['home', { ...LIFETIMES, refreshMs: 60_000, refreshLimitMs: 120_000 }]]),
  vouchers: vouchersOf({
    providers: new Map([['id', { issuer: ISSUER, users: null }]]),
    portals: new Map([['home', { name: 'home', providers: ['id'] }]]),
  }),
  directories: [DIRECTORY],
}
const SECRETS = { idToken: 'i', refreshToken: 'r' }

function userOf(isActive: boolean): PushedUser {
  const times = { createdAtMs: 1, changedAtMs: 1, isGone: false }
  return {
    kind: 'user',
    id: resourceIdOf('user', 'ada'),
    externalId: 'ada',
    userName: 'a',
    displayName: null,
    isActive,
    ...times,
  }
}

interface Opened {
  readonly clock: ReturnType<typeof fakeClock>
  readonly store: SessionStore
  readonly sessions: ReturnType<typeof openSessions>
}

/** One process on a database; `over` is what of its store is otherwise, `ask` how its provider answers. */
function open(
  path: string,
  over: (store: SessionStore) => Partial<SessionStore> = () => ({}),
  ask: () => Promise<void> = async () => {},
): Opened {
  const clock = fakeClock()
  const ports = quietPorts(clock)
  const store = openSqliteStore(join(path, 's.db'), ports)
  const sessions = openSessions({
    store: { ...store, ...over(store) },
    sealer: createSealer(new Uint8Array(32).fill(7), ports),
    limits: LIMITS,
    ports,
    async ask() {
      await ask()
      return { kind: 'renewed', identity: ADA, secrets: SECRETS }
    },
    timers: { watchMs: 20, flushMs: 20, purgeMs: 20 },
  })
  return { clock, store, sessions }
}

const start = ({ sessions }: Opened) => sessions.start({ portal: 'home', host: HOST, identity: ADA, secrets: SECRETS })

test('whoever is barred between the look and the writing of their sign-in is not signed in, and nothing of it is kept', async () => {
  using folder = temporaryFolder()
  const other = open(folder.path)
  const one = open(folder.path, store => ({
    async insert(session, handle) {
      await other.sessions.directories.replace(DIRECTORY, null, userOf(false))
      return store.insert(session, handle)
    },
  }))
  expect((await refusal(start(one))).code).toBe('provider.inactive')
  expect(await one.store.findBySubject(ISSUER, 'ada')).toEqual([])
  await Promise.all([one.sessions.close(), other.sessions.close()])
})

test('a refresh that was under way brings nobody back', async () => {
  using folder = temporaryFolder()
  const answer = Promise.withResolvers<void>()
  const asked = Promise.withResolvers<void>()
  const one = open(folder.path, undefined, () => {
    asked.resolve()
    return answer.promise
  })
  const { token } = await start(one)
  one.clock.advance(130_000)
  const finding = one.sessions.find(token, HOST)
  await asked.promise
  await one.sessions.directories.replace(DIRECTORY, null, userOf(false))
  answer.resolve()
  expect(await finding).toBeNull()
  expect(await one.sessions.find(token, HOST)).toBeNull()
  expect(await one.store.findBySubject(ISSUER, 'ada')).toEqual([])
  await one.sessions.close()
})

test('where the store keeps what was to end, whoever pushed is told, nobody is let in, and the next push ends it', async () => {
  using folder = temporaryFolder()
  let isFull = true
  const one = open(folder.path, store => ({
    remove(...ids) {
      if (isFull) throw new Error('the disk is full')
      return store.remove(...ids)
    },
  }))
  const { token } = await start(one)
  const { directories } = one.sessions
  expect((await refusal(directories.replace(DIRECTORY, null, userOf(false)))).code).toBe('session.end')
  expect(await one.sessions.find(token, HOST)).toBeNull()
  expect(await one.store.findBySubject(ISSUER, 'ada')).toHaveLength(1)
  isFull = false
  const kept = await directories.find(DIRECTORY, userOf(false).id)
  expect(await directories.replace(DIRECTORY, kept, userOf(false))).toBe(true)
  expect(await one.store.findBySubject(ISSUER, 'ada')).toEqual([])
  await one.sessions.close()
})

test('of two that write the same at once, one is told that it came too late', async () => {
  using folder = temporaryFolder()
  const [one, other] = [open(folder.path), open(folder.path)]
  expect(await one.sessions.directories.replace(DIRECTORY, null, userOf(true))).toBe(true)
  expect(await other.sessions.directories.replace(DIRECTORY, null, userOf(false))).toBe(false)
  expect((await other.sessions.directories.find(DIRECTORY, userOf(true).id))?.value).toEqual(userOf(true))
  await Promise.all([one.sessions.close(), other.sessions.close()])
})

test('one that comes to a directory that cannot be read yet learns it once it can', async () => {
  using folder = temporaryFolder()
  const other = open(folder.path)
  await other.sessions.directories.replace(DIRECTORY, null, userOf(false))
  let isThere = false
  const one = open(folder.path, store => ({
    listPushed(directory) {
      if (!isThere) throw new Error('nothing answers')
      return store.listPushed(directory)
    },
  }))
  expect(one.sessions.directories.isBarred(ADA)).toBe(false)
  // Whoever begins something is looked up by name.
  expect((await refusal(start(one))).code).toBe('provider.inactive')
  isThere = true
  await eventually(() => one.sessions.directories.isBarred(ADA), 'it is read')
  await Promise.all([one.sessions.close(), other.sessions.close()])
})
