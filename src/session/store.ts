/** What a session store has to do (`SessionStore`), for SQLite and Redis alike. */

import type { AuditStore } from '../audit/store.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import type { Pace, Spent } from '../base/token-bucket.ts'
import type { EndedMatch } from './ended.ts'
import type { DerivedCalls, RecordStore } from './records.ts'
import type { OnceKind } from './session.ts'

/** A sign-in as it is stored. `identity` is JSON; `secrets` is sealed. */
export interface StoredSession {
  readonly id: string
  readonly portal: string
  /** With `subject`, who it is; beside the JSON, so that a provider's sign-out finds it. */
  readonly issuer: string
  readonly subject: string
  /** The provider's own name for its session, where it states one (OpenID Connect Back-Channel Logout 1.0 §2.1). */
  readonly sid: string | null
  readonly identity: string
  readonly secrets: string
  /** The browser, in a few words for people. */
  readonly agent: string
  /** The client's address at sign-in. */
  readonly client: string
  /** "Keep me signed in": its lifetime is another, and its cookies outlive the browser. */
  readonly isRemembered: boolean
  readonly createdAtMs: number
  readonly expiresAtMs: number
  readonly lastSeenMs: number
  /** When the provider last vouched for this person. */
  readonly checkedAtMs: number
  /** Whether the secrets hold a refresh token. */
  readonly isRefreshable: boolean
  /** The key of the device that it is bound to, as JSON (`session/device-binding.ts`), which the store does not read; absent: to none. */
  readonly bound?: string | undefined
}

/** What a refresh changes of a session. */
export type RefreshedFields = Pick<StoredSession, 'identity' | 'secrets' | 'sid' | 'checkedAtMs' | 'isRefreshable'>

/** The state of a lease when it is taken: whether the previous holder ended it. */
export type Lease = 'taken' | 'left'

/** A lease that was left: over at any time, and not ended. */
export const LEFT_MS = 1

/** One host's cookie for a session: the SHA-256 of its value. */
export interface StoredHandle {
  readonly hash: string
  readonly sessionId: string
  readonly host: string
  /** What was shown by the sign-in that it comes from, where that is less than its session's latest; absent: as much. */
  readonly shown?: string | undefined
}

/** What a cookie's hash leads to. */
export interface FoundHandle {
  readonly session: StoredSession
  readonly host: string
  /** As of the handle. */
  readonly shown?: string | undefined
  /** When it ends before its session does: a later sign-in has put another in its place. */
  readonly untilMs?: number | undefined
}

/** So many of the sids that a session came from are kept beside its own: a provider's logout of any of them is a logout. */
export const EARLIER_SIDS = 8

/** A cookie that another takes the place of. */
export interface ReplacedHandle {
  readonly hash: string
  /** What the cookie has shown, from now on; a value that the store already has for it stays. */
  readonly shown: string
  /** It ends so long from now. */
  readonly nowMs: number
  readonly lastsMs: number
}

/** The sign-in that another one of the same person takes the place of. */
export interface SignInBefore {
  /** Identifies it among all others of its session. */
  readonly createdAtMs: number
  /** What its cookies go on to stand for. */
  readonly shown: string
  readonly nowMs: number
  /** The sid of the sign-in that takes its place, where the session keeps the one of before all the same; null or absent: none. */
  readonly ownSid?: string | null
  /** The cookie that the browser has brought; null: none. */
  readonly replaced: ReplacedHandle | null
}

/**
 * How many records of a kind may be kept, and whether of two with one hash the later end is kept, in any order.
 * `inPlaceOf` is the hash of a record of the same kind, which is removed in the same step; where it does not exist,
 * nothing is kept.
 */
export interface OnceLimits {
  readonly perOwner: number
  readonly total: number
  readonly isLatest?: boolean
  readonly inPlaceOf?: string
}

export interface StoredOnce {
  readonly kind: OnceKind
  readonly hash: string
  readonly owner: string
  readonly value: string
  readonly expiresAtMs: number
  /**
   * How long it is valid by the store's own clock, where the store has one; absent: `expiresAtMs` counts, by the
   * reader's clock.
   */
  readonly lifetimeMs?: number
}

/** A part of a list, newest first. */
export interface StoredPage {
  readonly sessions: readonly StoredSession[]
  /** Pass it as `after` for the next page; null at the end. Only the store understands it. */
  readonly next: string | null
}

