import type { SignInStore } from '../sqlite/tables/sessions.ts'
import { COOKIES_OF, LEFT_MS, type ReplacedHandle, type StoredSession } from '../store.ts'
import { BATCH, type RedisLink } from './connection.ts'
import { fieldsOf, parseStored, portalIndex, refreshedFields, sidIndex, subjectIndex } from './rows.ts'
import * as scripts from './scripts/sessions.ts'

/** One person has a handful of sessions; this bounds what a broken client may have made of it. */
const MOST_OF_ONE = 1000

/** The sign-ins on a server: each a hash, with a place in the index of its portal, its person and its provider's session. */
export function sessionsOver(
  link: RedisLink,
  ttlOf: (expiresAtMs: number) => number,
  untilOf: (lastsMs: number) => number | undefined,
): SignInStore {
  async function listed(index: string, from: string, count: number): Promise<readonly Listed[]> {
    const rows = await link.run(scripts.LIST, [index, from, count])
    return Array.isArray(rows)
      ? rows.map(([id, fields, place]) => ({ session: parseStored(id, fields), place: String(place) }))
      : []
  }

  return {
    async insert(session, handle) {
      const { id, expiresAtMs } = session
      const { host, hash } = handle
      await link.run(scripts.INSERT, [...[ttlOf(expiresAtMs), id, host, hash, expiresAtMs], ...fieldsOf(session)])
    },
    async signInAgain(session, { hash, host, shown = '' }, before) {
      const { id, expiresAtMs } = session
      const row = await link.run(scripts.SIGN_IN_AGAIN, [
        ...[ttlOf(expiresAtMs), id, host, hash, expiresAtMs],
        ...[before.createdAtMs, before.shown, ...replacedFields(before.replaced), shown],
        before.ownSid ? sidIndex(session.issuer, before.ownSid) : '',
        ...fieldsOf(session),
      ])
      return row === 1
    },
    async addHandle({ sessionId, host, hash, shown = '' }, replaced = null) {
      const args = [sessionId, host, hash, shown, ...replacedFields(replaced), COOKIES_OF + sessionId]
      return (await link.run(scripts.ADD_HANDLE, args)) === 1
    },
    async findByHash(hash) {
      const row = await link.run(scripts.FIND_BY_HASH, [hash])
      if (!Array.isArray(row)) return null
      const [id, host, fields, lastsMs, shown] = row
      const session = parseStored(id, fields)
      if (session === null) return null
      if (typeof shown !== 'string') return { session, host: String(host) }
      return { session, host: String(host), untilMs: untilOf(Number(lastsMs)), shown }
    },
    async findById(sessionId) {
      return parseStored(sessionId, pairsOf(await link.send('HGETALL', [`sallyport:1:session:${sessionId}`])))
    },
    async findHosts(sessionId) {
      const hosts = await link.run(scripts.FIND_HOSTS, [sessionId])
      return Array.isArray(hosts) ? [...new Set(hosts.map(String))] : []
    },
    async findBySubject(issuer, subject) {
      return sessionsOf(await listed(subjectIndex(issuer, subject), '+', MOST_OF_ONE))
    },
    async findBySid(issuer, sid) {
      return sessionsOf(await listed(sidIndex(issuer, sid), '+', MOST_OF_ONE))
    },
    async list(portal, { after, limit }) {
      const rows = await listed(portalIndex(portal), after === null ? '+' : `(${after}`, limit + 1)
      const page = rows.slice(0, limit)
      return { sessions: sessionsOf(page), next: rows.length > limit ? (page.at(-1)?.place ?? null) : null }
    },
    async countSessions(nowMs) {
      return Number(await link.send('ZCOUNT', ['sallyport:1:expires', `(${nowMs}`, '+inf']))
    },
    async update(sessionId, fields, before) {
      const row = await link.send('HGET', [`sallyport:1:session:${sessionId}`, 'issuer'])
      if (typeof row !== 'string') return false
      const place = fields.sid === null ? '' : sidIndex(row, fields.sid)
      return (await link.run(scripts.UPDATE, [sessionId, place, before ?? '', ...refreshedFields(fields)])) === 1
    },
    async lease(sessionId, nowMs, untilMs) {
      const got = await link.run(scripts.LEASE, [sessionId, untilMs - nowMs, untilMs])
      return got === 1 ? 'taken' : got === 2 ? 'left' : null
    },
    async release(sessionId, untilMs, isLeft) {
      await link.run(scripts.RELEASE, [sessionId, untilMs, isLeft ? LEFT_MS : 0])
    },
    async touch(seen) {
      const all = [...seen]
      const gone: string[] = []
      for (let from = 0; from < all.length; from += BATCH) {
        const ids = await link.run(scripts.TOUCH, all.slice(from, from + BATCH).flat())
        if (Array.isArray(ids)) gone.push(...ids.map(String))
      }
      return gone
    },
    async remove(...sessionIds) {
      for (let from = 0; from < sessionIds.length; from += BATCH) {
        await link.run(scripts.REMOVE, sessionIds.slice(from, from + BATCH))
      }
    },
  }
}

function replacedFields(replaced: ReplacedHandle | null): readonly (string | number)[] {
  return replaced === null ? ['', 0, ''] : [replaced.hash, replaced.lastsMs, replaced.shown]
}

interface Listed {
  readonly session: StoredSession | null
  readonly place: string
}

function sessionsOf(rows: readonly Listed[]): readonly StoredSession[] {
  return rows.flatMap(({ session }) => (session === null ? [] : [session]))
}

/** HGETALL outside of a script answers a map. */
function pairsOf(raw: unknown): unknown {
  return typeof raw === 'object' && raw !== null && !Array.isArray(raw) ? Object.entries(raw).flat() : raw
}
