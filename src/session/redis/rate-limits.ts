/** Rate-limit buckets in Redis, by the clock of the server. */

import type { Spent } from '../../base/token-bucket.ts'
import type { RateLimitStore } from '../store.ts'
import type { RedisPartition } from './partitions.ts'
import { CLOCK, script } from './script.ts'

/** The rate-limit buckets on a server, by its clock, since those of several machines differ. */
export function rateLimitsOver({ run }: RedisPartition): RateLimitStore {
  async function spendAll(wanted: Parameters<RateLimitStore['spendAll']>[0]): Promise<readonly Spent[]> {
    const answer: unknown = await run(
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
      await run(REFUND, [name, intervalMs])
    },
  }
}

/** An unexpected answer allows nothing. */
function readSpent(answer: unknown): Spent {
  const [isAllowed, amount] = Array.isArray(answer) ? answer : [0, 0]
  return isAllowed === 1 ? { isAllowed: true, left: Number(amount) } : { isAllowed: false, waitMs: Number(amount) }
}

/**
 * name, the time in which one is given back, how many at most, for each → for each { 1, how many are left } or { 0, how long to wait }.
 * Nothing is taken where any has nothing left.
 */
const SPEND = script(`${CLOCK}
local now = clock()
local function keep(key, at)
  local full = string.format('%.0f', at)
  redis.call('SET', key, full, 'PXAT', full)
end
local answers, taken, allowed = {}, {}, true
for i = 1, #ARGV, 3 do
  local key, interval, burst = p .. 'allowance:' .. ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  local before = tonumber(redis.call('GET', key) or '0')
  local at = math.min(before, now + burst * interval)
  local missing = math.max(at - now, 0)
  local wait = missing - (burst - 1) * interval
  if wait > 0 then
    allowed = false
    if at < before then keep(key, at) end
    table.insert(answers, { 0, wait })
  else
    table.insert(taken, { key, now + missing + interval })
    table.insert(answers, { 1, math.floor(-wait / interval) })
  end
end
if allowed then
  for _, one in ipairs(taken) do keep(one[1], one[2]) end
end
return answers
`)

/** name, the time in which one is given back. */
const REFUND = script(`
local key = p .. 'allowance:' .. ARGV[1]
local full = redis.call('GET', key)
if full then redis.call('SET', key, string.format('%.0f', full - ARGV[2]), 'KEEPTTL') end
`)
