import { afterEach, beforeEach, expect, jest, test } from 'bun:test'
import { spareMemoryAfterLoad } from '../../src/process/spare-memory.ts'

beforeEach(() => void jest.useFakeTimers())
afterEach(() => void jest.useRealTimers())

function load() {
  let reclaimed = 0
  const sparing = spareMemoryAfterLoad(() => {
    reclaimed++
  })
  return {
    close: sparing.close,
    ask(count: number): void {
      for (let at = 0; at < count; at++) sparing.noteRequest()
    },
    /** How often memory has been given back once so many seconds are over. */
    after(seconds: number): number {
      jest.advanceTimersByTime(seconds * 1000)
      return reclaimed
    },
  }
}

test('what many requests leave behind is given back in the first pause, once', () => {
  const { ask, after } = load()
  ask(10_000)
  expect(after(1)).toBe(0)
  expect(after(1)).toBe(1)
  expect(after(60)).toBe(1)
  expect(jest.getTimerCount()).toBe(0)
})

test('nobody who asks is kept waiting for it, however long they go on', () => {
  const { ask, after } = load()
  for (let second = 0; second < 30; second++) {
    ask(1_000)
    expect(after(1)).toBe(0)
  }
  expect(after(2)).toBe(1)
})

test('few requests leave too little behind, until they are many together', () => {
  const { ask, after } = load()
  ask(9_999)
  expect(after(60)).toBe(0)
  expect(jest.getTimerCount()).toBe(0)
  ask(1)
  expect(after(60)).toBe(1)
})

test('nothing is given back once all is closed', () => {
  const { ask, after, close } = load()
  ask(10_000)
  close()
  expect(after(60)).toBe(0)
  expect(jest.getTimerCount()).toBe(0)
})
