import { Database } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sha256 } from '../../src/base/bytes.ts'
import { runSessions } from '../../src/cli/sessions.ts'
import { makeIdentity } from '../../src/identity/identity.ts'
import { openRedisStore } from '../../src/session/redis/store.ts'
import { quietPorts } from '../kit/clock.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { PORTAL, startGate } from '../kit/gate.ts'
import { commandPorts, runIn } from '../kit/io.ts'
import { needs } from '../kit/needs.ts'
import { FROM_SOURCE } from '../kit/programs/child.ts'
import { startValkey } from '../kit/programs/valkey.ts'
import { fillSessions } from '../kit/sessions/many-sessions.ts'
import { redisAt } from '../kit/sessions/shared.ts'
import { storedSession } from '../kit/sessions/stored.ts'

const COUNT = 12_000

const ROUTES = `[sessions]\nstore = "sqlite:s.db"\n${PORTAL}
[[routes]]
host = "app.test"
upstream = "http://127.0.0.1:9"
portal = "home"
allow = ["user"]
`

/** A folder with a file and a database of many sessions. */
function crowdedFolder(count = COUNT): ReturnType<typeof temporaryFolder> {
  const folder = temporaryFolder()
  writeFileSync(join(folder.path, 'routes.toml'), ROUTES)
  fillSessions(join(folder.path, 's.db'), { count, host: 'app.test', nowMs: Date.now() })
  return folder
}

function sessions(folder: string, ...argv: string[]) {
  return runIn(folder, io => runSessions(argv, io, { ...commandPorts(io), ...quietPorts({ now: Date.now }) }))
}

test('a list that is longer than a pipe holds reaches a slow reader whole, newest first', async () => {
  using folder = crowdedFolder()
  const child = Bun.spawn([...FROM_SOURCE, 'sessions', 'list', '--json'], { cwd: folder.path, stderr: 'inherit' })
  const parts: Uint8Array[] = []
  for await (const part of child.stdout) {
    if (parts.length < 20) await Bun.sleep(20)
    parts.push(part)
  }
  expect(await child.exited).toBe(0)
  const text = Buffer.concat(parts).toString()
  expect(text.length).toBeGreaterThan(4 << 20)
  const entries = JSON.parse(text)
  expect(entries.length).toBe(COUNT)
  expect(entries[0].subject).toBe(`person-${Math.floor((COUNT - 1) / 3)}`)
  expect(entries.at(-1).subject).toBe('person-0')
}, 300_000)

test('a list whose reader has gone ends', async () => {
  using folder = crowdedFolder()
  const child = Bun.spawn(['sh', '-c', `${FROM_SOURCE.join(' ')} sessions list | head -n 2`], { cwd: folder.path })
  expect((await new Response(child.stdout).text()).split('\n')[0]).toStartWith('ID ')
  expect(await child.exited).toBe(0)
}, 300_000)

test('one of many is found by its id, by the beginning of it, and by its person', async () => {
  using folder = crowdedFolder()
  const listed = JSON.parse((await sessions(folder.path, 'list', '--json')).out)
  const [first, second, third] = listed
  expect((await sessions(folder.path, 'revoke', '--', first.id)).out).toBe('1 session revoked\n')
  expect((await sessions(folder.path, 'revoke', '--', second.id.slice(0, 12))).out).toBe('1 session revoked\n')
  expect(await sessions(folder.path, 'revoke', '--', first.id)).toMatchObject({ code: 1 })
  expect((await sessions(folder.path, 'revoke', '--subject', 'person-7')).out).toBe(
    '3 sessions revoked; running servers end what they have in memory alone, too\n',
  )
  const left = JSON.parse((await sessions(folder.path, 'list', '--json')).out)
  expect(left.length).toBe(COUNT - 5)
  expect(left[0].id).toBe(third.id)
}, 300_000)

/** How many transactions are in the log of a database, by the frames that end one (sqlite.org/fileformat2.html §4). */
function transactionsIn(path: string): number {
  const log = readFileSync(`${path}-wal`)
  const frameBytes = 24 + log.readUInt32BE(8)
  let number = 0
  for (let at = 32; at + frameBytes <= log.length; at += frameBytes) if (log.readUInt32BE(at + 4) !== 0) number++
  return number
}

test('everyone of many is signed out in a few transactions, with a row of the trail for each', async () => {
  using folder = crowdedFolder()
  const path = join(folder.path, 's.db')
  writeFileSync(join(folder.path, 'routes.toml'), `${ROUTES}\n[audit]\nkeep = "90d"\n`)
  // While somebody reads what was there before, the log is only written on.
  const reader = new Database(path)
  reader.run('BEGIN')
  reader.query('SELECT count(*) FROM sessions').get()
  expect((await sessions(folder.path, 'revoke', '--all')).out).toStartWith(`${COUNT} sessions revoked`)
  reader.run('COMMIT')
  const rows = (table: string) => reader.query(`SELECT count(*) AS n FROM ${table}`).get()
  expect(['sessions', 'handles', 'removed', 'audit'].map(rows)).toEqual([
    { n: 0 },
    { n: 0 },
    { n: COUNT + 2 },
    { n: COUNT },
  ])
  // 24 of them write the trail, 500 rows in each.
  expect(transactionsIn(path)).toBeLessThan(24 + 12)
  reader.close()
}, 300_000)

