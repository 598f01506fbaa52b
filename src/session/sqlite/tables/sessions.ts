/** The tables of sessions and their cookies in SQLite. */

import type { Database } from 'bun:sqlite'
import { andThen, type MaybePromise } from '../../../base/maybe-promise.ts'
import { EVERYONE, isOfMatch } from '../../ended.ts'
import {
  COOKIES_OF,
  EARLIER_SIDS,
  type KeptSession,
  LEFT_MS,
  type Lease,
  type RefreshedFields,
  type ReplacedHandle,
  type SessionStore,
  type SignInBefore,
  type SignInStore,
  type StoredHandle,
  type StoredSession,
} from '../../store.ts'
import { bySlices, SLICE } from '../batches.ts'
import type { BusyRetry } from '../busy.ts'
import type { Changes } from './changes.ts'

interface SessionRow {
  readonly id: string
  readonly portal: string
  readonly issuer: string
  readonly subject: string
  readonly sid: string | null
  readonly identity: string
  readonly secrets: string
  readonly agent: string
  readonly client: string
  readonly is_remembered: number
  readonly created_ms: number
  readonly expires_ms: number
  readonly seen_ms: number
  readonly checked_ms: number
  readonly is_refreshable: number
  readonly bound: string | null
}

interface HandleRow {
  readonly host: string
  readonly shown: string | null
  readonly until_ms: number | null
}

/**
 * In one transaction: each transaction writes again the pages that thousands of sessions share, and waits for the
 * disk.
 */
const REMOVED_AT_ONCE = 2500

/** Rows of one user that are read at a time: a row takes some 10 µs, and who signs in by a script may have thousands. */
const READ_AT_ONCE = 200

/** What SQLite keeps of a database in memory, in KiB: as ever, and while many rows go, whose pages it would read and write again and again. */
const CACHE_KIB = 2000
const WIDE_CACHE_KIB = 64 * 1024

/**
 * Each removes a slice of expired sessions, reports it like any end, and returns the ids; empty where there was none.
 */
export interface OwnerWork {
  purgeExpired(nowMs: number): readonly string[]
  purgeIdle(beforeMs: number): readonly string[]
  /**
   * Writes the sessions that are only in memory, except those that have ended since the database was created; returns
   * the ids of these.
   */
  takeBack(kept: readonly KeptSession[]): MaybePromise<readonly string[]>
}

/** The sessions of an open database, with their handles. */
export function sessionsOn(database: Database, retryBusy: BusyRetry, changes: Changes): SignInStore & OwnerWork {
  return { ...readsOn(database), ...writesOn(database, retryBusy, changes) }
}

type Reads = Pick<
  SessionStore,
  'findByHash' | 'findById' | 'findHosts' | 'findBySubject' | 'findBySid' | 'list' | 'countSessions'
>

