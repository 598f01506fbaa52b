import { expect, test } from 'bun:test'
import { Named } from '../../../src/server/observe/label-limit.ts'

const many = (count: number) => Array.from({ length: count }, (_, index) => `r${index}`)
const counts = () => new Named(() => ({ n: 0 }))
const told = (named: Named<{ n: number }>) => Object.fromEntries([...named.entries()].map(([name, { n }]) => [name, n]))

test('names of the file are told apart once they are asked for; any other is one of all others', () => {
  const named = counts()
  named.retain(['a', 'b', 'c'])
  for (const name of ['a', 'a', 'b', 'x', 'y', '__proto__']) named.of(name).n++
  expect(told(named)).toEqual({ a: 2, b: 1, '(others)': 3 })
})

test('of a long file, the first 500 are told apart, whatever is asked for first', () => {
  const named = counts()
  named.retain(many(10_000))
  for (const name of many(10_000).toReversed()) named.of(name).n++
  const entries = told(named)
  expect(Object.keys(entries)).toHaveLength(501)
  expect([entries.r0, entries.r499, entries.r500, entries['(others)']]).toEqual([1, 1, undefined, 9_500])
})

test('a save keeps the counts of what stays, and forgets what goes', () => {
  const named = counts()
  named.retain(['a', 'b'])
  for (const name of ['a', 'b']) named.of(name).n++
  named.retain(['b', 'c'])
  for (const name of ['b', 'c']) named.of(name).n++
  expect(told(named)).toEqual({ b: 2, c: 1 })
})
