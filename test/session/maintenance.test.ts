import { Database } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import type { Ports } from '../../src/base/ports.ts'
import { makeIdentity } from '../../src/identity/identity.ts'
import type { SessionLimits } from '../../src/session/lifetimes.ts'
import type { SessionTimers } from '../../src/session/maintenance.ts'
import { type OpenSessions, openSessions } from '../../src/session/open.ts'
import { openRedisStore } from '../../src/session/redis/store.ts'
import { createSealer } from '../../src/session/seal.ts'
import type { Brought } from '../../src/session/session.ts'
import { openSqliteStore } from '../../src/session/sqlite/store.ts'
import { fakeClock, quietPorts } from '../kit/clock.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { eventually } from '../kit/gate.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'
import { startValkey } from '../kit/programs/valkey.ts'
import { ANY_PROVIDER } from '../kit/sessions/lifetimes.ts'
import { redisAt } from '../kit/sessions/shared.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const LIMITS: SessionLimits = {
  lifetimeMs: 12 * HOUR,
  idleMs: 2 * HOUR,
  cacheBytes: 500_000,
  providerTrust: ANY_PROVIDER,
}
/** Else a gate may hear of its own word before it has counted itself whom that ends. */
const NEVER_LOOKS = { watchMs: HOUR }
const HOST = 'x.example'
const ISSUER = 'https://id.example'

const keep = untilTheEnd()
const valkey = keep(await startValkey())
let database = 0

/** One of several gates over a store, with a clock of its own. */
interface Gate {
  readonly sessions: OpenSessions
  /** Sessions of whose end whoever listens was told. */
  readonly ended: readonly string[]
  /** What it has logged as a warning or an error. */
  readonly told: readonly string[]
}

interface GateOptions {
  readonly clock?: Pick<Ports, 'now' | 'tick'>
  readonly idleMs?: number
  readonly timers?: Partial<SessionTimers>
}

interface Stand {
  gate(options?: GateOptions): Gate
  /** Takes all sessions out of the store and tells nobody, as a gate of before does when it cleans up. */
  emptySilently(): Promise<void>
}

type Act = (stand: Stand) => Promise<void>

async function withSqlite(act: Act): Promise<void> {
  using folder = temporaryFolder()
  const path = join(folder.path, 's.db')
  await withGates(
    ports => openSqliteStore(path, ports),
    act,
    async () => {
      const raw = new Database(path)
      raw.run('PRAGMA foreign_keys = ON')
      raw.run('DELETE FROM sessions')
      raw.close()
    },
  )
}

async function withRedis(act: Act): Promise<void> {
  const mine = database++
  const url = valkey.url(mine)
  const all =
    "for _, kind in ipairs({'session', 'handle'}) do for _, k in ipairs(redis.call('KEYS', '*:' .. kind .. ':*')) do redis.call('DEL', k) end end"
  await withGates(
    ports => openRedisStore(redisAt(url), ports),
    act,
    async () => {
      await valkey.ask(mine, 'EVAL', all, '0')
    },
  )
}

async function withGates(
  openStore: (ports: ReturnType<typeof quietPorts>) => ReturnType<typeof openSqliteStore>,
  act: Act,
  emptySilently: Stand['emptySilently'],
): Promise<void> {
  const opened: OpenSessions[] = []
  try {
    await act({
      gate({ clock = { now: Date.now }, idleMs = LIMITS.idleMs, timers = {} } = {}) {
        const told: string[] = []
        const tell = (message: string) => void told.push(message)
        const quiet = quietPorts(clock)
        const ports = { ...quiet, log: { ...quiet.log, warn: tell, error: tell } }
        const sessions = openSessions({
          store: openStore(ports),
          sealer: createSealer(new Uint8Array(32).fill(7), ports),
          limits: { ...LIMITS, idleMs },
          ports,
          timers: { watchMs: 20, flushMs: 20, purgeMs: 1e6, ...timers },
        })
        opened.push(sessions)
        const ended: string[] = []
        sessions.onEnd(id => ended.push(id))
        return { sessions, ended, told }
      },
      emptySilently,
    })
  } finally {
    for (const sessions of opened) await sessions.close()
  }
}

const signIn = ({ sessions }: Gate, subject: string, sid = 'none', brought: Brought | null = null) =>
  sessions.start({
    brought,
    portal: 'home',
    host: HOST,
    identity: makeIdentity('id', ISSUER, subject, { sid }),
    secrets: { idToken: 'x', refreshToken: null },
  })

const whoIs = async ({ sessions }: Gate, token: string) => (await sessions.find(token, HOST))?.identity.subject ?? null

