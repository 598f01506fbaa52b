import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { runAudit } from '../../src/cli/audit.ts'
import { runGuests } from '../../src/cli/guests.ts'
import { runRequests } from '../../src/cli/requests.ts'
import { run } from '../../src/cli/run.ts'
import { runSessions } from '../../src/cli/sessions.ts'
import { runTokens } from '../../src/cli/tokens.ts'
import { runOn } from '../kit/commands.ts'
import { eventually, type Gate, PORTAL, startGate } from '../kit/gate.ts'
import type { Ran } from '../kit/io.ts'
import { needs } from '../kit/needs.ts'
import { startValkey } from '../kit/programs/valkey.ts'
import { statusOf } from '../kit/requests.ts'
import { shared } from '../kit/sessions/shared.ts'

const ROUTES = `${PORTAL}
[[routes]]
host = "app.test"
upstream = "http://127.0.0.1:9"
portal = "home"
allow = ["user"]
`

/** Runs the command on a gate's folder. */
function sessions(gate: Pick<Gate, 'folder'>, ...argv: string[]): Promise<Ran> {
  return runOn(gate, runSessions, argv)
}

const status = (gate: Gate, cookie: string) => statusOf(gate, '/', { host: 'app.test', cookie })

test('sessions list shows who is signed in, for people and for scripts, and no cookie', async () => {
  await using gate = await startGate(ROUTES)
  expect((await sessions(gate, 'list')).out).toBe('No user is signed in.\n')
  const ada = await gate.signIn('app.test', { sub: 'ada', name: 'Ada\u001b[31m', email: 'ada@example.com' })
  const { code, out } = await sessions(gate, 'list')
  expect(code).toBe(0)
  expect(out).toContain('Ada[31m <ada@example.com>')
  expect(out).toContain(ada.sessionId.slice(0, 10))
  const json = await sessions(gate, 'list', '--json')
  expect(JSON.parse(json.out)).toMatchObject([{ id: ada.sessionId, portal: 'home', subject: 'ada', provider: 'id' }])
  for (const text of [out, json.out]) expect(text).not.toContain(ada.cookie.split('=')[1] ?? 'none')
})

test('sessions revoke ends sign-ins on the running server: by the beginning of an id, by subject, or all', async () => {
  await using gate = await startGate(ROUTES)
  const cookies: Record<string, { cookie: string; sessionId: string }> = {}
  for (const [name, sub] of [
    ['a', 'ada'],
    ['b', 'bob'],
    ['c', 'bob'],
    ['d', 'eve'],
  ] as const) {
    cookies[name] = await gate.signIn('app.test', { sub })
    expect(await status(gate, cookies[name].cookie)).toBe(502)
  }
  const isOut = (name: string) => async () => (await status(gate, cookies[name]?.cookie ?? '')) === 401
  expect(await sessions(gate, 'revoke', '--', cookies.a?.sessionId.slice(0, 12) ?? '')).toMatchObject({
    code: 0,
    out: '1 session revoked\n',
  })
  await eventually(isOut('a'), 'the first is signed out')
  expect(await status(gate, cookies.b?.cookie ?? '')).toBe(502)
  expect((await sessions(gate, 'revoke', '--subject', 'bob', '--json')).out).toContain(cookies.c?.sessionId ?? 'none')
  await eventually(isOut('b'), 'bob is signed out')
  await eventually(isOut('c'), 'bob is signed out everywhere')
  expect(await status(gate, cookies.d?.cookie ?? '')).toBe(502)
  expect((await sessions(gate, 'revoke', '--all')).out).toBe(
    '1 session revoked; running servers end what they have in memory alone, too\n',
  )
  await eventually(isOut('d'), 'everyone is signed out')
}, 300_000)

