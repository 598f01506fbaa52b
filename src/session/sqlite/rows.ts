import type { Database } from 'bun:sqlite'
import type { OnceKind } from '../session.ts'
import type { RefreshedFields, SessionStore, StoredHandle, StoredOnce, StoredSession } from '../store.ts'
import { tokensOn } from './api-tokens.ts'
import { createPatience } from './busy.ts'
import { linksOn } from './guest-links.ts'
import { ownersOn } from './owners.ts'
import { bySlices, inSlices } from './slices.ts'

/** Removals and updates are told to other processes for this long; one that was away longer starts with an empty cache anyway. */
const CHANGES_KEPT_MS = 60 * 60 * 1000

/** Rows written at a time by work that has no hurry: with a million sessions, each costs a hundredth of a millisecond to a few tenths. */
const SLICE = 50

/** More changes than this are not told one by one: whoever asks reads again what is in memory. */
const MOST_CHANGES = 5000

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
}

/**
 * A SessionStore on an open database that has this version's layout. Every call is one statement or one transaction, but `touch`,
 * `remove` and `purge`, which take slices of many rows. Writes are patient with other processes; reads never wait for one.
 */
export function storeOn(database: Database): SessionStore {
  const insertSession = database.query(
    `INSERT INTO sessions (id, portal, issuer, subject, sid, identity, secrets, agent, client, is_remembered, created_ms,
       expires_ms, seen_ms, checked_ms, is_refreshable) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  )
  const insertHandle = database.query(
    'INSERT INTO handles (hash, session_id, host) SELECT ?1, id, ?3 FROM sessions WHERE id = ?2',
  )
  const find = database.query<SessionRow & { readonly host: string }, [string]>(
    'SELECT s.*, h.host AS host FROM handles h JOIN sessions s ON s.id = h.session_id WHERE h.hash = ?',
  )
  const hostsOf = database.query<{ readonly host: string }, [string]>(
    'SELECT DISTINCT host FROM handles WHERE session_id = ?',
  )
  const byId = database.query<SessionRow, [string]>('SELECT * FROM sessions WHERE id = ?')
  const bySubject = database.query<SessionRow, [string, string]>(
    'SELECT * FROM sessions WHERE issuer = ? AND subject = ? ORDER BY created_ms DESC, id DESC',
  )
  const bySid = database.query<SessionRow, [string, string]>(
    'SELECT * FROM sessions WHERE issuer = ? AND sid = ? ORDER BY created_ms DESC, id DESC',
  )
  const listAfter = database.query<SessionRow, [string, number, string, number]>(
    'SELECT * FROM sessions WHERE portal = ? AND (created_ms, id) < (?, ?) ORDER BY created_ms DESC, id DESC LIMIT ?',
  )
  const updateOne = database.query(
    `UPDATE sessions SET identity = ?2, secrets = ?3, sid = ?4, checked_ms = ?5, is_refreshable = ?6, lease_ms = 0
     WHERE id = ?1`,
  )
  const takeLease = database.query('UPDATE sessions SET lease_ms = ?3 WHERE id = ?1 AND lease_ms <= ?2')
  const endLease = database.query('UPDATE sessions SET lease_ms = 0 WHERE id = ?')
  const touchOne = database.query('UPDATE sessions SET seen_ms = ?2 WHERE id = ?1 AND seen_ms < ?2')
  const removeSession = database.query('DELETE FROM sessions WHERE id = ?')
  const tellChange = database.query(
    "INSERT INTO removed (session_id, at_ms, is_update) VALUES (?, unixepoch('subsec') * 1000, ?)",
  )
  const version = database.query<{ data_version: number }, []>('PRAGMA data_version')
  const newest = database.query<{ seq: number | null }, []>('SELECT max(seq) AS seq FROM removed')
  const changedAfter = database.query<{ seq: number; session_id: string; is_update: number }, [number]>(
    `SELECT seq, session_id, is_update FROM removed WHERE seq > ? ORDER BY seq LIMIT ${MOST_CHANGES + 1}`,
  )
  const hasOnce = database.query('SELECT 1 FROM once WHERE kind = ? AND hash = ?')
  const putOne = database.query('INSERT INTO once (kind, hash, owner, value, expires_ms) VALUES (?, ?, ?, ?, ?)')
  const countOwner = database.query<{ n: number }, [string, string]>(
    'SELECT count(*) AS n FROM once WHERE kind = ? AND owner = ?',
  )
  const dropOldestOfOwner = database.query(
    'DELETE FROM once WHERE seq IN (SELECT seq FROM once WHERE kind = ? AND owner = ? ORDER BY seq LIMIT ?)',
  )
  const span = database.query<{ n: number }, []>('SELECT coalesce(max(seq) - min(seq) + 1, 0) AS n FROM once')
  const countKind = database.query<{ n: number }, [string]>('SELECT count(*) AS n FROM once WHERE kind = ?')
  const dropOldestOfLargest = database.query(
    `DELETE FROM once WHERE seq IN (
       SELECT seq FROM once WHERE kind = ?1 AND owner = (
         SELECT owner FROM once WHERE kind = ?1 GROUP BY owner ORDER BY count(*) DESC, min(seq) LIMIT 1
       ) ORDER BY seq LIMIT ?2)`,
  )
  const peekOne = database.query<{ value: string }, [string, string, number]>(
    'SELECT value FROM once WHERE kind = ? AND hash = ? AND expires_ms > ?',
  )
  const takeOne = database.query<{ value: string; expires_ms: number }, [string, string]>(
    'DELETE FROM once WHERE kind = ? AND hash = ? RETURNING value, expires_ms',
  )
  const purgeExpired = database.query(
    `DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_ms <= ? LIMIT ${SLICE})`,
  )
  const purgeIdle = database.query(
    `DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE seen_ms <= ? LIMIT ${SLICE})`,
  )
  const purgeOnce = database.query(
    `DELETE FROM once WHERE seq IN (SELECT seq FROM once WHERE expires_ms <= ? LIMIT ${SLICE})`,
  )
  // The oldest come first by their numbers too: no more are looked at than are removed.
  const purgeChanges = database.query(
    `DELETE FROM removed WHERE at_ms <= ? AND seq IN (SELECT seq FROM removed ORDER BY seq LIMIT ${SLICE})`,
  )
  const shared = database.query<{ value: string }, [string]>('SELECT value FROM shared WHERE name = ?')
  const insertShared = database.query('INSERT INTO shared (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING')
  const updateShared = database.query('UPDATE shared SET value = ?3 WHERE name = ?1 AND value = ?2')

  let seenVersion = version.get()?.data_version ?? 0
  let seenChange = newest.get()?.seq ?? 0

  const patient = createPatience()
  let isClosed = false
  const { purgeTokens, ...tokens } = tokensOn(database, patient, id => tellChange.run(id, 0))
  const { purgeLinks, ...links } = linksOn(database, patient, id => tellChange.run(id, 0))
  const { purgeOwners, ...owners } = ownersOn(database, patient, id => tellChange.run(id, 1))

  // It reads before it writes: begun as a writer, so that no other process can come between (SQLITE_BUSY_SNAPSHOT).
  const putRecord = database.transaction(
    (record: StoredOnce, limits: { readonly perOwner: number; readonly total: number }) => {
      if (hasOnce.get(record.kind, record.hash) !== null) return false
      const mine = countOwner.get(record.kind, record.owner)?.n ?? 0
      if (mine >= limits.perOwner) dropOldestOfOwner.run(record.kind, record.owner, mine - limits.perOwner + 1)
      // The span of sequence numbers bounds the count from above and costs nothing; count only when it might matter.
      if ((span.get()?.n ?? 0) >= limits.total) {
        const all = countKind.get(record.kind)?.n ?? 0
        if (all >= limits.total) dropOldestOfLargest.run(record.kind, all - limits.total + 1)
      }
      putOne.run(record.kind, record.hash, record.owner, record.value, record.expiresAtMs)
      return true
    },
  )
  const touchSome = patient(
    database.transaction((seen: readonly (readonly [string, number])[]) => {
      for (const [id, atMs] of seen) touchOne.run(id, atMs)
    }),
  )
  const removeSome = patient(
    database.transaction((ids: readonly string[]) => {
      for (const id of ids) {
        removeSession.run(id)
        tellChange.run(id, 0)
      }
    }),
  )

  return {
    ...tokens,
    ...owners,
    ...links,
    insert: patient(
      database.transaction((session: StoredSession, handle: StoredHandle) => {
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
        )
        insertHandle.run(handle.hash, handle.sessionId, handle.host)
      }),
    ),
    addHandle: patient(
      (handle: StoredHandle) => insertHandle.run(handle.hash, handle.sessionId, handle.host).changes > 0,
    ),
    findByHash(hash) {
      const row = find.get(hash)
      return row === null ? null : { session: sessionOf(row), host: row.host }
    },
    findById(sessionId) {
      const row = byId.get(sessionId)
      return row === null ? null : sessionOf(row)
    },
    findHosts: sessionId => hostsOf.all(sessionId).map(({ host }) => host),
    findBySubject: (issuer, subject) => bySubject.all(issuer, subject).map(sessionOf),
    findBySid: (issuer, sid) => bySid.all(issuer, sid).map(sessionOf),
    list(portal, { after, limit }) {
      const from = parseCursor(after)
      const rows = listAfter.all(portal, from.createdMs, from.id, limit + 1)
      const last = rows.length > limit ? rows[limit - 1] : undefined
      return {
        sessions: rows.slice(0, limit).map(sessionOf),
        next: last === undefined ? null : `${last.created_ms}.${last.id}`,
      }
    },
    update: patient(
      database.transaction((sessionId: string, fields: RefreshedFields) => {
        const { identity, secrets, sid, checkedAtMs, isRefreshable } = fields
        if (updateOne.run(sessionId, identity, secrets, sid, checkedAtMs, Number(isRefreshable)).changes === 0)
          return false
        tellChange.run(sessionId, 1)
        return true
      }),
    ),
    lease: patient(
      (sessionId: string, nowMs: number, untilMs: number) => takeLease.run(sessionId, nowMs, untilMs).changes > 0,
    ),
    release: patient((sessionId: string) => void endLease.run(sessionId)),
    touch: seen => bySlices([...seen], SLICE, touchSome),
    remove: (...sessionIds) => bySlices(sessionIds, SLICE, removeSome),
    changesSince() {
      // data_version changes only when another connection has written: the usual answer costs one pragma and no read.
      const now = version.get()?.data_version ?? 0
      if (now === seenVersion) return NO_CHANGES
      seenVersion = now
      const rows = changedAfter.all(seenChange)
      if (rows.length > MOST_CHANGES) {
        seenChange = newest.get()?.seq ?? seenChange
        return { ...NO_CHANGES, isIncomplete: true }
      }
      seenChange = rows.at(-1)?.seq ?? seenChange
      const idsOf = (isUpdate: number) =>
        rows.filter(row => row.is_update === isUpdate).map(({ session_id }) => session_id)
      return { removed: idsOf(0), updated: idsOf(1) }
    },
    put: patient(putRecord.immediate),
    take: patient((kind: OnceKind, hash: string, nowMs: number) => {
      const row = takeOne.get(kind, hash)
      return row === null || row.expires_ms <= nowMs ? null : row.value
    }),
    readShared: name => shared.get(name)?.value ?? null,
    replaceShared: patient((name: string, before: string | null, after: string) => {
      const done = before === null ? insertShared.run(name, after) : updateShared.run(name, before, after)
      return done.changes > 0
    }),
    peek: (kind, hash, nowMs) => peekOne.get(kind, hash, nowMs)?.value ?? null,
    async purge(nowMs, idleBeforeMs) {
      for (const [old, beforeMs] of [
        [purgeExpired, nowMs],
        [purgeIdle, idleBeforeMs],
        [purgeOnce, nowMs],
        [purgeChanges, nowMs - CHANGES_KEPT_MS],
      ] as const) {
        const slice = patient(() => !isClosed && old.run(beforeMs).changes > 0)
        await inSlices(slice)
      }
      if (!isClosed) await purgeTokens(nowMs)
      if (!isClosed) await purgeOwners(nowMs)
      if (!isClosed) await purgeLinks(nowMs)
    },
    close() {
      isClosed = true
      database.close()
    },
  }
}

const NO_CHANGES = Object.freeze({ removed: Object.freeze([]), updated: Object.freeze([]) })

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
  }
}
