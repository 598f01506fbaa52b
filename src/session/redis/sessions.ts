/** Sessions in Redis: hashes, and the sets by which they are found. */

import { sha256 } from '../../base/bytes.ts'
import { EVERYONE } from '../ended.ts'
import {
  COOKIES_OF,
  LEFT_MS,
  type RefreshedFields,
  type ReplacedHandle,
  type SignInStore,
  type StoredSession,
} from '../store.ts'
import { BATCH, serverMs } from './connection.ts'
import { grouped, inEach, type RedisPartition, type RedisPartitions } from './partitions.ts'
import type { Endings } from './repeat-after-failover.ts'
import * as scripts from './session-scripts.ts'

/** What PTTL says of a key that is not there. */
const GONE = -2

const SCANNED_AT_ONCE = 5_000

/** One person has a handful of sessions, and who signs in by a script may have thousands: so many are read at a time. */
const READ_AT_ONCE = 200

/** How long what is over at some time is kept, and how long it is until then; the time of a cookie that ends before its session. */
export interface Times {
  ttlOf(expiresAtMs: number): number
  lastsOf(expiresAtMs: number): number
  untilOf(lastsMs: number): number | undefined
}

/**
 * The sign-ins on a server: each a hash, with a place in the index of its portal, its person and its provider's session. What has
 * ended stays so on a server that does not know it: a replica that was behind, whether or not it takes writes by now.
 */
