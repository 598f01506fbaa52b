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
  type StoredAccount,
  type StoredApiToken,
  type StoredGuestLink,
} from '../records.ts'
import type { OneTimeStore } from '../store.ts'
import { pairsOf, serverMs } from './connection.ts'
import type { RedisPartition, RedisPartitions } from './partitions.ts'
import type { Endings } from './repeat-after-failover.ts'
import { PUT, SWAP, TAKE } from './scripts/records.ts'

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

/** A token or a link from its JSON, with its use, which is kept beside that. */
function parseIssued<R extends StoredApiToken | StoredGuestLink>(
  text: string | null | undefined,
  used: number,
  texts: readonly (keyof R)[],
  numbers: readonly (keyof R)[],
): R | null {
  if (text == null) return null
  const row = { ...(JSON.parse(text) as Partial<R> | null), used } as Partial<R>
  const isWhole =
    texts.every(field => typeof row[field] === 'string') && numbers.every(field => Number.isFinite(row[field]))
  return isWhole ? (row as R) : null
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
