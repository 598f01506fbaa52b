/** Writes the audit trail: a line in the log at once, and rows in batches, within bounds. */

import { errorFacts } from '../base/errors.ts'
import { networkOf } from '../base/net.ts'
import type { Log } from '../base/ports.ts'
import { createSparingLog } from '../base/rate-limited-log.ts'
import { type AuditEvent, EVENTS } from './events.ts'
import { type AuditFacts, type AuditRecord, type Besides, cleanFacts, renderRecord, tellEvent } from './record.ts'
import { createRetention, type RetentionOptions } from './retention.ts'
import type { AuditBounds, StoredAudit } from './store.ts'

/**
 * Writes audit events. Each event is a line in the log, and with `[audit]` also a row in the session store.
 *
 * Neither ever throws. The line is written at once.
 */
export interface Audit {
  /**
   * The row is written within a second. For what strangers do, for what no client waits for, and where waiting is not
   * possible.
   */
  note(event: AuditEvent, facts: AuditFacts, besides?: Besides): void
  /** Settles once the row is as safe as anything in the store: for what is answered only then. */
  keep(event: AuditEvent, facts: AuditFacts, besides?: Besides): Promise<void>
}

/** An Audit with what only its owner does. Pairs with `close`. */
export interface OpenAudit extends Audit {
  /**
   * Announces to other processes how long this one keeps rows, so that they remove nothing newer. For a server that
   * starts; it never throws.
   */
  announce(): Promise<void>
  /**
   * Says again how long this process keeps rows, and where `mayRemove`, removes those that are too old for every process of the store, or too
   * many. Where that leaves none, there is a line and a row about it. Throws what the store throws.
   */
  tend(mayRemove: boolean): Promise<void>
  /** Writes what is pending, or says how much is left; it never throws. */
  close(): Promise<void>
}

export interface AuditOptions extends Omit<RetentionOptions, 'bounds'> {
  /** Where the lines go; absent: nowhere, as for a command that prints its own result. */
  readonly lines?: Log
  readonly bounds?: AuditBounds
}

/** Half a gigabyte at the most, at 400 bytes a row. */
const AUDIT_BOUNDS: AuditBounds = { frequent: 200_000, others: 1_000_000 }

/** For processes without an audit trail. */
export const NO_AUDIT: OpenAudit = Object.freeze({
  note: () => {},
  keep: async () => {},
  announce: async () => {},
  tend: async () => {},
  close: async () => {},
})

const FLUSH_MS = 1_000
/** Of what comes again and again, one row is written for each such time. */
const WINDOW_MS = 60_000
/** Rows that wait for a store that does not take them; the oldest are given up. */
const MOST_PENDING = 10_000
/** Rows in one transaction. */
const BATCH = 500

/**
 * Writes the trail, many rows at a time. Timers run only while something waits.
 *
 * Rows that the store does not take stay, and are tried again; of those that are given up, a row says how many.
 */
