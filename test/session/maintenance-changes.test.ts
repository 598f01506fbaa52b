import { expect, test } from 'bun:test'
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { makeIdentity } from '../../src/identity/identity.ts'
import type { FilePerson } from '../../src/identity/passwords/users.ts'
import { ownerIdOf } from '../../src/session/credentials/owners.ts'
import { renderBinding } from '../../src/session/device-binding.ts'
import { type OpenSessions, openSessions } from '../../src/session/open.ts'
import { createSealer } from '../../src/session/seal.ts'
import { openSqliteStore } from '../../src/session/sqlite/store.ts'
import type { SessionStore } from '../../src/session/store.ts'
import { fakeClock, quietPorts } from '../kit/clock.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { eventually } from '../kit/gate.ts'
import { needs } from '../kit/needs.ts'
import { ANY_PROVIDER } from '../kit/sessions/lifetimes.ts'

const WATCH_MS = 20
const PORTS = quietPorts(fakeClock())
const SIGN_IN = {
  portal: 'home',
  host: 'x.example',
  identity: makeIdentity('id', 'https://id.example', 'ada', {}),
  secrets: { idToken: 'x', refreshToken: null },
}

/** Sessions over a store, and how often the store was asked what others did. */
function listening(store: SessionStore): { sessions: OpenSessions; asked: () => number } {
  let asked = 0
  const counting: SessionStore = {
    ...store,
    changesSince() {
      asked++
      return store.changesSince()
    },
  }
  const sessions = openSessions({
    store: counting,
    sealer: createSealer(new Uint8Array(32), PORTS),
    limits: { lifetimeMs: 1e9, idleMs: 1e9, cacheBytes: 50_000, providerTrust: ANY_PROVIDER },
    ports: PORTS,
    timers: { watchMs: WATCH_MS, flushMs: 1e6, purgeMs: 1e6 },
  })
  return { sessions, asked: () => asked }
}

/** So many questions would a store hear in this time that is asked again and again. */
const LONG = 25 * WATCH_MS

async function askedIn(asked: () => number): Promise<number> {
  const before = asked()
  await Bun.sleep(LONG)
  return asked() - before
}

// That a folder is on this machine's own disk, so that every write to it is told, is read there.
needs('/proc').test(
  'a database to which nobody writes is left alone, and heard of as soon as another process writes',
  async () => {
    using folder = temporaryFolder()
    const path = join(folder.path, 's.db')
    const here = listening(openSqliteStore(path, PORTS))
    const elsewhere = listening(openSqliteStore(path, PORTS))
    try {
      const { token, session } = await elsewhere.sessions.start(SIGN_IN)
      for (let round = 0; round < 2; round++) {
        expect((await here.sessions.find(token, 'x.example'))?.id).toBe(session.id)
        await eventually(async () => (await askedIn(here.asked)) <= 2, 'nothing is asked while nothing is written')
      }
      await elsewhere.sessions.end(session.id)
      await eventually(async () => (await here.sessions.find(token, 'x.example')) === null, 'the end is heard of')
    } finally {
      await here.sessions.close()
      await elsewhere.sessions.close()
    }
  },
)

test('a store that does not tell what is written is asked again and again', async () => {
  using folder = temporaryFolder()
  const store = openSqliteStore(join(folder.path, 's.db'), PORTS)
  const { sessions, asked } = listening({ ...store, onWritten: null })
  try {
    for (const times of [5, 10]) await eventually(() => asked() >= times, `it is asked ${times} times`)
  } finally {
    await sessions.close()
  }
})

test('one whose folder is a link is asked again and again too', async () => {
  using folder = temporaryFolder()
  mkdirSync(join(folder.path, 'real'))
  symlinkSync('real', join(folder.path, 'link'))
  const { sessions, asked } = listening(openSqliteStore(join(folder.path, 'link', 's.db'), PORTS))
  try {
    await Bun.sleep(LONG)
    const before = asked()
    await eventually(() => asked() >= before + 5, 'it is asked on and on')
  } finally {
    await sessions.close()
  }
})

