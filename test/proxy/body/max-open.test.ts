import { expect, test } from 'bun:test'
import { GateError } from '../../../src/base/errors.ts'
import { createShares } from '../../../src/proxy/body/max-open.ts'

const NOBODY_IS_OVER = () => {}

function isAdmitted(admit: () => void): boolean {
  try {
    admit()
    return true
  } catch (error) {
    if (error instanceof GateError && error.code === 'limit.open') return false
    throw error
  }
}

test('an IPv6 network is one client, and an IPv4 address is', () => {
  const shares = createShares()
  for (const client of ['2001:db8::1', '2001:db8::2', '192.0.2.1']) shares.enter(client)
  expect(['2001:db8::3', '2001:db8:0:1::1', '192.0.2.1', '192.0.2.2'].map(shares.countOf)).toEqual([2, 0, 1, 0])
})

test('whoever has as many under way as they may is refused, and nobody else is', () => {
  const shares = createShares()
  const first = shares.enter('192.0.2.1')
  shares.enter('192.0.2.1')
  const ask = (client: string) => isAdmitted(() => shares.admit(client, 2, NOBODY_IS_OVER))
  expect([ask('192.0.2.1'), ask('192.0.2.2')]).toEqual([false, true])
  shares.leave(first)
  expect(ask('192.0.2.1')).toBe(true)
})

test('those that are over without having said so keep nobody out', () => {
  const shares = createShares()
  shares.enter('192.0.2.1')
  expect(isAdmitted(() => shares.admit('192.0.2.1', 1, share => shares.leave(share)))).toBe(true)
  expect(shares.countOf('192.0.2.1')).toBe(0)
})
