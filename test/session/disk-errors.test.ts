import { Database } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileFailed, mayRecover } from '../../src/session/disk-errors.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { needs } from '../kit/needs.ts'
import { mountFile } from '../kit/programs/mount.ts'

needs('right to mount').test(
  'a database that may only be read is waited for, and no other file that cannot be opened',
  () => {
    using folder = temporaryFolder()
    const path = join(folder.path, 's.db')
    const error = new Error('unable to open database file')
    writeFileSync(path, 'a database')
    chmodSync(path, 0o600)
    expect(mayRecover(error, path)).toBe(false)
    using _ = mountFile(path, path)
    const mounted = Bun.spawnSync(['mount', '-o', 'remount,ro,bind', path])
    expect([mounted.success, mayRecover(error, path)]).toEqual([true, true])
  },
)

test('a database that another program has locked is no matter of rights', () => {
  using folder = temporaryFolder()
  const path = join(folder.path, 's.db')
  using other = new Database(path)
  using own = new Database(path)
  own.run('PRAGMA busy_timeout = 0')
  other.run('BEGIN EXCLUSIVE')
  const hintOf = (act: () => unknown) => {
    try {
      act()
    } catch (error) {
      return fileFailed('the session database cannot be opened', path, error).hint
    }
    return null
  }
  expect(hintOf(() => own.run('CREATE TABLE t (n)'))).toStartWith('another program has it locked')
})
