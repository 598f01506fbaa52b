/** Sessions in Redis: hashes, and the sets by which they are found. */

import { sha256 } from '../../base/bytes.ts'
import { EVERYONE } from '../ended.ts'
import type { SignInStore } from '../store.ts'
import { COOKIES_OF, LEFT_MS, type RefreshedFields, type ReplacedHandle, type StoredSession } from '../store.ts'
import { BATCH, type RedisLink, serverMs } from './connection.ts'
import { CHANGES } from './scripts/script.ts'
import * as scripts from './scripts/sessions.ts'

/** What PTTL says of a key that is not there. */
const GONE = -2

const SCANNED_AT_ONCE = 5_000

/** One person has a handful of sessions; this bounds what a broken client may have made of it. */
const MOST_OF_ONE = 1000

/** The sign-ins on a server: each a hash, with a place in the index of its portal, its person and its provider's session. */
export function sessionsOver(
  link: RedisLink,
  ttlOf: (expiresAtMs: number) => number,
  /** How long until then. */
  lastsOf: (expiresAtMs: number) => number,
  untilOf: (lastsMs: number) => number | undefined,
): SignInStore {
  async function listed(index: string, from: string, count: number): Promise<readonly Listed[]> {
    const found = await link.send('ZREVRANGEBYLEX', [`sallyport:1:${index}`, from, '-', 'LIMIT', '0', `${count}`])
    const places = Array.isArray(found) ? found.map(String) : []
    const rows = await Promise.all(
      places.map(async place => {
        const id = place.slice(PLACE_DIGITS + 1)
        const fields = pairsOf(await link.send('HGETALL', [`sallyport:1:session:${id}`]))
        return { session: parseStored(id, fields), place }
      }),
    )
    // An expired session leaves its entry in the index behind; where writing is not allowed, the entry stays.
    const gone = rows.flatMap(({ session, place }) => (session === null ? [place] : []))
    if (gone.length > 0) await link.send('ZREM', [`sallyport:1:${index}`, ...gone]).catch(() => undefined)
    return rows
  }

  /** What `FIND_BY_HASH` answers, by plain commands and one round trip more. */
  async function plainlyBy(hash: string): Promise<readonly unknown[]> {
    const key = `sallyport:1:handle:${hash}`
    const handle = await link.send('GET', [key])
    if (typeof handle !== 'string') return []
    // In this order, since whatever shortens a cookie's time first stores what the cookie has shown.
    const rest = [link.send('HGETALL', [`sallyport:1:session:${idOf(handle)}`]), link.send('PTTL', [key])]
    return [handle, ...(await Promise.all(rest))]
  }

  return {
    async insert(session, handle) {
      const { id, expiresAtMs } = session
      const { host, hash } = handle
      await link.run(scripts.INSERT, [
        ...[ttlOf(expiresAtMs), id, host, hash, lastsOf(expiresAtMs)],
        ...fieldsOf(session),
      ])
    },
    async signInAgain(session, { hash, host, shown = '' }, before) {
      const { id, expiresAtMs } = session
      const row = await link.run(scripts.SIGN_IN_AGAIN, [
        ...[ttlOf(expiresAtMs), id, host, hash, lastsOf(expiresAtMs)],
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
      const found = (await link.look(scripts.FIND_BY_HASH, [hash])) ?? (await plainlyBy(hash))
      const [handle, fields, lastsMs] = Array.isArray(found) ? found : []
      const host = hostOf(handle)
      if (typeof handle !== 'string' || host === null) return null
      const id = idOf(handle)
      const pairs = pairsOf(fields)
      const session = parseStored(id, pairs)
      // Where a cookie has ended meanwhile, what it has shown may be gone too. Without that it would count for all of
      // the session.
      if (session === null || Number(lastsMs) === GONE) return null
      const at = pairs.indexOf(`shown:${hash}`)
      if (at === -1) return { session, host }
      return { session, host, untilMs: untilOf(Number(lastsMs)), shown: pairs[at + 1] }
    },
    async findById(sessionId) {
      return parseStored(sessionId, pairsOf(await link.send('HGETALL', [`sallyport:1:session:${sessionId}`])))
    },
    async findHosts(sessionId) {
      const hashes = await link.send('SMEMBERS', [`sallyport:1:handles:${sessionId}`])
      if (!Array.isArray(hashes) || hashes.length === 0) return []
      const handles = await link.send(
        'MGET',
        hashes.map(hash => `sallyport:1:handle:${hash}`),
      )
      const hosts = Array.isArray(handles) ? handles.flatMap(handle => hostOf(handle) ?? []) : []
      return [...new Set(hosts)]
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
    async countSessions() {
      return Number(await link.send('ZCOUNT', ['sallyport:1:expires', `(${await serverMs(link)}`, '+inf']))
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
    async release(sessionId, untilMs, leftOf) {
      await link.run(scripts.RELEASE, [sessionId, untilMs, leftOf === null ? 0 : LEFT_MS, leftOf ?? ''])
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
      const refreshable: StoredSession[] = []
      for (let from = 0; from < sessionIds.length; from += BATCH) {
        const rows = await link.run(scripts.REMOVE, sessionIds.slice(from, from + BATCH))
        for (const row of Array.isArray(rows) ? rows : []) {
          const [id, fields] = Array.isArray(row) ? row : []
          const session = parseStored(id, pairsOf(fields))
          if (session !== null) refreshable.push(session)
        }
      }
      return refreshable
    },
    async endCookies() {
      // All ids first: who signs in meanwhile is not among them.
      const ids = new Set<string>()
      for (let cursor = '0', isMore = true; isMore; isMore = cursor !== '0') {
        const found = await link.send('ZSCAN', ['sallyport:1:expires', cursor, 'COUNT', `${SCANNED_AT_ONCE}`])
        const [next, pairs] = Array.isArray(found) ? found : []
        cursor = String(next ?? '0')
        for (const [at, id] of (Array.isArray(pairs) ? pairs : []).entries()) if (at % 2 === 0) ids.add(String(id))
      }
      const all = [...ids]
      for (let from = 0; from < all.length; from += BATCH)
        await link.run(scripts.END_COOKIES, all.slice(from, from + BATCH))
      await link.send('XADD', [CHANGES, '*', 'ended', JSON.stringify(EVERYONE)])
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

/** A hash, which a server may answer as a map, as names and values in turn. */
function pairsOf(raw: unknown): readonly string[] {
  if (typeof raw !== 'object' || raw === null) return []
  return (Array.isArray(raw) ? raw : Object.entries(raw).flat()).map(String)
}

/** Of "ID HOST". */
function idOf(handle: string): string {
  return handle.slice(0, handle.indexOf(' '))
}

/** The same. */
function hostOf(handle: unknown): string | null {
  const at = typeof handle === 'string' ? handle.indexOf(' ') : -1
  return typeof handle === 'string' && at > 0 ? handle.slice(at + 1) : null
}

/** Digits of a time in a place: enough until the year 33658. */
const PLACE_DIGITS = 15

/** Where a session stands in every index: by age, then by id. */
function placeOf(session: Pick<StoredSession, 'createdAtMs' | 'id'>): string {
  return `${String(session.createdAtMs).padStart(PLACE_DIGITS, '0')}.${session.id}`
}

/** The index of a person's sessions. Hashed, since what providers say may hold anything, at any length. */
function subjectIndex(issuer: string, subject: string): string {
  return `subject:${sha256(JSON.stringify([issuer, subject]))}`
}

/** The index of what comes from one session at an issuer. */
function sidIndex(issuer: string, sid: string): string {
  return `sid:${sha256(JSON.stringify([issuer, sid]))}`
}

/** The index of a portal’s sessions. */
function portalIndex(portal: string): string {
  return `portal:${portal}`
}

/** A session's hash, as names and values in turn. */
function fieldsOf(session: StoredSession): readonly string[] {
  return [
    ...['portal', session.portal, 'issuer', session.issuer, 'subject', session.subject],
    ...['agent', session.agent, 'client', session.client, 'remembered', flag(session.isRemembered)],
    ...['created', `${session.createdAtMs}`, 'expires', `${session.expiresAtMs}`, 'seen', `${session.lastSeenMs}`],
    ...refreshedFields(session),
    ...['place', placeOf(session), 'in_portal', portalIndex(session.portal)],
    ...['in_subject', subjectIndex(session.issuer, session.subject)],
    ...(session.sid === null ? [] : ['in_sid', sidIndex(session.issuer, session.sid)]),
  ]
}

/** What a refresh writes of a session's hash. */
function refreshedFields(fields: RefreshedFields): readonly string[] {
  return [
    ...['identity', fields.identity, 'secrets', fields.secrets, 'checked', `${fields.checkedAtMs}`],
    ...['refreshable', flag(fields.isRefreshable), ...(fields.sid === null ? [] : ['sid', fields.sid])],
  ]
}

/** A session from its hash, or null where a field is missing (it may have expired a moment ago). */
function parseStored(id: unknown, raw: unknown): StoredSession | null {
  if (typeof id !== 'string' || !Array.isArray(raw)) return null
  const fields = new Map<string, string>()
  for (let index = 0; index + 1 < raw.length; index += 2) fields.set(String(raw[index]), String(raw[index + 1]))
  const text = (name: string) => fields.get(name) ?? ''
  const time = (name: string) => Number(fields.get(name) ?? Number.NaN)
  const session: StoredSession = {
    id,
    portal: text('portal'),
    issuer: text('issuer'),
    subject: text('subject'),
    sid: fields.get('sid') ?? null,
    identity: text('identity'),
    secrets: text('secrets'),
    agent: text('agent'),
    client: text('client'),
    isRemembered: text('remembered') === '1',
    createdAtMs: time('created'),
    expiresAtMs: time('expires'),
    lastSeenMs: time('seen'),
    checkedAtMs: time('checked'),
    isRefreshable: text('refreshable') === '1',
  }
  const times = session.createdAtMs + session.expiresAtMs + session.lastSeenMs + session.checkedAtMs
  return session.portal === '' || session.identity === '' || !Number.isFinite(times) ? null : session
}

function flag(value: boolean): string {
  return value ? '1' : '0'
}
