import { isToken, randomToken, sha256 } from '../base/bytes.ts'
import { errorFacts, GateError } from '../base/errors.ts'
import type { Ports } from '../base/ports.ts'
import { type ApiTokens, createApiTokens, isApiTokenId } from './credentials/api-tokens.ts'
import { isAccessId } from './credentials/credential-sessions.ts'
import { createGuestLinks, type GuestLinks, isGuestLinkId } from './credentials/guest-links.ts'
import { createManagement } from './credentials/manage.ts'
import { isOwnerId, type Owner, ownerIdOf, storedClaims } from './credentials/owners.ts'
import { expiryOf, isLive, lifetimesAt, longestIdleMs, type SessionLimits } from './life.ts'
import type { CachedCookie, HeldSession } from './lru.ts'
import { createMemory } from './memory.ts'
import { createProviderTokens, type ProviderTokens } from './provider-tokens.ts'
import { repeatEvery } from './redis/repeat.ts'
import { type AskProvider, createRefreshes } from './refresh.ts'
import { guarded, storedIdentity } from './rows.ts'
import type { Sealer } from './seal.ts'
import type { MaybePromise, Session, Sessions } from './session.ts'
import { createSigning, type Signing } from './signing/signing.ts'
import { createOnce } from './single-use.ts'
import type { SessionStore, Standing, StoredSession } from './store.ts'
import { withdrawnBetween } from './vouchers.ts'
import { createWithdrawal } from './withdrawal.ts'

export type { SessionLimits } from './life.ts'

/** Sessions together with what only their owner does: change limits, listen for ends and changes, close. */
export interface OpenSessions extends Sessions {
  /** Tokens of scripts and apps. To `end`, `onEnd` and `check` they are sessions. */
  readonly tokens: ApiTokens
  /** Guest links, of which the same holds: all guests of one are one session. */
  readonly links: GuestLinks
  /** The keys with which applications are told who someone is. */
  readonly signing: Signing
  /** Tokens of the provider, for applications that are to have them. */
  readonly providerTokens: ProviderTokens
  configure(limits: SessionLimits): void
  /** Called with the id of every session that ends, here or in another process. */
  onEnd(listener: (sessionId: string) => void): void
  /** Called with the id of every owner of whom something else is true, as was heard here or in another process. */
  onOwner(listener: (ownerId: string) => void): void
  /** Called with the new value of every session whose person the provider now describes otherwise. */
  onChange(listener: (session: Session) => void): void
  /**
   * Whether a session may go on though nothing is requested of it, as for a stream that stays open: asks its provider when
   * that is due, and counts as use.
   */
  check(session: Session): Promise<boolean>
  /** What a token or a link that follows an owner stands for now; null where it is no good any more, and for everything else. */
  follower(id: string): Promise<Session | null>
  /** Writes what is pending and closes the store. */
  close(): Promise<void>
}

export interface SessionTimers {
  /** How often to look for sessions that other processes ended or changed. */
  readonly watchMs: number
  /** How often last uses are written. */
  readonly flushMs: number
  readonly purgeMs: number
}

export interface SessionOptions {
  readonly store: SessionStore
  readonly sealer: Sealer
  readonly limits: SessionLimits
  readonly ports: Pick<Ports, 'now' | 'random' | 'log'>
  /** How a provider is asked about a session again; absent: nobody is ever asked. */
  readonly ask?: AskProvider
  readonly timers?: SessionTimers
}

const DEFAULT_TIMERS: SessionTimers = { watchMs: 500, flushMs: 5_000, purgeMs: 60_000 }

/** A session's last use is written once it is this much newer than what the store knows. */
const TOUCH_GRAIN_MS = 30_000

/**
 * Sessions over a store: the LRU, the rules of lifetime, refreshes, hashing, sealing and the translation of the store's errors.
 *
 * Pairs with `close`. Lifetimes are checked on every use with the limits in force now; a use costs comparisons of numbers.
 */
