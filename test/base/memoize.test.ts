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

test('no more than the first texts are remembered, nor a long one, and all are answered', () => {
  const { asked, upper } = counted(1, 1)
  expect(['aa', 'a', 'b', 'aa', 'a', 'b'].map(upper)).toEqual(['AA', 'A', 'B', 'AA', 'A', 'B'])
  expect(asked).toEqual(['aa', 'a', 'b', 'aa', 'b'])
})
