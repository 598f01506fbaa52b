import { Database } from 'bun:sqlite'
import { describe, expect, test } from 'bun:test'
import {
  closeSync,
  copyFileSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Ports } from '../../../src/base/ports.ts'
import type { StoreOptions } from '../../../src/session/sqlite/database-in-use.ts'
import { makeDraft } from '../../../src/session/sqlite/replacement.ts'
import { openSqliteStore } from '../../../src/session/sqlite/store.ts'
import type { SessionStore } from '../../../src/session/store.ts'
import { fakeClock, quietPorts } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { addSession, asides, isWholeFile, vacuumInto } from '../../kit/sessions/database-files.ts'

/** So long after a write, a log is taken in. */
const OLD_MS = 60_000

/** More looks than anything here takes. */
const MOST_LOOKS = 20

interface Place extends AsyncDisposable {
  readonly folder: string
  readonly path: string
  readonly copy: string
  readonly told: readonly string[]
  readonly clock: ReturnType<typeof fakeClock>
  open(): SessionStore
}

/** A folder, and what is said of the databases in it. */
function aPlace(options: StoreOptions = {}): Place {
  const folder = temporaryFolder()
  const clock = fakeClock()
  const quiet = quietPorts(clock)
  const told: string[] = []
  const ports: Pick<Ports, 'now' | 'log'> = {
    ...quiet,
    log: { ...quiet.log, error: message => void told.push(message) },
  }
  const open: SessionStore[] = []
  return {
    folder: folder.path,
    path: join(folder.path, 's.db'),
    copy: join(folder.path, 'copy.db'),
    told,
    clock,
    open() {
      const store = openSqliteStore(join(folder.path, 's.db'), ports, options)
      open.push(store)
      return store
    },
    async [Symbol.asyncDispose]() {
      for (const store of open) await store.close()
      folder[Symbol.dispose]()
    },
  }
}

/** Adds so many sessions, called by a name and a number. */
async function fill(store: SessionStore, name: string, count: number): Promise<void> {
  for (let index = 0; index < count; index++) await addSession(store, `${name}${index}`)
}

/** Looks, as the gate does twice a second, until everybody has another database; how often it took. */
async function lookUntilReplaced(...stores: readonly SessionStore[]): Promise<number> {
  const waiting = new Set(stores)
  for (let looks = 1; looks <= MOST_LOOKS; looks++) {
    for (const store of [...waiting]) if (await isReplaced(store)) waiting.delete(store)
    if (waiting.size === 0) return looks
  }
  throw new Error('nobody went on with what was put there')
}

async function isReplaced(store: SessionStore): Promise<boolean> {
  try {
    return (await store.changesSince()).isIncomplete === true
  } catch {
    return false
  }
}

/** Lets so much time pass that the log is taken in. */
async function takeIn({ clock }: Place, store: SessionStore): Promise<void> {
  clock.advance(OLD_MS)
  await store.changesSince()
}

