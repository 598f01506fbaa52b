/** The sessions in memory, judged by the current file: lifetimes, groups, granted roles and members. */

import { sha256 } from '../base/bytes.ts'
import { GateError } from '../base/errors.ts'
import type { Log } from '../base/ports.ts'
import type { Identity } from '../identity/identity.ts'
import { keptOf } from './device-binding.ts'
import { lifetimesAt, type Moments, momentsOf, type SessionLimits } from './lifetimes.ts'
import { type Members, needsNoProvider } from './provider-trust.ts'
import { parseSession, storedIdentity } from './rows.ts'
import type { ScimDirectory } from './scim/scim-directory.ts'
import type { Sealer } from './seal.ts'
import type { Session } from './session.ts'
import { type CachedCookie, type HeldSession, SessionCache } from './session-cache.ts'
import type { KeptSession, StoredSession } from './store.ts'

/** The sessions in memory, by the current lifetimes. */
export interface SessionMemory {
  readonly cache: SessionCache
  readonly limits: SessionLimits
  /**
   * A user as they count now: with the groups that the provider has pushed, and the granted roles. Null where the
   * current file does not trust their provider, where the user is not a member, and where the provider says that they
   * are not active.
   */
  trustedIdentity(someone: Pick<Session, 'portal' | 'identity'>): Identity | null
  /**
   * Whether a user may have a session at a portal, with the current groups and roles. A service always may. So may a
   * guest; there the maker of the link is checked.
   */
  isMember(someone: Pick<Session, 'portal' | 'identity'>): boolean
  /** What somebody came with who is no member, for the log, and what can be done about it where that is known. */
  cameWith(someone: Pick<Session, 'portal' | 'identity'>): ReturnType<Members['cameWith']>
  /** Those in memory who are no members. */
  outsiders(): readonly Session[]
  /**
   * A stored session as it would be kept in memory; null where `trustedIdentity` is. Throws `session.store` for a row
   * that cannot be read.
   */
  hold(row: StoredSession): HeldSession | null
  /**
   * Takes over what a refresh, here or elsewhere, has made of a session. The same claims are the same Session value.
   * `asked` stands in for one that the cache has let go of meanwhile.
   */
  adopt(row: StoredSession, asked: HeldSession): void
  /** The same for a later sign-in of the same person, by which its cookies stand for something else. */
  takeOver(row: StoredSession): void
  /**
   * All of it as rows, for a store that has lost its own. What only the store had is lost: no provider can be asked about these any more,
   * so that each ends where the last answer would have counted no longer.
   */
  rows(sealer: Sealer): Promise<readonly KeptSession[]>
  /** Every cookie of a session is read again before its next use. */
  readCookiesAgain(sessionId: string): void
  /**
   * Sessions that the store is removing, each until the result is known. Until then nothing that was read of them
   * counts.
   */
  readonly ending: Map<string, Promise<void>>
  /** A session has ended: no cookie leads to it from memory. */
  forget(sessionId: string): void
  /** Every session is read again before its next use; `onEvict` sees them all. */
  forgetAll(): void
  /** Counts how often something was dropped. A read that began before must not bring it back. */
  readonly forgotten: number
  /** These users have changed: computes those in memory again. */
  review(isMeant: (session: Session) => boolean): void
  /** Computes everything again by new limits. */
  configure(next: SessionLimits): void
  /** The ids of sessions in memory for which `trustedIdentity` is null now. */
  unvouched(): readonly string[]
  /** These users were granted other roles: those in memory get them. */
  rejoin(isMeant: (session: Session) => boolean): void
  /** Called with the new value of every session that `adopt`, `review` or `rejoin` has changed. */
  onChange(listener: (session: Session) => void): void
}

/** Rows that were logged, each once; beyond this number all count as one damage. */
const MOST_UNREADABLE = 20

/** As for a user who signed in by Sallyport's own form. */
const NO_SECRETS = { idToken: '', refreshToken: null }

const NOT_IN_MEMORY = { agent: '', client: '' }

interface MemoryOptions {
  readonly limits: SessionLimits
  readonly isAsking: boolean
  readonly scimDirectory: Pick<ScimDirectory, 'isBarred' | 'see'>
  readonly onEvict: (held: HeldSession) => void
  readonly log: Pick<Log, 'error'>
  /** Called where a row makes no sense. */
  readonly doubt: () => void
  /** Someone with the roles that they were granted. */
  readonly join: (portal: string, identity: Identity) => Identity
}

