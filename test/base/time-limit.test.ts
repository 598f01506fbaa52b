import { expect, jest, test } from 'bun:test'
import { timeLimit } from '../../src/base/time-limit.ts'

test.each([1, 10, 11, 25.5, 101])('a limit of %d ms is over then, and not before', limitMs => {
  jest.useFakeTimers()
  try {
    const limit = timeLimit(limitMs)
    for (let ms = 1; ms < limitMs; ms++) jest.advanceTimersByTime(1)
    expect(limit.aborted).toBe(false)
    jest.advanceTimersByTime(10)
    expect([limit.aborted, limit.reason.name]).toEqual([true, 'TimeoutError'])
    expect(jest.getTimerCount()).toBe(0)
  } finally {
    jest.useRealTimers()
  }
})

test('a limit is not over by time that passed while this process had no turn', async () => {
  const limit = timeLimit(100)
  for (const began = performance.now(); performance.now() - began < 150; ) Math.random()
  // What came meanwhile.
  await new Promise(resolve => setTimeout(resolve, 1))
  expect(limit.aborted).toBe(false)
})
