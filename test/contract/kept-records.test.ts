import { Database } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { openRedisStore } from '../../src/session/redis/store.ts'
import { migrate } from '../../src/session/sqlite/schema.ts'
import { openSqliteStore } from '../../src/session/sqlite/store.ts'
import written from '../golden/session/records.json'
import { quietPorts } from '../kit/clock.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'
import { startValkey } from '../kit/programs/valkey.ts'
import { type NamedStore, named } from '../kit/sessions/records.ts'
import { redisAt } from '../kit/sessions/shared.ts'

/**
 * `records.json` is what a version before the one record store has made of `writeAll`, in both stores. Both versions write to one store
 * while an update is under way: each has to read what the other writes.
 */

const END_MS = 4_000_000_000_000
const TIMES = { createdAtMs: 10, expiresAtMs: END_MS }
const ports = quietPorts({ now: () => 1_000_000 })

const keep = untilTheEnd()
const valkey = keep(await startValkey())

const token = (n: number, used = 0) => ({
  ...{ id: `token:${n}`, hash: `hash-${n}`, portal: 'home', name: `n ${n}`, grant: `{"n":${n}}` },
  ...{ ...TIMES, used },
})
const short = (n: number) => ({
  ...{ hash: `short-${n}`, portal: 'home', name: '', grant: '{"of":"token:1"}' },
  ...{ ...TIMES, used: 1 },
})
const link = (n: number, used = 0) => ({
  ...{ id: `guest:${n}`, hash: `link-${n}`, portal: 'home', grant: `{"n":${n}}`, uses: 3, used },
  ...TIMES,
})
const owner = (n: number) =>
  ({ id: `person:${n}`, identity: `{"n":${n}}`, standing: 'good', notedAtMs: 30, expiresAtMs: END_MS }) as const
const once = (hash: string) =>
  ({ kind: 'login', hash, owner: 'o', value: `sealed ${hash}`, expiresAtMs: END_MS }) as const

async function writeAll(store: NamedStore): Promise<void> {
  for (const one of [token(1), token(2, 1), token(3), token(4)]) await store.insertToken(one)
  await store.useToken('token:3')
  await store.removeToken('token:4')
  for (const n of [1, 2, 3]) await store.insertShortToken('token:1', short(n))
  for (const n of [1, 2]) await store.insertLink(link(n))
  await store.useLink('link-1', 20)
  await store.removeLink('guest:2')
  for (const n of [1, 2]) await store.keepOwner(owner(n))
  await store.keepOwner({ ...owner(2), expiresAtMs: END_MS + 1 })
  const heard = { identity: '{"n":9}', standing: 'revoked', atMs: 40, isLastWord: true } as const
  await store.noteOwners(new Map([['person:1', heard]]))
  await store.replaceShared('a', null, '1')
  await store.replaceShared('a', '1', '2')
  for (const id of ['user-1', 'user-2']) await store.replacePushed('directory:d', id, null, `{"id":"${id}"}`)
  await store.replacePushed('directory:d', 'user-1', '{"id":"user-1"}', '{"id":"user-1","is":"other"}')
  await store.replacePushed('directory:d', 'user-2', '{"id":"user-2"}', null)
  for (const hash of ['a', 'b', 'c']) await store.put(once(hash), { perOwner: 2, total: 10 })
  await store.take('login', 'b', 50)
}

/** What `writeAll` leaves behind, by every way to ask for it. */
async function readAll(store: NamedStore): Promise<void> {
  const at = { ...token(1), used: 0 }
  expect([await store.findToken('hash-1'), await store.findTokenById('token:3')]).toEqual([at, token(3, 1)])
  expect(await store.listTokens('home')).toEqual([token(3, 1), token(2, 1), token(1)])
  const shorts = await Promise.all([1, 2, 3, 4].map(n => store.findToken(`short-${n}`)))
  expect(shorts.map(one => one?.grant ?? null)).toEqual([null, short(2).grant, short(3).grant, null])
  expect([await store.findTokenById('token:4'), await store.findLinkById('guest:2')]).toEqual([null, null])
  expect([await store.findLink('link-1'), await store.listLinks('home')]).toEqual([link(1, 1), [link(1, 1)]])
  const refused = { ...owner(1), identity: '{"n":9}', standing: 'revoked', notedAtMs: 40 } as const
  expect([await store.findOwner('person:1'), await store.findOwner('person:2')]).toEqual([
    refused,
    { ...owner(2), expiresAtMs: END_MS + 1 },
  ])
  expect([await store.readShared('a'), await store.listPushed('directory:d')]).toEqual([
    '2',
    ['{"id":"user-1","is":"other"}'],
  ])
  const taken = await Promise.all(['a', 'b', 'c', 'c'].map(async hash => store.take('login', hash, 50)))
  expect(taken).toEqual([null, null, 'sealed c', null])
}

