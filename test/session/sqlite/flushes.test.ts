import { Database } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { createBusyRetry } from '../../../src/session/sqlite/busy.ts'
import { openFlushes } from '../../../src/session/sqlite/flushes.ts'
import { openSqliteStore } from '../../../src/session/sqlite/store.ts'
import { quietPorts } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { storedSession } from '../../kit/sessions/stored.ts'

/** A disk that flushes when it is told to. */
function slowDisk() {
  const under: PromiseWithResolvers<void>[] = []
  let begun = 0
  return {
    flush() {
      begun++
      const one = Promise.withResolvers<void>()
      under.push(one)
      return one.promise
    },
    begun: () => begun,
    async finish(error?: Error) {
      const one = under.shift()
      if (error === undefined) one?.resolve()
      else one?.reject(error)
      await settled()
    },
  }
}

/** Whatever can go on without the disk has gone on. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise(resolve => setImmediate(resolve))
}

/** A database with a log, and writes that wait for a disk. */
function openOn(folder: string) {
  const path = join(folder, 's.db')
  const database = new Database(path)
  database.run('PRAGMA journal_mode = WAL')
  database.run('CREATE TABLE t (n INTEGER)')
  const disk = slowDisk()
  let careful = 0
  const flushes = openFlushes(path, () => careful++, disk.flush)
  const insert = createBusyRetry(flushes.flushed)((n: number) => {
    database.run('INSERT INTO t VALUES (?)', [n])
    return n
  })
  const told: (number | string)[] = []
  const write = (n: number) =>
    void Promise.resolve(insert(n)).then(
      one => told.push(one),
      (error: Error) => told.push(error.message),
    )
  return { database, disk, flushes, write, told, careful: () => careful }
}

test('a write is over once a flush is that began after it; all that come meanwhile share the next one', async () => {
  using folder = temporaryFolder()
  const { database, disk, flushes, write, told } = openOn(folder.path)
  write(1)
  await settled()
  expect([told, disk.begun()]).toEqual([[], 1])
  // The flush that is under way may have passed them by.
  for (const n of [2, 3, 4]) write(n)
  await settled()
  expect([told, disk.begun()]).toEqual([[], 1])
  // Whoever reads has it all the same: the event loop is held up by none of this.
  expect(database.query('SELECT count(*) AS n FROM t').get()).toEqual({ n: 4 })
  await disk.finish()
  expect([told, disk.begun()]).toEqual([[1], 2])
  write(5)
  await disk.finish()
  expect([told, disk.begun()]).toEqual([[1, 2, 3, 4], 3])
  await disk.finish()
  expect([told, disk.begun()]).toEqual([[1, 2, 3, 4, 5], 3])
  await flushes.close()
  database.close()
})

test('where the disk fails, what waited for it fails, and SQLite flushes each later write itself', async () => {
  using folder = temporaryFolder()
  const { database, disk, flushes, write, told, careful } = openOn(folder.path)
  write(1)
  write(2)
  await disk.finish(new Error('the disk is gone'))
  // The second is behind the first in the log, and a disk that is there again has no more than the system still knows.
  await disk.finish()
  expect([told, careful()]).toEqual([['the disk is gone', 'the disk is gone'], 1])
  write(3)
  await settled()
  expect([told.slice(2), disk.begun()]).toEqual([[3], 1])
  await flushes.close()
  database.close()
})

test('a close waits for flushes that are under way', async () => {
  using folder = temporaryFolder()
  const { database, disk, flushes, write, told } = openOn(folder.path)
  write(1)
  let isClosed = false
  const closing = Promise.resolve(flushes.close()).then(() => {
    isClosed = true
  })
  await settled()
  expect([told, isClosed]).toEqual([[], false])
  await disk.finish()
  await closing
  expect(told).toEqual([1])
  database.close()
})

test('what is written while the store is opened is on the disk at once; later writes wait for a thread', async () => {
  using folder = temporaryFolder()
  const path = join(folder.path, 's.db')
  let isAtOnce: unknown = null
  const store = openSqliteStore(path, quietPorts({ now: Date.now }), {
    admit: opened => {
      isAtOnce = opened.replaceShared('key', null, 'x')
    },
  })
  expect(isAtOnce).toBe(true)
  const inserted = store.insert(storedSession('a'), { hash: 'h', sessionId: 'a', host: 'x.example' })
  expect(inserted).toBeInstanceOf(Promise)
  expect(store.findByHash('h')).not.toBeNull()
  await inserted
  await store.close()
})
