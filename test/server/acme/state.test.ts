import { expect } from 'bun:test'
import type { AcmeConfig } from '../../../src/config/resolve/tls.ts'
import {
  type AcmeState,
  askAtMs,
  dueAtMs,
  holdCertificate,
  newState,
  packState,
  parseState,
  renewAtMs,
  type SharedStateTools,
  shareState,
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
  expect(dueAtMs(known, held.name, 0)).toBe(atMs)
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
  expect(dueAtMs(known, 'new.example.com', 0)).toBe(0)
  const troubled = { ...known, troubles: new Map([['new.example.com', { failures: 1, againAtMs: 1000 }]]) }
  expect(dueAtMs(troubled, 'new.example.com', 0)).toBe(1000)
})

test('the authority is asked about a renewal once there is a certificate, and then when it said', () => {
  expect(askAtMs(known, 'new.example.com', 0)).toBe(Number.POSITIVE_INFINITY)
  expect(askAtMs(known, held.name, 0)).toBe(0)
  const renewals = new Map([[held.name, { id: 'a.b', window: null, askAtMs: 7 }]])
  expect(askAtMs({ ...known, renewals }, held.name, 0)).toBe(7)
})

test('what a clock that was years ahead put off is due once it is right', () => {
  const [aheadMs, nowMs] = [Date.UTC(2036), Date.UTC(2026)]
  const troubles = new Map([[held.name, { failures: 1, againAtMs: aheadMs }]])
  const renewals = new Map([[held.name, { id: 'a.b', window: null, askAtMs: aheadMs }]])
  const state = { ...known, troubles, renewals }
  expect(dueAtMs(state, held.name, nowMs)).toBe(renewAtMs(held, null))
  expect(askAtMs(state, held.name, nowMs)).toBe(0)
})

/** Certificates in a store whose reads a test answers in its own order, with values that anyone can read. */
function shared(nowMs: () => number) {
  const values = new Map<string, string>()
  const reads: (() => void)[] = []
  let isHeld = false
  const tools: SharedStateTools = {
    store: {
      async readShared(name) {
        const found = values.get(name) ?? null
        if (isHeld) await new Promise<void>(resolve => reads.push(resolve))
        return found
      },
      async replaceShared(name, before, next) {
        if ((values.get(name) ?? null) !== before) return false
        values.set(name, next)
        return true
      },
    },
    sealer: { seal: async value => JSON.stringify(value), open: async text => JSON.parse(text), mark: () => '' },
    ports: { now: nowMs, random: count => crypto.getRandomValues(new Uint8Array(count)) },
  }
  const hold = (isOn: boolean) => {
    isHeld = isOn
    return reads.splice(0)
  }
  return { one: shareState(tools), other: shareState(tools), hold }
}

const CONFIG = { directory: 'https://ca.example.com/dir' } as AcmeConfig

test('a read that began before a write, and ends after it, brings nothing old back', async () => {
  const { one, hold } = shared(() => 0)
  await one.write(CONFIG, newState())
  hold(true)
  const late = one.read(CONFIG)
  const [answer] = hold(false)
  await one.write(CONFIG, known)
  answer?.()
  await late
  expect(one.state?.certificates.size).toBe(1)
})

test('a lease is for one process at a time, and not for the years by which a clock was ahead', async () => {
  let nowMs = Date.UTC(2036)
  const { one, other } = shared(() => nowMs)
  expect(await one.lease(CONFIG, nowMs + 1000)).toBe(true)
  expect(await other.lease(CONFIG, nowMs + 1000)).toBe(false)
  nowMs = Date.UTC(2026)
  expect(await other.lease(CONFIG, nowMs + 1000)).toBe(true)
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
