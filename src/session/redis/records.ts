/** The records on a server, each kind in cells of its own, and single-use records. */

import { sha256 } from '../../base/bytes.ts'
import {
  type Decide,
  type DerivedCalls,
  derivedFrom,
  KINDS,
  longIdOf,
  parseStanding,
  type RecordKeys,
  type RecordName,
  type RecordStore,
  type Records,
  SHORT_TOKENS,
  type StoredAccount,
  type StoredApiToken,
  type StoredGuestLink,
} from '../records.ts'
import type { OneTimeStore } from '../store.ts'
import { pairsOf, serverMs } from './connection.ts'
import type { RedisPartition, RedisPartitions } from './partitions.ts'
import type { Endings } from './repeat-after-failover.ts'
import { CLOCK, FORGET_ONCE, script } from './script.ts'

/** A value on the server: a field of a hash, or with an empty field a string. */
type Cell = readonly [key: string, field: string]

/** What leads to a record of any kind; empty texts for what does not count for it. */
interface RecordAddress {
  readonly id: string
  readonly hash: string
  readonly directory: string
}

/** Where a kind is kept. */
interface Form<R> {
  /** A hash from the id of each to the hash of its secret, by which alone it is found. */
  readonly index?: string
  cells(place: RecordAddress): readonly Cell[]
  /** What is in each of them; null: nothing. */
  pack(record: R): readonly (string | null)[]
  /** The record in them; null where it is not whole. */
  unpack(values: readonly (string | null | undefined)[], place: RecordAddress): R | null
}

const ISSUED = ['id', 'hash', 'portal', 'grant'] as const

const FORMS: { readonly [K in RecordName]: Form<Records[K]> } = {
  token: {
    index: 'tokens',
    cells: ({ hash }) => [`token:${hash}`, `token-unused:${hash}`].map(key => [key, '']),
    pack: ({ used, ...row }) => [JSON.stringify(row), used === 0 ? '' : null],
    unpack: ([text, unused]) =>
      parseIssued<StoredApiToken>(text, unused == null ? 1 : 0, [...ISSUED, 'name'], ['expiresAtMs']),
  },
  link: {
    index: 'links',
    cells: ({ hash }) => ['link', 'uses', 'expires', 'used'].map(field => [`link:${hash}`, field]),
    // The text is that of its making, and stays.
    pack: row => [JSON.stringify({ ...row, used: 0 }), `${row.uses}`, `${row.expiresAtMs}`, `${row.used}`],
    unpack: ([text, , , used]) =>
      parseIssued<StoredGuestLink>(text, Number(used ?? Number.NaN), ISSUED, ['uses', 'createdAtMs', 'expiresAtMs']),
  },
  owner: {
    cells: ({ id }) => ['identity', 'standing', 'noted', 'expires'].map(field => [id, field]),
    pack: ({ identity, standing, notedAtMs, expiresAtMs }) => [identity, standing, `${notedAtMs}`, `${expiresAtMs}`],
    unpack([identity, standing, noted, expires], { id }) {
      const [notedAtMs, expiresAtMs] = [Number(noted), Number(expires)]
      if (identity == null || standing == null || !Number.isFinite(notedAtMs + expiresAtMs)) return null
      return { id, identity, standing: parseStanding(standing), notedAtMs, expiresAtMs }
    },
  },
  pushed: {
    cells: ({ directory, id }) => [[directory, id]],
    pack: ({ value }) => [value],
    unpack: ([value], { directory, id }) => (value == null ? null : { directory, id, value }),
  },
  account: {
    cells: ({ id }) => ['version', 'value'].map(field => [id, field]),
    pack: ({ version, value }) => [`${version}`, value],
    unpack([text, value], { id }) {
      const version = Number(text)
      return value == null || text == null || !Number.isSafeInteger(version) ? null : { id, version, value }
    },
  },
  shared: {
    cells: ({ id }) => [[`shared:${id}`, '']],
    pack: ({ value }) => [value],
    unpack: ([value], { id }) => (value == null ? null : { id, value }),
  },
}

/** A token or a link from its JSON, with its use, which is kept beside that; null for one in another form: it must not keep others from being listed. */
function parseIssued<R extends StoredApiToken | StoredGuestLink>(
  text: string | null | undefined,
  used: number,
  texts: readonly (keyof R)[],
  numbers: readonly (keyof R)[],
): R | null {
  if (text == null) return null
  const row = { ...parseObject(text), used } as Partial<R>
  const isWhole =
    texts.every(field => typeof row[field] === 'string') && numbers.every(field => Number.isFinite(row[field]))
  return isWhole ? (row as R) : null
}