export function sessionsOver(
  partitions: RedisPartitions,
  endings: Pick<Endings, 'removed' | 'hasEnded'>,
  { ttlOf, lastsOf, untilOf }: Times,
): SignInStore {
  const ofSession = (id: string) => partitions.of({ session: id })

  return {
    async insert(session, handle) {
      const { id, expiresAtMs } = session
      const { host, hash } = handle
      await ofSession(id).run(scripts.INSERT, [
        ...[ttlOf(expiresAtMs), id, host, hash, lastsOf(expiresAtMs)],
        ...fieldsOf(session),
      ])
    },
    async signInAgain(session, { hash, host, shown = '' }, before) {
      const { id, expiresAtMs } = session
      if (endings.hasEnded(id)) return false
      const row = await ofSession(id).run(scripts.SIGN_IN_AGAIN, [
        ...[ttlOf(expiresAtMs), id, host, hash, lastsOf(expiresAtMs)],
        ...[before.createdAtMs, before.shown, ...replacedFields(before.replaced), shown],
        before.ownSid ? sidIndex(session.issuer, before.ownSid) : '',
        ...fieldsOf(session),
      ])
      return row === 1
    },
    async addHandle({ sessionId, host, hash, shown = '' }, replaced = null) {
      const args = [sessionId, host, hash, shown, ...replacedFields(replaced), COOKIES_OF + sessionId]
      return (await ofSession(sessionId).run(scripts.ADD_HANDLE, args)) === 1
    },
    async findByHash(hash) {
      const partition = partitions.ofHandle(hash)
      const found = (await partition.look(scripts.FIND_BY_HASH, [hash])) ?? (await plainlyBy(hash, partition))
      const [handle, fields, lastsMs] = Array.isArray(found) ? found : []
      const host = hostOf(handle)
      if (typeof handle !== 'string' || host === null) return null
      const id = idOf(handle)
      const pairs = textsOf(fields)
      const session = parseStored(id, pairs)
      // Where a cookie has ended meanwhile, what it has shown may be gone too. Without that it would count for all of
      // the session.
      if (session === null || endings.hasEnded(id) || Number(lastsMs) === GONE) return null
      const at = pairs.indexOf(`shown:${hash}`)
      if (at === -1) return { session, host }
      return { session, host, untilMs: untilOf(Number(lastsMs)), shown: pairs[at + 1] }
    },
    async findById(sessionId) {
      const { prefix, send } = ofSession(sessionId)
      const session = parseStored(sessionId, textsOf(await send('HGETALL', [`${prefix}session:${sessionId}`])))
      return endings.hasEnded(sessionId) ? null : session
    },
    async findHosts(sessionId) {
      const { prefix, send } = ofSession(sessionId)
      const hashes = await send('SMEMBERS', [`${prefix}handles:${sessionId}`])
      if (!Array.isArray(hashes)) return []
      // One by one: a server of a cluster may have some of them while others still have to come to it.
      const handles = await Promise.all(hashes.map(hash => send('GET', [`${prefix}handle:${hash}`])))
      return [...new Set(handles.flatMap(handle => hostOf(handle) ?? []))]
    },
    async findBySubject(issuer, subject) {
      return sessionsOf(await allIn(partitions, subjectIndex(issuer, subject)))
    },
    async findBySid(issuer, sid) {
      return sessionsOf(await allIn(partitions, sidIndex(issuer, sid)))
    },
    async list(portal, { after, limit }) {
      const rows = await listedIn(partitions, portalIndex(portal), after === null ? '+' : `(${after}`, limit + 1)
      const page = rows.slice(0, limit)
      return { sessions: sessionsOf(page), next: rows.length > limit ? (page.at(-1)?.place ?? null) : null }
    },
    async countSessions(_, portal) {
      const counts = await inEach(partitions.all, async one =>
        portal === undefined
          ? Number(await one.send('ZCOUNT', [`${one.prefix}expires`, `(${await serverMs(one)}`, '+inf']))
          : Number(await one.send('ZCARD', [one.prefix + portalIndex(portal)])),
      )
      return counts.reduce((sum, count) => sum + count, 0)
    },
    async update(sessionId, fields, before) {
      const { prefix, send, run } = ofSession(sessionId)
      const row = await send('HGET', [`${prefix}session:${sessionId}`, 'issuer'])
      if (typeof row !== 'string') return false
      const place = fields.sid === null ? '' : sidIndex(row, fields.sid)
      return (await run(scripts.UPDATE, [sessionId, place, before ?? '', ...refreshedFields(fields)])) === 1
    },
    async bind(sessionId, bound, before) {
      return (await ofSession(sessionId).run(scripts.BIND, [sessionId, bound, before ?? ''])) === 1
    },
    async lease(sessionId, nowMs, untilMs) {
      const got = await ofSession(sessionId).run(scripts.LEASE, [sessionId, untilMs - nowMs, untilMs])
      return got === 1 ? 'taken' : got === 2 ? 'left' : null
    },
    async release(sessionId, untilMs, leftOf) {
      await ofSession(sessionId).run(scripts.RELEASE, [sessionId, untilMs, leftOf === null ? 0 : LEFT_MS, leftOf ?? ''])
    },
    async touch(seen) {
      const gone = await inEach(
        grouped(partitions, seen, ([id]) => id),
        async ([{ run }, all]) => (await inBatches(all, batch => run(scripts.TOUCH, batch.flat()))).map(String),
      )
      return gone.flat()
    },
    async remove(...sessionIds) {
      const rows = await inEach(
        grouped(partitions, sessionIds, id => id),
        async ([{ run }, ids]) => {
          return inBatches(ids, async batch => {
            const answer = await run(scripts.REMOVE, batch)
            // What the server has acknowledged counts, also before this process hears of it, and where another takes over before the next.
            endings.removed(...batch)
            return answer
          })
        },
      )
      const removed = rows.flat().flatMap(row => (Array.isArray(row) ? [row] : []))
      return {
        ids: removed.map(([id]) => String(id)),
        refreshable: removed.flatMap(([id, fields]) => parseStored(id, textsOf(fields)) ?? []),
      }
    },
    async endCookies() {
      await inEach(partitions.all, endCookiesIn)
      const { prefix, send } = partitions.of('global')
      await send('XADD', [`${prefix}changes`, '*', 'ended', JSON.stringify(EVERYONE)])
    },
  }
}

