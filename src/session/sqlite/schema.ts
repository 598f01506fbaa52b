/** The layout of the database, and its migrations. */

import type { Database } from 'bun:sqlite'

/** The layout that this version reads and writes; a database with a higher number was written by a newer Sallyport. */
export const LAYOUT = 13

const FIRST = `
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
`

/**
 * Sessions can be refreshed, listed and found by the provider's identifiers; `removed` has updates, too.
 *
 * Every new column has a default, so that a process of the version before can still write while it drains. Older
 * sessions are never refreshed: only their sealed secrets say whether they have a refresh token.
 */
const SECOND = `
  ALTER TABLE sessions ADD COLUMN issuer TEXT NOT NULL DEFAULT '';
  ALTER TABLE sessions ADD COLUMN subject TEXT NOT NULL DEFAULT '';
  ALTER TABLE sessions ADD COLUMN sid TEXT;
  ALTER TABLE sessions ADD COLUMN agent TEXT NOT NULL DEFAULT '';
  ALTER TABLE sessions ADD COLUMN client TEXT NOT NULL DEFAULT '';
  ALTER TABLE sessions ADD COLUMN is_remembered INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE sessions ADD COLUMN checked_ms INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE sessions ADD COLUMN is_refreshable INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE sessions ADD COLUMN lease_ms INTEGER NOT NULL DEFAULT 0;
  UPDATE sessions SET
    issuer = coalesce(json_extract(identity, '$.issuer'), ''), subject = coalesce(json_extract(identity, '$.subject'), ''),
    sid = json_extract(identity, '$.claims.sid'), checked_ms = created_ms
  WHERE json_valid(identity);
  CREATE INDEX sessions_subject ON sessions (issuer, subject);
  CREATE INDEX sessions_sid ON sessions (issuer, sid) WHERE sid IS NOT NULL;
  CREATE INDEX sessions_portal ON sessions (portal, created_ms, id);
  ALTER TABLE removed ADD COLUMN is_update INTEGER NOT NULL DEFAULT 0;
`

/** Tokens of scripts and apps. */
const THIRD = `
  CREATE TABLE tokens (
    id TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, portal TEXT NOT NULL, name TEXT NOT NULL, grant_json TEXT NOT NULL,
    created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX tokens_portal ON tokens (portal, created_ms, id);
  CREATE INDEX tokens_expires ON tokens (expires_ms);
`

/** Values that all processes share. */
const FOURTH = `
  CREATE TABLE shared (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
`

/** Owners of tokens that follow them. */
const FIFTH = `
  CREATE TABLE owners (
    id TEXT PRIMARY KEY, identity TEXT NOT NULL, standing TEXT NOT NULL, noted_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX owners_expires ON owners (expires_ms);
`

/** Guest links. */
const SIXTH = `
  CREATE TABLE links (
    id TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, portal TEXT NOT NULL, grant_json TEXT NOT NULL, uses INTEGER NOT NULL,
    used INTEGER NOT NULL, created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX links_portal ON links (portal, created_ms, id);
  CREATE INDEX links_expires ON links (expires_ms);
`

/** What providers push. */
const SEVENTH = `
  CREATE TABLE pushed (
    directory TEXT NOT NULL, id TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (directory, id)
  ) STRICT, WITHOUT ROWID;
`

/** The audit trail, and which tokens were used: for existing tokens it is unknown, so they count as used. */
const EIGHTH = `
  CREATE TABLE audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, is_frequent INTEGER NOT NULL, record TEXT NOT NULL
  ) STRICT;
  CREATE INDEX audit_at ON audit (at_ms);
  CREATE INDEX audit_frequent ON audit (is_frequent, seq);
  ALTER TABLE tokens ADD COLUMN is_used INTEGER NOT NULL DEFAULT 1;
`

/** What was taken from rate-limit buckets, which all processes share. */
const NINTH = `
  CREATE TABLE allowances (name TEXT PRIMARY KEY, full_at_ms REAL NOT NULL) STRICT, WITHOUT ROWID;
  CREATE INDEX allowances_full ON allowances (full_at_ms);
`

/** Cookies from before the latest sign-in of their session: what they stand for, and when one ends that was replaced. */
const TENTH = `
  ALTER TABLE handles ADD COLUMN shown TEXT;
  ALTER TABLE handles ADD COLUMN until_ms INTEGER;
`

/** What sessions at their provider a session came from before. */
const ELEVENTH = `
  CREATE TABLE earlier_sids (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    issuer TEXT NOT NULL, sid TEXT NOT NULL, UNIQUE (session_id, sid)
  ) STRICT;
  CREATE INDEX earlier_sids_sid ON earlier_sids (issuer, sid);
`

/** What users of a file have set over their entries. */
const TWELFTH = `
  CREATE TABLE accounts (id TEXT PRIMARY KEY, version INTEGER NOT NULL, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
`

/** The device that a session is bound to. */
const THIRTEENTH = `
  ALTER TABLE sessions ADD COLUMN bound TEXT;
`

const STEPS: readonly string[] = [
  FIRST,
  SECOND,
  THIRD,
  FOURTH,
  FIFTH,
  SIXTH,
  SEVENTH,
  EIGHTH,
  NINTH,
  TENTH,
  ELEVENTH,
  TWELFTH,
  THIRTEENTH,
]

/** The layout number that a database says it has; 0 for an empty one. */
export function layoutOf(database: Database): number {
  return database.query<{ user_version: number }, []>('PRAGMA user_version').get()?.user_version ?? 0
}

/** What layouts have in common: later ones may have dropped the others. */
const [SESSIONS, ...EARLY] = ['sessions', 'handles', 'removed', 'once'] as const

/** Whether no other program has made a database: it is empty, or has our tables. What another has made is never changed. */
export function isOurs(database: Database): boolean {
  const tables = database.query<{ name: string }, []>("SELECT name FROM sqlite_schema WHERE type = 'table'").all()
  const layout = layoutOf(database)
  if (layout === 0) return tables.length === 0
  const wanted = layout > LAYOUT ? [SESSIONS] : [SESSIONS, ...EARLY]
  return wanted.every(table => tables.some(({ name }) => name === table))
}

/** Brings a database to this version's layout, all of it or nothing. Two processes may do so at once: one finds it done. */
export function migrate(database: Database): void {
  database
    .transaction(() => {
      for (const step of STEPS.slice(layoutOf(database))) database.run(step)
      database.run(`PRAGMA user_version = ${LAYOUT}`)
    })
    .immediate()
}
