import { expect, test } from 'bun:test'
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  unlinkSync,
} from 'node:fs'
import { join } from 'node:path'
import { createLogFile } from '../../src/console/log-file.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { mayMount } from '../kit/programs/mount.ts'

/** A log in a fresh folder, and what was said of it. */
function logIn(folder: string, name = 'access.log') {
  const said: string[] = []
  const path = join(folder, name)
  const file = createLogFile({
    path,
    onTrouble: error => said.push(`trouble ${(error as NodeJS.ErrnoException).code}`),
    onMended: lost => said.push(`mended ${lost}`),
  })
  return { path, file, said, text: (at = path) => readFileSync(at, 'utf8') }
}

test('lines are added to a file that is made for its owner and group alone', () => {
  using folder = temporaryFolder()
  const { path, file, text } = logIn(folder.path)
  expect([file.write('one\n'), file.write('two\nthree\n')]).toEqual([true, true])
  expect(text()).toBe('one\ntwo\nthree\n')
  expect(statSync(path).mode & 0o137).toBe(0)
  file.close()
  file.write('four\n')
  expect(text()).toEndWith('three\nfour\n')
})

test('a file that was renamed, or removed, is made again for the next line', () => {
  using folder = temporaryFolder()
  const { path, file, text } = logIn(folder.path)
  file.write('one\n')
  renameSync(path, `${path}.1`)
  file.write('two\n')
  unlinkSync(path)
  file.write('three\n')
  expect([text(`${path}.1`), text()]).toEqual(['one\n', 'three\n'])
})

test('a file that was copied and emptied goes on from its beginning', () => {
  using folder = temporaryFolder()
  const { path, file, text } = logIn(folder.path)
  file.write('one\n')
  copyFileSync(path, `${path}.1`)
  truncateSync(path)
  file.write('two\n')
  expect([text(`${path}.1`), text()]).toEqual(['one\n', 'two\n'])
})

test('a folder that is not there costs lines, which is said once, and it is written as soon as it can be', () => {
  using folder = temporaryFolder()
  const { path, file, said, text } = logIn(folder.path, 'later/access.log')
  expect([file.write('one\n'), file.write('two\nthree\n')]).toEqual([false, false])
  expect(said).toEqual(['trouble ENOENT'])
  mkdirSync(join(path, '..'))
  expect(file.write('four\n')).toBe(true)
  expect([text(), said]).toEqual(['four\n', ['trouble ENOENT', 'mended 3']])
  file.write('five\n')
  expect(said).toHaveLength(2)
})

test('a full disk costs lines, and throws at nobody', () => {
  const said: unknown[] = []
  const file = createLogFile({
    path: '/dev/full',
    onTrouble: error => said.push((error as NodeJS.ErrnoException).code),
    onMended: lost => said.push(lost),
  })
  expect([file.write('one\n'), file.write('two\n')]).toEqual([false, false])
  expect(said).toEqual(['ENOSPC'])
})

test('a pipe that nobody reads is not waited for', () => {
  using folder = temporaryFolder()
  const { path, file, said } = logIn(folder.path, 'pipe')
  expect(Bun.spawnSync(['mkfifo', path]).exitCode).toBe(0)
  expect(file.write('one\n')).toBe(false)
  expect(said).toEqual(['trouble ENXIO'])
})

test.skipIf(!mayMount)('a line that a full disk cut short is not continued by the next one', () => {
  using folder = temporaryFolder()
  const home = join(folder.path, 'small')
  mkdirSync(home)
  // A file system of its own, which is full after 64 KiB.
  expect(Bun.spawnSync(['mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', home]).exitCode).toBe(0)
  try {
    const { path, file, said, text } = logIn(home)
    const long = `${'x'.repeat(99)}\n`.repeat(1000)
    expect(file.write(long)).toBe(false)
    expect(text().length).toBeLessThan(long.length)
    renameSync(path, `${path}.1`)
    truncateSync(`${path}.1`, 50)
    copyFileSync(`${path}.1`, path)
    expect(file.write('next\n')).toBe(true)
    expect(text()).toBe(`${'x'.repeat(50)}\nnext\n`)
    expect(said[0]).toBe('trouble ENOSPC')
    expect(said).toHaveLength(2)
    file.close()
  } finally {
    Bun.spawnSync(['umount', '-l', home])
  }
})

test('a file that may not be written is said', () => {
  using folder = temporaryFolder()
  const { path, file, said } = logIn(folder.path)
  file.write('one\n')
  file.close()
  chmodSync(path, 0o400)
  // Root may write everything; nobody may not.
  const isRoot = process.geteuid?.() === 0
  if (isRoot) process.seteuid?.(65_534)
  try {
    expect(file.write('two\n')).toBe(false)
  } finally {
    if (isRoot) process.seteuid?.(0)
  }
  expect(said).toEqual(['trouble EACCES'])
})
