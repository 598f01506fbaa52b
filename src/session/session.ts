/** A session, and all that can be done with sessions (`Sessions`). */

import type { MaybePromise } from '../base/maybe-promise.ts'
import type { Pace, Spent } from '../base/token-bucket.ts'
import type { ProviderConfig } from '../config/resolve/providers.ts'
import type { Identity } from '../identity/identity.ts'
import type { AccessGrant } from '../identity/provider.ts'
import type { Binding } from './device-binding.ts'
import type { EndedMatch } from './ended.ts'

/**
 * How an access token was read: as a JWT for an audience of ours, or for the client itself; as an ID token; or by asking its
 * provider.
 */
export type AccessKind = 'audience' | 'client' | 'id' | 'asked'

/** One sign-in of one person at one portal. Any number of hosts hold a cookie of their own for it. */
export interface Session {
  /** Internal and random; not the cookie, and useless as one. */
  readonly id: string
  readonly portal: string
  readonly identity: Identity
  /** Whether its owner chose to stay signed in on this device: its cookies then outlive the browser. */
  readonly isRemembered: boolean
  readonly createdAtMs: number
  readonly expiresAtMs: number
  /**
   * For a cookie that a later sign-in has replaced: it counts a little longer for requests under way, as it was, and
   * cannot begin anything. Absent for all others.
   */
  readonly isReplaced?: true
  /** The device that it is bound to; absent: to none. */
  readonly bound?: Binding
  /** The id of the owner of a token or guest link (`session/credentials/owners.ts`); absent where it has none. */
  readonly follows?: string
  /** The id of the one route that a token is for, an MCP server's; absent where it is for no single one. */
  readonly boundTo?: string
  /** Of an access token: for whom it is, and how it was read. Absent for everyone else. */
  readonly access?: { readonly audiences: readonly string[]; readonly by: AccessKind }
  /**
   * Of guests: what is last known of the person whose link they came by. Guests may open no more than that person may; absent for
   * everyone else, and for guests of an operator.
   */
  readonly maker?: Identity
}

/** What is kept beside a session and sealed at rest. */
export interface SessionSecrets {
  readonly idToken: string
  readonly refreshToken: string | null
  /** The provider's access token, where an application of the portal is to have it. */
  readonly access?: AccessGrant | null
}

/** A live session with what its owner knows it by. */
export interface SessionEntry {
  readonly session: Session
  /** The browser at sign-in, in a few words; empty where nothing is known. */
  readonly agent: string
  /** The client's address at sign-in; empty where nothing is known. */
  readonly client: string
  readonly lastSeenMs: number
}

/**
 * Kinds of single-use records: a pending sign-in, a hand-off ticket, the destination of a ticket, a browser that has
 * just signed in, a sign-out at the provider, an accepted logout token, a user that a provider has just signed out, a
 * form without a session; an authorization code of Sallyport, one that was redeemed, one that came again, a refresh
 * token of Sallyport; a code of a second factor that was used; a place where a user's password was right; a passkey's
 * challenge that was answered; an invitation; a device's challenge that was answered; a request with a bound session's
 * cookie alone.
 */
export type OnceKind =
  | 'login'
  | 'ticket'
  | 'place'
  | 'signed-in'
  | 'logout'
  | 'logout-token'
  | 'signed-out'
  | 'post'
  | 'code'
  | 'used-code'
  | 'repeated-code'
  | 'refresh'
  | 'totp'
  | 'known'
  | 'passkey'
  | 'invitation'
  | 'device'
  | 'unproven'

/** How much of something anyone may have; those of another name are counted apart. */
export interface RateLimitBucket extends Pace {
  readonly name: string
}

/** A session that a browser has on a host already, with its cookie's value. */
export interface Brought {
  readonly session: Session
  readonly token: string
}

