import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { makeIdentity } from '../../../src/identity/identity.ts'
import { EVERYONE } from '../../../src/session/ended.ts'
import type { SessionLimits } from '../../../src/session/lifetimes.ts'
import { openSessions } from '../../../src/session/open.ts'
import { providerTrustOf } from '../../../src/session/provider-trust.ts'
import {
  type Directory,
  directoryIdOf,
  type Kept,
  type Pushed,
  type PushedUser,
  resourceIdOf,
} from '../../../src/session/scim/resource.ts'
import { createScimDirectory } from '../../../src/session/scim/scim-directory.ts'
import { createSealer } from '../../../src/session/seal.ts'
import { openSqliteStore } from '../../../src/session/sqlite/store.ts'
import type { SessionStore } from '../../../src/session/store.ts'
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
  cacheBytes: 500_000,
  portals: new Map([['home', { ...LIFETIMES, refreshMs: 60_000, refreshLimitMs: 120_000 }]]),
  providerTrust: providerTrustOf({
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
  watchMs = 20,
  limits = LIMITS,
): Opened {
  const clock = fakeClock()
  const ports = quietPorts(clock)
  const store = openSqliteStore(join(path, 's.db'), ports)
  const sessions = openSessions({
    store: { ...store, ...over(store) },
    sealer: createSealer(new Uint8Array(32).fill(7), ports),
    limits,
    ports,
    async ask() {
      await ask()
      return { kind: 'renewed', identity: ADA, secrets: SECRETS }
    },
    timers: { watchMs, flushMs: 20, purgeMs: 20 },
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
    listRecords(kind, whose) {
      if (!isThere) throw new Error('nothing answers')
      return store.listRecords(kind, whose)
    },
  }))
  expect(one.sessions.directories.isBarred(ADA)).toBe(false)
  // Whoever begins something is looked up by name.
  expect((await refusal(start(one))).code).toBe('provider.inactive')
  isThere = true
  await eventually(() => one.sessions.directories.isBarred(ADA), 'it is read')
  await Promise.all([one.sessions.close(), other.sessions.close()])
})

test('a directory that cannot be read keeps nobody from hearing who has signed out elsewhere, and who is barred by another', async () => {
  using folder = temporaryFolder()
  const partners: Directory = { ...DIRECTORY, provider: 'partners', issuer: 'https://partners.example' }
  const limits = { ...LIMITS, directories: [DIRECTORY, partners] }
  let isAway = false
  const one = open(
    folder.path,
    store => ({
      listRecords(kind, whose) {
        if (isAway && whose === directoryIdOf(DIRECTORY)) throw new Error('nothing answers')
        return store.listRecords(kind, whose)
      },
    }),
    undefined,
    20,
    limits,
  )
  const other = open(folder.path, undefined, undefined, 20, limits)
  try {
    const { token, session } = await start(other)
    expect(await one.sessions.find(token, HOST)).not.toBeNull()
    isAway = true
    // What nobody says the name of may be about anything: every directory has to be read again.
    await other.store.tellEnded(EVERYONE)
    await other.sessions.directories.replace(partners, null, userOf(false))
    const ben = { provider: 'partners', issuer: partners.issuer, subject: 'ada' }
    await eventually(() => one.sessions.directories.isBarred(ben), 'whom another directory bars is known')
    expect(await one.sessions.find(token, HOST)).not.toBeNull()
    await other.sessions.end(session.id)
    await eventually(async () => (await one.sessions.find(token, HOST)) === null, 'the sign-out is heard of')
  } finally {
    await Promise.all([one.sessions.close(), other.sessions.close()])
  }
})