test('what others changed is heard of, though a session among it cannot be read at that moment', async () => {
  using folder = temporaryFolder()
  const path = join(folder.path, 's.db')
  const store = openSqliteStore(path, PORTS)
  const elsewhere = openSqliteStore(path, PORTS)
  let isHeldBack = true
  let failures = 0
  const { sessions } = listening({
    ...store,
    // Both changes are of one look.
    changesSince: () => (isHeldBack ? { removed: [], updated: [] } : store.changesSince()),
    findById(id) {
      if (isHeldBack || failures++ > 0) return store.findById(id)
      throw new Error('database is locked')
    },
  })
  const others = listening(elsewhere)
  try {
    const { token, session } = await others.sessions.start({
      ...SIGN_IN,
      identity: makeIdentity('id', 'https://id.example', 'ada', { groups: ['staff'] }),
    })
    expect((await sessions.find(token, 'x.example'))?.identity.groups).toEqual(['staff'])
    const changed: (string | null)[] = []
    sessions.accounts.onChange(id => changed.push(id))
    const row = await elsewhere.findById(session.id)
    if (row === null) throw new Error('the session is stored')
    const identity = JSON.stringify(makeIdentity('id', 'https://id.example', 'ada', { groups: [] }))
    expect(await elsewhere.update(row.id, { ...row, identity, checkedAtMs: row.checkedAtMs + 1 })).toBe(true)
    const bob: FilePerson = { provider: 'people', name: 'bob', key: ['bob'], over: 'entry' }
    await others.sessions.accounts.change(bob, before => ({ ...before, recovery: ['hash'] }))
    isHeldBack = false
    await eventually(() => failures > 0 && changed.length > 0, 'the change of the account is heard of')
    await eventually(
      async () => (await sessions.find(token, 'x.example'))?.identity.groups.length === 0,
      'the groups of the session are those of now',
    )
  } finally {
    await sessions.close()
    await others.sessions.close()
  }
})

test('what is heard of users alone has no session read again that is on its way into memory', async () => {
  using folder = temporaryFolder()
  const path = join(folder.path, 's.db')
  const store = openSqliteStore(path, PORTS)
  const elsewhere = openSqliteStore(path, PORTS)
  const { promise: isOver, resolve: goOn } = Promise.withResolvers<void>()
  const told = new Set<string>()
  let isHeard = false
  let reads = 0
  const { sessions } = listening({
    ...store,
    async findByHash(hash) {
      reads++
      const found = await store.findByHash(hash)
      await isOver
      return found
    },
    async changesSince() {
      // One look after the other: by the next one all of it is in memory.
      isHeard = told.size === 3
      const changes = await store.changesSince()
      for (const id of changes.updated) told.add(id.split(':')[0] ?? '')
      return changes
    },
  })
  const others = listening(elsewhere)
  try {
    const { token, session } = await others.sessions.start(SIGN_IN)
    const finding = sessions.find(token, 'x.example')
    const bob: FilePerson = { provider: 'people', name: 'bob', key: ['bob'], over: 'entry' }
    await others.sessions.accounts.change(bob, before => ({ ...before, recovery: ['hash'] }))
    const id = ownerIdOf(session)
    for (const identity of ['{}', '{"groups":[]}']) {
      const owner = { id, identity, standing: 'good', notedAtMs: 1, expiresAtMs: 1e15 } as const
      await elsewhere.changeRecord('owner', { id }, () => owner)
    }
    const pushed = { directory: 'directory:x', id: 'y' }
    await elsewhere.changeRecord('pushed', pushed, () => ({ ...pushed, value: '{}' }))
    await eventually(() => isHeard, `it is heard of an account, an owner and a directory (${[...told]})`)
    goOn()
    expect([(await finding)?.id, reads]).toEqual([session.id, 1])
  } finally {
    goOn()
    await sessions.close()
    await others.sessions.close()
  }
})

test('what is heard of a session while it is on its way into memory counts for it', async () => {
  using folder = temporaryFolder()
  const path = join(folder.path, 's.db')
  const store = openSqliteStore(path, PORTS)
  const elsewhere = openSqliteStore(path, PORTS)
  const { promise: isOver, resolve: goOn } = Promise.withResolvers<void>()
  let hasUpdates = false
  let isHeard = false
  const { sessions } = listening({
    ...store,
    // As where the server that has the session answers later than the one that has the changes.
    async findByHash(hash) {
      const found = await store.findByHash(hash)
      if (!isHeard) await isOver
      return found
    },
    async changesSince() {
      // One look after the other: by the next one all of it is in memory.
      isHeard = hasUpdates
      const changes = await store.changesSince()
      hasUpdates ||= changes.updated.length > 0
      return changes
    },
  })
  const others = listening(elsewhere)
  try {
    const { token, session } = await others.sessions.start(SIGN_IN)
    const finding = sessions.find(token, 'x.example')
    const binding = renderBinding({ key: { x: 'x', y: 'y' }, thumbprint: 'print', boundAtMs: 1, network: '' })
    expect(await elsewhere.bind(session.id, binding, null)).toBe(true)
    await eventually(() => isHeard, 'it is heard that the session is bound')
    goOn()
    expect((await finding)?.bound?.thumbprint).toBe('print')
  } finally {
    goOn()
    await sessions.close()
    await others.sessions.close()
  }
})
