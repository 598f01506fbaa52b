import { expect, test } from 'bun:test'
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DISK_IN_THREADS } from '../../../src/process/threads/ask-thread.ts'
import { openSqliteStore } from '../../../src/session/sqlite/store.ts'
import { quietPorts } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { addSession, isWholeFile, vacuumInto } from '../../kit/sessions/database-files.ts'

const { makeDraft: draftInThread } = DISK_IN_THREADS

test('a thread copies an open database and says whether it holds together', async () => {
  using folder = temporaryFolder()
  const at = (name: string) => join(folder.path, name)
  const store = openSqliteStore(at('s.db'), quietPorts({ now: Date.now }))
  for (let index = 0; index < 200; index++) await addSession(store, `one${index}`)
  vacuumInto(at('s.db'), at('whole.db'))
  await store.close()
  writeFileSync(at('torn.db'), readFileSync(at('whole.db')).subarray(0, 8192))
  writeFileSync(at('empty.db'), '')
  for (const [name, found] of [
    ['whole.db', 'whole'],
    ['torn.db', 'damaged'],
    ['empty.db', 'damaged'],
  ] as const) {
    const file = openSync(at(name), 'r')
    expect([name, await draftInThread(file, at(`draft of ${name}`))]).toEqual([name, found])
    // It is open here still.
    closeSync(file)
  }
  const file = openSync(at('whole.db'), 'r')
  await draftInThread(file, at('draft'))
  closeSync(file)
  expect(isWholeFile(at('draft'))).toBe(true)
})

test('what keeps it from being copied is the answer', async () => {
  using folder = temporaryFolder()
  const file = openSync(import.meta.path, 'r')
  expect(draftInThread(file, join(folder.path, 'nowhere', 'draft'))).rejects.toThrow('ENOENT')
  await draftInThread(file, join(folder.path, 'draft'))
  closeSync(file)
})
