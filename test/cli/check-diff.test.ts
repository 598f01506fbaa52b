import { expect, test } from 'bun:test'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCheck } from '../../src/cli/check.ts'
import { quietPorts } from '../kit/clock.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { PORTAL, startGate } from '../kit/gate.ts'
import { type Ran, runIn } from '../kit/io.ts'

const ROUTES = `${PORTAL}
[[routes]]
host = "app.test"
respond = { status = 200, body = "in" }
portal = "home"
allow = ["user"]
`

const NEW_ROUTE = `
[[routes]]
host = "new.test"
respond = { status = 200, body = "new" }
portal = "home"
allow = ["user"]
`

function check(folder: string, ...argv: string[]): Promise<Ran> {
  return runIn(folder, io => runCheck(argv, io, { ...io, ...quietPorts({ now: Date.now }) }))
}

test('check --diff tells what a new file gives to, and takes from, whoever is signed in at a running gate', async () => {
  await using gate = await startGate(ROUTES)
  await gate.signIn('app.test', { sub: 'ada', email: 'ada@example.com' })
  await gate.signIn('app.test', { sub: 'ada', email: 'ada@example.com' })
  const inForce = readFileSync(join(gate.folder, 'routes.toml'), 'utf8')
  const narrow = inForce.replace('allow = ["user"]', 'allow = [{ subjects = ["bob"] }]') + NEW_ROUTE
  writeFileSync(join(gate.folder, 'new.toml'), narrow)
  const { code, out, err } = await check(gate.folder, '--diff', 'new.toml')
  expect([code, err]).toEqual([0, expect.stringContaining('1 warning in new.toml')])
  expect(out).toBe(`new.toml in place of routes.toml:
  + new.test/ -> respond with status 200: user (portal home)
  ~ app.test/: allow user -> 1 rule
Of 1 signed in, something changes for 1:
ada@example.com at home (id ada)
  gains new.test/
  loses app.test/: deny
`)
  const told = JSON.parse((await check(gate.folder, 'routes.toml', '--diff', 'new.toml', '--json')).out)
  expect(told).toMatchObject({
    ok: true,
    file: 'new.toml',
    in_force: 'routes.toml',
    diagnostics: [{ file: 'new.toml' }],
  })
  expect(told.difference).toMatchObject({
    judged: 1,
    people: [{ subject: 'ada', sessions: 2, gains: [{ address: 'new.test/' }], loses: [{ address: 'app.test/' }] }],
  })
  expect((await check(gate.folder, '--diff', 'routes.toml')).out).toBe('routes.toml changes nothing of routes.toml\n')
})

test('check --diff: where nobody has signed in yet, the routes are compared all the same, and it says so', async () => {
  await using folder = temporaryFolder()
  const file = (name: string, text: string) => writeFileSync(join(folder.path, name), text)
  const only = '[[routes]]\nhost = "app.test"\nrespond = { body = "in" }\nallow = "public"\n'
  file('routes.toml', only)
  file('new.toml', only.replace('app.test', 'other.test'))
  const { code, out, err } = await check(folder.path, '--diff', 'new.toml')
  expect([code, err]).toEqual([0, expect.stringContaining('there is no session database')])
  expect(out).toContain('+ other.test/')
  expect(out).not.toContain('signed in, something')
  const json = JSON.parse((await check(folder.path, '--diff', 'new.toml', '--json')).out)
  expect(json.difference).toMatchObject({ people: null, judged: null })
})

test('check --diff: a mistake in either file is told as check tells it, and nothing is compared', async () => {
  await using folder = temporaryFolder()
  const only = '[[routes]]\nhost = "app.test"\nrespond = { body = "in" }\nallow = "public"\n'
  writeFileSync(join(folder.path, 'routes.toml'), only)
  writeFileSync(join(folder.path, 'new.toml'), only.replace('allow', 'alow'))
  const { code, out, err } = await check(folder.path, '--diff', 'new.toml')
  expect([code, out]).toEqual([1, ''])
  expect(err).toContain('new.toml:4:1')
  const json = JSON.parse((await check(folder.path, '--diff', 'new.toml', '--json')).out)
  expect([json.ok, json.difference]).toEqual([false, null])
  expect((await check(folder.path, '--diff', 'gone.toml')).err).toContain('gone.toml does not exist')
})

test('check --diff: a new file is read where it lies, with what it includes there, and no store of its own is looked for', async () => {
  await using folder = temporaryFolder()
  const only = (host: string) => `[[routes]]\nhost = "${host}"\nrespond = { body = "in" }\nallow = "public"\n`
  const file = (name: string, text: string) => writeFileSync(join(folder.path, name), text)
  mkdirSync(join(folder.path, 'next/conf.d'), { recursive: true })
  file('routes.toml', only('app.test'))
  file('next/routes.toml', `include = "conf.d/*.toml"\n${only('app.test')}`)
  file('next/conf.d/a.toml', only('more.test'))
  const { out } = await check(folder.path, '--diff', 'next/routes.toml', '--json')
  expect(JSON.parse(out).difference).toMatchObject({
    routes: { added: [{ route: 'more.test/' }] },
    settings: [],
    restart: [],
  })
  file('next/conf.d/a.toml', '[server]\n')
  expect((await check(folder.path, '--diff', 'next/routes.toml')).err).toContain('next/conf.d/a.toml:1:2')
  file('next/conf.d/a.toml', '[[expect]]\naddress = "http://app.test"\nverdict = "deny"\n')
  expect((await check(folder.path, '--diff', 'next/routes.toml')).err).toContain('gets "allow", not "deny"')
})