/** Who may have a session, by the file of now and by what was pushed and granted. */
function createVouching(options: MemoryOptions, limits: () => SessionLimits) {
  /** Logged once: a cookie may come again and again. */
  const unreadable = new Set<string>()
  /** Who was judged, and at which portal, until something else may be true of anybody. */
  let judged = new WeakMap<Identity, { readonly portal: string; readonly isMember: boolean }>()

  function isMember({ portal, identity }: Pick<Session, 'portal' | 'identity'>): boolean {
    const members = limits().members?.get(portal)
    if (members === undefined || needsNoProvider(identity)) return true
    const before = judged.get(identity)
    if (before?.portal === portal) return before.isMember
    const isNow = members.has(options.join(portal, options.scimDirectory.see(identity)))
    judged.set(identity, { portal, isMember: isNow })
    return isNow
  }

  function trustedIdentity(someone: Pick<Session, 'portal' | 'identity'>): Identity | null {
    const { isBarred, see } = options.scimDirectory
    if (!limits().providerTrust.counts(someone) || isBarred(someone.identity) || !isMember(someone)) return null
    return options.join(someone.portal, see(someone.identity))
  }

  /** A stored session as it counts now; null where `vouch` is. Throws for a row that cannot be read: it is not known whose it is. */
  function read(row: StoredSession): Session | null {
    const session = parseSession(row)
    if (session === null) throw unreadableRow(row)
    const identity = trustedIdentity(session)
    return identity === null ? null : Object.freeze({ ...session, identity })
  }

  function unreadableRow({ id, subject, portal }: StoredSession): GateError {
    if (!unreadable.has(id) && unreadable.size < MOST_UNREADABLE) {
      unreadable.add(id)
      options.log.error('A stored session cannot be read: its person gets 503 until it is ended', {
        user: subject,
        portal,
        hint: `look at the disk of the session store; sallyport sessions revoke --subject ${JSON.stringify(subject)} ends it, so that they can sign in again`,
      })
    }
    options.doubt()
    return new GateError('session.store', 'a stored session cannot be read', { retryAfterS: 60 })
  }

  return {
    isMember,
    trustedIdentity,
    read,
    /** Something else may be true of anybody. */
    judgeAgain(): void {
      judged = new WeakMap()
    },
  }
}

/** What is in memory of a session, as rows. */
async function keptSession(
  { session, moments, lastSeenMs, checkedAtMs }: HeldSession,
  cookies: readonly CachedCookie[],
  sealer: Sealer,
): Promise<KeptSession> {
  const { id, portal, identity, isRemembered, createdAtMs, bound } = session
  const expiresAtMs = Math.min(session.expiresAtMs, moments.limitAtMs)
  const stored = await storedIdentity({ id, expiresAtMs }, identity, NO_SECRETS, sealer)
  const { issuer, subject } = identity
  const times = { createdAtMs, expiresAtMs, lastSeenMs, checkedAtMs }
  const device = bound === undefined ? {} : { bound: keptOf(bound) }
  const row = { id, portal, issuer, subject, ...stored, ...NOT_IN_MEMORY, isRemembered, ...times, ...device }
  // One that was replaced a moment ago counts from memory as long as it does.
  const lasting = cookies.filter(({ untilMs }) => untilMs === Number.POSITIVE_INFINITY)
  const handles = lasting.map(({ token, host, shown }) => ({ hash: sha256(token), sessionId: id, host, shown }))
  return { session: row, handles }
}

/** What was read before a session was bound to a device does not undo that. */
function stillBound(found: Session, { bound }: Session): Session {
  return found.bound === undefined && bound !== undefined ? Object.freeze({ ...found, bound }) : found
}

function isSame(one: Session, other: Session): boolean {
  const parts = ({ identity, bound }: Session) => JSON.stringify([identity, bound])
  return one.createdAtMs === other.createdAtMs && parts(one) === parts(other)
}