needs('valkey-server').describe.each([
  ['sqlite', withSqlite],
  ['redis', withRedis],
] as const)('over %s', (_name, withStand) => {
  test('what a gate with a shorter idle time removes from the store ends at a gate with a longer one', () =>
    withStand(async ({ gate }) => {
      const here = gate()
      const { token, session } = await signIn(here, 'ada')
      gate({ idleMs: 200, timers: { purgeMs: 20, lateMs: 0 } })
      await eventually(() => here.ended.includes(session.id), 'it is told')
      expect(await whoIs(here, token)).toBeNull()
    }))

  test('what a gate has removed for being idle is not back once its idle time is longer', () =>
    withStand(async ({ gate }) => {
      const here = gate({ idleMs: 200, timers: { purgeMs: 20, lateMs: 0 } })
      const { token } = await signIn(here, 'ada')
      await eventually(async () => (await here.sessions.count()) === 0, 'it is removed')
      await eventually(() => here.ended.length > 0, 'it has ended here')
      here.sessions.configure(LIMITS)
      expect(await whoIs(here, token)).toBeNull()
    }))

  test('a session whose last use is not written yet is not removed for being idle', () =>
    withStand(async ({ gate }) => {
      const here = gate({ idleMs: 200, timers: { purgeMs: 20 } })
      const { session } = await signIn(here, 'ada')
      await Bun.sleep(400)
      expect([await here.sessions.count(), here.ended.includes(session.id)]).toEqual([1, false])
    }))

  const ENDS: readonly (readonly [string, (gate: Gate) => Promise<unknown>, number])[] = [
    [
      'of its person',
      ({ sessions }) =>
        sessions.endFor({ issuer: ISSUER, providers: ['id'], subject: 'ada', sid: null, isVerified: true }),
      1,
    ],
    [
      'of its session at the provider',
      ({ sessions }) =>
        sessions.endFor({ issuer: ISSUER, providers: ['id'], subject: null, sid: 'of-ada', isVerified: true }),
      1,
    ],
    ['of everyone', ({ sessions }) => sessions.endEverywhere({ issuer: null, subject: null, sid: null }), 2],
  ]

  test.each(ENDS)('a session that is in memory alone ends at every gate by the end %s', (_what, end, gone) =>
    withStand(async ({ gate, emptySilently }) => {
      const [one, other, third] = [gate(), gate(), gate()]
      const { token } = await signIn(one, 'ada', 'of-ada')
      const bob = await signIn(one, 'bob', 'of-bob')
      for (const at of [one, other])
        expect([await whoIs(at, token), await whoIs(at, bob.token)]).toEqual(['ada', 'bob'])
      await emptySilently()
      for (const at of [one, other]) expect(await whoIs(at, token)).toBe('ada')
      await end(third)
      for (const at of [one, other]) await eventually(async () => (await whoIs(at, token)) === null, 'it has ended')
      expect(await whoIs(other, bob.token)).toBe(gone === 1 ? 'bob' : null)
    }),
  )

  test('a session that is in memory alone ends by a logout of the session at its provider that it came from before', () =>
    withStand(async ({ gate, emptySilently }) => {
      const one = gate({ timers: NEVER_LOOKS })
      const brought = await signIn(one, 'ada', 'before')
      const { token } = await signIn(one, 'ada', 'latest', brought)
      const bob = await signIn(one, 'bob', 'of-bob')
      expect([await whoIs(one, token), await whoIs(one, bob.token)]).toEqual(['ada', 'bob'])
      await emptySilently()
      expect(await one.sessions.endEverywhere({ issuer: ISSUER, subject: 'ada', sid: 'before' })).toBe(1)
      expect([await whoIs(one, token), await whoIs(one, bob.token)]).toEqual([null, 'bob'])
    }))

  test('the gate that is told of an end says how many it had in memory alone, and keeps who is in the store', () =>
    withStand(async ({ gate, emptySilently }) => {
      const here = gate({ timers: NEVER_LOOKS })
      await signIn(here, 'ada')
      await emptySilently()
      const later = await signIn(here, 'ada')
      const all = { issuer: ISSUER, providers: ['id'], subject: 'ada', sid: null }
      expect(await here.sessions.endEverywhere({ issuer: ISSUER, subject: 'ada', sid: null })).toBe(1)
      expect(await whoIs(here, later.token)).toBe('ada')
      expect(await here.sessions.endFor({ ...all, isVerified: true })).toBe(1)
      expect(await whoIs(here, later.token)).toBeNull()
    }))

  test('what anybody may say makes no other process look where it ended nothing', () =>
    withStand(async ({ gate, emptySilently }) => {
      const [here, other] = [gate(), gate()]
      const { token } = await signIn(here, 'ada', 's')
      await emptySilently()
      const said = { issuer: ISSUER, providers: ['id'], subject: null, sid: 's', isVerified: false }
      expect(await other.sessions.endFor(said)).toBe(0)
      // Told after it, and so heard after it.
      const bob = await signIn(here, 'bob')
      await other.sessions.end(bob.session.id)
      await eventually(() => here.ended.includes(bob.session.id), 'the gate has heard')
      expect(await whoIs(here, token)).toBe('ada')
    }))

  test('who was used at one gate lately is known at another for all of idle, and for a twentieth of it more at most', () =>
    withStand(async ({ gate }) => {
      const clock = fakeClock(Date.now())
      const idleMs = HOUR
      const [here, there] = [gate({ clock, idleMs }), gate({ clock, idleMs })]
      const { token, session } = await signIn(here, 'ada')
      // As soon after the sign-in as the store is told of no further use.
      clock.advance(29_000)
      expect(await whoIs(here, token)).toBe('ada')
      clock.advance(idleMs - 1)
      expect(await whoIs(there, token)).toBe('ada')
      // That use counts at the first gate too, where the last one is long ago.
      const storedMs = async () => (await here.sessions.describe(session.id))?.lastSeenMs
      await eventually(async () => (await storedMs()) === clock.now(), 'the store knows of it')
      clock.advance(idleMs - 1)
      expect(await whoIs(here, token)).toBe('ada')
      clock.advance(idleMs + idleMs / 20 + 10_000)
      expect([await whoIs(here, token), await whoIs(there, token)]).toEqual([null, null])
    }))

  test('a session that is used and that the store does not have ends with its next written use', () =>
    withStand(async ({ gate, emptySilently }) => {
      const clock = fakeClock(Date.now())
      const here = gate({ clock })
      const { token, session } = await signIn(here, 'ada')
      await emptySilently()
      // Its uses are written in every twentieth of `idle`.
      clock.advance(LIMITS.idleMs / 20 + 1)
      expect(await whoIs(here, token)).toBe('ada')
      await eventually(() => here.ended.includes(session.id), 'it has ended')
      expect(await whoIs(here, token)).toBeNull()
    }))
})

