import { sha256 } from '../../base/bytes.ts'
import type { Ports } from '../../base/ports.ts'
import type { SessionStore, StoredChanges, StoredSession } from '../store.ts'
import { tokensOver } from './api-tokens.ts'
import { openRedisLink } from './connection.ts'
import { linksOver } from './guest-links.ts'
import { ownersOver } from './owners.ts'
import { fieldsOf, parseStored, portalIndex, refreshedFields, sidIndex, subjectIndex } from './rows.ts'
import * as scripts from './scripts.ts'

/** Where the server is. */
export interface RedisAddress {
  /** `redis:` or `rediss:`, with the password. */
  readonly url: string
  /** The same for people: without the password. */
  readonly shownAs: string
}

/** Whatever the server keeps lives this much longer than its use, so that nodes whose clocks differ agree on it. */
const GRACE_MS = 60 * 60 * 1000

/** Changes are told to other nodes for this long. */
const CHANGES_KEPT_MS = 60 * 60 * 1000

/** Ids and places in one step, so that a large clean-up never holds up the server; and steps of one purge. */
const BATCH = 500
const PURGE_STEPS = 20

/** One person has a handful of sessions; this bounds what a broken client may have made of it. */
const MOST_OF_ONE = 1000

/**
 * A SessionStore on a Redis or Valkey server, for several machines.
 *
 * Opens at once and connects by itself; while there is no connection every call throws. Times to live are the server's, what they
 * mean is decided above. What the server acknowledges is as durable as it is set up to be (`appendonly`), and it must not evict
 * (`maxmemory-policy noeviction`).
 */
export function openRedisStore(address: RedisAddress, ports: Pick<Ports, 'now' | 'log'>): SessionStore {
  let position = '0-0'
  let hasBegun = false
  let hasMissed = false
  let heardAtMs = ports.now()
  let hearing: Promise<StoredChanges> | null = null

  const link = openRedisLink({
    ...address,
    log: ports.log,
    async greet(send) {
      position = newestId(await send('XREVRANGE', [scripts.CHANGES, '+', '-', 'COUNT', '1']))
      // Meanwhile anything may have happened, and the server may have lost what it was told last.
      hasMissed = hasBegun
      hasBegun = true
      heardAtMs = ports.now()
    },
  })

  const ttlOf = (expiresAtMs: number) => Math.round(Math.max(0, expiresAtMs - ports.now()) + GRACE_MS)

  async function listed(index: string, from: string, count: number): Promise<readonly Listed[]> {
    const rows = await link.run(scripts.LIST, [index, from, count])
    return Array.isArray(rows)
      ? rows.map(([id, fields, place]) => ({ session: parseStored(id, fields), place: String(place) }))
      : []
  }

  async function hear(): Promise<StoredChanges> {
    const removed: string[] = []
    const updated: string[] = []
    for (let from = position; ; ) {
      const rows = await link.send('XRANGE', [scripts.CHANGES, `(${from}`, '+', 'COUNT', `${BATCH}`])
      if (!Array.isArray(rows) || rows.length === 0) {
        position = from
        break
      }
      for (const [id, [what, sessionId]] of rows) {
        from = String(id)
        if (what === 'removed') removed.push(String(sessionId))
        else updated.push(String(sessionId))
      }
    }
    const nowMs = ports.now()
    const isComplete = !hasMissed && nowMs - heardAtMs < CHANGES_KEPT_MS / 2
    hasMissed = false
    heardAtMs = nowMs
    return isComplete ? { removed, updated } : { removed, updated, isIncomplete: true }
  }

  return {
    ...tokensOver(link, ttlOf),
    ...ownersOver(link, ttlOf),
    ...linksOver(link, ttlOf),
    async insert(session, handle) {
      const { id, expiresAtMs, lastSeenMs } = session
      const { host, hash } = handle
      await link.run(scripts.INSERT, [
        ...[ttlOf(expiresAtMs), id, host, hash, expiresAtMs, lastSeenMs],
        ...fieldsOf(session),
      ])
    },
    async addHandle({ sessionId, host, hash }) {
      return (await link.run(scripts.ADD_HANDLE, [sessionId, host, hash])) === 1
    },
    async findByHash(hash) {
      const row = await link.run(scripts.FIND_BY_HASH, [hash])
      if (!Array.isArray(row)) return null
      const [id, host, fields] = row
      const session = parseStored(id, fields)
      return session === null ? null : { session, host: String(host) }
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
    async update(sessionId, fields) {
      const row = await link.send('HGET', [`sallyport:1:session:${sessionId}`, 'issuer'])
      if (typeof row !== 'string') return false
      const place = fields.sid === null ? '' : sidIndex(row, fields.sid)
      return (await link.run(scripts.UPDATE, [sessionId, place, ...refreshedFields(fields)])) === 1
    },
    async lease(sessionId, nowMs, untilMs) {
      return (await link.run(scripts.LEASE, [sessionId, nowMs, untilMs])) === 1
    },
    async release(sessionId) {
      await link.run(scripts.RELEASE, [sessionId])
    },
    async touch(seen) {
      const all = [...seen]
      for (let from = 0; from < all.length; from += BATCH) {
        await link.run(scripts.TOUCH, all.slice(from, from + BATCH).flat())
      }
    },
    async remove(...sessionIds) {
      for (let from = 0; from < sessionIds.length; from += BATCH) {
        await link.run(scripts.REMOVE, sessionIds.slice(from, from + BATCH))
      }
    },
    changesSince() {
      // One at a time: two that read from the same position would hear everything twice.
      hearing ??= hear().finally(() => {
        hearing = null
      })
      return hearing
    },
    async put(record, { perOwner, total }) {
      const { kind, hash, owner, value, expiresAtMs } = record
      const args = [kind, hash, sha256(owner), value, expiresAtMs, ttlOf(expiresAtMs), perOwner, total]
      return (await link.run(scripts.PUT, args)) === 1
    },
    async take(kind, hash, nowMs) {
      const value = await link.run(scripts.TAKE, [kind, hash, nowMs])
      return typeof value === 'string' ? value : null
    },
    async readShared(name) {
      const value = await link.send('GET', [`sallyport:1:shared:${name}`])
      return typeof value === 'string' ? value : null
    },
    async replaceShared(name, before, after) {
      return (await link.run(scripts.REPLACE_SHARED, [name, before ?? '', after])) === 1
    },
    async peek(kind, hash, nowMs) {
      const value = await link.run(scripts.PEEK, [kind, hash, nowMs])
      return typeof value === 'string' ? value : null
    },
    async purge(nowMs, idleBeforeMs) {
      for (let step = 0; step < PURGE_STEPS; step++) {
        const more = await link.run(scripts.PURGE, [nowMs, idleBeforeMs, BATCH, ports.now() - CHANGES_KEPT_MS])
        if (more !== 1) return
      }
    },
    close: () => link.close(),
  }
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

function newestId(rows: unknown): string {
  const id = Array.isArray(rows) ? rows[0]?.[0] : undefined
  return typeof id === 'string' ? id : '0-0'
}
