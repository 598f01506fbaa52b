import { expect } from 'bun:test'
import { makeIdentity } from '../../src/identity/identity.ts'
import { createLastUses } from '../../src/session/last-use.ts'
import { momentsOf } from '../../src/session/lifetimes.ts'
import { openRedisStore } from '../../src/session/redis/store.ts'
import { parseSession } from '../../src/session/rows.ts'
import type { HeldSession } from '../../src/session/session-cache.ts'
import { quietPorts } from '../kit/clock.ts'
import { needs } from '../kit/needs.ts'
import { startValkey } from '../kit/programs/valkey.ts'
import { redisAt } from '../kit/sessions/shared.ts'
import { storedSession } from '../kit/sessions/stored.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const PEOPLE = 50

/** A session in memory, just read from its store. */
function heldOf(id: string, nowMs: number, idleMs: number): HeldSession {
  const identity = JSON.stringify(makeIdentity('id', 'https://id.example', 'ada', {}))
  const row = storedSession(id, { identity, createdAtMs: nowMs, lastSeenMs: nowMs, expiresAtMs: nowMs + 24 * HOUR })
  const session = parseSession(row)
  if (session === null) throw new Error('the row can be read')
  const rules = { lifetimeMs: 24 * HOUR, idleMs, refreshMs: null, refreshLimitMs: 0, rememberMs: null }
  const moments = momentsOf(row, rules)
  const times = { checkedAtMs: nowMs, dueAtMs: moments.dueAtMs, retryAtMs: 0, lastSeenMs: nowMs, storedSeenMs: nowMs }
  return { session, moments, ...times, isRefreshable: false, opened: null, jsonLength: row.identity.length }
}

needs('valkey-server').test.each([
  ['two hours', 2 * HOUR, 4],
  ['thirty minutes', HOUR / 2, 15],
])(
  'people who come every minute cost the server a write in each twentieth of %s, and no more',
  async (_what, idleMs, writes) => {
    await using valkey = await startValkey()
    const store = openRedisStore(redisAt(valkey.url(), 'valkey'), quietPorts({ now: Date.now }))
    const calls = async (command: string) =>
      Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(await valkey.ask(0, 'INFO', 'commandstats'))?.[1] ?? 0)
    try {
      const fromMs = Date.now()
      const people = Array.from({ length: PEOPLE }, (_, index) => heldOf(`s${index}`, fromMs, idleMs))
      for (const { session } of people) {
        const row = storedSession(session.id, {
          createdAtMs: fromMs,
          lastSeenMs: fromMs,
          expiresAtMs: fromMs + 24 * HOUR,
        })
        await store.insert(row, { hash: `h-${session.id}`, sessionId: session.id, host: 'x.example' })
      }
      const uses = createLastUses(store)
      const before = [await calls('evalsha'), await calls('hset')] as const
      for (let minute = 1; minute <= 30; minute++) {
        for (const held of people) uses.note(held, fromMs + minute * MINUTE)
        await uses.flush()
      }
      // One script for all of them; in it a write for each.
      const [scripts, rows] = [(await calls('evalsha')) - before[0], (await calls('hset')) - before[1]]
      expect([scripts, rows]).toEqual([writes, writes * PEOPLE])
    } finally {
      await store.close()
    }
  },
)
