/** How fast something is given back that was taken, and how much there is at most. */
export interface Pace {
  /** The time in which one is given back. */
  readonly intervalMs: number
  readonly burst: number
}

/**
 * A bucket of tokens as one number: the moment at which it is full again. One that is full is as good as none, so 0 is a new one.
 */
export type FullAtMs = number

export type RateDecision =
  | { readonly isAllowed: true; readonly fullAtMs: FullAtMs }
  /** How long until there is a token. The bucket stays as it is. */
  | { readonly isAllowed: false; readonly waitMs: number }

/**
 * Whether a request may come now: a token bucket, which holds `burst` tokens and is given one in every `intervalMs`.
 *
 * A clock that was set back, or an allowance that has become smaller, counts as an empty bucket at worst.
 */
export function decideRate({ intervalMs, burst }: Pace, fullAtMs: FullAtMs, nowMs: number): RateDecision {
  const missingMs = Math.min(Math.max(fullAtMs - nowMs, 0), burst * intervalMs)
  const waitMs = missingMs - (burst - 1) * intervalMs
  // Sums of parts of milliseconds may be off by a little, which must not cost a token.
  if (waitMs > EPSILON_MS) return { isAllowed: false, waitMs }
  return { isAllowed: true, fullAtMs: nowMs + missingMs + intervalMs }
}

const EPSILON_MS = 1e-3
