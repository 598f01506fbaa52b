import type { Spent } from '../../base/rate.ts'
import type { RateLimitStore } from '../store.ts'
import type { RedisLink } from './connection.ts'
import { REFUND, SPEND } from './scripts/spent.ts'

/** The rate-limit buckets on a server, by its clock, since those of several machines differ. */
export function allowancesOver(link: RedisLink): RateLimitStore {
  async function spendAll(wanted: Parameters<RateLimitStore['spendAll']>[0]): Promise<readonly Spent[]> {
    const answer: unknown = await link.run(
      SPEND,
      wanted.flatMap(({ name, intervalMs, burst }) => [name, intervalMs, burst]),
    )
    const answers: readonly unknown[] = Array.isArray(answer) ? answer : []
    return wanted.map((_, at) => readSpent(answers[at]))
  }

  return {
    spendAll,
    async spend(name, pace) {
      const [spent] = await spendAll([{ ...pace, name }])
      return spent ?? readSpent(null)
    },
    async refund(name, { intervalMs }) {
      await link.run(REFUND, [name, intervalMs])
    },
  }
}

/** An unexpected answer allows nothing. */
function readSpent(answer: unknown): Spent {
  const [isAllowed, amount] = Array.isArray(answer) ? answer : [0, 0]
  return isAllowed === 1 ? { isAllowed: true, left: Number(amount) } : { isAllowed: false, waitMs: Number(amount) }
}
