import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import {
  bypassPatterns,
  expressionBounds,
  expressionPatterns,
  matcherBounds,
  matcherPattern,
} from '../../../src/import/caddyfile/path-patterns.ts'
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
    ['regex', '^/a?', ['/a*', '/*']],
    ['regex', '^/v[12]/', ['/v1/*', '/v2/*']],
    ['regex', '^/v[1-3]$', ['/v1', '/v2', '/v3']],
    ['regex', '^\\/api\\/v\\d$', [...'0123456789'].map(digit => `/api/v${digit}`)],
    ['regex', '^/(api|rpc/)?x/?$', ['/x', '/x/', '/apix', '/apix/', '/rpc/x', '/rpc/x/']],
    ['regex', '^/a{3}$', ['/aaa']],
    ['regex', '^/a{1,2}$', ['/a', '/aa']],
    ['regex', '^/a{2,}$', null],
    ['regex', '^/\\d{2}$', null],
    ['regex', '^/(?P<name>a|b)$', ['/a', '/b']],
    ['regex', '^/.*?\\.js$', ['/*.js']],
    ['regex', '\\A/a\\z', ['/a']],
    ['regex', '(?i)^/Ab', ['/ab*']],
    ['regex', '(?:^|/)\\.git', ['*/.git*']],
    ['regex', '^api/', null],
    ['regex', '^/[^a]$', null],
    ['regex', '^/[a-z]$', [...'abcdefghijklmnopqrstuvwxyz'].map(letter => `/${letter}`)],
    ['regex', '^/[ab%]$', null],
    ['regex', '^/\\w$', null],
    ['regex', '^/\\*$', null],
    ['regex', '^/a\\q', null],
    ['regex', '^/[[:alpha:]]', null],
    ['regex', '^/(a|b)*', null],
    ['regex', '^/a**', null],
    ['regex', '^/{$PREFIX}/', null],
    ['regex', '^/a{$COUNT}', null],
    ['regex', '/a^b', null],
    ['regex', '^/a)', null],
    ['regex', '^/(a', null],
    ['regex', `^/${'(a|b)'.repeat(20)}`, null],
    ['regex', `^/${'(((a{30}){30}){30}){30}'}`, null],
    ['fuzzy', '/a', null],
  ]
  test.each(cases)('%s %s: %j', (manner, text, patterns) =>
    expect(bypassPatterns(manner, text)?.toSorted() ?? null).toEqual((patterns?.toSorted() ?? null) as null),
  )
})

test('a star in the middle of a matcher is no star of ours', () => {
  expect(matcherPattern('/a/*/b')).toBeNull()
  expect(matcherPattern('*/a/b*')).toBe('*/a/b*')
  expect(matcherPattern('/A*')).toBe('/a*')
})

describe('where no patterns say an expression, they say what it is within', () => {
  const cases: readonly (readonly [expression: string, patterns: readonly string[] | null])[] = [
    ['^/users/[0-9]+/edit$', ['/users/*/edit']],
    ['^/(?:wiki|docs)/[^/]+\\.pdf$', ['/wiki/*.pdf', '/docs/*.pdf']],
    ['\\.ph(p[0-9]?|tml)$', ['*.php', ...[...'0123456789'].map(digit => `*.php${digit}`), '*.phtml']],
    ['^/a b/.+', ['/a*b/*']],
    ['^/a//b', ['/a*']],
    ['^/a/\\.\\./b', ['/a*']],
    ['^/\\d{4}/x$', [...'0123456789'].map(digit => `/${digit}*/x`)],
    ['^/a.?/b', ['/a*/b*', '/a/b*']],
    ['.+', null],
    ['^api/.+', null],
    ['^(api)?/x.+', ['/x*']],
    ['^{$PREFIX}/', null],
    ['^/\\pL', null],
  ]
  test.each(cases)('%s', (expression, patterns) => {
    const found = expressionBounds(expression)
    expect(found?.toSorted() ?? null).toEqual((patterns?.toSorted() ?? null) as null)
  })

  test('a pattern of a matcher as well', () => {
    expect(matcherBounds('/a/*/b')).toEqual(['/a/*/b'])
    expect(matcherBounds('/A?b')).toEqual(['/a*'])
    expect(matcherBounds('/a%2f/*')).toEqual(['/a*'])
    expect(matcherBounds('/{re.1}')).toEqual(['/*'])
    expect(matcherBounds('{re.1}')).toBeNull()
  })
})

/** Pieces of expressions, as Go spells them. */
const PIECES = [
  ...['a', 'b', '/', '\\/', '\\.', '.', '.*', '.*?', '.+', '|', '^/', '$', '^', '\\A', '\\z', '(^|/)', '($|/)'],
  ...['(a|b)', '(?:a|/b|)', '(a(b|/)|.*)', '(?P<n>a)', 'a?', '(ab)?', '/??', 'a*', 'b+', 'b+?', '(a|b)+', '(/a)*'],
  ...['[ab]', '[^a]', '[a-b.]', '[^/]+', '[a\\]-]', '[-/]?', '\\d', '\\w', '\\W+', '\\b', 'a{2}', 'b{1,2}', '(a|/){2}'],
  ...['a{2,}', '[ab]{0,2}', '.{2}', '(a?b?){3}', '.{0}', '\\-', '1', '(1|\\d)'],
]

/** The same for JavaScript. */
function inJavaScript(expression: string): RegExp {
  const isFolded = expression.startsWith('(?i)')
  const own = expression.replace('(?i)', '').replaceAll('\\A', '^').replaceAll('\\z', '$').replaceAll('(?P<n>', '(')
  return new RegExp(own, isFolded ? 'i' : '')
}

test('whatever becomes patterns holds for the same paths as the expression, and what it is within for no fewer', () => {
  const path = fc.array(fc.constantFrom('a', 'b', 'aa', '/', '/', '.', '1', '-')).map(parts => `/${parts.join('')}`)
  const expressions = fc.tuple(
    fc.constantFrom('', '', '^/', '(?i)'),
    fc.array(fc.constantFrom(...PIECES), { maxLength: 6 }),
  )
  const count = { exact: 0, within: 0, outside: 0 }
  fc.assert(
    fc.property(expressions, fc.array(path, { minLength: 20 }), ([start, pieces], paths) => {
      const expression = start + pieces.join('')
      const real = inJavaScript(expression)
      const patterns = expressionPatterns(expression)
      const bounds = expressionBounds(expression)
      for (const one of paths) {
        const isHeld = real.test(one)
        if (patterns !== null) {
          count.exact++
          expect([expression, one, holds(patterns, one)]).toEqual([expression, one, isHeld])
        }
        if (bounds === null) continue
        count.within++
        const isWithin = holds(bounds, one)
        if (!isWithin) count.outside++
        if (isHeld) expect([expression, one, isWithin]).toEqual([expression, one, true])
      }
    }),
    { numRuns: 1500 },
  )
  expect(Math.min(count.exact, count.within, count.outside)).toBeGreaterThan(2000)
})
