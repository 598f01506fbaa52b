import { describe, expect, test } from 'bun:test'
import { calculateJwkThumbprint } from 'jose'
import {
  AHEAD_MS,
  KEY_SET_MAX_AGE_S,
  keyAt,
  makeSigningKey,
  packKeys,
  parseKeys,
  RETIRE_MS,
  ROTATE_MS,
  type SigningKey,
  tendKeys,
} from '../../../src/session/signing/keys.ts'

const START = Date.UTC(2026, 0, 1)
const HOUR = 3_600_000

describe('keys', () => {
  const [first] = tendKeys([], START)
  if (first === undefined) throw new Error('there is a key')
  const firstAlone: readonly SigningKey[] = [first]

  test('the first signs at once, and its name is its thumbprint (RFC 7638)', async () => {
    expect(first.signsFromMs).toBe(START)
    const { kid, alg, use, ...jwk } = first.publicJwk
    expect([alg, use]).toEqual(['ES256', 'sig'])
    expect(Object.keys(jwk).sort()).toEqual(['crv', 'kty', 'x', 'y'])
    expect(kid).toBe(await calculateJwkThumbprint(jwk, 'sha256'))
  })

  test('the next is published a day before it signs, and nothing changes until then', () => {
    expect(tendKeys(firstAlone, START + ROTATE_MS - AHEAD_MS - 1)).toBe(firstAlone)
    const both = tendKeys(firstAlone, START + ROTATE_MS - AHEAD_MS)
    expect(both.map(({ signsFromMs }) => signsFromMs)).toEqual([START, START + ROTATE_MS])
    expect(keyAt(both, START + ROTATE_MS - 1)).toBe(first)
    expect(keyAt(both, START + ROTATE_MS)).toBe(both[1])
    expect(AHEAD_MS).toBeGreaterThan(10 * KEY_SET_MAX_AGE_S * 1000)
  })

  test('the old one stays published until nothing that it signed can be about', () => {
    const both = tendKeys(firstAlone, START + ROTATE_MS - HOUR)
    const next = both[1]?.signsFromMs ?? 0
    expect(tendKeys(both, next + RETIRE_MS - 1)).toBe(both)
    expect(tendKeys(both, next + RETIRE_MS)).toEqual(both.slice(1))
  })

  test('of a gate that was off for months the old one signs on until the next has been published long enough', () => {
    const nowMs = START + 5 * ROTATE_MS
    const both = tendKeys(firstAlone, nowMs)
    expect(both.map(({ signsFromMs }) => signsFromMs)).toEqual([START, nowMs + AHEAD_MS])
    expect(keyAt(both, nowMs)).toBe(first)
  })

  test('never run out: a year of daily looks has always one that signs, which was published a day before', () => {
    let keys = firstAlone
    const published = new Map([[first.publicJwk.kid, START - AHEAD_MS]])
    for (let nowMs = START; nowMs < START + 365 * 24 * HOUR; nowMs += 6 * HOUR) {
      keys = tendKeys(keys, nowMs)
      for (const { publicJwk } of keys) if (!published.has(publicJwk.kid)) published.set(publicJwk.kid, nowMs)
      const kid = keyAt(keys, nowMs)?.publicJwk.kid ?? ''
      expect(nowMs - (published.get(kid) ?? nowMs)).toBeGreaterThanOrEqual(AHEAD_MS - 6 * HOUR)
      expect(keys.length).toBeLessThanOrEqual(2)
    }
    expect(published.size).toBe(13)
  })

  test('a clock that is set back uses the oldest', () => {
    expect(keyAt(firstAlone, START - HOUR)).toBe(first)
    expect(tendKeys(firstAlone, START - 400 * 24 * HOUR)).toBe(firstAlone)
  })
})

describe('kept keys', () => {
  test('are read back as they were, oldest first', () => {
    const keys = [makeSigningKey(2), makeSigningKey(1)]
    const read = parseKeys(JSON.parse(JSON.stringify(packKeys(keys))))
    expect(read?.map(({ publicJwk, signsFromMs }) => [publicJwk, signsFromMs])).toEqual(
      keys.toReversed().map(({ publicJwk, signsFromMs }) => [publicJwk, signsFromMs]),
    )
  })

  const packed = JSON.parse(JSON.stringify(packKeys([makeSigningKey(1)]))) as { keys: [{ key: { d?: string } }] }
  const { d: _, ...publicHalf } = packed.keys[0].key
  test.each<[string, unknown]>([
    ['nothing', null],
    ['no list', { keys: {} }],
    ['an empty list', { keys: [] }],
    ['a key without a time', { keys: [{ key: packed.keys[0].key }] }],
    ['a public half', { keys: [{ signsFromMs: 1, key: publicHalf }] }],
    ['another curve', { keys: [{ signsFromMs: 1, key: { ...packed.keys[0].key, crv: 'P-384' } }] }],
    ['junk', { keys: [null, 1] }],
  ])('%s is none', (_what, raw) => expect(parseKeys(raw)).toBeNull())
})
