import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { decideRate } from '../../src/base/token-bucket.ts'
import { compileRate, type Rate } from '../../src/policy/rate.ts'

function rate(requests: number, perMs: number, burst: number): Rate {
  const compiled = compileRate({ requests, perMs, burst, by: 'client' }, 'test')
  if (compiled === null) throw new TypeError('a table gives a rate')
  return compiled
}

/** What becomes of requests at these times: `ok`, or how long to wait. */
function outcomes(of: Rate, atMs: readonly number[]): (string | number)[] {
  let fullAtMs = 0
  return atMs.map(nowMs => {
    const decision = decideRate(of, fullAtMs, nowMs)
    fullAtMs = decision.fullAtMs
    if (!decision.isAllowed) return decision.waitMs
    return 'ok'
  })
}

describe('a rate of 1 a second with 2 at once', () => {
  const of = rate(1, 1000, 2)
  test('lets two through at once, and the next after a second', () =>
    expect(outcomes(of, [5000, 5000, 5000, 5999, 6000, 6000])).toEqual(['ok', 'ok', 1000, 1, 'ok', 1000]))
  test('takes nothing for what it turned away', () =>
    expect(outcomes(of, [5000, 5000, 5900, 5900, 5900, 6000])).toEqual(['ok', 'ok', 100, 100, 100, 'ok']))
  test('holds no more than its burst after a long pause', () =>
    expect(outcomes(of, [5000, 900_000, 900_000, 900_000])).toEqual(['ok', 'ok', 'ok', 1000]))
  test('is an empty one from now on after a clock that is set back', () =>
    expect(outcomes(of, [3_600_000, 3_600_000, 0, 400, 1000, 1000])).toEqual(['ok', 'ok', 1000, 600, 'ok', 1000]))
})

test('no table is no rate', () => expect(compileRate(null, 'x')).toBeNull())

test('in any time no more pass than the burst and what is given back, and whoever waits as told passes', () => {
  const cases = fc.record({
    requests: fc.integer({ min: 1, max: 1000 }),
    perMs: fc.integer({ min: 1000, max: 3_600_000 }),
    burst: fc.integer({ min: 1, max: 50 }),
    gapsMs: fc.array(fc.nat({ max: 5000 }), { maxLength: 200 }),
  })
  fc.assert(
    fc.property(cases, ({ requests, perMs, burst, gapsMs }) => {
      const of = rate(requests, perMs, burst)
      let nowMs = 1_700_000_000_000
      let fullAtMs = 0
      let passed = 0
      const startMs = nowMs
      for (const gapMs of gapsMs) {
        nowMs += gapMs
        const decision = decideRate(of, fullAtMs, nowMs)
        fullAtMs = decision.fullAtMs
        if (decision.isAllowed) passed++
        else expect(decideRate(of, fullAtMs, nowMs + Math.ceil(decision.waitMs)).isAllowed).toBe(true)
      }
      expect(passed).toBeLessThanOrEqual(burst + (nowMs - startMs) / of.intervalMs + 0.01)
    }),
  )
})