test('what is heard while a directory is read as a whole counts, though that reading is older', async () => {
  using folder = temporaryFolder()
  const other = open(folder.path)
  await other.sessions.directories.replace(DIRECTORY, null, userOf(false))
  const reads: (() => void)[] = []
  let isSlow = false
  const listed = Promise.withResolvers<void>()
  const over = (store: SessionStore): Partial<SessionStore> => ({
    async listRecords(kind, whose) {
      const rows = await store.listRecords(kind, whose)
      if (kind === 'pushed' && isSlow) {
        listed.resolve()
        await new Promise<void>(resolve => void reads.push(resolve))
      }
      return rows
    },
  })
  const one = open(folder.path, over, undefined, 3_600_000)
  const { directories } = one.sessions
  await directories.list(DIRECTORY)
  expect(directories.isBarred(ADA)).toBe(true)
  const kept = await other.sessions.directories.find(DIRECTORY, userOf(true).id)
  await other.sessions.directories.replace(DIRECTORY, kept, userOf(true))
  // Who signs in by then is active by the store, and not yet by what is in memory, so that all is read.
  isSlow = true
  const starting = start(one)
  await listed.promise
  const ben = { ...userOf(false), id: resourceIdOf('user', 'ben'), externalId: 'ben' }
  await other.sessions.directories.replace(DIRECTORY, null, ben)
  await directories.list(DIRECTORY)
  expect(directories.isBarred({ ...ADA, subject: 'ben' })).toBe(true)
  isSlow = false
  for (const goOn of reads) goOn()
  await starting
  expect([directories.isBarred(ADA), directories.isBarred({ ...ADA, subject: 'ben' })]).toEqual([false, true])
  await Promise.all([one.sessions.close(), other.sessions.close()])
})

test('a user whose row cannot be read counts as inactive, until the provider pushes them again', async () => {
  using folder = temporaryFolder()
  const { id } = userOf(false)
  for (const value of ['', '{"kind":"us', JSON.stringify({ ...userOf(false), isActive: 'false' })]) {
    const before = open(folder.path)
    const key = { directory: directoryIdOf(DIRECTORY), id }
    await before.store.changeRecord('pushed', key, () => ({ ...key, value }))
    await before.sessions.close()
    const one = open(folder.path)
    const { directories } = one.sessions
    expect(directories.isBarred(ADA)).toBe(true)
    expect(directories.isBarred({ ...ADA, subject: 'ben' })).toBe(false)
    expect((await refusal(start(one))).code).toBe('provider.inactive')
    // To delete them changes nothing of it.
    const kept = await directories.find(DIRECTORY, id)
    expect(await directories.replace(DIRECTORY, kept, kept?.value ?? null)).toBe(true)
    expect((await one.store.findRecord('pushed', key))?.value).toBe(value)
    expect(await directories.replace(DIRECTORY, kept, userOf(true))).toBe(true)
    expect(directories.isBarred(ADA)).toBe(false)
    const { token } = await start(one)
    expect(await one.sessions.find(token, HOST)).not.toBeNull()
    await one.sessions.close()
  }
})

test('a list has what anybody has written by then, by a process that has heard of nothing since', async () => {
  using folder = temporaryFolder()
  const other = open(folder.path, undefined, undefined, 3_600_000)
  const one = open(folder.path)
  expect(await other.sessions.directories.list(DIRECTORY)).toEqual([])
  await one.sessions.directories.replace(DIRECTORY, null, userOf(false))
  expect(await other.sessions.directories.list(DIRECTORY)).toEqual([userOf(false)])
  await Promise.all([one.sessions.close(), other.sessions.close()])
})

test('whom another process has made active again a moment ago is not barred by what this one knew', async () => {
  using folder = temporaryFolder()
  const [here, there] = [open(folder.path, undefined, undefined, 3_600_000), open(folder.path)]
  await there.sessions.directories.replace(DIRECTORY, null, userOf(false))
  await here.sessions.directories.list(DIRECTORY)
  expect(here.sessions.directories.isBarred(ADA)).toBe(true)
  const kept = await there.sessions.directories.find(DIRECTORY, userOf(false).id)
  await there.sessions.directories.replace(DIRECTORY, kept, userOf(true))
  const { token } = await here.sessions.start({ portal: 'home', host: HOST, identity: ADA, secrets: SECRETS })
  expect(here.sessions.directories.isBarred(ADA)).toBe(false)
  expect(await here.sessions.find(token, HOST)).not.toBeNull()
  await Promise.all([here.sessions.close(), there.sessions.close()])
})

test('a directory bars whom it has pushed for as long as the file has it', async () => {
  using folder = temporaryFolder()
  const one = open(folder.path)
  await one.sessions.directories.replace(DIRECTORY, null, userOf(false))
  const isBarredWith = async (directories: readonly Directory[]) => {
    one.sessions.configure({ ...LIMITS, directories })
    await one.sessions.directories.list(DIRECTORY)
    return one.sessions.directories.isBarred(ADA)
  }
  expect(await isBarredWith([])).toBe(false)
  expect(await isBarredWith([DIRECTORY])).toBe(true)
  await one.sessions.close()
})

