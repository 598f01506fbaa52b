import type { Identity } from '../identity/identity.ts'

/** One sign-in of one person at one portal. Any number of hosts hold a cookie of their own for it. */
export interface Session {
  /** Internal and random; not the cookie, and useless as one. */
  readonly id: string
  readonly portal: string
  readonly identity: Identity
  readonly createdAtMs: number
  readonly expiresAtMs: number
}

/** What is kept beside a session and sealed at rest. */
export interface SessionSecrets {
  readonly idToken: string
  readonly refreshToken: string | null
}

/** A value now, or later: a cache hit costs no promise. */
export type MaybePromise<T> = T | Promise<T>

/** Kinds of single-use records: a pending sign-in, a hand-off ticket, a sign-out at the provider, a logout token that was taken. */
export type OnceKind = 'login' | 'ticket' | 'logout' | 'logout-token'

/**
 * Sessions as the rest of the program uses them: an LRU in front of a store, with the rules of lifetime applied.
 *
 * Every token in and out is the cookie's own value; only its SHA-256 reaches the store.
 * Throws `session.store` when the store fails; an unknown, ended or foreign token is null, not an error.
 */
export interface Sessions {
  /** The session behind this host's cookie, or null. Counts as use for the idle lifetime. */
  find(token: string, host: string): MaybePromise<Session | null>
  /** A new sign-in; answers the new session and the cookie's value for this host. */
  start(signIn: {
    readonly portal: string
    readonly host: string
    readonly identity: Identity
    readonly secrets: SessionSecrets
  }): Promise<{ readonly session: Session; readonly token: string }>
  /** A cookie value for one more host of a live session, or null when the session is gone. */
  join(sessionId: string, host: string): Promise<string | null>
  /** Ends a session on every host, at once; idempotent. */
  end(sessionId: string): Promise<void>
  /**
   * Keeps a value for one later `takeOnce`. `owner` (a client's address) bounds how many one client may hold:
   * its oldest makes room, nobody else's.
   */
  putOnce(
    kind: OnceKind,
    key: string,
    value: object,
    options: { readonly lifetimeMs: number; readonly owner: string },
  ): Promise<void>
  /** The value, exactly once; null when unknown, expired or taken before. The caller checks the value's shape. */
  takeOnce(kind: OnceKind, key: string): Promise<unknown>
}
