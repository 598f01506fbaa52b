import { expect, test } from 'bun:test'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lchownSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { createLogFile } from '../../src/console/logs.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { needs } from '../kit/needs.ts'

/** A log in a fresh folder, and what was said of it. */
function logIn(folder: string, name = 'access.log', uid = process.geteuid?.() ?? null) {
  const said: string[] = []
  const path = join(folder, name)
  const file = createLogFile({
    path,
    uid,
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
    uid: null,
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

needs('right to mount').test('a line that a full disk cut short is not continued by the next one', () => {
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

/** Who runs the gate where a file of this test is to be somebody else's: root, as whom tests may run, gives it away. */
const US = process.geteuid?.() ?? 0
const OTHER = US === 0 ? 0 : US + 1
const giveAway = (path: string) => US === 0 && lchownSync(path, 12_345, 12_345)

test('a link of our own or of root is followed, to where it leads next as well', () => {
  using folder = temporaryFolder()
  const { path, file, said, text } = logIn(folder.path)
  mkdirSync(join(folder.path, 'disk'))
  symlinkSync('disk/first', path)
  symlinkSync('real.log', join(folder.path, 'disk/first'))
  expect(file.write('one\n')).toBe(true)
  expect([text(join(folder.path, 'disk/real.log')), said]).toEqual(['one\n', []])
})

test('the standard error of a process is a file like any other, by its name in /dev', () => {
  const script = `import { createLogFile } from ${JSON.stringify(join(import.meta.dir, '../../src/console/logs.ts'))}
createLogFile({ path: '/dev/stderr', uid: process.geteuid(), onTrouble: console.log, onMended() {} }).write('one\\n')`
  // By a pipe of the shell: Bun's own are sockets, which nobody can open by a name.
  const run = Bun.spawnSync(['sh', '-c', 'bun -e "$1" 2>&1 >&3 | cat', 'sh', script], {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  })
  expect(run.stdout.toString()).toBe('one\n')
})

test('a link of another user is not, wherever it is on the way, and nothing is made or written behind it', () => {
  using folder = temporaryFolder()
  const victim = join(folder.path, 'victim')
  writeFileSync(victim, 'kept\n')
  for (const target of [victim, join(folder.path, 'new')]) {
    for (const way of [[], ['second']]) {
      const { path, file, said, text } = logIn(folder.path, `link-${basename(target)}-${way.length}`, OTHER)
      let at = path
      for (const name of way) {
        const next = join(folder.path, `${basename(path)}-${name}`)
        symlinkSync(next, at)
        at = next
      }
      symlinkSync(target, at)
      giveAway(at)
      expect([file.write('one\n'), file.write('two\n'), said]).toEqual([false, false, ['trouble EPERM']])
      expect([text(victim), existsSync(join(folder.path, 'new'))]).toEqual(['kept\n', false])
      // It goes on by itself once the link is gone.
      unlinkSync(at)
      if (at !== path) unlinkSync(path)
      expect([file.write('three\n'), text(), said.at(-1)]).toEqual([true, 'three\n', 'mended 2'])
    }
  }
})

test('what became a link while it was open is not followed either', () => {
  using folder = temporaryFolder()
  const victim = join(folder.path, 'victim')
  writeFileSync(victim, '')
  const { path, file, text } = logIn(folder.path, 'access.log', OTHER)
  // As whoever may write in the folder would.
  file.write('one\n')
  rmSync(path, { force: true })
  symlinkSync(victim, path)
  giveAway(path)
  expect([file.write('two\n'), text(victim)]).toEqual([false, ''])
})

test('a file of another user is none of ours where others than the owner of the folder may put one', () => {
  using folder = temporaryFolder()
  for (const [mode, isTaken] of [
    [0o755, true],
    [0o1777, false],
    [0o775, false],
  ] as const) {
    const place = join(folder.path, mode.toString(8))
    mkdirSync(place)
    writeFileSync(join(place, 'access.log'), '')
    chmodSync(join(place, 'access.log'), 0o666)
    giveAway(join(place, 'access.log'))
    if (US !== 0) continue
    chmodSync(place, mode)
    const { file, said } = logIn(place)
    expect([mode, file.write('one\n'), said]).toEqual([mode, isTaken, isTaken ? [] : ['trouble EPERM']])
  }
})
