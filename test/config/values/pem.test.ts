import { expect } from 'bun:test'
import { checkCertificates, isPair } from '../../../src/config/values/pem.ts'
import { makeAuthority } from '../../kit/certificates.ts'
import { needs } from '../../kit/needs.ts'

const { test } = needs('openssl')

const authority = makeAuthority()
const own = authority.issue('DNS:one.example')

test('a certificate is found among text, other blocks and blocks that have no end', () => {
  const open = '-----BEGIN CERTIFICATE REQUEST-----\n'
  for (const text of [own.cert, `${open}words\n${own.cert}`, own.key + own.cert, `${own.cert}${open}`]) {
    expect([checkCertificates(text), isPair(text, own.key)]).toEqual([null, true])
  }
  expect(isPair(authority.cert + own.cert, own.key)).toBe(false)
  expect(checkCertificates(`-----BEGIN CERTIFICATE-----\n${own.cert}`)).toBe('holds a certificate that is damaged')
  expect(checkCertificates(own.key)).toBe('holds a private key, not a certificate')
  for (const text of ['', open, own.cert.replaceAll('END', 'BEGIN')])
    expect(checkCertificates(text)).toBe('holds no PEM certificate')
})

test('a file that ends within its second certificate is refused, as one that is being written', () => {
  const chain = own.cert + authority.cert
  expect(checkCertificates(chain)).toBeNull()
  for (const end of [chain.trimEnd().length - 1, own.cert.length + authority.cert.length / 2, own.cert.length + 30])
    expect(checkCertificates(chain.slice(0, end))).toBe('ends within a certificate')
})

test.each<[string, (index: number) => string]>([
  ['of one label', () => '-----BEGIN A-----\n'],
  ['of a label each', index => `-----BEGIN ${index}-----\n`],
  ['that end before they begin', index => `-----END ${index}-----BEGIN ${index}-----\n`],
])('a file of nothing but beginnings %s is read once, not once for each of them', (_what, begin) => {
  // To look from each of them for its end would take hours.
  const text = Array.from({ length: 300_000 }, (_, index) => begin(index)).join('')
  expect(checkCertificates(text)).toBe('holds no PEM certificate')
})
