import type { Database } from 'bun:sqlite'
import type { OnceKind } from '../../session.ts'
import type { OnceLimits, OneTimeStore, StoredOnce } from '../../store.ts'
import type { BusyRetry } from '../busy.ts'
import { SLICE } from '../slices.ts'

/** The single-use records of an open database. `purgeOnce` removes a slice of those that have expired; false where there was none. */
export function onceOn(database: Database, retryBusy: BusyRetry): OneTimeStore & { purgeOnce(nowMs: number): boolean } {
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
