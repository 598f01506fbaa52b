/** What users of a file set on "Your account": what ends with it, and how long, and where, it counts. */

import { describe, expect, test } from 'bun:test'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { runBackup } from '../../../src/cli/backup.ts'
import { runRestore } from '../../../src/cli/restore.ts'
import {
  ACCOUNT,
  AWAY,
  accountFile,
  HOME,
  isIn,
  OF_FILE,
  OTHER,
  OTHER_HASH,
  OWN,
  OWN_PAGE,
  saveUsers,
  setFactor,
  setPassword,
  signedIn,
  signIn,
  startAccounts,
  tablesOf,
} from '../../kit/accounts.ts'
import { startTellingFields } from '../../kit/applications/answering.ts'
import { startStreaming } from '../../kit/applications/streaming.ts'
import { openStreams } from '../../kit/belongings.ts'
import { fakeClock } from '../../kit/clock.ts'
import { runOn } from '../../kit/commands.ts'
import { basic, bearer } from '../../kit/fields.ts'
import { eventually, type Gate } from '../../kit/gate.ts'
import { form } from '../../kit/guest-links.ts'
import { McpClient } from '../../kit/mcp/client.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startValkey } from '../../kit/programs/valkey.ts'
import { fetchFrom, sendForm, statusOf } from '../../kit/requests.ts'
import { shared } from '../../kit/sessions/shared.ts'

const upstream = untilTheEnd()(startTellingFields())
const RESOURCE = `http://${AWAY}/mcp`

test('a change ends the other sessions and MCP clients, and tokens and guest links if its user says so', async () => {
  await using gate = await startAccounts(upstream)
  const [browser, elsewhere, third] = [await signedIn(gate), await signedIn(gate), await signedIn(gate)]
  await browser.open(ACCOUNT)
  const cookie = browser.cookieHeader(new URL(ACCOUNT))
  const make = async (page: string, fields: Record<string, string>) =>
    (await sendForm(gate, page, { ...OWN_PAGE, host: HOME, cookie }, fields)).json() as Promise<Record<string, string>>
  const { token = '' } = await make('tokens', { act: 'create', name: 'script', days: '30' })
  await make('guests', Object.fromEntries(new URLSearchParams(form({ address: `http://${AWAY}/` }))))
  const client = new McpClient(gate, HOME)
  await client.register()
  const { body } = await client.redeem(await client.code(RESOURCE, cookie), RESOURCE)
  const at = (path: string, fields: Record<string, string>) => statusOf(gate, path, { host: AWAY, ...fields })
  const good = async () => [
    await at('/', bearer(token)),
    await at('/mcp', bearer(body.access_token ?? '')),
    (await client.refresh(body.refresh_token ?? '')).status,
  ]
  expect(await at('/mcp', bearer(body.access_token ?? ''))).toBe(200)
  expect((await setPassword(browser)).sessions_ended).toBe(2)
  expect([await isIn(browser), await isIn(elsewhere), await isIn(third)]).toEqual([true, false, false])
  expect(await good()).toEqual([200, 401, 400])
  expect((await setPassword(browser, OWN, { new: OTHER, again: OTHER, tokens: '1' })).status).toBe(200)
  expect(await at('/', bearer(token))).toBe(401)
  const list = async (page: string) =>
    (await fetchFrom(gate, `/.sallyport/${page}`, { host: HOME, cookie, accept: 'application/json' })).json()
  expect([await list('tokens'), await list('guests')]).toMatchObject([{ tokens: [] }, { links: [] }])
})

test('HTTP Basic of the same file takes the own password, and none of who has an own second factor', async () => {
  const clock = fakeClock(Date.now())
  const toml = accountFile(upstream, 'users.toml', true)
  await using gate = await startAccounts(upstream, {}, clock, toml)
  const status = (password: string) => statusOf(gate, '/basic', { host: AWAY, ...basic(`ada:${password}`) })
  expect(await status(OF_FILE)).toBe(200)
  const browser = await signedIn(gate)
  await setPassword(browser)
  expect([await status(OF_FILE), await status(OWN)]).toEqual([401, 200])
  await setFactor(gate, browser, OWN)
  expect(await status(OWN)).toBe(401)
})

test('what HTTP Basic has under way by the password of before ends with it, and what others have goes on', async () => {
  await using streaming = startStreaming(({ headers }) => headers.get('x-token-subject') ?? '')
  const toml = accountFile(streaming, 'users.toml', true)
  // What is under way is looked at for a change alone.
  await using gate = await startAccounts(streaming, { recheckMs: 3_600_000 }, undefined, toml)
  const fields = (name: string) => ({ host: AWAY, ...basic(`${name}:${OF_FILE}`) })
  const open = await openStreams(gate, { ada: fields('ada'), bob: fields('bob') }, '/basic/events')
  await setPassword(await signedIn(gate))
  await eventually(() => open().join() === 'bob', 'the stream of ada has ended')
})

