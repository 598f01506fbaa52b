import { describe, expect, spyOn, test } from 'bun:test'
import { RE2JS } from 're2js'
import { compileExpressions, compilePaths } from '../../src/policy/path-patterns.ts'
import { parseTarget } from '../../src/route/target.ts'
import { ada, type Given, rule, verdict } from './given.ts'

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

describe('in any letter case, where the rule says that it does not count', () => {
  const cases: readonly (readonly [pattern: string, path: string, truth: string])[] = [
    ['/Public*', '/public/x', 'yes'],
    ['/public*', '/PUBLIC/X', 'yes'],
    ['/public*', '/%50UBLIC', 'unknown'],
    ['/public*', '/private', 'no'],
  ]
  test.each(cases)('%s for %s: %s', (pattern, path, truth) => {
    const { path: own, readings } = parseTarget('GET', path, 'app.example')
    expect(compilePaths([pattern], true)({ path: own, readings })).toBe(truth as 'yes')
  })
})

describe('a path is as an expression says where every reading of it is, and is not where none is', () => {
  const express = (sources: readonly string[], path: string, ignoresCase = false) =>
    compileExpressions(sources, ignoresCase)(parseTarget('GET', path, 'app.example'))

  const cases: readonly (readonly [source: string, path: string, truth: string])[] = [
    // Unanchored, as Go's.
    ['items', '/my/items/7', 'yes'],
    ['^/items/[0-9]+$', '/items/17', 'yes'],
    ['^/items/[0-9]+$', '/items/17/edit', 'no'],
    ['^/items/[0-9]+$', '/items/', 'no'],
    // In this letter case; a backend that heeds none may see it.
    ['^/Items', '/Items/7', 'yes'],
    ['^/Items', '/items/7', 'unknown'],
    ['^/items', '/ITEMS/7', 'unknown'],
    // What a class leaves out is left out in any letter case.
    ['^/[^A]', '/b', 'yes'],
    ['^/[^A]', '/a', 'unknown'],
    ['^/[^A]', '/A', 'unknown'],
    // Decoded, as text.
    ['^/café$', '/caf%C3%A9', 'yes'],
    ['^/caf.$', '/caf%C3%A9', 'yes'],
    ['^/caf..$', '/caf%C3%A9', 'no'],
    ['^/a b$', '/a%20b', 'yes'],
    ['^/\\pL+$', '/caf%C3%A9', 'yes'],
    // A byte that is no UTF-8 is one character.
    ['^/x.y$', '/x%FFy', 'yes'],
    ['^/x[^a-z]y$', '/x%FFy', 'yes'],
    // Another spelling is another path for a backend that decodes nothing.
    ['^/public/', '/%70ublic/x', 'unknown'],
    ['^/admin', '/%61dmin', 'unknown'],
    ['^/[^%]*$', '/a%2fb', 'unknown'],
    // Every other reading: parameters, what follows a question mark, what Windows drops, doubled slashes, more decoding.
    ['\\.css$', '/admin;.css', 'unknown'],
    ['\\.css$', '/admin%3fx.css', 'unknown'],
    ['\\.css$', '/admin%253fx.css', 'unknown'],
    ['\\.css$', '/admin.css.', 'unknown'],
    ['^/admin$', '/admin;x', 'unknown'],
    ['^/admin$', '/admin::$DATA', 'unknown'],
    ['^/a/admin$', '/a//admin', 'unknown'],
    ['^/admin$', '/%2561dmin', 'unknown'],
    ['^/public/', '/public//x', 'yes'],
    ['^/private', '/public;x', 'no'],
  ]
  test.each(cases)('%s for %s: %s', (source, path, truth) => expect(express([source], path)).toBe(truth as 'yes'))

  test('any of several is enough', () => {
    expect(express(['^/a$', '\\.css$'], '/x.css')).toBe('yes')
    expect(express(['^/a$', '\\.css$'], '/x.js')).toBe('no')
  })

  test('in any letter case, where the rule says that it does not count', () => {
    expect(express(['^/Items'], '/items/7', true)).toBe('yes')
    expect(express(['^/items'], '/ITEMS/7', true)).toBe('yes')
    expect(express(['^/[^A]'], '/a', true)).toBe('no')
  })

  test('where expression and path would take too long together, nobody can say', () => {
    const path = `/${'a'.repeat(16_000)}`
    expect(express(['(a|b)*a(a|b){30}$'], path)).toBe('unknown')
    expect(express(['^/a+$'], path)).toBe('yes')
  })
})

describe('an expression', () => {
  const EXPRESSION = { pathRegexp: ['^/x'] }
  const at = (path: string) => ({ target: { path, readings: [], query: '' } })
  /** What comes of a request, and how often the machine of an expression ran. */
  function asked(given: Given): readonly [string, number] {
    const runs = spyOn(RE2JS.prototype, 'test')
    const kind = verdict(given)
    const number = runs.mock.calls.length
    runs.mockRestore()
    return [kind, number]
  }

  test('is not asked where a plain path lets in, whatever their order in the file, or rules out its own rule', () => {
    const allow = [EXPRESSION, { paths: ['/y*'] }]
    expect(asked({ allow, who: ada(), facts: at('/y') })).toEqual(['allow', 0])
    const own = [{ paths: ['/y*'] }, { ...EXPRESSION, paths: ['/x/y*'] }]
    expect(asked({ allow: own, who: ada(), facts: at('/y') })).toEqual(['allow', 0])
    expect(asked({ allow, who: ada(), facts: at('/x') })).toEqual(['allow', 2])
  })

  test('is asked once about a request, with letter case and without, however much is to be said of a refusal', () => {
    const allow = [EXPRESSION, { all: [rule({ maxAgeMs: 1 }), rule({ pathRegexp: ['^/y'] })] }]
    expect(asked({ allow, who: ada(), facts: at('/z') })).toEqual(['deny', 4])
    expect(asked({ allow, who: null, facts: at('/z') })).toEqual(['deny', 4])
    const deny = [EXPRESSION, { paths: ['/y*'] }]
    expect(asked({ allow: [{}], deny, who: ada(), facts: at('/x') })).toEqual(['deny', 2])
    expect(asked({ allow: [{}], deny, who: ada(), facts: at('/y') })).toEqual(['deny', 2])
  })
})
