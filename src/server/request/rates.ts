import { GateError } from '../../base/errors.ts'
import { networkOf } from '../../base/net.ts'
import { decideRate, type FullAtMs } from '../../base/rate.ts'
import type { Rate } from '../../policy/rate.ts'
import type { Session } from '../../session/session.ts'
import type { Metrics } from '../observe/metrics.ts'

/** All allowances of the process. They outlive snapshots, so that saving the file gives nobody a new one. */
export interface Rates {
  /** How many buckets are not full, or were not when they were last used. */
  readonly size: number
  /** Takes one request from the allowance of whoever sends it. Throws `limit.rate` with when to come back. */
  take(rate: Rate, client: string, session: Session | null): void
  /** Gives a client back one that was taken. */
  giveBack(rate: Rate, client: string): void
}

/** Some 15 MB of memory when all are in use. */
const MAX_BUCKETS = 100_000

/**
 * Rates without anything taken. At most `maxBuckets` are kept: the ones not used for longest go first, which at worst
 * forgives somebody something.
 *
 * Absent on purpose: an exchange between workers or machines. Each counts for itself, and a look-up there would cost more
 * than the requests that it saves.
 */
export function createRates(now: () => number, maxBuckets = MAX_BUCKETS): Rates {
  /** In the order of their last use. */
  const buckets = new Map<string, FullAtMs>()
  const keyOf = (rate: Rate, client: string, session: Session | null) => `${rate.name} ${whoOf(rate, client, session)}`
  return {
    get size() {
      return buckets.size
    },
    take(rate, client, session) {
      const key = keyOf(rate, client, session)
      const decision = decideRate(rate, buckets.get(key) ?? 0, now())
      if (!decision.isAllowed) {
        buckets.set(key, decision.fullAtMs)
        throw tooMany(rate, decision.waitMs)
      }
      buckets.delete(key)
      buckets.set(key, decision.fullAtMs)
      if (buckets.size <= maxBuckets) return
      for (const oldest of buckets.keys()) {
        buckets.delete(oldest)
        break
      }
    },
    giveBack(rate, client) {
      const key = keyOf(rate, client, null)
      const fullAtMs = buckets.get(key)
      if (fullAtMs !== undefined) buckets.set(key, fullAtMs - rate.intervalMs)
    },
  }
}

/** What comes back to a client in all workers together, and what these let begin at once at most. */
const STARTS_INTERVAL_MS = 1000
const STARTS_BURST = 300
const STARTS_BURST_OF_ALL = 6000

/**
 * How often one client may begin to sign in at each of several workers: each start is a question to the provider and an entry in the
 * store.
 *
 * Built in, and meant for loops and floods alone. Many people share the address of an office, so it is wide, and what was
 * used up comes back at one a second: nobody is ever locked out. Workers count each for itself, so that each has its part: all
 * together may not begin more than one address may hold (`ONCE_LIMITS` in `session/spent/single-use.ts`).
 */
export function signInStarts(workers: number): Rate {
  const burst = Math.min(STARTS_BURST, Math.ceil(STARTS_BURST_OF_ALL / workers))
  return Object.freeze({ name: 'sign-in', by: 'client', intervalMs: STARTS_INTERVAL_MS * workers, burst })
}

/**
 * How often one person may send forms of ours in all workers together, each of which changes something and leaves a row in the audit
 * trail: nobody does so by hand, and in the time that rows are kept nobody fills it.
 */
const FORMS = { name: 'forms', by: 'user', intervalMs: 10_000, burst: 100 } as const

/** What the portal calls for each such form, once it is known to come from its own page. */
export function countForms(
  rates: Rates,
  metrics: Metrics,
  workers: number,
): (clientAddress: string, session: Session) => void {
  const rate: Rate = Object.freeze({
    ...FORMS,
    intervalMs: FORMS.intervalMs * workers,
    burst: Math.ceil(FORMS.burst / workers),
  })
  return (clientAddress, session) => takeOrCount(rates, metrics, rate, clientAddress, session)
}

function takeOrCount(rates: Rates, metrics: Metrics, rate: Rate, client: string, session: Session | null): void {
  try {
    rates.take(rate, client, session)
  } catch (error) {
    metrics.rateLimited++
    throw error
  }
}

/** What the portal calls before it sends someone to a provider. */
export function countStarts(rates: Rates, metrics: Metrics, workers: number): (clientAddress: string) => void {
  const starts = signInStarts(workers)
  return clientAddress => takeOrCount(rates, metrics, starts, clientAddress, null)
}

/** Enough for a provider that signs out hundreds of people at once who are not signed in here. */
const LOGOUTS: Rate = Object.freeze({ name: 'logout', by: 'client', intervalMs: 200, burst: 300 })

/**
 * Charges a network for a provider's word that somebody has signed out; the answer gives it back, for one that ended a session. What ends
 * nothing costs a signature and a look-up in the store, and anybody can send it. Throws `limit.rate`.
 */
export function chargeLogouts(rates: Rates, metrics: Metrics): (clientAddress: string) => () => void {
  return clientAddress => {
    takeOrCount(rates, metrics, LOGOUTS, clientAddress, null)
    return () => rates.giveBack(LOGOUTS, clientAddress)
  }
}

function whoOf({ by }: Rate, client: string, session: Session | null): string {
  if (by === 'route') return 'all'
  if (by === 'client' || session === null) return networkOf(client)
  return `${session.identity.provider} ${session.identity.subject}`
}

function tooMany(rate: Rate, waitMs: number): GateError {
  return new GateError('limit.rate', `${rate.name}: more requests than its rate allows`, {
    facts: { rate: rate.name, by: rate.by },
    hint: 'if these are honest requests, raise rate in routes.toml',
    retryAfterS: Math.ceil(waitMs / 1000),
  })
}
