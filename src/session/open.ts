import { isToken, randomToken, sha256 } from '../base/bytes.ts'
import { errorFacts, GateError } from '../base/errors.ts'
import type { Ports } from '../base/ports.ts'
import type { Identity } from '../identity/identity.ts'
import { type CachedSession, SessionCache } from './lru.ts'
import type { Sealer } from './seal.ts'
import type { MaybePromise, Session, Sessions } from './session.ts'
import type { SessionStore, StoredSession } from './store.ts'

/** The lifetimes and sizes of `[sessions]`; a reload may change them while sessions live. */
export interface SessionLimits {
  readonly lifetimeMs: number
  readonly idleMs: number
  readonly cacheEntries: number
}

/** Sessions together with what only their owner does: change limits, listen for ends, close. */
export interface OpenSessions extends Sessions {
  configure(limits: SessionLimits): void
  /** Called with the id of every session that ends, here or in another process. */
  onEnd(listener: (sessionId: string) => void): void
  /** Writes what is pending and closes the store. */
  close(): Promise<void>
}

export interface SessionTimers {
  /** How often to look for sessions that other processes ended. */
  readonly watchMs: number
  /** How often last uses are written. */
  readonly flushMs: number
  readonly purgeMs: number
}

const DEFAULT_TIMERS: SessionTimers = { watchMs: 500, flushMs: 5_000, purgeMs: 60_000 }

/** A session's last use is written once it is this much newer than what the store knows. */
const TOUCH_GRAIN_MS = 30_000

/** Single-use records: one client may hold a few hundred tabs' worth, and all clients together a bounded table. */
const ONCE_LIMITS = { perOwner: 500, total: 50_000 }

/**
 * Sessions over a store: the LRU, the rules of lifetime, hashing, sealing and the translation of the store's errors.
 *
 * Pairs with `close`. Lifetimes are checked on every use with the limits in force now: shortening `lifetime` in the file
 * ends older sessions at once, and lengthening it never revives one beyond what it was given at sign-in.
 */