/** And that goes on from there. */
async function goOn(store: NamedStore): Promise<void> {
  expect([await store.useToken('token:1'), await store.useToken('token:2')]).toEqual([true, false])
  const uses = [await store.useLink('link-1', 20), await store.useLink('link-1', 20), await store.useLink('link-1', 20)]
  expect(uses.map(one => one?.used ?? null)).toEqual([2, 3, null])
  expect([await store.removeToken('token:1'), await store.removeLink('guest:1')]).toEqual([true, true])
  expect([await store.findToken('short-3'), await store.findToken('hash-1'), await store.findLink('link-1')]).toEqual([
    null,
    null,
    null,
  ])
  expect(await store.replacePushed('directory:d', 'user-1', '{"id":"user-1","is":"other"}', null)).toBe(true)
  expect(await store.listPushed('directory:d')).toEqual([])
}

const TABLES = Object.keys(written.sqlite) as readonly (keyof typeof written.sqlite)[]

test('a database that a version before has written is read, changed, and written the same by this one', async () => {
  using folder = temporaryFolder()
  const [theirs, ours] = ['theirs.db', 'ours.db'].map(name => join(folder.path, name))
  const before = new Database(theirs, { strict: true })
  migrate(before)
  for (const table of TABLES) {
    for (const row of written.sqlite[table]) {
      const names = Object.keys(row)
      before.query(`INSERT INTO ${table} (${names}) VALUES (${names.map(name => `$${name}`)})`).run({ ...row })
    }
  }
  before.close()
  const found = named(openSqliteStore(theirs ?? '', ports))
  await readAll(found)
  await goOn(found)
  await found.close()
  const made = named(openSqliteStore(ours ?? '', ports))
  await writeAll(made)
  await made.close()
  const after = new Database(ours)
  for (const table of TABLES) {
    expect([table, after.query(`SELECT * FROM ${table} ORDER BY 1, 2`).all()]).toEqual([table, written.sqlite[table]])
  }
  after.close()
})

needs('valkey-server').test(
  'a server that a version before has written to is read, changed, and written the same by this one',
  async () => {
    const [theirs, ours] = [valkey.url(0), valkey.url(1)]
    const client = new Bun.RedisClient(theirs)
    await client.connect()
    for (const [command = '', ...args] of written.redis) await client.send(command, args)
    client.close()
    const found = named(openRedisStore(redisAt(theirs), ports))
    await readAll(found)
    await goOn(found)
    await found.close()
    const made = named(openRedisStore(redisAt(ours), ports))
    await writeAll(made)
    await made.close()
    expect(await keysAt(ours)).toEqual(written.redis)
    const ends = await Promise.all(
      ['token:hash-1', 'token-unused:hash-1', 'token:short-3'].map(key => ttlAt(ours, key)),
    )
    const others = await Promise.all(['token-shorts:token:1', 'link:link-1', 'person:1'].map(key => ttlAt(ours, key)))
    expect([...ends, ...others].map(ttl => ttl > 3_600_000)).toEqual(Array(6).fill(true))
  },
)

async function ttlAt(url: string, key: string): Promise<number> {
  const client = new Bun.RedisClient(url)
  await client.connect()
  const ttl = Number(await client.send('PTTL', [`sallyport:1:${key}`]))
  client.close()
  return ttl
}

/** Everything on a server, as the commands that make it. */
async function keysAt(url: string): Promise<readonly (readonly string[])[]> {
  const client = new Bun.RedisClient(url)
  await client.connect()
  const ask = async (command: string, ...args: string[]): Promise<unknown> => client.send(command, args)
  const listOf = (found: unknown): readonly unknown[] => (Array.isArray(found) ? found : [])
  const commands: string[][] = []
  for (const key of listOf(await ask('KEYS', '*'))
    .map(String)
    .sort()) {
    const type = await ask('TYPE', key)
    if (type === 'string') commands.push(['SET', key, `${await ask('GET', key)}`])
    else if (type === 'list') commands.push(['RPUSH', key, ...listOf(await ask('LRANGE', key, '0', '-1')).map(String)])
    else if (type === 'hash') {
      const fields = Object.entries({ ...((await ask('HGETALL', key)) as object) }).sort(([a], [b]) => (a < b ? -1 : 1))
      commands.push(['HSET', key, ...fields.flat().map(String)])
    } else if (type === 'zset') {
      const members = listOf(await ask('ZRANGE', key, '0', '-1', 'WITHSCORES'))
      commands.push(['ZADD', key, ...members.flatMap(pair => listOf(pair).toReversed().map(String))])
    } else {
      const rows = listOf(await ask('XRANGE', key, '-', '+'))
      commands.push(...rows.map(row => ['XADD', key, '*', ...listOf(listOf(row)[1]).map(String)]))
    }
  }
  client.close()
  return commands
}
