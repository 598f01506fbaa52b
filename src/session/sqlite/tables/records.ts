/** The records of an open database, each kind in a table of its own, and single-use records. */

import type { Database } from 'bun:sqlite'
import type { MaybePromise } from '../../../base/maybe-promise.ts'
import {
  type Decide,
  type DerivedCalls,
  derivedFrom,
  KINDS,
  longIdOf,
  type RecordKeys,
  type RecordName,
  type RecordStore,
  type Records,
} from '../../records.ts'
import type { OnceKind } from '../../session.ts'
import type { OnceLimits, OneTimeStore, StoredOnce } from '../../store.ts'
import { SLICE } from '../batches.ts'
import type { BusyRetry } from '../busy.ts'
import type { Changes } from './changes.ts'

/** Where this layout keeps a kind: its columns by the names of the fields. */
interface Table<R> {
  readonly name: string
  readonly columns: { readonly [Field in keyof R]: string }
  /** Which fields lead to one record: the first of them are its key, and never change. */
  readonly keys: readonly (readonly (keyof R & string)[])[]
  /** Which of those of one owner a list has, and in which order. */
  readonly listed: string
}

const ISSUED = { id: 'id', hash: 'hash', portal: 'portal', grant: 'grant_json' } as const
const TIMES = { createdAtMs: 'created_ms', expiresAtMs: 'expires_ms' } as const
const STANDING = { identity: 'identity', standing: 'standing', notedAtMs: 'noted_ms' } as const
const NEWEST_FIRST = 'ORDER BY created_ms DESC, id DESC'

const TABLES: { readonly [K in RecordName]: Table<Records[K]> } = {
  token: {
    name: 'tokens',
    columns: { ...ISSUED, name: 'name', ...TIMES, used: 'is_used' },
    keys: [['id'], ['hash']],
    listed: `AND instr(id, '/') = 0 ${NEWEST_FIRST}`,
  },
  link: {
    name: 'links',
    columns: { ...ISSUED, uses: 'uses', used: 'used', ...TIMES },
    keys: [['id'], ['hash']],
    listed: NEWEST_FIRST,
  },
  owner: {
    name: 'owners',
    columns: { id: 'id', ...STANDING, expiresAtMs: 'expires_ms' },
    keys: [['id']],
    listed: '',
  },
  pushed: {
    name: 'pushed',
    columns: { directory: 'directory', id: 'id', value: 'value' },
    keys: [['directory', 'id']],
    listed: '',
  },
  account: {
    name: 'accounts',
    columns: { id: 'id', version: 'version', value: 'value' },
    keys: [['id']],
    listed: '',
  },
  shared: { name: 'shared', columns: { id: 'name', value: 'value' }, keys: [['id']], listed: '' },
}

/** One kind in an open database. */
interface RecordTable<K extends RecordName> {
  find(key: RecordKeys[K]): Records[K] | null
  list(whose: string): readonly Records[K][]
  change(key: RecordKeys[K], decide: Decide<Records[K]>): MaybePromise<ReturnType<Decide<Records[K]>>>
  /** Removes those that are over; answers the ids of which others are told as of any end. */
  purge(nowMs: number): MaybePromise<readonly string[]>
}

type Bound = Record<string, string | number>

