/** Limits how often passwords are guessed: by client, by name, and all together. */

import { sha256 } from '../../base/bytes.ts'
import { errorFacts, GateError } from '../../base/errors.ts'
import { inTime } from '../../base/maybe-promise.ts'
import { networkOf, prefixesOf } from '../../base/net.ts'
import type { Ports } from '../../base/ports.ts'
import type { RateLimitBucket, Sessions } from '../../session/session.ts'
import { createFairQueue, type Leave } from './fair-queue.ts'

/** Places in which passwords are tried, and the count of those that are wrong. */
export interface Guesses {
  /** A place to try one password, which counts as wrong until it is known to be right. Throws `limit.rate`, `session.store`. */
  begin(attempt: Attempt): Promise<Guess>
}

/** Who tries a password, and whose. */
export interface Attempt {
  /** The client's address. */
  readonly client: string
  /** The user's name and where it is one, whether there is such a user or not. */
  readonly who: string
  /** The same for the log; null for an unknown name, which may be a password in the wrong field. */
  readonly user: string | null
  /** By what a browser is known in which this user signed in before; null where it is not. */
  readonly browser: string | null
}

export interface Guess {
  /**
   * What was right was no wrong one; those that were counted meanwhile stay. `isAll`: nothing else has to follow, and
   * from then on this user is known at this network.
   */
  takeBack(isAll?: boolean): Promise<void>
  /** Gives the place to the next; more than once is the same as once. */
  leave(): void
}

/** What of Sessions is needed: all workers and machines share it. */
export type GuessSessions = Pick<Sessions, 'spendAll' | 'refund' | 'putOneTime' | 'peekOnce' | 'consumeOneTime'>

/** Ten wrong passwords at once, and one more every half minute: enough for anyone's fingers. */
const WRONG: RateLimitBucket = Object.freeze({ name: 'passwords', intervalMs: 30_000, burst: 10 })

/** The same for a browser in which the user signed in before, from any network. */
const OF_BROWSER: RateLimitBucket = Object.freeze({ ...WRONG, name: 'passwords of a browser' })

/** Of a wider network, by how many networks wider: its addresses are somebody's to choose from (RFC 6177). */
const OF_WIDER: readonly RateLimitBucket[] = [
  Object.freeze({ name: 'passwords of a wider network', intervalMs: 7_500, burst: 40 }),
  Object.freeze({ name: 'passwords of a very wide network', intervalMs: 1_875, burst: 160 }),
]

/**
 * For one user name, from all networks at which its password was never right: 30 at once, and 288 a day after that. NIST SP 800-63B-4
 * §3.2.2 allows a hundred in a row.
 */
const OF_NAME: RateLimitBucket = Object.freeze({ name: 'passwords of a name', intervalMs: 5 * 60_000, burst: 30 })

/**
 * Hashing takes a core: two at a time leave the others to requests, and a client that waits longer than this has to
 * retry.
 */
const HASHES = { places: 2, waiting: 100, waitMs: 10_000 }

/** What there is left may be held by right passwords that another worker is hashing: they give it back within a moment. */
const ASK_AGAIN_MS = 250
const MOST_ASKED_AGAIN = 8
/** Of strangers, and of those that are known: neither take the others' room. */
const MOST_WAITING = 50
/** How long one waits at most for those that this worker itself is hashing, however slow it is at that. */
const MOST_WAITED_MS = 30_000

/** Addresses of which it is remembered that they waited in vain. */
const MOST_ADDRESSES = 10_000

/** How long a user stays known at a network, and how old that may be before it is written again. */
const KNOWN_MS = 90 * 24 * 60 * 60_000
const FRESH_MS = 24 * 60 * 60_000

/** One count that an attempt is part of. */
interface Count {
  readonly bucket: RateLimitBucket
  readonly whose: string
}

