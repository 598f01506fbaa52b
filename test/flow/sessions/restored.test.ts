import { expect, test } from 'bun:test'
import { readdirSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { startSaying } from '../../kit/applications/answering.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startProviderFor } from '../../kit/provider/provider.ts'
import { isWholeFile } from '../../kit/sessions/database-files.ts'
import { isOnly, twoWorkers } from '../../kit/sessions/two-workers.ts'

/** More than one page of the database, so that a log that is played on another one shows. */
const CROWD = 30

const KILLS = 5

const keep = untilTheEnd()
const provider = keep(await startProviderFor([{ sub: 'ada', name: 'Ada' }]))
const upstream = keep(startSaying('let through'))

test('two workers go on with a backup that is restored under them, and after kill -9 it is what is there', async () => {
  using folder = temporaryFolder()
  const site = await twoWorkers(folder.path, provider, upstream)
  {
    await using child = await site.start()
    const kept = await site.signIn()
    await site.run('backup', 'copy.db')
    const late = await site.signIn()
    for (let index = 0; index < CROWD; index++) await site.signIn()
    expect([await site.statuses(kept), await site.statuses(late)]).toEqual([new Set([200]), new Set([200])])
    await site.run('restore', 'copy.db')
    await eventually(async () => isOnly(await site.statuses(late), 401), 'both workers have the backup')
    expect(await site.statuses(kept)).toEqual(new Set([200]))
    const after = await site.signIn()
    expect(await site.statuses(after)).toEqual(new Set([200]))
    await site.killAll(child)
    expect(statSync(join(folder.path, 'sallyport.db-wal')).size).toBeGreaterThan(0)
    await using again = await site.start()
    expect(await site.statuses(after)).toEqual(new Set([200]))
    expect([await site.statuses(kept), await site.statuses(late)]).toEqual([new Set([200]), new Set([401])])
    await site.killAll(again)
  }
  expect(isWholeFile(join(folder.path, 'sallyport.db'))).toBe(true)
}, 300_000)

test('kill -9 at the moment of a restore leaves the backup, whole, for whoever starts next', async () => {
  using folder = temporaryFolder()
  const site = await twoWorkers(folder.path, provider, upstream)
  let kept = ''
  for (let round = 0; round < KILLS; round++) {
    await using child = await site.start()
    if (round === 0) {
      kept = await site.signIn()
      await site.run('backup', 'copy.db')
    }
    const late = await site.signIn()
    await site.run('restore', 'copy.db')
    await site.killAll(child)
    await using again = await site.start()
    expect([round, await site.statuses(kept), await site.statuses(late)]).toEqual([
      round,
      new Set([200]),
      new Set([401]),
    ])
    await site.killAll(again)
    expect(isWholeFile(join(folder.path, 'sallyport.db'))).toBe(true)
  }
}, 300_000)

test('a backup that is moved onto the database of workers that were killed does not meet their log', async () => {
  using folder = temporaryFolder()
  const site = await twoWorkers(folder.path, provider, upstream)
  let [kept, late] = ['', '']
  {
    await using child = await site.start()
    kept = await site.signIn()
    await site.run('backup', 'copy.db')
    late = await site.signIn()
    for (let index = 0; index < CROWD; index++) await site.signIn()
    await site.killAll(child)
  }
  expect(statSync(join(folder.path, 'sallyport.db-wal')).size).toBeGreaterThan(0)
  renameSync(join(folder.path, 'copy.db'), join(folder.path, 'sallyport.db'))
  {
    await using again = await site.start()
    expect([await site.statuses(kept), await site.statuses(late)]).toEqual([new Set([200]), new Set([401])])
    expect(again.output()).toContain('what the one before had not yet taken in was set aside')
    await site.killAll(again)
  }
  expect(readdirSync(folder.path).filter(name => /^sallyport\.db\.replaced-\d+-wal$/.test(name))).toHaveLength(1)
  expect(isWholeFile(join(folder.path, 'sallyport.db'))).toBe(true)
}, 300_000)
