import { networkOf } from '../base/net.ts'
import type { AuditRecord } from './record.ts'

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
export interface Counting {
  /** What is to be kept now of one more: the record itself for the first of its kind within a window; null: it is counted. */
  count(record: AuditRecord): AuditRecord | null
  readonly isEmpty: boolean
  /** Ends the window: for each kind that came more than once it writes the last record, with the count. */
  drain(): readonly AuditRecord[]
}

/** Counts by what happened to whom, where, why, and from which network. */
export function createCounting(): Counting {
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
