import { expect, test } from 'bun:test'
import { lineDiff } from '../../../src/server/editor/line-diff.ts'

const LINES = Array.from({ length: 12 }, (_, at) => `line ${at + 1}`)

test('a line that is gone has its number of before, every other one its number of now, and a gap none', () => {
  const after = [...LINES.slice(0, 5), 'new', 'newer', ...LINES.slice(6)]
  const shown = lineDiff(LINES.join('\n'), after.join('\r\n')).map(({ kind, number, text }) => [kind, number, text])
  expect(shown).toEqual([
    ['gap', 0, ''],
    ['same', 3, 'line 3'],
    ['same', 4, 'line 4'],
    ['same', 5, 'line 5'],
    ['removed', 6, 'line 6'],
    ['added', 6, 'new'],
    ['added', 7, 'newer'],
    ['same', 8, 'line 7'],
    ['same', 9, 'line 8'],
    ['same', 10, 'line 9'],
    ['gap', 0, ''],
  ])
  expect(lineDiff('same', 'same')).toEqual([])
})
