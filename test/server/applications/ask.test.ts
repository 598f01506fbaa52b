import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { wordsOf } from '../../../src/server/applications/ask.ts'

test.each([
  ['Host check error\n', false, 'Host check error'],
  [
    '<h1>421: Misdirected Request</h1><p>Unknown &quot;host&quot;.</p>',
    true,
    '421: Misdirected Request Unknown "host".',
  ],
  ['<html><head><title>x</title><style>a{}</style></head><body>No<br>way</body>', true, 'No way'],
  ['<body><script>alert("<p>x")</script>said <noscript>never</noscript>', true, 'said'],
  ['a < b', false, 'a < b'],
  ['<p>&#60;b&#62; &lt;i&gt; &unknown; &#9999999;', true, '<b> <i> &unknown; &#9999999;'],
  ['one\u001b[31m\r\ntwo\u202ethree\u0000\ud800', false, 'one [31m two three'],
  ['&#27;[31m&#8238;x', true, '[31m x'],
  ['x'.repeat(500), false, `${'x'.repeat(159)}…`],
  ['', true, ''],
])('%p says %p', (text, isHtml, words) => {
  expect(wordsOf(text, isHtml)).toBe(words)
})

test('whatever is sent, it is one short line of visible characters', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), fc.boolean(), (text, isHtml) => {
      const words = wordsOf(text, isHtml)
      expect(words.length).toBeLessThanOrEqual(160)
      expect(words).not.toMatch(/[\p{C}]|[^\S ]/u)
    }),
  )
})

test('sixteen thousand tags that never end take one pass', () => {
  expect(wordsOf('<script'.repeat(2400), true)).toBe('')
  expect(wordsOf('<'.repeat(16_384), true)).toBe('')
})
