/**
 * Rate limits as token buckets: whether one more may be taken, and how long until then. Stores keep them;
 * `server/request/rate-limits.ts` takes from them.
 */

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

/** What became of one that was to be taken. */
export type Spent =
  /** How many more may be taken at once. */
  | { readonly isAllowed: true; readonly left: number }
  /** How long until there is a token. Nothing was taken. */
  | { readonly isAllowed: false; readonly waitMs: number }

/** `fullAtMs` is what the bucket is from now on, also where nothing was taken. */
export type RateDecision = Spent & { readonly fullAtMs: FullAtMs }

/**
 * Whether a request may come now: a token bucket, which holds `burst` tokens and is given one in every `intervalMs`.
 *
 * After a clock that was set back, or where a rate has become smaller, the bucket is an empty one from now on at worst: that
 * has to be kept, or nothing would come back until the clock is where it was.
 */
export function decideRate({ intervalMs, burst }: Pace, fullAtMs: FullAtMs, nowMs: number): RateDecision {
  const atMs = Math.min(fullAtMs, nowMs + burst * intervalMs)
  const missingMs = Math.max(atMs - nowMs, 0)
  const waitMs = missingMs - (burst - 1) * intervalMs
  // Sums of parts of milliseconds may be off by a little, which must not cost a token.
  if (waitMs > EPSILON_MS) return { isAllowed: false, waitMs, fullAtMs: atMs }
  const left = Math.max(0, Math.floor((EPSILON_MS - waitMs) / intervalMs))
  return { isAllowed: true, left, fullAtMs: nowMs + missingMs + intervalMs }
}

const EPSILON_MS = 1e-3