needs('valkey-server').test(
  'a gate of Redis whose clock is three hours ahead says so, and nobody loses a session by it',
  () =>
    withRedis(async ({ gate }) => {
      const here = gate()
      const { token } = await signIn(here, 'ada')
      const ahead = gate({ clock: { now: () => Date.now() + 3 * HOUR }, timers: { purgeMs: 20 } })
      await eventually(
        () => ahead.told.some(line => line.includes('differs from that of the session store')),
        'it says so',
      )
      // As many clean-ups as ten minutes have.
      await Bun.sleep(200)
      expect([await here.sessions.count(), here.ended, await whoIs(here, token)]).toEqual([1, [], 'ada'])
      expect(ahead.told).toHaveLength(1)
      const { aheadMs, isTrusted } = ahead.sessions.clock()
      expect([Math.round((aheadMs ?? 0) / 60_000), isTrusted, here.sessions.clock().isTrusted]).toEqual([
        180,
        false,
        true,
      ])
    }),
)

needs('valkey-server').test(
  'what a gate of Redis writes whose clock is three hours behind is not idle for the others',
  () =>
    withRedis(async ({ gate }) => {
      const behind = gate({ clock: { now: () => Date.now() - 3 * HOUR } })
      const { token } = await signIn(behind, 'ada')
      gate({ timers: { purgeMs: 20 } })
      await Bun.sleep(200)
      expect([behind.ended, await whoIs(behind, token)]).toEqual([[], 'ada'])
    }),
)

test('a gate of SQLite removes nothing for ten minutes after its clock was set, and everyone is back once that is mended', () =>
  withSqlite(async ({ gate }) => {
    const clock = fakeClock(Date.now())
    const here = gate({ clock, timers: { purgeMs: 20 } })
    const { token, session } = await signIn(here, 'ada')
    const isTold = (times: number) => here.told.filter(line => line.includes('was set')).length === times
    clock.set(3 * HOUR)
    await eventually(() => isTold(1), 'it says so')
    await Bun.sleep(200)
    expect([await whoIs(here, token), here.ended, here.sessions.clock().isTrusted]).toEqual([null, [], false])
    clock.set(-3 * HOUR)
    await eventually(() => isTold(2), 'it says so again')
    expect(await whoIs(here, token)).toBe('ada')
    // A right clock goes on as it was: what is over is removed.
    clock.advance(15 * MINUTE)
    await eventually(() => here.sessions.clock().isTrusted, 'it is trusted again')
    expect(await whoIs(here, token)).toBe('ada')
    clock.advance(3 * HOUR)
    await eventually(() => here.ended.includes(session.id), 'it is removed')
  }))
