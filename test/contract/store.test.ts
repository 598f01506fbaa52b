import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { openSqliteStore } from '../../src/session/sqlite.ts'
import type { SessionStore, StoredSession } from '../../src/session/store.ts'
import { fakeClock, quietPorts } from '../kit/clock.ts'
import { temporaryFolder } from '../kit/folder.ts'

/** What every session store has to keep; `open` opens the same data each time it is called. */
const STORES: Readonly<Record<string, (folder: string) => () => SessionStore>> = {
  sqlite: folder => () => openSqliteStore(join(folder, 'sessions.db'), quietPorts(fakeClock())),
}

const LIMITS = { perOwner: 3, total: 6 }

function session(id: string, changes: Partial<StoredSession> = {}): StoredSession {
  return {
    id,
    portal: 'home',
    identity: '{}',
    secrets: 's',
    createdAtMs: 0,
    expiresAtMs: 1000,
    lastSeenMs: 0,
    ...changes,
  }
}

describe.each(Object.entries(STORES))('the %s store', (_name, of) => {
  async function withStore(act: (store: SessionStore, open: () => SessionStore) => Promise<void>): Promise<void> {
    using folder = temporaryFolder()
    const open = of(folder.path)
    const store = open()
    try {
      await act(store, open)
    } finally {
      await store.close()
    }
  }

  test('a session is found by the hash it was inserted with, with its host', () =>
    withStore(async store => {
      await store.insert(session('a', { portal: 'work', lastSeenMs: 5 }), {
        hash: 'h1',
        sessionId: 'a',
        host: 'x.example',
      })
      expect(await store.findByHash('h1')).toEqual({
        session: session('a', { portal: 'work', lastSeenMs: 5 }),
        host: 'x.example',
      })
      expect(await store.findByHash('h2')).toBeNull()
    }))

  test('one session has a handle for each host, and none after it is removed', () =>
    withStore(async store => {
      await store.insert(session('a'), { hash: 'h1', sessionId: 'a', host: 'x.example' })
      expect(await store.addHandle({ hash: 'h2', sessionId: 'a', host: 'y.example' })).toBe(true)
      expect((await store.findByHash('h2'))?.host).toBe('y.example')
      await store.remove('a')
      expect(await store.findByHash('h1')).toBeNull()
      expect(await store.findByHash('h2')).toBeNull()
      expect(await store.addHandle({ hash: 'h3', sessionId: 'a', host: 'z.example' })).toBe(false)
    }))

  test('the newest use wins, whatever order uses are written in', () =>
    withStore(async store => {
      await store.insert(session('a'), { hash: 'h1', sessionId: 'a', host: 'x' })
      await store.touch(new Map([['a', 50]]))
      await store.touch(
        new Map([
          ['a', 40],
          ['gone', 1],
        ]),
      )
      expect((await store.findByHash('h1'))?.session.lastSeenMs).toBe(50)
    }))

  test('another process learns of a removal, once', () =>
    withStore(async (store, open) => {
      const other = open()
      try {
        await store.insert(session('a'), { hash: 'h1', sessionId: 'a', host: 'x' })
        await other.removedSince()
        expect(await other.removedSince()).toEqual([])
        await store.remove('a')
        expect(await other.removedSince()).toEqual(['a'])
        expect(await other.removedSince()).toEqual([])
      } finally {
        await other.close()
      }
    }))

  test('what was written is there after the store is opened again', () =>
    withStore(async (store, open) => {
      await store.insert(session('a'), { hash: 'h1', sessionId: 'a', host: 'x' })
      await store.put({ kind: 'ticket', hash: 't', owner: 'o', value: 'v', expiresAtMs: 10 }, LIMITS)
      const again = open()
      expect((await again.findByHash('h1'))?.session.id).toBe('a')
      expect(await again.take('ticket', 't', 0)).toBe('v')
      await again.close()
    }))

  test('a single-use record is taken once, by its own kind, before it expires', () =>
    withStore(async store => {
      for (const hash of ['a', 'b'])
        await store.put({ kind: 'login', hash, owner: 'o', value: hash, expiresAtMs: 100 }, LIMITS)
      expect(await store.take('ticket', 'a', 0)).toBeNull()
      expect(await store.take('login', 'a', 99)).toBe('a')
      expect(await store.take('login', 'a', 99)).toBeNull()
      expect(await store.take('login', 'b', 100)).toBeNull()
    }))

  test("one owner's records push out that owner's oldest alone", () =>
    withStore(async store => {
      await store.put({ kind: 'login', hash: 'mine', owner: 'me', value: 'v', expiresAtMs: 100 }, LIMITS)
      for (let index = 0; index < 5; index++) {
        await store.put({ kind: 'login', hash: `flood${index}`, owner: 'flood', value: 'v', expiresAtMs: 100 }, LIMITS)
      }
      expect(await store.take('login', 'mine', 0)).toBe('v')
      expect(await store.take('login', 'flood1', 0)).toBeNull()
      expect(await store.take('login', 'flood2', 0)).toBe('v')
      expect(await store.take('login', 'flood4', 0)).toBe('v')
    }))

  test('all owners together stay within the total', () =>
    withStore(async store => {
      for (let index = 0; index < 10; index++) {
        await store.put({ kind: 'login', hash: `n${index}`, owner: `o${index}`, value: 'v', expiresAtMs: 100 }, LIMITS)
      }
      let kept = 0
      for (let index = 0; index < 10; index++) if ((await store.take('login', `n${index}`, 0)) !== null) kept++
      expect(kept).toBe(LIMITS.total)
    }))

  test('a purge removes what is over, by age or by idleness, and nothing else', () =>
    withStore(async store => {
      await store.insert(session('old', { expiresAtMs: 100, lastSeenMs: 90 }), {
        hash: 'old',
        sessionId: 'old',
        host: 'x',
      })
      await store.insert(session('idle', { expiresAtMs: 999, lastSeenMs: 10 }), {
        hash: 'idle',
        sessionId: 'idle',
        host: 'x',
      })
      await store.insert(session('live', { expiresAtMs: 999, lastSeenMs: 90 }), {
        hash: 'live',
        sessionId: 'live',
        host: 'x',
      })
      await store.purge(100, 50)
      expect(await store.findByHash('old')).toBeNull()
      expect(await store.findByHash('idle')).toBeNull()
      expect(await store.findByHash('live')).not.toBeNull()
    }))
})
