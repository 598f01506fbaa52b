/** What is to end and cannot be: whoever asked is told that it still holds, and why. */
import { Database } from 'bun:sqlite'
import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { startSaying } from '../../kit/applications/answering.ts'
import { bearer, PAGE, SCRIPT } from '../../kit/fields.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, type Gate, PORTAL, portalWith, startGate } from '../../kit/gate.ts'
import { htmlPage } from '../../kit/html.ts'
import { needs } from '../../kit/needs.ts'
import { startValkey } from '../../kit/programs/valkey.ts'
import { startProviderFor } from '../../kit/provider/provider.ts'
import { sendForm, statusOf } from '../../kit/requests.ts'
import { shared } from '../../kit/sessions/shared.ts'
import { isOnly, twoWorkers } from '../../kit/sessions/two-workers.ts'

const HOST = 'app.example'
const ROUTE = `[[routes]]\nhost = "${HOST}"\nrespond = { body = "let through" }\nportal = "home"\nallow = ["user"]\n`

function ask(gate: Gate, path: string, cookie: string, init: RequestInit = {}): Promise<Response> {
  return fetch(`http://127.0.0.1:${gate.port}${path}`, {
    ...init,
    redirect: 'manual',
    headers: { host: HOST, cookie, ...init.headers },
  })
}

describe.each([
  ['signing out', '/.sallyport/logout', ''],
  ['ending all of one’s own sessions', '/.sallyport/sessions', 'act=end-all'],
])('%s while the store cannot be written', (_, path, body) => {
  test('says in every language that it did not work, and is done once it can be, unasked', async () => {
    await using gate = await startGate(PORTAL + ROUTE)
    const { cookie } = await gate.signIn(HOST)
    expect(await (await ask(gate, '/', cookie)).text()).toBe('let through')
    const send = (fields: Record<string, string>) =>
      ask(gate, path, cookie, {
        method: 'POST',
        body,
        headers: {
          'content-type': 'application/x-www-form-urlencoded',
          'sec-fetch-site': 'same-origin',
          ...fields,
        },
      })
    const other = new Database(join(gate.folder, 'sallyport.db'))
    other.run('BEGIN EXCLUSIVE')
    const [told, shown] = await Promise.all([
      send({ accept: 'application/json' }),
      send({ accept: 'text/html', 'accept-language': 'de' }),
    ])
    other.run('ROLLBACK')
    other.close()
    expect([told.status, shown.status]).toEqual([503, 503])
    expect(await told.json()).toMatchObject({ code: 'session.end', detail: expect.stringContaining('still valid') })
    expect(await shown.text()).toContain('gilt die Sitzung weiter')
    expect(told.headers.getSetCookie()).toEqual([])
    await eventually(async () => (await ask(gate, '/', cookie)).status !== 200, 'it has ended')
    await eventually(() => gate.told('has ended', '"number":1').length === 1, 'the log says so')
    const again = await gate.signIn(HOST)
    expect(await (await ask(gate, '/', again.cookie)).text()).toBe('let through')
  }, 300_000)
})

needs('valkey-server').test(
  'a sign-out at a gate that is cut off from Redis is done at every gate once it is back',
  async () => {
    await using valkey = await startValkey()
    await using one = await startGate(PORTAL + ROUTE, shared(valkey.url()))
    await using other = await startGate(PORTAL + ROUTE, shared(valkey.url()))
    const { cookie } = await one.signIn(HOST)
    for (const gate of [one, other]) expect((await ask(gate, '/', cookie)).status).toBe(200)
    await valkey.kill()
    const told = await ask(one, '/.sallyport/logout', cookie, {
      method: 'POST',
      headers: { 'sec-fetch-site': 'same-origin', accept: 'application/json' },
    })
    expect([told.status, await told.json()]).toEqual([503, expect.objectContaining({ code: 'session.end' })])
    await valkey.start()
    for (const gate of [one, other])
      await eventually(async () => [302, 401].includes((await ask(gate, '/', cookie)).status), 'it has ended')
    await eventually(() => one.told('has ended', '"number":1').length === 1, 'the log says so')
  },
  300_000,
)

needs('valkey-server').test(
  'a sign-out at a gate that neither knows the session nor reaches Redis is done once it does, by what its own form says',
  async () => {
    await using valkey = await startValkey()
    await using one = await startGate(PORTAL + ROUTE, shared(valkey.url()))
    await using other = await startGate(PORTAL + ROUTE, shared(valkey.url()))
    const people = await Promise.all(['ada', 'bob', 'cid'].map(sub => one.signIn(HOST, { sub })))
    const [ada, bob, cid] = people.map(({ cookie }) => cookie)
    if (ada === undefined || bob === undefined || cid === undefined) throw new Error('three')
    const proofOn = async (page: string, cookie: string) => {
      const shown = await ask(one, `/.sallyport/${page}`, cookie, { headers: PAGE })
      return (
        htmlPage(await shown.text())
          .one('input[name=proof]')
          .attribute('value') ?? ''
      )
    }
    const proofs = [await proofOn('logout', ada), await proofOn('logout', bob), await proofOn('sessions', cid)] as const
    await valkey.kill()
    const send = async (cookie: string, proof: string, site: string) => {
      const headers = { ...SCRIPT, host: HOST, cookie, 'sec-fetch-site': site }
      const told = await sendForm(other, 'logout', headers, { proof })
      return [told.status, Reflect.get(Object(await told.json()), 'code')]
    }
    expect(await send(ada, proofs[0], 'same-origin')).toEqual([503, 'session.end'])
    // Of another site, and of a page that is for something else.
    expect(await send(bob, proofs[1], 'cross-site')).toEqual([503, 'session.store'])
    expect(await send(cid, proofs[2], 'same-origin')).toEqual([503, 'session.store'])
    await valkey.start()
    await eventually(() => other.told('has ended', '"number":1').length === 1, 'the log says so')
    for (const gate of [one, other]) {
      await eventually(async () => [302, 401].includes((await ask(gate, '/', ada)).status), 'it has ended')
      for (const cookie of [bob, cid])
        await eventually(async () => (await ask(gate, '/', cookie)).status === 200, 'these have not')
    }
  },
  300_000,
)

