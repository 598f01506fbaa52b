import type { Facts } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import type { SessionStore } from '../store.ts'
import { tokensOver } from './api-tokens.ts'
import { auditOver } from './audit.ts'
import { createChangeFeed } from './changes.ts'
import { BATCH, openRedisLink } from './connection.ts'
import { CHANGES_KEPT_MS, createEndings, type EndedAgain } from './endings.ts'
import { linksOver } from './guest-links.ts'
import { onceOver } from './one-time.ts'
import { ownersOver } from './owners.ts'
import { allowancesOver } from './rate-limits.ts'
import { pushedOver } from './scim.ts'
import { CHANGES } from './scripts/script.ts'
import { PURGE, REPLACE_SHARED } from './scripts/shared.ts'
import { sessionsOver } from './sessions.ts'
import { serverMs } from './time.ts'

/** Where the server is. */
export interface RedisAddress {
  /** `redis:` or `rediss:`, with the password. */
  readonly url: string
  /** The same for people: without the password. */
  readonly shownAs: string
}

export interface RedisListener {
  /** The server lost its data while this process was connected. */
  readonly onLost?: (store: SessionStore) => void
  /** There is a new connection, which may lead to another server than the one before. */
  readonly onConnected?: (store: SessionStore) => void
}

/** The server keeps everything this much longer than it is used, so that nodes with different clocks agree. */
const GRACE_MS = 60 * 60 * 1000

/** Steps of one purge. */
const PURGE_STEPS = 20

const BEHIND = 'The session store has lost what was last written to it, as by a failover to a replica that was behind'

/** Times as the operator's other logs have them; `unknown_before` where sign-outs may count no more of which nothing is remembered. */
function behindFacts({ number, sinceMs }: EndedAgain, heardMs: number, keptMs: number): Facts {
  const at = (ms: number) => new Date(ms).toISOString()
  return {
    last_change: at(heardMs),
    last_left: keptMs === 0 ? 'nothing' : at(keptMs),
    ended_again: number,
    ...(keptMs !== 0 && keptMs < sinceMs ? { unknown_before: at(sinceMs) } : {}),
    hint: 'sign-outs that this process made or heard of were made again; look at granted roles and at what providers push. min-replicas-to-write on the primary bounds what a failover can lose',
  }
}

/**
 * A SessionStore on a Redis or Valkey server, for several machines.
 *
 * Opens at once and connects in the background; without a connection every call throws. The server expires rows, and
 * the caller decides what that means. An acknowledged write is as durable as the server's settings make it
 * (`appendonly`), and the server must not evict (`maxmemory-policy noeviction`).
 */
export function openRedisStore(
  address: RedisAddress,
  ports: Pick<Ports, 'now' | 'log'>,
  { onLost, onConnected }: RedisListener = {},
): SessionStore {
  const { log } = ports
  const shownAs = { store: address.shownAs }
  const endings = createEndings(ports)
  const changes = createChangeFeed(ports, endings, {
    onLost({ number }) {
      const facts = number === 0 ? shownAs : { ...shownAs, ended_again: number }
      log.error('The session store was emptied or put back; who is not in it has to sign in again', facts)
      onLost?.(store)
    },
    onBehind: (...behind) => log.error(BEHIND, { ...shownAs, ...behindFacts(...behind) }),
  })
  const link = openRedisLink({
    ...address,
    log: ports.log,
    greet: changes.greet,
    onConnected: () => onConnected?.(store),
  })
  const lastsOf = (expiresAtMs: number) => Math.round(Math.max(0, expiresAtMs - ports.now()))
  const ttlOf = (expiresAtMs: number) => lastsOf(expiresAtMs) + GRACE_MS
  // Everything that has not expired lives longer than the grace period, except a cookie that was replaced.
  const untilOf = (lastsMs: number) => (lastsMs < GRACE_MS ? ports.now() + lastsMs : undefined)

  const signIns = sessionsOver(link, ttlOf, lastsOf, untilOf)
  const tokens = tokensOver(link, ttlOf)
  const links = linksOver(link, ttlOf)
  const owners = ownersOver(link, ttlOf)
  /** A short token is named ID/HASH after the one that it goes with. */
  function ifGoing<Found>(found: Found | null, idOf: (found: Found) => string): Found | null {
    return found !== null && endings.hasEnded(idOf(found).split('/', 1)[0] ?? '') ? null : found
  }

  const store: SessionStore = {
    ...signIns,
    ...onceOver(link, ttlOf),
    ...allowancesOver(link),
    ...tokens,
    ...owners,
    ...links,
    ...pushedOver(link),
    ...auditOver(link),
    // What has ended stays so on a server that does not know it: a replica that was behind, whether or not it takes writes by now.
    findByHash: async hash => ifGoing(await signIns.findByHash(hash), ({ session }) => session.id),
    findById: async id => ifGoing(await signIns.findById(id), session => session.id),
    async signInAgain(session, handle, before) {
      return !endings.hasEnded(session.id) && signIns.signInAgain(session, handle, before)
    },
    findToken: async hash => ifGoing(await tokens.findToken(hash), ({ id }) => id),
    findTokenById: async id => ifGoing(await tokens.findTokenById(id), token => token.id),
    findLink: async hash => ifGoing(await links.findLink(hash), ({ id }) => id),
    findLinkById: async id => ifGoing(await links.findLinkById(id), found => found.id),
    async findOwner(id) {
      const owner = await owners.findOwner(id)
      const note = endings.noteOf(id)
      return owner === null || note === null || owner.notedAtMs > note.notedAtMs ? owner : { ...owner, ...note }
    },
    // What the server has acknowledged counts, also before this process hears of it with what others did.
    async remove(...sessionIds) {
      const refreshable = await signIns.remove(...sessionIds)
      endings.removed(...sessionIds)
      return refreshable
    },
    async removeToken(tokenId) {
      const isThere = await tokens.removeToken(tokenId)
      if (isThere) endings.removed(tokenId)
      return isThere
    },
    async removeLink(linkId) {
      const isThere = await links.removeLink(linkId)
      if (isThere) endings.removed(linkId)
      return isThere
    },
    async noteOwners(notes) {
      const told = await owners.noteOwners(notes)
      for (const id of told) {
        const note = notes.get(id)
        if (note !== undefined) endings.noted(id, note.standing, note.atMs)
      }
      return told
    },
    onWritten: null,
    async tellEnded(match) {
      await link.send('XADD', [CHANGES, '*', 'ended', JSON.stringify(match)])
    },
    changesSince: () => changes.since(link.send),
    async readShared(name) {
      const value = await link.send('GET', [`sallyport:1:shared:${name}`])
      return typeof value === 'string' ? value : null
    },
    async replaceShared(name, before, after) {
      return (await link.run(REPLACE_SHARED, [name, before ?? '', after])) === 1
    },
    clock: () => serverMs(link),
    async purge(_nowMs, idleMs) {
      for (let step = 0; step < PURGE_STEPS; step++) {
        const more = await link.run(PURGE, [idleMs, BATCH, CHANGES_KEPT_MS])
        if (more !== 1) break
      }
      return []
    },
    close: () => link.close(),
  }
  return store
}