function parseObject(text: string): object | null {
  try {
    const raw: unknown = JSON.parse(text)
    return typeof raw === 'object' ? raw : null
  } catch {
    return null
  }
}

/** The cells of an account as this process has changed it, where the server has an earlier version. */
function newestOf(values: Read<unknown>['values'], { version, value }: StoredAccount): Read<unknown>['values'] {
  return version > Number(values[0] ?? 0) ? [`${version}`, value] : values
}

function ageOf(record: object): number {
  return 'createdAtMs' in record ? Number(record.createdAtMs) : 0
}

/** As it was read: what is in its cells, for whoever changes it. */
interface Read<R> {
  readonly record: R | null
  readonly cells: readonly Cell[]
  readonly values: readonly (string | null)[]
}

/** Whoever comes in between has changed it: so many in a row are more than there are processes. */
const TRIES = 200

/**
 * The records on a server. A change reads, and writes where nothing of what was read has changed. What has ended counts as gone,
 * also on a server that does not know it: a replica that was behind, whether or not it takes writes by now.
 */
export function recordsOver(
  partitions: RedisPartitions,
  endings: Endings,
  ttlOf: (expiresAtMs: number) => number,
): RecordStore & DerivedCalls {
  async function read<K extends RecordName>(kind: K, key: Partial<RecordAddress>): Promise<Read<Records[K]>> {
    const { index, cells: cellsOf, unpack }: Form<Records[K]> = FORMS[kind]
    const place = { id: '', hash: '', directory: '', ...key }
    const { prefix, send } = partitions.of(KINDS[kind].partition(place.id))
    if (index !== undefined && place.hash === '') {
      const hash = await send('HGET', [prefix + index, place.id])
      if (typeof hash !== 'string') return { record: null, cells: [], values: [] }
      place.hash = hash
    }
    const cells = cellsOf(place)
    const [[first = '', field = ''] = []] = cells
    // Keys one by one: a server of a cluster may have some of them while others still have to come to it. A change compares them all.
    const found = await (field === ''
      ? Promise.all(cells.map(([one]) => send('GET', [prefix + one])))
      : send('HMGET', [prefix + first, ...cells.map(([, one]) => one)]))
    const values = cells.map((_, at) => (Array.isArray(found) && typeof found[at] === 'string' ? found[at] : null))
    const own = kind === 'account' ? endings.accountOf(place.id) : null
    const record = unpack(own === null ? values : newestOf(values, own), place)
    const isOver = record !== null && 'hash' in record && endings.hasEnded(longIdOf(record.id) ?? record.id)
    return { record: isOver ? null : record, cells, values }
  }

  /** Whether it was changed: false where it is another one by now. */
  async function swap<K extends RecordName>(
    kind: K,
    { record: before, cells, values }: Read<Records[K]>,
    after: Records[K] | null,
  ): Promise<boolean> {
    const { index, cells: cellsOf, pack }: Form<Records[K]> = FORMS[kind]
    const { id = '' } = after ?? before ?? {}
    const told = KINDS[kind].told(before, after)
    const long = longIdOf(id)
    const place = { directory: '', hash: '', ...(after ?? {}), id }
    const next = after === null ? [] : pack(after)
    const changed = (cells.length > 0 ? cells : cellsOf(place)).flatMap(([key, field], at) => [
      ...[key, field],
      ...[values[at], next[at]].map(value => (value == null ? '' : `=${value}`)),
    ])
    const noted = told?.owner === undefined ? [] : ['standing', told.owner.standing, 'noted', `${told.owner.notedAtMs}`]
    const options = {
      ttl: after !== null && 'expiresAtMs' in after ? ttlOf(after.expiresAtMs) : undefined,
      index: long === null ? index : undefined,
      id,
      hash: place.hash,
      shorts: kind === 'token' && (long !== null || after === null) ? `token-shorts:${long ?? id}` : undefined,
      tell: told === null ? undefined : [told.what, told.id, ...noted],
    }
    const { run } = partitions.of(KINDS[kind].partition(id))
    return (await run(SWAP, [JSON.stringify(options), after === null ? 'gone' : '', ...changed])) === 1
  }

  async function changeRecord<K extends RecordName>(kind: K, key: RecordKeys[K], decide: Decide<Records[K]>) {
    for (let tries = 0; tries < TRIES; tries++) {
      const found = await read(kind, key)
      const after = decide(found.record)
      if (after === undefined) return undefined
      if (!(await swap(kind, found, after))) continue
      // What the server has acknowledged counts, also before this process hears of it with what others did.
      const told = KINDS[kind].told(found.record, after)
      if (told?.what === 'removed') endings.removed(told.id)
      if (after !== null && 'version' in after) endings.changed(after)
      if (told?.owner !== undefined) endings.noted(told.id, told.owner.standing, told.owner.notedAtMs)
      return after
    }
    throw new Error('a record of the session store is changed by others again and again')
  }

  const records: RecordStore = {
    async findRecord(kind, key) {
      const { record } = await read(kind, key)
      const note = record !== null && 'standing' in record ? endings.noteOf(record.id) : null
      return note === null || record === null || !('notedAtMs' in record) || record.notedAtMs > note.notedAtMs
        ? record
        : { ...record, ...note }
    },
    async listRecords(kind, whose) {
      const { index, unpack }: Form<Records[typeof kind]> = FORMS[kind]
      const { prefix, send } = partitions.of(KINDS[kind].partition(whose))
      const pairs = pairsOf(await send('HGETALL', [prefix + (index ?? whose)]))
      if (index === undefined) {
        return pairs.flatMap(([id, value]) => unpack([value], { id, directory: whose, hash: '' }) ?? [])
      }
      const all = await Promise.all(pairs.map(async ([id, hash]) => ({ id, ...(await read(kind, { hash })) })))
      // One that has expired leaves its entry in the index behind.
      const gone = all.filter(({ values }) => values.every(value => value === null)).map(({ id }) => id)
      if (gone.length > 0) await send('HDEL', [prefix + index, ...gone])
      return all
        .flatMap(({ record }) => (record !== null && 'portal' in record && record.portal === whose ? [record] : []))
        .sort((one, other) => ageOf(other) - ageOf(one) || (one.id < other.id ? 1 : -1))
    },
    changeRecord,
  }
  return { ...records, ...derivedFrom(records) }
}

