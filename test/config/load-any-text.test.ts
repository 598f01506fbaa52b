import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { renderDiagnostics } from '../../src/config/render-diagnostics.ts'
import { check, complete } from './checks.ts'

/** Nothing is thrown, a refusal has a reason, every place is in the text, and all of it can be shown. */
function expectDiagnosed(text: string): void {
  const result = check(text)
  const diagnostics = result.ok ? result.warnings : result.diagnostics
  expect(result.ok).toBe(!diagnostics.some(found => found.severity === 'error'))
  const lines = text.split(/\r?\n/)
  for (const { line, column, length } of diagnostics) {
    expect(line).toBeWithin(1, lines.length + 1)
    expect(column).toBeWithin(1, (lines[line - 1] ?? '').length + 2)
    expect(length).toBeGreaterThan(0)
  }
  const shown = renderDiagnostics(diagnostics, new Map([['routes.toml', text]]), { colour: false })
  // biome-ignore lint/suspicious/noControlCharactersInRegex: none may be left
  expect(shown).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/)
}

test('any text is answered with diagnostics, never with an exception', () =>
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), expectDiagnosed), { numRuns: 500 }))

test('so is any heap of TOML pieces', () => {
  const pieces = [
    '[',
    ']',
    '[[',
    ']]',
    '{',
    '}',
    '=',
    '.',
    ',',
    '"',
    "'",
    '"""',
    "'''",
    '\n',
    '\r\n',
    '\r',
    '\t',
    ' ',
    '#',
    '\\',
    '\uFEFF',
    '😀',
    'routes',
    'server',
    'portals',
    'home',
    'roles',
    'a',
    '1',
    '-',
    '1e9',
    'inf',
    'nan',
    '2026-02-30',
    'true',
    '0x',
    '__proto__',
    '${',
    '}',
    '$${',
    '\u202e',
    '\u001b',
  ]
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 40 }), parts => expectDiagnosed(parts.join(''))),
    { numRuns: 3000 },
  )
})

test('so is a good file with a piece cut out, doubled or moved', () => {
  const good = complete('[server]\nlisten = ["127.0.0.1:0"]\n[sessions]\nidle = "1h"')
  const cut = fc.tuple(
    fc.nat(good.length),
    fc.nat(60),
    fc.nat(good.length),
    fc.string({ unit: 'grapheme', maxLength: 4 }),
  )
  fc.assert(
    fc.property(cut, ([start, length, to, extra]) => {
      const piece = good.slice(start, start + length)
      const rest = good.slice(0, start) + good.slice(start + length)
      expectDiagnosed(rest)
      expectDiagnosed(rest.slice(0, to) + piece + extra + rest.slice(to))
    }),
    { numRuns: 1000 },
  )
})

test('so is every beginning of a good file', () => {
  const good = complete('')
  for (let end = 0; end < good.length; end++) expectDiagnosed(good.slice(0, end))
})

test('so is deep nesting of every kind', () => {
  for (const [open, middle, close] of [
    ['a = ', '[', ']'],
    ['a = ', '{ a = ', ' }'],
    ['', 'a.', 'a = 1'],
  ] as const) {
    expectDiagnosed(open + middle.repeat(5000) + close.repeat(close === 'a = 1' ? 1 : 5000))
  }
})
