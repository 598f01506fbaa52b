/** The table of the audit trail in SQLite. */

import type { Database } from 'bun:sqlite'
import type { AuditBounds, AuditStore, StoredAudit } from '../../../audit/store.ts'
import { inSlices, SLICE } from '../batches.ts'
import type { BusyRetry } from '../busy.ts'

interface AuditRowHere {
  readonly seq: number
  readonly record: string
}

/** How the names of shared values begin that say how long a process keeps rows, and when it said so. */
const KEEPS = 'audit-keep:'

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
  const span = database.query<{ n: number }, []>(
    'SELECT coalesce((SELECT max(seq) FROM audit) - (SELECT min(seq) FROM audit) + 1, 0) AS n',
  )
  const firstAbove = database.query<{ seq: number }, [number, number]>(
    'SELECT seq FROM audit WHERE is_frequent = ? ORDER BY seq DESC LIMIT 1 OFFSET ?',
  )
  const dropOldest = database.query(
    `DELETE FROM audit WHERE seq IN (
       SELECT seq FROM audit WHERE is_frequent = ? AND seq <= ? ORDER BY seq LIMIT ${SLICE})`,
  )

  const announce = database.query(
    'INSERT INTO shared (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
  )
  const announced = database.query<{ name: string; value: string }, []>(
    `SELECT name, value FROM shared WHERE name > '${KEEPS}' AND name < '${KEEPS}~'`,
  )
  const withdraw = database.query('DELETE FROM shared WHERE name = ?')

  /** Removes by slices until there is nothing left to remove; answers how many rows went. */
  async function removeAll(removeSome: () => number): Promise<number> {
    let number = 0
    const slice = retryBusy(() => (isClosed() ? 0 : removeSome()))
    await inSlices(async () => {
      const removed = await slice()
      number += removed
      return removed > 0
    })
    return number
  }

  async function trimTo(isFrequent: 0 | 1, most: number): Promise<number> {
    // The span of sequence numbers bounds the count from above and costs nothing; count only when it might matter.
    if (isClosed() || (span.get()?.n ?? 0) <= most) return 0
    const above = firstAbove.get(isFrequent, most)
    return above === null ? 0 : removeAll(() => dropOldest.run(isFrequent, above.seq).changes)
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
    announceKeep: retryBusy(
      database.transaction((processId: string, keepMs: number, nowMs: number, heardMs: number) => {
        announce.run(KEEPS + processId, `${keepMs} ${nowMs}`)
        let longestMs = keepMs
        for (const { name, value } of announced.all()) {
          const [otherMs = 0, atMs = 0] = value.split(' ').map(Number)
          if (nowMs - atMs > heardMs) withdraw.run(name)
          else longestMs = Math.max(longestMs, otherMs)
        }
        return longestMs
      }),
    ),
    async trimAudit(keepMs, nowMs, { frequent, others }: AuditBounds) {
      const beforeMs = keepMs === 0 ? Number.MAX_SAFE_INTEGER : nowMs - keepMs
      return (
        (await removeAll(() => purge.run(beforeMs).changes)) + (await trimTo(1, frequent)) + (await trimTo(0, others))
      )
    },
  }
}