describe('a file that is copied over a database in use', () => {
  test('is what everybody goes on with; the log of before, and checkpoints, never meet it', async () => {
    await using place = aPlace()
    const { path, copy, folder, told } = place
    const [first, second] = [place.open(), place.open()]
    await fill(first, 'early', 50)
    vacuumInto(path, copy)
    await fill(first, 'late', 500)
    const before = statSync(path).ino
    copyFileSync(copy, path)
    expect(statSync(path).ino).toBe(before)
    // Time to take a log in, were it still its own.
    place.clock.advance(OLD_MS)
    await lookUntilReplaced(first, second)
    for (const store of [first, second]) {
      expect(store.findByHash('h-early49')).not.toBeNull()
      expect(store.findByHash('h-late499')).toBeNull()
    }
    await addSession(first, 'new')
    expect(second.findByHash('h-new')).not.toBeNull()
    await takeIn(place, first)
    await second.close()
    await first.close()
    expect(isWholeFile(path)).toBe(true)
    expect(asides(folder, 'replaced').filter(name => name.endsWith('-wal'))).toHaveLength(1)
    expect(asides(folder, 'damaged')).toEqual([])
    expect(told.join('\n')).toContain('was overwritten by another file')
  })

  test('serves nobody until it is whole and at rest', async () => {
    await using place = aPlace()
    const { path, copy } = place
    const store = place.open()
    await fill(store, 'early', 50)
    vacuumInto(path, copy)
    await addSession(store, 'late')
    const content = readFileSync(copy)
    const half = Math.floor(content.length / 2)
    const file = openSync(path, 'w')
    for (let looks = 0; looks < 5; looks++) expect(await isReplaced(store)).toBe(false)
    writeSync(file, content, 0, half, 0)
    for (let looks = 0; looks < 5; looks++) expect(await isReplaced(store)).toBe(false)
    expect(() => store.findByHash('h-early1')).toThrow('is being copied over')
    writeSync(file, content, half, content.length - half, half)
    closeSync(file)
    await lookUntilReplaced(store)
    expect(store.findByHash('h-early49')).not.toBeNull()
    expect(store.findByHash('h-late')).toBeNull()
  })

  test('and never becomes whole is moved aside, without the log of before, and a new one begun', async () => {
    await using place = aPlace()
    const { path, copy, folder } = place
    const store = place.open()
    await fill(store, 'early', 50)
    vacuumInto(path, copy)
    const content = readFileSync(copy).subarray(0, 8192)
    writeFileSync(path, content)
    await lookUntilReplaced(store)
    expect(store.findByHash('h-early1')).toBeNull()
    await addSession(store, 'new')
    const [damaged = 'none', ...more] = asides(folder, 'damaged')
    expect(more).toEqual([])
    expect(readFileSync(join(folder, damaged))).toEqual(content)
  })

  test('and is not whole either when the next process starts, is moved aside as it is', async () => {
    await using place = aPlace()
    const { path, folder } = place
    const store = place.open()
    await fill(store, 'early', 50)
    const content = Buffer.alloc(8192, 0xa5)
    writeFileSync(path, content)
    const next = place.open()
    expect(next.findByHash('h-early1')).toBeNull()
    await addSession(next, 'new')
    expect(await isReplaced(store)).toBe(true)
    expect(store.findByHash('h-new')).not.toBeNull()
    expect(asides(folder, 'damaged').map(name => readFileSync(join(folder, name)))).toEqual([content])
  })

  test('is left as it is by whoever stops before it was noticed', async () => {
    await using place = aPlace()
    const { path, copy } = place
    const store = place.open()
    await fill(store, 'early', 50)
    vacuumInto(path, copy)
    await fill(store, 'late', 500)
    copyFileSync(copy, path)
    await store.close()
    expect(isWholeFile(path)).toBe(true)
    const again = place.open()
    expect(again.findByHash('h-early49')).not.toBeNull()
    expect(again.findByHash('h-late499')).toBeNull()
  })

  test('is noticed where it is an earlier state of the same file, and where nothing is in it', async () => {
    await using place = aPlace()
    const { path, copy } = place
    const store = place.open()
    await addSession(store, 'early')
    await takeIn(place, store)
    copyFileSync(path, copy)
    await addSession(store, 'late')
    await takeIn(place, store)
    await addSession(store, 'later')
    copyFileSync(copy, path)
    await lookUntilReplaced(store)
    expect(store.findByHash('h-early')).not.toBeNull()
    for (const hash of ['h-late', 'h-later']) expect(store.findByHash(hash)).toBeNull()
    truncateSync(path)
    await lookUntilReplaced(store)
    expect(store.findByHash('h-early')).toBeNull()
    await addSession(store, 'new')
    expect(store.findByHash('h-new')).not.toBeNull()
  })

  test('changes nothing where it has the same content', async () => {
    await using place = aPlace()
    const { path, copy, told } = place
    const store = place.open()
    await addSession(store, 'early')
    await takeIn(place, store)
    await addSession(store, 'late')
    copyFileSync(path, copy)
    copyFileSync(copy, path)
    for (let looks = 0; looks < MOST_LOOKS; looks++) expect(await isReplaced(store)).toBe(false)
    for (const hash of ['h-early', 'h-late']) expect(store.findByHash(hash)).not.toBeNull()
    expect(told).toEqual([])
  })
})