describe('what a user has set', () => {
  needs('valkey-server').test(
    'counts at each gate by its own file, and ends once all have another password',
    async () => {
      await using valkey = await startValkey()
      const clock = fakeClock(Date.now())
      await using one = await startAccounts(upstream, { ...shared(valkey.url()), name: 'one' }, clock)
      await using two = await startAccounts(upstream, { ...shared(valkey.url()), name: 'two' }, clock)
      const next = tablesOf({ hash: OTHER_HASH }, { name: 'bob' })
      await setPassword(await signedIn(one))
      await signedIn(two, OWN)
      saveUsers(two, next)
      const refused = async (gate: Gate) => (await signIn(gate, OWN)).page.response.status
      expect(await refused(two)).toBe(403)
      await signedIn(two, OTHER)
      const waits = () => two.told('Other gates of this session store run another file', '"provider":"people"')
      await eventually(() => waits().length > 0, 'it is logged')
      expect(waits()).toEqual([expect.stringContaining('"gates":"one since ')])
      await signedIn(one, OWN)
      saveUsers(one, next)
      expect(await refused(one)).toBe(403)
      await signedIn(one, OTHER)
    },
  )

  test('is kept where the file can be read alone, and is there after a start', async () => {
    const clock = fakeClock(Date.now())
    await using gate = await startAccounts(upstream, {}, clock)
    chmodSync(join(gate.folder, 'users.toml'), 0o400)
    await setPassword(await signedIn(gate))
    const store = `sqlite:${join(gate.folder, 'sallyport.db')}`
    await using next = await startAccounts(upstream, { store }, clock)
    await signedIn(next, OWN)
    expect((await signIn(next, OF_FILE)).page.response.status).toBe(403)
  })

  test('is brought back with a backup', async () => {
    await using gate = await startAccounts(upstream)
    const browser = await signedIn(gate)
    await setPassword(browser)
    expect((await runOn(gate, runBackup, ['kept.db'])).code).toBe(0)
    await setPassword(browser, OWN, { new: OTHER, again: OTHER })
    await signedIn(gate, OTHER)
    expect((await runOn(gate, runRestore, ['kept.db'])).code).toBe(0)
    await eventually(async () => (await signIn(gate, OWN)).page.response.status === 200, 'the backup counts')
    expect((await signIn(gate, OTHER)).page.response.status).toBe(403)
  })

  test('ends once the operator gives another password, and does not come back with the one before', async () => {
    await using gate = await startAccounts(upstream)
    const { code } = await setFactor(gate, await signedIn(gate))
    saveUsers(gate, tablesOf({ hash: OTHER_HASH }, { name: 'bob' }))
    await signedIn(gate, OTHER)
    saveUsers(gate, tablesOf({}, { name: 'bob' }))
    const { page } = await signIn(gate, OF_FILE, code())
    expect([page.response.status, page.address.host]).toEqual([200, AWAY])
  })

  test('ends with its user: the next one of the name finds nothing, nor does the same one who comes back', async () => {
    await using gate = await startAccounts(upstream)
    const browser = await signedIn(gate)
    await setPassword(browser)
    saveUsers(gate, tablesOf({ name: 'bob' }))
    expect((await signIn(gate, OWN)).page.response.status).toBe(403)
    saveUsers(gate, tablesOf({ id: 'id-of-another' }, { name: 'bob' }))
    expect((await signIn(gate, OWN)).page.response.status).toBe(403)
    const page = await (await signedIn(gate)).open(ACCOUNT)
    expect(page.html.text).toContain('Set by the person who runs this site')
    saveUsers(gate, tablesOf({}, { name: 'bob' }))
    await eventually(async () => (await signIn(gate, OF_FILE)).page.response.status === 200, 'it was removed')
  })
})

needs('valkey-server').test('two gates over one Valkey have the same accounts at once', async () => {
  await using valkey = await startValkey()
  const clock = fakeClock(Date.now())
  await using here = await startAccounts(upstream, shared(valkey.url()), clock)
  await using there = await startAccounts(upstream, shared(valkey.url()), clock)
  const [browser, elsewhere] = [await signedIn(here), await signedIn(there)]
  expect((await setPassword(browser)).sessions_ended).toBe(1)
  expect((await signIn(there, OF_FILE)).page.response.status).toBe(403)
  await eventually(async () => !(await isIn(elsewhere)), 'the session at the other gate has ended')
  const again = await signedIn(there, OWN)
  const { code, codes } = await setFactor(there, again, OWN)
  await signedIn(here, OWN, code())
  expect((await signIn(there, OWN, code())).page.response.status).toBe(403)
  const [one = ''] = codes
  const both = await Promise.all([here, there].map(async gate => (await signIn(gate, OWN, one)).page.response.status))
  expect(both.sort()).toEqual([200, 403])
  // Each gate of its own file: where one says something else, the account there ends for all.
  saveUsers(here, tablesOf({ hash: OTHER_HASH }, { name: 'bob' }))
  saveUsers(there, tablesOf({ hash: OTHER_HASH }, { name: 'bob' }))
  await signedIn(there, OTHER)
  await signedIn(here, OTHER)
})
