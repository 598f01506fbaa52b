import { Database } from 'bun:sqlite'
import { describe, expect, test } from 'bun:test'
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { join } from 'node:path'
import { descriptorsOf } from '../../../src/base/connections.ts'
import { makeDraft } from '../../../src/session/sqlite/replacement.ts'
import { openSqliteStore } from '../../../src/session/sqlite/store.ts'
import { fakeClock, quietPorts } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { needs } from '../../kit/needs.ts'
import { addSession, asides, isWholeFile, vacuumInto } from '../../kit/sessions/database-files.ts'

const ports = quietPorts(fakeClock())

/** What a process leaves that was killed: its files, as they lay there while it ran. */
async function leaveBehind(path: string, ids: readonly string[]): Promise<void> {
  const living = `${path}.living`
  const store = openSqliteStore(living, ports)
  for (const id of ids) await addSession(store, id)
  for (const suffix of ['', '-wal', '-shm']) renameSync(living + suffix, path + suffix)
  if (existsSync(`${living}-place`)) renameSync(`${living}-place`, `${path}-place`)
  await store.close()
  expect(existsSync(`${path}-wal`)).toBe(true)
}

describe('a database that is put in place of another', () => {
  test('under a running gate is what the gate, and its other workers, go on with; the old log is not played on it', async () => {
    using folder = temporaryFolder()
    const path = join(folder.path, 's.db')
    const first = openSqliteStore(path, ports)
    const second = openSqliteStore(path, ports)
    for (let index = 0; index < 50; index++) await addSession(first, `early${index}`)
    vacuumInto(path, join(folder.path, 'copy.db'))
    for (let index = 0; index < 500; index++) await addSession(first, `late${index}`)
    renameSync(join(folder.path, 'copy.db'), path)
    for (const store of [first, second]) {
      expect(await store.changesSince()).toEqual({ removed: [], updated: [], isIncomplete: true })
      expect(store.findByHash('h-early49')).not.toBeNull()
      expect(store.findByHash('h-late499')).toBeNull()
    }
    await addSession(first, 'new')
    expect(second.findByHash('h-new')).not.toBeNull()
    expect(await first.changesSince()).toMatchObject({ removed: [] })
    expect(asides(folder.path, 'replaced').filter(name => name.endsWith('-wal')).length).toBe(1)
    await second.close()
    await first.close()
    expect(isWholeFile(path)).toBe(true)
  })

  test('after kill -9 does not meet the log that was left', async () => {
    using folder = temporaryFolder()
    const path = join(folder.path, 's.db')
    await leaveBehind(path, ['early'])
    const early = openSqliteStore(path, ports)
    expect(early.findByHash('h-early')).not.toBeNull()
    await early.close()
    vacuumInto(path, join(folder.path, 'copy.db'))
    await leaveBehind(path, ['late'])
    renameSync(join(folder.path, 'copy.db'), path)
    const store = openSqliteStore(path, ports)
    expect(store.findByHash('h-early')).not.toBeNull()
    expect(store.findByHash('h-late')).toBeNull()
    expect(asides(folder.path, 'replaced').some(name => name.endsWith('-wal'))).toBe(true)
    await store.close()
    expect(isWholeFile(path)).toBe(true)
  })

  test('by cp, over the file that was there, does not meet it either', async () => {
    using folder = temporaryFolder()
    const path = join(folder.path, 's.db')
    const early = openSqliteStore(join(folder.path, 'early.db'), ports)
    await addSession(early, 'early')
    await early.close()
    vacuumInto(join(folder.path, 'early.db'), join(folder.path, 'copy.db'))
    await leaveBehind(path, ['late'])
    copyFileSync(join(folder.path, 'copy.db'), path)
    const store = openSqliteStore(path, ports)
    expect(store.findByHash('h-early')).not.toBeNull()
    expect(store.findByHash('h-late')).toBeNull()
    await store.close()
    expect(isWholeFile(path)).toBe(true)
  })
})

describe('the log that a killed process left', () => {
  test('is played where it belongs, also in a copy of the whole folder', async () => {
    using folder = temporaryFolder()
    const path = join(folder.path, 's.db')
    await leaveBehind(path, ['ada'])
    const elsewhere = join(folder.path, 'elsewhere')
    mkdirSync(elsewhere)
    for (const name of readdirSync(folder.path).filter(each => each.startsWith('s.db')))
      copyFileSync(join(folder.path, name), join(elsewhere, name))
    rmSync(`${path}-shm`)
    for (const where of [path, join(elsewhere, 's.db')]) {
      const store = openSqliteStore(where, ports)
      expect(store.findByHash('h-ada')).not.toBeNull()
      await store.close()
    }
    expect(asides(folder.path, 'replaced')).toEqual([])
    expect(asides(elsewhere, 'replaced')).toEqual([])
  })
})

test('a database of an older layout is kept as it was before it is brought up to date', async () => {
  using folder = temporaryFolder()
  const path = join(folder.path, 's.db')
  const old = new Database(path)
  for (const name of ['handles', 'removed', 'once']) old.run(`CREATE TABLE ${name} (id TEXT)`)
  old.run('CREATE TABLE sessions (id TEXT PRIMARY KEY)')
  old.run("INSERT INTO sessions VALUES ('kept')")
  // A step that cannot be taken, since what it makes is there already: the copy outlives the attempt.
  old.run('PRAGMA user_version = 5')
  old.run('CREATE TABLE links (id TEXT)')
  old.close()
  // The second finds a copy, and fails for nothing else.
  for (let attempt = 0; attempt < 2; attempt++)
    expect(() => openSqliteStore(path, ports)).toThrow(
      expect.objectContaining({ cause: expect.objectContaining({ message: 'table links already exists' }) }),
    )
  const copy = new Database(`${path}.layout-5`)
  expect(copy.query('SELECT id FROM sessions').all()).toEqual([{ id: 'kept' }])
  expect(copy.query('PRAGMA user_version').get()).toEqual({ user_version: 5 })
  copy.close()
  expect(statSync(`${path}.layout-5`).mode & 0o777).toBe(0o600)
})

needs('/proc').test('a look at all of a database leaves no file open', () => {
  using folder = temporaryFolder()
  const path = join(folder.path, 's.db')
  new Database(path).run('CREATE TABLE t (n INTEGER)')
  const file = openSync(path, 'r')
  for (let time = 0; time < 5; time++) {
    expect(makeDraft(file, `${path}.draft`)).toBe('whole')
    rmSync(`${path}.draft`)
  }
  // Of this file alone: descriptors of databases that nobody has any more are closed at any time.
  expect([...descriptorsOf(`${path}.draft`).values()]).toEqual([])
  closeSync(file)
})
