import { expect } from 'bun:test'
import type { Facts } from '../../../src/base/errors.ts'
import type { StoredOwner } from '../../../src/session/records.ts'
import { openRedisStore } from '../../../src/session/redis/store.ts'
import type { SessionStore } from '../../../src/session/store.ts'
import { eventually } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { type FailoverPair, startPair } from '../../kit/programs/failover.ts'
import type { Valkey } from '../../kit/programs/valkey.ts'
import { type NamedStore, named } from '../../kit/sessions/records.ts'
import { redisAt } from '../../kit/sessions/shared.ts'
import { storedSession } from '../../kit/sessions/stored.ts'

const { test } = needs('valkey-server')

const BEHIND = 'has lost what was last written to it'
const ELSEWHERE = 'The session store takes writes elsewhere'
const BACK = 'The session store is back'
const CHANGES = 'sallyport:1:changes'

interface Node {
  readonly store: NamedStore
  told(words: string): readonly Facts[]
}

/** A server that has had no turn for two seconds, on a machine with much to do, is not the one that is away here. */
const PATIENT_MS = 30_000

/** Two processes on a pair of servers. Neither asks for changes by itself. */
async function withNodes(act: (pair: FailoverPair, one: Node, other: Node) => Promise<void>): Promise<void> {
  await using pair = await startPair()
  const [one, other] = [openNode(pair.url(), PATIENT_MS), openNode(pair.url(), PATIENT_MS)]
  try {
    await act(pair, one, other)
  } finally {
    await one.store.close()
    await other.store.close()
  }
}

function openNode(url: string, replyMs?: number): Node {
  const lines: (readonly [string, Facts])[] = []
  const tell = (message: string, facts: Facts = {}) => void lines.push([message, facts])
  const log = { debug: tell, info: tell, warn: tell, error: tell }
  return {
    store: named(openRedisStore(redisAt(url, 'redis://pair'), { now: Date.now, log }, { replyMs })),
    told: words => lines.filter(([message]) => message.includes(words)).map(([, facts]) => facts),
  }
}

async function failOver(pair: FailoverPair, nodes: readonly Node[], first?: () => Promise<void>): Promise<void> {
  await pair.failOver(first)
  await eventually(() => nodes.every(node => node.told(BACK).length > 0), 'every process is back')
}

/**
 * Waits until a process has ended this much again: at once by its new connection or, where that was lost again and the next could only be
 * read by, with its next look.
 */
async function hasEndedAgain({ store, told }: Node, number: number): Promise<void> {
  const sum = () => told(BEHIND).reduce((all, facts) => all + Number(facts.ended_again), 0)
  await eventually(async () => {
    await store.changesSince()
    return sum() >= number
  }, `${number} are ended again`)
  expect(sum()).toBe(number)
}

async function insert(store: SessionStore, id: string): Promise<void> {
  const expiresAtMs = Date.now() + 60_000
  await store.insert(storedSession(id, { createdAtMs: Date.now(), lastSeenMs: Date.now(), expiresAtMs }), {
    hash: `hash-of-${id}`,
    sessionId: id,
    host: 'x.example',
  })
}

function owner(id: string): StoredOwner {
  return { id, identity: '{}', standing: 'good', notedAtMs: 1, expiresAtMs: Date.now() + 60_000 }
}

test(
  'what a process ended a moment before the primary died, and nobody has heard of, has ended after the failover',
  () =>
    withNodes(async (pair, one, other) => {
      await insert(one.store, 'a')
      await insert(one.store, 'b')
      const life = { createdAtMs: Date.now(), expiresAtMs: Date.now() + 60_000 }
      const token = { id: 'api-t', hash: 'ht', portal: 'home', name: 'n', grant: '{}', used: 0, ...life }
      await one.store.insertToken(token)
      await one.store.insertLink({ id: 'link-l', hash: 'hl', portal: 'home', grant: '{}', uses: 2, used: 0, ...life })
      for (const { store } of [one, other]) await store.changesSince()
      await pair.lag()
      await one.store.remove('a')
      expect([await one.store.removeToken('api-t'), await one.store.removeLink('link-l')]).toEqual([true, true])
      await failOver(pair, [one, other])
      await hasEndedAgain(one, 3)
      for (const { store } of [one, other]) {
        expect([await store.findById('a'), await store.findByHash('hash-of-a')]).toEqual([null, null])
        expect([await store.findToken('ht'), await store.findLink('hl')]).toEqual([null, null])
        expect((await store.findById('b'))?.id).toBe('b')
      }
      expect(one.told(BEHIND)[0]).toMatchObject({ store: 'redis://pair' })
      // The other has lost nothing that it had heard, and hears of the three.
      expect(other.told(BEHIND)).toEqual([])
      expect((await other.store.changesSince()).removed).toEqual(['a', 'api-t', 'link-l'])
    }),
  300_000,
)

