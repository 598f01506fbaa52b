/** The session store on one open database, put together from its tables. */

import type { Database } from 'bun:sqlite'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { KeptSession, SessionStore, StoredChanges } from '../store.ts'
import { inSlices } from './batches.ts'
import { createBusyRetry } from './busy.ts'
import { auditOn } from './tables/audit.ts'
import { changesOn } from './tables/changes.ts'
import { rateLimitsOn } from './tables/rate-limits.ts'
import { recordsOn } from './tables/records.ts'
import { sessionsOn } from './tables/sessions.ts'

/**
 * How long removals and updates are kept for other processes; a process that was away longer starts with an empty
 * cache.
 */
const CHANGES_KEPT_MS = 60 * 60 * 1000

/** A SessionStore on an open database, with what only its owner does: a damaged one is left for another, and no session is lost by that. */
export interface SqliteStore extends SessionStore {
  changesSince(): StoredChanges
  /** What was done since the database was begun. */
  changesSinceBeginning(): StoredChanges
  /**
   * Writes the sessions that are only in memory, except those that have ended since the database was created; returns
   * the ids of these.
   */
  takeBack(kept: readonly KeptSession[]): MaybePromise<readonly string[]>
}

/**
 * A SessionStore on an open database that has this version's layout. Every call is one statement or one transaction, but `touch`,
 * `remove` and `purge`, which take slices of many rows. Writes are patient with other processes; reads never wait for one.
 */
export function storeOn(database: Database, flushed?: () => MaybePromise<void>): SqliteStore {
  const retryBusy = createBusyRetry(flushed)
  const changes = changesOn(database)
  const { purgeExpired, purgeIdle, ...sessions } = sessionsOn(database, retryBusy, changes)
  const { purgeAllowances, ...rateLimits } = rateLimitsOn(database, retryBusy)
  const { purges, purgeOnce, ...records } = recordsOn(database, retryBusy, changes)
  let isClosed = false

  return {
    ...sessions,
    ...records,
    ...rateLimits,
    ...auditOn(database, retryBusy, () => isClosed),
    changesSince: changes.since,
    changesSinceBeginning: changes.sinceBeginning,
    tellEnded: retryBusy(changes.tellEnded),
    clock: () => null,
    // The code that opened the file watches it.
    onWritten: null,
    async purge(nowMs, idleMs) {
      const ended: string[] = []
      for (const [purgeSome, beforeMs] of [
        [purgeExpired, nowMs],
        [purgeIdle, nowMs - idleMs],
      ] as const) {
        const purgeNow = retryBusy(() => (isClosed ? [] : purgeSome(beforeMs)))
        await inSlices(async () => {
          const ids = await purgeNow()
          ended.push(...ids)
          return ids.length > 0
        })
      }
      for (const [purgeSome, beforeMs] of [
        [purgeOnce, nowMs],
        [purgeAllowances, nowMs],
        [changes.purge, nowMs - CHANGES_KEPT_MS],
      ] as const) {
        await inSlices(retryBusy(() => !isClosed && purgeSome(beforeMs)))
      }
      for (const purge of purges) if (!isClosed) ended.push(...(await purge(nowMs)))
      return ended
    },
    close() {
      isClosed = true
      database.close()
    },
  }
}