/** Reads never wait for another process. */
function readsOn(database: Database): Reads {
  const byHash = database.query<SessionRow & HandleRow, [string]>(
    'SELECT s.*, h.host AS host, h.shown AS shown, h.until_ms AS until_ms FROM handles h JOIN sessions s ON s.id = h.session_id WHERE h.hash = ?',
  )
  const byId = database.query<SessionRow, [string]>('SELECT * FROM sessions WHERE id = ?')
  const hostsOf = database.query<{ readonly host: string }, [string]>(
    'SELECT DISTINCT host FROM handles WHERE session_id = ?',
  )
  // By their indexes alone.
  const bySubject = database.query<Pick<SessionRow, 'id'>, [string, string]>(
    'SELECT id FROM sessions WHERE issuer = ? AND subject = ?',
  )
  const bySid = database.query<Pick<SessionRow, 'id'>, [string, string]>(
    `SELECT id FROM sessions WHERE issuer = ?1 AND sid = ?2
       UNION SELECT session_id FROM earlier_sids WHERE issuer = ?1 AND sid = ?2`,
  )
  // The same of some of these ids: while they were read, a row may have become somebody else's. Each by its id (`+`).
  const someOf = (condition: string) =>
    database.query<SessionRow, [string, string, string]>(
      `SELECT * FROM sessions WHERE +issuer = ?1 AND (${condition}) AND id IN (SELECT value FROM json_each(?3))`,
    )
  const someOfSubject = someOf('+subject = ?2')
  const someOfSid = someOf(
    '+sid = ?2 OR EXISTS (SELECT 1 FROM earlier_sids e WHERE e.session_id = sessions.id AND e.issuer = ?1 AND e.sid = ?2)',
  )
  const listAfter = database.query<SessionRow, [string, number, string, number]>(
    'SELECT * FROM sessions WHERE portal = ? AND (created_ms, id) < (?, ?) ORDER BY created_ms DESC, id DESC LIMIT ?',
  )
  const countAfter = database.query<{ readonly n: number }, [number]>(
    'SELECT count(*) AS n FROM sessions WHERE expires_ms > ?',
  )
  // By its index alone: the rows themselves are many pages.
  const countAt = database.query<{ readonly n: number }, [string]>(
    'SELECT count(*) AS n FROM sessions WHERE portal = ?',
  )
  /** Newest first; many of them by slices, between which others have their turn. */
  function allOf(
    found: typeof bySubject,
    some: typeof someOfSubject,
    ...whose: [issuer: string, name: string]
  ): MaybePromise<readonly StoredSession[]> {
    const rows: SessionRow[] = []
    const ids = found.all(...whose).map(({ id }) => id)
    const read = bySlices(ids, READ_AT_ONCE, slice => void rows.push(...some.all(...whose, JSON.stringify(slice))))
    return andThen(read, () =>
      rows.sort((one, other) => other.created_ms - one.created_ms || (one.id < other.id ? 1 : -1)).map(sessionOf),
    )
  }

  return {
    countSessions: (nowMs, portal) => (portal === undefined ? countAfter.get(nowMs) : countAt.get(portal))?.n ?? 0,
    findByHash(hash) {
      const row = byHash.get(hash)
      if (row === null) return null
      const { host, shown, until_ms: untilMs } = row
      return { session: sessionOf(row), host, shown: shown ?? undefined, untilMs: untilMs ?? undefined }
    },
    findById(sessionId) {
      const row = byId.get(sessionId)
      return row === null ? null : sessionOf(row)
    },
    findHosts: sessionId => hostsOf.all(sessionId).map(({ host }) => host),
    findBySubject: (issuer, subject) => allOf(bySubject, someOfSubject, issuer, subject),
    findBySid: (issuer, sid) => allOf(bySid, someOfSid, issuer, sid),
    list(portal, { after, limit }) {
      const from = parseCursor(after)
      const rows = listAfter.all(portal, from.createdMs, from.id, limit + 1)
      const last = rows.length > limit ? rows[limit - 1] : undefined
      return {
        sessions: rows.slice(0, limit).map(sessionOf),
        next: last === undefined ? null : `${last.created_ms}.${last.id}`,
      }
    },
  }
}

type Writes = Omit<SignInStore, keyof Reads> & OwnerWork

/** A write to the tables: its transaction, once no other process has the database locked. */
interface WriteTools {
  readonly database: Database
  readonly retryBusy: BusyRetry
  readonly changes: Changes
}

function writesOn(database: Database, retryBusy: BusyRetry, changes: Changes): Writes {
  const tools = { database, retryBusy, changes }
  return { ...signInsOn(tools), ...updatesOn(tools), ...leasesOn(tools), ...takeBackOn(tools), ...removalsOn(tools) }
}

