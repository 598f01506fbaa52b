/** The latest refusals, for the page `admin`. */

import type { DenialView } from '../../portal/admin/overview.ts'

/** One refusal of a user or a client. */
export interface Denial extends Omit<DenialView, 'count'> {
  /** The portal of the route; null for a route without one. */
  readonly portal: string | null
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
