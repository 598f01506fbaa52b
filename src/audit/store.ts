/** What a session store has to offer for the audit trail: rows to write, to read and to remove. */

import type { MaybePromise } from '../base/maybe-promise.ts'

/** A row of the trail. Its text is JSON, and the store does not read it. */
export interface StoredAudit {
  readonly atMs: number
  /** Of which there may be any number, and so a bound. */
  readonly isFrequent: boolean
  readonly record: string
}

/** A row with the name by which it can be removed. Only the store understands that name. */
export interface AuditRow {
  readonly id: string
  readonly record: string
}

/** A part of the trail, the latest written first. */
export interface AuditPage {
  readonly rows: readonly AuditRow[]
  /** Pass it as `after` for the next page; null at the end. Only the store understands it. */
  readonly next: string | null
}

/** How many rows are kept at the most, of each kind: the oldest make room. */
export interface AuditBounds {
  readonly frequent: number
  readonly others: number
}

/** Where the trail is kept: a part of every session store. */
export interface AuditStore {
  /** Keeps all of these or none. `keepMs` is how long, where the store can expire rows itself. */
  appendAudit(rows: readonly StoredAudit[], keepMs: number): MaybePromise<void>
  listAudit(page: { readonly after: string | null; readonly limit: number }): MaybePromise<AuditPage>
  /** Removes these rows; those that are gone already are none. */
  removeAudit(ids: readonly string[]): MaybePromise<void>
  /**
   * Says how long a process keeps rows (0: not at all), and answers the longest time that any has said in the last `heardMs`, this one among
   * them. By the store's own clock where it has one.
   */
  announceKeep(processId: string, keepMs: number, nowMs: number, heardMs: number): MaybePromise<number>
  /**
   * Removes what is older than `keepMs` (0: everything), by the store's own clock where it has one, and what is above the bounds. Answers
   * how many rows went.
   */
  trimAudit(keepMs: number, nowMs: number, bounds: AuditBounds): MaybePromise<number>
}