/** How a session and a cookie of it are written. */
function insertsOn(database: Database) {
  const insertSession = database.query(
    `INSERT INTO sessions (id, portal, issuer, subject, sid, identity, secrets, agent, client, is_remembered, created_ms,
       expires_ms, seen_ms, checked_ms, is_refreshable, bound) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  )
  const insertHandle = database.query(
    'INSERT INTO handles (hash, session_id, host, shown) SELECT ?1, id, ?3, ?4 FROM sessions WHERE id = ?2',
  )
  return {
    session: (session: StoredSession) =>
      insertSession.run(
        session.id,
        session.portal,
        session.issuer,
        session.subject,
        session.sid,
        session.identity,
        session.secrets,
        session.agent,
        session.client,
        Number(session.isRemembered),
        session.createdAtMs,
        session.expiresAtMs,
        session.lastSeenMs,
        session.checkedAtMs,
        Number(session.isRefreshable),
        session.bound ?? null,
      ),
    /** Whether there is such a session. */
    handle: ({ hash, sessionId, host, shown }: StoredHandle) =>
      insertHandle.run(hash, sessionId, host, shown ?? null).changes > 0,
  }
}

/** Keeps what a session's provider called it before, ahead of the session being written with its next `sid`. */
function sidsOn(database: Database): (id: string, next: string | null, own?: string | null) => void {
  const keepSid = database.query(
    'INSERT OR REPLACE INTO earlier_sids (session_id, issuer, sid) SELECT id, issuer, ?2 FROM sessions WHERE id = ?1',
  )
  const forgetSids = database.query(
    `DELETE FROM earlier_sids WHERE session_id = ?1 AND seq NOT IN
       (SELECT seq FROM earlier_sids WHERE session_id = ?1 ORDER BY seq DESC LIMIT ${EARLIER_SIDS})`,
  )
  const sidOf = database.query<{ readonly sid: string | null }, [string]>('SELECT sid FROM sessions WHERE id = ?')
  return (id, next, own = null) => {
    const sids = [sidOf.get(id)?.sid ?? null, own].filter(sid => sid !== null && sid !== next)
    for (const sid of sids) keepSid.run(id, sid)
    if (sids.length > 0) forgetSids.run(id)
  }
}

function createdOn(database: Database): (id: string) => number | undefined {
  const createdOf = database.query<{ readonly created_ms: number }, [string]>(
    'SELECT created_ms FROM sessions WHERE id = ?',
  )
  return id => createdOf.get(id)?.created_ms
}

function signInsOn({
  database,
  retryBusy,
  changes,
}: WriteTools): Pick<SignInStore, 'insert' | 'signInAgain' | 'addHandle'> {
  const insert = insertsOn(database)
  const keepSids = sidsOn(database)
  const createdOf = createdOn(database)
  const again = database.query(
    `UPDATE sessions SET identity = ?2, secrets = ?3, sid = ?4, agent = ?5, client = ?6, is_remembered = ?7, created_ms = ?8,
       expires_ms = ?9, seen_ms = ?10, checked_ms = ?11, is_refreshable = ?12, lease_ms = 0
     WHERE id = ?1`,
  )
  const endReplaced = database.query('DELETE FROM handles WHERE session_id = ? AND until_ms <= ?')
  const keepShown = database.query('UPDATE handles SET shown = ?2 WHERE session_id = ?1 AND shown IS NULL')
  const replaceHandle = database.query(
    `UPDATE handles SET until_ms = min(ifnull(until_ms, ?3), ?3), shown = ifnull(shown, ?4) WHERE hash = ?2 AND session_id = ?1`,
  )
  const replace = (id: string, { hash, shown, nowMs, lastsMs }: ReplacedHandle) =>
    replaceHandle.run(id, hash, nowMs + lastsMs, shown)

  return {
    insert: retryBusy(
      database.transaction((session: StoredSession, handle: StoredHandle) => {
        insert.session(session)
        insert.handle(handle)
      }),
    ),
    signInAgain: retryBusy(
      database.transaction((session: StoredSession, handle: StoredHandle, before: SignInBefore) => {
        const { id, identity, secrets, sid, agent, client, isRemembered, isRefreshable } = session
        const { createdAtMs, expiresAtMs, lastSeenMs, checkedAtMs } = session
        const said = [identity, secrets, sid, agent, client, Number(isRemembered)] as const
        const times = [createdAtMs, expiresAtMs, lastSeenMs, checkedAtMs] as const
        if (createdOf(id) !== before.createdAtMs) return false
        keepSids(id, sid, before.ownSid)
        again.run(id, ...said, ...times, Number(isRefreshable))
        endReplaced.run(id, before.nowMs)
        keepShown.run(id, before.shown)
        if (before.replaced !== null) replace(id, before.replaced)
        insert.handle({ ...handle, sessionId: id })
        changes.tellUpdated(id)
        return true
      }).immediate,
    ),
    addHandle: retryBusy(
      database.transaction((handle: StoredHandle, replaced: ReplacedHandle | null = null) => {
        const { sessionId } = handle
        if (!insert.handle(handle)) return false
        if (replaced !== null) {
          endReplaced.run(sessionId, replaced.nowMs)
          replace(sessionId, replaced)
          changes.tellUpdated(COOKIES_OF + sessionId)
        }
        return true
      }),
    ),
  }
}

function updatesOn({ database, retryBusy, changes }: WriteTools): Pick<SignInStore, 'update' | 'bind' | 'touch'> {
  const keepSids = sidsOn(database)
  const updateOne = database.query(
    `UPDATE sessions SET identity = ?2, secrets = ?3, sid = ?4, checked_ms = ?5, is_refreshable = ?6, lease_ms = 0
     WHERE id = ?1`,
  )
  const bindOne = database.query('UPDATE sessions SET bound = ?2 WHERE id = ?1 AND bound IS ?3')
  const isStill = database.query('SELECT 1 FROM sessions WHERE id = ?1 AND (?2 IS NULL OR secrets = ?2)')
  const touchOne = database.query('UPDATE sessions SET seen_ms = ?2 WHERE id = ?1 AND seen_ms < ?2')
  const isThere = database.query('SELECT 1 FROM sessions WHERE id = ?')
  const touchSome = retryBusy(
    database.transaction((seen: readonly (readonly [string, number])[]) => {
      const unknown = seen.filter(([id, atMs]) => touchOne.run(id, atMs).changes === 0 && isThere.get(id) === null)
      return unknown.map(([id]) => id)
    }),
  )

  return {
    update: retryBusy(
      database.transaction((sessionId: string, fields: RefreshedFields, before?: string) => {
        const { identity, secrets, sid, checkedAtMs, isRefreshable } = fields
        if (!isStill.get(sessionId, before ?? null)) return false
        keepSids(sessionId, sid)
        updateOne.run(sessionId, identity, secrets, sid, checkedAtMs, Number(isRefreshable))
        changes.tellUpdated(sessionId)
        return true
      }).immediate,
    ),
    bind: retryBusy(
      database.transaction((sessionId: string, bound: string, before: string | null) => {
        if (bindOne.run(sessionId, bound, before).changes === 0) return false
        changes.tellUpdated(sessionId)
        return true
      }).immediate,
    ),
    touch(seen) {
      const gone: string[] = []
      const touched = bySlices([...seen], SLICE, some => andThen(touchSome(some), ids => void gone.push(...ids)))
      return andThen(touched, () => gone)
    },
  }
}

function leasesOn({ database, retryBusy }: WriteTools): Pick<SignInStore, 'lease' | 'release'> {
  const createdOf = createdOn(database)
  const leaseOf = database.query<{ readonly lease_ms: number }, [string]>('SELECT lease_ms FROM sessions WHERE id = ?')
  const setLease = database.query('UPDATE sessions SET lease_ms = ?2 WHERE id = ?1')

  return {
    lease: retryBusy(
      database.transaction((sessionId: string, nowMs: number, untilMs: number): Lease | null => {
        const before = leaseOf.get(sessionId)?.lease_ms
        if (before === undefined || before > nowMs) return null
        setLease.run(sessionId, untilMs)
        return before === 0 ? 'taken' : 'left'
      }).immediate,
    ),
    release: retryBusy(
      database.transaction((sessionId: string, untilMs: number, leftOf: number | null) => {
        const before = leaseOf.get(sessionId)?.lease_ms
        if (before === untilMs) setLease.run(sessionId, leftOf === null ? 0 : LEFT_MS)
        // A later sign-in has ended it, and has another refresh token.
        else if (before === 0 && leftOf === createdOf(sessionId)) setLease.run(sessionId, LEFT_MS)
      }).immediate,
    ),
  }
}

function takeBackOn({ database, retryBusy, changes }: WriteTools): Pick<OwnerWork, 'takeBack'> {
  const insert = insertsOn(database)
  const isThere = database.query('SELECT 1 FROM sessions WHERE id = ?')
  const hasHandle = database.query('SELECT 1 FROM handles WHERE hash = ?')
  const takeBackSome = retryBusy(
    database.transaction((kept: readonly KeptSession[]): readonly string[] => {
      // Other processes may have ended some of these while they were not stored: while this runs, no process ends any.
      const { removed, ended = [], isIncomplete } = changes.sinceBeginning()
      const gone = new Set(removed)
      const hasEnded = ({ id, issuer, subject, sid }: StoredSession) =>
        isIncomplete === true || gone.has(id) || ended.some(match => isOfMatch(match, { issuer, subject, sid }))
      const others: string[] = []
      for (const { session, handles } of kept) {
        if (isThere.get(session.id) === null) {
          if (hasEnded(session)) {
            others.push(session.id)
            continue
          }
          insert.session(session)
        }
        for (const handle of handles) if (hasHandle.get(handle.hash) === null) insert.handle(handle)
      }
      return others
    }).immediate,
  )

  return {
    takeBack(kept) {
      const others: string[] = []
      const taken = bySlices(kept, SLICE, some => andThen(takeBackSome(some), ids => void others.push(...ids)))
      return andThen(taken, () => others)
    },
  }
}

function removalsOn({
  database,
  retryBusy,
  changes,
}: WriteTools): Pick<Writes, 'remove' | 'endCookies' | 'purgeExpired' | 'purgeIdle'> {
  const remove = database.query<SessionRow, [string]>(
    'DELETE FROM sessions WHERE id IN (SELECT value FROM json_each(?)) RETURNING *',
  )
  // Without a condition SQLite drops the pages unread (sqlite.org/lang_delete.html, the truncate optimization).
  const endHandles = database.query('DELETE FROM handles')
  const purging = (column: 'expires_ms' | 'seen_ms') => {
    const purge = database.query<{ readonly id: string }, [number]>(
      `DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE ${column} <= ? LIMIT ${SLICE}) RETURNING id`,
    )
    return database.transaction((beforeMs: number): readonly string[] => {
      const ids = purge.all(beforeMs).map(({ id }) => id)
      changes.tellRemoved(...ids)
      return ids
    })
  }
  const removeSome = retryBusy(
    database.transaction((ids: readonly string[]) => {
      const isWide = ids.length > SLICE
      if (isWide) database.run(`PRAGMA cache_size = -${WIDE_CACHE_KIB}`)
      const removed = remove.all(JSON.stringify(ids))
      changes.tellRemoved(...ids)
      if (isWide) database.run(`PRAGMA cache_size = -${CACHE_KIB}`)
      return removed
    }),
  )

  return {
    remove(...sessionIds) {
      const ids: string[] = []
      const refreshable: StoredSession[] = []
      const removed = bySlices(sessionIds, REMOVED_AT_ONCE, some =>
        andThen(removeSome(some), rows => {
          for (const row of rows) {
            ids.push(row.id)
            if (row.is_refreshable !== 0) refreshable.push(sessionOf(row))
          }
        }),
      )
      return andThen(removed, () => ({ ids, refreshable }))
    },
    endCookies: retryBusy(
      database.transaction(() => {
        endHandles.run()
        changes.tellEnded(EVERYONE)
      }),
    ),
    purgeExpired: purging('expires_ms'),
    purgeIdle: purging('seen_ms'),
  }
}

/** Where a page begins: the session that the page before ended with. Anything else begins at the newest. */
function parseCursor(after: string | null): { readonly createdMs: number; readonly id: string } {
  const [, createdMs, id] = /^(\d{1,15})\.(.+)$/.exec(after ?? '') ?? []
  return createdMs === undefined || id === undefined
    ? { createdMs: Number.MAX_SAFE_INTEGER, id: '' }
    : { createdMs: Number(createdMs), id }
}

function sessionOf(row: SessionRow): StoredSession {
  return {
    id: row.id,
    portal: row.portal,
    issuer: row.issuer,
    subject: row.subject,
    sid: row.sid,
    identity: row.identity,
    secrets: row.secrets,
    agent: row.agent,
    client: row.client,
    isRemembered: row.is_remembered !== 0,
    createdAtMs: row.created_ms,
    expiresAtMs: row.expires_ms,
    lastSeenMs: row.seen_ms,
    checkedAtMs: row.checked_ms,
    isRefreshable: row.is_refreshable !== 0,
    ...(row.bound === null ? {} : { bound: row.bound }),
  }
}