/**
 * Counts attempts in the session store, for all workers and machines together. The count comes before the queue, so
 * that a client with no attempts left does not queue. A client that is refused there waits for the attempts under way
 * here, since each counts until it is known to be right. Then it asks again for two seconds (eight times `askAgainMs`),
 * for attempts under way elsewhere. No attempt is tried that was not counted. Where an address waited in vain, its attempts are refused at
 * once for the next half minute, unless a right password comes from it.
 *
 * A name is counted over all networks, so that many networks find its password no faster than a few. That must not
 * lock users out. At a network where the user's password was right before, only that network counts. In a browser
 * where it was right, only that browser counts. These have a row in the queue as well.
 */
export function createGuesses(
  ports: Pick<Ports, 'log' | 'now'>,
  sessions: GuessSessions,
  askAgainMs = ASK_AGAIN_MS,
): Guesses {
  const queue = createFairQueue(HASHES)
  /** Until when, by the monotonic clock. */
  const inVain = new Map<string, number>()
  /** Attempts under way here, by counter: how many, and the waiters that found nothing left. */
  const undecided = new Map<string, { number: number; next: PromiseWithResolvers<void> }>()
  const waiting = { known: 0, strangers: 0 }

  function begun(counts: readonly Count[]): void {
    for (const count of counts) {
      const known = undecided.get(keyOf(count))
      if (known === undefined) undecided.set(keyOf(count), { number: 1, next: Promise.withResolvers() })
      else known.number++
    }
  }

  /** Once only for each that has begun. */
  function decided(counts: readonly Count[]): void {
    for (const count of counts) {
      const known = undecided.get(keyOf(count))
      if (known === undefined) continue
      known.next.resolve()
      known.next = Promise.withResolvers()
      if (--known.number === 0) undecided.delete(keyOf(count))
    }
  }

  /** When the next one of these is decided that are under way here; null where none is. */
  function nextDecided(counts: readonly Count[]): Promise<void> | null {
    const promises = counts.flatMap(count => undecided.get(keyOf(count))?.next.promise ?? [])
    return promises.length === 0 ? null : Promise.race(promises)
  }

  /** Waits for that, or for a moment after this many refusals; false where it is no use. */
  async function wait(
    network: string,
    row: keyof typeof waiting,
    refusals: number,
    next: Promise<void> | null,
    leftMs: number,
  ): Promise<boolean> {
    if (performance.now() < (inVain.get(network) ?? 0) || waiting[row] >= MOST_WAITING) return false
    if (refusals > MOST_ASKED_AGAIN) {
      inVain.delete(network)
      inVain.set(network, performance.now() + WRONG.intervalMs)
      if (inVain.size > MOST_ADDRESSES) for (const oldest of inVain.keys()) if (inVain.delete(oldest)) break
      return false
    }
    waiting[row]++
    await (next === null ? Bun.sleep(askAgainMs) : inTime(next, leftMs, null))
    waiting[row]--
    return true
  }

  /** Takes one from each of these counts; answers which of them have nothing left, and how long until they have. */
  async function take(
    counts: readonly Count[],
    { client, user }: Attempt,
  ): Promise<{ readonly without: readonly Count[]; readonly waitMs: number }> {
    const spent = await sessions.spendAll(counts)
    let waitMs = 0
    for (const one of spent) if (!one.isAllowed) waitMs = Math.max(waitMs, one.waitMs, 1)
    if (waitMs > 0) return { without: counts.filter((_, at) => spent[at]?.isAllowed !== true), waitMs }
    const last = counts.filter((_, at) => spent[at]?.isAllowed === true && spent[at].left === 0)
    for (const { bucket } of last) {
      if (bucket === OF_NAME) ports.log.warn('A user name is close to its limit of wrong passwords', { client, user })
      else ports.log.warn('An address is close to giving too many wrong passwords', { client })
    }
    return { without: [], waitMs }
  }

  /** Keeps in mind that a user's password was right at a network. Where the store cannot, they are a stranger there next time. */
  async function remember(who: string, network: string, known: Known | null): Promise<void> {
    const nowMs = ports.now()
    if (known !== null && nowMs - known.atMs < FRESH_MS) return
    const key = knownKey(who, network)
    try {
      if (known !== null) await sessions.consumeOneTime('known', key)
      await sessions.putOneTime('known', key, { atMs: nowMs }, { lifetimeMs: KNOWN_MS, owner: sha256(who) })
    } catch (error) {
      ports.log.warn('It is not kept that a user is known at a network', errorFacts(error))
    }
  }

  return {
    async begin(attempt) {
      const { client, who, browser } = attempt
      const network = networkOf(client)
      const known = browser === null ? readKnown(await sessions.peekOnce('known', knownKey(who, network))) : null
      const counts = countsOf(attempt, known !== null)
      const row = known !== null || browser !== null ? 'known' : 'strangers'
      const giveUpAt = performance.now() + MOST_WAITED_MS
      for (let refusals = 0; ; ) {
        const { without, waitMs } = await take(counts, attempt)
        if (waitMs === 0) break
        const leftMs = giveUpAt - performance.now()
        const next = leftMs > 0 ? nextDecided(without) : null
        if (next === null) refusals++
        if (await wait(browser ?? network, row, refusals, next, leftMs)) continue
        throw new GateError('limit.rate', 'too many wrong passwords were given by an address, or for a user name', {
          facts: { client },
          hint: 'it may try again later; those whose password was right a moment ago are not held up',
          retryAfterS: Math.ceil(waitMs / 1000),
        })
      }
      begun(counts)
      const leave: Leave | null = await queue.enter([row, ...prefixesOf(client)])
      if (leave === null) {
        // No password was tried, so strangers who fill the queue do not use up a user's name. It counts only for their
        // networks.
        await giveBack(ports, sessions, ...counts.filter(({ bucket }) => bucket === OF_NAME))
        decided(counts)
        throw new GateError('limit.rate', 'more passwords came than can be checked', { retryAfterS: 5 })
      }
      let isDecided = false
      const decide = () => {
        if (!isDecided) decided(counts)
        isDecided = true
      }
      return {
        async takeBack(isAll = true) {
          await giveBack(ports, sessions, ...counts)
          inVain.delete(browser ?? network)
          decide()
          if (isAll && browser === null) await remember(who, network, known)
        },
        leave() {
          decide()
          leave()
        },
      }
    },
  }
}

