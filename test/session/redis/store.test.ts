import { expect, test } from 'bun:test'
import type { Facts } from '../../../src/base/errors.ts'
import { makeIdentity } from '../../../src/identity/identity.ts'
import { keepOwner, noteOwners } from '../../../src/session/credentials/owners.ts'
import { openSessions } from '../../../src/session/open.ts'
import { BATCH, keysOf, openRedisLink, type RedisLink } from '../../../src/session/redis/connection.ts'
import { onePartition } from '../../../src/session/redis/partitions.ts'
import { listedServers } from '../../../src/session/redis/primary.ts'
import { createEndings } from '../../../src/session/redis/repeat-after-failover.ts'
import { sessionsOver } from '../../../src/session/redis/sessions.ts'
import { openRedisStore } from '../../../src/session/redis/store.ts'
import { createSealer } from '../../../src/session/seal.ts'
import type { Lease, SessionStore } from '../../../src/session/store.ts'
import { quietPorts } from '../../kit/clock.ts'
import { eventually } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startValkey } from '../../kit/programs/valkey.ts'
import { ANY_PROVIDER } from '../../kit/sessions/lifetimes.ts'
import { named } from '../../kit/sessions/records.ts'
import { redisAt } from '../../kit/sessions/shared.ts'
import { storedSession } from '../../kit/sessions/stored.ts'

const PORTS = quietPorts({ now: Date.now })
const LIMITS = { perOwner: 500, total: 50_000 }

/** Keys that stay: indexes and counts of everything. What is in them is removed by `purge`. */
const LASTING = ['expires', 'seen', 'changes', 'once', 'once-expires', 'once-count'].map(name => `sallyport:1:${name}`)

let database = 0

const keep = untilTheEnd()
const valkey = keep(await startValkey({ password: 'secret' }))

async function withStores(act: (one: SessionStore, other: SessionStore, database: number) => Promise<void>) {
  const mine = database++
  const address = redisAt(valkey.url(mine), 'redis://valkey')
  const one = openRedisStore(address, PORTS)
  const other = openRedisStore(address, PORTS)
  try {
    await act(one, other, mine)
  } finally {
    await one.close()
    await other.close()
  }
}

async function insert(store: SessionStore, id: string, expiresAtMs = Date.now() + 60_000): Promise<void> {
  const nowMs = Date.now()
  const session = storedSession(id, { sid: 's', createdAtMs: nowMs, lastSeenMs: nowMs, expiresAtMs })
  await store.insert(session, { hash: `hash-of-${id}`, sessionId: id, host: 'x.example' })
}

needs('valkey-server').test(
  'every key names the layout, and whatever belongs to one session or record has a time to live of its own',
  () =>
    withStores(async (store, _other, mine) => {
      await insert(store, 'a', Date.now() + 60_000)
      await store.addHandle({ hash: 'another', sessionId: 'a', host: 'y.example' })
      await insert(store, 'b', Date.now() + 120_000)
      await store.update('a', { identity: '{}', secrets: 't', sid: 's2', checkedAtMs: 1, isRefreshable: true })
      await store.put({ kind: 'login', hash: 'h', owner: 'o', value: 'v', expiresAtMs: Date.now() + 60_000 }, LIMITS)
      const owner = { id: 'person:o', identity: '{}', standing: 'good', notedAtMs: 1 } as const
      await keepOwner(store, { ...owner, expiresAtMs: Date.now() + 60_000 })
      await noteOwners(
        store,
        new Map([['person:o', { identity: '{}', standing: 'refused', atMs: 2, isLastWord: false }]]),
      )
      const keys = (await valkey.ask(mine, 'KEYS', '*')).split('\n').filter(key => !LASTING.includes(key))
      expect(keys.length).toBeGreaterThan(8)
      for (const key of keys) {
        expect(key).toStartWith('sallyport:1:')
        const ttl = Number(await valkey.ask(mine, 'PTTL', key))
        expect([key, ttl > 3_600_000 && ttl < 3_600_000 + 180_000]).toEqual([key, true])
      }
    }),
)

