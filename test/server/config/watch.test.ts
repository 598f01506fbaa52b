import { expect, test } from 'bun:test'
import { appendFileSync, closeSync, mkdirSync, openSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { watchFiles } from '../../../src/server/config/watch.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'

/** A watched file in a folder of its own, and how often it was said to have changed. */
function watched(folder: string) {
  const path = join(folder, 'routes.toml')
  writeFileSync(path, 'one')
  let calls = 0
  const watching = watchFiles([path], { onChange: () => void calls++, onLost() {} })
  return { path, calls: () => calls, [Symbol.dispose]: () => watching.close() }
}

/** Writes to a log in the folder every few milliseconds, as an access log or a database beside the file would. */
function busyFolder(folder: string): { [Symbol.dispose](): void } {
  const timer = setInterval(() => appendFileSync(join(folder, 'access.log'), 'a line\n'), 5)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

test('a folder in which something else is written all the time causes no reading', async () => {
  using folder = temporaryFolder()
  using file = watched(folder.path)
  using _busy = busyFolder(folder.path)
  await Bun.sleep(500)
  expect(file.calls()).toBe(0)
})

const SAVES: [string, (path: string) => void][] = [
  ['saved in place', path => writeFileSync(path, 'two')],
  [
    'renamed over',
    path => {
      writeFileSync(`${path}~`, 'two')
      renameSync(`${path}~`, path)
    },
  ],
  [
    'relinked',
    path => {
      writeFileSync(`${path}.other`, 'two')
      symlinkSync(`${path}.other`, `${path}.link`)
      renameSync(`${path}.link`, path)
    },
  ],
]

test.each(SAVES)(
  'a file that is %s is noticed in a folder in which something else is written all the time',
  async (_how, save) => {
    using folder = temporaryFolder()
    using file = watched(folder.path)
    using _busy = busyFolder(folder.path)
    await Bun.sleep(50)
    save(file.path)
    await eventually(() => file.calls() > 0, 'the change is noticed')
    await Bun.sleep(300)
    expect(file.calls()).toBe(1)
  },
)

test('a file that cannot be looked at keeps no other from being noticed, and is noticed itself once it can be', async () => {
  using folder = temporaryFolder()
  const [path, more, link] = ['routes.toml', 'more', 'link.toml'].map(name => join(folder.path, name)) as [
    string,
    string,
    string,
  ]
  for (const name of [path, more, join(folder.path, 'real.toml')]) writeFileSync(name, 'one')
  symlinkSync('real.toml', link)
  let calls = 0
  const watching = watchFiles([path], { onChange: () => void calls++, onLost() {} })
  try {
    // What is no folder, as one that this user may not enter.
    watching.follow([path, join(more, 'part.toml'), link])
    await eventually(() => calls === 1, 'there are others')
    writeFileSync(path, 'another')
    await eventually(() => calls === 2, 'the file beside it')
    symlinkSync('link.toml', `${link}~`)
    renameSync(`${link}~`, link)
    await eventually(() => calls === 3, 'a link to itself')
    rmSync(more)
    mkdirSync(more)
    writeFileSync(join(more, 'part.toml'), 'one')
    await eventually(() => calls > 3, 'the folder')
    expect(watching.state()).not.toBe('lost')
  } finally {
    watching.close()
  }
})

test('what a link leads to is noticed though its folder is another, and a folder that was made anew is watched again', async () => {
  using folder = temporaryFolder()
  using elsewhere = temporaryFolder()
  const real = join(elsewhere.path, 'routes.toml')
  writeFileSync(real, 'one')
  const inner = join(folder.path, 'inner')
  mkdirSync(inner)
  symlinkSync(real, join(inner, 'routes.toml'))
  let calls = 0
  const watching = watchFiles([join(inner, 'routes.toml')], { onChange: () => void calls++, onLost() {} })
  try {
    writeFileSync(real, 'another')
    await eventually(() => calls === 1, 'the file behind the link')
    rmSync(inner, { recursive: true })
    mkdirSync(inner)
    writeFileSync(join(inner, 'routes.toml'), 'a file of its own')
    await eventually(() => calls === 2, 'the new folder')
    // Each second at most would be too late for so many.
    for (let save = 0; save < 5; save++) {
      writeFileSync(join(inner, 'routes.toml'), `${save}`.repeat(save + 1))
      await eventually(() => calls === 3 + save, 'a save in it')
    }
    mkdirSync(`${inner}.next`)
    writeFileSync(join(`${inner}.next`, 'routes.toml'), 'a whole folder in the place of the other')
    renameSync(inner, `${inner}.before`)
    renameSync(`${inner}.next`, inner)
    await eventually(() => calls === 8, 'a folder that took its place')
  } finally {
    watching.close()
  }
})

needs('/proc').test('a watch says whether the files are as they were read, saved since, or out of sight', async () => {
  using folder = temporaryFolder()
  const path = join(folder.path, 'routes.toml')
  writeFileSync(path, 'one')
  const descriptor = openSync(path, 'r')
  try {
    // As a file that is mounted by itself: its path stays, whatever becomes of its name.
    const lost: string[] = []
    const mounted = `/proc/self/fd/${descriptor}`
    const watching = watchFiles([mounted], { onChange() {}, onLost: path => void lost.push(path) })
    try {
      expect(watching.state()).toBe('seen')
      writeFileSync(path, 'another')
      expect(watching.state()).toBe('changed')
      rmSync(path)
      await eventually(() => watching.state() === 'lost', 'the file is out of sight')
      expect(lost).toEqual([mounted])
    } finally {
      watching.close()
    }
  } finally {
    closeSync(descriptor)
  }
})