function tableOn<K extends RecordName>(
  kind: K,
  database: Database,
  retryBusy: BusyRetry,
  changes: Pick<Changes, 'tellRemoved' | 'tellUpdated'>,
): RecordTable<K> {
  const { name, keys, listed, columns }: Table<Records[K]> = TABLES[kind]
  const { listedBy, told } = KINDS[kind]
  const fields: readonly (readonly [string, string])[] = Object.entries(columns)
  const columnOf = (field: string) => fields.find(([one]) => one === field)?.[1] ?? field
  const equal = (some: readonly string[]) => some.map(field => `${columnOf(field)} = $${field}`)
  const whereOf = (some: readonly string[]) => `WHERE ${equal(some).join(' AND ')}`
  const chosen = fields.map(([field, column]) => `${column} AS "${field}"`).join(', ')
  const [own = []] = keys
  const finds = keys.map(key => database.query<Records[K], Bound>(`SELECT ${chosen} FROM ${name} ${whereOf(key)}`))
  const lists =
    listedBy === null
      ? null
      : database.query<Records[K], Bound>(`SELECT ${chosen} FROM ${name} ${whereOf([listedBy])} ${listed}`)
  const insert = database.query(
    `INSERT INTO ${name} (${fields.map(([, column]) => column)}) VALUES (${fields.map(([field]) => `$${field}`)})`,
  )
  const rest = fields.map(([field]) => field).filter(field => !own.some(one => one === field))
  const update = database.query(`UPDATE ${name} SET ${equal(rest).join(', ')} ${whereOf(own)}`)
  const remove = database.query(`DELETE FROM ${name} ${whereOf(own)}`)
  const purge =
    'expiresAtMs' in columns
      ? database.query<{ readonly id: string }, [number]>(`DELETE FROM ${name} WHERE expires_ms <= ? RETURNING id`)
      : null
  const rename = kind === 'token' ? database.query(`UPDATE ${name} SET id = $to WHERE id = $id`) : null

  const find = (key: RecordKeys[K]) =>
    finds[keys.findIndex(some => some.every(field => field in key))]?.get({ ...key }) ?? null
  const keyOf = (record: Records[K]): Bound => Object.fromEntries(own.map(field => [field, String(record[field])]))

  function tell(before: Records[K] | null, after: Records[K] | null): void {
    const news = told(before, after)
    if (news?.what === 'removed') changes.tellRemoved(news.id)
    else if (news?.what === 'updated') changes.tellUpdated(news.id)
  }

  /** Where a short token is kept: the latest in the first place, and the one before in the second. */
  function placeOf(id: string): string {
    const long = longIdOf(id)
    if (long === null || rename === null) return id
    remove.run({ id: `${long}/2` })
    rename.run({ id: `${long}/1`, to: `${long}/2` })
    return `${long}/1`
  }

  function put(before: Records[K] | null, after: Records[K] | null): void {
    if (before !== null && after !== null) update.run({ ...after })
    else if (after !== null) insert.run({ ...after, ...('hash' in after ? { id: placeOf(after.id) } : {}) })
    else if (before !== null) {
      remove.run(keyOf(before))
      if (rename !== null && 'id' in before) for (const place of [1, 2]) remove.run({ id: `${before.id}/${place}` })
    }
    tell(before, after)
  }

  const change = retryBusy(
    database.transaction((key: RecordKeys[K], decide: Decide<Records[K]>) => {
      const before = find(key)
      const after = decide(before)
      if (after !== undefined) put(before, after)
      return after
    }).immediate,
  )

  return {
    find,
    list: whose => (listedBy === null ? [] : (lists?.all({ [listedBy]: whose }) ?? [])),
    // What changes nothing writes nothing, and waits for no other process.
    change: (key, decide) => (decide(find(key)) === undefined ? undefined : change(key, decide)),
    purge: retryBusy(
      database.transaction((nowMs: number) => {
        const ids = purge?.all(nowMs).map(({ id }) => id) ?? []
        if (kind === 'owner' || ids.length === 0) return []
        changes.tellRemoved(...ids)
        return ids
      }),
    ),
  }
}

type RecordTables = { readonly [K in RecordName]: RecordTable<K> }

export interface SqliteRecords extends RecordStore, DerivedCalls, OneTimeStore {
  /** Each removes what is over of one kind; answers the ids of tokens and links. */
  readonly purges: readonly ((nowMs: number) => MaybePromise<readonly string[]>)[]
  /** Removes a slice of what is over; false where there was none. */
  purgeOnce(nowMs: number): boolean
}

