import { errorFacts, GateError } from '../../base/errors.ts'
import { networkOf } from '../../base/net.ts'
import type { Ports } from '../../base/ports.ts'
import { createSlots } from '../../proxy/upstream/slots.ts'
import type { Allowance, Sessions } from '../../session/session.ts'

/** Places in which passwords are tried, and the count of those that are wrong. */
export interface Guesses {
  /**
   * A place to try one password of an address, which counts as wrong until it is known to be right. Throws `limit.rate`,
   * `session.store`.
   */
  begin(client: string): Promise<Guess>
}

export interface Guess {
  /** What was right was no wrong one; those that were counted meanwhile stay. */
  takeBack(): Promise<void>
  /** Gives the place to the next; more than once is the same as once. */
  leave(): void
}

/** Ten wrong passwords at once, and one more every half minute: enough for anyone's fingers. */
const WRONG: Allowance = Object.freeze({ name: 'passwords', intervalMs: 30_000, burst: 10 })

/** Hashing takes a core: two at a time leave the others to requests, and whoever waits longer than this comes again. */
const HASHES = { label: 'passwords', maxConnections: 2, queue: 100, queueTimeoutMs: 10_000 }

/** What an address has left may be held by right passwords that are being hashed: they give it back within a moment. */
const ASK_AGAIN_MS = 250
const MOST_ASKED_AGAIN = 8
const MOST_WAITING = 50

/** Addresses of which it is remembered that they waited in vain. */
const MOST_ADDRESSES = 10_000

/**
 * Counts in the session store, for all workers and machines together. Who is refused there asks again for two seconds, without a
 * place, since passwords under way count too; none is tried that was not counted. Where an address waited so in vain, nobody of it
 * waits for the next half minute, unless a right password comes from it: guesses are refused at once.
 */
export function createGuesses(ports: Pick<Ports, 'log'>, sessions: Pick<Sessions, 'spend' | 'refund'>): Guesses {
  const slots = createSlots(HASHES)
  const never = new AbortController().signal
  /** Until when, by the clock that nobody sets. */
  const inVain = new Map<string, number>()
  let waiting = 0

  async function enter(): Promise<() => void> {
    try {
      return await slots.enter(never)
    } catch (cause) {
      throw new GateError('limit.rate', 'more passwords came than can be checked', { cause, retryAfterS: 5 })
    }
  }

  /** Waits for a moment after this many refusals; false where that is no use. */
  async function wait(network: string, refusals: number): Promise<boolean> {
    if (performance.now() < (inVain.get(network) ?? 0) || waiting >= MOST_WAITING) return false
    if (refusals > MOST_ASKED_AGAIN) {
      inVain.delete(network)
      inVain.set(network, performance.now() + WRONG.intervalMs)
      if (inVain.size > MOST_ADDRESSES) for (const oldest of inVain.keys()) if (inVain.delete(oldest)) break
      return false
    }
    waiting++
    await Bun.sleep(ASK_AGAIN_MS)
    waiting--
    return true
  }

  /** A place with one that was counted, or how long until there is one. */
  async function ask(client: string, network: string): Promise<Guess | number> {
    const leave = await enter()
    try {
      const spent = await sessions.spend(WRONG, network)
      if (!spent.isAllowed) {
        leave()
        return spent.waitMs
      }
      if (spent.left === 0) ports.log.warn('An address is close to giving too many wrong passwords', { client })
    } catch (error) {
      leave()
      throw error
    }
    return {
      async takeBack() {
        await giveBack(ports, sessions, WRONG, network)
        inVain.delete(network)
      },
      leave,
    }
  }

  return {
    async begin(client) {
      const network = networkOf(client)
      for (let refusals = 1; ; refusals++) {
        const asked = await ask(client, network)
        if (typeof asked !== 'number') return asked
        if (await wait(network, refusals)) continue
        throw new GateError('limit.rate', 'an address has given too many wrong passwords', {
          facts: { client },
          hint: 'it may try again later; those whose password was right a moment ago are not held up',
          retryAfterS: Math.ceil(asked / 1000),
        })
      }
    },
  }
}

/** Gives back what was taken for something that was right. Where the store cannot, nobody is refused for it: time gives it back. */
export async function giveBack(
  { log }: Pick<Ports, 'log'>,
  sessions: Pick<Sessions, 'refund'>,
  allowance: Allowance,
  whose: string,
): Promise<void> {
  try {
    await sessions.refund(allowance, whose)
  } catch (error) {
    const hint = 'time gives it back; until then this much less may be wrong'
    log.warn('Something right stays counted as wrong', { counted: allowance.name, ...errorFacts(error), hint })
  }
}
