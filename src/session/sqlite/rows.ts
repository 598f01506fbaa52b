/** The session store over SQLite: each part has separate tables. */

import type { Database } from 'bun:sqlite'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { KeptSession, SessionStore, StoredChanges } from '../store.ts'
import { type BusyRetry, createBusyRetry } from './busy.ts'
import { inSlices } from './slices.ts'
import { tokensOn } from './tables/api-tokens.ts'
import { auditOn } from './tables/audit.ts'
import { changesOn } from './tables/changes.ts'
import { linksOn } from './tables/guest-links.ts'
import { onceOn } from './tables/one-time.ts'
import { ownersOn } from './tables/owners.ts'
import { allowancesOn } from './tables/rate-limits.ts'
import { pushedOn } from './tables/scim.ts'
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
export function storeOn(database: Database): SqliteStore {
  const retryBusy = createBusyRetry()
  const changes = changesOn(database)
  const { purgeExpired, purgeIdle, ...sessions } = sessionsOn(database, retryBusy, changes)
  const { purgeOnce, ...once } = onceOn(database, retryBusy)
  const { purgeAllowances, ...rateLimits } = allowancesOn(database, retryBusy)
  const { purgeTokens, ...tokens } = tokensOn(database, retryBusy, changes.tellRemoved)
  const { purgeLinks, ...links } = linksOn(database, retryBusy, changes.tellRemoved)
  const { purgeOwners, ...owners } = ownersOn(database, retryBusy, changes.tellUpdated)
  let isClosed = false

  return {
    ...sessions,
    ...once,
    ...rateLimits,
    ...tokens,
    ...owners,
    ...links,
    ...sharedOn(database, retryBusy),
    ...pushedOn(database, retryBusy, changes.tellUpdated),
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
      if (!isClosed) ended.push(...(await purgeTokens(nowMs)))
      if (!isClosed) await purgeOwners(nowMs)
      if (!isClosed) ended.push(...(await purgeLinks(nowMs)))
      return ended
    },
    close() {
      isClosed = true
      database.close()
    },
  }
}

/** What of a SessionStore is about values that all processes share. */
type SharedStore = Pick<SessionStore, 'readShared' | 'replaceShared'>

/** The shared values of an open database. */
function sharedOn(database: Database, retryBusy: BusyRetry): SharedStore {
  const byName = database.query<{ value: string }, [string]>('SELECT value FROM shared WHERE name = ?')
  const insert = database.query('INSERT INTO shared (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING')
  const update = database.query('UPDATE shared SET value = ?3 WHERE name = ?1 AND value = ?2')
  return {
    readShared: name => byName.get(name)?.value ?? null,
    replaceShared: retryBusy((name: string, before: string | null, after: string) => {
      const done = before === null ? insert.run(name, after) : update.run(name, before, after)
      return done.changes > 0
    }),
  }
}
