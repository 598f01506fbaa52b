/** Lists the live sessions of several portals, newest first, a page at a time. */

import type { OpenSessions } from '../session/open.ts'
import type { SessionEntry } from '../session/session.ts'

const PAGE = 500

/** What is listed of one portal, as far as it has been read. */
interface Reading {
  readonly portal: string
  entries: readonly SessionEntry[]
  /** The next of `entries`. */
  at: number
  /** Where the page after this one begins; null where there is none. */
  next: string | null
}

/**
 * Every live session of these portals, newest first, without ever holding more than a page of each.
 *
 * One that begins or ends meanwhile may or may not be among them.
 */
export async function* newestFirst(
  sessions: Pick<OpenSessions, 'list'>,
  portals: Iterable<string>,
): AsyncGenerator<SessionEntry> {
  const readings: Reading[] = []
  for (const portal of portals) {
    const reading = await fill(sessions, { portal, entries: [], at: 0, next: null }, null)
    if (reading !== null) readings.push(reading)
  }
  while (readings.length > 0) {
    const newest = readings.reduce((one, other) => (createdAtMs(other) > createdAtMs(one) ? other : one))
    const entry = newest.entries[newest.at++]
    if (entry !== undefined) yield entry
    if (newest.at < newest.entries.length) continue
    const isMore = newest.next !== null && (await fill(sessions, newest, newest.next)) !== null
    if (!isMore) readings.splice(readings.indexOf(newest), 1)
  }
}

/** Reads on until there is an entry; null where none is left. A page may be empty: its sessions are over, and not yet purged. */
async function fill(
  sessions: Pick<OpenSessions, 'list'>,
  reading: Reading,
  from: string | null,
): Promise<Reading | null> {
  for (let after = from; ; after = reading.next) {
    const { entries, next } = await sessions.list(reading.portal, { after, limit: PAGE })
    Object.assign(reading, { entries, next, at: 0 })
    if (entries.length > 0) return reading
    if (next === null) return null
  }
}

function createdAtMs({ entries, at }: Reading): number {
  return entries[at]?.session.createdAtMs ?? 0
}
