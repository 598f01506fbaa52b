import type { ProviderTokenKind } from '../config/keys/identity.ts'
import type { Moments } from './life.ts'
import type { Session } from './session.ts'

/** The tokens of one session as the store had them after the check at this time. */
export interface OpenedTokens extends Readonly<Record<ProviderTokenKind, OpenedToken | null>> {
  readonly checkedAtMs: number
  /** Which of them the provider was just asked for, and gave nothing better. */
  readonly vain: Set<ProviderTokenKind>
}

/** A token with when it ends, in milliseconds since the epoch. */
export interface OpenedToken {
  readonly text: string
  readonly expiresAtMs: number
}

/** What is in memory of one session, shared by all of its cookies. The Session itself never changes: it is replaced. */
export interface HeldSession {
  session: Session
  /** When the provider last vouched, and whether it can be asked again: what `moments` is worked out from. */
  checkedAtMs: number
  isRefreshable: boolean
  moments: Moments
  /** When to look whether to ask the provider: `moments.dueAtMs`, or later after a failure, but never past the limit. */
  dueAtMs: number
  /** After a failure, no request asks the provider before then. */
  retryAtMs: number
  lastSeenMs: number
  /** The length of its identity as JSON: a rough measure of its memory. */
  bytes: number
  /** The provider's tokens, once somebody has asked for them. */
  opened: OpenedTokens | null
  /** What the store knows of lastSeenMs. */
  storedSeenMs: number
}

/** One cookie's way to a session. */
export interface CachedCookie {
  readonly token: string
  readonly host: string
  readonly held: HeldSession
  /** When this cookie ends although its session continues: a later sign-in has replaced it. */
  readonly untilMs: number
  /** What was shown by its own sign-in, where that is less than its session's latest (`session/shown.ts`). */
  readonly shown: string | undefined
  /** `held.session` as it counts for this cookie, worked out once for each value of that. */
  as: { readonly of: Session; readonly session: Session } | null
  /** When this entry last moved to the young end. */
  movedAtMs: number
}

interface Entry {
  readonly held: HeldSession
  readonly tokens: Set<string>
  /** Beside one for each cookie. */
  extraPlaces: number
}

/** An entry moves at most this often, so that a busy session costs one look-up and no more. */
const MOVE_EVERY_MS = 1000

/**
 * The size of an ordinary session. The cache holds at most `capacity` of these; a larger session takes several places.
 */
const PLACE_BYTES = 4096

/**
 * The least-recently-used cache in front of the store. Never the truth: any entry may vanish at any time.
 *
 * Shape: cookie value → session. Evicts beyond `capacity`, counted in places; `onEvict` sees what left, so that its last use can be written.
 */
export class SessionCache {
  readonly #byToken = new Map<string, CachedCookie>()
  readonly #byId = new Map<string, Entry>()
  /** Of all sessions, beyond one for each cookie. */
  #extraPlaces = 0
  readonly #onEvict: (held: HeldSession) => void
  #capacity: number

  constructor(capacity: number, onEvict: (held: HeldSession) => void) {
    this.#capacity = capacity
    this.#onEvict = onEvict
  }

  get size(): number {
    return this.#byToken.size
  }

  get(token: string, nowMs: number): CachedCookie | undefined {
    const entry = this.#byToken.get(token)
    if (entry !== undefined && nowMs - entry.movedAtMs > MOVE_EVERY_MS) {
      entry.movedAtMs = nowMs
      this.#byToken.delete(token)
      this.#byToken.set(token, entry)
    }
    return entry
  }

  /** `entry.held` has to be the one that `held` answers, where it answers one. */
  add(entry: CachedCookie): void {
    const { id } = entry.held.session
    this.#byToken.set(entry.token, entry)
    const known = this.#byId.get(id)
    if (known === undefined) this.#byId.set(id, { held: entry.held, tokens: new Set([entry.token]), extraPlaces: 0 })
    else known.tokens.add(entry.token)
    this.weigh(id)
  }

  /** Counts the places of a session again when it is added or has grown, and makes room. */
  weigh(sessionId: string): void {
    const known = this.#byId.get(sessionId)
    if (known !== undefined) {
      const extraPlaces = Math.floor(known.held.bytes / PLACE_BYTES)
      this.#extraPlaces += extraPlaces - known.extraPlaces
      known.extraPlaces = extraPlaces
    }
    this.#shrink()
  }

  /** What is in memory of a session. */
  held(sessionId: string): HeldSession | undefined {
    return this.#byId.get(sessionId)?.held
  }

  /** Everything in memory: a reload computes it again. */
  *all(): Iterable<HeldSession> {
    for (const { held } of this.#byId.values()) yield held
  }

  /** The same, with the cookies of each that are in memory. */
  *entries(): Iterable<readonly [HeldSession, readonly CachedCookie[]]> {
    for (const { held, tokens } of this.#byId.values()) {
      yield [held, [...tokens].flatMap(token => this.#byToken.get(token) ?? [])]
    }
  }

  drop(token: string): void {
    const entry = this.#byToken.get(token)
    if (entry === undefined) return
    this.#byToken.delete(token)
    const { id } = entry.held.session
    const tokens = this.#byId.get(id)?.tokens
    tokens?.delete(token)
    if (tokens?.size === 0) this.#forget(id)
  }

  dropSession(sessionId: string): void {
    for (const token of this.#byId.get(sessionId)?.tokens ?? []) this.#byToken.delete(token)
    this.#forget(sessionId)
  }

  #forget(sessionId: string): void {
    this.#extraPlaces -= this.#byId.get(sessionId)?.extraPlaces ?? 0
    this.#byId.delete(sessionId)
  }

  resize(capacity: number): void {
    this.#capacity = capacity
    this.#shrink()
  }

  #shrink(): void {
    for (const entry of this.#byToken.values()) {
      if (this.#byToken.size + this.#extraPlaces <= this.#capacity) return
      this.drop(entry.token)
      this.#onEvict(entry.held)
    }
  }
}
