/** Opens and closes the database file: creates it, updates its layout, and moves it aside if it is damaged. */

import { Database } from 'bun:sqlite'
import { closeSync, existsSync, fchmodSync, openSync } from 'node:fs'
import { GateError } from '../../base/errors.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { Ports } from '../../base/ports.ts'
import { fileFailed } from '../disk-errors.ts'
import { ATTEMPT_MS } from './busy.ts'
import { type Checkpoints, createCheckpoints, type TakeIn } from './checkpoints.ts'
import { type Companions, companionsOf, fileAt, hasLogBeside, renameDatabase, setAsideLog } from './companion-files.ts'
import { copyDatabase } from './copy.ts'
import { type SqliteStore, storeOn } from './database.ts'
import { type Flushes, openFlushes } from './flushes.ts'
import { locked } from './lock.ts'
import { isDamaged, settleFiles, takeOverPatiently } from './replacement.ts'
import { isOurs, LAYOUT, layoutOf, migrate } from './schema.ts'

export const MEMORY = ':memory:'

/** What opening a database needs of the process. */
export interface FilePorts extends Pick<Ports, 'now' | 'log'> {
  /** How the log is taken in; absent: here and now. */
  readonly takeIn?: TakeIn | undefined
}

/** While opening, another process may be updating the layout; no request is served yet. */
const OPENING_TIMEOUT_MS = 2000

/** While another process puts a database in place, which looks at all of it. */
const OPENING_LOCK_MS = 10_000

/** A store, and which file it is on: another one may come to lie at the path, or in the same file. */
export interface OpenDatabase {
  readonly store: SqliteStore
  readonly database: Database
  /** Null in memory. */
  readonly file: OpenFile | null
}

export interface OpenFile {
  /** As `fileAt` names it. */
  readonly identity: string | null
  readonly companions: Companions
  readonly checkpoints: Checkpoints
  /** Open as long as the database: to close any of a file gives up the locks that SQLite holds on it (sqlite.org/howtocorrupt.html §2.2). */
  readonly descriptor: number
  /** From now on, commits wait for a thread that flushes them, and hold up no request. Before, SQLite flushes each by itself. */
  flushLater(): void
  /** The flushes that are under way. */
  endFlushes(): MaybePromise<void>
}

/**
 * Opens the database at a path, while no other process opens or replaces it; null where `prepare` says that it is not to be.
 *
 * A damaged one is moved aside and a new one begun; a log of another database is set aside. Pairs with `closeDatabase`. Throws
 * `session.store` for what cannot be opened, and SQLITE_BUSY where others are at it for `waitMs`.
 */
export function openLocked(
  path: string,
  ports: FilePorts,
  waitMs: number,
  prepare: () => boolean,
): OpenDatabase | null {
  return locked(path, waitMs, () => (prepare() ? openSettled(path, ports) : null))
}

/** The same for a program that starts: it waits for other processes. No other process has a database in memory. */
export function openFirst(path: string, ports: FilePorts): OpenDatabase {
  try {
    if (path !== MEMORY) return locked(path, OPENING_LOCK_MS, () => openSettled(path, ports))
    const database = openDatabase(path)
    return { database, store: storeOn(database), file: null }
  } catch (error) {
    throw openFailed(path, error)
  }
}

/**
 * Closes a database. Nothing else may have been copied into its file, unless the file is no longer at its path: SQLite
 * writes and removes nothing at the path then. It closes the descriptor once nothing is `reading` from it any more.
 *
 * Who takes its log in comes to an end first: whichever connection is closed last takes in what is left.
 */
export function closeDatabase(open: OpenDatabase, reading: Promise<void> | null): MaybePromise<void> {
  const taking = open.file?.checkpoints.taking ?? null
  return taking === null ? closeNow(open, reading) : taking.then(() => closeNow(open, reading))
}

function closeNow({ store, file }: OpenDatabase, reading: Promise<void> | null): MaybePromise<void> {
  void store.close()
  if (file === null) return
  const { descriptor } = file
  const flushing = file.endFlushes()
  if (reading === null) closeSync(descriptor)
  else return reading.then(() => closeSync(descriptor)).then(() => flushing)
  return flushing
}

/**
 * Runs before a database is closed into which another file was copied: SQLite would merge the log of one into the
 * other. It does not where the file is no longer at its path. So the content there gets a new file; or another name,
 * where it is not whole, or not yet.
 */
