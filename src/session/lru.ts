import type { Session } from './session.ts'

/** One cookie's session in memory. Times move as it is used; the session itself never changes. */
export interface CachedSession {
  readonly token: string
  readonly host: string
  readonly session: Session
  lastSeenMs: number
  /** What the store knows of lastSeenMs. */
  storedSeenMs: number
  /** When this entry last moved to the young end. */
  movedAtMs: number
}

/** An entry moves at most this often, so that a busy session costs one look-up and no more. */
const MOVE_EVERY_MS = 1000

/**
 * The least-recently-used cache in front of the store. Never the truth: any entry may vanish at any time.
 *
 * Shape: cookie value → session. Evicts beyond `capacity`; `onEvict` sees what left, so that its last use can be written.
 */
export class SessionCache {
  readonly #byToken = new Map<string, CachedSession>()
  readonly #tokensById = new Map<string, Set<string>>()
  readonly #onEvict: (entry: CachedSession) => void
  #capacity: number

  constructor(capacity: number, onEvict: (entry: CachedSession) => void) {
    this.#capacity = capacity
    this.#onEvict = onEvict
  }

  get size(): number {
    return this.#byToken.size
  }

  get(token: string, nowMs: number): CachedSession | undefined {
    const entry = this.#byToken.get(token)
    if (entry !== undefined && nowMs - entry.movedAtMs > MOVE_EVERY_MS) {
      entry.movedAtMs = nowMs
      this.#byToken.delete(token)
      this.#byToken.set(token, entry)
    }
    return entry
  }

  add(entry: CachedSession): void {
    this.#byToken.set(entry.token, entry)
    const tokens = this.#tokensById.get(entry.session.id)
    if (tokens === undefined) this.#tokensById.set(entry.session.id, new Set([entry.token]))
    else tokens.add(entry.token)
    this.#shrink()
  }

  /** Any entry of a session, so that all of its cookies share one Session value. */
  sessionOf(sessionId: string): Session | undefined {
    for (const token of this.#tokensById.get(sessionId) ?? []) return this.#byToken.get(token)?.session
    return undefined
  }

  drop(token: string): void {
    const entry = this.#byToken.get(token)
    if (entry === undefined) return
    this.#byToken.delete(token)
    const tokens = this.#tokensById.get(entry.session.id)
    tokens?.delete(token)
    if (tokens?.size === 0) this.#tokensById.delete(entry.session.id)
  }

  dropSession(sessionId: string): void {
    for (const token of this.#tokensById.get(sessionId) ?? []) this.#byToken.delete(token)
    this.#tokensById.delete(sessionId)
  }

  resize(capacity: number): void {
    this.#capacity = capacity
    this.#shrink()
  }

  #shrink(): void {
    for (const entry of this.#byToken.values()) {
      if (this.#byToken.size <= this.#capacity) return
      this.drop(entry.token)
      this.#onEvict(entry)
    }
  }
}
