import { Database } from 'bun:sqlite'
import { chmodSync, existsSync, renameSync } from 'node:fs'
import { GateError } from '../base/errors.ts'
import type { Ports } from '../base/ports.ts'
import type { SessionStore, StoredSession } from './store.ts'

/** The layout below; a database with a higher number was written by a newer Sallyport and is left alone. */
const SCHEMA_VERSION = 1

const SCHEMA = `
  CREATE TABLE sessions (
    id TEXT PRIMARY KEY, portal TEXT NOT NULL, identity TEXT NOT NULL, secrets TEXT NOT NULL,
    created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, seen_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX sessions_expires ON sessions (expires_ms);
  CREATE INDEX sessions_seen ON sessions (seen_ms);
  CREATE TABLE handles (
    hash TEXT PRIMARY KEY, session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE, host TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX handles_session ON handles (session_id);
  CREATE TABLE removed (seq INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT NOT NULL, at_ms INTEGER NOT NULL) STRICT;
  CREATE TABLE once (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, hash TEXT NOT NULL, owner TEXT NOT NULL, value TEXT NOT NULL,
    expires_ms INTEGER NOT NULL, UNIQUE (kind, hash)
  ) STRICT;
  CREATE INDEX once_owner ON once (kind, owner, seq);
  CREATE INDEX once_expires ON once (expires_ms);
  PRAGMA user_version = ${SCHEMA_VERSION};
`

/** How long a write waits for another process's. It blocks the event loop, so it is short: a writer holds the lock for microseconds. */
const BUSY_TIMEOUT_MS = 250

/** Removals are told to other processes for this long; a process that was away longer starts with an empty cache anyway. */
const REMOVED_KEPT_MS = 60 * 60 * 1000

/** Rows purged at a time, so that a large clean-up never holds up requests. */
const PURGE_BATCH = 500

interface SessionRow {
  readonly id: string
  readonly portal: string
  readonly identity: string
  readonly secrets: string
  readonly created_ms: number
  readonly expires_ms: number
  readonly seen_ms: number
  readonly host: string
}

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

