/** How long rows of the audit trail stay, and what is told once none are left. */

import type { Log, Ports } from '../base/ports.ts'
import { type AuditFacts, parseRecord, renderRecord, tellEvent } from './record.ts'
import type { AuditBounds, AuditStore } from './store.ts'

export interface RetentionOptions {
  readonly store: AuditStore
  readonly ports: Pick<Ports, 'now' | 'log'>
  /** How long rows are kept; 0: there are none. */
  readonly keepMs: () => number
  readonly bounds: AuditBounds
}

/** How long after its last word what a process keeps counts: it says so each minute, and a restart takes less. */
const HEARD_MS = 10 * 60_000
/** A store that expires rows itself keeps the row that says that there were others. */
const EMPTIED_KEPT_MS = 400 * 24 * 60 * 60_000

/** How long rows stay: as long as the process of the store says that keeps them longest. */
export function createRetention({ store, ports, keepMs, bounds }: RetentionOptions, told: Log | null) {
  const processId = crypto.randomUUID()
  let isOutvoted = false

  /** Rows stay as long as the process says that keeps them longest: one with another file must not take them from the others. */
  function tellLonger(longestMs: number): void {
    const isLonger = longestMs > keepMs()
    if (isLonger && !isOutvoted) {
      ports.log.warn('Another gate of this session store keeps the audit trail for longer, and so its rows stay', {
        keep_ms: keepMs(),
        longest_ms: longestMs,
        hint: 'give both files the same keep in [audit]',
      })
    }
    isOutvoted = isLonger
  }

  /** That rows are gone is a row itself; it stays until others come. */
  async function trim(longestMs: number): Promise<void> {
    const { rows } = await store.listAudit({ after: null, limit: 2 })
    const [newest, second] = rows
    if (newest === undefined) return
    if (second === undefined && parseRecord(newest.record)?.event === 'audit.emptied') return
    const number = await store.trimAudit(longestMs, ports.now(), bounds)
    if (number === 0 || (await store.listAudit({ after: null, limit: 1 })).rows.length > 0) return
    const why = longestMs === 0 ? 'no gate of this session store keeps rows' : 'all were older than keep'
    const facts: AuditFacts = { number, reason: why }
    if (told !== null) tellEvent(told, 'audit.emptied', facts)
    const record = renderRecord({ atMs: ports.now(), event: 'audit.emptied', facts })
    await store.appendAudit([{ atMs: ports.now(), isFrequent: false, record }], Math.max(longestMs, EMPTIED_KEPT_MS))
  }

  return {
    /** Says how long this process keeps rows, and answers how long any does. */
    say: async () => store.announceKeep(processId, keepMs(), ports.now(), HEARD_MS),
    tellLonger,
    trim,
  }
}
