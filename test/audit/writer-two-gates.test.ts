import { expect } from 'bun:test'
import { join } from 'node:path'
import { searchAudit } from '../../src/audit/search.ts'
import { createAudit, type OpenAudit } from '../../src/audit/writer.ts'
import { openRedisStore } from '../../src/session/redis/store.ts'
import { openSqliteStore } from '../../src/session/sqlite/store.ts'
import type { SessionStore } from '../../src/session/store.ts'
import { fakeClock, quietPorts, type SettableClock } from '../kit/clock.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { recordedLog } from '../kit/log/record.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'
import { startValkey } from '../kit/programs/valkey.ts'
import { redisAt } from '../kit/sessions/shared.ts'

const { describe, test } = needs('valkey-server')

const DAY = 24 * 60 * 60_000
const EVERYTHING = { who: null, event: null, sinceMs: null, portal: null }

const keep = untilTheEnd()
const valkey = keep(await startValkey())
let database = 0

interface Gate {
  readonly audit: OpenAudit
  readonly log: readonly string[]
}

interface Stand {
  /** Another gate over the same store. */
  gate(keepMs: number, clock?: Pick<SettableClock, 'now'>): Gate
  readonly clock: SettableClock
  rows(): Promise<readonly unknown[]>
  /** Eleven minutes in which no gate says anything. */
  letPass(): Promise<void>
}

async function over(
  store: SessionStore,
  clock: SettableClock,
  letPass: Stand['letPass'],
  act: (stand: Stand) => Promise<void>,
) {
  try {
    await act({
      clock,
      gate(keepMs, { now } = clock) {
        const log: string[] = []
        const lines = recordedLog(now, log)
        return { audit: createAudit({ store, ports: { now, log: lines }, keepMs: () => keepMs, lines }), log }
      },
      async rows() {
        const found = []
        for await (const { event, facts } of searchAudit(store, EVERYTHING)) found.push({ event, ...facts })
        return found
      },
      letPass,
    })
  } finally {
    await store.close()
  }
}

async function withSqlite(act: (stand: Stand) => Promise<void>): Promise<void> {
  using folder = temporaryFolder()
  const clock = fakeClock(Date.now())
  const letPass = async () => clock.advance(11 * 60_000)
  await over(openSqliteStore(join(folder.path, 's.db'), quietPorts(clock)), clock, letPass, act)
}

async function withRedis(act: (stand: Stand) => Promise<void>): Promise<void> {
  const mine = database++
  const clock = fakeClock(Date.now())
  const address = redisAt(valkey.url(mine), 'redis://valkey')
  // As it is once its time to live is over: the server's clock cannot be moved.
  const letPass = async () => void (await valkey.ask(mine, 'DEL', 'sallyport:1:audit-keeps'))
  await over(openRedisStore(address, quietPorts(clock)), clock, letPass, act)
}

async function tellFive({ audit }: Gate): Promise<void> {
  for (let index = 0; index < 5; index++) await audit.keep('sign_in', { user: `user-${index}` })
}

describe.each([
  ['sqlite', withSqlite],
  ['redis', withRedis],
] as const)('the trail of two gates over %s', (_name, withStand) => {
  test.each([
    ['keeps none', 0],
    ['keeps less', 1],
  ])('stays as long as one of them keeps it, though the other %s', (_what, otherMs) =>
    withStand(async ({ gate, rows, clock }) => {
      const [here, other] = [gate(90 * DAY), gate(otherMs)]
      await here.audit.tend(true)
      await tellFive(here)
      clock.advance(60_000)
      for (let round = 0; round < 2; round++) await other.audit.tend(true)
      expect(await rows()).toHaveLength(5)
      expect(other.log.filter(line => line.includes('keeps the audit trail for longer'))).toHaveLength(1)
    }),
  )

  test('stays where a gate has just begun and was not asked to tidy up yet', () =>
    withStand(async ({ gate, rows }) => {
      const [here, other] = [gate(90 * DAY), gate(0)]
      await here.audit.announce()
      await tellFive(here)
      await other.audit.tend(true)
      expect(await rows()).toHaveLength(5)
    }))

  test('goes once no gate keeps it any more, with a line and a row that say so, once', () =>
    withStand(async ({ gate, rows, letPass }) => {
      const [here, other] = [gate(90 * DAY), gate(0)]
      await here.audit.tend(true)
      await tellFive(here)
      await letPass()
      // By a clock that is not trusted, nothing is removed.
      await other.audit.tend(false)
      expect(await rows()).toHaveLength(5)
      const facts = { event: 'audit.emptied', number: 5, reason: 'no gate of this session store keeps rows' }
      for (let round = 0; round < 3; round++) {
        await other.audit.tend(true)
        expect(await rows()).toEqual([facts])
      }
      const told = other.log.map(line => JSON.parse(line)).filter(({ event }) => event === 'audit.emptied')
      expect(told).toEqual([expect.objectContaining({ level: 'warn', number: 5 })])
    }))
})

test('the trail of a Redis goes by its clock: a gate that is a hundred days ahead removes none of it', () =>
  withRedis(async ({ gate, rows }) => {
    const [here, ahead] = [gate(90 * DAY), gate(90 * DAY, { now: () => Date.now() + 100 * DAY })]
    await tellFive(here)
    await ahead.audit.tend(true)
    expect(await rows()).toHaveLength(5)
  }))

test('a row of a gate that keeps less does not make a Redis forget sooner what another keeps', () =>
  withRedis(async ({ gate }) => {
    const mine = database - 1
    await tellFive(gate(90 * DAY))
    await gate(60_000).audit.keep('sign_in', { user: 'another' })
    expect(Number(await valkey.ask(mine, 'PTTL', 'sallyport:1:audit'))).toBeGreaterThan(89 * DAY)
  }))
