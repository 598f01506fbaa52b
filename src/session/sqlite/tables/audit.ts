import type { Database } from 'bun:sqlite'
import type { AuditBounds, AuditStore, StoredAudit } from '../../../audit/store.ts'
import type { BusyRetry } from '../busy.ts'
import { inSlices, SLICE } from '../slices.ts'

interface AuditRowHere {
  readonly seq: number
  readonly record: string
}

/** The audit trail of an open database: rows in the order in which they were written. `isClosed` ends a clean-up that is under way. */
export function auditOn(database: Database, retryBusy: BusyRetry, isClosed: () => boolean): AuditStore {
  const insert = database.query('INSERT INTO audit (at_ms, is_frequent, record) VALUES (?, ?, ?)')
  const before = database.query<AuditRowHere, [number, number]>(
    'SELECT seq, record FROM audit WHERE seq < ? ORDER BY seq DESC LIMIT ?',
  )
  const remove = database.query('DELETE FROM audit WHERE seq = ?')
  const purge = database.query(
    `DELETE FROM audit WHERE seq IN (SELECT seq FROM audit WHERE at_ms < ? ORDER BY at_ms LIMIT ${SLICE})`,
  )
  const span = database.query<{ n: number }, []>('SELECT coalesce(max(seq) - min(seq) + 1, 0) AS n FROM audit')
  const firstAbove = database.query<{ seq: number }, [number, number]>(
    'SELECT seq FROM audit WHERE is_frequent = ? ORDER BY seq DESC LIMIT 1 OFFSET ?',
  )
  const dropOldest = database.query(
    `DELETE FROM audit WHERE seq IN (
       SELECT seq FROM audit WHERE is_frequent = ? AND seq <= ? ORDER BY seq LIMIT ${SLICE})`,
  )

  async function trimTo(isFrequent: 0 | 1, most: number): Promise<void> {
    // The span of sequence numbers bounds the count from above and costs nothing; count only when it might matter.
    if (isClosed() || (span.get()?.n ?? 0) <= most) return
    const above = firstAbove.get(isFrequent, most)
    if (above !== null)
      await inSlices(retryBusy(() => !isClosed() && dropOldest.run(isFrequent, above.seq).changes > 0))
  }

  return {
    appendAudit: retryBusy(
      database.transaction((rows: readonly StoredAudit[]) => {
        for (const { atMs, isFrequent, record } of rows) insert.run(atMs, isFrequent ? 1 : 0, record)
      }),
    ),
    listAudit({ after, limit }) {
      const rows = before.all(after === null ? Number.MAX_SAFE_INTEGER : Number(after), limit)
      const last = rows.at(-1)
      return {
        rows: rows.map(({ seq, record }) => ({ id: `${seq}`, record })),
        next: last === undefined || rows.length < limit ? null : `${last.seq}`,
      }
    },
    removeAudit: retryBusy(
      database.transaction((ids: readonly string[]) => {
        for (const id of ids) remove.run(Number(id))
      }),
    ),
    async trimAudit(beforeMs, { frequent, others }: AuditBounds) {
      const atMs = Math.min(beforeMs, Number.MAX_SAFE_INTEGER)
      await inSlices(retryBusy(() => !isClosed() && purge.run(atMs).changes > 0))
      await trimTo(1, frequent)
      await trimTo(0, others)
    },
  }
}
