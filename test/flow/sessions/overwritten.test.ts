import { Database } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { startSaying } from '../../kit/applications/answering.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import type { Child } from '../../kit/programs/child.ts'
import { startProviderFor } from '../../kit/provider/provider.ts'
import { asides, isWholeFile } from '../../kit/sessions/database-files.ts'
import { isOnly, type TwoWorkers, twoWorkers } from '../../kit/sessions/two-workers.ts'

/** More than one page of the database, so that a log that is played on another one shows. */
const CROWD = 30

const ROUNDS = 3

const OVERWRITTEN = 'The session database was overwritten'

const keep = untilTheEnd()
const provider = keep(await startProviderFor([{ sub: 'ada', name: 'Ada' }]))
const upstream = keep(startSaying('let through'))

/** Plain cp, onto the file that is there. */
async function cp(folder: string, from: string, to: string): Promise<void> {
  const { ino } = statSync(join(folder, to), { throwIfNoEntry: false }) ?? {}
  expect(await Bun.spawn(['cp', from, to], { cwd: folder }).exited).toBe(0)
  if (ino !== undefined) expect(statSync(join(folder, to)).ino).toBe(ino)
}

/**
 * How often a worker has said that it goes on with another file. Who has not may answer for what is in its memory, and for the rest by
 * what it reads from the file.
 */
function takenOver(child: Child): number {
  return child.output().match(/The session database was (?:overwritten|removed or replaced)/g)?.length ?? 0
}

function sessionsIn(path: string): number {
  const database = new Database(path)
  const row = database.query<{ count: number }, []>('SELECT count(*) AS count FROM sessions').get()
  database.close()
  return row?.count ?? 0
}

/** Signs in without end, until it is stopped; answers how many got in, each of whom was let through. */
function signInWithoutEnd(site: TwoWorkers): { stop(): Promise<number> } {
  let isStopped = false
  let count = 0
  const running = (async () => {
    while (!isStopped) {
      try {
        await site.signIn()
        count++
      } catch {
        // While it is noticed that another file lies there, nobody gets in.
      }
    }
  })()
  return {
    async stop() {
      isStopped = true
      await running
      return count
    },
  }
}

/** Writes so much that the gate takes its log into the database, and waits until it has. */
async function fillLog(folder: string): Promise<void> {
  const path = join(folder, 'sallyport.db')
  const { size } = statSync(path)
  const other = new Database(path)
  other.run('PRAGMA wal_autocheckpoint = 0')
  other.run('PRAGMA busy_timeout = 5000')
  other.run('INSERT INTO shared (name, value) VALUES (hex(randomblob(8)), hex(zeroblob(9000000)))')
  other.close()
  // One mark is left once a checkpoint has come to its end.
  const isDone = () => readFileSync(`${path}-place`, 'utf8').split(' ').length === 3
  await eventually(() => statSync(path).size > size + 15_000_000 && isDone(), 'the log is taken in')
}

test('two workers go on with a backup that is copied over their database while people sign in', async () => {
  using folder = temporaryFolder()
  const site = await twoWorkers(folder.path, provider, upstream)
  let [kept, late, after] = ['', '', '']
  {
    await using child = await site.start()
    kept = await site.signIn()
    await site.run('backup', 'copy.db')
    late = await site.signIn()
    for (let index = 0; index < CROWD; index++) await site.signIn()
    for (let round = 0; round < ROUNDS; round++) {
      const crowd = signInWithoutEnd(site)
      const before = takenOver(child)
      await cp(folder.path, 'copy.db', 'sallyport.db')
      const isTaken = async () => takenOver(child) === before + 2 && isOnly(await site.statuses(late), 401)
      await eventually(isTaken, 'both workers have the backup')
      expect([round, await site.statuses(kept)]).toEqual([round, new Set([200])])
      expect(await crowd.stop()).toBeGreaterThan(0)
      after = await site.signIn()
      expect(await site.statuses(after)).toEqual(new Set([200]))
      await fillLog(folder.path)
      expect([await site.statuses(kept), await site.statuses(after)]).toEqual([new Set([200]), new Set([200])])
      if (round < ROUNDS - 1) late = after
    }
    expect(child.output()).toContain(OVERWRITTEN)
    expect(child.output()).not.toContain('damaged')
    await site.killAll(child)
  }
  await using again = await site.start()
  expect([await site.statuses(kept), await site.statuses(after)]).toEqual([new Set([200]), new Set([200])])
  await site.killAll(again)
  expect(isWholeFile(join(folder.path, 'sallyport.db'))).toBe(true)
}, 300_000)

for (const end of ['kill -9', 'an orderly stop'] as const) {
  test(`${end} right after a backup was copied over the database leaves the backup for whoever starts next`, async () => {
    using folder = temporaryFolder()
    const site = await twoWorkers(folder.path, provider, upstream)
    let kept = ''
    for (let round = 0; round < ROUNDS; round++) {
      await using child = await site.start()
      if (round === 0) {
        kept = await site.signIn()
        await site.run('backup', 'copy.db')
      }
      const late = await site.signIn()
      for (let index = 0; index < CROWD; index++) await site.signIn()
      await cp(folder.path, 'copy.db', 'sallyport.db')
      if (end === 'kill -9') await site.killAll(child)
      else {
        child.process.kill('SIGTERM')
        await child.process.exited
      }
      await using again = await site.start()
      const found = [round, await site.statuses(kept), await site.statuses(late)]
      expect(found).toEqual([round, new Set([200]), new Set([401])])
      await site.killAll(again)
      expect(isWholeFile(join(folder.path, 'sallyport.db'))).toBe(true)
    }
  }, 300_000)
}

test('a plain copy of the file of a running gate is what it goes on with, under it and after kill -9', async () => {
  using folder = temporaryFolder()
  const site = await twoWorkers(folder.path, provider, upstream)
  await using child = await site.start()
  const kept = await site.signIn()
  await fillLog(folder.path)
  // What is written while it is copied may tear it, and whoever copies looks at what came of it.
  await eventually(async () => {
    await cp(folder.path, 'sallyport.db', 'plain.db')
    return isWholeFile(join(folder.path, 'plain.db')) && sessionsIn(join(folder.path, 'plain.db')) === 1
  }, 'the copy is whole')
  const late = await site.signIn()
  await fillLog(folder.path)
  const later = await site.signIn()
  await cp(folder.path, 'plain.db', 'sallyport.db')
  const areGone = async () => isOnly(await site.statuses(late), 401) && isOnly(await site.statuses(later), 401)
  await eventually(async () => takenOver(child) === 2 && (await areGone()), 'both workers have the copy')
  expect(await site.statuses(kept)).toEqual(new Set([200]))
  const more = await site.signIn()
  await fillLog(folder.path)
  const most = await site.signIn()
  await site.killAll(child)
  expect(statSync(join(folder.path, 'sallyport.db-wal')).size).toBeGreaterThan(0)
  await cp(folder.path, 'plain.db', 'sallyport.db')
  await using again = await site.start()
  expect(await site.statuses(kept)).toEqual(new Set([200]))
  expect([await site.statuses(more), await site.statuses(most)]).toEqual([new Set([401]), new Set([401])])
  expect(again.output()).toContain(OVERWRITTEN)
  await site.killAll(again)
  expect(isWholeFile(join(folder.path, 'sallyport.db'))).toBe(true)
  expect(asides(folder.path, 'damaged')).toEqual([])
}, 300_000)