/** What stands before an id in `StoredChanges.updated` where all of it is to be read again, as where cookies were replaced. */
export const COOKIES_OF = 'cookies:'

/** What other processes did to sessions since somebody last asked. */
export interface StoredChanges {
  readonly removed: readonly string[]
  /**
   * Updated by a refresh, or owners of whom something else is true now; `DIRECTORY/ID` for what a provider has pushed. Ids that are
   * in `removed` too may be among them.
   */
  readonly updated: readonly string[]
  /** Whose sessions were ended, whether or not the store had any of them. */
  readonly ended?: readonly EndedMatch[]
  /** More may have changed than is listed: everything in memory has to be read again. */
  readonly isIncomplete?: true
  /**
   * Present while the store is new, since the old one cannot be read, and has not got the sessions in memory yet.
   * Stores those of `kept` that have not ended, and returns the ids of those that have.
   */
  readonly takeBack?: (kept: readonly KeptSession[]) => MaybePromise<readonly string[]>
}

/** A session as memory has it, with the cookies that it knows. */
export interface KeptSession {
  readonly session: StoredSession
  readonly handles: readonly StoredHandle[]
}

/** What was in the store until it was removed. */
export interface Removed {
  readonly ids: readonly string[]
  /** Those that had a refresh token, as they were at that moment. */
  readonly refreshable: readonly StoredSession[]
}

/**
 * Where sessions are true. Knows rows and nothing about their meaning: lifetimes, cookies and sealing live above it.
 *
 * Every implementation passes the same contract suite. Any method may throw what its database throws; the caller translates.
 * Nothing here looks at all sessions but `list`, which does so a page at a time, and `countSessions`, by an index.
 */
