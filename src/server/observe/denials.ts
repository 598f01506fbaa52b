/** The latest refusals, for the page `admin`. */

import type { Reason } from '../../policy/reasons.ts'

/** A refused user. */
export interface Denial {
  readonly atMs: number
  readonly id: string
  /** The portal of the route; null for a route without one. */
  readonly portal: string | null
  readonly route: string
  readonly method: string
  readonly reason: Reason
  /** What would have to be so for it to pass, in the words of the file; null where that is not known. */
  readonly needs: string | null
  /** The groups that they came with, and those that rules ask for; null where groups have no part in it. */
  readonly groups: string | null
  readonly user: string | null
  readonly client: string
}

/** The last denials of this process. */
export interface Denials {
  note(denial: Denial): void
  /** Newest first. */
  latest(): readonly Denial[]
}

/** For people to look at: what is older is in the log. */
const KEPT = 100

/** A ring of denials; the oldest makes room. */
export function createDenials(): Denials {
  const ring: Denial[] = []
  let next = 0
  return {
    note(denial) {
      ring[next] = denial
      next = (next + 1) % KEPT
    },
    latest: () => [...ring.slice(0, next).reverse(), ...ring.slice(next).reverse()],
  }
}
