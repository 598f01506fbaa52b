import { Database } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runBackup } from '../../src/cli/backup.ts'
import { runRestore } from '../../src/cli/restore.ts'
import { quietPorts } from '../kit/clock.ts'
import { eventually, type Gate, PORTAL, startGate } from '../kit/gate.ts'
import { type Ran, runIn } from '../kit/io.ts'
import { statusOf } from '../kit/requests.ts'

const ROUTES = `${PORTAL}
[[routes]]
host = "app.test"
respond = { status = 200, body = "in" }
portal = "home"
allow = ["user"]
`

type Run = (...argv: string[]) => Promise<Ran>

function commandsOf(folder: string): { readonly backup: Run; readonly restore: Run } {
  const ports = quietPorts({ now: Date.now })
  return {
    backup: (...argv) => runIn(folder, io => runBackup(argv, io, { ...io, ...ports })),
    restore: (...argv) => runIn(folder, io => runRestore(argv, io, { ...io, ...ports })),
  }
}

const status = (gate: Gate, { cookie }: { readonly cookie: string }) =>
  statusOf(gate, '/', { host: 'app.test', cookie })

function modeOf(folder: string, name: string): number {
  return statSync(join(folder, name)).mode & 0o777
}

test('a backup that is restored under a running gate is what it goes on with: who came later is out', async () => {
  await using gate = await startGate(ROUTES)
  const { backup, restore } = commandsOf(gate.folder)
  const ada = await gate.signIn('app.test', { sub: 'ada' })
  expect(await backup('copy.db')).toMatchObject({ code: 0, err: '' })
  expect(modeOf(gate.folder, 'copy.db')).toBe(0o600)
  expect(readdirSync(gate.folder)).not.toContain('copy.db.key')
  const bob = await gate.signIn('app.test', { sub: 'bob' })
  expect([await status(gate, ada), await status(gate, bob)]).toEqual([200, 200])
  const { code, out } = await restore('copy.db')
  expect(code).toBe(0)
  expect(out).toContain('what was there is')
  await eventually(async () => (await status(gate, bob)) === 401, 'the gate goes on with the backup')
  // It was meant: it is told, and no error.
  expect(gate.log.map(line => JSON.parse(line)).filter(({ level }) => level === 'error')).toEqual([])
  expect(gate.told('is a backup that was restored')).toHaveLength(1)
  expect(await status(gate, ada)).toBe(200)
  const cleo = await gate.signIn('app.test', { sub: 'cleo' })
  expect(await status(gate, cleo)).toBe(200)
  const database = new Database(join(gate.folder, 'sallyport.db'), { readonly: true })
  expect(database.query('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' })
  database.close()
  const aside = readdirSync(gate.folder).find(name => /^sallyport\.db\.replaced-\d+$/.test(name)) ?? 'none'
  const before = new Database(join(gate.folder, aside))
  expect(before.query("SELECT count(*) AS n FROM sessions WHERE subject IN ('ada', 'bob')").get()).toEqual({ n: 2 })
  before.close()
})

test('a backup with its key is taken elsewhere, where what is sealed opens again', async () => {
  await using gate = await startGate(ROUTES)
  const ada = await gate.signIn('app.test', { sub: 'ada' })
  expect((await commandsOf(gate.folder).backup('copy.db', '--with-key')).code).toBe(0)
  expect(modeOf(gate.folder, 'copy.db.key')).toBe(0o600)
  const key = readFileSync(join(gate.folder, 'sallyport.key'), 'utf8')
  expect(readFileSync(join(gate.folder, 'copy.db.key'), 'utf8')).toBe(key)
  await using other = await startGate(ROUTES)
  const { restore } = commandsOf(other.folder)
  const from = join(gate.folder, 'copy.db')
  const theirs = readFileSync(join(other.folder, 'sallyport.key'), 'utf8')
  expect(await restore(from)).toMatchObject({ code: 1, out: '' })
  expect((await restore(from)).err).toContain('was sealed with another key')
  expect(readdirSync(other.folder).filter(name => /replaced|new$/.test(name))).toEqual([])
  expect((await restore(from, '--with-key')).out).toContain('restart a server that runs')
  expect(readFileSync(join(other.folder, 'sallyport.key'), 'utf8')).toBe(key)
  const aside = readdirSync(other.folder).find(name => name.startsWith('sallyport.key.replaced-')) ?? 'none'
  expect(readFileSync(join(other.folder, aside), 'utf8')).toBe(theirs)
  await eventually(async () => (await status(other, ada)) === 200, 'the other gate has the session')
  await eventually(() => other.told('key does not fit').length > 0, 'the other key is told')
})

test('a plain copy is restored too, with the log that was copied with it', async () => {
  await using gate = await startGate(ROUTES)
  const ada = await gate.signIn('app.test', { sub: 'ada' })
  for (const suffix of ['', '-wal']) {
    writeFileSync(join(gate.folder, `plain.db${suffix}`), readFileSync(join(gate.folder, `sallyport.db${suffix}`)))
  }
  const bob = await gate.signIn('app.test', { sub: 'bob' })
  expect((await commandsOf(gate.folder).restore('plain.db')).code).toBe(0)
  await eventually(async () => (await status(gate, bob)) === 401, 'the gate goes on with the copy')
  expect(await status(gate, ada)).toBe(200)
})

test('what is no backup changes nothing, and a file that exists is not written over', async () => {
  await using gate = await startGate(ROUTES)
  const { backup, restore } = commandsOf(gate.folder)
  const ada = await gate.signIn('app.test', { sub: 'ada' })
  expect((await backup('copy.db')).code).toBe(0)
  expect(await backup('copy.db')).toMatchObject({ code: 1, out: '' })
  const copy = readFileSync(join(gate.folder, 'copy.db'))
  const spoilt: readonly (readonly [string, string, () => void])[] = [
    ['no database', 'cannot be read', () => writeFileSync(join(gate.folder, 'bad.db'), 'x'.repeat(9000))],
    ['torn', 'bad.db', () => writeFileSync(join(gate.folder, 'bad.db'), copy.subarray(0, copy.length / 2))],
    ['another program’s', 'is not a session database', () => another(gate.folder, 'CREATE TABLE a (b)')],
    ['empty', 'is not a session database', () => writeFileSync(join(gate.folder, 'bad.db'), '')],
    ['newer', 'newer Sallyport', () => another(gate.folder, 'CREATE TABLE sessions (id); PRAGMA user_version = 999')],
  ]
  for (const [kind, words, spoil] of spoilt) {
    spoil()
    const { code, err } = await restore('bad.db')
    expect([kind, code]).toEqual([kind, 1])
    expect(err).toContain(words)
  }
  expect((await restore('none.db')).code).toBe(1)
  expect((await restore()).code).toBe(2)
  expect(await status(gate, ada)).toBe(200)
  expect(readdirSync(gate.folder).filter(name => /replaced|\.new/.test(name))).toEqual([])
})

function another(folder: string, statements: string): void {
  writeFileSync(join(folder, 'bad.db'), '')
  const database = new Database(join(folder, 'bad.db'))
  database.run(statements)
  database.close()
}
