/** Whom the provider puts out, in whatever words, is out: with the session, its streams, their tokens and their guest links. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { askAsAll, type Belongings, collectBelongings, startEvents, streamAsAll } from '../../kit/belongings.ts'
import { BrowserLite } from '../../kit/browser/browser-lite.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, type Gate, startGate } from '../../kit/gate.ts'
import { startValkey } from '../../kit/programs/valkey.ts'
import { BAD_PROVIDER_CLIENT, type BadProvider, startBadProvider } from '../../kit/provider/bad-provider.ts'
import recorded from '../../recorded/token-refusals.json'

const HOST = 'app.example'
const MINUTE = 60_000
const KEY = Buffer.alloc(32, 7).toString('base64')
let offsetMs = 0
const now = () => Date.now() + offsetMs
let bad: BadProvider
let upstream: Bun.Server<undefined>

beforeAll(async () => {
  bad = await startBadProvider(() => Math.floor(now() / 1000))
  upstream = startEvents()
})
afterAll(async () => {
  await upstream.stop(true)
  await bad.stop()
})
beforeEach(() => {
  offsetMs = 0
  bad.behave({ givesRefreshToken: true, signsInAtOnce: true })
})

const toml = () => `
[providers.id]
issuer = "${bad.issuer}"
client_id = "${BAD_PROVIDER_CLIENT.clientId}"
client_secret = "${BAD_PROVIDER_CLIENT.clientSecret}"

[portals.home]
providers = ["id"]
insecure_cookies = true
refresh = "1m"
refresh_limit = "10m"
personal_tokens = true
guest_links = { allow = ["user"], max_uses = 5 }

[portals.home.roles]
user = { any = true }

[[routes]]
host = "${HOST}"
upstream = "http://127.0.0.1:${upstream.port}"
portal = "home"
allow = ["user", { guest_link = true }]
tokens = true
`

/** Two processes on one store. */
async function inTwoGates(kind: 'sqlite' | 'redis', act: (one: Gate, other: Gate) => Promise<void>): Promise<void> {
  using folder = temporaryFolder()
  await using valkey = kind === 'redis' ? await startValkey() : null
  const store = valkey?.url() ?? `sqlite:${folder.path}/shared.db`
  const options = { store, sessions: `key = "${KEY}"`, ports: { now } }
  await using one = await startGate(toml(), options)
  await using other = await startGate(toml(), options)
  await act(one, other)
}

async function signIn(gate: Gate): Promise<Belongings> {
  const browser = new BrowserLite({ hosts: { [HOST]: `127.0.0.1:${gate.port}` } })
  expect((await browser.open(`http://${HOST}/`)).response.status).toBe(200)
  return collectBelongings(gate, HOST, `sallyport=${browser.cookie(HOST, 'sallyport')}`)
}

/** What the token endpoint answers from now on. */
function answer(status: number, body: unknown): void {
  bad.behave({ instead: { token: () => Response.json(body, { status }) } })
}

const REFUSALS = [
  ...recorded.rows.filter(({ isAbout }) => isAbout === 'person'),
  { program: 'Pocket ID 2.14', when: 'access_denied', status: 400, body: { error: 'access_denied' } },
]

describe.each(['sqlite', 'redis'] as const)('a person whom the provider has put out, sessions in %s', kind => {
  test.each(REFUSALS.map(row => [`${row.program}, ${row.when}`, row] as const))(
    'is out at once in every process, with streams, tokens and guest links (%s)',
    (_, { status, body }) =>
      inTwoGates(kind, async (one, other) => {
        const all = await signIn(one)
        for (const gate of [one, other]) expect(await askAsAll(gate, all)).toEqual([200, 200, 200])
        const open = [await streamAsAll(one, all), await streamAsAll(other, all)]
        answer(status, body)
        offsetMs += 2 * MINUTE
        await askAsAll(one, all)
        await eventually(() => open.every(count => count() === 0), 'every stream has ended')
        for (const gate of [one, other]) expect(await askAsAll(gate, all)).toEqual([401, 401, 401])
        expect(one.log.join('\n')).toContain(JSON.stringify(body.error))
      }),
    20_000,
  )
})

test('streams end at once where nothing in memory tells any more whose they are', async () => {
  await using gate = await startGate(toml(), { ports: { now } })
  const all = await signIn(gate)
  const open = await streamAsAll(gate, all)
  gate.save(`${toml()}\n# another file, the same rules\n`)
  expect(gate.server.reload()).toBe('changed')
  // A save looks at everything that is open; that is over by then.
  await Bun.sleep(100)
  expect(open()).toBe(3)
  answer(400, { error: 'access_denied' })
  offsetMs += 2 * MINUTE
  // Only the session asks, and so only that is in memory again.
  expect((await fetch(`http://127.0.0.1:${gate.port}/`, { headers: all.session })).status).toBe(200)
  await eventually(() => open() === 0, 'every stream has ended')
})

describe('a provider that says nothing of the person', () => {
  const OUTAGES = [
    ...recorded.rows.filter(({ isAbout }) => isAbout !== 'person'),
    { program: 'RFC 6749', when: 'temporarily_unavailable', status: 400, body: { error: 'temporarily_unavailable' } },
    { program: 'any', when: 'a failure', status: 503, body: { error: 'access_denied' } },
  ]
  test.each(OUTAGES.map(row => [`${row.program}, ${row.when}`, row] as const))(
    'ends nothing until the limit, and then lets nobody in (%s)',
    async (_, { status, body }) => {
      await using gate = await startGate(toml(), { ports: { now } })
      const all = await signIn(gate)
      answer(status, body)
      offsetMs += 2 * MINUTE
      expect(await askAsAll(gate, all)).toEqual([200, 200, 200])
      await eventually(() => gate.log.some(line => line.includes('could not be checked')), 'it was asked')
      expect(await askAsAll(gate, all)).toEqual([200, 200, 200])
      offsetMs += 9 * MINUTE
      expect((await askAsAll(gate, all))[0]).toBe(401)
    },
  )
})
