/** Searches the audit trail: by event, user and time, a page at a time. */

import { setImmediate as nextTurn } from 'node:timers/promises'
import type { AuditEvent } from './events.ts'
import { type AuditRecord, parseRecord } from './record.ts'
import type { AuditPage, AuditStore } from './store.ts'

/** What somebody looks for; null: anything. */
export interface AuditSearch {
  /** A subject, a name, an address, or an id of a token or a link, as a whole and in any case. */
  readonly who: string | null
  /** An event, or the beginning of several up to a dot. */
  readonly event: string | null
  readonly sinceMs: number | null
  /** The portal that it is about, and whether what is about the whole gate counts too. */
  readonly portal: { readonly name: string; readonly includesGate: boolean } | null
}

type Listing = Pick<AuditStore, 'listAudit'>

const PAGE = 500

/**
 * A row may be written this long after its event: because of windows, failed stores, and the clocks of several
 * machines.
 */
const LATE_MS = 60 * 60_000

/**
 * Every matching record, newest row first, with at most one page in memory.
 *
 * Between pages it yields to the event loop: some stores answer at once, and without matches no client slows the
 * search.
 */
export async function* searchAudit(store: Listing, search: AuditSearch): AsyncGenerator<AuditRecord> {
  for (let after: string | null = null; ; ) {
    const page: AuditPage = await store.listAudit({ after, limit: PAGE })
    const records = parseAll(page)
    for (const record of records) if (isMeant(record, search)) yield record
    after = nextOf(page, records, search)
    if (after === null) return
    await nextTurn()
  }
}

/**
 * One page of the same search: `limit` records, or fewer where the next `lookThrough` rows have not as many. `next`
 * continues from there; null at the end.
 */
export async function findAudit(
  store: Listing,
  search: AuditSearch,
  {
    after: from,
    limit,
    lookThrough,
  }: { readonly after: string | null; readonly limit: number; readonly lookThrough: number },
): Promise<{ readonly records: readonly AuditRecord[]; readonly next: string | null }> {
  const found: AuditRecord[] = []
  let after = from
  for (let looked = 0; looked < lookThrough && found.length < limit; looked += limit) {
    const page = await store.listAudit({ after, limit })
    const records = parseAll(page)
    found.push(...records.filter(record => isMeant(record, search)))
    after = nextOf(page, records, search)
    if (after === null) break
    await nextTurn()
  }
  return { records: found, next: after }
}

function parseAll({ rows }: AuditPage): readonly AuditRecord[] {
  return rows.flatMap(({ record }) => parseRecord(record) ?? [])
}

/** Where the next part begins; null where there is none, or all of it is too old. */
function nextOf({ next }: AuditPage, records: readonly AuditRecord[], { sinceMs }: AuditSearch): string | null {
  const last = records.at(-1)
  return sinceMs !== null && last !== undefined && last.atMs < sinceMs - LATE_MS ? null : next
}

function isMeant({ atMs, event, facts }: AuditRecord, search: AuditSearch): boolean {
  if (search.sinceMs !== null && atMs < search.sinceMs) return false
  if (search.event !== null && !isOfKind(event, search.event)) return false
  if (search.portal !== null) {
    const { name, includesGate } = search.portal
    if (facts.portal === undefined ? !includesGate : facts.portal !== name) return false
  }
  if (search.who === null) return true
  const who = search.who.toLowerCase()
  const { user, name, by, client, token, link } = facts
  return [user, name, by, client, token, link].some(fact => String(fact ?? '').toLowerCase() === who)
}

function isOfKind(event: AuditEvent, wanted: string): boolean {
  return event === wanted || event.startsWith(`${wanted}.`)
}
