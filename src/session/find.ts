/** Finds the session of a cookie or token, in memory or in the store. */

import { isToken, sha256 } from '../base/bytes.ts'
import { andThen, type MaybePromise } from '../base/maybe-promise.ts'
import type { Ports } from '../base/ports.ts'
import type { LastUses } from './last-use.ts'
import { isLive, isLiveInStore } from './lifetimes.ts'
import type { SessionMemory } from './memory.ts'
import type { Refreshes } from './refresh.ts'
import { guarded } from './rows.ts'
import type { FoundAt, Session, Sessions } from './session.ts'
import type { CachedCookie, HeldSession } from './session-cache.ts'
import { asShown } from './sign-in-claims.ts'
import type { FoundHandle, SessionStore } from './store.ts'

export interface FindTools {
  readonly store: Pick<SessionStore, 'findByHash' | 'findById'>
  readonly ports: Pick<Ports, 'now'>
  readonly memory: SessionMemory
  readonly uses: LastUses
  /** Null where no provider is ever asked. */
  readonly refreshes: Refreshes | null
}

export interface Finder {
  readonly find: Sessions['find']
  readonly findAnywhere: Sessions['findAnywhere']
  readonly renew: Sessions['renew']
  /** Whether a session is still good, for whom no cookie comes: what an open stream asks. Counts as use. */
  isGood(sessionId: string): Promise<boolean>
}

/**
 * Finds the session of a cookie: in memory, otherwise in the store. Then it checks the current lifetimes, and whether
 * to ask the provider. In memory that costs comparisons of numbers, and no promise.
 */
export function createFinder({ store, ports, memory, uses, refreshes }: FindTools): Finder {
  const { cache } = memory

  function find(token: string, host: string): MaybePromise<Session | null> {
    const nowMs = ports.now()
    const entry = cache.get(token, nowMs)
    if (entry !== undefined) {
      if (entry.host !== host) return null
      const { held } = entry
      if (nowMs < entry.untilMs && isLive(held.moments, held.lastSeenMs, nowMs)) {
        uses.note(held, nowMs)
        const session = nowMs < held.dueAtMs ? held.session : whenDue(held, nowMs)
        return entry.shown === undefined ? session : andThen(session, seenAs, entry, nowMs)
      }
      // Over by what this process knows; another may have seen a newer use.
      cache.drop(token)
    }
    return isToken(token) ? read(token, host) : null
  }

  function findAnywhere(token: string): MaybePromise<FoundAt | null> {
    const known = cache.get(token, ports.now())
    const row = known !== undefined ? known : isToken(token) ? guarded(() => store.findByHash(sha256(token))) : null
    return andThen(row, found => {
      if (found === null) return null
      const { host } = found
      return andThen(find(token, host), session => (session === null ? null : { session, host }))
    })
  }

  function read(token: string, host: string): MaybePromise<Session | null> {
    const before = memory.forgotten
    const found = guarded(() => store.findByHash(sha256(token)))
    if (!(found instanceof Promise)) return admit(token, host, found)
    // A session that ended while it was read must not come back from that reading.
    return found.then(row => (memory.forgotten === before ? admit(token, host, row) : find(token, host)))
  }

  /** The session for a cookie from before the latest sign-in: as it was then, for as long as it was to last then. */
  function seenAs(session: Session | null, entry: CachedCookie, nowMs: number): Session | null {
    if (session === null || entry.shown === undefined) return session
    if (entry.as?.of !== session) {
      const isReplaced = entry.untilMs !== Number.POSITIVE_INFINITY
      entry.as = { of: session, session: asShown(session, entry.shown, isReplaced) }
    }
    const own = entry.as.session
    return nowMs < own.expiresAtMs ? own : null
  }

  function admit(token: string, host: string, row: FoundHandle | null): MaybePromise<Session | null> {
    if (row === null || row.host !== host) return null
    // Everyone who ends it, or comes with it, learns whether it ended.
    const ending = memory.ending.get(row.session.id)
    if (ending !== undefined) return ending.then(() => find(token, host))
    const nowMs = ports.now()
    const { shown, untilMs = Number.POSITIVE_INFINITY } = row
    const known = cache.held(row.session.id)
    // Another process has taken a later sign-in, and this one has not heard of it yet.
    if (known !== undefined && known.session.createdAtMs !== row.session.createdAtMs) memory.takeOver(row.session)
    const held = cache.held(row.session.id) ?? memory.hold(row.session)
    if (held === null || nowMs >= untilMs) return null
    if (!isInUse(held, row.session.lastSeenMs, nowMs)) return null
    uses.note(held, nowMs)
    const entry: CachedCookie = { token, host, held, untilMs, shown, as: null, movedAtMs: nowMs }
    cache.add(entry)
    const session = nowMs < held.dueAtMs ? held.session : whenDue(held, nowMs)
    return andThen(session, seenAs, entry, nowMs)
  }

  /** By its last use here, or by the last one that the store knows of. */
  function isInUse({ session, moments, lastSeenMs }: HeldSession, storedMs: number, nowMs: number): boolean {
    const hereMs = Math.max(lastSeenMs, uses.of(session.id))
    return isLive(moments, hereMs, nowMs) || isLiveInStore(moments, storedMs, nowMs)
  }

  /**
   * The old answer counts while the provider is asked, up to the limit; then it is waited for. A question that ran already may
   * have been answered before the limit, as where the machine slept since: then it is asked once more.
   */
  function whenDue(held: HeldSession, nowMs: number, isLast = false): MaybePromise<Session | null> {
    const isPastLimit = nowMs >= held.moments.limitAtMs
    if (refreshes === null || nowMs < held.retryAtMs) return isPastLimit ? null : held.session
    const flight = refreshes.run(held)
    if (!isPastLimit) return held.session
    const { id } = held.session
    return flight.then(async () => {
      const kept = cache.held(id)
      // Gone from memory: it ended while the provider was asked, or it had to make room.
      const row = kept === undefined ? await guarded(() => store.findById(id)) : null
      if (kept === undefined && (row === null || memory.hold(row) === null)) return null
      const now = kept ?? held
      if (ports.now() < now.moments.limitAtMs) return now.session
      return isLast ? null : whenDue(now, ports.now(), true)
    })
  }

  async function heldById(id: string): Promise<HeldSession | null> {
    const row = cache.held(id) === undefined ? await guarded(() => store.findById(id)) : null
    return cache.held(id) ?? (row === null ? null : memory.hold(row))
  }

  return {
    find,
    findAnywhere,
    async renew(id) {
      const held = await heldById(id)
      if (refreshes === null || held === null || !held.isRefreshable) return false
      const knownAtMs = held.checkedAtMs
      await refreshes.run(held)
      return (cache.held(id)?.checkedAtMs ?? knownAtMs) > knownAtMs
    },
    async isGood(id) {
      const held = await heldById(id)
      const nowMs = ports.now()
      if (held === null || !isInUse(held, held.storedSeenMs, nowMs)) return false
      uses.note(held, nowMs)
      return nowMs < held.dueAtMs || (await whenDue(held, nowMs)) !== null
    },
  }
}
