import { expect } from 'bun:test'
import { createHash } from 'node:crypto'
import type { Facts } from '../../../src/base/errors.ts'
import { clusterPrefixes } from '../../../src/session/redis/cluster.ts'
import { SLOTS } from '../../../src/session/redis/cluster-nodes.ts'
import { openRedisStore } from '../../../src/session/redis/store.ts'
import type { SessionStore, StoredChanges } from '../../../src/session/store.ts'
import { eventually } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startCluster } from '../../kit/programs/cluster.ts'
import type { Valkey } from '../../kit/programs/valkey.ts'
import { redisAt } from '../../kit/sessions/shared.ts'
import { storedSession } from '../../kit/sessions/stored.ts'

const { test } = needs('valkey-server')

const keep = untilTheEnd()
const cluster = keep(await startCluster())

let stores = 0

/** Two gates over a store of their own, with what they told the log. */
async function withStores(
  act: (one: SessionStore, other: SessionStore, prefix: string, log: string[]) => Promise<void>,
) {
  const prefix = `store${stores++}`
  const log: string[] = []
  const tell = (message: string, facts?: Facts) => void log.push(`${message} ${JSON.stringify(facts)}`)
  const ports = { now: Date.now, log: { debug: tell, info: tell, warn: tell, error: tell } }
  const one = openRedisStore(redisAt(cluster.url(prefix)), ports)
  const other = openRedisStore(redisAt(cluster.url(prefix)), ports)
  try {
    await act(one, other, prefix, log)
  } finally {
    await one.close()
    await other.close()
  }
}

/** Where a session is, for good. */
function partitionOf(id: string): number {
  return (createHash('sha256').update(id).digest()[0] ?? 0) % 16
}

/** So many ids of sessions in one partition. */
function idsIn(partition: number, count: number): readonly string[] {
  const ids: string[] = []
  for (let index = 0; ids.length < count; index++) {
    if (partitionOf(`session-${index}`) === partition) ids.push(`session-${index}`)
  }
  return ids
}

async function insert(store: SessionStore, id: string): Promise<void> {
  const nowMs = Date.now()
  const session = storedSession(id, { createdAtMs: nowMs, lastSeenMs: nowMs, expiresAtMs: nowMs + 600_000 })
  await store.insert(session, { hash: hashOf(store, id), sessionId: id, host: 'x.example' })
}

/** A cookie that fits its session, as `start.ts` draws one. */
function hashOf(store: SessionStore, id: string): string {
  for (let draws = 0; ; draws++) if (store.fits?.(`${id} ${draws}`, id)) return `${id} ${draws}`
}

async function isFound(store: SessionStore, id: string): Promise<boolean> {
  return (await store.findByHash(hashOf(store, id)))?.session.id === id
}

async function changesOf(store: SessionStore): Promise<StoredChanges | null> {
  try {
    return await store.changesSince()
  } catch {
    return null
  }
}

/** All that is told until it says so. */
async function heard(store: SessionStore, isAll: (all: StoredChanges) => boolean): Promise<StoredChanges> {
  let all: StoredChanges = { removed: [], updated: [] }
  await eventually(async () => {
    const next = await changesOf(store)
    if (next !== null) {
      all = {
        removed: [...all.removed, ...next.removed],
        updated: [...all.updated, ...next.updated],
        ...(all.isIncomplete || next.isIncomplete ? { isIncomplete: true } : {}),
      }
    }
    return isAll(all)
  }, 'it is heard')
  return all
}

/** Does something until it does not fail any more, as what owes an ending does. */
async function untilDone(work: () => Promise<unknown>): Promise<void> {
  await eventually(
    () =>
      work().then(
        () => true,
        () => false,
      ),
    'it succeeds',
  )
}

/** Whether every partition answers both. */
async function serves(...all: readonly SessionStore[]): Promise<void> {
  for (const store of all) await untilDone(async () => store.countSessions(Date.now()))
}

