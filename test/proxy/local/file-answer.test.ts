import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { isCompressible, wantedCodings } from '../../../src/proxy/local/file-answer.ts'

const wanted = (accept: string | null) => wantedCodings(accept).map(({ coding }) => coding)

test.each([
  [null, []],
  ['', []],
  ['gzip', ['gzip']],
  ['GZIP', ['gzip']],
  ['gzip, deflate, br, zstd', ['br', 'zstd', 'gzip']],
  ['br;q=0.5, gzip', ['gzip', 'br']],
  ['br;q=0, *', ['zstd', 'gzip']],
  ['*;q=0', []],
  ['*', ['br', 'zstd', 'gzip']],
  ['gzip;q=0.3, identity;q=0.5', []],
  ['gzip;q=0.5, identity;q=0.5', ['gzip']],
  ['gzip ; Q=0.000', []],
  ['gzip;q=2', ['gzip']],
  ['x-gzip, compress', []],
])('RFC 9110 §12.5.3: %j asks for %j', (accept, codings) => {
  expect(wanted(accept)).toEqual(codings as never)
})

test('whatever is asked for, nothing but what we have is answered, each once', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'gzipbrstd*;q=01.5, '), maxLength: 60 }), accept => {
      const found = wanted(accept)
      expect(new Set(found).size).toBe(found.length)
      for (const coding of found) expect(accept.includes(coding) || accept.includes('*')).toBe(true)
    }),
  )
})

test.each([
  ['text/html;charset=utf-8', true],
  ['application/json;charset=utf-8', true],
  ['application/manifest+json', true],
  ['image/svg+xml', true],
  ['application/wasm', true],
  ['image/png', false],
  ['font/woff2', false],
  ['application/zip', false],
  ['application/octet-stream', false],
  ['video/mp4', false],
])('%s gets much shorter: %p', (type, is) => expect(isCompressible(type)).toBe(is))