export function recordsOn(
  database: Database,
  retryBusy: BusyRetry,
  changes: Pick<Changes, 'tellRemoved' | 'tellUpdated'>,
): SqliteRecords {
  const on = <K extends RecordName>(kind: K) => tableOn(kind, database, retryBusy, changes)
  const tables: RecordTables = {
    token: on('token'),
    link: on('link'),
    owner: on('owner'),
    pushed: on('pushed'),
    account: on('account'),
    shared: on('shared'),
  }
  const records: RecordStore = {
    findRecord: (kind, key) => tables[kind].find(key),
    listRecords: (kind, whose) => tables[kind].list(whose),
    changeRecord: (kind, key, decide) => tables[kind].change(key, decide),
  }
  return {
    ...records,
    ...derivedFrom(records),
    ...onceOn(database, retryBusy),
    purges: [tables.token.purge, tables.owner.purge, tables.link.purge],
  }
}

function onceOn(database: Database, retryBusy: BusyRetry): OneTimeStore & { purgeOnce(nowMs: number): boolean } {
  const endOf = database.query<{ expires_ms: number }, [string, string]>(
    'SELECT expires_ms FROM once WHERE kind = ? AND hash = ?',
  )
  const insert = database.query('INSERT INTO once (kind, hash, owner, value, expires_ms) VALUES (?, ?, ?, ?, ?)')
  const countOwner = database.query<{ n: number }, [string, string]>(
    'SELECT count(*) AS n FROM once WHERE kind = ? AND owner = ?',
  )
  const dropOldestOfOwner = database.query(
    'DELETE FROM once WHERE seq IN (SELECT seq FROM once WHERE kind = ? AND owner = ? ORDER BY seq LIMIT ?)',
  )
  const span = database.query<{ n: number }, []>(
    'SELECT coalesce((SELECT max(seq) FROM once) - (SELECT min(seq) FROM once) + 1, 0) AS n',
  )
  const countKind = database.query<{ n: number }, [string]>('SELECT count(*) AS n FROM once WHERE kind = ?')
  const dropOldestOfLargest = database.query(
    `DELETE FROM once WHERE seq IN (
       SELECT seq FROM once WHERE kind = ?1 AND owner = (
         SELECT owner FROM once WHERE kind = ?1 GROUP BY owner ORDER BY count(*) DESC, min(seq) LIMIT 1
       ) ORDER BY seq LIMIT ?2)`,
  )
  const byHash = database.query<{ value: string }, [string, string, number]>(
    'SELECT value FROM once WHERE kind = ? AND hash = ? AND expires_ms > ?',
  )
  const remove = database.query<{ value: string; expires_ms: number }, [string, string]>(
    'DELETE FROM once WHERE kind = ? AND hash = ? RETURNING value, expires_ms',
  )
  const purge = database.query(
    `DELETE FROM once WHERE seq IN (SELECT seq FROM once WHERE expires_ms <= ? LIMIT ${SLICE})`,
  )

  const put = database.transaction((record: StoredOnce, limits: OnceLimits) => {
    const known = endOf.get(record.kind, record.hash)
    if (known !== null) {
      if (limits.isLatest !== true || known.expires_ms >= record.expiresAtMs) return false
      remove.run(record.kind, record.hash)
    }
    if (limits.inPlaceOf !== undefined && remove.get(record.kind, limits.inPlaceOf) === null) return false
    const mine = countOwner.get(record.kind, record.owner)?.n ?? 0
    if (mine >= limits.perOwner) dropOldestOfOwner.run(record.kind, record.owner, mine - limits.perOwner + 1)
    // The span of sequence numbers bounds the count from above and costs nothing; count only when it might matter.
    if ((span.get()?.n ?? 0) >= limits.total) {
      const all = countKind.get(record.kind)?.n ?? 0
      if (all >= limits.total) dropOldestOfLargest.run(record.kind, all - limits.total + 1)
    }
    insert.run(record.kind, record.hash, record.owner, record.value, record.expiresAtMs)
    return true
  })

  return {
    // It reads before it writes: begun as a writer, so that no other process can come between (SQLITE_BUSY_SNAPSHOT).
    put: retryBusy(put.immediate),
    take: retryBusy((kind: OnceKind, hash: string, nowMs: number) => {
      const row = remove.get(kind, hash)
      return row === null || row.expires_ms <= nowMs ? null : row.value
    }),
    peek: (kind, hash, nowMs) => byHash.get(kind, hash, nowMs)?.value ?? null,
    purgeOnce: nowMs => purge.run(nowMs).changes > 0,
  }
}
