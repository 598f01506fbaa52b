import { expect } from 'bun:test'
import {
  type AcmeState,
  askAtMs,
  dueAtMs,
  holdCertificate,
  newState,
  packState,
  parseState,
  renewAtMs,
} from '../../../src/server/acme/state.ts'
import { makeAuthority } from '../../kit/certificates.ts'
import { needs } from '../../kit/needs.ts'

const { test } = needs('openssl')

const held = holdCertificate('app.example.com', makeAuthority().issue('DNS:app.example.com'))
const known: AcmeState = { ...newState(), certificates: new Map([[held.name, held]]) }

const lifeMs = held.expiresAtMs - held.validFromMs
const window = (from: number, until: number) => ({
  startMs: held.validFromMs + from * lifeMs,
  endMs: held.validFromMs + until * lifeMs,
  explanation: null,
})

test('a certificate is renewed when a third of its life is left, or a little earlier, always at the same moment', () => {
  const atMs = renewAtMs(held, null)
  expect(atMs).toBeLessThanOrEqual(held.expiresAtMs - lifeMs / 3)
  expect(atMs).toBeGreaterThan(held.expiresAtMs - lifeMs / 3 - lifeMs / 30)
  expect(renewAtMs(held, null)).toBe(atMs)
  expect(dueAtMs(known, held.name)).toBe(atMs)
})

test('RFC 9773 §4.2: where the authority names a time, a certificate is renewed within it, always at the same moment', () => {
  const atMs = renewAtMs(held, window(0.2, 0.4))
  expect(atMs).toBeGreaterThanOrEqual(held.validFromMs + 0.2 * lifeMs)
  expect(atMs).toBeLessThanOrEqual(held.validFromMs + 0.4 * lifeMs)
  expect(renewAtMs(held, window(0.2, 0.4))).toBe(atMs)
})

test('a time before the certificate began means now, and one after its end is too late', () => {
  expect(renewAtMs(held, window(-0.2, -0.1))).toBeLessThanOrEqual(held.validFromMs - 0.1 * lifeMs)
  expect(renewAtMs(held, window(-10, 0.5))).toBeGreaterThanOrEqual(held.validFromMs)
  expect(renewAtMs(held, window(2, 3))).toBeLessThanOrEqual(held.expiresAtMs - lifeMs / 10)
})

test('a name without a certificate is asked for at once; after a failure, no sooner than its time', () => {
  expect(dueAtMs(known, 'new.example.com')).toBe(0)
  const troubled = { ...known, troubles: new Map([['new.example.com', { failures: 1, againAtMs: 1000 }]]) }
  expect(dueAtMs(troubled, 'new.example.com')).toBe(1000)
})

test('the authority is asked about a renewal once there is a certificate, and then when it said', () => {
  expect(askAtMs(known, 'new.example.com')).toBe(Number.POSITIVE_INFINITY)
  expect(askAtMs(known, held.name)).toBe(0)
  const renewals = new Map([[held.name, { id: 'a.b', window: null, askAtMs: 7 }]])
  expect(askAtMs({ ...known, renewals }, held.name)).toBe(7)
})

test('what is kept comes back whole; anything else is none of ours', () => {
  const state: AcmeState = {
    ...known,
    troubles: new Map([['bad.example.com', { failures: 2, againAtMs: 5 }]]),
    renewals: new Map([
      [
        held.name,
        { id: 'a.b', window: { startMs: 1, endMs: 2, explanation: 'https://ca.example.com/why' }, askAtMs: 3 },
      ],
      ['none.example.com', { id: 'c.d', window: null, askAtMs: 4 }],
    ]),
  }
  const back = parseState(JSON.parse(JSON.stringify(packState(state))))
  expect(back?.certificates).toEqual(state.certificates)
  expect(back?.troubles).toEqual(state.troubles)
  expect(back?.renewals).toEqual(state.renewals)
  expect(back?.accountKey.equals(state.accountKey)).toBe(true)
  for (const raw of [null, 'x', {}, { account: {}, certificates: [], troubles: [] }, { account: null }]) {
    expect(parseState(raw)).toBeNull()
  }
})

test('what a version before kept, which knew no renewal times, is read as before', () => {
  const { renewals: _, ...before } = JSON.parse(JSON.stringify(packState(known)))
  expect(parseState(before)?.certificates).toEqual(known.certificates)
  expect(parseState(before)?.renewals).toEqual(new Map())
})