needs('valkey-server').test.each([
  ['one round trip', '+@all', 1],
  ['two, where no script may be run that only reads', '-evalsha_ro', 2],
])('a cookie is looked up in %s', async (_what, rule, trips) => {
  // No database of another test is on it: all that is read is counted.
  await using own = await startValkey()
  const store = openRedisStore(redisAt(own.url(), 'valkey'), PORTS)
  try {
    await insert(store, 'a')
    expect(await own.ask(0, 'ACL', 'SETUSER', 'default', rule)).toBe('OK')
    const look = async () => (await store.findByHash('hash-of-a'))?.session.id
    // Once to learn the script, or that there is none.
    expect(await look()).toBe('a')
    expect(await store.findByHash('none')).toBeNull()
    const reads = async () => Number(/total_reads_processed:(\d+)/.exec(await own.ask(0, 'INFO', 'stats'))?.[1])
    const before = await reads()
    for (let index = 0; index < 100; index++) expect(await look()).toBe('a')
    const count = (await reads()) - before
    // What asks for the count is read too.
    expect([count >= trips * 100, count < trips * 100 + 20]).toEqual([true, true])
  } finally {
    await store.close()
  }
})

needs('valkey-server').test(
  'a cookie that ends while it is looked up, and is forgotten with what it has shown, finds nothing',
  async () => {
    const address = redisAt(valkey.url(database++))
    const link = openRedisLink({
      whereabouts: listedServers(address.nodes),
      prefix: keysOf(address.prefix),
      line: { ...address, tls: null },
      shownAs: 'redis://valkey',
      log: PORTS.log,
      greet: async () => {},
    })
    let afterGet = async () => {}
    const slow: RedisLink = {
      ...link,
      // As of a server that knows no scripts that only read: one step of it leaves nothing between.
      look: async () => undefined,
      async send(command, args) {
        const answer = await link.send(command, args)
        if (command === 'GET') await afterGet()
        return answer
      },
    }
    const times = { ttlOf: () => 3_660_000, lastsOf: () => 60_000, untilOf: () => undefined }
    const signIns = sessionsOver(onePartition(slow), createEndings(PORTS), times)
    const nowMs = Date.now()
    const session = storedSession('a', { createdAtMs: nowMs, lastSeenMs: nowMs, expiresAtMs: nowMs + 60_000 })
    await signIns.insert(session, { hash: 'first', sessionId: 'a', host: 'x.example' })
    await signIns.addHandle({ hash: 'weak', sessionId: 'a', host: 'x.example', shown: 'little' })
    expect(await signIns.findByHash('weak')).toMatchObject({ shown: 'little' })
    afterGet = async () => {
      await link.send('DEL', ['sallyport:1:handle:weak'])
      await signIns.addHandle({ hash: 'next', sessionId: 'a', host: 'x.example' })
    }
    expect(await signIns.findByHash('weak')).toBeNull()
    expect(await signIns.findByHash('first')).toMatchObject({ session: { id: 'a' } })
    link.close()
  },
)

test('of many sessions that are removed, those count as ended that the server has acknowledged, whatever becomes of the rest', async () => {
  let steps = 0
  const link: RedisLink = {
    prefix: '',
    send: async () => null,
    look: async () => null,
    async run() {
      if (++steps === 2) throw new Error('another server had taken over')
      return []
    },
    close: () => undefined,
  }
  const endings = createEndings(PORTS)
  const times = { ttlOf: () => 1, lastsOf: () => 1, untilOf: () => undefined }
  const signIns = sessionsOver(onePartition(link), endings, times)
  const ids = Array.from({ length: 2 * BATCH }, (_, index) => `s-${index}`)
  expect(await Promise.resolve(signIns.remove(...ids)).catch(String)).toContain('another server had taken over')
  expect([0, BATCH - 1, BATCH].map(at => endings.hasEnded(`s-${at}`))).toEqual([true, true, false])
})