test('nobody of many comes in by a cookie while they are still being ended', async () => {
  // More than end in one step.
  const count = 3000
  using folder = crowdedFolder(count)
  const database = new Database(join(folder.path, 's.db'))
  // As where it is killed before the first of them has ended.
  database.run(`CREATE TRIGGER keep BEFORE DELETE ON sessions BEGIN SELECT RAISE(ABORT, 'not now'); END`)
  expect(await sessions(folder.path, 'revoke', '--all')).toMatchObject({ code: 1 })
  const rows = (table: string) => database.query(`SELECT count(*) AS n FROM ${table}`).get()
  expect(['sessions', 'handles'].map(rows)).toEqual([{ n: count }, { n: 0 }])
  database.run('DROP TRIGGER keep')
  expect((await sessions(folder.path, 'revoke', '--all')).out).toStartWith(`${count} sessions revoked`)
  database.close()
}, 300_000)

test.each([[['--all']], [['--provider', 'id']]])(
  'all of many are signed out beside one that cannot be, by %j',
  async whom => {
    // More than end in one step.
    const count = 3000
    using folder = crowdedFolder(count)
    const database = new Database(join(folder.path, 's.db'))
    const stuck = sha256(`session ${count - 1}`)
    database.run(
      `CREATE TRIGGER keep BEFORE DELETE ON sessions WHEN OLD.id = '${stuck}' BEGIN SELECT RAISE(ABORT, 'not now'); END`,
    )
    const { code, out, err } = await sessions(folder.path, 'revoke', ...whom)
    expect(database.query('SELECT id FROM sessions').all()).toEqual([{ id: stuck }])
    expect(code).toBe(1)
    expect(out).toContain(' sessions revoked')
    expect(err).toStartWith('1 session could not be ended: ')
    database.close()
  },
  300_000,
)

test('sessions end by their ids beside one that cannot end', async () => {
  using folder = crowdedFolder(30)
  const database = new Database(join(folder.path, 's.db'))
  const [stuck, ...others] = [0, 1, 2, 3].map(index => sha256(`session ${index}`))
  database.run(
    `CREATE TRIGGER keep BEFORE DELETE ON sessions WHEN OLD.id = '${stuck}' BEGIN SELECT RAISE(ABORT, 'not now'); END`,
  )
  const { code, out, err } = await sessions(folder.path, 'revoke', '--json', '--', stuck ?? '', ...others)
  expect(database.query('SELECT count(*) AS n FROM sessions').get()).toEqual({ n: 27 })
  expect(code).toBe(1)
  expect(JSON.parse(out).revoked.sort()).toEqual(others.sort())
  expect(err).toStartWith('1 session could not be ended: ')
  database.close()
})

test('a subject is signed out also where this file lets nobody of them in, and another gate of the store may', async () => {
  using folder = crowdedFolder(30)
  const path = join(folder.path, 'routes.toml')
  writeFileSync(path, ROUTES.replace('[portals.home]', '[portals.home]\nmembers = [{ groups = ["others"] }]'))
  const database = new Database(join(folder.path, 's.db'))
  const left = () => database.query("SELECT count(*) AS n FROM sessions WHERE subject = 'person-7'").get()
  expect(left()).toEqual({ n: 3 })
  expect(await sessions(folder.path, 'revoke', '--subject', 'person-7')).toMatchObject({ code: 0 })
  expect(left()).toEqual({ n: 0 })
  database.close()
})

needs('valkey-server').test(
  'everyone of many is signed out of a Redis in a few round trips',
  async () => {
    await using valkey = await startValkey()
    using folder = temporaryFolder()
    const url = valkey.url()
    const key = Buffer.alloc(32).toString('base64url')
    writeFileSync(
      join(folder.path, 'routes.toml'),
      ROUTES.replace('store = "sqlite:s.db"', `store = "${url}"\nkey = "${key}"`),
    )
    const store = openRedisStore(redisAt(url), quietPorts({ now: Date.now }))
    const nowMs = Date.now()
    const identity = JSON.stringify(makeIdentity('id', 'http://127.0.0.1:9', 'ada', { sub: 'ada' }))
    const times = { createdAtMs: nowMs, lastSeenMs: nowMs, checkedAtMs: nowMs, expiresAtMs: nowMs + 3_600_000 }
    const insert = (id: string) =>
      store.insert(storedSession(id, { ...times, issuer: 'http://127.0.0.1:9', subject: id, identity }), {
        hash: `h-${id}`,
        sessionId: id,
        host: 'app.test',
      })
    for (let from = 0; from < 1000; from += 50) {
      await Promise.all(Array.from({ length: 50 }, (_, index) => insert(`session-${from + index}`)))
    }
    await valkey.ask(0, 'CONFIG', 'RESETSTAT')
    expect((await sessions(folder.path, 'revoke', '--all')).out).toStartWith('1000 sessions revoked')
    const stats = await valkey.ask(0, 'INFO', 'commandstats')
    const scripts = /cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1]
    expect(Number(scripts)).toBeLessThan(20)
    expect(await store.countSessions(0)).toBe(0)
    await store.close()
  },
  300_000,
)

test('the sessions of several portals are listed as one, newest first', async () => {
  const second = PORTAL.replace('[portals.home]', '[portals.work]').replace(
    '[portals.home.roles]',
    '[portals.work.roles]',
  )
  const toml = PORTAL + second.slice(second.indexOf('[portals.work]'))
  await using gate = await startGate(
    `${toml}\n[[routes]]\nhost = "a.test"\nupstream = "http://127.0.0.1:9"\nallow = "public"\n`,
  )
  expect((await sessions(gate.folder, 'list')).out).toBe('No user is signed in.\n')
  expect((await sessions(gate.folder, 'list', '--json')).out).toBe('[]\n')
  for (const sub of ['a', 'b', 'c', 'd']) {
    await gate.signIn('a.test', { sub })
    await Bun.sleep(2)
  }
  const listed = JSON.parse((await sessions(gate.folder, 'list', '--json')).out)
  expect(listed.map((entry: { subject: string }) => entry.subject)).toEqual(['d', 'c', 'b', 'a'])
}, 300_000)
