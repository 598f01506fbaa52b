/** Limits the pings and pongs of one side of a WebSocket. */

import { decideRate, type Pace } from '../../base/token-bucket.ts'

/** Programs ping every few seconds; who measures a delay does so ten times a second. No browser's page can. */
const PACE: Pace = { intervalMs: 100, burst: 100 }

/** Pings that the other side may have to answer, at most: it need not answer each (RFC 6455 §5.5.3). */
const MOST_OWED = 1000

/** The pings and pongs of one side of a WebSocket. A read brings 87 000 of them, at 1 to 6 µs each. */
export class Beats {
  readonly #now: () => number
  #fullAtMs = 0
  #owed = 0

  constructor(now: () => number) {
    this.#now = now
  }

  /** That side is sent a ping, and may answer it. */
  asked(): void {
    if (this.#owed < MOST_OWED) this.#owed++
  }

  /** Whether one more ping may come. */
  ping(): boolean {
    const decision = decideRate(PACE, this.#fullAtMs, this.#now())
    this.#fullAtMs = decision.fullAtMs
    return decision.isAllowed
  }

  /** Whether one more pong may come: one that was asked for, or as often as a ping. */
  pong(): boolean {
    if (this.#owed === 0) return this.ping()
    this.#owed--
    return true
  }
}