test(
  'whoever was put out rests after the failover too, unless they have signed in since',
  () =>
    withNodes(async (pair, one, other) => {
      for (const id of ['person:out', 'person:back', 'person:forgiven']) await one.store.keepOwner(owner(id))
      const note = { identity: '{}', isLastWord: true }
      for (const { store } of [one, other]) await store.changesSince()
      await pair.lag()
      for (const id of ['person:out', 'person:back', 'person:forgiven']) {
        await one.store.noteOwners(new Map([[id, { ...note, standing: 'revoked', atMs: 100 }]]))
      }
      await one.store.noteOwners(new Map([['person:forgiven', { ...note, standing: 'good', atMs: 150 }]]))
      // The one that hears of it is the one that knows: the other is gone.
      expect(new Set((await other.store.changesSince()).updated).size).toBe(3)
      await one.store.close()
      await failOver(pair, [other], async () => {
        const late = openNode(pair.replica.url(), PATIENT_MS)
        await late.store.noteOwners(
          new Map([['person:back', { ...note, standing: 'good', atMs: 200, identity: '{"n":1}' }]]),
        )
        await late.store.close()
      })
      await hasEndedAgain(other, 1)
      const standing = async (id: string) => (await other.store.findOwner(id))?.standing
      expect(await Promise.all(['person:out', 'person:back', 'person:forgiven'].map(standing))).toEqual([
        'revoked',
        'good',
        'good',
      ])
    }),
  300_000,
)

test(
  'an account that was changed a moment before counts after the failover, unless it was changed there since',
  () =>
    withNodes(async (pair, one, other) => {
      const ids = ['account:mine', 'account:dropped', 'account:later', 'account:same']
      const change = ({ store }: Node, id: string, value: string) =>
        store.changeRecord('account', { id }, before => ({ id, version: (before?.version ?? 0) + 1, value }))
      for (const id of ids) await change(one, id, 'old')
      for (const { store } of [one, other]) await store.changesSince()
      await pair.lag()
      await change(one, 'account:mine', 'new')
      await change(one, 'account:dropped', '')
      await change(one, 'account:later', 'new')
      await failOver(pair, [one, other], async () => {
        const late = openNode(pair.replica.url(), PATIENT_MS)
        await change(late, 'account:later', 'newer')
        await change(late, 'account:later', 'newest')
        await late.store.close()
      })
      await hasEndedAgain(one, 2)
      for (const { store } of [one, other]) {
        const found = await Promise.all(ids.map(async id => (await store.findRecord('account', { id }))?.value))
        expect(found).toEqual(['new', '', 'newest', 'old'])
      }
      expect(new Set((await other.store.changesSince()).updated)).toEqual(new Set(ids.slice(0, 3)))
      // What comes after goes on from there.
      await change(other, 'account:mine', 'after')
      expect(await one.store.findRecord('account', { id: 'account:mine' })).toMatchObject({
        version: 3,
        value: 'after',
      })
    }),
  300_000,
)

test(
  'while the address leads to a replica that lags, an account is as this process has changed it',
  () =>
    withNodes(async (pair, one) => {
      const id = 'account:a'
      await one.store.changeRecord('account', { id }, () => ({ id, version: 1, value: 'old' }))
      await pair.lag()
      await one.store.changeRecord('account', { id }, () => ({ id, version: 2, value: 'new' }))
      pair.leadTo(pair.replica)
      await eventually(() => one.told(BACK).length > 0, 'it reads from the replica')
      expect(await pair.replica.ask(0, 'HGET', `sallyport:1:${id}`, 'value')).toBe('old')
      expect(await one.store.findRecord('account', { id })).toEqual({ id, version: 2, value: 'new' })
      expect(await pair.replica.ask(0, 'REPLICAOF', 'NO', 'ONE')).toBe('OK')
      const isNew = async () => (await pair.replica.ask(0, 'HGET', `sallyport:1:${id}`, 'value')) === 'new'
      await eventually(async () => {
        await one.store.changesSince()
        return isNew()
      }, 'it is the newest there, too')
    }),
  300_000,
)

