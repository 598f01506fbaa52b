import { Database } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runBackup } from '../../../src/cli/backup.ts'
import { runDoctor } from '../../../src/cli/doctor/run.ts'
import { runSessions } from '../../../src/cli/sessions.ts'
import { quietPorts } from '../../kit/clock.ts'
import { runOn } from '../../kit/commands.ts'
import { type Gate, PORTAL, startGate } from '../../kit/gate.ts'
import { commandPorts, runIn } from '../../kit/io.ts'
import { statusOf } from '../../kit/requests.ts'
import { routeSaying } from '../../kit/toml.ts'

const HOST = 'app.example'
const TOML = PORTAL + routeSaying('here', HOST, 'portal = "home"\nallow = ["user"]')

const status = (gate: Gate, cookie: string) => statusOf(gate, '/', { host: HOST, cookie, accept: 'application/json' })

test('a row that cannot be read is an error for its person alone, told once, until it is ended', async () => {
  await using gate = await startGate(TOML)
  const [spoilt, other] = [await gate.signIn(HOST, { sub: 'ada' }), await gate.signIn(HOST, { sub: 'bob' })]
  const database = new Database(join(gate.folder, 'sallyport.db'))
  // As a page that SQLite does not check holds it: the end of a long text.
  database.run('UPDATE sessions SET identity = substr(identity, 1, 20) || char(255, 0, 7) WHERE id = ?', [
    spoilt.sessionId,
  ])
  database.close()
  for (let round = 0; round < 3; round++) expect(await status(gate, spoilt.cookie)).toBe(503)
  expect(await status(gate, other.cookie)).toBe(200)
  expect(gate.told('A stored session cannot be read', '"ada"')).toHaveLength(1)
  expect(gate.told('A stored session cannot be read')).toHaveLength(1)
  // All of the database was looked at, and holds together.
  expect(readdirSync(gate.folder).filter(name => name.includes('damaged'))).toEqual([])
  expect(gate.told('"level":"error"')).toHaveLength(1)
  const revoked = await runOn(gate, runSessions, ['revoke', '--subject', 'ada'])
  expect([revoked.code, revoked.out]).toEqual([0, expect.stringContaining('1 session revoked')])
  expect(await status(gate, spoilt.cookie)).toBe(401)
  expect(await status(gate, other.cookie)).toBe(200)
})

test('doctor and backup name a damaged database that was moved aside', async () => {
  await using gate = await startGate(TOML)
  await gate.signIn(HOST)
  const damaged = join(gate.folder, 'sallyport.db.damaged-1795934633153')
  for (const suffix of ['', '-wal']) writeFileSync(damaged + suffix, 'damaged')
  const doctor = await runIn(gate.folder, io => runDoctor([], io, commandPorts(io)))
  expect(doctor.out.split(`the session database was damaged, and was moved to ${damaged}`)).toHaveLength(2)
  const backup = await runIn(gate.folder, async io =>
    runBackup(['copy.db'], io, { ...commandPorts(io), log: quietPorts({ now: Date.now }).log }),
  )
  expect([backup.code, backup.err]).toEqual([
    0,
    expect.stringContaining(`${damaged} is a session database that was damaged`),
  ])
}, 300_000)