needs('valkey-server').test(
  'after a failover an account that is older there, or not there, is as it was changed last, and a newer one stays',
  () =>
    withStores(async (_store, _other, mine) => {
      const account = (id: string, version: number) => ({ id: `account:${id}`, version, value: `${id} ${version}` })
      const endings = createEndings(PORTS)
      for (const id of ['older', 'same', 'newer', 'missing']) endings.changed(account(id, 10))
      const has = ({ id, version, value }: ReturnType<typeof account>) =>
        valkey.ask(mine, 'HSET', `sallyport:1:${id}`, 'version', `${version}`, 'value', value)
      for (const one of [account('older', 9), account('same', 10), account('newer', 11)]) await has(one)
      const send = async (command: string, args: readonly string[]) => valkey.ask(mine, command, ...args)
      const { number } = await endings.repeat(send, { prefix: 'sallyport:1:', count: 1, has: () => true })
      expect(number).toBe(2)
      const kept = (id: string) => valkey.ask(mine, 'HGET', `sallyport:1:account:${id}`, 'value')
      const values = await Promise.all(['older', 'same', 'newer', 'missing'].map(kept))
      expect(values).toEqual(['older 10', 'same 10', 'newer 11', 'missing 10'])
    }),
)

needs('valkey-server').test('when all sessions are removed or purged, nothing of them is left', () =>
  withStores(async (store, _other, mine) => {
    await insert(store, 'a')
    await insert(store, 'b', Date.now() - 1)
    await store.put({ kind: 'login', hash: 'h', owner: 'o', value: 'v', expiresAtMs: Date.now() - 1 }, LIMITS)
    await store.remove('a')
    await store.purge(Date.now(), 1e9)
    const keys = (await valkey.ask(mine, 'KEYS', '*')).split('\n').sort()
    expect(keys).toEqual(['sallyport:1:changes', 'sallyport:1:once-count'])
  }),
)

needs('valkey-server').test('a purge removes any number of sessions, in steps', () =>
  withStores(async (store, _other, mine) => {
    const past = Date.now() - 1
    // Each waits for a reply for two seconds: so many that a machine with much to do has them by then.
    for (let turn = 0; turn < 24; turn++) {
      await Promise.all(Array.from({ length: 50 }, (_, index) => insert(store, `s${50 * turn + index}`, past)))
    }
    await store.purge(Date.now(), 1e9)
    expect(await valkey.ask(mine, 'KEYS', 'sallyport:1:s*')).toBe('')
  }),
)

needs('valkey-server').test(
  'a record with a lifetime is good that long by the server’s clock, whatever a node says',
  () =>
    withStores(async (store, other) => {
      const record = { kind: 'ticket', owner: 'o', value: 'v', expiresAtMs: Date.now() + 60_000 } as const
      await store.put({ ...record, hash: 'a', lifetimeMs: 60_000 }, LIMITS)
      expect(await other.peek('ticket', 'a', Date.now() + 90_000)).toBe('v')
      expect(await other.take('ticket', 'a', Date.now() + 90_000)).toBe('v')
      await store.put({ ...record, hash: 'b', lifetimeMs: 1 }, LIMITS)
      await eventually(async () => (await store.peek('ticket', 'b', 0)) === null, 'it is over by the server’s clock')
      expect(await store.take('ticket', 'b', 0)).toBeNull()
    }),
)

needs('valkey-server').test('of fifty that take the same record from two nodes at once, one gets it', () =>
  withStores(async (one, other) => {
    for (let round = 0; round < 5; round++) {
      const record = {
        kind: 'ticket',
        hash: 'h',
        owner: 'o',
        value: `v${round}`,
        expiresAtMs: Date.now() + 60_000,
      } as const
      expect(await one.put(record, LIMITS)).toBe(true)
      const takes = Array.from({ length: 50 }, (_, index) =>
        (index % 2 === 0 ? one : other).take('ticket', 'h', Date.now()),
      )
      expect((await Promise.all(takes)).filter(value => value !== null)).toEqual([`v${round}`])
    }
  }),
)

needs('valkey-server').test('of fifty that ask for a lease on two nodes at once, one gets it', () =>
  withStores(async (one, other) => {
    await insert(one, 'a')
    const leases = Array.from({ length: 50 }, (_, index) => (index % 2 === 0 ? one : other).lease('a', 100, 60_100))
    expect((await Promise.all(leases)).filter(isMine => isMine)).toHaveLength(1)
  }),
)

