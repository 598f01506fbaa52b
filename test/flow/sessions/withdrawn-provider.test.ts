/** A provider that is taken from a portal, or becomes another under its name, takes with it whoever it vouched for. */
import { describe, expect, test } from 'bun:test'
import { runTokens } from '../../../src/cli/tokens.ts'
import { startStreaming } from '../../kit/applications/streaming.ts'
import { askAsAll, collectBelongings, streamAsAll } from '../../kit/belongings.ts'
import { runOn } from '../../kit/commands.ts'
import { bearer } from '../../kit/fields.ts'
import { eventually, type Gate, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startValkey } from '../../kit/programs/valkey.ts'
import { fetchFrom, statusOf } from '../../kit/requests.ts'
import { shared } from '../../kit/sessions/shared.ts'
import { routeTo } from '../../kit/toml.ts'

const HOST = 'app.example'
const upstream = untilTheEnd()(startStreaming())

interface Written {
  /** Tables, with their issuers. */
  readonly providers?: Readonly<Record<string, string>>
  /** Those of the portal. */
  readonly ofPortal?: readonly string[]
  readonly label?: string
}

const ISSUER = 'http://127.0.0.1:9'
const BOTH = { id: ISSUER, other: 'http://127.0.0.1:9/other' }

function toml({ providers = BOTH, ofPortal = ['id', 'other'], label = 'X' }: Written = {}): string {
  const tables = Object.entries(providers).map(
    ([name, issuer]) =>
      `[providers.${name}]\nlabel = "${label}"\nissuer = "${issuer}"\nclient_id = "gate"\nclient_secret = "s"\n`,
  )
  return `${tables.join('\n')}
[portals.home]
providers = [${ofPortal.map(name => `"${name}"`).join(', ')}]
insecure_cookies = true
admin_role = "admin"
personal_tokens = true
guest_links = { allow = ["user"], max_uses = 5 }

[portals.home.roles]
user = { any = true }
admin = { groups = ["admins"] }

${routeTo(upstream, HOST, 'portal = "home"\nallow = ["user", { guest_link = true }]\ntokens = true')}`
}

function take(gate: Gate, written: Written): void {
  gate.save(toml(written))
  expect(gate.server.reload()).toBe('changed')
}

const WITHDRAWN: readonly (readonly [string, Written])[] = [
  ['that leaves its portal', { ofPortal: ['other'] }],
  ['that leaves the file', { ofPortal: ['other'], providers: { other: BOTH.other } }],
  ['with another issuer under its name', { providers: { ...BOTH, id: 'http://127.0.0.1:9/new' } }],
  ['with a slash more in its issuer', { providers: { ...BOTH, id: `${ISSUER}/` } }],
  ['with its issuer under another name', { providers: { other: BOTH.other, new: ISSUER }, ofPortal: ['other', 'new'] }],
  ['whose name has the issuer of another', { providers: { id: BOTH.other, other: ISSUER } }],
]

describe.each(WITHDRAWN)('a provider %s', (_what, written) => {
  test('takes its sessions, their streams, tokens and guest links with it, at the save', async () => {
    await using gate = await startGate(toml())
    const { cookie } = await gate.signIn(HOST)
    const all = await collectBelongings(gate, HOST, cookie)
    const openStreams = await streamAsAll(gate, all)
    expect(await askAsAll(gate, all)).toEqual([200, 200, 200])
    take(gate, written)
    expect(await askAsAll(gate, all)).toEqual([401, 401, 401])
    await eventually(() => openStreams() === 0, 'every stream has ended')
  })

  needs('valkey-server').test('is known to be gone after a restart, too', async () => {
    await using valkey = await startValkey()
    const options = shared(valkey.url())
    await using gate = await startGate(toml(), options)
    const all = await collectBelongings(gate, HOST, (await gate.signIn(HOST)).cookie)
    await using later = await startGate(toml(written), options)
    expect(await askAsAll(later, all)).toEqual([401, 401, 401])
    expect(await askAsAll(gate, all)).toEqual([200, 200, 200])
  })
})

test('a save that leaves the providers as they are ends nothing, whatever else it changes of them', async () => {
  await using gate = await startGate(toml())
  const all = await collectBelongings(gate, HOST, (await gate.signIn(HOST)).cookie)
  const openStreams = await streamAsAll(gate, all)
  take(gate, { label: 'Another label', ofPortal: ['other', 'id'] })
  expect(await askAsAll(gate, all)).toEqual([200, 200, 200])
  await Bun.sleep(100)
  expect(openStreams()).toBe(3)
})

test('people of a provider that stays keep what they have', async () => {
  await using gate = await startGate(toml({ ofPortal: ['other', 'id'] }))
  const all = await collectBelongings(gate, HOST, (await gate.signIn(HOST)).cookie)
  take(gate, { ofPortal: ['other'] })
  expect(await askAsAll(gate, all)).toEqual([200, 200, 200])
})

