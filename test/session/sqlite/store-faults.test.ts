import { Database } from 'bun:sqlite'
import { describe, expect, test } from 'bun:test'
import { closeSync, openSync, readdirSync, rmSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Ports } from '../../../src/base/ports.ts'
import { makeIdentity } from '../../../src/identity/identity.ts'
import { openSessions } from '../../../src/session/open.ts'
import { createSealer } from '../../../src/session/seal.ts'
import { openSqliteStore } from '../../../src/session/sqlite/store.ts'
import type { KeptSession, SessionStore } from '../../../src/session/store.ts'
import { fakeClock, quietPorts } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { ANY_PROVIDER } from '../../kit/sessions/lifetimes.ts'
import { named } from '../../kit/sessions/records.ts'
import { storedSession } from '../../kit/sessions/stored.ts'

const ports = quietPorts(fakeClock())

async function add(store: SessionStore, id: string, changes: Parameters<typeof storedSession>[1] = {}): Promise<void> {
  await store.insert(storedSession(id, changes), { hash: `h-${id}`, sessionId: id, host: 'x' })
}

/** A second connection that holds the write lock, as another process would. */
function lock(path: string): { release(): void } {
  const other = new Database(path)
  other.run('BEGIN EXCLUSIVE')
  return {
    release() {
      other.run('ROLLBACK')
      other.close()
    },
  }
}

describe('a database that another process has locked', () => {
  test('keeps writes waiting, in order, while reads and everything else go on', async () => {
    using folder = temporaryFolder()
    const path = join(folder.path, 's.db')
    const store = openSqliteStore(path, ports)
    await add(store, 'a')
    const held = lock(path)
    let turns = 0
    let isLocked = true
    const turn = () => {
      turns++
      expect(store.findByHash('h-a')).not.toBeNull()
      if (isLocked) setImmediate(turn)
    }
    setImmediate(turn)
    const signIn = add(store, 'b')
    const signOut = Promise.resolve(store.remove('b'))
    const others = Array.from({ length: 200 }, (_, index) => add(store, `c${index}`))
    await eventually(() => turns > 50, 'the loop goes round')
    isLocked = false
    held.release()
    await Promise.all([signIn, signOut, ...others])
    expect(store.findByHash('h-b')).toBeNull()
    expect(store.findByHash('h-c199')).not.toBeNull()
    await store.close()
  })

  test('makes a write fail after a bounded wait, and heals', async () => {
    using folder = temporaryFolder()
    const path = join(folder.path, 's.db')
    const store = openSqliteStore(path, ports)
    const held = lock(path)
    expect(await add(store, 'a').catch((error: { code?: string }) => error.code)).toBe('SQLITE_BUSY')
    held.release()
    await add(store, 'a')
    expect(store.findByHash('h-a')).not.toBeNull()
    await store.close()
  })

  test('refuses at once what comes when a thousand writes wait', async () => {
    using folder = temporaryFolder()
    const path = join(folder.path, 's.db')
    const store = openSqliteStore(path, ports)
    const held = lock(path)
    const waiting = Array.from({ length: 1000 }, (_, index) => add(store, `a${index}`))
    expect(await add(store, 'late').catch(() => 'refused')).toBe('refused')
    held.release()
    await Promise.all(waiting)
    expect(store.findByHash('h-a999')).not.toBeNull()
    await store.close()
  })
})

