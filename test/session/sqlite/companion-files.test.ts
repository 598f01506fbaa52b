import { expect, test } from 'bun:test'
import { readdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { companionsOf, hasLogBeside, setAsideOwn } from '../../../src/session/sqlite/companion-files.ts'
import { fakeClock, quietPorts } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'

test.each(['-wal', '-shm'])('of the files beside a database that is gone, the new one’s %s stays', replaced => {
  using folder = temporaryFolder()
  const path = join(folder.path, 's.db')
  for (const suffix of ['-wal', '-shm']) writeFileSync(path + suffix, 'the old one’s')
  const [own, clock] = [companionsOf(path), fakeClock()]
  writeFileSync(`${path}.new`, 'the new one’s')
  renameSync(`${path}.new`, path + replaced)
  setAsideOwn(path, own, quietPorts(clock))
  const [aside] = ['-wal', '-shm'].filter(suffix => suffix !== replaced)
  expect(readdirSync(folder.path).toSorted()).toEqual(
    [`s.db${replaced}`, `s.db.replaced-${clock.now()}${aside}`].toSorted(),
  )
})

test('a log that is empty or not there holds nothing', () => {
  using folder = temporaryFolder()
  const path = join(folder.path, 's.db')
  expect(hasLogBeside(path)).toBe(false)
  writeFileSync(`${path}-wal`, '')
  expect(hasLogBeside(path)).toBe(false)
  writeFileSync(`${path}-wal`, 'a page')
  expect(hasLogBeside(path)).toBe(true)
})