/** What somebody revokes on a page, and whether it is still good. */
interface Revoked {
  readonly form: Readonly<Record<string, string>>
  isGood(): Promise<boolean>
}

const OWN = `${portalWith('personal_tokens = true\nguest_links = { allow = ["user"] }\nadmin_role = "admin"')}
[[routes]]
host = "${HOST}"
respond = { body = "let through" }
portal = "home"
allow = ["user", { guest_link = true }]
tokens = true
`

describe.each<[string, string, (gate: Gate, cookie: string) => Promise<Revoked>]>([
  [
    'an API token',
    'tokens',
    async (gate, cookie) => {
      const form = { act: 'create', name: 'script', days: '30' }
      const made = await (await sendForm(gate, 'tokens', { ...SCRIPT, host: HOST, cookie }, form)).json()
      const { token, tokens } = made as { token: string; tokens: readonly { id: string }[] }
      return {
        form: { act: 'revoke', id: tokens[0]?.id ?? '' },
        isGood: async () => (await statusOf(gate, '/', { host: HOST, ...bearer(token) })) === 200,
      }
    },
  ],
  [
    'a guest link',
    'guests',
    async (gate, cookie) => {
      const form = { act: 'create', address: `http://${HOST}/`, name: 'Aunt', hours: '24', uses: '2' }
      const made = await (await sendForm(gate, 'guests', { ...SCRIPT, host: HOST, cookie }, form)).json()
      const { link, links } = made as { link: string; links: readonly { id: string }[] }
      const secret = new URL(link).searchParams.get('link') ?? ''
      const address = `/.sallyport/guest?link=${secret}`
      return {
        form: { act: 'revoke', id: links[0]?.id ?? '' },
        isGood: async () => (await statusOf(gate, address, { host: HOST, ...PAGE })) === 200,
      }
    },
  ],
  [
    'somebody else’s session by an admin',
    'sessions',
    async gate => {
      const { cookie, sessionId } = await gate.signIn(HOST, { sub: 'eve' })
      return {
        form: { act: 'end', id: sessionId },
        isGood: async () => (await statusOf(gate, '/', { host: HOST, cookie })) === 200,
      }
    },
  ],
])('revoking %s while the store cannot be written', (_, page, begin) => {
  test('is answered once the store has refused it, and is done once it can be, unasked', async () => {
    await using gate = await startGate(OWN)
    const { cookie } = await gate.signIn(HOST, { sub: 'root', groups: ['admins'] })
    const { form, isGood } = await begin(gate, cookie)
    expect(await isGood()).toBe(true)
    const other = new Database(join(gate.folder, 'sallyport.db'))
    other.run('BEGIN EXCLUSIVE')
    const told = await sendForm(gate, page, { ...SCRIPT, host: HOST, cookie }, form)
    other.run('ROLLBACK')
    other.close()
    expect([told.status, await told.json()]).toEqual([503, expect.objectContaining({ code: 'session.end' })])
    await eventually(async () => !(await isGood()), 'it has ended')
  }, 300_000)
})

/** The process of a supervisor's worker with this number. */
function workerOf(supervisor: number, index: number): number {
  const children = readFileSync(`/proc/${supervisor}/task/${supervisor}/children`, 'utf8').trim().split(' ')
  const isIt = (pid: string) => readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`SALLYPORT_WORKER=${index}\0`)
  return Number(children.find(isIt))
}

needs('/proc').test(
  'a sign-out that one worker could not store is done by another, where the first is killed before it can',
  async () => {
    using folder = temporaryFolder()
    await using provider = await startProviderFor([{ sub: 'ada', name: 'Ada' }])
    await using upstream = startSaying('let through')
    const site = await twoWorkers(folder.path, provider, upstream)
    await using child = await site.start()
    const cookie = await site.signIn()
    expect(isOnly(await site.statuses(cookie), 200)).toBe(true)
    const other = new Database(join(folder.path, 'sallyport.db'))
    // A worker may be writing.
    other.run('PRAGMA busy_timeout = 30000')
    other.run('BEGIN EXCLUSIVE')
    const told = await fetch(`http://127.0.0.1:${site.port}/.sallyport/logout`, {
      method: 'POST',
      headers: { host: site.host, cookie, 'sec-fetch-site': 'same-origin', accept: 'application/json' },
    })
    expect([told.status, await told.json()]).toEqual([503, expect.objectContaining({ code: 'session.end' })])
    const workersThat = (say: string): readonly number[] => {
      const lines = child.output().split('\n')
      return lines.filter(line => line.includes(say)).map(line => Number(/"worker":(\d)/.exec(line)?.[1]))
    }
    await eventually(() => workersThat('"code":"session.end"').length > 0, 'the log says so')
    const [owing = 0] = workersThat('"code":"session.end"')
    await eventually(
      () => workersThat('end what was to end before').includes(3 - owing),
      'the other worker tries it, too',
    )
    process.kill(workerOf(child.process.pid, owing), 'SIGKILL')
    await eventually(() => child.output().includes('A worker died'), 'it is gone')
    other.run('ROLLBACK')
    other.close()
    await eventually(async () => isOnly(await site.statuses(cookie), 401), 'it has ended')
  },
  300_000,
)