export function openSessions(options: {
  readonly store: SessionStore
  readonly sealer: Sealer
  readonly limits: SessionLimits
  readonly ports: Pick<Ports, 'now' | 'random' | 'log'>
  readonly timers?: SessionTimers
}): OpenSessions {
  const { store, sealer, ports } = options
  const timers = options.timers ?? DEFAULT_TIMERS
  let limits = options.limits
  const unwritten = new Map<string, number>()
  const listeners: ((sessionId: string) => void)[] = []
  const cache = new SessionCache(limits.cacheEntries, noteUse)

  function noteUse(entry: CachedSession): void {
    if (entry.lastSeenMs > entry.storedSeenMs) unwritten.set(entry.session.id, entry.lastSeenMs)
  }

  function isOver(session: { readonly createdAtMs: number; readonly expiresAtMs: number }, nowMs: number): boolean {
    // A clock set back would otherwise keep a session alive for as long as it lags.
    return (
      nowMs >= session.expiresAtMs ||
      nowMs >= session.createdAtMs + limits.lifetimeMs ||
      nowMs < session.createdAtMs - CLOCK_SLACK_MS
    )
  }

  function find(token: string, host: string): MaybePromise<Session | null> {
    const nowMs = ports.now()
    const entry = cache.get(token, nowMs)
    if (entry !== undefined) {
      if (entry.host !== host) return null
      if (!isOver(entry.session, nowMs) && nowMs - entry.lastSeenMs < limits.idleMs) {
        entry.lastSeenMs = nowMs
        if (nowMs - entry.storedSeenMs > TOUCH_GRAIN_MS) {
          entry.storedSeenMs = nowMs
          unwritten.set(entry.session.id, nowMs)
        }
        return entry.session
      }
      // Over by what this process knows; another may have seen a newer use.
      cache.drop(token)
    }
    if (!isToken(token)) return null
    const found = guarded(() => store.findByHash(sha256(token)))
    return found instanceof Promise ? found.then(row => admit(token, host, row)) : admit(token, host, found)
  }

  function admit(
    token: string,
    host: string,
    row: { readonly session: StoredSession; readonly host: string } | null,
  ): Session | null {
    if (row === null || row.host !== host) return null
    const nowMs = ports.now()
    const seenMs = Math.max(row.session.lastSeenMs, unwritten.get(row.session.id) ?? 0)
    if (isOver(row.session, nowMs) || nowMs - seenMs >= limits.idleMs) return null
    const session = cache.sessionOf(row.session.id) ?? parseSession(row.session)
    if (session === null) return null
    cache.add({ token, host, session, lastSeenMs: nowMs, storedSeenMs: row.session.lastSeenMs, movedAtMs: nowMs })
    return session
  }

  function forget(sessionId: string): void {
    cache.dropSession(sessionId)
    unwritten.delete(sessionId)
    for (const listener of listeners) listener(sessionId)
  }

  async function flush(): Promise<void> {
    if (unwritten.size === 0) return
    const seen = new Map(unwritten)
    unwritten.clear()
    try {
      await store.touch(seen)
    } catch (error) {
      for (const [id, atMs] of seen) if (!unwritten.has(id)) unwritten.set(id, atMs)
      ports.log.warn('The last use of some sessions could not be written; it is tried again', errorFacts(error))
    }
  }

  function repeat(everyMs: number, what: string, work: () => MaybePromise<unknown>): Timer {
    const timer = setInterval(async () => {
      try {
        await work()
      } catch (error) {
        ports.log.warn(`Could not ${what}; it is tried again`, errorFacts(error))
      }
    }, everyMs)
    timer.unref()
    return timer
  }

  const running = [
    repeat(timers.watchMs, 'look for sessions that ended elsewhere', async () => {
      for (const id of (await store.changesSince()).removed) forget(id)
    }),
    repeat(timers.flushMs, 'write the last use of sessions', flush),
    repeat(timers.purgeMs, 'purge old sessions', () => store.purge(ports.now(), ports.now() - limits.idleMs)),
  ]

  return {
    find,
    async start({ portal, host, identity, secrets }) {
      const nowMs = ports.now()
      const token = randomToken(ports.random)
      const session: Session = Object.freeze({
        id: randomToken(ports.random),
        portal,
        identity,
        createdAtMs: nowMs,
        expiresAtMs: nowMs + limits.lifetimeMs,
      })
      const sealed = await sealer.seal(secrets, secretsPurpose(session.id), session.expiresAtMs)
      await guarded(() =>
        store.insert(
          {
            ...session,
            issuer: identity.issuer,
            subject: identity.subject,
            sid: null,
            identity: JSON.stringify(identity),
            secrets: sealed,
            agent: '',
            client: '',
            isRemembered: false,
            lastSeenMs: nowMs,
            checkedAtMs: nowMs,
            isRefreshable: false,
          },
          { hash: sha256(token), sessionId: session.id, host },
        ),
      )
      cache.add({ token, host, session, lastSeenMs: nowMs, storedSeenMs: nowMs, movedAtMs: nowMs })
      return { session, token }
    },
    async join(sessionId, host) {
      const token = randomToken(ports.random)
      return (await guarded(() => store.addHandle({ hash: sha256(token), sessionId, host }))) ? token : null
    },
    async end(sessionId) {
      // Out of memory first: should the store fail, this process at least stops honouring it until it is read again.
      forget(sessionId)
      await guarded(() => store.remove(sessionId))
      cache.dropSession(sessionId)
    },
    async putOnce(kind, key, value, { lifetimeMs, owner }) {
      const expiresAtMs = ports.now() + lifetimeMs
      const sealed = await sealer.seal(value, oncePurpose(kind), expiresAtMs)
      await guarded(() => store.put({ kind, hash: sha256(key), owner, value: sealed, expiresAtMs }, ONCE_LIMITS))
    },
    async takeOnce(kind, key) {
      const sealed = await guarded(() => store.take(kind, sha256(key), ports.now()))
      return sealed === null ? null : sealer.open(sealed, oncePurpose(kind))
    },
    configure(next) {
      limits = next
      cache.resize(next.cacheEntries)
    },
    onEnd(listener) {
      listeners.push(listener)
    },
    async close() {
      for (const timer of running) clearInterval(timer)
      await flush()
      await store.close()
    },
  }
}

/** How far the clock may have been set back before a session from the future is refused. */
const CLOCK_SLACK_MS = 60 * 60 * 1000

function secretsPurpose(sessionId: string): string {
  return `session ${sessionId}`
}

function oncePurpose(kind: string): string {
  return `once ${kind}`
}

/** Runs one store call; whatever it throws becomes `session.store`. */
function guarded<T>(call: () => MaybePromise<T>): MaybePromise<T> {
  try {
    const result = call()
    return result instanceof Promise ? result.catch(storeFailed) : result
  } catch (error) {
    return storeFailed(error)
  }
}

function storeFailed(error: unknown): never {
  if (error instanceof GateError) throw error
  throw new GateError('session.store', 'the session store failed', { cause: error, retryAfterS: 5 })
}

/** A stored session as a value; null when the row is not one of ours (an unreadable row signs nobody in). */
function parseSession(row: StoredSession): Session | null {
  try {
    const identity = JSON.parse(row.identity) as Identity
    if (typeof identity.subject !== 'string' || !Array.isArray(identity.groups)) return null
    return Object.freeze({
      id: row.id,
      portal: row.portal,
      identity: Object.freeze(identity),
      createdAtMs: row.createdAtMs,
      expiresAtMs: row.expiresAtMs,
    })
  } catch {
    return null
  }
}
