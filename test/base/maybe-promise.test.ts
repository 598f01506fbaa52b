import { expect, jest, test } from 'bun:test'
import { andThen, inTime } from '../../src/base/maybe-promise.ts'

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

/** This process has no turn for so long. */
function holdUp(ms: number): void {
  for (const began = performance.now(); performance.now() - began < ms; ) Math.random()
}

test('what is not here in time is late, and its error is nobody’s', async () => {
  const never = new Promise<string>(() => undefined)
  for (const limitMs of [0, 5, 30]) expect(await inTime(never, limitMs, 'late')).toBe('late')
  const { promise, reject } = Promise.withResolvers<string>()
  expect(await inTime(promise, 1, 'late')).toBe('late')
  reject(new RangeError('no'))
  expect(await inTime('here', 0, 'late')).toBe('here')
  await expect(inTime(Promise.reject(new RangeError('no')), 60_000, 'late')).rejects.toThrow(RangeError)
})

test.each([11, 19, 25.5, 101])('what takes up to %d ms is in time where that is the limit', async limitMs => {
  jest.useFakeTimers()
  try {
    const { promise, resolve } = Promise.withResolvers<string>()
    const answer = inTime(promise, limitMs, 'late')
    for (let ms = 1; ms < limitMs; ms++) jest.advanceTimersByTime(1)
    resolve('here')
    expect(await answer).toBe('here')
    expect(jest.getTimerCount()).toBe(0)
  } finally {
    jest.useRealTimers()
  }
})

test('what has come while this process was held up itself is in time', async () => {
  const { promise, resolve } = Promise.withResolvers<string>()
  const answer = inTime(promise, 100, 'late')
  holdUp(150)
  // What came meanwhile.
  setTimeout(resolve, 1, 'here')
  expect(await answer).toBe('here')
})