test(
  'the log says from when to when the changes are lost, and before which time sign-outs are not known',
  () =>
    withNodes(async (pair, one) => {
      await insert(one.store, 'kept')
      await pair.lag()
      await insert(one.store, 'lost')
      // It starts after what is left was written: what ended in between is known to nobody.
      const late = openNode(pair.url(), PATIENT_MS)
      try {
        await late.store.changesSince()
        await one.store.changesSince()
        await failOver(pair, [one, late])
        const [facts] = one.told(BEHIND)
        const changes = (await pair.replica.ask(0, 'XRANGE', CHANGES, '-', '+')).split('\n')
        const keptMs = Number(changes.findLast(line => /^\d+-\d+$/.test(line))?.split('-')[0])
        expect(facts).toMatchObject({ last_left: new Date(keptMs).toISOString(), ended_again: 0 })
        expect(String(facts?.last_change) > String(facts?.last_left)).toBe(true)
        expect(facts).not.toHaveProperty('unknown_before')
        expect(late.told(BEHIND)).toMatchObject([{ unknown_before: expect.any(String) }])
        // The rest is there as it was.
        expect(await one.store.changesSince()).toEqual({ removed: [], updated: ['cookies:lost', 'lost'] })
        expect(await late.store.changesSince()).toEqual({ removed: [], updated: [], isIncomplete: true })
      } finally {
        await late.store.close()
      }
    }),
  300_000,
)

test(
  'while the address leads to a replica that has not taken over, nobody who was put out is let in',
  () =>
    withNodes(async (pair, one, other) => {
      await insert(one.store, 'a')
      await other.store.changesSince()
      await pair.lag()
      await one.store.remove('a')
      await other.store.changesSince()
      pair.leadTo(pair.replica)
      await eventually(() => [one, other].every(node => node.told('cannot be reached').length > 0), 'both are refused')
      await eventually(() => [one, other].every(node => node.told(BACK).length > 0), 'both read from it')
      const isThere = () => pair.replica.ask(0, 'EXISTS', 'sallyport:1:session:a')
      expect(await isThere()).toBe('1')
      for (const { store } of [one, other]) {
        expect(await store.findById('a')).toBeNull()
        expect(await store.findByHash('hash-of-a')).toBeNull()
      }
      expect(await pair.replica.ask(0, 'REPLICAOF', 'NO', 'ONE')).toBe('OK')
      await eventually(async () => {
        await one.store.changesSince()
        return (await isThere()) === '0'
      }, 'it is ended there too')
      for (const { store } of [one, other]) expect(await store.findById('a')).toBeNull()
    }),
  300_000,
)

test(
  'a change that was trimmed while a process was away is no failover, and what was removed then is heard',
  () =>
    withNodes(async (pair, one, other) => {
      // Whoever begins on an empty feed writes to it: all have, before it is another one.
      await Promise.all([one, other].map(({ store }) => store.changesSince()))
      expect(await pair.primary.ask(0, 'DEL', CHANGES)).not.toBe('')
      await pair.primary.ask(0, 'XADD', CHANGES, '1000-0', 'made', 'x')
      const old = openNode(pair.url(), PATIENT_MS)
      try {
        expect(await old.store.changesSince()).toEqual({ removed: [], updated: [] })
        await insert(one.store, 'a')
        await pair.primary.ask(0, 'XTRIM', CHANGES, 'MINID', '2000')
        pair.leadTo(pair.primary)
        await eventually(() => old.told(BACK).length > 0, 'it is back')
        expect(old.told(BEHIND)).toEqual([])
        await one.store.remove('a')
        expect(await old.store.changesSince()).toEqual({ removed: ['a'], updated: [], isIncomplete: true })
      } finally {
        await old.store.close()
      }
    }),
  300_000,
)

test(
  'after a connection that was cut, a process hears of each ending meanwhile',
  () =>
    withNodes(async (pair, one, other) => {
      await insert(one.store, 'a')
      await other.store.changesSince()
      await one.store.remove('a')
      pair.leadTo(pair.primary)
      await eventually(() => other.told(BACK).length > 0, 'it is back')
      // From where it was: nothing else has to be read again.
      expect(await other.store.changesSince()).toEqual({ removed: ['a'], updated: [] })
      expect([...one.told(BEHIND), ...other.told(BEHIND)]).toEqual([])
    }),
  300_000,
)

