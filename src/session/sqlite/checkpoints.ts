/** Checkpoints: when the log of a database (WAL) is merged into it. */

import type { Database } from 'bun:sqlite'
import { fstatSync, statSync } from 'node:fs'
import type { Ports } from '../../base/ports.ts'
import { isLocked } from './busy.ts'
import { readHeader } from './header.ts'
import { type DatabaseLocation, identityOf, type Mark, placeAt, readPlace, writePlace } from './location.ts'

/**
 * Four times what SQLite itself lets a log become: pages that many sessions share are written once for all of them, and requests wait
 * for the disk a quarter as often.
 */
const LONG_BYTES = 16_000_000

/** What has been in the log for so long is taken in though it is short: a plain copy of the database has no log. */
const OLD_MS = 60_000

/** A checkpoint may end, and its mark be struck out, between reading the one and the other. */
const READINGS = 3

/**
 * When a log is merged into its database (a checkpoint: sqlite.org/wal.html §3), and whether it still belongs to that
 * database.
 *
 * SQLite merges it on its schedule, and on close too, without checking the file at the path. If somebody has copied
 * another file over the database, in place, that destroys both. So every checkpoint gives the database another mark,
 * and the possible marks are written down before (`Place`). A database has an unknown mark only where it is not
 * Sallyport's. While two files have the same mark, all their differences are in the log, and the log may be played on
 * either.
 */
export interface Checkpoints {
  /** Whether the file, or the log at the path, is not the one any more that was opened. Costs a few microseconds. */
  isForeign(): boolean
  /** Takes the log in where it is long or old; throws what SQLite or the system throws, but where others are at it. */
  tend(): void
}

/**
 * Begins to manage the log of a database that was just opened, and writes down which files exist.
 *
 * `file` is a descriptor of the database for reading. A database without a log gets its first mark here: the program
 * that closed it may have merged a log that had none.
 */
export function createCheckpoints(
  database: Database,
  path: string,
  file: number,
  { hadLog, now }: Pick<Ports, 'now'> & { readonly hadLog: boolean },
): Checkpoints {
  const newest = database.query<{ application_id: number }, []>('PRAGMA application_id')
  const random = database.query<{ id: number }, []>('SELECT random() & 0x7fffffff AS id')
  database.run('PRAGMA wal_autocheckpoint = 0')
  // The file of a log that was taken in is cut where the next one begins: its size says how long it is.
  database.run('PRAGMA journal_size_limit = 0')
  const self = identityOf(fstatSync(file, { bigint: true }))
  /** What is written down, and in which file: that is another one after every change. */
  let place: DatabaseLocation | null = null
  let placeFile: string | null = null
  /** The mark seen last: older ones come from a copy. */
  let seen: Mark = { at: 0, id: 0 }
  let log = ''
  /** When the log was last written to, as of the checkpoint that was seen last; which that was, and when. */
  let settled = 0n
  let settledAt = 0
  let sinceMs = now()
  /** One that failed, on a full disk as it may be, is not tried again at once. */
  let notBeforeMs = 0

  function logStat() {
    return statSync(`${path}-wal`, { throwIfNoEntry: false, bigint: true })
  }

  /** Reads again what is written down where somebody has changed it; the marks that the database may have. */
  function marks(): readonly Mark[] {
    const now = placeAt(path)
    if (now !== placeFile) {
      place = readPlace(path)
      placeFile = now
    }
    return place?.marks ?? []
  }

  /** The present mark of the database; null where Sallyport did not write it. */
  function find(): Mark | null {
    for (let reading = 0; reading < READINGS; reading++) {
      const header = readHeader(file)
      if (header === null || !header.hasLog) return null
      const known = marks()
      // That file was removed, or a version without marks wrote it: the database is accepted.
      const found =
        known.length === 0
          ? { at: seen.at, id: header.mark }
          : known.find(({ at, id }) => id === header.mark && at >= seen.at)
      if (found !== undefined && (known.length === 0 || place?.database === self)) {
        seen = found
        return found
      }
      // Always read again: the system may give the same number to the next file within one tick of its clock.
      placeFile = null
    }
    return null
  }

  function isForeign(): boolean {
    const stat = logStat()
    return stat === undefined || identityOf(stat) !== log || find() === null
  }

  /** While no other process can write: a mark for the next checkpoint; false where the database is another one. */
  function mark(): boolean {
    const present = find()
    if (present === null) return false
    // The previous one is not finished: a reader kept SQLite from copying the whole log.
    if (newest.get()?.application_id !== present.id) return true
    const id = random.get()?.id ?? 0
    const known = since(present)
    // On a full disk, making room comes first.
    if (!write([...known, { at: (known.at(-1)?.at ?? 0) + 1, id }])) return true
    database.run(`PRAGMA application_id = ${id}`)
    return true
  }

  /** While no other process can write: earlier marks do not count any more, since the log starts again. */
  function strikeOut(): void {
    const present = find()
    if (present !== null && hasOlder(present)) write(since(present))
  }

  function hasOlder(present: Mark): boolean {
    return marks().some(({ at }) => at < present.at)
  }

  /** The marks from one that the database has. */
  function since(present: Mark): readonly Mark[] {
    const known = marks().filter(({ at }) => at >= present.at)
    return known.length === 0 ? [present] : known
  }

  function write(known: readonly Mark[]): boolean {
    return writePlace(path, { database: self, log, marks: known })
  }

  function checkpoint(): void {
    if (exclusively(database, mark) && !isForeign()) {
      database.run('PRAGMA wal_checkpoint(PASSIVE)')
      exclusively(database, strikeOut)
    }
    settle()
  }

  function settle(): void {
    settled = logStat()?.mtimeNs ?? 0n
    settledAt = seen.at
    sinceMs = now()
  }

  function begin(): void {
    const stat = logStat()
    const header = readHeader(file)
    if (stat === undefined || header === null) return
    log = identityOf(stat)
    const known = marks()
    const isKnown = place?.database === self && place.log === log && known.some(({ id }) => id === header.mark)
    if (!isKnown) {
      const at = (known.at(-1)?.at ?? 0) + 1
      const last = newest.get()?.application_id ?? header.mark
      write([header.mark, ...(last === header.mark ? [] : [last])].map((id, index) => ({ at: at + index, id })))
    }
    find()
  }

  function look(): void {
    const stat = logStat()
    if (stat === undefined || stat.mtimeNs === settled) return
    const present = find()
    if (present === null || now() < notBeforeMs) return
    if (hasOlder(present)) exclusively(database, strikeOut)
    // Another process has just done so.
    else if (present.at !== settledAt) settle()
    else if (stat.size >= LONG_BYTES || now() - sinceMs >= OLD_MS) checkpoint()
  }

  exclusively(database, begin)
  if (hadLog) settle()
  else checkpoint()

  return {
    isForeign,
    tend() {
      try {
        look()
      } catch (error) {
        if (isLocked(error)) return
        notBeforeMs = now() + OLD_MS
        throw error
      }
    },
  }
}

/** Runs something while no other process can write. */
function exclusively<T>(database: Database, act: () => T): T {
  database.run('BEGIN IMMEDIATE')
  try {
    const result = act()
    database.run('COMMIT')
    return result
  } catch (error) {
    if (database.inTransaction) database.run('ROLLBACK')
    throw error
  }
}
