import { expect, test } from 'bun:test'
import { andThen } from '../../src/base/maybe-promise.ts'

const add = (one: number, other: number) => one + other

test('what is here is gone on with at once, without a promise', () => {
  expect(andThen(1, add, 2)).toBe(3)
})

test('what is pending is gone on with once it is here', async () => {
  const found = andThen(Promise.resolve(1), add, 2)
  expect(found).toBeInstanceOf(Promise)
  expect(await found).toBe(3)
})

test('a step that has to wait makes a promise of its own, and no promise of a promise', async () => {
  const found: unknown = await andThen(1, one => Promise.resolve(one + 1))
  expect(found).toBe(2)
})

test('what a step throws is thrown where nothing is pending, and rejected with otherwise', async () => {
  const fail = () => {
    throw new RangeError('no')
  }
  expect(() => andThen(1, fail)).toThrow(RangeError)
  await expect(Promise.resolve(andThen(Promise.resolve(1), fail))).rejects.toThrow(RangeError)
})

test('a step is not taken where what it waits for failed', async () => {
  let isTaken = false
  const found = andThen(Promise.reject(new RangeError('no')), () => {
    isTaken = true
  })
  await expect(Promise.resolve(found)).rejects.toThrow(RangeError)
  expect(isTaken).toBe(false)
})