test('commands about the session store take the file as others do, wherever it stands', async () => {
  await using gate = await startGate(`${ROUTES}[audit]\nkeep = "90d"\n`)
  await gate.signIn('app.test', { sub: 'ada' })
  // From a folder without a routes.toml.
  const anywhere = (command: typeof runSessions, ...argv: string[]) => runOn({ folder: '/' }, command, argv)
  const file = gate.configPath
  const token = ['create', '--name', 'n', '--portal', 'home', '--service', 's']
  for (const [command, argv, out] of [
    [runSessions, ['list', file], 'ada'],
    [runTokens, [file, ...token], 'sp_'],
    [runTokens, ['list', file], 'token:s'],
    [runGuests, ['list', file], 'There are no guest links.'],
    [runRequests, ['list', file], ''],
    [runAudit, [file], ''],
    [runSessions, ['revoke', file, '--all'], '1 session revoked'],
    [runSessions, ['revoke', '--subject', 'ada', file], '0 sessions revoked'],
  ] as const) {
    const done = await anywhere(command, ...argv)
    const said = done.err.replace(/This is shown once.*\n/, '')
    // Nothing was ended, perhaps since "ada" is the name of somebody whose subject is another.
    const say = argv[1] === '--subject' ? 'no session of the subject ada is in the store' : /^$/
    expect([argv, said, done.code]).toEqual([argv, expect.stringMatching(say), 0])
    expect(done.out).toContain(out)
  }
  for (const argv of [
    ['revoke', '--all', file, '--config', 'other.toml'],
    ['revoke', '--all', file, 'other.toml'],
    // An id beside --all is a mistake still.
    ['revoke', '--all', file, 'abc'],
  ]) {
    expect((await anywhere(runSessions, ...argv)).code).toBe(2)
  }
  expect((await anywhere(runTokens, 'revoke', 'a', 'b')).code).toBe(2)
})

test.each([
  [['revoke'], 2],
  [['revoke', 'x', '--all'], 2],
  [['revoke', '--subject', ''], 2],
  [['list', 'x'], 2],
  [['forget'], 2],
  [[], 2],
  [['list', '--help'], 0],
  [['revoke', 'nobody'], 1],
  [['list', '--config', 'missing.toml'], 1],
])('sessions %j exits with %d', async (argv, code) => {
  await using gate = await startGate(ROUTES)
  expect((await sessions(gate, ...argv)).code).toBe(code)
})

test.each([
  [runTokens, ['list', '--portal', 'home'], 'portal'],
  [runTokens, ['revoke', 'a', '--subject', 'bob'], 'subject'],
  [runGuests, ['list', '--name', 'bob'], 'name'],
] as const)('what create takes means nothing to list and revoke: %p %j', async (command, argv, option) => {
  const { code, out, err } = await runOn({ folder: '/' }, command, argv)
  expect([code, out, err.split('\n')[0]]).toEqual([2, '', `--${option} belongs to create`])
})

needs('valkey-server').test(
  'sessions works on a store that several machines share',
  async () => {
    await using valkey = await startValkey()
    await using gate = await startGate(ROUTES, shared(valkey.url()))
    const { cookie, sessionId } = await gate.signIn('app.test', { sub: 'ada', name: 'Ada' })
    expect((await sessions(gate, 'list')).out).toContain(sessionId.slice(0, 10))
    expect((await sessions(gate, 'revoke', '--subject', 'ada')).out).toBe(
      '1 session revoked; running servers end what they have in memory alone, too\n',
    )
    await eventually(async () => (await status(gate, cookie)) === 401, 'ada is signed out')
    expect((await sessions(gate, 'list')).out).toBe('No user is signed in.\n')
  },
  300_000,
)

test('sessions makes no database where there is none', async () => {
  await using gate = await startGate(ROUTES)
  await Bun.write(join(gate.folder, 'other.toml'), `[sessions]\nstore = "sqlite:other.db"\n${ROUTES}`)
  const { code, err } = await sessions(gate, 'list', '--config', 'other.toml')
  expect(code).toBe(1)
  expect(err).toContain('other.db')
  expect(await Bun.file(join(gate.folder, 'other.db')).exists()).toBe(false)
})

test('sessions is a command of the program', async () => {
  expect(await run(['sessions', '--help'])).toBe(0)
})
