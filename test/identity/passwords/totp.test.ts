import { describe, expect, test } from 'bun:test'
import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { makeTotpSecret, totpAddress, totpStep } from '../../../src/identity/passwords/totp.ts'

/** `12345678901234567890` in Base32. */
const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'

/** The last six digits of the eight that RFC 6238 Appendix B has for SHA-1. */
const VECTORS: readonly (readonly [seconds: number, code: string])[] = [
  [59, '287082'],
  [1_111_111_109, '081804'],
  [1_111_111_111, '050471'],
  [1_234_567_890, '005924'],
  [2_000_000_000, '279037'],
  [20_000_000_000, '353130'],
]

describe('RFC 6238 Appendix B', () => {
  test.each(VECTORS)('at %d seconds the code is %s', (seconds, code) => {
    expect(totpStep(SECRET, code, seconds * 1000)).toBe(Math.floor(seconds / 30))
  })
})

describe('RFC 6238 §5.2: a code is taken', () => {
  const [seconds, code] = [1_111_111_111, '050471']
  const own = Math.floor(seconds / 30)
  test.each([
    [-2, null],
    [-1, own],
    [0, own],
    [1, own],
    [2, null],
  ])('%d steps from its own, or not: %p', (steps, step) => {
    expect(totpStep(SECRET, code, (seconds + 30 * steps) * 1000)).toBe(step)
  })
})

test.each([
  '',
  '05047',
  '0504711',
  '05047a',
  '٠٥٠٤٧١',
  '-50471',
  '5.0471',
  '050471\u0000',
  `${'0'.repeat(4000)}050471`,
])('what is no six digits is no code: %p', text => {
  expect(totpStep(SECRET, text, 1_111_111_111_000)).toBeNull()
})

test('blanks that applications show between the digits do not matter', () => {
  expect(totpStep(SECRET, ' 050 471\n', 1_111_111_111_000)).toBe(37_037_037)
})

test('a new secret has 160 bits, and its codes are those of RFC 4226 §5.3', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 20, maxLength: 20 }), fc.nat(2 ** 31), (key, second) => {
      const secret = makeTotpSecret(() => Uint8Array.from(key))
      expect(secret).toMatch(/^[A-Z2-7]{32}$/)
      const counter = Buffer.alloc(8)
      counter.writeBigUInt64BE(BigInt(Math.floor(second / 30)))
      const hash = createHmac('sha1', key).update(counter).digest()
      const number = hash.readUInt32BE((hash[19] ?? 0) & 15) & 0x7fffffff
      const code = String(number % 1_000_000).padStart(6, '0')
      expect(totpStep(secret, code, second * 1000)).not.toBeNull()
    }),
  )
})

test('the address for a QR code says what every application takes, and whose it is', () => {
  const address = new URL(totpAddress(SECRET, 'ada lovelace', 'Home & garden'))
  expect([address.protocol, address.host, decodeURIComponent(address.pathname)]).toEqual([
    'otpauth:',
    'totp',
    '/Home & garden:ada lovelace',
  ])
  expect(Object.fromEntries(address.searchParams)).toEqual({
    issuer: 'Home & garden',
    secret: SECRET,
    algorithm: 'SHA1',
    digits: '6',
    period: '30',
  })
})