describe('a long clean-up', () => {
  test('removes any number of sessions and lets everything else have its turn meanwhile', async () => {
    using folder = temporaryFolder()
    const store = openSqliteStore(join(folder.path, 's.db'), ports)
    for (let index = 0; index < 1000; index++) await add(store, `old${index}`, { expiresAtMs: 10, lastSeenMs: 5 })
    for (let index = 0; index < 10; index++) await add(store, `live${index}`, { expiresAtMs: 99, lastSeenMs: 50 })
    let turns = 0
    let isDone = false
    const turn = () => {
      turns++
      if (!isDone) setImmediate(turn)
    }
    setImmediate(turn)
    await store.purge(10, 5)
    isDone = true
    expect(turns).toBeGreaterThan(15)
    const { sessions } = await store.list('home', { after: null, limit: 100 })
    expect(sessions.length).toBe(10)
    await store.close()
  })

  test('of more sessions than are told one by one makes others read again what they have in memory', async () => {
    using folder = temporaryFolder()
    const path = join(folder.path, 's.db')
    const store = openSqliteStore(path, ports)
    const other = openSqliteStore(path, ports)
    await store.remove(...Array.from({ length: 5001 }, (_, index) => `a${index}`))
    expect(await other.changesSince()).toEqual({ removed: [], updated: [], isIncomplete: true })
    await store.remove('b')
    expect(await other.changesSince()).toEqual({ removed: ['b'], updated: [] })
    await other.close()
    await store.close()
  }, 300_000)
})

/** Overwrites everything behind the first page, so that the file still looks like a database when it is opened. */
function damage(path: string): void {
  const other = new Database(path)
  other.run('PRAGMA wal_checkpoint(TRUNCATE)')
  other.close()
  const file = openSync(path, 'r+')
  const { size } = statSync(path)
  writeSync(file, Buffer.alloc(size - 4096, 0xa5), 0, size - 4096, 4096)
  closeSync(file)
}

/** As `add` has stored it. */
function memorised(id: string, subject = 'ada'): KeptSession {
  return { session: storedSession(id, { subject }), handles: [{ hash: `h-${id}`, sessionId: id, host: 'x' }] }
}

/** What it says, error by error. */
function toldPorts(): { readonly told: string[]; readonly ports: Pick<Ports, 'now' | 'random' | 'log'> } {
  const told: string[] = []
  return { told, ports: { ...ports, log: { ...ports.log, error: message => void told.push(message) } } }
}

