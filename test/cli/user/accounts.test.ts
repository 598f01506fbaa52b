/** `sallyport user list` and `user reset`: what users of a file have set themselves. */

import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runReset, setByUsers } from '../../../src/cli/user/accounts.ts'
import { runUser } from '../../../src/cli/user/user.ts'
import { accountIdOf } from '../../../src/session/accounts/accounts.ts'
import { openSqliteStore } from '../../../src/session/sqlite/store.ts'
import {
  accountFile,
  isIn,
  OF_FILE,
  OWN,
  setFactor,
  setPassword,
  signedIn,
  signIn,
  startAccounts,
  tablesOf,
} from '../../kit/accounts.ts'
import { startTellingFields } from '../../kit/applications/answering.ts'
import { trailOf } from '../../kit/audit.ts'
import { quietPorts } from '../../kit/clock.ts'
import { runOn, type StoreCommand } from '../../kit/commands.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'

const upstream = untilTheEnd()(startTellingFields())

/** `sallyport user …` in this folder. */
function run(at: { readonly folder: string }, ...argv: readonly string[]) {
  const command: StoreCommand = (given, io, ports) =>
    runUser(
      given,
      io,
      {
        terminal: null,
        readInput: async () => '',
        reset: wish => runReset(wish, io, ports),
        setByUsers: wish => setByUsers(wish, io, ports),
      },
      ports,
    )
  return runOn(at, command, argv)
}

const lineOf = (out: string, name: string) => out.split('\n').find(line => line.startsWith(name)) ?? ''

test('a list shows what users have set, and a reset drops it and ends their sessions', async () => {
  await using gate = await startAccounts(upstream)
  const browser = await signedIn(gate)
  await setPassword(browser)
  await setFactor(gate, browser, OWN)
  const { code, out, err } = await run(gate, 'list', 'users.toml')
  expect([code, err]).toEqual([0, ''])
  expect(lineOf(out, 'name')).toContain('set by the user')
  expect(lineOf(out, 'ada')).toContain('password, second factor, 10 recovery codes')
  expect(lineOf(out, 'bob')).not.toContain('password')
  const reset = await run(gate, 'reset', 'ada')
  expect([reset.code, reset.out]).toEqual([
    0,
    'Removed what ada had set (password, second factor, 10 recovery codes); 1 session ended.\n',
  ])
  expect(reset.err).toContain('--end-tokens')
  await eventually(async () => !(await isIn(browser)), 'the server hears of it')
  expect((await signIn(gate, OWN)).page.response.status).toBe(403)
  await signedIn(gate, OF_FILE)
  expect(await trailOf(gate, 'account.reset')).toMatchObject([{ user: 'htpasswd:ada', by: 'operator', number: 1 }])
  expect((await run(gate, 'reset', 'ada', '--end-tokens')).out).toBe('ada had set nothing; 1 session ended.\n')
})

test('what cannot be read is dropped as well', async () => {
  await using gate = await startAccounts(upstream)
  await setPassword(await signedIn(gate))
  const store = openSqliteStore(join(gate.folder, 'sallyport.db'), quietPorts({ now: Date.now }))
  const id = accountIdOf({ provider: 'people', key: ['id', 'id-of-ada'] })
  await store.changeRecord('account', { id }, () => ({ id, version: 9, value: 'torn' }))
  await store.close()
  expect((await signIn(gate, OF_FILE)).page.response.status).toBe(503)
  expect((await signIn(gate, OWN)).page.response.status).toBe(503)
  expect((await run(gate, 'reset', 'ada')).code).toBe(0)
  await signedIn(gate, OF_FILE)
})

test('a name that nobody has, or several providers, is refused', async () => {
  const toml = accountFile(upstream).replace('[audit]', '[providers.friends]\nusers = "users.toml"\n[audit]')
  await using gate = await startAccounts(upstream, {}, undefined, toml)
  expect((await run(gate, 'reset', 'eve')).err).toBe('no users file of a provider has eve\n')
  const several = await run(gate, 'reset', 'ada')
  expect([several.code, several.err]).toEqual([
    1,
    'ada is in the files of several providers: say --provider people or friends\n',
  ])
  expect((await run(gate, 'reset', 'ada', '--provider', 'people')).code).toBe(0)
  expect((await run(gate, 'reset', 'ada', '--provider', 'others')).code).toBe(1)
})

test('without a routes.toml a list shows the file alone, and says so', async () => {
  using folder = temporaryFolder()
  writeFileSync(join(folder.path, 'users.toml'), tablesOf({}))
  const at = { folder: folder.path }
  const alone = await run(at, 'list', 'users.toml')
  expect([alone.code, lineOf(alone.out, 'name').includes('set by'), alone.err.includes('--config')]).toEqual([
    0,
    false,
    true,
  ])
  expect((await run(at, 'list', 'users.toml', '--config', 'none.toml')).code).toBe(1)
  expect((await run(at, 'reset', 'ada')).code).toBe(1)
})

test('options of others are refused', async () => {
  using folder = temporaryFolder()
  const at = { folder: folder.path }
  expect((await run(at, 'reset', 'ada', 'bob')).code).toBe(2)
  expect((await run(at, 'reset', 'ada', '--keep-tokens')).err).toContain('--keep-tokens belongs to passwd')
  expect((await run(at, 'list', 'users.toml', '--end-tokens')).err).toContain('belongs to passwd and reset')
})
