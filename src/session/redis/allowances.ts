import type { AllowanceStore } from '../sqlite/tables/allowances.ts'
import type { RedisLink } from './connection.ts'
import { REFUND, SPEND } from './scripts/spent.ts'

/** The allowances on a server, by its clock: those of several machines differ. */
export function allowancesOver(link: RedisLink): AllowanceStore {
  return {
    async spend(name, { intervalMs, burst }) {
      const answer: unknown = await link.run(SPEND, [name, intervalMs, burst])
      const [isAllowed, amount] = Array.isArray(answer) ? answer : []
      return isAllowed === 1 ? { isAllowed: true, left: Number(amount) } : { isAllowed: false, waitMs: Number(amount) }
    },
    async refund(name, { intervalMs }) {
      await link.run(REFUND, [name, intervalMs])
    },
  }
}