describe('a database that is damaged while it is in use', () => {
  test('is moved aside with a loud word and begun anew; other processes go along', async () => {
    using folder = temporaryFolder()
    const path = join(folder.path, 's.db')
    const { told, ports: telling } = toldPorts()
    const store = openSqliteStore(path, telling)
    // More than the connection keeps in memory.
    for (let index = 0; index < 2000; index++) await add(store, `a${index}`, { secrets: 'x'.repeat(2000) })
    const other = openSqliteStore(path, telling)
    damage(path)
    let failures = 0
    for (let index = 0; index < 2000; index++) {
      try {
        await store.findByHash(`h-a${index}`)
      } catch {
        failures++
      }
    }
    expect(failures).toBe(1)
    expect(told).toEqual([
      'The session database is damaged and was moved aside; who is not in memory has to sign in again',
    ])
    expect(readdirSync(folder.path).some(name => name.includes('.damaged-'))).toBe(true)
    expect(store.findByHash('h-a1')).toBeNull()
    for (const kind of ['token', 'link'] as const) {
      for (const key of [{ hash: 'x' }, { id: 'x' }]) {
        expect(() => store.findRecord(kind, key)).toThrow('may be in')
      }
    }
    const { insertLink, useLink } = named(store)
    await expect(useLink('x', 0)).rejects.toThrow('may be in')
    const link = { id: 'l', hash: 'h', portal: 'home', grant: '{}', uses: 1, used: 0, createdAtMs: 0, expiresAtMs: 9e9 }
    await insertLink(link)
    // What is used up is there.
    expect([await useLink('h', 0), await useLink('h', 0)]).toMatchObject([{ used: 1 }, null])
    await add(store, 'new')
    await store.remove('ended')
    await store.tellEnded({ issuer: 'https://id.example', subject: 'put out', sid: null })
    const kept = [memorised('a1'), memorised('ended'), memorised('out', 'put out'), memorised('new')]
    for (const one of [store, other]) {
      const { takeBack, ...changes } = await one.changesSince()
      const removed = one === other ? ['ended', 'ended'] : []
      expect(changes).toMatchObject({
        removed,
        updated: [],
        ...(one === other ? { ended: [{ subject: 'put out' }] } : {}),
      })
      expect(await takeBack?.(kept)).toEqual(['ended', 'out'])
      expect((await one.changesSince()).takeBack).toBeUndefined()
      for (const id of ['a1', 'new']) expect(one.findByHash(`h-${id}`)).not.toBeNull()
    }
    expect(readdirSync(folder.path).filter(name => /damaged-\d+$/.test(name)).length).toBe(1)
    await other.close()
    await store.close()
  }, 300_000)

  test('leaves nobody in memory for longer than the last answer of their provider counts', async () => {
    using folder = temporaryFolder()
    const path = join(folder.path, 's.db')
    const clock = fakeClock()
    const real = quietPorts(clock)
    const store = openSqliteStore(path, real)
    const sessions = openSessions({
      store,
      sealer: createSealer(new Uint8Array(32), real),
      limits: {
        lifetimeMs: 1e9,
        idleMs: 1e9,
        refreshMs: 1e5,
        refreshLimitMs: 4e5,
        cacheBytes: 50_000,
        providerTrust: ANY_PROVIDER,
      },
      ports: real,
      ask: () => Promise.reject(new Error('nobody is asked without a token')),
      timers: { watchMs: 20, flushMs: 1e6, purgeMs: 1e6 },
    })
    const identity = makeIdentity('id', 'https://id.example', 'ada', {})
    const secrets = { idToken: 'x', refreshToken: 'r' }
    const { token, session } = await sessions.start({ portal: 'home', host: 'x', identity, secrets })
    for (let index = 0; index < 200; index++) await add(store, `a${index}`, { secrets: 'x'.repeat(2000) })
    damage(path)
    const isThere = () => {
      try {
        return store.findById('a0') === null && store.findById(session.id) !== null
      } catch {
        return false
      }
    }
    await eventually(isThere, 'it is in the new one')
    expect(await sessions.find(token, 'x')).not.toBeNull()
    expect(store.findById(session.id)).toMatchObject({ expiresAtMs: session.createdAtMs + 4e5, isRefreshable: false })
    clock.advance(4e5 - 1)
    expect(await sessions.find(token, 'x')).not.toBeNull()
    clock.advance(1)
    expect(await sessions.find(token, 'x')).toBeNull()
    await sessions.close()
  })

  test('is begun anew, too, where its file was removed', async () => {
    using folder = temporaryFolder()
    const path = join(folder.path, 's.db')
    const { told, ports: telling } = toldPorts()
    const store = openSqliteStore(path, telling)
    await add(store, 'a')
    for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true })
    expect(await store.changesSince()).toEqual({ removed: [], updated: [], isIncomplete: true })
    expect(told).toEqual([
      'The session database was removed or replaced; who is not in the new one has to sign in again',
    ])
    await add(store, 'b')
    const again = openSqliteStore(path, ports)
    expect(again.findByHash('h-b')).not.toBeNull()
    expect(again.findByHash('h-a')).toBeNull()
    await again.close()
    await store.close()
  })

  test('signs out whom only memory still knows', async () => {
    using folder = temporaryFolder()
    const path = join(folder.path, 's.db')
    const clock = fakeClock()
    const real = quietPorts(clock)
    const sessions = openSessions({
      store: openSqliteStore(path, real),
      sealer: createSealer(new Uint8Array(32), real),
      limits: { lifetimeMs: 1e9, idleMs: 1e9, cacheBytes: 50_000, providerTrust: ANY_PROVIDER },
      ports: real,
      timers: { watchMs: 20, flushMs: 1e6, purgeMs: 1e6 },
    })
    const identity = makeIdentity('id', 'https://id.example', 'ada', {})
    const secrets = { idToken: 'x', refreshToken: null }
    const { token } = await sessions.start({ portal: 'home', host: 'x', identity, secrets })
    expect(await sessions.find(token, 'x')).not.toBeNull()
    for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true })
    await eventually(async () => (await sessions.find(token, 'x')) === null, 'the session is over')
    await sessions.close()
  })
})