export interface SessionStore extends AuditStore, RecordStore, DerivedCalls {
  insert(session: StoredSession, handle: StoredHandle): MaybePromise<void>
  /**
   * Replaces the sign-in of a session by a later one with a new cookie, and notifies every other process. False,
   * without a change, where the session is gone or has another sign-in by now.
   */
  signInAgain(session: StoredSession, handle: StoredHandle, before: SignInBefore): MaybePromise<boolean>
  /**
   * A cookie for one more host, which may replace one of the same session. Notifies every other process of that. False
   * when the session is gone.
   */
  addHandle(handle: StoredHandle, replaced?: ReplacedHandle | null): MaybePromise<boolean>
  /** The session behind a hash and the host it was made for. */
  findByHash(hash: string): MaybePromise<FoundHandle | null>
  findById(sessionId: string): MaybePromise<StoredSession | null>
  /** The hosts that have a cookie for a session, each once. */
  findHosts(sessionId: string): MaybePromise<readonly string[]>
  /** Sessions of one person at one issuer, at any portal, newest first. */
  findBySubject(issuer: string, subject: string): MaybePromise<readonly StoredSession[]>
  /** Sessions that come, or came before a later sign-in or a refresh, from one session at an issuer, at any portal, newest first. */
  findBySid(issuer: string, sid: string): MaybePromise<readonly StoredSession[]>
  /** Sessions of a portal, newest first, beginning after what `next` of the page before said. */
  list(portal: string, page: { readonly after: string | null; readonly limit: number }): MaybePromise<StoredPage>
  /**
   * How many sessions have not come to their end, idle ones among them: by the store's own clock where it has one, else by then. Of one
   * portal: how many it has, those that have come to their end and are still to be removed among them.
   */
  countSessions(nowMs: number, portal?: string): MaybePromise<number>
  /**
   * Writes the result of a refresh, ends the lease, and notifies every other process. False, without a change, when
   * the session is gone, or its secrets are no longer those of `before`.
   */
  update(sessionId: string, fields: RefreshedFields, before?: string): MaybePromise<boolean>
  /**
   * Binds a session to a device, or changes what is kept of that, and notifies every other process. False, without a
   * change, where the session is gone, or where what it has is not `before` (null: nothing).
   */
  bind(sessionId: string, bound: string, before: string | null): MaybePromise<boolean>
  /**
   * A lease for one caller until `untilMs`, or until `update` or `release`; null for others, and for a session that is
   * gone. It goes by the store's own clock where there is one: only the time from `nowMs` counts. The row keeps it
   * until its holder reports a result: `left` says that the previous holder never did.
   */
  lease(sessionId: string, nowMs: number, untilMs: number): MaybePromise<Lease | null>
  /**
   * Ends the lease that was taken until then. With `leftOf`, the time of the sign-in in question, the next holder gets
   * `left`, also where others had a lease in between, but not for a later sign-in. A lease that another caller has now
   * stays.
   */
  release(sessionId: string, untilMs: number, leftOf: number | null): MaybePromise<void>
  /** Writes when sessions were last used, newest wins. Answers the ids of those that the store does not have. */
  touch(seen: ReadonlyMap<string, number>): MaybePromise<readonly string[]>
  /** Removes sessions with all their handles, and notifies every other process. */
  remove(...sessionIds: readonly string[]): MaybePromise<Removed>
  /**
   * Invalidates every present cookie in a few steps, however many there are, and notifies every other process. The
   * caller removes their sessions after that.
   */
  endCookies(): MaybePromise<void>
  /** Notifies every other process of ended sessions: one of them may have in memory what is no longer in the store. */
  tellEnded(match: EndedMatch): MaybePromise<void>
  /** What was done by anyone since the last call, this process among them or not. */
  changesSince(): MaybePromise<StoredChanges>
  /**
   * Keeps a record for one `take`. At most `perOwner` of a kind are kept for one owner, whose oldest make room, and
   * `total` of that kind. Beyond that the oldest of the owner with the most make room, so that an owner of many pushes
   * out no owner of a few. False, without a change, where a record of this kind and hash is kept already; with
   * `isLatest` one that ends earlier is replaced. Also false where the record that it replaces does not exist.
   */
  put(record: StoredOnce, limits: OnceLimits): MaybePromise<boolean>
  /** The record's value, once, or null. `nowMs` counts where the store has no clock. */
  take(kind: OnceKind, hash: string, nowMs: number): MaybePromise<string | null>
  /** What `take` would answer; the record stays. */
  peek(kind: OnceKind, hash: string, nowMs: number): MaybePromise<string | null>
  /**
   * Takes one from the bucket of this name, which all processes and machines share, in one step; of two that come at once for the
   * last, one has it. By the store's own clock where it has one.
   */
  spend(name: string, pace: Pace, nowMs: number): MaybePromise<Spent>
  /**
   * Takes one from each of these buckets in one step, or from none where any has nothing left. Answers what each has, in their
   * order.
   */
  spendAll(wanted: readonly (Pace & { readonly name: string })[], nowMs: number): MaybePromise<readonly Spent[]>
  /** Gives back one that was taken. */
  refund(name: string, pace: Pace): MaybePromise<void>
  /**
   * Removes what has expired, and sessions that were not used for `idleMs`, by the store's own clock where it has one. To every other
   * process, a session, token or link that goes has ended as by `remove`. Answers those of which `changesSince` does not tell this one.
   */
  purge(nowMs: number, idleMs: number): MaybePromise<readonly string[]>
  /** The time by the store's own clock, which all processes share; null where it has none, and that of this machine counts. */
  clock(): MaybePromise<number | null>
  /**
   * Calls soon after any process may have written. Null where the store cannot report that: then the caller polls
   * `changesSince`.
   */
  readonly onWritten: ((listener: () => void) => WriteWatch) | null
  /**
   * Whether this session can have a cookie of this hash: where keys are divided among servers, both have to be in one place. A cookie is
   * drawn until it can. Absent where any can.
   */
  readonly fits?: (hash: string, sessionId: string) => boolean
  /** Something that was read makes no sense: a store that can tell looks whether all of it holds together. */
  readonly doubt?: () => void
  close(): MaybePromise<void>
}

/** A part of a store: sign-ins and their cookies. */
export type SignInStore = Pick<
  SessionStore,
  | 'insert'
  | 'signInAgain'
  | 'addHandle'
  | 'findByHash'
  | 'findById'
  | 'findHosts'
  | 'findBySubject'
  | 'findBySid'
  | 'list'
  | 'countSessions'
  | 'update'
  | 'bind'
  | 'lease'
  | 'release'
  | 'touch'
  | 'remove'
  | 'endCookies'
>

/** A part of a store: rate limits. */
export type RateLimitStore = Pick<SessionStore, 'spend' | 'spendAll' | 'refund'>

/** A part of a store: one-time records. */
export type OneTimeStore = Pick<SessionStore, 'put' | 'take' | 'peek'>

/** Pairs with `close`. */
interface WriteWatch {
  /** Whether a call is sure to come; else `changesSince` is to be asked all the same. */
  readonly isSure: boolean
  close(): void
}