/** A sign-in that begins. */
export interface SignIn {
  readonly portal: string
  readonly host: string
  readonly identity: Identity
  readonly secrets: SessionSecrets
  /**
   * When the user authenticated at the provider (`auth_time`), in seconds by its clock; null where it does not say,
   * and without a provider.
   */
  readonly shownAtS?: number | null
  readonly isRemembered?: boolean
  readonly agent?: string
  readonly client?: string
  /** The session that this browser has on this host already, with its cookie's value. */
  readonly brought?: Brought | null
  /** The id of a session that this browser has on this host, and whose device it could not prove: another takes its place. */
  readonly unproven?: string | null
  /** Identifies this browser before it has a session, for tabs that sign in at once; unique to the browser. */
  readonly browser?: string | null
}

/** A session, and the host that its cookie is for. */
export interface FoundAt {
  readonly session: Session
  readonly host: string
}

/** A client at a provider, of which something is kept. */
export type KnownClient = Pick<ProviderConfig, 'name' | 'issuer' | 'clientId'>

/** At which providers a sign-in brought no refresh token, for all processes and machines. */
export interface LackedRefresh {
  /** The terms by which the last such sign-in there came to none; null where there was none. Throws `session.store`. */
  lackedRefresh(client: KnownClient): Promise<string | null>
  /**
   * Notes that a sign-in brought none; true for the first who says so of these terms. Null: what was noted before counts no more. Throws
   * `session.store`.
   */
  noteLackedRefresh(client: KnownClient, terms: string | null): Promise<boolean>
}

/** A sign-in that failed by the set-up and not by the person. */
export interface SignInFailure {
  /** What was wrong, as the log says it. */
  readonly error: string
  readonly hint: string | null
}

/** What came of the last sign-ins at a client. */
export interface SignInsSeenAt {
  /** When a user last signed in; null: none has yet. */
  readonly completedAtMs: number | null
  /** The last failure, where no user has signed in since. */
  readonly failure: (SignInFailure & { readonly atMs: number }) | null
}

/** The results of the last sign-ins at each provider, for `doctor`. All throw `session.store`. */
export interface SignInsSeen {
  signInsSeen(client: KnownClient): Promise<SignInsSeenAt>
  noteCompleted(client: KnownClient): Promise<void>
  noteFailed(client: KnownClient, failure: SignInFailure): Promise<void>
}

/**
 * Sessions as the rest of the program uses them: an LRU in front of a store, with the rules of lifetime applied.
 *
 * Every token in and out is the cookie's own value; only its SHA-256 reaches the store.
 * Throws `session.store` when the store fails; an unknown, ended or foreign token is null, not an error.
 */