test('whoever hears of one that was written reads that one, and a list reads nothing that is known', async () => {
  using folder = temporaryFolder()
  let readings = 0
  const one = open(folder.path)
  const other = open(folder.path, store => ({
    listRecords(kind, whose) {
      readings++
      return store.listRecords(kind, whose)
    },
  }))
  expect(readings).toBe(1)
  await one.sessions.directories.replace(DIRECTORY, null, userOf(false))
  // Nothing is waited for: a list has what anybody has written by then.
  expect(await other.sessions.directories.list(DIRECTORY)).toEqual([userOf(false)])
  expect(other.sessions.directories.isBarred(ADA)).toBe(true)
  const kept = await one.sessions.directories.find(DIRECTORY, userOf(false).id)
  await one.sessions.directories.replace(DIRECTORY, kept, userOf(true))
  await eventually(() => !other.sessions.directories.isBarred(ADA), 'the other one has heard of it by itself')
  expect(await other.sessions.directories.size(DIRECTORY)).toMatchObject({ resources: 1, members: 0 })
  expect(readings).toBe(1)
  await Promise.all([one.sessions.close(), other.sessions.close()])
})

test('a list is in the order in which its users were made, those of one moment by their ids', () => {
  const scimDirectory = createScimDirectory()
  scimDirectory.configure([DIRECTORY])
  const keep = (id: string, createdAtMs: number): Kept => ({ value: { ...userOf(true), id, createdAtMs }, text: id })
  const ids = () => scimDirectory.all(DIRECTORY).map(({ id }) => id)
  scimDirectory.learn(DIRECTORY, [keep('c', 2), keep('b', 2), keep('d', 1)])
  expect(ids()).toEqual(['d', 'b', 'c'])
  scimDirectory.note(DIRECTORY, 'a', keep('a', 2))
  expect(ids()).toEqual(['d', 'a', 'b', 'c'])
})

test('what is worked out of one change is what all of the directory would say', () => {
  const names = new Map([
    ['A', 'a'],
    ['B', 'b'],
    ['Also A', 'a'],
  ])
  const directory: Directory = { ...DIRECTORY, groups: names }
  const scimDirectory = createScimDirectory()
  scimDirectory.configure([directory])
  const all = new Map<string, Pushed>()
  // The same every time: a small generator of its own.
  let seed = 7
  const below = (most: number) => {
    seed = (seed * 1103515245 + 12345) % 2147483648
    return Math.floor((seed / 2147483648) * most)
  }
  const keep = (value: Pushed): Kept => ({ value, text: JSON.stringify(value) })
  let moves = 0
  for (let step = 0; step < 600; step++) {
    const id = below(3) === 0 ? `user-${below(8)}` : `group-${below(6)}`
    const times = { id, createdAtMs: all.get(id)?.createdAtMs ?? below(50), changedAtMs: step }
    const members = [...new Set(Array.from({ length: below(6) }, () => `user-${below(8)}`))]
    const displayName = ['A', 'B', 'Also A', 'of no rule'][below(4)] ?? ''
    const made: Pushed = id.startsWith('user')
      ? { ...userOf(below(2) === 0), ...times, externalId: `sub of ${id}` }
      : { kind: 'group', ...times, externalId: null, displayName, members }
    const isGone = made.kind === 'group' && below(4) === 0
    const before = new Map(subjects().map(subject => [subject, seen(scimDirectory, subject)]))
    if (isGone) all.delete(id)
    else all.set(id, made)
    const { moved } = scimDirectory.note(directory, id, isGone ? null : keep(made))
    moves += moved.length

    const anew = createScimDirectory()
    anew.configure([directory])
    anew.learn(directory, [...all.values()].map(keep))
    for (const subject of subjects()) {
      const now = seen(scimDirectory, subject)
      expect(now).toEqual(seen(anew, subject))
      if (String(now[0]) !== String(before.get(subject)?.[0])) expect(moved).toContain(subject)
    }
    expect(scimDirectory.size(directory)).toEqual(anew.size(directory))
    expect(scimDirectory.all(directory)).toEqual(anew.all(directory))
  }
  expect(moves).toBeGreaterThan(100)

  function subjects(): readonly string[] {
    return Array.from({ length: 8 }, (_, index) => `sub of user-${index}`)
  }
  function seen(of: ReturnType<typeof createScimDirectory>, subject: string): readonly unknown[] {
    const someone = makeIdentity('id', ISSUER, subject, { groups: ['said'] })
    return [of.see(someone).groups, of.isBarred(someone)]
  }
})
