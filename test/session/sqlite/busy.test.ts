import { afterEach, beforeEach, expect, jest, test } from 'bun:test'
import { createBusyRetry } from '../../../src/session/sqlite/busy.ts'

const LOCKED = Object.assign(new Error('database is locked'), { code: 'SQLITE_BUSY' })
const FULL = Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' })

beforeEach(() => void jest.useFakeTimers())
afterEach(() => void jest.useRealTimers())

/** A write that fails as it is told to, and what came of each that was begun, in order. */
function failing() {
  const now: { error: Error | null } = { error: LOCKED }
  const told: string[] = []
  const write = createBusyRetry()((name: string) => {
    if (now.error !== null) throw now.error
    return name
  })
  const begin = (name: string) =>
    void Promise.resolve(write(name)).then(
      done => told.push(done),
      (error: Error) => told.push(`${name}: ${error.message}`),
    )
  const pass = async (ms: number) => {
    jest.advanceTimersByTime(ms)
    for (let turn = 0; turn < 10; turn++) await Promise.resolve()
  }
  return { now, told, begin, pass }
}

test('a write to a locked database is tried for two seconds, and then fails with what SQLite said', async () => {
  const { told, begin, pass } = failing()
  begin('one')
  await pass(1_000)
  begin('two')
  await pass(975)
  expect(told).toEqual([])
  await pass(25)
  expect(told).toEqual(['one: database is locked'])
  await pass(1_000)
  expect(told).toEqual(['one: database is locked', 'two: database is locked'])
})

test('what waits for a lock goes on in order once it is free, and fails at once where something else is wrong', async () => {
  const { now, told, begin, pass } = failing()
  for (const name of ['one', 'two']) begin(name)
  await pass(100)
  now.error = null
  await pass(25)
  expect(told).toEqual(['one', 'two'])
  now.error = LOCKED
  begin('three')
  now.error = FULL
  await pass(25)
  expect(told).toEqual(['one', 'two', 'three: database or disk is full'])
})