function countsOf({ client, who, browser }: Attempt, isKnown: boolean): readonly Count[] {
  if (browser !== null) return [{ bucket: OF_BROWSER, whose: `${browser} ${who}` }]
  const [network = client, ...wider] = prefixesOf(client).toReversed()
  const own = { bucket: WRONG, whose: network }
  if (isKnown) return [own]
  const others = wider.flatMap((whose, at) => {
    const bucket = OF_WIDER[at]
    return bucket === undefined ? [] : [{ bucket, whose }]
  })
  return [own, ...others, { bucket: OF_NAME, whose: who }]
}

function keyOf({ bucket, whose }: Count): string {
  return `${bucket.name} ${whose}`
}

/** Since when a user is known at a network. */
interface Known {
  readonly atMs: number
}

function readKnown(value: unknown): Known | null {
  if (typeof value !== 'object' || value === null || !('atMs' in value)) return null
  return typeof value.atMs === 'number' ? { atMs: value.atMs } : null
}

function knownKey(who: string, network: string): string {
  return `${who} at ${network}`
}

/**
 * Gives back what was taken for a right or untried password. Where the store cannot, no user is refused for it: it
 * comes back with time.
 */
export async function giveBack(
  { log }: Pick<Ports, 'log'>,
  sessions: Pick<Sessions, 'refund'>,
  ...counts: readonly Count[]
): Promise<void> {
  try {
    for (const { bucket, whose } of counts) await sessions.refund(bucket, whose)
  } catch (error) {
    const hint = 'time restores it; until then fewer wrong passwords are allowed'
    log.warn('Something stays counted as wrong that was not', {
      counted: counts[0]?.bucket.name,
      ...errorFacts(error),
      hint,
    })
  }
}