async function rowOf(node: Valkey, prefix: string, id: string): Promise<string> {
  return node.ask(0, 'HGET', `${clusterPrefixes(`${prefix}:1:`)[partitionOf(id)]}session:${id}`, 'portal')
}

test('each partition has its slot in a sixteenth of its own, so that each node has as many', async () => {
  const counts = new Map<number, number>()
  for (const [partition, slot] of SLOTS.entries()) {
    expect(await cluster.slotOf(partition)).toBe(slot)
    expect(Math.floor(slot / 1024)).toBe(partition)
    const { port } = await cluster.primaryOf(partition)
    counts.set(port, (counts.get(port) ?? 0) + 1)
  }
  expect([...counts.values()].sort()).toEqual([5, 5, 6])
}, 300_000)

test(
  'what somebody has in all partitions is found as a whole, newest first, also in more steps than one',
  () =>
    withStores(async one => {
      const ids = Array.from({ length: 450 }, (_, index) => `s${index}`)
      for (let from = 0; from < ids.length; from += 50) {
        await Promise.all(ids.slice(from, from + 50).map(id => insert(one, id)))
      }
      const found = await one.findBySubject('https://id.example', 'ada')
      expect(found.map(({ id }) => id).sort()).toEqual(ids.toSorted())
      const times = found.map(({ createdAtMs }) => createdAtMs)
      expect(times).toEqual(times.toSorted((some, other) => other - some))
    }),
  300_000,
)

test(
  'what is done in any partition is told in all gates, once',
  () =>
    withStores(async (one, other) => {
      const ids = Array.from({ length: 60 }, (_, index) => `s${index}`)
      expect(new Set(ids.map(partitionOf)).size).toBe(16)
      await Promise.all(ids.map(id => insert(one, id)))
      expect(await Promise.all(ids.map(id => isFound(other, id)))).not.toContain(false)
      await heard(other, () => true)
      await one.remove(...ids)
      expect([...(await other.changesSince()).removed].sort()).toEqual([...ids].sort())
      expect(await other.changesSince()).toEqual({ removed: [], updated: [] })
      expect(await other.countSessions(Date.now())).toBe(0)
      const match = { issuer: 'https://id.example', subject: 'ada', sid: null }
      await one.tellEnded(match)
      expect(await other.changesSince()).toEqual({ removed: [], updated: [], ended: [match] })
    }),
  300_000,
)

test(
  'a slot moves under load: who is signed in is found all the time, and what ends meanwhile has ended',
  () =>
    withStores(async (one, other, _prefix, log) => {
      const moved = 4
      const ids = idsIn(moved, 40)
      for (const id of ids) await insert(one, id)
      await heard(other, () => true)
      const [ends = '', ...stay] = ids
      const from = await cluster.primaryOf(moved)
      const to = await cluster.primaryOf(15)
      expect(to).not.toBe(from)
      const later = 'session-later-'
      const fresh = Array.from({ length: 400 }, (_, index) => later + index).find(id => partitionOf(id) === moved) ?? ''
      let working: Promise<unknown> = Promise.resolve()
      await cluster.moveSlot(await cluster.slotOf(moved), to, async () => {
        // Half of the keys are here, half there.
        working = Promise.all([untilDone(async () => one.remove(ends)), untilDone(() => insert(other, fresh))])
        for (let round = 0; round < 3; round++) {
          for (const store of [one, other]) {
            expect(await Promise.all(stay.map(id => isFound(store, id)))).not.toContain(false)
          }
        }
      })
      await working
      expect((await cluster.primaryOf(moved)).port).toBe(to.port)
      for (const store of [one, other]) {
        expect(await Promise.all([...stay, fresh].map(id => isFound(store, id)))).not.toContain(false)
        expect(await isFound(store, ends)).toBe(false)
        expect(await store.countSessions(Date.now())).toBe(ids.length)
      }
      const told = await heard(other, ({ removed }) => removed.length > 0)
      expect([told.removed, told.isIncomplete]).toEqual([[ends], undefined])
      expect(Number(await from.ask(0, 'CLUSTER', 'COUNTKEYSINSLOT', `${await cluster.slotOf(moved)}`))).toBe(0)
      expect(log.filter(line => !line.startsWith('A node of'))).toEqual([])
    }),
  300_000,
)

