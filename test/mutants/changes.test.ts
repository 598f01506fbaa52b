import { expect, test } from 'bun:test'
import { changed, changesOf } from './changes.ts'

const afterOf = (line: string) => changesOf('a.ts', line).map(({ after }) => after)

test.each<[string, string[]]>([
  ['  return one === two', ['  return one !== two']],
  ['  return size >= 20', ['  return size < 20', '  return size >= 201']],
  [
    '  if (one && !two) return null',
    [
      '  if (one || !two) return null',
      '  if (one) return null',
      '  if (one && two) return null',
      '  if (false) return null',
    ],
  ],
  ["  'x-real-ip',", ['']],
  ["const MARKS = ['a', 'b']", ["const MARKS = ['b']", "const MARKS = ['a']"]],
  ['  holdToMethod(passage)', ['']],
  ['  const token = true', ['  const token = false']],
  ['const MOST = 10_000', ['const MOST = 100001']],
])('%s is changed in each way that may weaken it', (line, after) => {
  expect(afterOf(line)).toEqual(after)
})

test.each(['// a === b', ' * a === b', "import { a } from './a-2.ts'", '  readonly a: true', '  const name = list[0]'])(
  '%s says nothing that can be weakened',
  line => {
    expect(afterOf(line)).toEqual([])
  },
)

test('a change is one of its line alone', () => {
  const text = 'a === b\na === b\n'
  const [, second] = changesOf('a.ts', text)
  expect(second).toMatchObject({ file: 'a.ts', line: 2 })
  expect(second === undefined ? '' : changed(text, second)).toBe('a === b\na !== b\n')
})
