import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { GateError } from '../../src/base/errors.ts'
import { makeIdentity } from '../../src/identity/identity.ts'
import { LOGIN_LIFETIME_MS } from '../../src/portal/sign-in/begin.ts'
import { signInStarts } from '../../src/server/request/rate-limits.ts'
import type { SessionLimits } from '../../src/session/lifetimes.ts'
import { ONCE_LIMITS } from '../../src/session/one-time.ts'
import { type OpenSessions, openSessions } from '../../src/session/open.ts'
import { openRedisStore } from '../../src/session/redis/store.ts'
import { createSealer } from '../../src/session/seal.ts'
import type { OnceKind } from '../../src/session/session.ts'
import { shownBy } from '../../src/session/sign-in-claims.ts'
import { openSqliteStore } from '../../src/session/sqlite/store.ts'
import { type FakeClock, fakeClock, quietPorts } from '../kit/clock.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { eventually } from '../kit/gate.ts'
import { needs } from '../kit/needs.ts'
import { startValkey } from '../kit/programs/valkey.ts'
import { ANY_PROVIDER, LIFETIMES } from '../kit/sessions/lifetimes.ts'
import { redisAt } from '../kit/sessions/shared.ts'

const HOUR = 3_600_000
const LIMITS: SessionLimits = {
  lifetimeMs: 12 * HOUR,
  idleMs: 2 * HOUR,
  cacheBytes: 500_000,
  providerTrust: ANY_PROVIDER,
}
const KEY = new Uint8Array(32).fill(7)
const ADA = makeIdentity('id', 'https://id.example', 'ada', { name: 'Ada', groups: ['admins'] })
const SIGN_IN = {
  portal: 'home',
  host: 'auth.example',
  identity: ADA,
  secrets: { idToken: 'the-id-token', refreshToken: null },
}

function open(path: string, clock: FakeClock, limits: Partial<SessionLimits> = {}): OpenSessions {
  const ports = quietPorts(clock)
  return openSessions({
    store: openSqliteStore(path, ports),
    sealer: createSealer(KEY, ports),
    limits: { ...LIMITS, ...limits },
    ports,
    timers: { watchMs: 20, flushMs: 20, purgeMs: 20 },
  })
}

async function withSessions(
  act: (sessions: OpenSessions, clock: FakeClock, path: string) => Promise<void>,
  limits: Partial<SessionLimits> = {},
): Promise<void> {
  using folder = temporaryFolder()
  const clock = fakeClock()
  const path = join(folder.path, 's.db')
  const sessions = open(path, clock, limits)
  try {
    await act(sessions, clock, path)
  } finally {
    await sessions.close()
  }
}