function storeOn(database: Database): SessionStore {
  const insertSession = database.query(
    'INSERT INTO sessions (id, portal, identity, secrets, created_ms, expires_ms, seen_ms) VALUES (?, ?, ?, ?, ?, ?, ?)',
  )
  const insertHandle = database.query(
    'INSERT INTO handles (hash, session_id, host) SELECT ?1, id, ?3 FROM sessions WHERE id = ?2',
  )
  const find = database.query<SessionRow, [string]>(
    'SELECT s.*, h.host AS host FROM handles h JOIN sessions s ON s.id = h.session_id WHERE h.hash = ?',
  )
  const touchOne = database.query('UPDATE sessions SET seen_ms = ?2 WHERE id = ?1 AND seen_ms < ?2')
  const removeSession = database.query('DELETE FROM sessions WHERE id = ?')
  const tellRemoved = database.query("INSERT INTO removed (session_id, at_ms) VALUES (?, unixepoch('subsec') * 1000)")
  const version = database.query<{ data_version: number }, []>('PRAGMA data_version')
  const newest = database.query<{ seq: number | null }, []>('SELECT max(seq) AS seq FROM removed')
  const removedAfter = database.query<{ seq: number; session_id: string }, [number]>(
    'SELECT seq, session_id FROM removed WHERE seq > ? ORDER BY seq',
  )
  const putOne = database.query('INSERT INTO once (kind, hash, owner, value, expires_ms) VALUES (?, ?, ?, ?, ?)')
  const countOwner = database.query<{ n: number }, [string, string]>(
    'SELECT count(*) AS n FROM once WHERE kind = ? AND owner = ?',
  )
  const dropOldestOfOwner = database.query(
    'DELETE FROM once WHERE seq IN (SELECT seq FROM once WHERE kind = ? AND owner = ? ORDER BY seq LIMIT ?)',
  )
  const span = database.query<{ n: number }, []>('SELECT coalesce(max(seq) - min(seq) + 1, 0) AS n FROM once')
  const countAll = database.query<{ n: number }, []>('SELECT count(*) AS n FROM once')
  const dropOldest = database.query('DELETE FROM once WHERE seq IN (SELECT seq FROM once ORDER BY seq LIMIT ?)')
  const takeOne = database.query<{ value: string; expires_ms: number }, [string, string]>(
    'DELETE FROM once WHERE kind = ? AND hash = ? RETURNING value, expires_ms',
  )
  const purgeExpired = database.query(
    `DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_ms <= ? LIMIT ${PURGE_BATCH})`,
  )
  const purgeIdle = database.query(
    `DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE seen_ms <= ? LIMIT ${PURGE_BATCH})`,
  )
  const purgeOnce = database.query('DELETE FROM once WHERE expires_ms <= ?')
  const purgeRemoved = database.query('DELETE FROM removed WHERE at_ms <= ?')

  let seenVersion = version.get()?.data_version ?? 0
  let seenRemoval = newest.get()?.seq ?? 0

  return {
    insert: database.transaction((session, handle) => {
      insertSession.run(
        session.id,
        session.portal,
        session.identity,
        session.secrets,
        session.createdAtMs,
        session.expiresAtMs,
        session.lastSeenMs,
      )
      insertHandle.run(handle.hash, handle.sessionId, handle.host)
    }),
    addHandle: handle => insertHandle.run(handle.hash, handle.sessionId, handle.host).changes > 0,
    findByHash(hash) {
      const row = find.get(hash)
      return row === null ? null : { session: sessionOf(row), host: row.host }
    },
    touch: database.transaction(seen => {
      for (const [id, atMs] of seen) touchOne.run(id, atMs)
    }),
    remove: database.transaction(sessionId => {
      removeSession.run(sessionId)
      tellRemoved.run(sessionId)
    }),
    removedSince() {
      // data_version changes only when another connection has written: the usual answer costs one pragma and no read.
      const now = version.get()?.data_version ?? 0
      if (now === seenVersion) return []
      seenVersion = now
      const rows = removedAfter.all(seenRemoval)
      seenRemoval = rows.at(-1)?.seq ?? seenRemoval
      return rows.map(row => row.session_id)
    },
    put: database.transaction((record, limits) => {
      const mine = countOwner.get(record.kind, record.owner)?.n ?? 0
      if (mine >= limits.perOwner) dropOldestOfOwner.run(record.kind, record.owner, mine - limits.perOwner + 1)
      // The span of sequence numbers bounds the count from above and costs nothing; count only when it might matter.
      if ((span.get()?.n ?? 0) >= limits.total) {
        const all = countAll.get()?.n ?? 0
        if (all >= limits.total) dropOldest.run(all - limits.total + 1)
      }
      putOne.run(record.kind, record.hash, record.owner, record.value, record.expiresAtMs)
    }),
    take(kind, hash, nowMs) {
      const row = takeOne.get(kind, hash)
      return row === null || row.expires_ms <= nowMs ? null : row.value
    },
    purge(nowMs, idleBeforeMs) {
      purgeExpired.run(nowMs)
      purgeIdle.run(idleBeforeMs)
      purgeOnce.run(nowMs)
      purgeRemoved.run(nowMs - REMOVED_KEPT_MS)
    },
    close() {
      database.close()
    },
  }
}

function openDatabase(path: string): Database {
  const database = new Database(path, { create: true, strict: true })
  try {
    database.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`)
    const version = database.query<{ user_version: number }, []>('PRAGMA user_version').get()?.user_version ?? 0
    if (version > SCHEMA_VERSION) {
      throw new GateError(
        'session.store',
        `${path} was written by a newer Sallyport (layout ${version}, this one knows ${SCHEMA_VERSION})`,
        {
          hint: 'run the newer version, or give [sessions] store another path',
        },
      )
    }
    database.run('PRAGMA journal_mode = WAL')
    database.run('PRAGMA synchronous = FULL')
    database.run('PRAGMA foreign_keys = ON')
    if (path !== ':memory:') chmodSync(path, 0o600)
    if (version === 0) {
      database
        .transaction(() => {
          // Two workers may start at once: the one that comes second finds the layout made.
          const made = database.query<{ user_version: number }, []>('PRAGMA user_version').get()?.user_version ?? 0
          if (made === 0) database.run(SCHEMA)
        })
        .immediate()
    }
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

function sessionOf(row: SessionRow): StoredSession {
  return {
    id: row.id,
    portal: row.portal,
    identity: row.identity,
    secrets: row.secrets,
    createdAtMs: row.created_ms,
    expiresAtMs: row.expires_ms,
    lastSeenMs: row.seen_ms,
  }
}
