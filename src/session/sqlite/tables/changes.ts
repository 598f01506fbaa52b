/** The table by which processes tell each other of changed sessions. */

import type { Database } from 'bun:sqlite'
import { type EndedMatch, EVERYONE, parseEndedMatch } from '../../ended.ts'
import type { StoredChanges } from '../../store.ts'
import { SLICE } from '../batches.ts'

/** More changes than this are not listed one by one: the caller reads everything in memory again. */
const MOST_CHANGES = 5000

const NO_CHANGES = Object.freeze({ removed: Object.freeze([]), updated: Object.freeze([]) })

/** What the column `is_update` says. Processes of before know the first two, and pass over the third. */
const [REMOVED, UPDATED, ENDED] = [0, 1, 2] as const

interface ChangeRow {
  readonly seq: number
  readonly session_id: string
  readonly is_update: number
}

/** What processes tell each other of rows that they changed. Telling is a part of the transaction that changes them. */
export interface Changes {
  tellRemoved(...ids: readonly string[]): void
  tellUpdated(id: string): void
  tellEnded(match: EndedMatch): void
  /** The changes since the last call, by any connection. */
  since(): StoredChanges
  /** What was done since the database was begun, and is not forgotten. */
  sinceBeginning(): StoredChanges
  /** Removes a slice of old changes; false where there was none. */
  purge(beforeMs: number): boolean
}

/** The changes in an open database, from now on. */
export function changesOn(database: Database): Changes {
  const tell = database.query(
    "INSERT INTO removed (session_id, at_ms, is_update) VALUES (?, unixepoch('subsec') * 1000, ?)",
  )
  const tellAll = database.query(
    "INSERT INTO removed (session_id, at_ms, is_update) SELECT value, unixepoch('subsec') * 1000, ? FROM json_each(?)",
  )
  const version = database.query<{ data_version: number }, []>('PRAGMA data_version')
  // Also of changes that are forgotten by now.
  const newest = database.query<{ seq: number }, []>("SELECT seq FROM sqlite_sequence WHERE name = 'removed'")
  const changedAfter = database.query<ChangeRow, [number]>(
    `SELECT seq, session_id, is_update FROM removed WHERE seq > ? ORDER BY seq LIMIT ${MOST_CHANGES + 1}`,
  )
  // The oldest come first by their numbers too: no more are looked at than are removed.
  const purgeOld = database.query(
    `DELETE FROM removed WHERE at_ms <= ? AND seq IN (SELECT seq FROM removed ORDER BY seq LIMIT ${SLICE})`,
  )

  let seenVersion = version.get()?.data_version ?? 0
  let seenChange = newest.get()?.seq ?? 0

  /** All that came after a change. */
  function after(seq: number): { readonly changes: StoredChanges; readonly last: number } {
    // In this order: what is written between the two is among the rows.
    const made = newest.get()?.seq ?? 0
    const rows = changedAfter.all(seq)
    const last = Math.max(made, rows.at(-1)?.seq ?? 0)
    // Numbers have no gaps: where one is missing, it was forgotten before this process asked, not always the oldest first.
    const isWhole = rows.length <= MOST_CHANGES && rows.length === last - seq
    return { changes: isWhole ? changesOf(rows) : { ...NO_CHANGES, isIncomplete: true }, last }
  }

  return {
    tellRemoved: (...ids) => void tellAll.run(REMOVED, JSON.stringify(ids)),
    tellUpdated: id => void tell.run(id, UPDATED),
    tellEnded: match => void tell.run(JSON.stringify(match), ENDED),
    since() {
      // data_version changes only when another connection has written: the usual answer costs one pragma and no read.
      const now = version.get()?.data_version ?? 0
      if (now === seenVersion) return NO_CHANGES
      const { changes, last } = after(seenChange)
      // Only now: what could not be read is asked for again.
      seenVersion = now
      seenChange = Math.max(seenChange, last)
      return changes
    },
    sinceBeginning: () => after(0).changes,
    purge: beforeMs => purgeOld.run(beforeMs).changes > 0,
  }
}

function changesOf(rows: readonly ChangeRow[]): StoredChanges {
  const textsOf = (kind: number) => rows.filter(row => row.is_update === kind).map(({ session_id }) => session_id)
  const ended = textsOf(ENDED).map(text => parseEndedMatch(text) ?? EVERYONE)
  const changes = { removed: textsOf(REMOVED), updated: textsOf(UPDATED) }
  return ended.length === 0 ? changes : { ...changes, ended }
}
