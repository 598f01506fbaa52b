import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { bypassPatterns, expressionPatterns, matcherPattern } from '../../../src/import/caddyfile/path-patterns.ts'
import { compilePaths } from '../../../src/policy/path.ts'

const holds = (patterns: readonly string[], path: string) => compilePaths(patterns)({ path, readings: [] }) === 'yes'

describe('what a bypass says is said by patterns, or not at all', () => {
  const cases: readonly (readonly [manner: string, text: string, patterns: readonly string[] | null])[] = [
    ['exact', '/health', ['/health']],
    ['exact', 'health', null],
    ['prefix', '/public', ['/public*']],
    ['prefix', '/a*b', null],
    ['partial', '/assets/', ['*/assets/*']],
    ['suffix', '.css', ['*.css']],
    ['suffix', '', null],
    ['suffix', '%2ecss', null],
    ['regex', '^/rx', ['/rx*']],
    ['regex', '\\.(css|js)$', ['*.css', '*.js']],
    ['regex', '^/a$|^/b/', ['/a', '/b/*']],
    ['regex', '^/(?:x|y/.*)\\.js$', ['/x.js', '/y/*.js']],
    ['regex', 'a', ['*a*']],
    ['regex', '^/[a-z]+$', null],
    ['regex', '^/a.b', null],
    ['regex', '^/a?', null],
    ['regex', '^/(a|b)*', null],
    ['regex', '(?i)^/a', null],
    ['regex', '/a^b', null],
    ['regex', '^/a)', null],
    ['regex', '^/(a', null],
    ['regex', '^/a\\d', null],
    ['regex', `^/${'(a|b)'.repeat(20)}`, null],
    ['fuzzy', '/a', null],
  ]
  test.each(cases)('%s %s: %j', (manner, text, patterns) =>
    expect(bypassPatterns(manner, text)).toEqual(patterns as null),
  )
})

test('a star in the middle of a matcher is no star of ours', () => {
  expect(matcherPattern('/a/*/b')).toBeNull()
  expect(matcherPattern('*/a/b*')).toBe('*/a/b*')
  expect(matcherPattern('/A*')).toBe('/a*')
})

test('whatever becomes patterns holds for the same paths as the expression', () => {
  const piece = fc.constantFrom('a', 'b', '/', '\\.', '.*', '(a|b)', '(?:a|/b|)', '(a(b|/)|.*)', '|', '^/', '$')
  const path = fc.array(fc.constantFrom('a', 'b', '/', '.')).map(parts => `/${parts.join('')}`)
  let read = 0
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 6 }), fc.array(path, { minLength: 20 }), (pieces, paths) => {
      const expression = pieces.join('')
      const patterns = expressionPatterns(expression)
      if (patterns === null) return
      read++
      for (const one of paths) {
        expect([expression, one, holds(patterns, one)]).toEqual([expression, one, new RegExp(expression).test(one)])
      }
    }),
    { numRuns: 2000 },
  )
  expect(read).toBeGreaterThan(200)
})