export function createAudit({ store, ports, keepMs, lines, bounds = AUDIT_BOUNDS }: AuditOptions): OpenAudit {
  const told = lines === undefined ? null : createSparingLog(lines, ports.now)
  const counting = createCounting()
  const retention = createRetention({ store, ports, keepMs, bounds }, told)
  let pending: StoredAudit[] = []
  let lost = 0
  let isFailing = false
  let isClosed = false
  let flushTimer: Timer | null = null
  let windowTimer: Timer | null = null
  let running: Promise<void> | null = null
  let following: Promise<void> | null = null

  /** Adds what is to be kept of an event; false where that is nothing now. */
  function add(event: AuditEvent, facts: AuditFacts, besides: Besides | undefined): boolean {
    const clean = cleanFacts(facts)
    if (told !== null && besides?.isSilent !== true) tellEvent(told, event, clean, besides)
    if (keepMs() === 0 || isClosed) return false
    const record: AuditRecord = { atMs: ports.now(), event, facts: clean }
    const kept = EVENTS[event].isFrequent ? counting.count(record) : record
    if (!counting.isEmpty) windowTimer ??= later(endWindow, WINDOW_MS)
    if (kept !== null) push(kept)
    return kept !== null
  }

  function push(record: AuditRecord): void {
    const { isFrequent } = EVENTS[record.event]
    pending.push({ atMs: record.atMs, isFrequent, record: renderRecord(record) })
    cut()
  }

  function cut(): void {
    const surplus = pending.length - MOST_PENDING
    if (surplus <= 0) return
    pending.splice(0, surplus)
    lost += surplus
  }

  function endWindow(): void {
    windowTimer = null
    for (const record of counting.drain()) push(record)
    flushSoon()
  }

  function flushSoon(): void {
    if (pending.length > 0 && !isClosed) flushTimer ??= later(flush, FLUSH_MS)
  }

  /** Settles once everything that is pending now was tried; one write at a time, and all that comes meanwhile is the next. */
  function flush(): Promise<void> {
    if (running === null) {
      running = write().finally(() => {
        running = null
      })
      return running
    }
    following ??= running.then(() => {
      following = null
      return flush()
    })
    return following
  }

  async function write(): Promise<void> {
    if (flushTimer !== null) clearTimeout(flushTimer)
    flushTimer = null
    try {
      while (pending.length > 0) {
        const batch = pending.slice(0, BATCH)
        pending = pending.slice(BATCH)
        try {
          await store.appendAudit(batch, keepMs())
        } catch (error) {
          pending = [...batch, ...pending]
          cut()
          throw error
        }
        tellLost()
      }
      isFailing = false
    } catch (error) {
      if (!isFailing) ports.log.error('The audit trail cannot be written; it is tried again', errorFacts(error))
      isFailing = true
      flushSoon()
    }
  }

  function tellLost(): void {
    if (lost === 0) return
    const number = lost
    lost = 0
    add('audit.lost', { number }, undefined)
  }

  return {
    async announce() {
      try {
        await retention.say()
      } catch (error) {
        ports.log.warn('Other gates do not know how long this one keeps the audit trail', errorFacts(error))
      }
    },
    note(event, facts, besides) {
      if (add(event, facts, besides)) flushSoon()
    },
    async keep(event, facts, besides) {
      if (add(event, facts, besides)) await flush()
    },
    async tend(mayRemove) {
      const longestMs = await retention.say()
      retention.tellLonger(longestMs)
      if (mayRemove) await retention.trim(longestMs)
    },
    async close() {
      if (windowTimer !== null) clearTimeout(windowTimer)
      endWindow()
      await flush()
      isClosed = true
      if (flushTimer !== null) clearTimeout(flushTimer)
      const number = pending.length + lost
      if (number === 0) return
      ports.log.error('Rows of the audit trail are lost: the session store failed until this process stopped', {
        number,
      })
    },
  }
}

/** A timer that does not keep the process alive. Its owner closes the writer. */
function later(act: () => unknown, afterMs: number): Timer {
  const timer = setTimeout(act, afterMs)
  timer.unref()
  return timer
}

/**
 * How many kinds one window counts apart. A client with ever new addresses is counted together with others of the same
 * event.
 */
const MOST_KINDS = 200

interface Kind {
  readonly latest: AuditRecord
  /** Those that no record has mentioned yet. */
  readonly untold: number
}

/** What strangers can bring about without end, as few rows as tell it. */
interface Counting {
  /** What is to be kept now of one more: the record itself for the first of its kind within a window; null: it is counted. */
  count(record: AuditRecord): AuditRecord | null
  readonly isEmpty: boolean
  /** Ends the window: for each kind that came more than once it writes the last record, with the count. */
  drain(): readonly AuditRecord[]
}

/** Counts by what happened to whom, where, why, and from which network. */
function createCounting(): Counting {
  let kinds = new Map<string, Kind>()

  return {
    count(record) {
      const own = kindOf(record)
      const isOther = !kinds.has(own) && kinds.size >= MOST_KINDS
      const key = isOther ? record.event : own
      const kept = isOther ? withoutWho(record) : record
      const before = kinds.get(key)
      kinds.set(key, { latest: kept, untold: before === undefined ? 0 : before.untold + 1 })
      return before === undefined ? kept : null
    },
    get isEmpty() {
      return kinds.size === 0
    },
    drain() {
      const ended = kinds
      kinds = new Map()
      return [...ended.values()]
        .filter(({ untold }) => untold > 0)
        .map(({ latest, untold }) => ({ ...latest, facts: { ...latest.facts, count: untold } }))
    },
  }
}

function kindOf({ event, facts }: AuditRecord): string {
  const { user, provider, portal, route, reason, token, link, client = '' } = facts
  return JSON.stringify([event, user, provider, portal, route, reason, token, link, networkOf(String(client))])
}

/** One record for many that are not counted apart: its user is only that of the last one. */
function withoutWho({ atMs, event, facts: { portal } }: AuditRecord): AuditRecord {
  return { atMs, event, facts: portal === undefined ? {} : { portal } }
}