test('whom nobody vouches for is in no list', async () => {
  await using gate = await startGate(toml({ ofPortal: ['id', 'other'] }))
  await gate.signIn(HOST, { sub: 'ada of id' })
  take(gate, { ofPortal: ['other'] })
  await using later = await startGate(toml({ ofPortal: ['other'] }), { store: `sqlite:${gate.folder}/sallyport.db` })
  const { cookie } = await later.signIn(HOST, { sub: 'root', groups: ['admins'] })
  const answer = await fetchFrom(later, '/.sallyport/sessions?all=1', {
    host: HOST,
    cookie,
    accept: 'application/json',
  })
  const text = await answer.text()
  expect(text).toContain('root')
  expect(text).not.toContain('ada of id')
})

test('a token of a service goes on; one that names a person rests without that person’s provider', async () => {
  await using gate = await startGate(toml())
  const create = async (...whom: readonly string[]) => {
    const argv = ['create', '--name', 'n', '--portal', 'home', '--roles', 'user', ...whom]
    return (await runOn(gate, runTokens, argv)).out.trim()
  }
  const ask = (token: string) => statusOf(gate, '/', { host: HOST, ...bearer(token) })
  const [service, person] = [await create('--service', 'backup'), await create('--subject', 'ada', '--provider', 'id')]
  expect([await ask(service), await ask(person)]).toEqual([200, 200])
  take(gate, { ofPortal: ['other'] })
  expect([await ask(service), await ask(person)]).toEqual([200, 401])
  const listed = await runOn(gate, runTokens, ['list', '--json'])
  const tokens: readonly { subject: string; resting: boolean }[] = JSON.parse(listed.out)
  expect(tokens.map(({ subject, resting }) => [subject, resting]).sort()).toEqual([
    ['ada', true],
    ['token:backup', false],
  ])
})

const again = async (gate: Gate) => ({ session: { host: HOST, cookie: (await gate.signIn(HOST)).cookie } })

needs('valkey-server').describe.each(['sqlite', 'redis'] as const)(
  'a provider that is put back (sessions in %s)',
  kind => {
    // Nothing turns the event loop between the saves: on a slow machine, too, the second comes within those two seconds.
    test.each([
      ['of the portal', toml({ ofPortal: ['other'] })],
      [
        'of the file',
        toml().replaceAll('portals.home', 'portals.house').replace('portal = "home"', 'portal = "house"'),
      ],
    ])('within two seconds has ended nothing, as one %s', async (_what, slip) => {
      await using valkey = kind === 'redis' ? await startValkey() : null
      const store = valkey === null ? {} : shared(valkey.url())
      await using gate = await startGate(toml(), store)
      const all = await collectBelongings(gate, HOST, (await gate.signIn(HOST)).cookie)
      gate.save(slip)
      expect(gate.server.reload()).toBe('changed')
      take(gate, {})
      expect(await askAsAll(gate, all)).toEqual([200, 200, 200])
      // Nothing is done then, and nothing tells of it.
      await Bun.sleep(2_500)
      expect(await askAsAll(gate, all)).toEqual([200, 200, 200])
      expect(gate.told('Sessions were ended')).toEqual([])
    })

    test('after those two seconds has ended what everybody has', async () => {
      await using valkey = kind === 'redis' ? await startValkey() : null
      const store = valkey === null ? {} : shared(valkey.url())
      await using gate = await startGate(toml(), store)
      const all = await collectBelongings(gate, HOST, (await gate.signIn(HOST)).cookie)
      const other = await gate.signIn(HOST, { sub: 'another' })
      take(gate, { ofPortal: ['other'] })
      await eventually(() => gate.told('Sessions were ended').length > 0, 'that is told')
      take(gate, {})
      expect(gate.told('Sessions were ended')).toHaveLength(1)
      expect([...(await askAsAll(gate, all)), await statusOf(gate, '/', { host: HOST, cookie: other.cookie })]).toEqual(
        [401, 401, 401, 401],
      )
      expect(await statusOf(gate, '/', (await again(gate)).session)).toBe(200)
    })

    test('brings nobody back: they sign in again, and their tokens and links then work', async () => {
      await using valkey = kind === 'redis' ? await startValkey() : null
      const store = valkey === null ? {} : shared(valkey.url())
      await using gate = await startGate(toml(), store)
      const all = await collectBelongings(gate, HOST, (await gate.signIn(HOST)).cookie)
      const others = await Promise.all(
        Array.from({ length: 250 }, (_, index) => gate.signIn(HOST, { sub: `s${index}` })),
      )
      take(gate, { ofPortal: ['other'] })
      await eventually(() => gate.told('Sessions were ended').length > 0, 'all of them have ended')
      take(gate, {})
      expect(await askAsAll(gate, all)).toEqual([401, 401, 401])
      for (const { cookie } of others) {
        expect((await askAsAll(gate, { ...all, session: { host: HOST, cookie } }))[0]).toBe(401)
      }
      expect(await askAsAll(gate, { ...all, ...(await again(gate)) })).toEqual([200, 200, 200])
    }, 300_000)
  },
)
