import { Database } from 'bun:sqlite'
import { describe, expect, spyOn, test } from 'bun:test'
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { backUpDatabase } from '../../../src/session/sqlite/backup.ts'
import { LAYOUT } from '../../../src/session/sqlite/schema.ts'
import { openSqliteStore } from '../../../src/session/sqlite/store.ts'
import { fakeClock, quietPorts } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { named } from '../../kit/sessions/records.ts'
import { storedSession } from '../../kit/sessions/stored.ts'
import { codeOf } from '../../kit/thrown.ts'

const ports = quietPorts(fakeClock())
const HANDLE = { hash: 'h', sessionId: 'a', host: 'x' }
const SESSION = storedSession('a')

test('of somebody with thousands of sessions, all are found, and others have their turn meanwhile', async () => {
  using folder = temporaryFolder()
  const path = join(folder.path, 's.db')
  const store = openSqliteStore(path, ports)
  try {
    const ids = Array.from({ length: 1001 }, (_, index) => `s${index}`)
    const sessions = ids.map((id, index) => storedSession(id, { sid: 'one', createdAtMs: index >> 1 }))
    await Promise.all(
      sessions.map(session => store.insert(session, { ...HANDLE, hash: `of ${session.id}`, sessionId: session.id })),
    )
    const newestFirst = sessions
      .toSorted((one, other) => other.createdAtMs - one.createdAtMs || (one.id < other.id ? 1 : -1))
      .map(({ id }) => id)
    const ways = [
      () => store.findBySubject('https://id.example', 'ada'),
      () => store.findBySid('https://id.example', 'one'),
    ]
    for (const find of ways) {
      const found = find()
      const turn = new Promise(resolve => setTimeout(resolve, 0, 'somebody else'))
      expect(await Promise.race([found, turn])).toBe('somebody else')
      expect((await found).map(({ id }) => id)).toEqual(newestFirst)
    }
  } finally {
    store.close()
  }
})

test('of many sessions that are read by slices, those that became another user’s meanwhile are not among them', async () => {
  using folder = temporaryFolder()
  const path = join(folder.path, 's.db')
  const store = openSqliteStore(path, ports)
  using other = new Database(path)
  try {
    const ids = Array.from({ length: 401 }, (_, index) => `s${index}`)
    const sessions = ids.map(id => storedSession(id, { sid: 'one' }))
    await Promise.all(
      sessions.map(session => store.insert(session, { ...HANDLE, hash: `of ${session.id}`, sessionId: session.id })),
    )
    const bySid = store.findBySid('https://id.example', 'one')
    other.run("UPDATE sessions SET sid = 'two'")
    const ofSid = await bySid
    expect([ofSid.length, new Set(ofSid.map(({ sid }) => sid))]).toEqual([200, new Set(['one'])])
    const bySubject = store.findBySubject('https://id.example', 'ada')
    other.run("UPDATE sessions SET subject = 'eve'")
    const ofSubject = await bySubject
    expect([ofSubject.length, new Set(ofSubject.map(({ subject }) => subject))]).toEqual([200, new Set(['ada'])])
  } finally {
    store.close()
  }
})

test('a process reads everything again where changes in the middle of what it missed are forgotten', async () => {
  using folder = temporaryFolder()
  const path = join(folder.path, 's.db')
  const [one, away] = [openSqliteStore(path, ports), openSqliteStore(path, ports)]
  const end = (id: string) => {
    one.insert(storedSession(id), { ...HANDLE, hash: `hash of ${id}`, sessionId: id })
    one.remove(id)
  }
  const laterMs = Date.now() + 2 * 60 * 60 * 1000
  try {
    end('a')
    // As by a clock that was ahead for a while.
    using database = new Database(path)
    database.run('UPDATE removed SET at_ms = at_ms + 1e10')
    end('b')
    await one.purge(laterMs, laterMs)
    end('c')
    const left = database.query<{ readonly session_id: string }, []>('SELECT session_id FROM removed').all()
    expect(left.map(({ session_id }) => session_id)).toEqual(['a', 'c'])
    expect(away.changesSince()).toEqual({ removed: [], updated: [], isIncomplete: true })
    end('d')
    expect(away.changesSince()).toEqual({ removed: ['d'], updated: [] })
  } finally {
    await one.close()
    await away.close()
  }
})

