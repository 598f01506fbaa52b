import { expect, test } from 'bun:test'
import {
  type AcmeState,
  holdCertificate,
  isDue,
  newState,
  packState,
  parseState,
  renewAtMs,
} from '../../../src/server/acme/state.ts'
import { makeAuthority } from '../../kit/certificates.ts'

const held = holdCertificate('app.example.com', makeAuthority().issue('DNS:app.example.com'))
const known: AcmeState = { ...newState(), certificates: new Map([[held.name, held]]) }

test('a certificate is renewed when a third of its life is left, or a little earlier, always at the same moment', () => {
  const lifeMs = held.expiresAtMs - held.validFromMs
  const atMs = renewAtMs(held)
  expect(atMs).toBeLessThanOrEqual(held.expiresAtMs - lifeMs / 3)
  expect(atMs).toBeGreaterThan(held.expiresAtMs - lifeMs / 3 - lifeMs / 30)
  expect(renewAtMs(held)).toBe(atMs)
  expect([isDue(known, held.name, atMs - 1), isDue(known, held.name, atMs)]).toEqual([false, true])
})

test('a name without a certificate is asked for at once; after a failure, no sooner than its time', () => {
  expect(isDue(known, 'new.example.com', 0)).toBe(true)
  const troubled = { ...known, troubles: new Map([['new.example.com', { failures: 1, againAtMs: 1000 }]]) }
  expect([isDue(troubled, 'new.example.com', 999), isDue(troubled, 'new.example.com', 1000)]).toEqual([false, true])
})

test('what is kept comes back whole; anything else is none of ours', () => {
  const state = { ...known, troubles: new Map([['bad.example.com', { failures: 2, againAtMs: 5 }]]) }
  const back = parseState(JSON.parse(JSON.stringify(packState(state))))
  expect(back?.certificates).toEqual(state.certificates)
  expect(back?.troubles).toEqual(state.troubles)
  expect(back?.accountKey.equals(state.accountKey)).toBe(true)
  for (const raw of [null, 'x', {}, { account: {}, certificates: [], troubles: [] }, { account: null }]) {
    expect(parseState(raw)).toBeNull()
  }
})