describe('a log', () => {
  test('is taken in a minute after it was written, once for all processes, so that a plain copy has nearly all', async () => {
    await using place = aPlace()
    const { path, copy } = place
    const stores = [place.open(), place.open(), place.open()]
    const marks = () => readFileSync(`${path}-place`, 'utf8')
    for (const store of stores) await addSession(store, `by${stores.indexOf(store)}`)
    place.clock.advance(OLD_MS)
    for (const store of stores) await store.changesSince()
    const after = marks()
    for (let minutes = 0; minutes < 3; minutes++) {
      place.clock.advance(OLD_MS)
      for (const store of stores) await store.changesSince()
    }
    expect(marks()).toBe(after)
    copyFileSync(path, copy)
    const plain = new Database(copy)
    expect(plain.query('SELECT id FROM sessions ORDER BY id').all()).toEqual([
      { id: 'by0' },
      { id: 'by1' },
      { id: 'by2' },
    ])
    plain.close()
  })

  test('is its own where nothing says otherwise: without our file, and with that of a version before', async () => {
    await using place = aPlace()
    const { path, told } = place
    const [store, other] = [place.open(), place.open()]
    await addSession(store, 'a')
    const noted = `${path}-place`
    const change = [
      () => rmSync(noted),
      () => writeFileSync(noted, readFileSync(noted, 'utf8').split(' ').slice(0, 2).join(' ')),
    ]
    for (const act of change) {
      act()
      await takeIn(place, store)
      await addSession(store, `after${change.indexOf(act)}`)
      for (const one of [other, store]) expect(await isReplaced(one)).toBe(false)
    }
    expect(other.findByHash('h-after1')).not.toBeNull()
    expect(told).toEqual([])
  })
})

describe('where all of what was copied is looked at apart, which takes its time', () => {
  /** A place whose looks begin at once, and come to their end when they are told to. */
  function aSlowPlace() {
    const looks: (() => void)[] = []
    const place = aPlace({
      makeDraft(file, draft) {
        const { promise, resolve } = Promise.withResolvers<void>()
        looks.push(resolve)
        return promise.then(() => makeDraft(file, draft))
      },
    })
    return { place, looks }
  }

  async function lookUntil(store: SessionStore, holds: () => boolean): Promise<void> {
    for (let looks = 0; !holds(); looks++) {
      expect(looks).toBeLessThan(MOST_LOOKS)
      await isReplaced(store)
    }
  }

  /** A store over whose database an earlier state of it was copied, which is being looked at. */
  async function beginLook(place: Place, looks: readonly unknown[]): Promise<SessionStore> {
    const store = place.open()
    await fill(store, 'early', 50)
    vacuumInto(place.path, place.copy)
    await addSession(store, 'late')
    copyFileSync(place.copy, place.path)
    await lookUntil(store, () => looks.length === 1)
    return store
  }

  const drafts = (folder: string) => readdirSync(folder).filter(name => name.includes('.new'))

  test('nobody is served and nothing is given up meanwhile; what was written to in between is looked at anew', async () => {
    const { place, looks } = aSlowPlace()
    await using _ = place
    const { path, folder } = place
    const store = await beginLook(place, looks)
    for (let count = 0; count < 2 * MOST_LOOKS; count++) expect(await isReplaced(store)).toBe(false)
    expect(() => store.findByHash('h-early1')).toThrow('is being copied over')
    expect(looks).toHaveLength(1)
    // A second copy of the same, which the look at the first one does not speak of.
    utimesSync(path, 1_700_000_000, 1_700_000_000)
    looks[0]?.()
    await lookUntil(store, () => looks.length === 2)
    expect(() => store.findByHash('h-early1')).toThrow('is being copied over')
    looks[1]?.()
    await Bun.sleep(0)
    expect(await lookUntilReplaced(store)).toBeLessThan(3)
    expect(store.findByHash('h-early49')).not.toBeNull()
    expect(store.findByHash('h-late')).toBeNull()
    expect([drafts(folder), asides(folder, 'damaged')]).toEqual([[], []])
  })

  test('what does not hold together is moved aside all the same', async () => {
    const { place, looks } = aSlowPlace()
    await using _ = place
    const { path, folder } = place
    const store = place.open()
    await addSession(store, 'early')
    writeFileSync(path, Buffer.alloc(8192, 0xa5))
    for (const count of [1, 2]) {
      await lookUntil(store, () => looks.length === count)
      looks[count - 1]?.()
      await Bun.sleep(0)
    }
    await lookUntilReplaced(store)
    await addSession(store, 'new')
    expect([drafts(folder), asides(folder, 'damaged').length]).toEqual([[], 1])
  })

  test('whoever stops waits for the look, and goes on as without one', async () => {
    const { place, looks } = aSlowPlace()
    await using _ = place
    const { path, folder } = place
    const store = await beginLook(place, looks)
    let isClosed = false
    const closing = Promise.resolve(store.close()).then(() => {
      isClosed = true
    })
    await Bun.sleep(0)
    expect(isClosed).toBe(false)
    looks[0]?.()
    await closing
    await Bun.sleep(0)
    expect(isWholeFile(path)).toBe(true)
    const again = place.open()
    expect(again.findByHash('h-early49')).not.toBeNull()
    expect(again.findByHash('h-late')).toBeNull()
    expect(drafts(folder)).toEqual([])
  })
})