/** The single-use records on a server: all of a kind in one place, since they are counted together. */
export function onceOver({ prefix, send, run }: RedisPartition, ttlOf: (expiresAtMs: number) => number): OneTimeStore {
  return {
    async put(record, { perOwner, total, isLatest = false, inPlaceOf = '' }) {
      const { kind, hash, owner, value, expiresAtMs, lifetimeMs = '' } = record
      const bounds = [perOwner, total, lifetimeMs, Number(isLatest), inPlaceOf]
      const args = [kind, hash, sha256(owner), value, expiresAtMs, ttlOf(expiresAtMs), ...bounds]
      return (await run(PUT, args)) === 1
    },
    async take(kind, hash, nowMs) {
      const value = await run(TAKE, [kind, hash, nowMs])
      return typeof value === 'string' ? value : null
    },
    async peek(kind, hash, nowMs) {
      const key = `${prefix}once:${kind}:${hash}`
      const found = await send('HMGET', [key, 'value', 'expires', 'clock'])
      const [value, expires, clock] = Array.isArray(found) ? found : []
      if (typeof value !== 'string') return null
      const countsMs = clock === null ? nowMs : await serverMs({ send })
      return Number(expires) > countsMs ? value : null
    },
  }
}

/**
 * Options as JSON, `gone` where nothing takes the record's place, then for each cell its key, its field or nothing, and what is to be
 * in it before and after: nothing, or `=` and the value → 1, or 0 and no change where anything else is in one.
 *
 * Options: `ttl`, absent where it stays for good; `index` with `id` and `hash`; `shorts`, where the hashes of a token's short ones are;
 * `tell`, what others have to hear of it.
 */