test('a process that was away for longer than changes are kept reads everything again', async () => {
  using folder = temporaryFolder()
  const path = join(folder.path, 's.db')
  const [one, away] = [openSqliteStore(path, ports), openSqliteStore(path, ports)]
  const end = (id: string) => {
    one.insert(storedSession(id), { ...HANDLE, hash: `hash of ${id}`, sessionId: id })
    one.remove(id)
  }
  const laterMs = Date.now() + 2 * 60 * 60 * 1000
  try {
    end('a')
    expect(away.changesSince()).toEqual({ removed: ['a'], updated: [] })
    await one.purge(laterMs, laterMs)
    // What it had heard of may be forgotten.
    expect(away.changesSince()).toEqual({ removed: [], updated: [] })
    end('b')
    await one.purge(laterMs, laterMs)
    expect(away.changesSince()).toEqual({ removed: [], updated: [], isIncomplete: true })
    end('c')
    await one.purge(laterMs, laterMs)
    end('d')
    expect(away.changesSince()).toEqual({ removed: [], updated: [], isIncomplete: true })
    end('e')
    expect(away.changesSince()).toEqual({ removed: ['e'], updated: [] })
    // One that begins now has missed nothing.
    const fresh = openSqliteStore(path, ports)
    end('f')
    expect(fresh.changesSince()).toEqual({ removed: ['f'], updated: [] })
    fresh.close()
  } finally {
    one.close()
    away.close()
  }
})

