/** The session cache: the sessions in memory, least recently used last, by the bytes that they take. */

import type { ProviderTokenKind } from '../config/keys/pass-token.ts'
import type { Moments } from './lifetimes.ts'
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
  /** The length of its identity as JSON, of which its memory is a multiple. */
  jsonLength: number
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
  /** What was shown by its own sign-in, where that is less than its session's latest (`session/sign-in-claims.ts`). */
  readonly shown: string | undefined
  /** `held.session` as it counts for this cookie, worked out once for each value of that. */
  as: { readonly of: Session; readonly session: Session } | null
  /** When this entry last moved to the young end. */
  movedAtMs: number
}

interface Entry {
  readonly held: HeldSession
  readonly tokens: Set<string>
  bytes: number
}

/** An entry moves at most this often, so that a busy session costs one look-up and no more. */
const MOVE_EVERY_MS = 1000

/**
 * What one takes of memory, with what is worked out for it: measured as the growth of the process (Bun 1.4.5) by 20 000 sessions each
 * of 0.4 to 7 kB of JSON. Their values are many small objects, and the collector leaves as much again free.
 */
const OWN_BYTES = 1024
const BYTES_FOR_JSON = 7
const COOKIE_BYTES = 512

/** What some identity takes of memory whose JSON is so long. */
export function memoryOf(jsonLength: number): number {
  return OWN_BYTES + BYTES_FOR_JSON * jsonLength
}

/**
 * The least-recently-used cache in front of the store. Never the truth: any entry may vanish at any time.
 *
 * Shape: cookie value → session. Evicts beyond `maxBytes` of memory; `onEvict` sees what left, so that its last use can be written.
 */
export class SessionCache {
  readonly #byToken = new Map<string, CachedCookie>()
  readonly #byId = new Map<string, Entry>()
  #bytes = 0
  readonly #onEvict: (held: HeldSession) => void
  #maxBytes: number

  constructor(maxBytes: number, onEvict: (held: HeldSession) => void) {
    this.#maxBytes = maxBytes
    this.#onEvict = onEvict
  }

  /** Cookies. */
  get size(): number {
    return this.#byToken.size
  }

  get bytes(): number {
    return this.#bytes
  }

  get maxBytes(): number {
    return this.#maxBytes
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
    if (known === undefined) this.#byId.set(id, { held: entry.held, tokens: new Set([entry.token]), bytes: 0 })
    else known.tokens.add(entry.token)
    this.weigh(id)
  }

  /** Counts the bytes of a session again when it is added or has another size, and makes room. */
  weigh(sessionId: string): void {
    const known = this.#byId.get(sessionId)
    if (known !== undefined) this.#count(known)
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
    const known = this.#byId.get(id)
    known?.tokens.delete(token)
    if (known?.tokens.size === 0) this.#forget(id)
    else if (known !== undefined) this.#count(known)
  }

  dropSession(sessionId: string): void {
    for (const token of this.#byId.get(sessionId)?.tokens ?? []) this.#byToken.delete(token)
    this.#forget(sessionId)
  }

  #forget(sessionId: string): void {
    this.#bytes -= this.#byId.get(sessionId)?.bytes ?? 0
    this.#byId.delete(sessionId)
  }

  #count(known: Entry): void {
    const { jsonLength, opened } = known.held
    const opening = (opened?.access?.text.length ?? 0) + (opened?.id?.text.length ?? 0)
    const bytes = memoryOf(jsonLength) + opening + known.tokens.size * COOKIE_BYTES
    this.#bytes += bytes - known.bytes
    known.bytes = bytes
  }

  resize(maxBytes: number): void {
    this.#maxBytes = maxBytes
    this.#shrink()
  }

  #shrink(): void {
    for (const entry of this.#byToken.values()) {
      if (this.#bytes <= this.#maxBytes) return
      this.drop(entry.token)
      this.#onEvict(entry.held)
    }
  }
}