describe('a session', () => {
  test('stands no more once its end has begun: whoever comes with it waits until the store has said what came of that', async () => {
    using folder = temporaryFolder()
    const ports = quietPorts(fakeClock())
    const store = openSqliteStore(join(folder.path, 's.db'), ports)
    let begun = Promise.withResolvers<void>()
    let outcome = Promise.withResolvers<void>()
    const sessions = openSessions({
      store: {
        ...store,
        async remove(...ids) {
          begun.resolve()
          await outcome.promise
          return store.remove(...ids)
        },
      },
      sealer: createSealer(KEY, ports),
      limits: LIMITS,
      ports,
    })
    const ended: string[] = []
    sessions.onEnd(id => ended.push(id))
    const { token, session } = await sessions.start(SIGN_IN)
    for (const fails of [true, false]) {
      begun = Promise.withResolvers()
      outcome = Promise.withResolvers()
      ended.length = 0
      const ending = sessions
        .end(session.id)
        .catch((error: unknown) => (error instanceof GateError ? error.code : error))
      await begun.promise
      const found = Promise.resolve(sessions.find(token, SIGN_IN.host))
      const first = await Promise.race([found, Bun.sleep(20).then(() => 'waits')])
      expect([first, ended]).toEqual(['waits', [session.id]])
      if (fails) outcome.reject(new Error('the disk is full'))
      else outcome.resolve()
      expect(await ending).toBe(fails ? 'session.end' : undefined)
      expect((await found)?.id).toBe(fails ? session.id : undefined)
      // Whoever came in by it all the same is told of by then.
      expect(ended).toEqual(fails ? [session.id] : [session.id, session.id])
    }
    await sessions.close()
  })

  test('has its last use written that came while the store was slow with others', async () => {
    using folder = temporaryFolder()
    const clock = fakeClock()
    const ports = quietPorts(clock)
    const store = openSqliteStore(join(folder.path, 's.db'), ports)
    const begun = Promise.withResolvers<void>()
    const slow = Promise.withResolvers<void>()
    const written: string[] = []
    const sessions = openSessions({
      store: {
        ...store,
        async touch(seen) {
          begun.resolve()
          await slow.promise
          const gone = await store.touch(seen)
          written.push(...seen.keys())
          return gone
        },
      },
      sealer: createSealer(KEY, ports),
      limits: LIMITS,
      ports,
      timers: { watchMs: 20, flushMs: 5, purgeMs: 1e6 },
    })
    const [one, other] = [await sessions.start(SIGN_IN), await sessions.start(SIGN_IN)]
    clock.advance(HOUR)
    await sessions.find(one.token, SIGN_IN.host)
    await begun.promise
    await sessions.find(other.token, SIGN_IN.host)
    await Bun.sleep(50)
    slow.resolve()
    await eventually(() => written.includes(other.session.id), 'it is written')
    await sessions.close()
  })

  test('is found by its cookie on its own host alone', () =>
    withSessions(async (sessions, clock, path) => {
      const { token, session } = await sessions.start(SIGN_IN)
      // Another process, as after a restart, has it from the store at first, and from memory then.
      const others = open(path, clock)
      for (const one of [sessions, others]) {
        expect(await one.find(token, 'other.example')).toBeNull()
        expect((await one.find(token, 'auth.example'))?.identity.subject).toBe('ada')
        expect(await one.find(token, 'other.example')).toBeNull()
        expect(await one.find(session.id, 'auth.example')).toBeNull()
      }
      await others.close()
    }))

  test('costs no promise once it is in memory', () =>
    withSessions(async sessions => {
      const { token } = await sessions.start(SIGN_IN)
      expect(sessions.find(token, 'auth.example')).not.toBeInstanceOf(Promise)
    }))

  test.each(['', 'x', 'a'.repeat(43), `${'a'.repeat(42)}=`, 'é'.repeat(43), 'a'.repeat(9000), "' OR 1=1 --"])(
    'is not found by junk: %p',
    junk =>
      withSessions(async sessions => {
        await sessions.start(SIGN_IN)
        expect(await sessions.find(junk, 'auth.example')).toBeNull()
      }),
  )

  test('on two hosts is one value, and ends on both at once', () =>
    withSessions(async sessions => {
      const { token, session } = await sessions.start(SIGN_IN)
      const second = await sessions.join(session.id, 'app.example', shownBy(session))
      expect(second).not.toBeNull()
      expect(await sessions.find(second ?? '', 'app.example')).toBe(await sessions.find(token, 'auth.example'))
      await sessions.end(session.id)
      expect(await sessions.find(token, 'auth.example')).toBeNull()
      expect(await sessions.find(second ?? '', 'app.example')).toBeNull()
      expect(await sessions.join(session.id, 'late.example', shownBy(session))).toBeNull()
    }))

  test('ends after its lifetime however busy it is', () =>
    withSessions(async (sessions, clock) => {
      const { token } = await sessions.start(SIGN_IN)
      for (let hour = 0; hour < 11; hour++) {
        clock.advance(HOUR)
        expect(await sessions.find(token, 'auth.example')).not.toBeNull()
      }
      clock.advance(HOUR)
      expect(await sessions.find(token, 'auth.example')).toBeNull()
    }))

  test('ends when it is idle, and use keeps it alive', () =>
    withSessions(async (sessions, clock) => {
      const { token } = await sessions.start(SIGN_IN)
      clock.advance(1.5 * HOUR)
      expect(await sessions.find(token, 'auth.example')).not.toBeNull()
      clock.advance(1.5 * HOUR)
      expect(await sessions.find(token, 'auth.example')).not.toBeNull()
      clock.advance(2 * HOUR)
      expect(await sessions.find(token, 'auth.example')).toBeNull()
    }))

  test('is not kept alive by a clock that is set back', () =>
    withSessions(async (sessions, clock) => {
      const { token } = await sessions.start(SIGN_IN)
      clock.advance(-2 * HOUR)
      expect(await sessions.find(token, 'auth.example')).toBeNull()
    }))

  test('obeys a lifetime that the file has shortened since', () =>
    withSessions(async (sessions, clock) => {
      const { token } = await sessions.start(SIGN_IN)
      clock.advance(HOUR)
      sessions.configure({ ...LIMITS, lifetimeMs: HOUR / 2 })
      expect(await sessions.find(token, 'auth.example')).toBeNull()
    }))

  test('lives no longer than its sign-in gave it, though the file has lengthened lifetimes since', () =>
    withSessions(
      async (sessions, clock, path) => {
        const [used, unused] = [await sessions.start(SIGN_IN), await sessions.start(SIGN_IN)]
        const { token } = await sessions.start({ ...SIGN_IN, isRemembered: true })
        const longer = { ...LIMITS, lifetimeMs: 100 * HOUR, idleMs: 100 * HOUR }
        const portals = new Map([
          ['home', { ...LIFETIMES, lifetimeMs: 100 * HOUR, idleMs: 100 * HOUR, rememberMs: 100 * HOUR }],
        ])
        clock.advance(HOUR / 2)
        sessions.configure({ ...longer, portals })
        expect((await sessions.find(used.token, 'auth.example'))?.id).toBe(used.session.id)
        clock.advance(HOUR / 2)
        const after = open(path, clock, { ...longer, portals })
        for (const one of [used.token, unused.token, token]) {
          expect(await sessions.find(one, 'auth.example')).toBeNull()
          expect(await after.find(one, 'auth.example')).toBeNull()
        }
        await after.close()
      },
      { lifetimeMs: HOUR, idleMs: HOUR },
    ))

  test('comes back from the store when the cache is smaller than the sessions', () =>
    withSessions(
      async sessions => {
        const tokens: string[] = []
        for (let index = 0; index < 50; index++) tokens.push((await sessions.start(SIGN_IN)).token)
        for (const token of tokens) expect(await sessions.find(token, 'auth.example')).not.toBeNull()
      },
      { cacheBytes: 25_000 },
    ))

  test('survives a restart, with its last use', async () => {
    using folder = temporaryFolder()
    const clock = fakeClock()
    const path = join(folder.path, 's.db')
    const first = open(path, clock)
    const { token } = await first.start(SIGN_IN)
    clock.advance(1.5 * HOUR)
    await first.find(token, 'auth.example')
    await first.close()
    clock.advance(HOUR)
    const second = open(path, clock)
    expect((await second.find(token, 'auth.example'))?.identity).toEqual(ADA)
    await second.close()
  })

  test('that another process ends is gone from memory within a second', () =>
    withSessions(async (sessions, clock, path) => {
      const ended: string[] = []
      sessions.onEnd(id => ended.push(id))
      const { token, session } = await sessions.start(SIGN_IN)
      const other = open(path, clock)
      await other.end(session.id)
      await other.close()
      await eventually(() => ended.length > 0, 'it has ended')
      expect(ended).toEqual([session.id])
      expect(await sessions.find(token, 'auth.example')).toBeNull()
    }))

  test('leaves neither cookie nor tokens in the database', () =>
    withSessions(async (sessions, _clock, path) => {
      const { token } = await sessions.start(SIGN_IN)
      await sessions.putOneTime('ticket', 'the-ticket', { verifier: 'the-verifier' }, { lifetimeMs: HOUR, owner: 'o' })
      const bytes = [path, `${path}-wal`].map(file => readFileSync(file, 'latin1')).join('')
      expect(bytes).toContain('ada')
      for (const secret of [token, 'the-id-token', 'the-ticket', 'the-verifier']) expect(bytes).not.toContain(secret)
    }))
})