needs('valkey-server').test('a lease goes by the server’s clock, whatever those of the nodes say', () =>
  withStores(async (right, ahead) => {
    const now = Date.now()
    const late = now + 3 * 3_600_000
    await insert(right, 'a')
    expect(await right.lease('a', now, now + 60_000)).toBe('taken')
    // Somebody else is asking, though it is long over by a clock that is three hours ahead.
    expect(await ahead.lease('a', late, late + 60_000)).toBeNull()
    await right.release('a', now + 60_000, null)
    // One that was left with that clock is over no later than the others.
    expect(await ahead.lease('a', late, late + 50)).toBe('taken')
    const next: (Lease | null)[] = []
    await eventually(async () => {
      next.push(await right.lease('a', now, now + 60_000))
      return next.at(-1) !== null
    }, 'it is over')
    expect(next.at(-1)).toBe('left')
    await ahead.release('a', late + 50, null)
    expect(await ahead.lease('a', late, late + 50)).toBeNull()
  }),
)

needs('valkey-server').test.each([
  ['behind', -3],
  ['ahead', 3],
])('a session ends by the server’s clock, where that of its node is hours %s', (_what, hours) =>
  withStores(async (right, _other, mine) => {
    const now = () => Date.now() + hours * 3_600_000
    const node = openRedisStore(redisAt(valkey.url(mine), 'valkey'), quietPorts({ now }))
    try {
      await insert(node, 'a', now() + 600_000)
      await right.purge(Date.now(), 1e9)
      expect([await right.countSessions(Date.now()), await node.countSessions(now())]).toEqual([1, 1])
      await insert(node, 'b', now() + 50)
      await eventually(async () => (await right.countSessions(Date.now())) === 1, 'one of them is over')
      await right.purge(Date.now(), 1e9)
      expect(await right.findById('a')).not.toBeNull()
      expect(await right.findById('b')).toBeNull()
    } finally {
      await node.close()
    }
  }),
)

needs('valkey-server').test('a lease of a node of before is known, and is nobody else’s to end', () =>
  withStores(async (store, _other, mine) => {
    await insert(store, 'a')
    const untilMs = Date.now() + 60_000
    await valkey.ask(mine, 'HSET', 'sallyport:1:session:a', 'lease', `${untilMs}`)
    expect(await store.lease('a', Date.now(), untilMs)).toBeNull()
    await store.release('a', untilMs, Date.now())
    expect(await store.lease('a', Date.now(), untilMs)).toBeNull()
    await valkey.ask(mine, 'HDEL', 'sallyport:1:session:a', 'lease')
    expect(await store.lease('a', Date.now(), untilMs)).toBe('taken')
  }),
)

needs('valkey-server').test(
  'a session does not grow by cookies that are over, however often one takes another’s place',
  () =>
    withStores(async (store, _other, mine) => {
      await insert(store, 'a')
      const shownOf = async () =>
        (await valkey.ask(mine, 'HKEYS', 'sallyport:1:session:a')).split('\n').filter(name => name.startsWith('shown:'))
      const fields = Number(await valkey.ask(mine, 'HLEN', 'sallyport:1:session:a'))
      let hash = 'hash-of-a'
      for (let round = 0; round < 5; round++) {
        const next = `round-${round}`
        const replaced = { hash, shown: '{}', nowMs: Date.now(), lastsMs: 1 }
        expect(await store.addHandle({ hash: next, sessionId: 'a', host: 'x' }, replaced)).toBe(true)
        const last = hash
        await eventually(async () => (await store.findByHash(last)) === null, 'the one before is over')
        hash = next
      }
      // Of the last round alone: the next cookie takes it with it.
      expect(await shownOf()).toEqual(['shown:round-3'])
      expect(Number(await valkey.ask(mine, 'HLEN', 'sallyport:1:session:a'))).toBe(fields + 1)
      expect(Number(await valkey.ask(mine, 'SCARD', 'sallyport:1:handles:a'))).toBe(2)
      expect((await store.findByHash(hash))?.session.id).toBe('a')
      expect(await store.findHosts('a')).toEqual(['x'])
    }),
)

