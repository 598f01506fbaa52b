/** Whom the provider puts out, in whatever words, is out: with the session, its streams, their tokens and their guest links. */
import { beforeEach, describe, expect, test } from 'bun:test'
import { startStreaming } from '../../kit/applications/streaming.ts'
import { askAsAll, streamAsAll } from '../../kit/belongings.ts'
import { aheadClock } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, type Gate, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startValkey } from '../../kit/programs/valkey.ts'
import { startBadProvider } from '../../kit/provider/bad-provider.ts'
import { statusOf } from '../../kit/requests.ts'
import { belongingsAt, inTwoGates, REFRESHING, takesAll } from '../../kit/sessions/one-person.ts'
import { EVERYONE, portalTable, providerTable } from '../../kit/toml.ts'
import recorded from '../../recorded/token-refusals.json'

const MINUTE = 60_000
const clock = aheadClock()
const keep = untilTheEnd()
const upstream = keep(startStreaming())
const bad = keep(await startBadProvider(clock.nowS))

beforeEach(() => {
  clock.setAhead(0)
  bad.behave({ givesRefreshToken: true, signsInAtOnce: true })
})

const toml = () => providerTable(bad) + portalTable(`${EVERYONE}\n${REFRESHING}`) + takesAll(upstream)

/** Two processes on one store. */
async function onOne(kind: 'sqlite' | 'redis', act: (one: Gate, other: Gate) => Promise<void>): Promise<void> {
  using folder = temporaryFolder()
  await using valkey = kind === 'redis' ? await startValkey() : null
  await inTwoGates(toml(), valkey?.url() ?? `${folder.path}/shared.db`, clock, act)
}

/** What the token endpoint answers from now on. */
function answer(status: number, body: unknown): void {
  bad.behave({ instead: { token: () => Response.json(body, { status }) } })
}

const REFUSALS = [
  ...recorded.rows.filter(({ isAbout }) => isAbout === 'person'),
  { program: 'Pocket ID 2.14', when: 'access_denied', status: 400, body: { error: 'access_denied' } },
]

needs('valkey-server').describe.each(['sqlite', 'redis'] as const)(
  'a person whom the provider has put out, sessions in %s',
  kind => {
    test.each(REFUSALS.map(row => [`${row.program}, ${row.when}`, row] as const))(
      'is out at once in every process, with streams, tokens and guest links (%s)',
      (_, { status, body }) =>
        onOne(kind, async (one, other) => {
          const all = await belongingsAt(one)
          for (const gate of [one, other]) expect(await askAsAll(gate, all)).toEqual([200, 200, 200])
          const open = [await streamAsAll(one, all), await streamAsAll(other, all)]
          answer(status, body)
          clock.advance(2 * MINUTE)
          await askAsAll(one, all)
          await eventually(() => open.every(count => count() === 0), 'every stream has ended')
          for (const gate of [one, other]) expect(await askAsAll(gate, all)).toEqual([401, 401, 401])
          expect(one.log.join('\n')).toContain(JSON.stringify(body.error))
        }),
    )
  },
)

test('streams end at once where nothing in memory tells any more whose they are', async () => {
  await using gate = await startGate(toml(), { ports: clock })
  const all = await belongingsAt(gate)
  const open = await streamAsAll(gate, all)
  gate.save(`${toml()}\n# another file, the same rules\n`)
  expect(gate.server.reload()).toBe('changed')
  // A save looks at everything that is open; that is over by then.
  await Bun.sleep(100)
  expect(open()).toBe(3)
  answer(400, { error: 'access_denied' })
  clock.advance(2 * MINUTE)
  // Only the session asks, and so only that is in memory again.
  expect(await statusOf(gate, '/', all.session)).toBe(200)
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
      await using gate = await startGate(toml(), { ports: clock })
      const all = await belongingsAt(gate)
      answer(status, body)
      clock.advance(2 * MINUTE)
      expect(await askAsAll(gate, all)).toEqual([200, 200, 200])
      await eventually(() => gate.told('could not be checked').length > 0, 'it was asked')
      expect(await askAsAll(gate, all)).toEqual([200, 200, 200])
      clock.advance(9 * MINUTE)
      expect((await askAsAll(gate, all))[0]).toBe(401)
    },
  )
})