describe('a single-use record', () => {
  test('is given back once', () =>
    withSessions(async sessions => {
      await sessions.putOneTime('login', 'k', { a: [1] }, { lifetimeMs: 1000, owner: 'o' })
      expect(await sessions.consumeOneTime('ticket', 'k')).toBeNull()
      expect(await sessions.consumeOneTime('login', 'k')).toEqual({ a: [1] })
      expect(await sessions.consumeOneTime('login', 'k')).toBeNull()
    }))

  test('is held by an IPv6 network, however many addresses it has, and pushes out nobody else’s', () =>
    withSessions(async sessions => {
      const options = (owner: string) => ({ lifetimeMs: HOUR, owner })
      await sessions.putOneTime('logout', 'mine', { a: 1 }, options('2001:db8:0:2::1'))
      for (let index = 0; index <= 500; index++) {
        await sessions.putOneTime('logout', `k${index}`, {}, options(`2001:db8:0:1::${index.toString(16)}`))
      }
      expect(await sessions.consumeOneTime('logout', 'k0')).toBeNull()
      expect(await sessions.consumeOneTime('logout', 'k1')).toEqual({})
      expect(await sessions.consumeOneTime('logout', 'mine')).toEqual({ a: 1 })
    }))

  test.each<[OnceKind, number]>([
    ['ticket', 100],
    ['place', 100],
    ['signed-in', 1],
    ['totp', 10],
    ['known', 20],
    ['invitation', 1],
    ['device', 100],
    ['unproven', 1],
    ['post', 8],
    ['code', 20],
    ['used-code', 1],
    ['repeated-code', 1],
    ['refresh', 1],
  ])('of the kind %s makes room for a newer one where its owner has %d', (kind, most) =>
    withSessions(async sessions => {
      const options = { lifetimeMs: HOUR, owner: 'o' }
      for (let index = 0; index <= most; index++) await sessions.putOneTime(kind, `k${index}`, { index }, options)
      expect(await sessions.peekOnce(kind, 'k0')).toBeNull()
      expect(await sessions.peekOnce(kind, 'k1')).toEqual({ index: 1 })
    }),
  )

  test('of a form makes room where two hundred are kept, the oldest of the owner with the most', () =>
    withSessions(async sessions => {
      for (let index = 0; index <= 200; index++) {
        const owner = index < 2 ? 'many' : `o${index}`
        await sessions.putOneTime('post', `k${index}`, { index }, { lifetimeMs: HOUR, owner })
      }
      expect(await sessions.peekOnce('post', 'k0')).toBeNull()
      expect(await sessions.peekOnce('post', 'k1')).toEqual({ index: 1 })
      expect(await sessions.peekOnce('post', 'k200')).toEqual({ index: 200 })
    }))

  test('of a sign-in is pushed out by nobody of the same address: they are told to wait before there are so many', () => {
    // The most that `checks/limits.ts` takes, and what counts where the file says nothing.
    const rates = [
      { requests: 14_000, perMs: 3_600_000, burst: 6000, by: 'client' },
      { requests: 60, perMs: 60_000, burst: 300, by: 'client' },
    ] as const
    for (const [workers, rate] of [1, 2, 3, 4, 8, 64].flatMap(count => rates.map(one => [count, one] as const))) {
      const { burst, intervalMs } = signInStarts(rate, workers)
      const begun = workers * (burst + LOGIN_LIFETIME_MS / intervalMs)
      expect([workers, begun <= ONCE_LIMITS.login.perOwner + workers]).toEqual([workers, true])
    }
  })

  test('expires', () =>
    withSessions(async (sessions, clock) => {
      await sessions.putOneTime('login', 'k', {}, { lifetimeMs: 1000, owner: 'o' })
      clock.advance(1000)
      expect(await sessions.consumeOneTime('login', 'k')).toBeNull()
    }))
})