async function placesIn(partition: RedisPartition, index: string, from: string, count: number) {
  const range = [partition.prefix + index, from, '-', 'LIMIT', '0', `${count}`]
  const found = await partition.send('ZREVRANGEBYLEX', range)
  return Array.isArray(found) ? found.map(place => ({ partition, place: String(place) })) : []
}

/** The first so many of an index, newest first, of which each partition has the places of its own sessions. */
async function listedIn(
  partitions: RedisPartitions,
  index: string,
  from: string,
  count: number,
): Promise<readonly Listed[]> {
  const found = (await inEach(partitions.all, one => placesIn(one, index, from, count))).flat()
  const places = found.sort((one, other) => (one.place < other.place ? 1 : -1)).slice(0, count)
  const rows = await Promise.all(
    places.map(async ({ partition, place }) => {
      const id = place.slice(PLACE_DIGITS + 1)
      const fields = textsOf(await partition.send('HGETALL', [`${partition.prefix}session:${id}`]))
      return { session: parseStored(id, fields), place, partition }
    }),
  )
  // An expired session leaves its entry in the index behind; where writing is not allowed, the entry stays.
  const gone = rows.filter(({ session }) => session === null)
  await Promise.allSettled(gone.map(({ place, partition: { prefix, send } }) => send('ZREM', [prefix + index, place])))
  return rows
}

/** All of an index: whoever ends what somebody has must not leave the oldest of it. */
async function allIn(partitions: RedisPartitions, index: string): Promise<readonly Listed[]> {
  const all: Listed[] = []
  for (let from = '+'; ; from = `(${all.at(-1)?.place}`) {
    const page = await listedIn(partitions, index, from, READ_AT_ONCE)
    all.push(...page)
    if (page.length < READ_AT_ONCE) return all
  }
}

/** What `FIND_BY_HASH` answers, by plain commands and one round trip more. */
async function plainlyBy(hash: string, { prefix, send }: RedisPartition): Promise<readonly unknown[]> {
  const key = `${prefix}handle:${hash}`
  const handle = await send('GET', [key])
  if (typeof handle !== 'string') return []
  // In this order, since whatever shortens a cookie's time first stores what the cookie has shown.
  const rest = [send('HGETALL', [`${prefix}session:${idOf(handle)}`]), send('PTTL', [key])]
  return [handle, ...(await Promise.all(rest))]
}

/** What a script answers of each of these, so many at a time. */
async function inBatches<T>(all: readonly T[], run: (batch: readonly T[]) => Promise<unknown>): Promise<unknown[]> {
  const answers: unknown[] = []
  for (let from = 0; from < all.length; from += BATCH) {
    const answer = await run(all.slice(from, from + BATCH))
    if (Array.isArray(answer)) answers.push(...answer)
  }
  return answers
}

async function endCookiesIn({ prefix, send, run }: RedisPartition): Promise<void> {
  // All ids first: who signs in meanwhile is not among them.
  const ids = new Set<string>()
  for (let cursor = '0', isMore = true; isMore; isMore = cursor !== '0') {
    const found = await send('ZSCAN', [`${prefix}expires`, cursor, 'COUNT', `${SCANNED_AT_ONCE}`])
    const [next, pairs] = Array.isArray(found) ? found : []
    cursor = String(next ?? '0')
    for (const [at, id] of (Array.isArray(pairs) ? pairs : []).entries()) if (at % 2 === 0) ids.add(String(id))
  }
  await inBatches([...ids], batch => run(scripts.END_COOKIES, batch))
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

/** A hash, as names and values in turn. */
function textsOf(reply: unknown): readonly string[] {
  return Array.isArray(reply) ? reply.map(String) : []
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
    ...(session.bound === undefined ? [] : ['bound', session.bound]),
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
    ...(fields.has('bound') ? { bound: text('bound') } : {}),
  }
  const times = session.createdAtMs + session.expiresAtMs + session.lastSeenMs + session.checkedAtMs
  return session.portal === '' || session.identity === '' || !Number.isFinite(times) ? null : session
}

function flag(value: boolean): string {
  return value ? '1' : '0'
}
