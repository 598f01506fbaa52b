import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import type { AuditPage } from '../../src/audit/store.ts'
import type { OwnerNote } from '../../src/session/credentials/owners.ts'
import type { StoredApiToken, StoredGuestLink, StoredOwner } from '../../src/session/records.ts'
import { openRedisStore } from '../../src/session/redis/store.ts'
import { openSqliteStore } from '../../src/session/sqlite/store.ts'
import type { StoredPage } from '../../src/session/store.ts'
import { quietPorts } from '../kit/clock.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { eventually } from '../kit/gate.ts'
import { isProgramHere, needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'
import { startCluster } from '../kit/programs/cluster.ts'
import { startSentinels } from '../kit/programs/sentinels.ts'
import { smallestUser, startValkey } from '../kit/programs/valkey.ts'
import { fitting, type NamedStore, named } from '../kit/sessions/records.ts'
import { redisAt } from '../kit/sessions/shared.ts'
import { storedSession } from '../kit/sessions/stored.ts'

let database = 0

const keep = untilTheEnd()
const valkey = keep(await startValkey())
const cluster = keep(await startCluster())
const sentinels = isProgramHere('valkey-server') ? keep(await startSentinels()) : null
if (isProgramHere('valkey-server')) {
  await valkey.ask(0, 'ACL', 'SETUSER', 'gate', 'on', '>secret', ...smallestUser('gate-b'))
  for (const node of cluster.nodes) {
    await node.ask(0, 'ACL', 'SETUSER', 'gate', 'on', '>secret', ...smallestUser('n*'), '+cluster|slots')
  }
}

/** What every session store has to keep; `open` opens the same data each time it is called. */
const STORES: Readonly<Record<string, (folder: string) => () => NamedStore>> = {
  sqlite: folder => () => named(openSqliteStore(join(folder, 'sessions.db'), quietPorts({ now: Date.now }))),
  redis: () => {
    const url = valkey.url(database++)
    return () => named(openRedisStore(redisAt(url), quietPorts({ now: Date.now })))
  },
  'redis as a user who may do little else': () => {
    const url = `redis://gate:secret@127.0.0.1:${valkey.port}/${database++}?prefix=gate-b`
    return () => named(openRedisStore(redisAt(url), quietPorts({ now: Date.now })))
  },
  'redis that sentinels name': () => {
    const address = { ...redisAt(sentinels?.url() ?? ''), database: database++ }
    return () => named(openRedisStore(address, quietPorts({ now: Date.now })))
  },
  'Redis cluster': () => {
    const address = redisAt(cluster.url(`n${database++}`, 'gate:secret@'))
    const names = new Map<string, string>()
    return () => named(fitting(openRedisStore(address, quietPorts({ now: Date.now })), names))
  },
}

/** What a refresh writes. */
const REFRESHED = { identity: '{"n":1}', secrets: 't', sid: 's2', checkedAtMs: 50, isRefreshable: true }

const LIMITS = { perOwner: 3, total: 6 }

const TOKEN: StoredApiToken = {
  id: 'token-1',
  hash: 'h1',
  portal: 'home',
  name: 'backup',
  grant: '{"a":1}',
  createdAtMs: 10,
  expiresAtMs: 4_000_000_000_000,
  used: 0,
}

const LINK: StoredGuestLink = {
  id: 'guest:1',
  hash: 'l1',
  portal: 'home',
  grant: '{"a":1}',
  uses: 2,
  used: 0,
  createdAtMs: 10,
  expiresAtMs: 4_000_000_000_000,
}

/** What is issued to be shown again and again: how a store keeps each. */
const ISSUED = [
  {
    kind: 'token',
    one: TOKEN,
    insert: (store: NamedStore, more: object = {}) => store.insertToken({ ...TOKEN, ...more }),
    find: (store: NamedStore, hash: string) => store.findToken(hash),
    findById: (store: NamedStore, id: string) => store.findTokenById(id),
    list: (store: NamedStore, portal: string) => store.listTokens(portal),
    remove: (store: NamedStore, id: string) => store.removeToken(id),
  },
  {
    kind: 'guest link',
    one: LINK,
    insert: (store: NamedStore, more: object = {}) => store.insertLink({ ...LINK, ...more }),
    find: (store: NamedStore, hash: string) => store.findLink(hash),
    findById: (store: NamedStore, id: string) => store.findLinkById(id),
    list: (store: NamedStore, portal: string) => store.listLinks(portal),
    remove: (store: NamedStore, id: string) => store.removeLink(id),
  },
]

for (const [name, of] of Object.entries(STORES)) {
  const group = name === 'sqlite' ? describe : needs('valkey-server').describe
  group(`the ${name} store`, () => keepsWhatAStoreKeeps(of))
}

/** Whether anybody has to hear of what was heard of one owner. */
async function noteOwner(store: NamedStore, id: string, note: OwnerNote): Promise<boolean> {
  return (await store.noteOwners(new Map([[id, note]]))).includes(id)
}

function keepsWhatAStoreKeeps(of: (folder: string) => () => NamedStore): void {
  async function withStore(act: (store: NamedStore, open: () => NamedStore) => Promise<void>): Promise<void> {
    using folder = temporaryFolder()
    const openOne = of(folder.path)
    const opened: NamedStore[] = []
    const open = () => {
      const store = openOne()
      opened.push(store)
      return store
    }
    try {
      await act(open(), open)
    } finally {
      for (const store of opened.reverse()) await store.close()
    }
  }

  test('a session is found by the hash it was inserted with, with its host', () =>
    withStore(async store => {
      await store.insert(storedSession('a', { portal: 'work', lastSeenMs: 5 }), {
        hash: 'h1',
        sessionId: 'a',
        host: 'x.example',
      })
      expect(await store.findByHash('h1')).toEqual({
        session: storedSession('a', { portal: 'work', lastSeenMs: 5 }),
        host: 'x.example',
      })
      expect(await store.findByHash('h2')).toBeNull()
    }))

  test('one session has a handle for each host, and none after it is removed', () =>
    withStore(async store => {
      await store.insert(storedSession('a'), { hash: 'h1', sessionId: 'a', host: 'x.example' })
      expect(await store.addHandle({ hash: 'h2', sessionId: 'a', host: 'y.example' })).toBe(true)
      expect((await store.findByHash('h2'))?.host).toBe('y.example')
      expect(await store.addHandle({ hash: 'h4', sessionId: 'a', host: 'y.example' })).toBe(true)
      expect([...(await store.findHosts('a'))].sort()).toEqual(['x.example', 'y.example'])
      await store.remove('a')
      expect(await store.findHosts('a')).toEqual([])
      expect(await store.findByHash('h1')).toBeNull()
      expect(await store.findByHash('h2')).toBeNull()
      expect(await store.addHandle({ hash: 'h3', sessionId: 'a', host: 'z.example' })).toBe(false)
    }))

  test('what goes is named once, and answered as it was where the provider has given a refresh token for it', () =>
    withStore(async store => {
      for (const id of ['a', 'b', 'c']) {
        const session = storedSession(id, { isRefreshable: id !== 'b', secrets: `of ${id}` })
        await store.insert(session, { hash: `h${id}`, sessionId: id, host: 'x.example' })
      }
      const { identity, sid, checkedAtMs } = storedSession('a')
      await store.update('a', { identity, sid, checkedAtMs, isRefreshable: true, secrets: 'of a later' })
      const gone = await store.remove('a', 'b', 'unknown')
      const later = storedSession('a', { isRefreshable: true, secrets: 'of a later' })
      expect([[...gone.ids].sort(), gone.refreshable]).toEqual([['a', 'b'], [later]])
      const others = await store.remove('a', 'b', 'c')
      expect([others.ids, others.refreshable.map(({ secrets }) => secrets)]).toEqual([['c'], ['of c']])
    }))

  test('all cookies that there are end in one stroke, before their sessions, and others are told', () =>
    withStore(async (store, open) => {
      const other = open()
      const insert = async (id: string, hash: string) =>
        store.insert(storedSession(id), { hash, sessionId: id, host: 'x.example' })
      // More than a script takes at a time; each of them waits for two seconds at most.
      for (let at = 0; at < 600; at += 50) {
        await Promise.all(Array.from({ length: 50 }, (_, each) => insert(`s${at + each}`, `h${at + each}`)))
      }
      await store.addHandle({ hash: 'second', sessionId: 's7', host: 'y.example' })
      await store.changesSince()
      await other.changesSince()
      await store.endCookies()
      expect((await other.changesSince()).ended).toEqual([{ issuer: null, subject: null, sid: null }])
      for (const hash of ['h0', 'h7', 'second', 'h511', 'h599']) expect(await other.findByHash(hash)).toBeNull()
      expect([(await store.findById('s7'))?.id, await store.findHosts('s7')]).toEqual(['s7', []])
      await insert('later', 'later')
      expect((await other.findByHash('later'))?.session.id).toBe('later')
    }))

  test('those are counted that have not come to their end', () =>
    withStore(async store => {
      const nowMs = Date.now()
      expect(await store.countSessions(nowMs)).toBe(0)
      const ends = { a: nowMs - 60_000, b: nowMs + 60_000, c: nowMs + 120_000 }
      for (const [id, expiresAtMs] of Object.entries(ends)) {
        await store.insert(storedSession(id, { expiresAtMs }), { hash: `h${id}`, sessionId: id, host: 'x' })
      }
      await store.addHandle({ hash: 'h4', sessionId: 'c', host: 'y' })
      expect(await store.countSessions(nowMs)).toBe(2)
      await store.insert(storedSession('d', { portal: 'other', expiresAtMs: ends.b }), {
        hash: 'hd',
        sessionId: 'd',
        host: 'x',
      })
      expect([await store.countSessions(nowMs, 'other'), await store.countSessions(nowMs, 'none')]).toEqual([1, 0])
      // Whether those that have ended are removed already is the store's affair.
      expect([2, 3]).toContain(await store.countSessions(nowMs, 'home'))
      await store.remove('c', 'd')
      expect(await store.countSessions(nowMs)).toBe(1)
    }))

  test('what others did can be asked for as soon as it is opened', () =>
    withStore(async store => expect(await store.changesSince()).toEqual({ removed: [], updated: [] })))

  test('an allowance is spent by all processes together, at once, and is given back', () =>
    withStore(async (store, open) => {
      const other = open()
      const pace = { intervalMs: 3_600_000, burst: 3 }
      const nowMs = Date.now()
      const spent = await Promise.all([store, other, store, other].map(one => one.spend('a', pace, nowMs)))
      expect(spent.map(({ isAllowed }) => isAllowed).sort()).toEqual([false, true, true, true])
      const refused = spent.find(({ isAllowed }) => !isAllowed)
      expect(refused?.isAllowed === false && refused.waitMs > 0 && refused.waitMs <= pace.intervalMs).toBe(true)
      expect((await store.spend('b', pace, nowMs)).isAllowed).toBe(true)
      await other.refund('a', pace)
      expect((await store.spend('a', pace, nowMs)).isAllowed).toBe(true)
      expect((await other.spend('a', pace, nowMs)).isAllowed).toBe(false)
      await store.refund('unknown', pace)
    }))

  test('an allowance comes back with time', () =>
    withStore(async store => {
      const pace = { intervalMs: 50, burst: 1 }
      expect((await store.spend('a', pace, Date.now())).isAllowed).toBe(true)
      await eventually(async () => (await store.spend('a', pace, Date.now())).isAllowed, 'one comes back')
      await store.purge(Date.now() + 1000, 0)
      await eventually(async () => (await store.spend('a', pace, Date.now())).isAllowed, 'and another')
    }))

  test('an allowance that is full again only after any time it could take is an empty one from now on', () =>
    withStore(async store => {
      // As a clock leaves it that was set back by hours.
      const far = { intervalMs: 3_600_000, burst: 3 }
      for (let times = 0; times < 3; times++) await store.spend('a', far, Date.now())
      const pace = { intervalMs: 100, burst: 2 }
      const refused = await store.spend('a', pace, Date.now())
      expect(refused.isAllowed === false && refused.waitMs > 0 && refused.waitMs <= pace.intervalMs).toBe(true)
      await eventually(async () => (await store.spend('a', pace, Date.now())).isAllowed, 'one comes back')
    }))

  test('who takes from an allowance is told how much is left', () =>
    withStore(async store => {
      const pace = { intervalMs: 3_600_000, burst: 3 }
      const lefts: unknown[] = []
      for (let times = 0; times < 4; times++) {
        const spent = await store.spend('a', pace, Date.now())
        lefts.push(spent.isAllowed ? spent.left : 'none')
      }
      expect(lefts).toEqual([2, 1, 0, 'none'])
    }))

  test('of several allowances one is taken from each or none from any, by all processes together', () =>
    withStore(async (store, open) => {
      const other = open()
      const wide = { name: 'wide', intervalMs: 3_600_000, burst: 3 }
      const narrow = (name: string) => ({ name, intervalMs: 3_600_000, burst: 2 })
      const nowMs = Date.now()
      const take = async (one: NamedStore, name: string) =>
        (await one.spendAll([narrow(name), wide], nowMs)).map(spent => (spent.isAllowed ? spent.left : 'none'))
      expect(await take(store, 'a')).toEqual([1, 2])
      expect(await take(other, 'a')).toEqual([0, 1])
      // Refused by the narrow one: the wide one has what it had.
      expect(await take(store, 'a')).toEqual(['none', 0])
      expect(await take(store, 'a')).toEqual(['none', 0])
      const both = await Promise.all([take(store, 'b'), take(other, 'b')])
      expect(both).toContainEqual([1, 0])
      expect(both).toContainEqual([0, 'none'])
      // And the other way round: the one that was refused first has one more than it would have.
      expect((await store.spend('b', narrow('b'), nowMs)).isAllowed).toBe(true)
      expect((await store.spend('b', narrow('b'), nowMs)).isAllowed).toBe(false)
      expect(await store.spendAll([], nowMs)).toEqual([])
    }))

  test('the newest use wins, whatever order uses are written in', () =>
    withStore(async store => {
      await store.insert(storedSession('a'), { hash: 'h1', sessionId: 'a', host: 'x' })
      await store.touch(new Map([['a', 50]]))
      await store.touch(
        new Map([
          ['a', 40],
          ['gone', 1],
        ]),
      )
      expect((await store.findByHash('h1'))?.session.lastSeenMs).toBe(50)
    }))

  test('another process learns of a removal, and of an update, once', () =>
    withStore(async (store, open) => {
      const other = open()
      for (const id of ['a', 'b', 'c']) {
        await store.insert(storedSession(id), { hash: id, sessionId: id, host: 'x' })
      }
      await other.changesSince()
      expect(await other.changesSince()).toEqual({ removed: [], updated: [] })
      await store.remove('a', 'c')
      await store.update('b', REFRESHED)
      const changes = await other.changesSince()
      expect([...changes.removed].sort()).toEqual(['a', 'c'])
      expect(changes.updated).toEqual(['b'])
      expect(await other.changesSince()).toEqual({ removed: [], updated: [] })
    }))

  test('a session is found by its id, and by nothing once it is removed', () =>
    withStore(async store => {
      const stored = storedSession('a', {
        agent: 'Firefox on Linux',
        client: '192.0.2.1',
        isRemembered: true,
        sid: 's1',
      })
      await store.insert(stored, { hash: 'h1', sessionId: 'a', host: 'x' })
      expect(await store.findById('a')).toEqual(stored)
      await store.remove('a')
      expect(await store.findById('a')).toBeNull()
      expect(await store.findBySubject('https://id.example', 'ada')).toEqual([])
      expect(await store.findBySid('https://id.example', 's1')).toEqual([])
      expect((await store.list('home', { after: null, limit: 10 })).sessions).toEqual([])
    }))

  test('sessions are found by issuer and subject, and by issuer and sid, newest first, and never by one of the two', () =>
    withStore(async store => {
      const all = [
        storedSession('a', { sid: 's1', createdAtMs: 1 }),
        storedSession('b', { sid: 's2', createdAtMs: 2, portal: 'work' }),
        storedSession('c', { sid: 's1', createdAtMs: 3, subject: 'bob' }),
        storedSession('d', { sid: 's1', createdAtMs: 4, issuer: 'https://other.example' }),
        storedSession('e', { createdAtMs: 5 }),
      ]
      for (const one of all) await store.insert(one, { hash: one.id, sessionId: one.id, host: 'x' })
      const ids = (sessions: readonly { readonly id: string }[]) => sessions.map(({ id }) => id)
      expect(ids(await store.findBySubject('https://id.example', 'ada'))).toEqual(['e', 'b', 'a'])
      expect(ids(await store.findBySubject('https://id.example', 'ad'))).toEqual([])
      expect(ids(await store.findBySid('https://id.example', 's1'))).toEqual(['c', 'a'])
      expect(ids(await store.findBySid('https://id.example', ''))).toEqual([])
    }))

  test('the sessions of a portal are listed page by page, newest first, each once, whatever comes and goes meanwhile', () =>
    withStore(async store => {
      for (let index = 0; index < 25; index++) {
        const id = `s${String(index).padStart(2, '0')}`
        await store.insert(storedSession(id, { createdAtMs: Math.floor(index / 3) }), {
          hash: id,
          sessionId: id,
          host: 'x',
        })
      }
      await store.insert(storedSession('other', { portal: 'work' }), { hash: 'other', sessionId: 'other', host: 'x' })
      const seen: string[] = []
      let after: string | null = null
      for (let page = 0; page < 10; page++) {
        const { sessions, next }: StoredPage = await store.list('home', { after, limit: 10 })
        seen.push(...sessions.map(({ id }) => id))
        if (page === 0) {
          await store.insert(storedSession('new', { createdAtMs: 99 }), { hash: 'new', sessionId: 'new', host: 'x' })
          await store.remove('s00', seen.at(-1) ?? '')
        }
        after = next
        if (next === null) break
      }
      expect(seen).toEqual(Array.from({ length: 24 }, (_, index) => `s${String(24 - index).padStart(2, '0')}`))
      expect((await store.list('nowhere', { after: null, limit: 10 })).sessions).toEqual([])
      expect((await store.list('work', { after: null, limit: 1 })).next).toBeNull()
    }))

  test('an update changes what a refresh may change, and nothing else; a session that is gone stays gone', () =>
    withStore(async store => {
      await store.insert(storedSession('a', { sid: 's1' }), { hash: 'h1', sessionId: 'a', host: 'x' })
      expect(await store.update('a', REFRESHED, 'others')).toBe(false)
      expect(await store.findByHash('h1')).toEqual({ session: storedSession('a', { sid: 's1' }), host: 'x' })
      expect(await store.update('a', REFRESHED, storedSession('a').secrets)).toBe(true)
      expect(await store.findByHash('h1')).toEqual({ session: storedSession('a', REFRESHED), host: 'x' })
      for (const sid of ['s1', 's2']) expect(await store.findBySid('https://id.example', sid)).toHaveLength(1)
      await store.remove('a')
      for (const sid of ['s1', 's2']) expect(await store.findBySid('https://id.example', sid)).toEqual([])
      expect(await store.update('a', REFRESHED)).toBe(false)
      expect(await store.findById('a')).toBeNull()
    }))

  test('a session is bound to a device once, stays so at a refresh and a later sign-in, and every process hears of it', () =>
    withStore(async (store, open) => {
      const other = open()
      await store.insert(storedSession('a'), { hash: 'h1', sessionId: 'a', host: 'x' })
      await other.changesSince()
      const boundAtOnce = await Promise.all([store.bind('a', 'one', null), other.bind('a', 'two', null)])
      expect(boundAtOnce.filter(Boolean)).toHaveLength(1)
      const bound = boundAtOnce[0] ? 'one' : 'two'
      expect((await other.changesSince()).updated).toContain('a')
      expect(await store.bind('a', 'another', null)).toBe(false)
      expect(await store.bind('a', 'another', 'neither')).toBe(false)
      expect(await other.findByHash('h1')).toEqual({ session: storedSession('a', { bound }), host: 'x' })
      expect(await store.update('a', REFRESHED, storedSession('a').secrets)).toBe(true)
      const later = storedSession('a', { ...REFRESHED, createdAtMs: 5 })
      const before = { createdAtMs: storedSession('a').createdAtMs, shown: '{}', nowMs: 5, replaced: null }
      expect(await store.signInAgain(later, { hash: 'h2', sessionId: 'a', host: 'x' }, before)).toBe(true)
      expect(await other.findById('a')).toMatchObject({ bound, createdAtMs: 5 })
      expect(await store.bind('a', 'changed', bound)).toBe(true)
      expect((await store.list('home', { after: null, limit: 10 })).sessions).toMatchObject([{ bound: 'changed' }])
      await store.remove('a')
      expect(await store.bind('a', 'changed again', 'changed')).toBe(false)
      expect(await store.bind('never', 'one', null)).toBe(false)
      await store.insert(storedSession('b', { bound: 'as it came' }), { hash: 'h3', sessionId: 'b', host: 'x' })
      expect(await store.findById('b')).toEqual(storedSession('b', { bound: 'as it came' }))
    }))

  test('a session is found by the last eight sessions at its issuer that it came from, and by none once it is gone', () =>
    withStore(async store => {
      const ISSUER = 'https://id.example'
      const foundBy = async (sid: string, issuer = ISSUER) => (await store.findBySid(issuer, sid)).map(({ id }) => id)
      const again = async (sid: string | null, createdAtMs: number, ownSid: string | null = null) => {
        const before = { createdAtMs: createdAtMs - 1, shown: '{}', nowMs: 1, replaced: null, ownSid }
        const handle = { hash: `h${createdAtMs}`, sessionId: 'a', host: 'x' }
        return store.signInAgain(storedSession('a', { sid, createdAtMs }), handle, before)
      }
      await store.insert(storedSession('b', { sid: 's0' }), { hash: 'hb', sessionId: 'b', host: 'x' })
      await store.insert(storedSession('a', { sid: 's0' }), { hash: 'h0', sessionId: 'a', host: 'x' })
      expect(await again('s1', 1)).toBe(true)
      // Of one whose sign-in shows less than the one before, which stays.
      expect(await again('s1', 2, 'other')).toBe(true)
      expect(await again(null, 3)).toBe(true)
      for (const sid of ['s0', 's1', 'other']) expect(await foundBy(sid)).toContain('a')
      expect(await foundBy('s0', 'https://other.example')).toEqual([])
      expect(await foundBy('s0')).toEqual(['a', 'b'])
      // Once more the first, by which it is the latest of them.
      for (const [index, sid] of ['s0', 'r1', 'r2', 'r3', 'r4', 'r5', 'r6', 'r7', 'r8'].entries()) {
        expect(await again(sid, 4 + index)).toBe(true)
      }
      const all = ['s1', 'other', 's0', 'r1', 'r2', 'r3', 'r4', 'r5', 'r6', 'r7', 'r8']
      const left = await Promise.all(all.map(async sid => [sid, (await foundBy(sid)).includes('a')]))
      expect(left.filter(([, isFound]) => isFound).map(([sid]) => sid)).toEqual(all.slice(2))
      expect(await store.findById('a')).toEqual(storedSession('a', { sid: 'r8', createdAtMs: 12 }))
      // A page of the portal's has each once all the same.
      expect((await store.list('home', { after: null, limit: 9 })).sessions.map(({ id }) => id)).toEqual(['a', 'b'])
      await store.remove('a')
      for (const sid of all) expect(await foundBy(sid)).toEqual(sid === 's0' ? ['b'] : [])
    }))

  test('a lease is one caller’s, in any process, until it is released, used up or over', () =>
    withStore(async (store, open) => {
      const other = open()
      await store.insert(storedSession('a'), { hash: 'h1', sessionId: 'a', host: 'x' })
      const createdMs = storedSession('a').createdAtMs
      // Over at once, by whatever clock.
      expect(await store.lease('a', 100, 100)).toBe('taken')
      // Nobody has said what came of the first.
      expect(await other.lease('a', 200, 90_300)).toBe('left')
      expect(await other.lease('a', 299, 90_400)).toBeNull()
      expect(await store.lease('a', 299, 90_400)).toBeNull()
      // Which is not ended by whoever had that.
      await store.release('a', 100, null)
      expect(await store.lease('a', 201, 90_301)).toBeNull()
      await other.release('a', 90_300, null)
      expect(await store.lease('a', 202, 90_302)).toBe('taken')
      await store.update('a', REFRESHED)
      expect(await other.lease('a', 203, 90_303)).toBe('taken')
      await other.release('a', 90_303, createdMs)
      expect(await store.lease('a', 204, 90_304)).toBe('left')
      await store.update('a', REFRESHED)
      // What is said late counts where nobody has it, and else waits for whoever has.
      await other.release('a', 90_303, createdMs)
      expect(await store.lease('a', 205, 90_305)).toBe('left')
      await other.release('a', 90_303, createdMs)
      expect(await other.lease('a', 304, 90_400)).toBeNull()
      await store.release('a', 90_305, null)
      expect(await other.lease('a', 304, 90_400)).toBe('taken')
      // The question before a later sign-in is none that was asked with its refresh token.
      const handle = { hash: 'h2', sessionId: 'a', host: 'x' }
      const before = { createdAtMs: createdMs, shown: '{}', nowMs: 0, replaced: null }
      expect(await store.signInAgain(storedSession('a', { createdAtMs: createdMs + 9 }), handle, before)).toBe(true)
      await other.release('a', 90_400, createdMs)
      expect(await store.lease('a', 305, 90_500)).toBe('taken')
      await other.release('a', 90_400, createdMs)
      await store.release('a', 90_500, createdMs + 9)
      expect(await store.lease('a', 306, 90_501)).toBe('left')
      await store.remove('a')
      await other.release('a', 90_400, createdMs)
      expect(await store.findById('a')).toBeNull()
      expect(await store.lease('gone', 0, 10)).toBeNull()
    }))

  test('what was written is there after the store is opened again', () =>
    withStore(async (store, open) => {
      await store.insert(storedSession('a'), { hash: 'h1', sessionId: 'a', host: 'x' })
      await store.put({ kind: 'ticket', hash: 't', owner: 'o', value: 'v', expiresAtMs: 10 }, LIMITS)
      const again = open()
      expect((await again.findByHash('h1'))?.session.id).toBe('a')
      expect(await again.take('ticket', 't', 0)).toBe('v')
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

  test('a record takes the place of another in one step, once, and is not kept where that is gone', () =>
    withStore(async (store, open) => {
      const other = open()
      const put = (at: NamedStore, hash: string, inPlaceOf?: string) => {
        const record = { kind: 'refresh', hash, owner: 'o', value: hash, expiresAtMs: 100 } as const
        return at.put(record, { ...LIMITS, perOwner: 1, ...(inPlaceOf === undefined ? {} : { inPlaceOf }) })
      }
      await put(store, 'a')
      const taken = await Promise.all([store, other, store, other].map(at => put(at, 'b', 'a')))
      expect(taken.filter(isDone => isDone)).toHaveLength(1)
      expect([await put(other, 'c', 'a'), await put(store, 'c', 'b')]).toEqual([false, true])
      const kept = await Promise.all(['a', 'b', 'c'].map(hash => store.peek('refresh', hash, 1)))
      expect(kept).toEqual([null, null, 'c'])
    }))

  test('of two records of one kind and hash the one that ends last is kept, whichever comes first, where that is wanted', () =>
    withStore(async store => {
      const put = (expiresAtMs: number, isLatest = true) =>
        store.put(
          { kind: 'signed-out', hash: 'x', owner: `o${expiresAtMs}`, value: `until ${expiresAtMs}`, expiresAtMs },
          { ...LIMITS, isLatest },
        )
      expect([await put(50), await put(70), await put(60), await put(70), await put(90, false)]).toEqual([
        true,
        true,
        false,
        false,
        false,
      ])
      expect([await store.peek('signed-out', 'x', 1), await store.peek('signed-out', 'x', 70)]).toEqual([
        'until 70',
        null,
      ])
      const mine = (hash: string) =>
        store.put({ kind: 'signed-out', hash, owner: 'o50', value: 'v', expiresAtMs: 40 }, LIMITS)
      // What gave way counts for nobody any more: the owner of it has all its places.
      for (const hash of ['a', 'b', 'c']) await mine(hash)
      expect(await store.peek('signed-out', 'a', 1)).toBe('v')
    }))

  test('a single-use record is not replaced by another of its kind and hash', () =>
    withStore(async store => {
      const record = { hash: 'a', owner: 'o', expiresAtMs: 100 }
      expect(await store.put({ ...record, kind: 'login', value: 'first' }, LIMITS)).toBe(true)
      expect(await store.put({ ...record, kind: 'login', value: 'second', owner: 'other' }, LIMITS)).toBe(false)
      expect(await store.put({ ...record, kind: 'ticket', value: 'third' }, LIMITS)).toBe(true)
      expect(await store.take('login', 'a', 0)).toBe('first')
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

  test('where all owners together have the total, whoever has most makes room, and nobody with a few', () =>
    withStore(async store => {
      const limits = { perOwner: 9, total: 6 }
      const put = (owner: string, index: number) =>
        store.put({ kind: 'login', hash: `${owner}${index}`, owner, value: 'v', expiresAtMs: 100 }, limits)
      await put('ada', 0)
      for (let index = 0; index < 8; index++) await put('flood', index)
      for (const owner of ['bob', 'cy']) await put(owner, 0)
      for (let index = 8; index < 12; index++) await put('flood', index)
      for (const owner of ['ada', 'bob', 'cy']) expect(await store.take('login', `${owner}0`, 0)).toBe('v')
      const left = await Promise.all(Array.from({ length: 12 }, (_, index) => store.take('login', `flood${index}`, 0)))
      expect(left.flatMap((value, index) => (value === null ? [] : [index]))).toEqual([9, 10, 11])
      // What was taken counts for nobody any more.
      for (let index = 0; index < 6; index++) await put(`new${index}`, 0)
      await put('ada', 1)
      const second = await Promise.all([0, 1, 2, 3, 4, 5].map(index => store.take('login', `new${index}0`, 0)))
      expect(second).toEqual([null, 'v', 'v', 'v', 'v', 'v'])
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

  test('a record that is looked at stays, and is seen by its own kind, before it expires', () =>
    withStore(async (store, open) => {
      await store.put({ kind: 'post', hash: 'a', owner: 'o', value: 'v', expiresAtMs: 100 }, LIMITS)
      const other = open()
      for (const one of [store, other, store]) expect(await one.peek('post', 'a', 99)).toBe('v')
      expect(await store.peek('login', 'a', 0)).toBeNull()
      expect(await store.peek('post', 'b', 0)).toBeNull()
      expect(await store.peek('post', 'a', 100)).toBeNull()
      expect(await other.take('post', 'a', 99)).toBe('v')
      expect(await store.peek('post', 'a', 0)).toBeNull()
    }))

  test('a kind that is full pushes out its own oldest, and no record of another kind', () =>
    withStore(async store => {
      for (let index = 0; index < 4; index++)
        await store.put({ kind: 'login', hash: `l${index}`, owner: `o${index}`, value: 'v', expiresAtMs: 100 }, LIMITS)
      for (let index = 0; index < 5; index++) {
        const limits = { perOwner: 9, total: 2 }
        await store.put({ kind: 'post', hash: `p${index}`, owner: `o${index}`, value: 'v', expiresAtMs: 100 }, limits)
      }
      for (let index = 0; index < 4; index++) expect(await store.take('login', `l${index}`, 0)).toBe('v')
      const left = await Promise.all([0, 1, 2, 3, 4].map(index => store.take('post', `p${index}`, 0)))
      expect(left).toEqual([null, null, null, 'v', 'v'])
    }))

  test('a purge removes what is over, by age or by idleness, and nothing else', () =>
    withStore(async store => {
      const begunMs = Date.now()
      const add = (id: string, expiresAtMs: number) =>
        store.insert(storedSession(id, { expiresAtMs, lastSeenMs: Date.now() }), { hash: id, sessionId: id, host: 'x' })
      await add('idle', begunMs + 1e6)
      await add('used', begunMs + 1e6)
      await Bun.sleep(1200)
      const laterMs = Date.now()
      await add('old', begunMs - 1)
      await add('live', begunMs + 1e6)
      await store.touch(new Map([['used', Date.now()]]))
      await store.keepOwner({ id: 'person:a', identity: '{}', standing: 'revoked', notedAtMs: 1, expiresAtMs: 9e15 })
      const nowMs = Date.now()
      await store.purge(nowMs, nowMs - laterMs + 700)
      expect(await store.findOwner('person:a')).not.toBeNull()
      expect(await store.findByHash('old')).toBeNull()
      expect(await store.findByHash('idle')).toBeNull()
      expect(await store.findByHash('live')).not.toBeNull()
      // What is used again is idle no more.
      expect(await store.findByHash('used')).not.toBeNull()
    }))

  test('a purge tells of every session that it ends, and those that are used and gone are named', () =>
    withStore(async (store, open) => {
      const other = open()
      for (const [id, expiresAtMs] of Object.entries({ old: 100, live: 9e15 })) {
        await store.insert(storedSession(id, { expiresAtMs, lastSeenMs: 9e14 }), {
          hash: id,
          sessionId: id,
          host: 'x',
        })
      }
      await other.changesSince()
      await store.purge(200, 1e9)
      expect(await other.changesSince()).toEqual({ removed: ['old'], updated: [] })
      const touched = { old: 9.1e14, live: 9.2e14, never: 5 }
      expect([...(await store.touch(new Map(Object.entries(touched))))].sort()).toEqual(['never', 'old'])
      expect((await store.findById('live'))?.lastSeenMs).toBe(touched.live)
      // An older use than is known is no sign that a session is gone.
      expect(await store.touch(new Map([['live', 1]]))).toEqual([])
    }))

  test('whose sessions have ended is told to every process, whether or not there are any', () =>
    withStore(async (store, open) => {
      const other = open()
      await other.changesSince()
      const ended = [
        { issuer: 'https://id.example', subject: 'ada', sid: null },
        { issuer: 'https://id.example', subject: null, sid: 's' },
        { issuer: null, subject: null, sid: null },
      ]
      for (const match of ended) await store.tellEnded(match)
      expect(await other.changesSince()).toEqual({ removed: [], updated: [], ended })
      expect(await other.changesSince()).toEqual({ removed: [], updated: [] })
    }))

  test('of all who say that a token is used, one was first; a token of which nobody knows counts as used', () =>
    withStore(async (store, open) => {
      const other = open()
      await store.insertToken(TOKEN)
      await store.insertToken({ ...TOKEN, id: 'token-2', hash: 'h2', used: 1 })
      expect((await store.findToken('h1'))?.used).toBe(0)
      const firsts = [store, other, store].map(one => Promise.resolve(one.useToken('token-1')))
      expect((await Promise.all(firsts)).filter(Boolean)).toHaveLength(1)
      expect((await other.findToken('h1'))?.used).toBe(1)
      expect((await other.listTokens('home')).map(({ used }) => used)).toEqual([1, 1])
      expect([await store.useToken('token-2'), await store.useToken('gone')]).toEqual([false, false])
    }))

  const KEPT_MS = 60 * 60_000

  /** What is in the trail, the latest first, read in parts of two. */
  async function trail(store: NamedStore): Promise<readonly string[]> {
    const found: string[] = []
    for (let after: string | null = null; ; ) {
      const page: AuditPage = await store.listAudit({ after, limit: 2 })
      found.push(...page.rows.map(({ record }) => record))
      after = page.next
      if (after === null) return found
    }
  }

  const row = (record: string, isFrequent = false) => ({ atMs: Date.now(), isFrequent, record })

  test('the audit trail is read latest first, a part at a time, by every process', () =>
    withStore(async (store, open) => {
      const other = open()
      expect(await trail(store)).toEqual([])
      await store.appendAudit([row('1'), row('2', true), row('3')], KEPT_MS)
      await other.appendAudit([row('4', true), row('5')], KEPT_MS)
      // Of one moment, those of one kind alone have an order.
      expect((await trail(store)).filter(record => Number(record) % 2 === 1)).toEqual(['5', '3', '1'])
      expect((await trail(other)).filter(record => Number(record) % 2 === 0)).toEqual(['4', '2'])
      const { rows } = await store.listAudit({ after: null, limit: 9 })
      await store.removeAudit(rows.filter(({ record }) => record === '2' || record === '3').map(({ id }) => id))
      expect([...(await trail(other))].sort()).toEqual(['1', '4', '5'])
    }))

  test('a trail grows to its bounds, and what strangers do pushes out nothing else; what is too old goes', () =>
    withStore(async store => {
      const bounds = { frequent: 2, others: 3 }
      await store.appendAudit(
        ['a', 'b'].map(record => row(record)),
        KEPT_MS,
      )
      await store.appendAudit(
        ['1', '2', '3', '4'].map(record => row(record, true)),
        KEPT_MS,
      )
      expect(await store.trimAudit(KEPT_MS, Date.now(), bounds)).toBe(2)
      expect([...(await trail(store))].sort()).toEqual(['3', '4', 'a', 'b'])
      await store.appendAudit(
        ['c', 'd'].map(record => row(record)),
        KEPT_MS,
      )
      expect(await store.trimAudit(KEPT_MS, Date.now(), bounds)).toBe(1)
      expect([...(await trail(store))].sort()).toEqual(['3', '4', 'b', 'c', 'd'])
      await Bun.sleep(20)
      expect(await store.trimAudit(10, Date.now(), bounds)).toBe(5)
      expect(await trail(store)).toEqual([])
      await store.appendAudit([row('last')], KEPT_MS)
      expect(await store.trimAudit(0, Date.now(), bounds)).toBe(1)
      expect(await trail(store)).toEqual([])
    }))

  test('an account is found by its id for good, every process hears of a change, and of two at once neither is lost', () =>
    withStore(async (store, open) => {
      const other = open()
      const id = 'account:a'
      const add = (one: NamedStore, text: string) =>
        one.changeRecord('account', { id }, before => ({
          id,
          version: (before?.version ?? 0) + 1,
          value: `${before?.value ?? ''}${text}`,
        }))
      await other.changesSince()
      await add(store, 'a')
      expect((await other.changesSince()).updated).toEqual([id])
      await Promise.all(['b', 'c', 'd', 'e'].map(async (text, at) => add(at % 2 === 0 ? store : other, text)))
      const found = await other.findRecord('account', { id })
      expect([...(found?.value ?? '')].sort().join('')).toBe('abcde')
      await store.purge(8e15, 1)
      expect(await store.findRecord('account', { id })).toEqual({ id, version: 5, value: found?.value ?? '' })
      await other.changesSince()
      await store.changeRecord('account', { id }, () => ({ id, version: 6, value: '' }))
      const dropped = await other.findRecord('account', { id })
      expect([dropped, (await other.changesSince()).updated]).toEqual([{ id, version: 6, value: '' }, [id]])
    }))

  test('a shared value is replaced by whoever knows what was there, and by nobody else', () =>
    withStore(async (store, open) => {
      const other = open()
      expect(await store.readShared('keys')).toBeNull()
      expect(await store.replaceShared('keys', 'never', 'x')).toBe(false)
      const firsts = [store, other].map(one => Promise.resolve(one.replaceShared('keys', null, 'one')))
      expect((await Promise.all(firsts)).sort()).toEqual([false, true])
      expect(await other.replaceShared('keys', 'one', 'two')).toBe(true)
      expect(await store.replaceShared('keys', 'one', 'three')).toBe(false)
      expect(await store.replaceShared('keys', null, 'three')).toBe(false)
      expect([await store.readShared('keys'), await store.readShared('other')]).toEqual(['two', null])
      await store.purge(4_000_000_000_000, 0)
      expect(await store.readShared('keys')).toBe('two')
    }))

  describe.each(ISSUED)('a $kind', ({ one, insert, find, findById, list, remove }) => {
    test('is found by its hash and its id, and listed at its portal, newest first', () =>
      withStore(async (store, open) => {
        await insert(store)
        await insert(store, { id: 'second', hash: 'h2', createdAtMs: 20 })
        await insert(store, { id: 'third', hash: 'h3', portal: 'work' })
        const other = open()
        expect([await find(other, one.hash), await findById(other, one.id)]).toEqual([one, one])
        expect([await find(other, one.id), await findById(other, one.hash)]).toEqual([null, null])
        expect((await list(other, 'home')).map(({ id }) => id)).toEqual(['second', one.id])
        expect(await list(other, 'nowhere')).toEqual([])
      }))

    test('that is removed is gone, once, and another process learns of it', () =>
      withStore(async (store, open) => {
        const other = open()
        await insert(store)
        await other.changesSince()
        expect([await remove(store, one.id), await remove(store, one.id)]).toEqual([true, false])
        expect(await find(store, one.hash)).toBeNull()
        expect(await list(store, 'home')).toEqual([])
        expect(await other.changesSince()).toEqual({ removed: [one.id], updated: [] })
      }))
  })

  test('of the short tokens of one, the latest two are found, none is listed, and they go with it', () =>
    withStore(async (store, open) => {
      const other = open()
      await store.insertToken(TOKEN)
      await store.insertToken({ ...TOKEN, id: 'token-2', hash: 'h2', createdAtMs: 20 })
      const { id: _, ...short } = { ...TOKEN, grant: '{"of":"token-1"}' }
      for (let round = 0; round < 30; round++) await store.insertShortToken('token-1', { ...short, hash: `s${round}` })
      await store.insertShortToken('token-2', { ...short, hash: 'other' })
      // Whoever removes a token would know by itself that its short ones are over.
      const found = async (...hashes: string[]) => {
        const rows = await Promise.all(hashes.map(hash => other.findToken(hash)))
        return rows.map(row => row?.grant ?? null)
      }
      expect(await found('s27', 's28', 's29', 'other')).toEqual([null, short.grant, short.grant, short.grant])
      expect((await store.listTokens('home')).map(({ id }) => id)).toEqual(['token-2', 'token-1'])
      expect(await store.removeToken('token-1')).toBe(true)
      expect(await found('s28', 's29', 'other')).toEqual([null, null, short.grant])
      await store.purge(TOKEN.expiresAtMs, 0)
    }))

  test('a guest link is used as often as it may be, in any process, before it expires', () =>
    withStore(async (store, open) => {
      const other = open()
      await store.insertLink(LINK)
      expect(await store.useLink('l2', 0)).toBeNull()
      expect(await store.useLink('l1', LINK.expiresAtMs)).toBeNull()
      const uses = await Promise.all([store, other, store, other].map(one => one.useLink('l1', 0)))
      expect(uses.flatMap(link => link?.used ?? []).sort()).toEqual([1, 2])
      expect(await store.findLink('l1')).toEqual({ ...LINK, used: 2 })
      await store.insertLink({ ...LINK, id: 'guest:2', hash: 'l2' })
      await store.removeLink('guest:2')
      expect(await store.useLink('l2', 0)).toBeNull()
      await store.insertLink({ ...LINK, id: 'guest:many', hash: 'lm', uses: 20 })
      const crowd = Array.from({ length: 60 }, (_, at) => (at % 2 === 0 ? store : other).useLink('lm', 0))
      const places = (await Promise.all(crowd)).flatMap(link => link?.used ?? [])
      expect(places.sort((one, next) => one - next)).toEqual(Array.from({ length: 20 }, (_, at) => at + 1))
    }))

  const OWNER: StoredOwner = {
    id: 'person:a',
    identity: '{"n":1}',
    standing: 'good',
    notedAtMs: 100,
    expiresAtMs: 4_000_000_000_000,
  }
  const HEARD: OwnerNote = { identity: '{"n":2}', standing: 'good', atMs: 200, isLastWord: false }

  test('an owner is kept once, to the end of the last of their tokens, and what is heard of others is not kept', () =>
    withStore(async (store, open) => {
      expect(await noteOwner(store, 'person:a', HEARD)).toBe(false)
      expect(await store.findOwner('person:a')).toBeNull()
      await store.keepOwner(OWNER)
      await store.keepOwner({ ...OWNER, identity: '{}', standing: 'refused', notedAtMs: 500, expiresAtMs: 5 })
      expect(await store.findOwner('person:a')).toEqual(OWNER)
      await store.keepOwner({ ...OWNER, expiresAtMs: 4_000_000_000_001 })
      const other = open()
      expect(await other.findOwner('person:a')).toEqual({ ...OWNER, expiresAtMs: 4_000_000_000_001 })
      expect(await other.findOwner('person:b')).toBeNull()
    }))

  test('what is heard of many owners is written for those that are kept, and told of those of whom it is new', () =>
    withStore(async (store, open) => {
      for (const id of ['person:a', 'person:b', 'person:c']) await store.keepOwner({ ...OWNER, id })
      const other = open()
      await other.changesSince()
      const heard: OwnerNote = { identity: OWNER.identity, standing: 'revoked', atMs: 300, isLastWord: true }
      const ids = ['person:a', 'person:none', 'person:b']
      expect([...(await store.noteOwners(new Map(ids.map(id => [id, heard]))))].sort()).toEqual([
        'person:a',
        'person:b',
      ])
      expect(await store.noteOwners(new Map(ids.map(id => [id, heard])))).toEqual([])
      expect((await store.findOwner('person:b'))?.standing).toBe('revoked')
      expect((await store.findOwner('person:c'))?.standing).toBe('good')
      expect(await store.findOwner('person:none')).toBeNull()
      expect([...(await other.changesSince()).updated].sort()).toEqual(['person:a', 'person:b'])
    }))

  test('what is heard of an owner is told to other processes where it changes something, and only there', () =>
    withStore(async (store, open) => {
      const other = open()
      await store.keepOwner(OWNER)
      await other.changesSince()
      expect(await noteOwner(store, 'person:a', { ...HEARD, identity: OWNER.identity })).toBe(false)
      expect(await store.findOwner('person:a')).toEqual({ ...OWNER, notedAtMs: 200 })
      expect(await other.changesSince()).toEqual({ removed: [], updated: [] })
      expect(await noteOwner(store, 'person:a', HEARD)).toBe(true)
      expect(await other.changesSince()).toEqual({ removed: [], updated: ['person:a'] })
      expect(await noteOwner(other, 'person:a', { ...HEARD, standing: 'refused', atMs: 300 })).toBe(true)
      expect(await store.findOwner('person:a')).toMatchObject({ standing: 'refused', notedAtMs: 300 })
    }))

  test('what is heard last counts, whatever its time; but the word of a refresh never against an admin’s', () =>
    withStore(async store => {
      await store.keepOwner(OWNER)
      expect(await noteOwner(store, 'person:a', { ...HEARD, standing: 'refused', atMs: 50 })).toBe(true)
      expect(await store.findOwner('person:a')).toMatchObject({ standing: 'refused', notedAtMs: 50 })
      const revoked = { ...HEARD, standing: 'revoked', atMs: 300, isLastWord: true } as const
      expect(await noteOwner(store, 'person:a', revoked)).toBe(true)
      expect(await noteOwner(store, 'person:a', { ...HEARD, atMs: 400 })).toBe(false)
      expect(await store.findOwner('person:a')).toMatchObject({ standing: 'revoked', notedAtMs: 300 })
      expect(await noteOwner(store, 'person:a', { ...HEARD, atMs: 250, isLastWord: true })).toBe(true)
      expect(await store.findOwner('person:a')).toMatchObject({ standing: 'good', notedAtMs: 250 })
    }))

  test('what a provider pushes is replaced by whoever knows what was there, and told to other processes', () =>
    withStore(async (store, open) => {
      const other = open()
      expect(await store.readPushed('directory:a', 'x')).toBeNull()
      await other.changesSince()
      expect(await store.replacePushed('directory:a', 'x', null, '1')).toBe(true)
      expect(await other.changesSince()).toEqual({ removed: [], updated: ['directory:a/x'] })
      expect(await other.replacePushed('directory:a', 'x', null, '2')).toBe(false)
      expect(await other.replacePushed('directory:a', 'x', '0', '2')).toBe(false)
      expect(await store.changesSince()).toMatchObject({ removed: [] })
      expect(await other.replacePushed('directory:a', 'x', '1', '2')).toBe(true)
      expect(await store.replacePushed('directory:a', 'y', null, '3')).toBe(true)
      expect(await store.replacePushed('directory:b', 'x', null, '4')).toBe(true)
      expect([...(await store.listPushed('directory:a'))].sort()).toEqual(['2', '3'])
      expect(await store.listPushed('directory:c')).toEqual([])
      expect([await store.readPushed('directory:b', 'x'), await store.readPushed('directory:b', 'y')]).toEqual([
        '4',
        null,
      ])
      expect(await store.replacePushed('directory:a', 'x', '2', null)).toBe(true)
      expect(await store.listPushed('directory:a')).toEqual(['3'])
      expect(await store.replacePushed('directory:a', 'x', null, '5')).toBe(true)
      const later = open()
      expect(await later.listPushed('directory:b')).toEqual(['4'])
    }))
}
