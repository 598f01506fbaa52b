import { expect, test } from 'bun:test'
import { GateError } from '../../../src/base/errors.ts'
import { compileRate } from '../../../src/policy/rate.ts'
import { createRates, type Rates } from '../../../src/server/request/rate-limits.ts'
import { fakeClock } from '../../kit/clock.ts'

const ONE = compileRate({ requests: 1, perMs: 10_000, burst: 1, by: 'client' }, 'one')

/** Null when it passes, else the seconds to wait. */
function take(rates: Rates, client: string): number | null {
  if (ONE === null) throw new TypeError('a table gives a rate')
  try {
    rates.take(ONE, client, null)
    return null
  } catch (error) {
    if (error instanceof GateError && error.code === 'limit.rate') return error.retryAfterS ?? Number.NaN
    throw error
  }
}

test('clients are counted apart, addresses of one IPv6 network together, mapped ones as IPv4', () => {
  const clock = fakeClock()
  const rates = createRates(clock.now)
  expect(take(rates, '203.0.113.1')).toBeNull()
  expect(take(rates, '203.0.113.2')).toBeNull()
  expect(take(rates, '203.0.113.1')).toBe(10)
  expect(take(rates, '::ffff:203.0.113.1')).toBe(10)
  expect(take(rates, '2001:db8:0:1::1')).toBeNull()
  expect(take(rates, '2001:db8:0:1:ffff:ffff:ffff:ffff')).toBe(10)
  expect(take(rates, '2001:db8:0:2::1')).toBeNull()
  clock.advance(9001)
  expect(take(rates, '203.0.113.1')).toBe(1)
  clock.advance(999)
  expect(take(rates, '203.0.113.1')).toBeNull()
})

test('a clock that is set back holds nobody up for longer than an empty bucket', () => {
  const clock = fakeClock()
  const rates = createRates(clock.now)
  expect(take(rates, '203.0.113.1')).toBeNull()
  clock.advance(-3_600_000)
  expect(take(rates, '203.0.113.1')).toBe(10)
  clock.advance(10_000)
  expect(take(rates, '203.0.113.1')).toBeNull()
})

test('the number of buckets is bounded, and those not used for longest go first', () => {
  const rates = createRates(fakeClock().now, 3)
  for (const client of ['1.1.1.1', '2.2.2.2', '3.3.3.3', '4.4.4.4']) expect(take(rates, client)).toBeNull()
  expect(rates.size).toBe(3)
  expect(take(rates, '4.4.4.4')).toBe(10)
  expect(take(rates, '1.1.1.1')).toBeNull()
  expect(rates.size).toBe(3)
})
