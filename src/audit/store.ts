import type { MaybePromise } from '../base/maybe-promise.ts'

/** A row of the trail. What it says is JSON: the store does not look inside. */
export interface StoredAudit {
  readonly atMs: number
  /** Of which there may be any number, and so a bound. */
  readonly isFrequent: boolean
  readonly record: string
}

/** A row with the name by which it can be removed, which the store alone understands. */
export interface AuditRow {
  readonly id: string
  readonly record: string
}

/** A part of the trail, the latest written first. */
export interface AuditPage {
  readonly rows: readonly AuditRow[]
  /** Give it back as `after` for the next part; null at the end. The store alone knows what is in it. */
  readonly next: string | null
}

/** How many rows are kept at the most, of each kind: the oldest make room. */
export interface AuditBounds {
  readonly frequent: number
  readonly others: number
}

/** Where the trail is kept: a part of every session store. */
export interface AuditStore {
  /** Keeps all of these or none. `keepMs` is how long, where a store can see to that by itself. */
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