export function leaveOverwritten(
  path: string,
  { identity, descriptor }: OpenFile,
  ports: Pick<Ports, 'now' | 'log'>,
): void {
  locked(path, OPENING_LOCK_MS, () => {
    if (fileAt(path) !== identity) return
    let isDone = false
    try {
      isDone = takeOverPatiently(path, descriptor, ports) === 'done'
    } finally {
      if (!isDone) moveApart(path, ports)
    }
  })
}

function openSettled(path: string, ports: FilePorts): OpenDatabase {
  try {
    if (settleFiles(path, ports) === 'damaged') moveApart(path, ports)
    try {
      return openHere(path, ports)
    } catch (error) {
      if (!isDamaged(error)) throw error
      moveAside(path, ports)
      return openHere(path, ports)
    }
  } catch (error) {
    throw openFailed(path, error)
  }
}

function openHere(path: string, { now, takeIn }: FilePorts): OpenDatabase {
  const hadLog = hasLogBeside(path)
  const database = openDatabase(path)
  let descriptor: number | null = null
  try {
    descriptor = openSync(path, 'r')
    fchmodSync(descriptor, 0o600)
    const checkpoints = createCheckpoints(database, path, descriptor, { hadLog, now, takeIn })
    database.run(`PRAGMA busy_timeout = ${ATTEMPT_MS}`)
    let flushes: Flushes | null = null
    const file: OpenFile = {
      ...{ identity: fileAt(path), companions: companionsOf(path), checkpoints, descriptor },
      flushLater() {
        database.run('PRAGMA synchronous = NORMAL')
        flushes = openFlushes(path, () => void database.run('PRAGMA synchronous = FULL'))
      },
      endFlushes: () => flushes?.close(),
    }
    return { database, store: storeOn(database, () => flushes?.flushed()), file }
  } catch (error) {
    database.close()
    if (descriptor !== null) closeSync(descriptor)
    throw error
  }
}

/** Renames a damaged database and the files beside it. The caller holds the lock. */
export function moveAside(path: string, ports: Pick<Ports, 'now' | 'log'>): void {
  const aside = `${path}.damaged-${ports.now()}`
  renameDatabase(path, aside)
  ports.log.error('The session database is damaged and was moved aside; who is not in memory has to sign in again', {
    path,
    aside,
    hint: 'look at the disk; sallyport restore FILE puts a backup in place; until the damaged file is moved out of its folder, unknown tokens and guest links are answered 503',
  })
}

/**
 * The same for a damaged file that was copied over a database in the same file: SQLite must not take the previous
 * database's log for the file's own. The caller has locked it.
 */
export function moveApart(path: string, ports: Pick<Ports, 'now' | 'log'>): void {
  setAsideLog(path, ports)
  moveAside(path, ports)
}

function openDatabase(path: string): Database {
  // SQLite would create it with the umask. An existing file is not opened: closing it would release SQLite's locks on
  // it.
  if (path !== MEMORY && !existsSync(path)) closeSync(openSync(path, 'wx', 0o600))
  const database = new Database(path, { create: true, strict: true })
  try {
    database.run(`PRAGMA busy_timeout = ${OPENING_TIMEOUT_MS}`)
    const layout = layoutOf(database)
    if (!isOurs(database)) {
      throw new GateError('session.store', `${path} is the database of another program`, {
        hint: 'it was not changed; name another file in [sessions]: store = "sqlite:/data/sallyport.db"',
      })
    }
    if (layout > LAYOUT) {
      throw new GateError(
        'session.store',
        `${path} was written by a newer Sallyport (layout ${layout}, this one knows ${LAYOUT})`,
        {
          hint: 'run the newer version, or give [sessions] store another path',
        },
      )
    }
    database.run('PRAGMA journal_mode = WAL')
    database.run('PRAGMA synchronous = FULL')
    database.run('PRAGMA foreign_keys = ON')
    if (layout < LAYOUT) {
      if (layout > 0) keepCopy(database, `${path}.layout-${layout}`)
      migrate(database)
    }
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

/**
 * Keeps a copy for an operator who goes back to the version before. An existing copy stays, where several processes or
 * attempts make one.
 */
function keepCopy(database: Database, to: string): void {
  try {
    copyDatabase(database, to)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
}

function openFailed(path: string, error: unknown): GateError {
  if (error instanceof GateError) return error
  return fileFailed(`the session database ${path} cannot be opened`, path, error)
}