const SWAP = script(`
local o = cjson.decode(ARGV[1])
for i = 3, #ARGV, 4 do
  local found
  if ARGV[i + 1] == '' then found = redis.call('GET', p .. ARGV[i]) else found = redis.call('HGET', p .. ARGV[i], ARGV[i + 1]) end
  if (found and '=' .. found or '') ~= ARGV[i + 2] then return 0 end
end
for i = 3, #ARGV, 4 do
  local key, field, after = p .. ARGV[i], ARGV[i + 1], ARGV[i + 3]
  if after ~= ARGV[i + 2] then
    local value = string.sub(after, 2)
    if after == '' and field == '' then redis.call('DEL', key)
    elseif after == '' then redis.call('HDEL', key, field)
    elseif field == '' then redis.call('SET', key, value, 'KEEPTTL')
    else redis.call('HSET', key, field, value) end
  end
  if after ~= '' and o.ttl then live(key, string.format('%.0f', o.ttl)) end
end
local isGone = ARGV[2] == 'gone'
if o.index and isGone then redis.call('HDEL', p .. o.index, o.id) end
if o.index and not isGone then redis.call('HSET', p .. o.index, o.id, o.hash) end
if o.shorts then
  local key, kept = p .. o.shorts, isGone and 0 or ${SHORT_TOKENS}
  if not isGone then redis.call('LPUSH', key, o.hash) end
  for _, short in ipairs(redis.call('LRANGE', key, kept, -1)) do redis.call('DEL', p .. 'token:' .. short) end
  if isGone then redis.call('DEL', key) else redis.call('LTRIM', key, 0, kept - 1) end
  if not isGone then live(key, string.format('%.0f', o.ttl)) end
end
if o.tell then redis.call('XADD', p .. 'changes', '*', unpack(o.tell)) end
return 1
`)

/**
 * kind, hash, owner's key, value, expires, ttl, per owner, total, how long by the server's clock or nothing, 1 where one that ends earlier
 * gives way, the hash of one that it replaces or nothing → 1, or 0 when there is one already, or none to replace.
 */
const PUT = script(`${FORGET_ONCE}${CLOCK}
local kind, hash, owner, ttl = ARGV[1], ARGV[2], ARGV[3], ARGV[6]
local key, expires = p .. 'once:' .. kind .. ':' .. hash, ARGV[5]
local known = redis.call('HMGET', key, 'expires', 'owner')
if known[1] then
  if ARGV[10] ~= '1' or tonumber(known[1]) >= tonumber(expires) then return 0 end
  forget(kind .. ' ' .. hash .. ' ' .. known[2])
end
if ARGV[11] ~= '' then
  local replaced = redis.call('HGET', p .. 'once:' .. kind .. ':' .. ARGV[11], 'owner')
  if not replaced then return 0 end
  forget(kind .. ' ' .. ARGV[11] .. ' ' .. replaced)
end
local mine = p .. 'owner:' .. kind .. ':' .. owner
local spare = redis.call('ZCARD', mine) - ARGV[7]
if spare >= 0 then
  for _, member in ipairs(redis.call('ZRANGE', mine, 0, spare)) do forget(member) end
end
local all, load = p .. 'kind:' .. kind, p .. 'load:' .. kind
spare = redis.call('ZCARD', all) - ARGV[8]
if spare >= 0 then
  local most = redis.call('ZREVRANGE', load, 0, 0, 'WITHSCORES')
  local from = all
  if most[1] and tonumber(most[2]) > 1 then from = p .. 'owner:' .. kind .. ':' .. most[1] end
  for _, member in ipairs(redis.call('ZRANGE', from, 0, spare)) do forget(member) end
end
local age = redis.call('INCR', p .. 'once-count')
local member = kind .. ' ' .. hash .. ' ' .. owner
if ARGV[9] ~= '' then
  expires = string.format('%.0f', clock() + ARGV[9])
  redis.call('HSET', key, 'clock', 1)
end
redis.call('HSET', key, 'value', ARGV[4], 'expires', expires, 'owner', owner)
redis.call('PEXPIRE', key, ttl)
redis.call('ZADD', mine, age, member)
live(mine, ttl)
redis.call('ZADD', all, age, member)
live(all, ttl)
redis.call('ZINCRBY', load, 1, owner)
live(load, ttl)
redis.call('ZADD', p .. 'once-expires', expires, member)
return 1
`)

/** kind, hash, now where the server's clock does not count → the value once. */
const TAKE = script(`${FORGET_ONCE}${CLOCK}
local got = redis.call('HMGET', p .. 'once:' .. ARGV[1] .. ':' .. ARGV[2], 'value', 'expires', 'owner', 'clock')
if not got[1] then return false end
forget(ARGV[1] .. ' ' .. ARGV[2] .. ' ' .. got[3])
if tonumber(got[2]) <= (got[4] and clock() or tonumber(ARGV[3])) then return false end
return got[1]
`)