test(
  'a server that became a replica is left for the one to which its name leads by now, though it goes on answering',
  () =>
    withNodes(async (pair, one, other) => {
      await insert(one.store, 'a')
      await insert(one.store, 'b')
      await pair.lag()
      expect(await pair.replica.ask(0, 'REPLICAOF', 'NO', 'ONE')).toBe('OK')
      expect(await pair.primary.ask(0, 'REPLICAOF', '127.0.0.1', '1')).toBe('OK')
      // The name still leads there: it is looked for, and whoever only reads never notices.
      await expect(Promise.resolve(one.store.remove('a'))).rejects.toThrow('READONLY')
      expect((await one.store.findById('b'))?.id).toBe('b')
      expect(one.told(ELSEWHERE)).toEqual([])
      pair.leadTo(pair.replica, 'stays')
      await eventually(async () => {
        const isDone = await Promise.resolve(one.store.remove('a'))
          .then(() => true)
          .catch(() => false)
        expect((await one.store.findById('b'))?.id).toBe('b')
        return isDone
      }, 'what is written goes to the other one')
      expect([one.told(ELSEWHERE).length, one.told('cannot be reached').length]).toEqual([1, 0])
      expect(await pair.replica.ask(0, 'EXISTS', 'sallyport:1:session:a', 'sallyport:1:session:b')).toBe('1')
      expect(await one.store.findById('a')).toBeNull()
      // Who asks nothing of it that writes stays where it was, which answers.
      expect((await other.store.findById('b'))?.id).toBe('b')
      expect(other.told(ELSEWHERE)).toEqual([])
    }),
  300_000,
)

/** How many connections a server has, without the one that asks and those of its replicas. */
async function connectionsTo(server: Valkey): Promise<number> {
  const list = await server.ask(0, 'CLIENT', 'LIST', 'TYPE', 'normal')
  return list.split('\n').filter(line => line !== '' && !line.includes(' cmd=client|list ')).length
}

test('a process has two connections to its server, whatever became of those before, and none once it is closed', async () => {
  await using pair = await startPair()
  const { store, told } = openNode(pair.url())
  const failing = (work: unknown) =>
    Promise.resolve(work).then(
      () => false,
      () => true,
    )
  let [primary, replica] = [0, 0]
  async function comesTo(wanted: readonly [primary: number, replica: number]): Promise<void> {
    const isIt = async () => {
      primary = await connectionsTo(pair.primary)
      replica = await connectionsTo(pair.replica)
      return primary === wanted[0] && replica === wanted[1]
    }
    await eventually(isIt, `${wanted} connections`, 30_000).catch(() => expect([primary, replica]).toEqual([...wanted]))
  }

  await insert(store, 'a')
  await comesTo([2, 0])

  // What is held back for too long has another connection after it.
  expect(await pair.primary.ask(0, 'CLIENT', 'PAUSE', '30000', 'WRITE')).toBe('OK')
  expect(await failing(store.remove('a'))).toBe(true)
  expect(await pair.primary.ask(0, 'CLIENT', 'UNPAUSE')).toBe('OK')
  await store.remove('a')
  await comesTo([2, 0])

  // A server that hangs: the second write begins on what is being opened anew, and fails once both have been given up.
  pair.primary.freeze()
  const written = failing(store.remove('a'))
  await Bun.sleep(300)
  const read = failing(store.findById('a'))
  expect(await written).toBe(true)
  const writtenAgain = failing(store.remove('a'))
  expect([await read, await writtenAgain]).toEqual([true, true])
  pair.primary.thaw()
  await eventually(() => told(BACK).length > 0, 'it is back')
  await insert(store, 'b')
  await comesTo([2, 0])

  // Another server takes over, and the one before goes on answering.
  await pair.lag()
  expect(await pair.replica.ask(0, 'REPLICAOF', 'NO', 'ONE')).toBe('OK')
  expect(await pair.primary.ask(0, 'REPLICAOF', '127.0.0.1', '1')).toBe('OK')
  pair.leadTo(pair.replica, 'stays')
  await eventually(async () => {
    await Promise.resolve(store.remove('b')).catch(() => undefined)
    return told(ELSEWHERE).length > 0
  }, 'it is elsewhere')
  await store.remove('b')
  await comesTo([0, 2])

  await store.close()
  await comesTo([0, 0])
}, 300_000)
