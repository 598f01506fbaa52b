import { expect, test } from 'bun:test'
import { memoize } from '../../src/base/memoize.ts'

function counted(most: number, longest = 10) {
  const asked: string[] = []
  const upper = memoize(
    text => {
      asked.push(text)
      return text === '' ? null : text.toUpperCase()
    },
    most,
    longest,
  )
  return { asked, upper }
}

test('what was asked before is answered from memory, be it null', () => {
  const { asked, upper } = counted(2)
  expect(['a', 'a', '', ''].map(upper)).toEqual(['A', 'A', null, null])
  expect(asked).toEqual(['a', ''])
})

test('no more texts than so many are remembered, nor a long one, and all are answered', () => {
  const { asked, upper } = counted(1, 1)
  expect(['aa', 'a', 'b', 'aa', 'a', 'b', 'b'].map(upper)).toEqual(['AA', 'A', 'B', 'AA', 'A', 'B', 'B'])
  expect(asked).toEqual(['aa', 'a', 'b', 'aa', 'a', 'b'])
})

test('what came once in the place of others takes nobody’s memory for good', () => {
  const { asked, upper } = counted(3)
  for (const text of ['x1', 'x2', 'x3', 'x4', 'mine', 'mine', 'mine']) upper(text)
  expect(asked.filter(text => text === 'mine')).toEqual(['mine'])
})