needs('valkey-server').test('a server that forgot its scripts is told them again', () =>
  withStores(async (store, _other, mine) => {
    await insert(store, 'a')
    await valkey.ask(mine, 'SCRIPT', 'FLUSH')
    expect((await store.findByHash('hash-of-a'))?.session.id).toBe('a')
    await store.remove('a')
    expect(await store.findByHash('hash-of-a')).toBeNull()
  }),
)

needs('valkey-server').test('a person’s subject, a portal and the place of a list may be anything', () =>
  withStores(async store => {
    const odd = storedSession('a', {
      portal: 'a b:*\n"',
      subject: '\u0000 ü \ud83d\ude00 [x]',
      issuer: 'https://id.example/ a',
      sid: ' ',
      expiresAtMs: Date.now() + 60_000,
    })
    await store.insert(odd, { hash: 'h', sessionId: 'a', host: 'x' })
    expect(await store.findById('a')).toEqual(odd)
    expect(await store.findBySubject(odd.issuer, odd.subject)).toEqual([odd])
    expect(await store.findBySid(odd.issuer, ' ')).toEqual([odd])
    expect((await store.list(odd.portal, { after: null, limit: 1 })).sessions).toEqual([odd])
    for (const after of ['', '[', '(x', '+', '\n\u0000']) {
      expect((await store.list(odd.portal, { after, limit: 1 })).sessions.length).toBeLessThan(2)
    }
  }),
)

needs('valkey-server').test(
  'of somebody with more sessions than anybody has, none is left out where all are to end',
  () =>
    withStores(async store => {
      const ids = Array.from({ length: 1001 }, (_, index) => `s${index}`)
      for (let from = 0; from < ids.length; from += 100) {
        await Promise.all(ids.slice(from, from + 100).map(id => insert(store, id)))
      }
      const idsOf = (rows: readonly { readonly id: string }[]) => rows.map(({ id }) => id).sort()
      expect(idsOf(await store.findBySubject('https://id.example', 'ada'))).toEqual(ids.toSorted())
      expect(idsOf(await store.findBySid('https://id.example', 's'))).toEqual(ids.toSorted())
      await store.remove(...ids.slice(0, 900))
      expect(idsOf(await store.findBySid('https://id.example', 's'))).toEqual(ids.slice(900).toSorted())
    }),
)

needs('valkey-server').describe('after a lost connection', () => {
  test(
    'where it goes on from the last change that was heard, nothing has to be read again',
    () =>
      withStores(async store => {
        await insert(store, 'a')
        expect(await store.changesSince()).toEqual({ removed: [], updated: [] })
        await valkey.kill()
        await eventually(() => rejects(store.changesSince()), 'calls fail')
        await valkey.start()
        await eventually(async () => !(await rejects(store.findById('a'))), 'calls succeed')
        expect(await store.changesSince()).toEqual({ removed: [], updated: [] })
      }),
    300_000,
  )

  test(
    'it is said once that changes may have been missed where the last that was heard is gone',
    () =>
      withStores(async store => {
        await insert(store, 'a')
        expect(await store.changesSince()).toEqual({ removed: [], updated: [] })
        await valkey.kill()
        await eventually(() => rejects(store.changesSince()), 'calls fail')
        await valkey.start({ isEmpty: true })
        await eventually(async () => !(await rejects(store.findById('a'))), 'calls succeed')
        expect(await store.changesSince()).toEqual({ removed: [], updated: [], isIncomplete: true })
        expect(await store.changesSince()).toEqual({ removed: [], updated: [] })
      }),
    300_000,
  )

  test('a session that is no longer there is not honoured from memory', async () => {
    const address = redisAt(valkey.url(database++), 'redis://valkey')
    const sessions = openSessions({
      store: openRedisStore(address, PORTS),
      sealer: createSealer(new Uint8Array(32), PORTS),
      limits: { lifetimeMs: 60_000, idleMs: 60_000, cacheBytes: 50_000, providerTrust: ANY_PROVIDER },
      ports: PORTS,
      timers: { watchMs: 20, flushMs: 60_000, purgeMs: 60_000 },
    })
    try {
      const identity = makeIdentity('id', 'https://id.example', 'ada', {})
      const secrets = { idToken: 'x', refreshToken: null }
      const { token } = await sessions.start({ portal: 'home', host: 'x.example', identity, secrets })
      const find = async () => sessions.find(token, 'x.example')
      await valkey.kill()
      for (let index = 0; index < 10; index++) {
        expect((await find())?.identity.subject).toBe('ada')
        await Bun.sleep(20)
      }
      await valkey.start({ isEmpty: true })
      await eventually(async () => (await find()) === null, 'it is asked for again')
    } finally {
      await sessions.close()
    }
  }, 300_000)
})

