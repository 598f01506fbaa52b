/** Rate limits of this process and of the store: requests, sign-ins and forms. */

import { errorFacts, GateError } from '../../base/errors.ts'
import { networkOf } from '../../base/net.ts'
import type { Log } from '../../base/ports.ts'
import { decideRate, type FullAtMs } from '../../base/token-bucket.ts'
import type { RateConfig } from '../../config/keys/limits.ts'
import type { Rate } from '../../policy/rate.ts'
import type { Session } from '../../session/session.ts'
import type { Metrics } from '../observe/counts.ts'

/** All rate-limit buckets of the process. They outlive snapshots, so that a save of the file refills none. */
export interface Rates {
  /** How many buckets are not full, or were not when they were last used. */
  readonly size: number
  /** Takes one request from the bucket of its sender. Throws `limit.rate` with the time to wait. */
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

/** Names of buckets that no route can have: those of routes contain a host. */
const SIGN_INS = 'sign-in'

/** What all workers together let one client begin at once at most. */
const STARTS_BURST_OF_ALL = 6000

/**
 * How many sign-ins one client may begin at each of several workers. Each start costs a request to the provider and an
 * entry in the store.
 *
 * Meant only for loops and floods: many users may share an address, and the bucket refills. Each worker counts for
 * itself and so has a share. All workers together may not begin more than one address may hold (`ONCE_LIMITS` in
 * `session/one-time.ts`).
 */
export function signInStarts({ requests, perMs, burst }: RateConfig, workers: number): Rate {
  const own = Math.min(burst, Math.ceil(STARTS_BURST_OF_ALL / workers))
  return Object.freeze({ name: SIGN_INS, by: 'client', intervalMs: (perMs / requests) * workers, burst: own })
}

/**
 * How many of Sallyport's forms one user may send in all workers together. Each form changes something and leaves a
 * row in the audit trail. No user reaches the limit by hand, and no user can fill the trail within its retention time.
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
export function countStarts(
  rates: Rates,
  { metrics, log }: { readonly metrics: Metrics; readonly log: Log },
  inForce: () => RateConfig,
  workers: number,
): (clientAddress: string) => void {
  let known: { readonly config: RateConfig; readonly rate: Rate } | null = null
  return clientAddress => {
    const config = inForce()
    if (known?.config !== config) known = { config, rate: signInStarts(config, workers) }
    try {
      takeOrCount(rates, metrics, known.rate, clientAddress, null)
    } catch (error) {
      // Any other refusal is a matter of one program: here a whole office may stand before the door.
      log.warn('Sign-ins are refused: more begin at one address than may', {
        client: networkOf(clientAddress),
        ...errorFacts(error),
      })
      throw error
    }
  }
}

/** Enough for a provider that signs out hundreds of people at once who are not signed in here. */
const LOGOUTS: Rate = Object.freeze({ name: 'logout', by: 'client', intervalMs: 200, burst: 300 })

/**
 * Charges a network for a provider's word that somebody has signed out; the answer gives it back, for one that ended a session. What ends
 * nothing costs a signature and a look-up in the store, and anybody can send it. Throws `limit.rate`.
 */
export function chargeLogouts(rates: Rates, metrics: Metrics): (clientAddress: string) => () => void {
  return clientAddress => charge(rates, metrics, LOGOUTS, clientAddress)
}

/** More than the programs of one network have tokens that came to their end in the same second. */
const INTROSPECTIONS: Rate = Object.freeze({ name: 'introspection', by: 'client', intervalMs: 1000, burst: 40 })

/**
 * Charges a network for a question to a provider about a token; the answer gives it back, for a good one. A token that somebody made up
 * costs a question, too, and no more than these are open for one network. Throws `limit.rate`.
 */
export function chargeIntrospections(rates: Rates, metrics: Metrics): (clientAddress: string) => () => void {
  return clientAddress => charge(rates, metrics, INTROSPECTIONS, clientAddress)
}

function charge(rates: Rates, metrics: Metrics, rate: Rate, client: string): () => void {
  takeOrCount(rates, metrics, rate, client, null)
  return () => rates.giveBack(rate, client)
}

function whoOf({ by }: Rate, client: string, session: Session | null): string {
  if (by === 'route') return 'all'
  if (by === 'client' || session === null) return networkOf(client)
  return `${session.identity.provider} ${session.identity.subject}`
}

/** The fix for a bucket without `rate`. */
const HINTS: ReadonlyMap<string, string> = new Map([
  [
    SIGN_INS,
    'if many people share this address, raise sign_in_rate in [server]; behind a proxy, see that trusted_proxies names it',
  ],
  [FORMS.name, 'no key changes this: it stops programs that send forms of these pages without end'],
  [
    LOGOUTS.name,
    'no key changes this: it stops logout tokens that end no session; see that they come from the provider',
  ],
  [
    INTROSPECTIONS.name,
    'no key changes this: it stops tokens that the provider does not know; behind a proxy, see that trusted_proxies names it',
  ],
])

function tooMany(rate: Rate, waitMs: number): GateError {
  return new GateError('limit.rate', `${rate.name}: more requests than its rate allows`, {
    facts: { rate: rate.name, by: rate.by },
    hint: HINTS.get(rate.name) ?? 'if these are honest requests, raise rate in routes.toml',
    retryAfterS: Math.ceil(waitMs / 1000),
  })
}