/** An empty memory. Without a way to ask providers no session is ever due. */
export function createMemory(options: MemoryOptions): SessionMemory {
  let limits = options.limits
  let forgotten = 0
  const ending = new Map<string, Promise<void>>()
  const listeners: ((session: Session) => void)[] = []
  const cache = new SessionCache(limits.cacheBytes, options.onEvict)
  const { isMember, trustedIdentity, read, judgeAgain } = createVouching(options, () => limits)

  function momentsNow(row: Parameters<typeof momentsOf>[0] & { readonly portal: string }): Moments {
    const moments = momentsOf(row, lifetimesAt(limits, row.portal))
    return options.isAsking
      ? moments
      : { ...moments, dueAtMs: Number.POSITIVE_INFINITY, limitAtMs: Number.POSITIVE_INFINITY }
  }

  /** The same; null where it cannot be read: the session in memory stays. */
  function readable(row: StoredSession): Session | null {
    try {
      return read(row)
    } catch {
      return null
    }
  }

  function adopt(row: StoredSession, asked: HeldSession): void {
    const held = cache.held(row.id) ?? asked
    const found = readable(row)
    // What was read, or asked for, before a later sign-in counts for nothing after it.
    if (found === null || found.createdAtMs < held.session.createdAtMs) return
    const session = stillBound(found, held.session)
    const isOther = !isSame(session, held.session)
    if (isOther) {
      held.session = session
      held.jsonLength = row.identity.length
    }
    held.checkedAtMs = row.checkedAtMs
    held.isRefreshable = row.isRefreshable
    held.moments = momentsNow(row)
    held.dueAtMs = held.moments.dueAtMs
    held.retryAtMs = 0
    if (isOther) for (const listener of listeners) listener(session)
    cache.weigh(row.id)
  }

  function readCookiesAgain(sessionId: string): void {
    const held = cache.held(sessionId)
    if (held !== undefined) options.onEvict(held)
    forgotten++
    cache.dropSession(sessionId)
  }

  return {
    cache,
    get limits() {
      return limits
    },
    trustedIdentity,
    isMember,
    cameWith: ({ portal, identity }) =>
      limits.members?.get(portal)?.cameWith(options.scimDirectory.see(identity)) ?? { facts: {}, hint: null },
    outsiders: () => [...cache.all()].flatMap(({ session }) => (isMember(session) ? [] : [session])),
    ending,
    hold(row) {
      const session = ending.has(row.id) ? null : read(row)
      if (session === null) return null
      const { checkedAtMs, isRefreshable, lastSeenMs } = row
      const moments = momentsNow(row)
      const { dueAtMs } = moments
      const storedSeenMs = lastSeenMs
      const rest = { dueAtMs, retryAtMs: 0, lastSeenMs, storedSeenMs, opened: null, jsonLength: row.identity.length }
      return { session, checkedAtMs, isRefreshable, moments, ...rest }
    },
    adopt,
    rows: sealer => Promise.all([...cache.entries()].map(([held, cookies]) => keptSession(held, cookies, sealer))),
    readCookiesAgain,
    takeOver(row) {
      const held = cache.held(row.id)
      if (held !== undefined) adopt(row, held)
      readCookiesAgain(row.id)
    },
    forget(sessionId) {
      forgotten++
      cache.dropSession(sessionId)
    },
    forgetAll() {
      forgotten++
      judgeAgain()
      for (const held of [...cache.all()]) {
        options.onEvict(held)
        cache.dropSession(held.session.id)
      }
    },
    get forgotten() {
      return forgotten
    },
    review(isMeant) {
      judgeAgain()
      for (const held of cache.all()) {
        if (!isMeant(held.session)) continue
        const identity = options.scimDirectory.see(held.session.identity)
        if (identity === held.session.identity) continue
        held.session = Object.freeze({ ...held.session, identity })
        for (const listener of listeners) listener(held.session)
      }
    },
    rejoin(isMeant) {
      judgeAgain()
      for (const held of cache.all()) {
        const { session } = held
        if (!isMeant(session)) continue
        held.session = Object.freeze({ ...session, identity: options.join(session.portal, session.identity) })
        for (const listener of listeners) listener(held.session)
      }
    },
    configure(next) {
      limits = next
      judgeAgain()
      for (const held of cache.all()) {
        const { checkedAtMs, isRefreshable, session } = held
        held.moments = momentsNow({ ...session, checkedAtMs, isRefreshable })
        held.dueAtMs = Math.min(Math.max(held.moments.dueAtMs, held.retryAtMs), held.moments.limitAtMs)
      }
      cache.resize(next.cacheBytes)
    },
    unvouched: () => [...cache.all()].flatMap(({ session }) => (trustedIdentity(session) === null ? [session.id] : [])),
    onChange(listener) {
      listeners.push(listener)
    },
  }
}
