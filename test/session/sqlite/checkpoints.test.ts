import { expect, test } from 'bun:test'
import { readdirSync, readFileSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type LogQuestion, type TakeIn, takeIn } from '../../../src/session/sqlite/checkpoints.ts'
import { openSqliteStore } from '../../../src/session/sqlite/store.ts'
import type { SessionStore } from '../../../src/session/store.ts'
import { fakeClock, quietPorts } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { addSession, isWholeFile, vacuumInto } from '../../kit/sessions/database-files.ts'

/** So long after a write, a log is taken in. */
const OLD_MS = 60_000

/** Takes logs in once it is let, and by `how`. */
function heldBack(how: (question: LogQuestion) => ReturnType<TakeIn> = async question => takeIn(question)) {
  const asked: LogQuestion[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  const take: TakeIn = async question => {
    asked.push(question)
    await promise
    return how(question)
  }
  return { asked, take, go: resolve }
}

/** A store whose log is taken in apart, and what it logs as errors. */
function storeIn(folder: string, take: TakeIn) {
  const clock = fakeClock()
  const quiet = quietPorts(clock)
  const told: string[] = []
  const log = { ...quiet.log, error: (message: string) => void told.push(message) }
  const path = join(folder, 's.db')
  return { store: openSqliteStore(path, { ...quiet, log }, { takeIn: take }), clock, path, told }
}

async function fill(store: SessionStore, name: string): Promise<void> {
  for (let index = 0; index < 200; index++) await addSession(store, `${name}${index}`)
}

/** What has been answered by now has been heard of. */
async function heard(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise(resolve => setImmediate(resolve))
}

test('a log is taken in apart, one at a time, while people come and go, and closing waits for that', async () => {
  using folder = temporaryFolder()
  const apart = heldBack()
  const { store, clock, path } = storeIn(folder.path, apart.take)
  const { size } = statSync(path)
  await fill(store, 'early')
  for (const name of ['middle', 'late']) {
    clock.advance(OLD_MS)
    await store.changesSince()
    await fill(store, name)
    expect([name, apart.asked.length, statSync(path).size]).toEqual([name, 1, size])
  }
  expect(store.findByHash('h-late199')).not.toBeNull()
  const closing = store.close()
  await heard()
  expect(closing instanceof Promise && Bun.peek.status(closing)).toBe('pending')
  apart.go()
  await closing
  expect(readdirSync(folder.path).filter(name => name.endsWith('-wal'))).toEqual([])
  expect(isWholeFile(path)).toBe(true)
  const again = openSqliteStore(path, quietPorts(clock))
  for (const id of ['early0', 'middle7', 'late199'])
    expect([id, again.findByHash(`h-${id}`) !== null]).toEqual([id, true])
  await again.close()
})

test('what is written after it is taken in later, and nothing is where nobody writes', async () => {
  using folder = temporaryFolder()
  const apart = heldBack()
  apart.go()
  const { store, clock, path } = storeIn(folder.path, apart.take)
  const sizes = [statSync(path).size]
  for (const [name, count] of [
    ['early', 1],
    ['late', 2],
    [null, 2],
  ] as const) {
    if (name !== null) await fill(store, name)
    clock.advance(OLD_MS)
    await store.changesSince()
    await heard()
    expect([name, apart.asked.length]).toEqual([name, count])
    sizes.push(statSync(path).size)
  }
  const [empty = 0, first = 0, second = 0, third = 0] = sizes
  expect([empty < first, first < second, second === third]).toEqual([true, true, true])
  await store.close()
})

test('what fails apart is logged, and tried again a minute later', async () => {
  using folder = temporaryFolder()
  const failure = { message: 'disk I/O error', code: 'SQLITE_IOERR' }
  const apart = heldBack(async () => ({ writtenNs: null, failure }))
  apart.go()
  const { store, clock, told } = storeIn(folder.path, apart.take)
  await fill(store, 'early')
  clock.advance(OLD_MS)
  for (let look = 0; look < 3; look++) {
    await store.changesSince()
    await heard()
  }
  expect([apart.asked.length, told]).toEqual([1, ['The log of the session database cannot be taken in']])
  clock.advance(OLD_MS)
  await store.changesSince()
  expect([apart.asked.length, store.findByHash('h-early0') !== null]).toEqual([2, true])
  await store.close()
})

test('where no thread can be had, a log is taken in here', async () => {
  using folder = temporaryFolder()
  const apart = heldBack(async () => {
    throw new Error('no thread')
  })
  apart.go()
  const { store, clock, path, told } = storeIn(folder.path, apart.take)
  const { size } = statSync(path)
  await fill(store, 'early')
  for (const [asked, isIn] of [
    [1, false],
    [1, false],
    [1, true],
  ] as const) {
    clock.advance(OLD_MS)
    await store.changesSince()
    await heard()
    expect([apart.asked.length, statSync(path).size > size]).toEqual([asked, isIn])
  }
  expect(told).toEqual(['The log of the session database cannot be taken in'])
  await store.close()
})

test('no log is taken into another database that has come to lie at the path', async () => {
  using folder = temporaryFolder()
  const apart = heldBack()
  const { store, clock, path } = storeIn(folder.path, apart.take)
  await fill(store, 'early')
  const copy = join(folder.path, 'copy.db')
  vacuumInto(path, copy)
  await fill(store, 'late')
  clock.advance(OLD_MS)
  await store.changesSince()
  const [question] = apart.asked
  if (question === undefined) throw new Error('nobody was asked')
  const before = readFileSync(copy)
  renameSync(copy, path)
  expect(takeIn(question)).toEqual({ writtenNs: null, failure: null })
  expect(readFileSync(path).equals(before)).toBe(true)
  apart.go()
  await store.close()
})
