import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runSessions } from '../../../src/cli/sessions.ts'
import { quietPorts } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { PORTAL, startGate } from '../../kit/gate.ts'
import { runIn } from '../../kit/io.ts'
import { FROM_SOURCE } from '../../kit/programs/child.ts'
import { fillSessions } from '../../kit/sessions/many-sessions.ts'

const COUNT = 12_000

const ROUTES = `[sessions]\nstore = "sqlite:s.db"\n${PORTAL}
[[routes]]
host = "app.test"
upstream = "http://127.0.0.1:9"
portal = "home"
allow = ["user"]
`

/** A folder with a file and a database of many sessions. */
function crowdedFolder(): ReturnType<typeof temporaryFolder> {
  const folder = temporaryFolder()
  writeFileSync(join(folder.path, 'routes.toml'), ROUTES)
  fillSessions(join(folder.path, 's.db'), { count: COUNT, host: 'app.test', nowMs: Date.now() })
  return folder
}

function sessions(folder: string, ...argv: string[]) {
  return runIn(folder, io => runSessions(argv, io, { ...io, ...quietPorts({ now: Date.now }) }))
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
}, 60_000)

test('a list whose reader has gone ends', async () => {
  using folder = crowdedFolder()
  const child = Bun.spawn(['sh', '-c', `${FROM_SOURCE.join(' ')} sessions list | head -n 2`], { cwd: folder.path })
  expect((await new Response(child.stdout).text()).split('\n')[0]).toStartWith('ID ')
  expect(await child.exited).toBe(0)
}, 60_000)

test('one of many is found by its id, by the beginning of it, and by its person', async () => {
  using folder = crowdedFolder()
  const listed = JSON.parse((await sessions(folder.path, 'list', '--json')).out)
  const [first, second, third] = listed
  expect((await sessions(folder.path, 'revoke', '--', first.id)).out).toBe('1 session revoked\n')
  expect((await sessions(folder.path, 'revoke', '--', second.id.slice(0, 12))).out).toBe('1 session revoked\n')
  expect(await sessions(folder.path, 'revoke', '--', first.id)).toMatchObject({ code: 1 })
  expect((await sessions(folder.path, 'revoke', '--subject', 'person-7')).out).toBe('3 sessions revoked\n')
  const left = JSON.parse((await sessions(folder.path, 'list', '--json')).out)
  expect(left.length).toBe(COUNT - 5)
  expect(left[0].id).toBe(third.id)
}, 60_000)

test('the sessions of several portals are listed as one, newest first', async () => {
  const second = PORTAL.replace('[portals.home]', '[portals.work]').replace(
    '[portals.home.roles]',
    '[portals.work.roles]',
  )
  const toml = PORTAL + second.slice(second.indexOf('[portals.work]'))
  await using gate = await startGate(
    `${toml}\n[[routes]]\nhost = "a.test"\nupstream = "http://127.0.0.1:9"\nallow = "public"\n`,
  )
  expect((await sessions(gate.folder, 'list')).out).toBe('Nobody is signed in.\n')
  expect((await sessions(gate.folder, 'list', '--json')).out).toBe('[]\n')
  for (const sub of ['a', 'b', 'c', 'd']) {
    await gate.signIn('a.test', { sub })
    await Bun.sleep(2)
  }
  const listed = JSON.parse((await sessions(gate.folder, 'list', '--json')).out)
  expect(listed.map((entry: { subject: string }) => entry.subject)).toEqual(['d', 'c', 'b', 'a'])
}, 20_000)
