import { Database } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { runSessions } from '../../../src/cli/sessions.ts'
import { startSaying } from '../../kit/applications/answering.ts'
import { browserAt } from '../../kit/browser/browser-lite.ts'
import { runOn } from '../../kit/commands.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, type Gate, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startBadProvider } from '../../kit/provider/bad-provider.ts'
import { fetchFrom, statusOf } from '../../kit/requests.ts'
import { shared } from '../../kit/sessions/shared.ts'
import { EVERYONE, portalTable, providerTable, routeForUsers } from '../../kit/toml.ts'

const HOST = 'app.example'
const keep = untilTheEnd()
const upstream = keep(startSaying('the application'))
const provider = keep(await startBadProvider())
const TOML = [providerTable(provider), portalTable(EVERYONE), routeForUsers(upstream, HOST)].join('\n')

const ENDS: readonly (readonly [string, (gate: Gate, id: string) => Promise<void>])[] = [
  ['sessions revoke --subject', gate => revoke(gate, '--subject', 'user-1')],
  ['sessions revoke --all', gate => revoke(gate, '--all')],
  ['sessions revoke ID', revokeById],
  ['a logout token of the provider', signOutAtProvider],
]

async function revoke(gate: Gate, ...named: readonly string[]): Promise<void> {
  const { code, out } = await runOn(gate, runSessions, ['revoke', ...named])
  expect([code, out]).toEqual([0, '0 sessions revoked; running servers end what they have in memory alone, too\n'])
}

async function revokeById(gate: Gate, id: string): Promise<void> {
  const { code, out, err } = await runOn(gate, runSessions, ['revoke', '--', id])
  expect([code, out]).toEqual([1, '0 sessions revoked\n'])
  expect(err).toBe(`there is no session ${id} in the store; running servers end it if they have it in memory\n`)
}

async function signOutAtProvider(gate: Gate): Promise<void> {
  const body = `logout_token=${await provider.logoutToken({})}`
  const headers = { host: HOST, 'content-type': 'application/x-www-form-urlencoded' }
  const answer = await fetchFrom(gate, '/.sallyport/backchannel-logout', headers, { method: 'POST', body })
  expect(answer.status).toBe(200)
}

test.each(ENDS)(
  '%s ends, at both gates of a store, a session that the store does not have any more',
  async (_, end) => {
    using folder = temporaryFolder()
    const path = join(folder.path, 's.db')
    await using one = await startGate(TOML, shared(path))
    await using other = await startGate(TOML, shared(path))
    provider.behave({ signsInAtOnce: true, claims: { sid: 'their-session-1' } })
    const browser = browserAt(one, HOST)
    expect((await browser.open(`http://${HOST}/`)).response.status).toBe(200)
    const cookie = `sallyport=${browser.cookie(HOST, 'sallyport')}`
    const statuses = () => Promise.all([one, other].map(gate => statusOf(gate, '/', { host: HOST, cookie })))
    expect(await statuses()).toEqual([200, 200])
    const raw = new Database(path)
    const id = raw.query<{ readonly id: string }, []>('SELECT id FROM sessions').get()?.id ?? ''
    raw.run('DELETE FROM handles')
    raw.run('DELETE FROM sessions')
    raw.close()
    expect(await statuses()).toEqual([200, 200])
    await end(one, id)
    await eventually(async () => (await statuses()).every(status => status === 401), 'neither gate lets it through')
  },
)
