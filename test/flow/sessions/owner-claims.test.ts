/** A person whom the provider describes otherwise at a refresh: what they have under way goes on as far as it is still allowed. */
import { beforeEach, expect, test } from 'bun:test'
import { startStreaming } from '../../kit/applications/streaming.ts'
import { askAsAll, type Belongings, streamAsAll } from '../../kit/belongings.ts'
import { aheadClock } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, type Gate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startBadProvider } from '../../kit/provider/bad-provider.ts'
import { belongingsAt, inTwoGates, REFRESHING, takesAll } from '../../kit/sessions/one-person.ts'
import { portalTable, providerTable } from '../../kit/toml.ts'

const MINUTE = 60_000
const clock = aheadClock()
const keep = untilTheEnd()
const upstream = keep(startStreaming())
const bad = keep(await startBadProvider(clock.nowS))

beforeEach(() => {
  clock.setAhead(0)
  describe(['users', 'ops'])
})

/** How the provider describes its person from now on. */
function describe(groups: readonly string[]): void {
  bad.behave({ givesRefreshToken: true, signsInAtOnce: true, userinfo: { groups } })
}

const toml = () =>
  providerTable(bad) + portalTable(`roles.user = { groups = ["users"] }\n${REFRESHING}`) + takesAll(upstream)

/** Two processes on one store, with what one person has, and how many streams are open in each. */
async function withStreams(
  act: (gates: readonly [Gate, Gate], all: Belongings, open: readonly (() => number)[]) => Promise<void>,
): Promise<void> {
  using folder = temporaryFolder()
  await inTwoGates(toml(), `${folder.path}/shared.db`, clock, async (one, other) => {
    const all = await belongingsAt(one)
    await act([one, other], all, [await streamAsAll(one, all), await streamAsAll(other, all)])
  })
}

/** Has the provider asked again, and waits until both processes tell the application of what it said. */
async function refresh([one, other]: readonly [Gate, Gate], all: Belongings): Promise<void> {
  const before = bad.asked.token
  clock.advance(2 * MINUTE)
  await askAsAll(one, all)
  await eventually(() => bad.asked.token > before, 'the provider is asked')
  // What one process has written, the other hears at its next look: ten times a second.
  await Bun.sleep(500)
  await askAsAll(other, all)
}

test(
  'streams of sessions, tokens and guests outlive groups that come in another order, or one that is no matter',
  () =>
    withStreams(async (gates, all, open) => {
      for (const groups of [['ops', 'users'], ['users', 'ops', 'more'], ['users']]) {
        describe(groups)
        await refresh(gates, all)
        expect([groups, open.map(count => count())]).toEqual([groups, [3, 3]])
      }
      expect(await askAsAll(gates[1], all)).toEqual([200, 200, 200])
    }),
  300_000,
)

test(
  'streams of all three end in every process once the group by which they were allowed is gone',
  () =>
    withStreams(async (gates, all, open) => {
      describe(['ops', 'users'])
      await refresh(gates, all)
      expect(open.map(count => count())).toEqual([3, 3])
      describe(['ops'])
      await refresh(gates, all)
      await eventually(() => open.every(count => count() === 0), 'every stream has ended')
    }),
  300_000,
)
