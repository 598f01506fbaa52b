import { describe, expect, test } from 'bun:test'
import { compilePaths } from '../../src/policy/path.ts'
import { parseTarget } from '../../src/route/target.ts'

const judge = (patterns: readonly string[], path: string) =>
  compilePaths(patterns)(parseTarget('GET', path, 'app.example'))

describe('a path is as a pattern says', () => {
  const cases: readonly (readonly [pattern: string, path: string, truth: string])[] = [
    ['/a', '/a', 'yes'],
    ['/a', '/a/', 'no'],
    ['/a', '/ab', 'no'],
    ['/a*', '/a', 'yes'],
    ['/a*', '/ab/c', 'yes'],
    ['/a*', '/xa', 'no'],
    ['*', '/', 'yes'],
    ['*.css', '/x/y.css', 'yes'],
    ['*.css', '/x.css/y', 'no'],
    ['*/assets/*', '/x/assets/', 'yes'],
    ['*/assets/*', '/assets', 'no'],
    ['/a*b*c', '/axbxc', 'yes'],
    ['/a*b*c', '/abcx', 'no'],
    ['/ab*ba', '/aba', 'no'],
    ['/ab*ba', '/abba', 'yes'],
  ]
  test.each(cases)('%s for %s: %s', (pattern, path, truth) => expect(judge([pattern], path)).toBe(truth as 'yes'))
  test('where any of several does', () => {
    expect(judge(['/a', '*.css'], '/x.css')).toBe('yes')
    expect(judge(['/a', '*.css'], '/x.js')).toBe('no')
  })
})

describe('a path that a backend may read otherwise is only as a pattern says where every reading is', () => {
  const cases: readonly (readonly [pattern: string, path: string, truth: string])[] = [
    ['*.css', '/admin;.css', 'unknown'],
    ['*.css', '/admin;x/y.css', 'yes'],
    ['*.css', '/admin%3fx.css', 'unknown'],
    ['*.css', '/admin%23.css', 'unknown'],
    ['*.css', '/admin%253f.css', 'unknown'],
    ['*.css', '/admin::$DATA.css', 'unknown'],
    ['*.css', '/admin.css.', 'unknown'],
    ['*.css', '/admin.cs%73', 'unknown'],
    ['/public*', '/public%2fx', 'yes'],
    ['/public*', '/%70ublic', 'unknown'],
    ['/public*', '/PUBLIC', 'unknown'],
    ['/Public*', '/Public/x', 'yes'],
    ['/Public*', '/public/x', 'unknown'],
    ['/public/*', '/public//x', 'yes'],
    ['*/public/*', '//public/x', 'yes'],
    ['/a/*', '/a\\b', 'unknown'],
  ]
  test.each(cases)('%s for %s: %s', (pattern, path, truth) => expect(judge([pattern], path)).toBe(truth as 'yes'))
})

test('a long path is looked at once for each star, however often a piece of it repeats', () => {
  const path = `/${'ab'.repeat(500_000)}`
  const asked = { path, readings: [] }
  expect(compilePaths([`/${'*ab'.repeat(100)}*c`])(asked)).toBe('no')
  expect(compilePaths([`/${'*ab'.repeat(100)}*`])(asked)).toBe('yes')
})