export function openSessions(options: SessionOptions): OpenSessions {
  const { store, sealer, ports } = options
  const timers = options.timers ?? DEFAULT_TIMERS
  let endedCount = 0
  const unwritten = new Map<string, number>()
  const endListeners: ((sessionId: string) => void)[] = []
  const ownerListeners: ((ownerId: string) => void)[] = []
  const memory = createMemory({ limits: options.limits, isAsking: options.ask !== undefined, onEvict: noteUse })
  const { cache, adopt } = memory
  const ofLimits = {
    capacity: () => memory.limits.cacheEntries,
    vouches: (owner: Owner) => memory.limits.vouchers.counts(owner),
  }
  const links = createGuestLinks(store, sealer, ports, ofLimits)
  const tokens = createApiTokens(store, ports, {
    ...ofLimits,
    restMs: portal => memory.limits.tokenRests?.get(portal) ?? Number.POSITIVE_INFINITY,
  })
  const signing = createSigning(store, sealer, ports)
  const refreshes =
    options.ask === undefined
      ? null
      : createRefreshes({ store, sealer, ports, ask: options.ask, adopt, forget, note: noteOwner })

  const withdrawal = createWithdrawal({
    store,
    ports,
    end,
    suspend,
    ownersAt: async portal =>
      [...(await tokens.list(portal)), ...(await links.list(portal))].flatMap(({ owner }) => owner ?? []),
  })

  function noteUse(held: HeldSession): void {
    if (held.lastSeenMs > held.storedSeenMs) unwritten.set(held.session.id, held.lastSeenMs)
  }

  function find(token: string, host: string): MaybePromise<Session | null> {
    const nowMs = ports.now()
    const entry = cache.get(token, nowMs)
    if (entry !== undefined) {
      if (entry.host !== host) return null
      const { held } = entry
      if (isLive(held.moments, held.lastSeenMs, nowMs)) {
        held.lastSeenMs = nowMs
        if (nowMs - held.storedSeenMs > TOUCH_GRAIN_MS) {
          held.storedSeenMs = nowMs
          unwritten.set(held.session.id, nowMs)
        }
        return nowMs < held.dueAtMs ? held.session : whenDue(held, nowMs)
      }
      // Over by what this process knows; another may have seen a newer use.
      cache.drop(token)
    }
    if (!isToken(token)) return null
    const endedBefore = endedCount
    const found = guarded(() => store.findByHash(sha256(token)))
    if (!(found instanceof Promise)) return admit(token, host, found)
    // A session that ended while it was read must not come back from that reading.
    return found.then(row => (endedCount === endedBefore ? admit(token, host, row) : find(token, host)))
  }

  function admit(
    token: string,
    host: string,
    row: { readonly session: StoredSession; readonly host: string } | null,
  ): MaybePromise<Session | null> {
    if (row === null || row.host !== host) return null
    const nowMs = ports.now()
    const held = cache.held(row.session.id) ?? memory.hold(row.session)
    if (held === null) return null
    const seenMs = Math.max(row.session.lastSeenMs, held.lastSeenMs, unwritten.get(row.session.id) ?? 0)
    if (!isLive(held.moments, seenMs, nowMs)) return null
    held.lastSeenMs = nowMs
    cache.add({ token, host, held, movedAtMs: nowMs } satisfies CachedCookie)
    return nowMs < held.dueAtMs ? held.session : whenDue(held, nowMs)
  }

  /** The old answer counts while the provider is asked, up to the limit; then it is waited for. */
  function whenDue(held: HeldSession, nowMs: number): MaybePromise<Session | null> {
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
      const { moments, session } = kept ?? held
      return ports.now() < moments.limitAtMs ? session : null
    })
  }

  function forget(sessionId: string): void {
    endedCount++
    cache.dropSession(sessionId)
    unwritten.delete(sessionId)
    if (isApiTokenId(sessionId)) tokens.forget(sessionId)
    else if (isGuestLinkId(sessionId)) links.forget(sessionId)
    for (const listener of endListeners) listener(sessionId)
  }

  async function follower(id: string): Promise<Session | null> {
    if (isApiTokenId(id)) return tokens.current(id)
    return isGuestLinkId(id) ? links.current(id) : null
  }

  /** What follows an owner is read again before its next use, and whoever has it under way is told. */
  function forgetOwner(ownerId: string): void {
    tokens.forgetOwner(ownerId)
    links.forgetOwner(ownerId)
    for (const listener of ownerListeners) listener(ownerId)
  }

  async function noteOwner(owner: Owner, standing: Standing, isLastWord = false): Promise<void> {
    // The answer to a question that the file has overtaken is nobody's word.
    if (standing === 'good' && !ofLimits.vouches(owner)) return
    const id = ownerIdOf(owner)
    const note = { identity: storedClaims(owner), standing, atMs: ports.now(), isLastWord }
    if (await guarded(() => store.noteOwner(id, note))) forgetOwner(id)
  }

  function suspend(owner: Owner): Promise<void> {
    return noteOwner(owner, 'revoked', true)
  }

  async function end(...sessionIds: readonly string[]): Promise<void> {
    // Out of memory first: should the store fail, this process at least stops honouring it until it is read again.
    for (const id of sessionIds) forget(id)
    try {
      for (const id of sessionIds) {
        if (isApiTokenId(id)) await tokens.revoke(id)
        else if (isGuestLinkId(id)) await links.revoke(id)
      }
      const others = sessionIds.filter(id => !isApiTokenId(id) && !isGuestLinkId(id))
      if (others.length > 0) await guarded(() => store.remove(...others))
    } catch (error) {
      throw notEnded(error)
    }
    for (const id of sessionIds) cache.dropSession(id)
  }

  async function hearOthers(): Promise<void> {
    const { removed, updated, isIncomplete } = await store.changesSince()
    for (const id of removed) forget(id)
    if (isIncomplete === true) emptyCache()
    for (const id of updated) {
      if (isOwnerId(id)) forgetOwner(id)
      const held = cache.held(id)
      const row = held === undefined ? null : await store.findById(id)
      if (held !== undefined && row !== null && row.checkedAtMs > held.checkedAtMs) adopt(row, held)
    }
  }

  /** Every session is read again before its next use; open streams ask for theirs by themselves. */
  function emptyCache(): void {
    endedCount++
    tokens.forgetAll()
    links.forgetAll()
    for (const held of [...cache.all()]) {
      noteUse(held)
      cache.dropSession(held.session.id)
    }
  }

  async function flush(): Promise<void> {
    if (unwritten.size === 0) return
    const seen = new Map(unwritten)
    unwritten.clear()
    try {
      await store.touch(seen)
    } catch (error) {
      for (const [id, atMs] of seen) if (!unwritten.has(id)) unwritten.set(id, atMs)
      throw error
    }
  }

  const repeat = (everyMs: number, what: string, work: () => MaybePromise<unknown>) =>
    repeatEvery(everyMs, { what, work, log: ports.log })
  const running = [
    repeat(timers.watchMs, 'look for sessions that ended elsewhere', hearOthers),
    repeat(timers.flushMs, 'write the last use of sessions', flush),
    repeat(timers.purgeMs, 'purge old sessions', () =>
      store.purge(ports.now(), ports.now() - longestIdleMs(memory.limits)),
    ),
    repeat(timers.purgeMs, 'look after the signing keys', signing.tend),
  ]

  return {
    find,
    end,
    tokens: { ...tokens, suspend },
    links,
    signing,
    providerTokens: createProviderTokens({ store, sealer, ports, cache, refreshes }),
    ...createManagement({
      store,
      sealer,
      ports,
      limits: () => memory.limits,
      lastUseOf: id => Math.max(cache.held(id)?.lastSeenMs ?? 0, unwritten.get(id) ?? 0),
      end,
    }),
    async start({ portal, host, identity, secrets, isRemembered = false, agent = '', client = '' }) {
      if (!memory.limits.vouchers.counts({ portal, identity })) {
        throw new GateError('sign_in.state', `the provider ${identity.provider} was taken from the portal meanwhile`)
      }
      const nowMs = ports.now()
      const token = randomToken(ports.random)
      const id = randomToken(ports.random)
      const expiresAtMs = expiryOf(lifetimesAt(memory.limits, portal), isRemembered, nowMs)
      const row: StoredSession = {
        id,
        portal,
        issuer: identity.issuer,
        subject: identity.subject,
        ...(await storedIdentity({ id, expiresAtMs }, identity, secrets, sealer)),
        agent,
        client,
        isRemembered,
        createdAtMs: nowMs,
        expiresAtMs,
        lastSeenMs: nowMs,
        checkedAtMs: nowMs,
      }
      await guarded(() => store.insert(row, { hash: sha256(token), sessionId: id, host }))
      const held = memory.hold(row)
      if (held === null) throw new TypeError('a session that was just made is one of ours')
      cache.add({ token, host, held, movedAtMs: nowMs })
      await noteOwner(held.session, 'good', true)
      return { session: held.session, token }
    },
    async join(sessionId, host) {
      const token = randomToken(ports.random)
      return (await guarded(() => store.addHandle({ hash: sha256(token), sessionId, host }))) ? token : null
    },
    follower,
    async check({ id, expiresAtMs }) {
      if (isAccessId(id)) return ports.now() < expiresAtMs
      if (isApiTokenId(id) || isGuestLinkId(id)) return (await follower(id)) !== null
      const row = cache.held(id) === undefined ? await guarded(() => store.findById(id)) : null
      const held = cache.held(id) ?? (row === null ? null : memory.hold(row))
      const nowMs = ports.now()
      if (held === null || !isLive(held.moments, Math.max(held.lastSeenMs, unwritten.get(id) ?? 0), nowMs)) return false
      held.lastSeenMs = nowMs
      unwritten.set(id, nowMs)
      return nowMs < held.dueAtMs || (await whenDue(held, nowMs)) !== null
    },
    ...createOnce(store, sealer, ports),
    configure(limits) {
      const withdrawn = withdrawnBetween(memory.limits.vouchers, limits.vouchers)
      // They end for whoever streams; for requests, they are nobody's session by the new limits.
      for (const id of memory.configure(limits)) forget(id)
      tokens.forgetAll()
      links.forgetAll()
      void withdrawal.run(withdrawn)
    },
    onEnd(listener) {
      endListeners.push(listener)
    },
    onOwner(listener) {
      ownerListeners.push(listener)
    },
    onChange: memory.onChange,
    async close() {
      withdrawal.close()
      for (const timer of running) clearInterval(timer)
      await flush().catch((error: unknown) =>
        ports.log.warn('The last use of some sessions could not be written', errorFacts(error)),
      )
      await store.close()
    },
  }
}

/** Whoever asked for an end has to know that there was none: the store still has what was to end, and it will be read again. */
function notEnded(cause: unknown): GateError {
  return new GateError('session.end', 'what was to end is still valid: the session store failed', {
    cause,
    hint: 'see whether its disk is full, another process holds the database, or Redis answers; then end it again',
    retryAfterS: 5,
  })
}