test(
  'a replica takes over as planned: nothing is lost, and nothing has to be read again',
  () =>
    withStores(async (one, other) => {
      const ids = Array.from({ length: 48 }, (_, index) => `p${index}`)
      await Promise.all(ids.map(id => insert(one, id)))
      await heard(other, () => true)
      const primary = await cluster.primaryOf(15)
      const replica = await cluster.replicaOf(primary)
      await cluster.settled()
      expect(await replica.ask(0, 'CLUSTER', 'FAILOVER')).toBe('OK')
      await eventually(async () => (await cluster.primaryOf(15)) === replica, 'it has taken over')
      await serves(one, other)
      await untilDone(async () => one.remove('p0'))
      const told = await heard(other, ({ removed }) => removed.length > 0)
      expect([told.removed, told.isIncomplete]).toEqual([['p0'], undefined])
      expect(await Promise.all(ids.slice(1).map(id => isFound(other, id)))).not.toContain(false)
    }),
  300_000,
)

test(
  'a node is lost, and its replica was behind: who was ended stays out, and others notice nothing',
  () =>
    withStores(async (one, other, prefix, log) => {
      const lost = 7
      const primary = await cluster.primaryOf(lost)
      const replica = await cluster.replicaOf(primary)
      const atNode = await Promise.all(SLOTS.map(async (_, at) => (await cluster.primaryOf(at)) === primary))
      const ids = Array.from({ length: 64 }, (_, index) => `n${index}`)
      await Promise.all(ids.map(id => insert(one, id)))
      const [ended = '', ...others] = ids.filter(id => partitionOf(id) === lost)
      const elsewhere = ids.filter(id => atNode[partitionOf(id)] === false)
      expect([others.length > 0, elsewhere.length > 0]).toEqual([true, true])
      await heard(other, () => true)
      await cluster.settled()
      // From here on it gets nothing that is written, not even later, from what was on its way.
      replica.freeze()
      expect(await primary.ask(0, 'CLIENT', 'KILL', 'TYPE', 'replica')).toBe('1')
      await one.remove(ended)
      expect((await heard(other, ({ removed }) => removed.length > 0)).removed).toEqual([ended])
      await primary.kill()
      replica.thaw()
      let isOver = false
      const taken = cluster.takenOver(primary).then(() => {
        isOver = true
      })
      let rounds = 0
      for (; !isOver; rounds++) {
        for (const store of [one, other]) {
          expect(await Promise.all(elsewhere.map(id => isFound(store, id)))).not.toContain(false)
          expect(await isFound(store, ended).catch(() => false)).toBe(false)
        }
        await Bun.sleep(20)
      }
      await taken
      expect(rounds).toBeGreaterThan(0)
      await serves(one, other)
      for (const store of [one, other]) {
        await eventually(async () => (await changesOf(store)) !== null, 'it hears of changes')
        expect(await isFound(store, ended)).toBe(false)
        expect(await Promise.all(others.map(id => isFound(store, id)))).not.toContain(false)
      }
      await eventually(async () => (await rowOf(replica, prefix, ended)) === '', 'it has ended there, too')
      const told = log.map(line => line.split(' {')[0])
      // Once by each store; a busy machine may lose it a second time.
      const away = told.filter(line => line?.startsWith('A node of the session store cannot be reached'))
      expect(away.length).toBeGreaterThanOrEqual(2)
      expect(told.filter(line => line === 'The session store is back')).toHaveLength(away.length)
      expect(
        log.filter(line => line.includes('has lost what was last written') && line.includes('"ended_again":1')),
      ).not.toEqual([])
      await primary.start()
    }),
  300_000,
)
