import type { Database } from 'bun:sqlite'
import { decideRate, type Pace, type Spent } from '../../../base/rate.ts'
import type { SessionStore } from '../../store.ts'
import type { BusyRetry } from '../busy.ts'
import { SLICE } from '../slices.ts'

/** What of a SessionStore is about allowances. */
export type AllowanceStore = Pick<SessionStore, 'spend' | 'refund'>

/** The allowances of an open database. `purgeAllowances` removes a slice of those that are full; false where there was none. */
export function allowancesOn(
  database: Database,
  retryBusy: BusyRetry,
): AllowanceStore & { purgeAllowances(nowMs: number): boolean } {
  const byName = database.query<{ full_at_ms: number }, [string]>('SELECT full_at_ms FROM allowances WHERE name = ?')
  const note = database.query(
    'INSERT INTO allowances (name, full_at_ms) VALUES (?, ?) ON CONFLICT DO UPDATE SET full_at_ms = excluded.full_at_ms',
  )
  const back = database.query('UPDATE allowances SET full_at_ms = full_at_ms - ? WHERE name = ?')
  const purge = database.query(
    `DELETE FROM allowances WHERE name IN (SELECT name FROM allowances WHERE full_at_ms <= ? LIMIT ${SLICE})`,
  )

  const decide = (name: string, pace: Pace, nowMs: number) => {
    const before = byName.get(name)?.full_at_ms ?? 0
    const decision = decideRate(pace, before, nowMs)
    return { decision, isNews: decision.fullAtMs !== before }
  }
  const spend = database.transaction((name: string, pace: Pace, nowMs: number): Spent => {
    const { decision, isNews } = decide(name, pace, nowMs)
    if (isNews) note.run(name, decision.fullAtMs)
    return decision
  })
  const spendNow = retryBusy(spend.immediate)

  return {
    spend(name, pace, nowMs) {
      // Whoever has nothing left writes nothing, and waits for no other process.
      const { decision, isNews } = decide(name, pace, nowMs)
      return isNews ? spendNow(name, pace, nowMs) : decision
    },
    refund: retryBusy((name: string, pace: Pace) => {
      back.run(pace.intervalMs, name)
    }),
    purgeAllowances: nowMs => purge.run(nowMs).changes > 0,
  }
}