describe('the database file', () => {
  test('is readable by its owner alone', () => {
    using folder = temporaryFolder()
    const path = join(folder.path, 's.db')
    openSqliteStore(path, ports).close()
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  const damages: [string, (path: string) => void][] = [
    [
      'overwritten with something else',
      path => writeFileSync(path, 'this is no database, but it is long enough to look at '.repeat(200)),
    ],
    ['cut in the middle', path => truncateSync(path, Math.floor(statSync(path).size / 2) + 100)],
  ]
  test.each(damages)('when %s, is moved aside and begun anew, and admits nobody', (_how, damage) => {
    using folder = temporaryFolder()
    const path = join(folder.path, 's.db')
    const first = openSqliteStore(path, ports)
    for (let index = 0; index < 200; index++) {
      first.insert(
        { ...SESSION, id: `a${index}`, identity: 'x'.repeat(500) },
        { ...HANDLE, hash: `h${index}`, sessionId: `a${index}` },
      )
    }
    first.close()
    damage(path)
    const store = openSqliteStore(path, ports)
    expect(store.findByHash('h1')).toBeNull()
    store.insert(SESSION, HANDLE)
    expect(store.findByHash('h')).not.toBeNull()
    store.close()
    expect(readdirSync(folder.path).some(name => name.includes('.damaged-'))).toBe(true)
  })

  test('of a newer layout is left alone with a clear refusal', () => {
    using folder = temporaryFolder()
    const path = join(folder.path, 's.db')
    const database = new Database(path)
    database.run('CREATE TABLE sessions (id TEXT); PRAGMA user_version = 999')
    database.close()
    expect(() => openSqliteStore(path, ports)).toThrow('a newer Sallyport')
    expect(readdirSync(folder.path).sort()).toEqual(['s.db', 's.db-lock'])
  })

  test.each([
    ['without a layout', 'CREATE TABLE users (id INTEGER)'],
    ['with a table of the same name', 'CREATE TABLE sessions (id INTEGER)'],
    ['with a number that a layout of ours has', 'CREATE TABLE users (id INTEGER); PRAGMA user_version = 5'],
    ['with the number of this layout', `CREATE TABLE sessions (id INTEGER); PRAGMA user_version = ${LAYOUT}`],
    ['with a number beyond', 'CREATE TABLE users (id INTEGER); PRAGMA user_version = 999'],
  ])('of another program is left as it is: %s', (_, layout) => {
    using folder = temporaryFolder()
    const path = join(folder.path, 's.db')
    const database = new Database(path)
    database.run(layout)
    database.close()
    chmodSync(path, 0o660)
    const before = readFileSync(path)
    expect(() => openSqliteStore(path, ports)).toThrow('the database of another program')
    expect(readFileSync(path).equals(before)).toBe(true)
    expect(statSync(path).mode & 0o777).toBe(0o660)
    expect(readdirSync(folder.path).sort()).toEqual(['s.db', 's.db-lock'])
  })

  test('of the first layout keeps its sessions, which are then found by person too', async () => {
    using folder = temporaryFolder()
    const path = join(folder.path, 's.db')
    const before = new Database(path)
    before.run(readFileSync(join(import.meta.dir, '../../golden/session/layout-1.sql'), 'utf8'))
    before.close()
    const store = openSqliteStore(path, ports)
    const found = store.findByHash('hash-of-ada')
    if (found === null || found instanceof Promise) throw new Error('the session was lost')
    expect(found.host).toBe('app.example')
    expect(found.session).toMatchObject({
      portal: 'home',
      issuer: 'https://id.example',
      subject: 'ada',
      sid: 'their-1',
    })
    expect(found.session).toMatchObject({ createdAtMs: 100, expiresAtMs: 900, lastSeenMs: 200, checkedAtMs: 100 })
    expect(found.session).toMatchObject({ secrets: 'sealed', isRefreshable: false, isRemembered: false })
    expect(store.findBySubject('https://id.example', 'ada')).toEqual([found.session])
    expect(store.findByHash('hash-of-odd')).not.toBeNull()
    expect(await store.take('login', 'pending', 0)).toBe('sealed too')
    store.close()
    const again = openSqliteStore(path, ports)
    expect(again.findById('a')).toEqual(found.session)
    again.close()
  })

  test('of the first layout is brought to the second while a process of the version before still writes', () => {
    using folder = temporaryFolder()
    const path = join(folder.path, 's.db')
    const before = new Database(path)
    before.run(readFileSync(join(import.meta.dir, '../../golden/session/layout-1.sql'), 'utf8'))
    const store = openSqliteStore(path, ports)
    before.run(
      "INSERT INTO sessions (id, portal, identity, secrets, created_ms, expires_ms, seen_ms) VALUES ('late', 'home', '{}', 's', 1, 9, 1)",
    )
    before.run("INSERT INTO removed (session_id, at_ms) VALUES ('a', 300)")
    expect(store.findById('late')).not.toBeNull()
    expect(store.changesSince()).toEqual({ removed: ['a'], updated: [] })
    before.close()
    store.close()
  })

  test('in a folder that does not exist is a clear refusal', () => {
    using folder = temporaryFolder()
    expect(codeOf(() => openSqliteStore(join(folder.path, 'no/such/s.db'), ports))).toBe('session.store')
  })
})

test('kill -9 in the middle of writing loses nothing that was acknowledged, fifty times', async () => {
  using folder = temporaryFolder()
  const path = join(folder.path, 's.db')
  const writer = join(import.meta.dir, '../../kit/sessions/session-writer.ts')
  for (let round = 0; round < 50; round++) {
    const child = Bun.spawn([process.execPath, writer, path, String(round)], { stdout: 'pipe', stderr: 'inherit' })
    let acknowledged = ''
    const decoder = new TextDecoder()
    for await (const chunk of child.stdout) {
      acknowledged += decoder.decode(chunk, { stream: true })
      if (acknowledged.split('\n').length > 20) child.kill('SIGKILL')
    }
    await child.exited
    const lines = acknowledged.split('\n').slice(0, -1)
    expect(lines.length).toBeGreaterThan(10)
    const store = openSqliteStore(path, ports)
    for (const line of lines) {
      const [what, id = ''] = line.split(' ')
      // Its sign-out may have been done, and not yet acknowledged.
      if (line === lines.at(-1) && what === 'in' && Number(id.split('-')[1]) % 3 === 0) continue
      expect([line, store.findByHash(id) !== null]).toEqual([line, what === 'in' && !lines.includes(`out ${id}`)])
    }
    store.close()
  }
}, 300_000)

test('a file is waited for that another process puts in place: ten seconds at a start, and five for a backup', () => {
  using folder = temporaryFolder()
  const path = join(folder.path, 's.db')
  const waits = (act: () => void) => {
    const run = spyOn(Database.prototype, 'run')
    try {
      act()
      return run.mock.calls.flatMap(([text]) => /^PRAGMA busy_timeout = (\d+)$/.exec(text)?.[1] ?? []).slice(0, 2)
    } finally {
      run.mockRestore()
    }
  }
  expect(waits(() => void openSqliteStore(path, ports).close())).toEqual(['10000', '2000'])
  expect(waits(() => backUpDatabase(path, join(folder.path, 'copy.db'), ports))).toEqual(['5000', '5000'])
})

test('a backup of a path where no database is fails, and makes neither', () => {
  using folder = temporaryFolder()
  const [path, copy] = [join(folder.path, 's.db'), join(folder.path, 'copy.db')]
  expect(() => backUpDatabase(path, copy, ports)).toThrow('unable to open database file')
  // The lock is beside a database whether it is there or not.
  expect(readdirSync(folder.path)).toEqual(['s.db-lock'])
})

test('a token that is over is purged, were it the only one, and other processes are told', async () => {
  using folder = temporaryFolder()
  const path = join(folder.path, 's.db')
  const [one, other] = [named(openSqliteStore(path, ports)), named(openSqliteStore(path, ports))]
  await one.insertToken({
    ...{ id: 'token-1', hash: 'h1', portal: 'home', name: 'script', grant: '{}' },
    ...{ createdAtMs: 1, expiresAtMs: 2, used: 0 },
  })
  await other.changesSince()
  expect(await one.purge(2, 0)).toEqual(['token-1'])
  expect(await other.changesSince()).toEqual({ removed: ['token-1'], updated: [] })
  expect(await one.purge(2, 0)).toEqual([])
  await Promise.all([one.close(), other.close()])
})

test('whoever waits for what is written hears that the folder of the database was moved', async () => {
  using folder = temporaryFolder()
  const [here, there] = [join(folder.path, 'here'), join(folder.path, 'there')]
  mkdirSync(here)
  const store = openSqliteStore(join(here, 's.db'), ports)
  let heard = 0
  const watch = store.onWritten?.(() => heard++)
  renameSync(here, there)
  await eventually(() => heard > 0, 'it is heard')
  watch?.close()
  await store.close()
})
