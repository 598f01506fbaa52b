import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseLength, Tally } from '../../src/base/byte-counts.ts'

test.each([
  ['0', 0],
  ['2', 2],
  ['002', 2],
  ['9007199254740991', Number.MAX_SAFE_INTEGER],
  ['2, 2', 2],
  ['2,2,\t02', 2],
])('RFC 9110 §8.6: %j is %i', (raw, length) => expect(parseLength(raw)).toBe(length))

test.each([
  null,
  undefined,
  ...['', ' ', ',', '2,', ',2', '2, 3', '2 2', '2;', '-1', '+2', '2.0', '1e3', '0x10', 'NaN', 'Infinity', '٢', ' 2'],
  ...['9007199254740992', '9007199254740993, 9007199254740992', '9'.repeat(400)],
])('%j is none', raw => expect(parseLength(raw)).toBeNull())

test('nothing else makes a number of a Content-Length', () => {
  const src = join(import.meta.dir, '../../src')
  const files = [...new Bun.Glob('**/*.{ts,tsx}').scanSync(src)].filter(file => {
    const text = readFileSync(join(src, file), 'utf8')
    return text.includes("'content-length'") && /\bNumber\(|\bparse(?:Int|Float)\(/.test(text)
  })
  // A time in a record, Max-Forwards, what the system says of a file, the size of a chunk, a status, and a port.
  const others = [
    'portal/kept-forms/kept-form',
    'proxy/fields/hop-by-hop',
    'proxy/local/file-answer',
    'proxy/websocket/dial',
    'proxy/websocket/handshake',
  ]
  expect(files.toSorted()).toEqual([...others, 'server/request/context'].map(name => `${name}.ts`))
})

test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -1])(
  'what is no amount is not counted, and the sum stays: %p',
  amount => {
    const tally = new Tally()
    tally.add(7)
    tally.remove(2)
    expect(() => tally.add(amount)).toThrow(TypeError)
    expect(() => tally.remove(amount)).toThrow(TypeError)
    expect(tally.sum).toBe(5)
  },
)
