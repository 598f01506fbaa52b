/** Checkpoints: when the log of a database (WAL) is merged into it. */

import { Database } from 'bun:sqlite'
import { fstatSync, statSync } from 'node:fs'
import type { Ports } from '../../base/ports.ts'
import { isLocked } from './busy.ts'
import { readHeader } from './header.ts'
import { type DatabaseLocation, identityOf, type Mark, placeAt, readPlace, writePlace } from './location.ts'
import { locked } from './lock.ts'

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
  /**
   * Takes the log in where it is long or old; throws what SQLite or the system throws, but where others are at it. What fails apart is
   * thrown by the next call.
   */
  tend(): void
  /** What takes the log in apart at present; null: nothing does. Never rejects. */
  readonly taking: Promise<void> | null
}

/** A log that is to be taken in, as far as the one who asks for that knows it. */
export interface LogQuestion {
  readonly path: string
  /** A descriptor of the database: those of a process are its threads' too. */
  readonly file: number
  /** The log, as `identityOf` names it. */
  readonly log: string
  readonly seen: Mark
}

/** What came of it. */
export interface LogAnswer {
  /** When what was taken in had last been written to, in nanoseconds; null where nothing was taken in. */
  readonly writtenNs: bigint | null
  /** What a thread can say of an error; null where there was none. */
  readonly failure: { readonly message: string; readonly code: string } | null
}

/** Takes a log in without keeping the event loop from its work. */
export type TakeIn = (question: LogQuestion) => Promise<LogAnswer>

/** How long the one who takes a log in waits for others that write. */
const PATIENCE_MS = 2000

/**
 * Takes in the log of a database that is open elsewhere in this process, by a connection of its own: the system calls that wait for the
 * disk are waited for here.
 */
export function takeIn({ path, file, log, seen }: LogQuestion): LogAnswer {
  try {
    const database = locked(path, PATIENCE_MS, () => openIfHere(path, file))
    if (database === null) return { writtenNs: null, failure: null }
    try {
      const marks = createMarks(database, path, file, { log, seen })
      // Another process may have just done so.
      const isStill = marks.find()?.at === seen.at
      return { writtenNs: isStill ? marks.takeIn('whole') : null, failure: null }
    } finally {
      database.close()
    }
  } catch (error) {
    const { message, code = '' } = error as Error & { readonly code?: unknown }
    return { writtenNs: null, failure: { message, code: String(code) } }
  }
}

/** Another connection to an open file, where it is at its path still; null where it is not. The caller has locked it. */
function openIfHere(path: string, file: number): Database | null {
  const self = identityOf(fstatSync(file, { bigint: true }))
  const isHere = () => identityOf(statSync(path, { bigint: true })) === self
  if (!isHere()) return null
  const database = new Database(path, { readwrite: true, create: false })
  // Only now is it known which file SQLite has opened; it has no log of it before it is asked for something.
  if (!isHere()) {
    database.close()
    return null
  }
  database.run(`PRAGMA busy_timeout = ${PATIENCE_MS}`)
  database.run('PRAGMA synchronous = NORMAL')
  database.run('PRAGMA wal_autocheckpoint = 0')
  return database
}

/** The marks of a database, and of which log it is. */
interface Marks {
  /** The present mark; null where Sallyport did not write it. */
  find(): Mark | null
  isForeign(): boolean
  hasOlder(present: Mark): boolean
  /**
   * Merges the log, with another mark: what is in it, or the `whole` of it, for which those who write are held back in the end. Else a
   * log that somebody always writes to would never start again. Answers when it had last been written to by then, in nanoseconds; null
   * where it did not.
   */
  takeIn(how: 'whole' | 'what is there'): bigint | null
  /** Strikes out what does not count any more. */
  strikeOut(): void
  /** Begins to keep marks for a database that was just opened: writes down which files exist. */
  begin(): void
  /** As far as it is known: for the one who takes the log in apart. */
  readonly known: Pick<LogQuestion, 'log' | 'seen'>
}

function logStat(path: string) {
  return statSync(`${path}-wal`, { throwIfNoEntry: false, bigint: true })
}

