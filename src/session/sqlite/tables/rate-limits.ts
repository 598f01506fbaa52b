/** The table of rate-limit buckets in SQLite. */

import type { Database } from 'bun:sqlite'
import { andThen, type MaybePromise } from '../../../base/maybe-promise.ts'
import { decideRate, type Pace, type Spent } from '../../../base/token-bucket.ts'
import type { RateLimitStore } from '../../store.ts'
import { SLICE } from '../batches.ts'
import type { BusyRetry } from '../busy.ts'

/** A bucket by its name. */
type Named = Pace & { readonly name: string }

/** The rate-limit buckets of an open database. `purgeAllowances` removes a slice of those that are full; false where there was none. */
export function rateLimitsOn(
  database: Database,
  retryBusy: BusyRetry,
): RateLimitStore & { purgeAllowances(nowMs: number): boolean } {
  const byName = database.query<{ full_at_ms: number }, [string]>('SELECT full_at_ms FROM allowances WHERE name = ?')
  const note = database.query(
    'INSERT INTO allowances (name, full_at_ms) VALUES (?, ?) ON CONFLICT DO UPDATE SET full_at_ms = excluded.full_at_ms',
  )
  const back = database.query('UPDATE allowances SET full_at_ms = full_at_ms - ? WHERE name = ?')
  const purge = database.query(
    `DELETE FROM allowances WHERE name IN (SELECT name FROM allowances WHERE full_at_ms <= ? LIMIT ${SLICE})`,
  )

  /** What each has left, and what is to be written: nothing is taken where any has nothing. */
  function decide(wanted: readonly Named[], nowMs: number) {
    const decisions = wanted.map(pace => {
      const before = byName.get(pace.name)?.full_at_ms ?? 0
      return { name: pace.name, before, decision: decideRate(pace, before, nowMs) }
    })
    const isAllowed = decisions.every(({ decision }) => decision.isAllowed)
    const news = decisions.filter(
      ({ decision, before }) => (isAllowed || !decision.isAllowed) && decision.fullAtMs !== before,
    )
    return { spent: decisions.map(({ decision }): Spent => decision), news }
  }
  const spend = database.transaction((wanted: readonly Named[], nowMs: number): readonly Spent[] => {
    const { spent, news } = decide(wanted, nowMs)
    for (const { name, decision } of news) note.run(name, decision.fullAtMs)
    return spent
  })
  const spendNow = retryBusy(spend.immediate)

  function spendAll(wanted: readonly Named[], nowMs: number): MaybePromise<readonly Spent[]> {
    // A client with nothing left writes nothing, and waits for no other process.
    const { spent, news } = decide(wanted, nowMs)
    return news.length > 0 ? spendNow(wanted, nowMs) : spent
  }

  return {
    spend: (name, pace, nowMs) => andThen(spendAll([{ ...pace, name }], nowMs), onlyOne),
    spendAll,
    refund: retryBusy((name: string, pace: Pace) => {
      back.run(pace.intervalMs, name)
    }),
    purgeAllowances: nowMs => purge.run(nowMs).changes > 0,
  }
}

function onlyOne([spent]: readonly Spent[]): Spent {
  if (spent === undefined) throw new TypeError('one allowance was asked for')
  return spent
}