export interface Sessions extends LackedRefresh, SignInsSeen {
  /** The session behind this host's cookie, or null. Counts as use for the idle lifetime. */
  find(token: string, host: string): MaybePromise<Session | null>
  /** The session behind the cookie of any host: to tell somebody something, never to let them do anything. */
  findAnywhere(token: string): MaybePromise<FoundAt | null>
  /**
   * A new sign-in; returns the session and a new cookie value for this host. If this browser has a session of the same
   * user, that session continues with the later sign-in, and its other cookies keep what they have shown. Throws
   * `sign_in.state` where the portal does not trust the provider any more, and `sign_in.member` for a user who is not
   * a member.
   */
  start(signIn: SignIn): Promise<{ readonly session: Session; readonly token: string }>
  /**
   * A cookie value for one more host of a live session. It means no more than `shownBy` says, and replaces the
   * browser's cookie of this session. Null when the session is gone.
   */
  join(sessionId: string, host: string, shown: string, brought?: Brought | null): Promise<string | null>
  /** Ends sessions on every host, at once; idempotent. */
  end(...sessionIds: readonly string[]): Promise<void>
  /**
   * Asks the provider of a session now who this is, before that is due. False where it has nothing newer to say: it cannot be asked
   * without the browser, did not answer, or has ended the sign-in.
   */
  renew(sessionId: string): Promise<boolean>
  /** The tokens of a session, or null when it is gone. */
  secretsOf(sessionId: string): Promise<SessionSecrets | null>
  describe(sessionId: string): Promise<SessionEntry | null>
  /**
   * Every live session of this session's user at its portal, newest first. With `host`, only those with a cookie for
   * it.
   */
  ofOwner(session: Session, host: string | null): Promise<readonly SessionEntry[]>
  /** The hosts that have a cookie for a session: where it has been used. */
  hostsOf(sessionId: string): Promise<readonly string[]>
  /** Whether this host has a cookie for a session. */
  isKnownAt(sessionId: string, host: string): Promise<boolean>
  /** Live sessions of a portal, newest first, beginning after what `next` of the part before said. Parts may be shorter than `limit`. */
  list(
    portal: string,
    page: { readonly after: string | null; readonly limit: number },
  ): Promise<{ readonly entries: readonly SessionEntry[]; readonly next: string | null }>
  /**
   * About how many sessions a portal has, without reading them: those that have ended and are still to be removed count too. Throws
   * `session.store`.
   */
  countAt(portal: string): MaybePromise<number>
  /**
   * What the store has of a portal, of whom this is about: also what is in no list, since the current file does not
   * count it or its row cannot be read (`session` is null then).
   */
  stored(
    portal: string,
    match: EndedMatch,
  ): AsyncGenerator<{ readonly id: string; readonly session: Session | null }, void>
  /** Ends what a provider names: by its own session where `sid` is given, else all of a person. Answers how many. */
  endFor(named: {
    readonly issuer: string
    /** Names of the `[providers.*]` tables that may end sessions: another client's at the same issuer are not theirs. */
    readonly providers: readonly string[]
    readonly subject: string | null
    readonly sid: string | null
    /** Whether the provider said so itself. What anybody may say makes other processes look only where it has ended something. */
    readonly isVerified: boolean
    /**
     * The time of the provider's logout, in seconds by its clock, where it is proven: a user who authenticated before,
     * and is on the way here with a code, is refused. Absent where anyone could say it.
     */
    readonly saidAtS?: number
  }): Promise<number>
  /** Invalidates all present cookies of all portals at once. Ending all sessions after that may take a while. */
  endCookies(): Promise<void>
  /**
   * Makes every process look for sessions that it has in memory and the store has not: of one user, of one session at
   * a provider, or of everyone. Call it after ending all of them in the store. Returns how many this process had.
   */
  endEverywhere(match: EndedMatch): Promise<number>
  /**
   * Keeps a value for one later `consumeOneTime`. `owner` (a client's address, where one IPv6 network counts as one,
   * or an id) bounds how many one may hold. The oldest of this owner makes room, or that of the owner with the most.
   * False where this key is kept already; with `isLatest`, where the kept record does not end earlier. `inPlaceOf` is
   * a key that is used up in the same step: false where that is no longer kept.
   */
  putOneTime(
    kind: OnceKind,
    key: string,
    value: object,
    options: {
      readonly lifetimeMs: number
      readonly owner: string
      readonly isLatest?: boolean
      readonly inPlaceOf?: string
    },
  ): Promise<boolean>
  /** The value, exactly once; null when unknown, expired or taken before. The caller checks the value's shape. */
  consumeOneTime(kind: OnceKind, key: string): Promise<unknown>
  /** What `consumeOneTime` would answer, without taking it. */
  peekOnce(kind: OnceKind, key: string): Promise<unknown>
  /** Takes one from a bucket of `whose`, which all workers and machines count together. */
  spend(bucket: RateLimitBucket, whose: string): Promise<Spent>
  /** Takes one from each of these, or from none where any has nothing left; answers what each has, in their order. */
  spendAll(wanted: readonly { readonly bucket: RateLimitBucket; readonly whose: string }[]): Promise<readonly Spent[]>
  /** Gives back one that was taken. */
  refund(bucket: RateLimitBucket, whose: string): Promise<void>
}