function createMarks(
  database: Database,
  path: string,
  file: number,
  known: Pick<LogQuestion, 'log' | 'seen'> = { log: '', seen: { at: 0, id: 0 } },
): Marks {
  const newest = database.query<{ application_id: number }, []>('PRAGMA application_id')
  const random = database.query<{ id: number }, []>('SELECT random() & 0x7fffffff AS id')
  const self = identityOf(fstatSync(file, { bigint: true }))
  /** What is written down, and in which file: that is another one after every change. */
  let place: DatabaseLocation | null = null
  let placeFile: string | null = null
  /** The mark seen last: older ones come from a copy. */
  let { log, seen } = known

  /** Reads again what is written down where somebody has changed it; the marks that the database may have. */
  function marks(): readonly Mark[] {
    const now = placeAt(path)
    if (now !== placeFile) {
      place = readPlace(path)
      placeFile = now
    }
    return place?.marks ?? []
  }

  function find(): Mark | null {
    for (let reading = 0; reading < READINGS; reading++) {
      const header = readHeader(file)
      if (header === null || !header.hasLog) return null
      const written = marks()
      // That file was removed, or a version without marks wrote it: the database is accepted.
      const found =
        written.length === 0
          ? { at: seen.at, id: header.mark }
          : written.find(({ at, id }) => id === header.mark && at >= seen.at)
      if (found !== undefined && (written.length === 0 || place?.database === self)) {
        seen = found
        return found
      }
      // Always read again: the system may give the same number to the next file within one tick of its clock.
      placeFile = null
    }
    return null
  }

  function isForeign(): boolean {
    const stat = logStat(path)
    return stat === undefined || identityOf(stat) !== log || find() === null
  }

  /** While no other process can write: a mark for the next checkpoint; false where the database is another one. */
  function mark(): boolean {
    const present = find()
    if (present === null) return false
    // The previous one is not finished: a reader kept SQLite from copying the whole log.
    if (newest.get()?.application_id !== present.id) return true
    const id = random.get()?.id ?? 0
    const counted = since(present)
    // On a full disk, making room comes first.
    if (!write([...counted, { at: (counted.at(-1)?.at ?? 0) + 1, id }])) return true
    database.run(`PRAGMA application_id = ${id}`)
    return true
  }

  /** While no other process can write: earlier marks do not count any more, since the log starts again. */
  function strikeOutHere(): void {
    const present = find()
    if (present !== null && hasOlder(present)) write(since(present))
  }

  function hasOlder(present: Mark): boolean {
    return marks().some(({ at }) => at < present.at)
  }

  /** The marks from one that the database has. */
  function since(present: Mark): readonly Mark[] {
    const counted = marks().filter(({ at }) => at >= present.at)
    return counted.length === 0 ? [present] : counted
  }

  function write(counted: readonly Mark[]): boolean {
    return writePlace(path, { database: self, log, marks: counted })
  }

  function beginHere(): void {
    const stat = logStat(path)
    const header = readHeader(file)
    if (stat === undefined || header === null) return
    log = identityOf(stat)
    const written = marks()
    const isKnown = place?.database === self && place.log === log && written.some(({ id }) => id === header.mark)
    if (!isKnown) {
      const at = (written.at(-1)?.at ?? 0) + 1
      const last = newest.get()?.application_id ?? header.mark
      write([header.mark, ...(last === header.mark ? [] : [last])].map((id, index) => ({ at: at + index, id })))
    }
    find()
  }

  return {
    find,
    isForeign,
    hasOlder,
    takeIn(how) {
      if (!exclusively(database, mark) || isForeign()) return null
      // What is written from here on may be left in the log.
      const writtenNs = logStat(path)?.mtimeNs ?? null
      database.run('PRAGMA wal_checkpoint(PASSIVE)')
      if (how === 'whole') database.run('PRAGMA wal_checkpoint(FULL)')
      exclusively(database, strikeOutHere)
      return writtenNs
    },
    strikeOut: () => exclusively(database, strikeOutHere),
    begin: () => exclusively(database, beginHere),
    get known() {
      return { log, seen }
    },
  }
}

export interface CheckpointTools extends Pick<Ports, 'now'> {
  readonly hadLog: boolean
  /** How a log is taken in; absent: here and now. */
  readonly takeIn?: TakeIn | undefined
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
  { hadLog, now, takeIn: asked }: CheckpointTools,
): Checkpoints {
  const marks = createMarks(database, path, file)
  database.run('PRAGMA wal_autocheckpoint = 0')
  // The file of a log that was taken in is cut where the next one begins: its size says how long it is.
  database.run('PRAGMA journal_size_limit = 0')
  /** When the log was last written to, as of the checkpoint that was seen last; which that was, and when. */
  let settled = 0n
  let settledAt = 0
  let sinceMs = now()
  /** One that failed, on a full disk as it may be, is not tried again at once. */
  let notBeforeMs = 0
  let takeApart = asked
  let taking: Promise<void> | null = null
  let failure: unknown = null

  function settle(writtenNs: bigint | null): void {
    settled = writtenNs ?? logStat(path)?.mtimeNs ?? 0n
    settledAt = marks.known.seen.at
    sinceMs = now()
  }

  function begin(take: TakeIn): void {
    taking = take({ path, file, ...marks.known })
      .then(
        ({ writtenNs, failure: found }) => {
          if (found !== null) failure = Object.assign(new Error(found.message), { code: found.code })
          else if (marks.find() !== null) settle(writtenNs)
        },
        (error: unknown) => {
          failure = error
          // No thread can be had: the log must not grow for that.
          takeApart = undefined
        },
      )
      .finally(() => {
        taking = null
      })
  }

  function look(): void {
    if (failure !== null) {
      const thrown = failure
      failure = null
      throw thrown
    }
    const stat = logStat(path)
    if (taking !== null || stat === undefined || stat.mtimeNs === settled) return
    const present = marks.find()
    if (present === null || now() < notBeforeMs) return
    if (marks.hasOlder(present)) marks.strikeOut()
    // Another process has just done so.
    else if (present.at !== settledAt) settle(null)
    else if (stat.size < LONG_BYTES && now() - sinceMs < OLD_MS) return
    else if (takeApart === undefined) settle(marks.takeIn('what is there'))
    else begin(takeApart)
  }

  marks.begin()
  settle(hadLog ? null : marks.takeIn('what is there'))

  return {
    isForeign: marks.isForeign,
    get taking() {
      return taking
    },
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