test('the log names the server and never its password', async () => {
  const lines: string[] = []
  const tell = (message: string, facts?: Facts) => void lines.push(message + JSON.stringify(facts))
  const log = { debug: tell, info: tell, warn: tell, error: tell }
  const url = 'redis://:hunter2@127.0.0.1:1/0'
  const store = openRedisStore(redisAt(url, 'redis://127.0.0.1:1/0'), { now: Date.now, log })
  const failure = await Promise.resolve(store.findById('a')).catch((error: unknown) => String(error))
  await store.close()
  expect(lines.join()).toContain('redis://127.0.0.1:1/0')
  expect(lines.join() + failure).not.toContain('hunter2')
})

async function rejects(work: unknown): Promise<boolean> {
  try {
    await work
    return false
  } catch {
    return true
  }
}

needs('valkey-server').test(
  'of changes that are too old to tell the newest stays, by which a server is known to be the same',
  () =>
    withStores(async (one, other, mine) => {
      // The server trims a hundred at a time.
      const fill = "for i = 1, 200 do redis.call('XADD', KEYS[1], ARGV[1] .. '-' .. i, 'made', 'x') end"
      const old = `${Date.now() - 2 * 60 * 60 * 1000}`
      await valkey.ask(mine, 'EVAL', fill, '1', 'sallyport:1:changes', old)
      const here = openRedisStore(redisAt(valkey.url(mine), 'redis://valkey'), PORTS)
      expect(await here.changesSince()).toEqual({ removed: [], updated: [] })
      await here.purge(Date.now(), 1e9)
      expect(Number(await valkey.ask(mine, 'XLEN', 'sallyport:1:changes'))).toBeLessThan(200)
      expect(await here.changesSince()).toEqual({ removed: [], updated: [] })
      await insert(one, 'a')
      expect(await here.changesSince()).toEqual({ removed: [], updated: [] })
      await other.remove('a')
      expect(await here.changesSince()).toEqual({ removed: ['a'], updated: [] })
      await here.close()
    }),
)

needs('valkey-server').test('a token that lacks something of what a token has is nobody’s', () =>
  withStores(async (store, _other, mine) => {
    const token = {
      id: 't',
      hash: 'h',
      portal: 'home',
      name: 'n',
      grant: '{}',
      createdAtMs: 1,
      expiresAtMs: 8e12,
      used: 0,
    }
    const { findToken, insertToken } = named(store)
    await insertToken(token)
    const kept: Record<string, unknown> = JSON.parse(await valkey.ask(mine, 'GET', 'sallyport:1:token:h'))
    expect(await findToken('h')).toEqual(token)
    for (const name of ['id', 'hash', 'portal', 'name', 'grant', 'expiresAtMs']) {
      const text = JSON.stringify({ ...kept, [name]: undefined })
      await valkey.ask(mine, 'SET', 'sallyport:1:token:h', text, 'KEEPTTL')
      expect([name, await findToken('h')]).toEqual([name, null])
    }
    // One that cannot be read at all keeps no other from being found, listed or revoked.
    const other = { ...token, id: 'token:other', hash: 'other' }
    await insertToken(other)
    for (const text of ['', '{"id":', 'null', '"text"', '[1]']) {
      await valkey.ask(mine, 'SET', 'sallyport:1:token:h', text, 'KEEPTTL')
      expect([text, await findToken('h')]).toEqual([text, null])
      expect(await store.listRecords('token', token.portal)).toEqual([other])
    }
    expect(await store.removeIssued('token', token.id)).toBe(false)
    expect(await store.removeIssued('token', other.id)).toBe(true)
  }),
)
