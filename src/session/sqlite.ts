import { Database } from 'bun:sqlite'
import { chmodSync, existsSync, renameSync } from 'node:fs'
import { GateError } from '../base/errors.ts'
import type { Ports } from '../base/ports.ts'
import { LAYOUT, layoutOf, migrate } from './sqlite-layout.ts'
import { storeOn } from './sqlite-rows.ts'
import type { SessionStore } from './store.ts'

/** How long a write waits for another process's. It blocks the event loop, so it is short: a writer holds the lock for microseconds. */
const BUSY_TIMEOUT_MS = 250

/**
 * A SessionStore in one SQLite file, in WAL mode with full synchronisation: what was acknowledged survives kill -9 and power loss.
 *
 * A damaged file is moved aside (name + `.damaged-TIME`) with a loud log, and a new one is begun: everyone signs in again,
 * nobody gets in. Throws `session.store` for a newer layout, a folder that is missing or a file that cannot be written.
 */
export function openSqliteStore(path: string, ports: Pick<Ports, 'now' | 'log'>): SessionStore {
  let database: Database
  try {
    database = openDatabase(path)
  } catch (error) {
    if (!isDamaged(error) || path === ':memory:') throw openFailed(path, error)
    const aside = `${path}.damaged-${ports.now()}`
    for (const suffix of ['', '-wal', '-shm']) if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix)
    ports.log.error('The session database is damaged and was moved aside; everyone has to sign in again', {
      path,
      aside,
    })
    try {
      database = openDatabase(path)
    } catch (again) {
      throw openFailed(path, again)
    }
  }
  return storeOn(database)
}

function openDatabase(path: string): Database {
  const database = new Database(path, { create: true, strict: true })
  try {
    database.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`)
    const layout = layoutOf(database)
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
    if (path !== ':memory:') chmodSync(path, 0o600)
    if (layout < LAYOUT) migrate(database)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

/** SQLITE_CORRUPT and SQLITE_NOTADB (sqlite.org/rescode.html). */
function isDamaged(error: unknown): boolean {
  return (
    error instanceof Error && 'code' in error && (error.code === 'SQLITE_CORRUPT' || error.code === 'SQLITE_NOTADB')
  )
}

function openFailed(path: string, error: unknown): GateError {
  if (error instanceof GateError) return error
  return new GateError('session.store', `the session database ${path} cannot be opened`, {
    cause: error,
    hint: 'the folder has to exist and be writable by the user that runs Sallyport; see [sessions] store',
  })
}
