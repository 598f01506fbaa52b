import { afterEach, beforeEach, expect, jest, test } from 'bun:test'
import { availableParallelism, totalmem } from 'node:os'
import { resolve } from 'node:path'
import { memoryFor, spareMemoryAfterLoad, usualCacheBytes } from '../../src/process/resources.ts'
import { makeMemoryGroup } from '../kit/programs/memory-group.ts'

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

test('the cache takes an eighth of what a process may use, within bounds', () => {
  expect([1, 1e8, 4e8, 1e9, 64e9].map(bytes => usualCacheBytes(1, bytes))).toEqual([16e6, 16e6, 50e6, 125e6, 512e6])
  expect(memoryFor('auto')).toBe(memoryFor(availableParallelism()))
  expect(memoryFor(1)).toBeLessThanOrEqual(totalmem() - 80e6)
})

test('the limit of a control group counts for the cache, where that is less than the machine has', async () => {
  await using group = makeMemoryGroup(400 * 1024 * 1024)
  const code = `import { usualCacheBytes } from ${JSON.stringify(resolve(import.meta.dir, '../../src/process/resources.ts'))}
console.log(usualCacheBytes(1), usualCacheBytes(2))`
  const command = [process.execPath, '-e', code]
  const { stdout } = Bun.spawnSync([...(group?.enclose(command) ?? command)])
  const [one, two] = group === null ? [usualCacheBytes(1), usualCacheBytes(2)] : [42_428_800, 16_214_400]
  expect(stdout.toString().trim()).toBe(`${one} ${two}`)
})
