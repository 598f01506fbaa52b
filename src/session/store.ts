import type { MaybePromise, OnceKind } from './session.ts'

/** A sign-in as it is stored. `identity` is JSON; `secrets` is sealed. */
export interface StoredSession {
  readonly id: string
  readonly portal: string
  readonly identity: string
  readonly secrets: string
  readonly createdAtMs: number
  readonly expiresAtMs: number
  readonly lastSeenMs: number
}

/** One host's cookie for a session: the SHA-256 of its value. */
export interface StoredHandle {
  readonly hash: string
  readonly sessionId: string
  readonly host: string
}

export interface StoredOnce {
  readonly kind: OnceKind
  readonly hash: string
  readonly owner: string
  readonly value: string
  readonly expiresAtMs: number
}

/**
 * Where sessions are true. Knows rows and nothing about their meaning: lifetimes, cookies and sealing live above it.
 *
 * Every implementation passes the same contract suite. Any method may throw what its database throws; the caller translates.
 */
export interface SessionStore {
  insert(session: StoredSession, handle: StoredHandle): MaybePromise<void>
  /** One more host's cookie; false when the session is gone. */
  addHandle(handle: StoredHandle): MaybePromise<boolean>
  /** The session behind a hash and the host it was made for. */
  findByHash(hash: string): MaybePromise<{ readonly session: StoredSession; readonly host: string } | null>
  /** Writes when sessions were last used, newest wins. */
  touch(seen: ReadonlyMap<string, number>): MaybePromise<void>
  /** Removes a session with all its handles, and tells every other process. */
  remove(sessionId: string): MaybePromise<void>
  /** Ids of sessions that were removed by anyone since the last call. */
  removedSince(): MaybePromise<readonly string[]>
  /** Keeps a record for one `take`; at most `perOwner` of a kind for one owner and `total` of it: the oldest make room. */
  put(record: StoredOnce, limits: { readonly perOwner: number; readonly total: number }): MaybePromise<void>
  /** The record's value once, or null. */
  take(kind: OnceKind, hash: string, nowMs: number): MaybePromise<string | null>
  /** Removes what has expired; `idleBeforeMs` is the last use before which a session is idle too long. */
  purge(nowMs: number, idleBeforeMs: number): MaybePromise<void>
  close(): MaybePromise<void>
}
