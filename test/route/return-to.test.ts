import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { parseReturnTo } from '../../src/route/return-to.ts'

const ORIGIN = 'https://kuma.example.com'

test.each([
  '/',
  '/a',
  '/a/b?c=d&e=%2F%2Fevil',
  '/a//b',
  '/?next=https://evil.example/',
  '/.well-known/x',
  "/q?a='b'|c",
])('a plain path and query comes back as it is: %s', path => {
  expect(String(parseReturnTo(path))).toBe(path)
})

test.each([
  null,
  '',
  'a',
  'https://evil.example/',
  '//evil.example',
  '///evil.example',
  '/\\evil.example',
  '\\\\evil.example',
  '/a\\b',
  '/\t/evil.example',
  '/\n/evil.example',
  ' /a',
  '/a b',
  '/a\r\nset-cookie: x=y',
  '/\0',
  '/é',
  '/a#b',
  '/..//evil.example',
  '/a/../.sallyport/login',
  '/a/%2e%2E/b',
  '/%09/evil.example',
  '/%zz',
  '/a%252e%252e%252fb/%2e%2e%2f',
  '/%c0%ae',
  '/.sallyport',
  '/.sallyport/',
  '/.sallyport/login?return=/',
  '/.sallyport?x',
  'javascript:alert(1)',
  `/${'a'.repeat(5000)}`,
])('anything else becomes the front page: %j', raw => {
  expect(String(parseReturnTo(raw))).toBe('/')
})

test("whatever comes in, the browser's own parse of it stays on this origin and off our pages", () => {
  const nasty = fc.array(
    fc.constantFrom(
      '/',
      '\\',
      '.',
      '%2e',
      '..',
      '@',
      ':',
      'evil.example',
      '\t',
      '\n',
      '\r',
      ' ',
      '?',
      '#',
      '.sallyport',
      'a',
    ),
    { maxLength: 12 },
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        nasty.map(parts => parts.join('')),
      ),
      raw => {
        const address = new URL(parseReturnTo(raw), ORIGIN)
        expect(address.origin).toBe(ORIGIN)
        expect(address.pathname.startsWith('/.sallyport/')).toBe(false)
        expect(address.pathname.startsWith('//')).toBe(false)
      },
    ),
    { numRuns: 2000 },
  )
})