needs('valkey-server').test.each(['sqlite', 'redis'])(
  'a session that ends in %s while it is read does not come back from that reading',
  async kind => {
    using folder = temporaryFolder()
    await using valkey = kind === 'redis' ? await startValkey() : null
    const clock = fakeClock(Date.now())
    const ports = quietPorts(clock)
    const store =
      valkey === null
        ? openSqliteStore(join(folder.path, 's.db'), ports)
        : openRedisStore(redisAt(valkey.url(), 'the server'), ports)
    const read = Promise.withResolvers<void>()
    const answered = Promise.withResolvers<void>()
    const sessions = openSessions({
      store: {
        ...store,
        async findByHash(hash) {
          const row = await store.findByHash(hash)
          read.resolve()
          await answered.promise
          return row
        },
      },
      sealer: createSealer(KEY, ports),
      limits: LIMITS,
      ports,
      timers: { watchMs: 20, flushMs: 20, purgeMs: 1e6 },
    })
    const { token, session } = await sessions.start(SIGN_IN)
    // Nothing of it is in memory: it has to be read.
    sessions.configure({ ...LIMITS, cacheBytes: 5_000 })
    await sessions.start(SIGN_IN)
    const reading = sessions.find(token, 'auth.example')
    await read.promise
    await sessions.end(session.id)
    answered.resolve()
    expect(await reading).toBeNull()
    expect(await sessions.find(token, 'auth.example')).toBeNull()
    await sessions.close()
  },
)

test('a store that fails is session.store, and cached sessions go on', () =>
  withSessions(async sessions => {
    const { token } = await sessions.start(SIGN_IN)
    await sessions.close()
    expect(await sessions.find(token, 'auth.example')).not.toBeNull()
    const failure = await sessions.start(SIGN_IN).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(GateError)
    expect(failure instanceof GateError ? failure.code : '').toBe('session.store')
  }))
