import { Database } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { DISK_IN_THREADS } from '../../../src/process/threads/ask-thread.ts'
import { openSqliteStore } from '../../../src/session/sqlite/store.ts'
import { fakeClock, quietPorts } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { addSession, isWholeFile } from '../../kit/sessions/database-files.ts'
import { storedSession } from '../../kit/sessions/stored.ts'

/** So long after a write, a log is taken in. */
const OLD_MS = 60_000

/** Ten times what makes a log long. */
const MOST_WRITES = 1600

test('a thread takes the log of an open database in, while others wait for nothing', async () => {
  using folder = temporaryFolder()
  const path = join(folder.path, 's.db')
  const clock = fakeClock()
  const store = openSqliteStore(path, quietPorts(clock), DISK_IN_THREADS)
  for (let index = 0; index < 200; index++) await addSession(store, `one${index}`)
  const { size } = statSync(path)
  // The thread waits for this; what reads does not.
  const other = new Database(path)
  other.run('BEGIN IMMEDIATE')
  clock.advance(OLD_MS)
  await store.changesSince()
  expect([store.findByHash('h-one199') !== null, statSync(path).size]).toEqual([true, size])
  other.run('COMMIT')
  other.close()
  await eventually(async () => {
    await store.changesSince()
    return statSync(path).size > size
  }, 'the log is taken in')
  await addSession(store, 'later')
  await store.close()
  expect(isWholeFile(path)).toBe(true)
})

test('a log that is written to without a pause starts again', async () => {
  using folder = temporaryFolder()
  const path = join(folder.path, 's.db')
  const store = openSqliteStore(path, quietPorts({ now: Date.now }), DISK_IN_THREADS)
  const identity = 'x'.repeat(100_000)
  let longest = 0
  let isAnew = false
  for (let index = 0; index < MOST_WRITES && !isAnew; index++) {
    await store.insert(storedSession(`one${index}`, { identity }), {
      hash: `h${index}`,
      sessionId: `one${index}`,
      host: 'x',
    })
    const { size } = statSync(`${path}-wal`)
    isAnew = size < longest
    longest = size
  }
  expect(isAnew).toBe(true)
  await store.close()
  expect(isWholeFile(path)).toBe(true)
})
