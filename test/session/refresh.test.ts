import { Database } from 'bun:sqlite'
import { expect } from 'bun:test'
import { join } from 'node:path'
import { NO_AUDIT, type OpenAudit } from '../../src/audit/writer.ts'
import { sha256 } from '../../src/base/bytes.ts'
import type { Facts } from '../../src/base/errors.ts'
import type { PortalLifetimes } from '../../src/config/keys/sessions.ts'
import { makeIdentity } from '../../src/identity/identity.ts'
import { keepOwner, ownerIdOf } from '../../src/session/credentials/owners.ts'
import { type OpenSessions, openSessions, type SessionOptions } from '../../src/session/open.ts'
import type { Members } from '../../src/session/provider-trust.ts'
import { openRedisStore } from '../../src/session/redis/store.ts'
import type { AskProvider } from '../../src/session/refresh.ts'
import { createSealer } from '../../src/session/seal.ts'
import type { Session } from '../../src/session/session.ts'
import { shownBy } from '../../src/session/sign-in-claims.ts'
import { openSqliteStore } from '../../src/session/sqlite/store.ts'
import { LEFT_MS, type SessionStore, type StoredSession } from '../../src/session/store.ts'
import { type FakeClock, fakeClock, quietPorts } from '../kit/clock.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { eventually } from '../kit/gate.ts'
import { needs } from '../kit/needs.ts'
import { startValkey } from '../kit/programs/valkey.ts'
import { ANY_PROVIDER, LIFETIMES } from '../kit/sessions/lifetimes.ts'
import { redisAt } from '../kit/sessions/shared.ts'

const { describe, test } = needs('valkey-server')

const MINUTE = 60_000
const RULES: PortalLifetimes = { ...LIFETIMES, refreshMs: 15 * MINUTE, refreshLimitMs: 60 * MINUTE }
const HOST = 'app.example'

const person = (groups: readonly string[], claims: Record<string, unknown> = {}) =>
  makeIdentity('id', 'https://id.example', 'ada', { name: 'Ada', groups, ...claims })

/** A provider as the sessions see it: how often it was asked and with which token, and what it answers. */
interface Asked {
  readonly ask: AskProvider
  readonly tokens: string[]
  answer: 'renewed' | 'ended' | 'down'
  groups: readonly string[]
  /** Held back until this is settled. */
  gate: Promise<void>
}

function provider(): Asked {
  const asked: Asked = {
    tokens: [],
    answer: 'renewed',
    groups: ['users'],
    gate: Promise.resolve(),
    async ask(_session, { refreshToken }) {
      asked.tokens.push(refreshToken)
      await asked.gate
      if (asked.answer === 'down') throw new Error('connect ECONNREFUSED')
      if (asked.answer === 'ended') return { kind: 'ended', reason: 'invalid_grant' }
      const secrets = { idToken: `id-${asked.tokens.length}`, refreshToken: `refresh-${asked.tokens.length}` }
      return { kind: 'renewed', identity: person(asked.groups), secrets }
    },
  }
  return asked
}

type Answer = Awaited<ReturnType<AskProvider>>

interface Process {
  readonly sessions: OpenSessions
  readonly answers: ((answer: Answer | Error) => void)[]
}

interface World {
  /** Of the same database, beside the processes. */
  readonly store: SessionStore
  readonly clock: FakeClock
  /** Lets time pass by the clock of the processes and, for leases, by the server's. */
  pass(ms: number): Promise<void>
  /** Whether the row says that a question was never answered. */
  isLeft(sessionId: string): Promise<boolean>
  readonly asked: Asked
  readonly sessions: OpenSessions
  readonly logged: string[]
  /** The refresh tokens that the provider was told to forget. */
  readonly revoked: string[]
  /** One more process on the same database. */
  another(over?: Partial<SessionOptions>): OpenSessions
  signIn(over?: {
    readonly refreshToken?: string | null
    readonly isRemembered?: boolean
  }): Promise<{ token: string; session: Session }>
  find(token: string): Promise<Session | null>
}

/** Leases are over by the server's clock, which nobody sets: they end earlier instead. */
const LATER_LEASES = `
for _, key in ipairs(redis.call('KEYS', 'sallyport:1:session:*')) do
  local at = redis.call('HMGET', key, 'lease', 'leased')
  if at[1] and at[2] then
    local till = string.format('%.0f', at[1] - ARGV[1])
    redis.call('HSET', key, 'lease', till, 'leased', string.match(at[2], '^(%S+)') .. ' ' .. till)
  end
end
`

async function inWorld(
  act: (world: World) => Promise<void>,
  rules: PortalLifetimes = RULES,
  kind: 'sqlite' | 'redis' = 'sqlite',
): Promise<void> {
  using folder = temporaryFolder()
  await using valkey = kind === 'redis' ? await startValkey() : null
  const clock = fakeClock()
  const asked = provider()
  const logged: string[] = []
  const revoked: string[] = []
  const note = (text: string, facts?: Facts) => void logged.push(`${text} ${JSON.stringify(facts ?? {})}`)
  const ports = { ...quietPorts(clock), log: { debug: note, info: note, warn: note, error: note } }
  const opened: OpenSessions[] = []
  const openStore = () =>
    valkey === null
      ? openSqliteStore(join(folder.path, 's.db'), ports)
      : openRedisStore(redisAt(valkey.url(), 'valkey'), ports)
  const another = (over: Partial<SessionOptions> = {}) => {
    const sessions = openSessions({
      store: openStore(),
      sealer: createSealer(new Uint8Array(32).fill(7), ports),
      limits: { ...LIFETIMES, providerTrust: ANY_PROVIDER, cacheBytes: 500_000, portals: new Map([['home', rules]]) },
      ports,
      ask: asked.ask,
      revoke: async (_session, refreshToken) => void revoked.push(refreshToken),
      timers: { watchMs: 20, flushMs: 20, purgeMs: 20 },
      ...over,
    })
    opened.push(sessions)
    return sessions
  }
  const sessions = another()
  const store = openStore()
  try {
    await act({
      store,
      clock,
      async pass(ms) {
        clock.advance(ms)
        await valkey?.ask(0, 'EVAL', LATER_LEASES, '0', `${ms}`)
      },
      async isLeft(id) {
        if (valkey !== null) return (await valkey.ask(0, 'HGET', `sallyport:1:session:${id}`, 'lease')) === `${LEFT_MS}`
        using database = new Database(join(folder.path, 's.db'), { readonly: true })
        const row = database.query<{ lease_ms: number }, [string]>('SELECT lease_ms FROM sessions WHERE id = ?').get(id)
        return row?.lease_ms === LEFT_MS
      },
      asked,
      sessions,
      logged,
      revoked,
      another,
      find: async token => sessions.find(token, HOST),
      signIn: ({ refreshToken = 'refresh-0', isRemembered = false } = {}) =>
        sessions.start({
          portal: 'home',
          host: HOST,
          identity: person(['users', 'admins'], { sid: 's1' }),
          secrets: { idToken: 'id-0', refreshToken },
          isRemembered,
        }),
    })
  } finally {
    await store.close()
    for (const one of opened) await one.close()
  }
}

describe('a session that is due', () => {
  test('is asked about once, goes on with what was said before, and then has the new claims', () =>
    inWorld(async ({ clock, asked, sessions, signIn, find }) => {
      const { token, session } = await signIn()
      clock.advance(14 * MINUTE)
      expect(sessions.find(token, HOST)).toBe(session)
      expect(asked.tokens).toEqual([])
      clock.advance(MINUTE)
      const before = sessions.find(token, HOST)
      expect(before).toBe(session)
      await eventually(async () => (await find(token)) !== session, 'the claims are new')
      expect((await find(token))?.identity.groups).toEqual(['users'])
      expect(session.identity.groups).toEqual(['users', 'admins'])
      expect(asked.tokens).toEqual(['refresh-0'])
      clock.advance(15 * MINUTE)
      // The refresh before may still be on its way to the store: a request during it begins no other.
      await eventually(async () => (await find(token)) !== null && asked.tokens.length === 2, 'it is asked again')
      expect(asked.tokens).toEqual(['refresh-0', 'refresh-1'])
    }))

  test('is the same value while the claims are the same, so that nothing is decided anew', () =>
    inWorld(async ({ clock, asked, signIn, find, sessions }) => {
      const changed: string[] = []
      sessions.onChange(({ id }) => changed.push(id))
      const { token, session } = await signIn()
      clock.advance(15 * MINUTE)
      await find(token)
      await eventually(async () => (await find(token)) !== session, 'the first refresh')
      const second = await find(token)
      clock.advance(15 * MINUTE)
      await eventually(
        async () =>
          (await find(token)) !== null && (await sessions.secretsOf(session.id))?.refreshToken === 'refresh-2',
        'the second',
      )
      expect(await find(token)).toBe(second)
      expect(changed).toEqual([session.id])
      expect(asked.tokens).toHaveLength(2)
    }))

  test('has its rotated refresh token sealed in the store, and its sid kept up', () =>
    inWorld(async ({ clock, sessions, signIn, find, another }) => {
      const { token, session } = await signIn()
      clock.advance(15 * MINUTE)
      await find(token)
      await eventually(
        async () => (await sessions.secretsOf(session.id))?.refreshToken === 'refresh-1',
        'it is rotated',
      )
      expect(await another().secretsOf(session.id)).toEqual({ idToken: 'id-1', refreshToken: 'refresh-1' })
    }))

  test('costs one question for fifty requests at once, on two hosts, and all fifty are answered', () =>
    inWorld(async ({ clock, asked, sessions, signIn }) => {
      const { token, session } = await signIn()
      const other = (await sessions.join(session.id, 'other.example', shownBy(session))) ?? ''
      clock.advance(15 * MINUTE)
      const found = await Promise.all(
        Array.from({ length: 50 }, async (_, index) =>
          index % 2 === 0 ? sessions.find(token, HOST) : sessions.find(other, 'other.example'),
        ),
      )
      expect(found.every(one => one?.id === session.id)).toBe(true)
      await eventually(async () => (await sessions.find(token, HOST)) !== session, 'it is renewed')
      expect(asked.tokens).toHaveLength(1)
    }))

  test('past the limit costs one question for fifty requests at once, which all wait for the answer', () =>
    inWorld(async ({ clock, asked, sessions, signIn }) => {
      const { token, session } = await signIn()
      clock.advance(61 * MINUTE)
      const found = await Promise.all(Array.from({ length: 50 }, async () => sessions.find(token, HOST)))
      expect(found.every(one => one?.id === session.id && one.identity.groups.length === 1)).toBe(true)
      expect(asked.tokens).toHaveLength(1)
    }))

  test('costs one question in two processes together, and both have the new claims', () =>
    inWorld(async ({ clock, asked, sessions, signIn, another }) => {
      const { token } = await signIn()
      const other = another()
      await other.find(token, HOST)
      clock.advance(61 * MINUTE)
      const { promise, resolve } = Promise.withResolvers<void>()
      asked.gate = promise
      const found = Promise.all([sessions, other, sessions, other].map(async one => one.find(token, HOST)))
      await eventually(() => asked.tokens.length > 0, 'somebody asks')
      await Bun.sleep(150)
      resolve()
      expect((await found).map(one => one?.identity.groups)).toEqual(Array(4).fill(['users']))
      expect(asked.tokens).toEqual(['refresh-0'])
    }))

  test('has its new claims in a process that did not ask, soon after', () =>
    inWorld(async ({ clock, asked, signIn, find, another }) => {
      const { token } = await signIn()
      const other = another()
      await other.find(token, HOST)
      clock.advance(16 * MINUTE)
      await find(token)
      await eventually(() => asked.tokens.length === 1, 'one asks')
      await eventually(async () => (await other.find(token, HOST))?.identity.groups.length === 1, 'the other knows')
      expect(asked.tokens).toHaveLength(1)
    }))
})

describe('a provider that no longer vouches', () => {
  test('ends the session at once, in every process, with its streams', () =>
    inWorld(async ({ clock, asked, signIn, find, sessions, another }) => {
      const { token, session } = await signIn()
      const other = another()
      const ended: string[] = []
      sessions.onEnd(id => ended.push(id))
      await other.find(token, HOST)
      asked.answer = 'ended'
      clock.advance(15 * MINUTE)
      await find(token)
      await eventually(async () => (await find(token)) === null, 'it is over')
      expect(ended).toContain(session.id)
      await eventually(async () => (await other.find(token, HOST)) === null, 'it is over elsewhere')
      expect(await sessions.describe(session.id)).toBeNull()
    }))

  test('is waited for past the limit, and then nobody is let in', () =>
    inWorld(async ({ clock, asked, signIn, find }) => {
      const { token } = await signIn()
      asked.answer = 'ended'
      clock.advance(61 * MINUTE)
      expect(await find(token)).toBeNull()
      expect(asked.tokens).toHaveLength(1)
    }))
})

describe('a person whom the provider describes as no member any more', () => {
  /** Only who has this group. */
  const only = (group: string): Members => ({
    has: ({ groups }) => groups.includes(group),
    cameWith: () => ({ facts: {}, hint: null }),
    mark: group,
  })
  const limitsOf = (members: Members) => ({
    ...{ ...LIFETIMES, providerTrust: ANY_PROVIDER, cacheBytes: 500_000 },
    ...{ portals: new Map([['home', RULES]]), members: new Map([['home', members]]) },
  })
  const limits = limitsOf(only('admins'))

  test('is signed out, also where the store failed once that was written', () =>
    inWorld(async ({ clock, asked, signIn, store, another, logged }) => {
      let isFailing = false
      const sessions = another({
        limits,
        store: {
          ...store,
          async update(...given) {
            const isWritten = await store.update(...given)
            isFailing = true
            return isWritten
          },
          changesSince() {
            if (isFailing) throw new Error('database is locked')
            return store.changesSince()
          },
        },
      })
      try {
        const { token } = await signIn()
        expect((await sessions.find(token, HOST))?.identity.groups).toEqual(['users', 'admins'])
        clock.advance(15 * MINUTE)
        await sessions.find(token, HOST)
        const failed = () => logged.some(line => line.startsWith('A sign-in could not be checked at its provider'))
        await eventually(failed, 'what the answer means is not known')
        isFailing = false
        clock.advance(11_000)
        await eventually(async () => (await sessions.find(token, HOST)) === null, 'the session ends')
        expect(asked.tokens).toEqual(['refresh-0'])
      } finally {
        await sessions.close()
      }
    }))

  type Way = (world: World, row: StoredSession, writeOther: () => Promise<void>) => Partial<SessionOptions>
  const WAYS: readonly (readonly [string, Way])[] = [
    [
      'by what the store could not take before',
      ({ store }) => {
        let failures = 0
        return {
          store: {
            ...store,
            update(...given) {
              if (failures++ < 3) throw new Error('database or disk is full')
              return store.update(...given)
            },
          },
        }
      },
    ],
    [
      'by what another process wrote before this one',
      ({ store }, _row, writeOther) => ({
        ask: async () => ({
          kind: 'renewed',
          identity: person(['admins']),
          secrets: { idToken: 'id', refreshToken: 'refresh' },
        }),
        store: {
          ...store,
          async update(...given) {
            await writeOther()
            return store.update(...given)
          },
        },
      }),
    ],
    [
      'by what another process wrote, for which the provider refused this one',
      (_world, _row, writeOther) => ({
        async ask() {
          await writeOther()
          return { kind: 'ended', reason: 'invalid_grant' }
        },
      }),
    ],
  ]
  test.each(WAYS)('is signed out at once, %s', (_what, way) =>
    inWorld(async world => {
      const { token, session } = await world.signIn()
      const row = await world.store.findById(session.id)
      if (row === null) throw new Error('the session is stored')
      const identity = JSON.stringify(person(['users']))
      const writeOther = async () =>
        void (await world.store.update(row.id, {
          ...row,
          identity,
          secrets: 'other',
          checkedAtMs: row.checkedAtMs + 1,
        }))
      const sessions = world.another({ ...way(world, row, writeOther), limits })
      expect((await sessions.find(token, HOST))?.id).toBe(session.id)
      world.clock.advance(MINUTE)
      await sessions.renew(session.id)
      if ((await world.store.findById(session.id)) !== null) {
        expect(world.logged.filter(line => line.includes('could not be checked'))).toHaveLength(1)
        await sessions.renew(session.id)
      }
      expect(await world.store.findById(session.id)).toBeNull()
    }),
  )

  test('is signed out once, as the audit trail has it, though two processes see it', () =>
    inWorld(async ({ signIn, another, clock, store, asked }) => {
      const noted: string[] = []
      const audit: OpenAudit = {
        ...NO_AUDIT,
        note: event => void noted.push(event),
        keep: async event => void noted.push(event),
      }
      const { promise: isOver, resolve: goOn } = Promise.withResolvers<void>()
      let removing = 0
      const remove: SessionStore['remove'] = async (...ids) => {
        removing++
        await isOver
        return store.remove(...ids)
      }
      const own = { limits, audit, timers: { watchMs: 1e6, flushMs: 1e6, purgeMs: 1e6 } }
      const both = [1, 2].map(() => another({ ...own, store: { ...store, remove, close: () => undefined } }))
      const { token, session } = await signIn()
      for (const one of both) expect((await one.find(token, HOST))?.id).toBe(session.id)
      clock.advance(15 * MINUTE)
      const ended = Promise.all(both.map(one => one.renew(session.id)))
      await eventually(() => removing === 2, 'both end it')
      goOn()
      await ended
      expect(await store.findById(session.id)).toBeNull()
      expect([noted.filter(event => event === 'sign_out.withdrawn').length, asked.tokens.length]).toEqual([1, 1])
    }))

  const gateOf = (group: string): Partial<SessionOptions> => ({
    limits: limitsOf(only(group)),
    gate: { own: { id: group, gate: group, name: group }, fingerprint: group },
    timers: { watchMs: 20, flushMs: 20, purgeMs: 20, gatesMs: 20 },
  })

  test('is refused by the gate whose file says so, and stays in the store for one with another file', () =>
    inWorld(async ({ signIn, another, clock, store, asked }) => {
      const [strict, wide] = [another(gateOf('admins')), another(gateOf('users'))]
      const { token, session } = await signIn()
      for (const one of [strict, wide]) expect((await one.find(token, HOST))?.id).toBe(session.id)
      await eventually(async () => (await strict.gates.look()).length === 2, 'the gates know each other')
      clock.advance(15 * MINUTE)
      await strict.renew(session.id)
      expect(await strict.find(token, HOST)).toBeNull()
      const isHeard = async () => (await wide.find(token, HOST))?.identity.groups.join() === 'users'
      await eventually(isHeard, 'the other gate has what the provider said')
      expect([(await store.findById(session.id))?.id, asked.tokens.length]).toEqual([session.id, 1])
      await wide.close()
      await eventually(async () => {
        clock.advance(2_000)
        return (await store.findById(session.id)) === null
      }, 'it ends once all gates agree')
    }))

  test('is refused by a gate that hears of it from one with another file', () =>
    inWorld(async ({ signIn, another, clock, store, asked }) => {
      const [strict, wide] = [another(gateOf('admins')), another(gateOf('users'))]
      const { token, session } = await signIn()
      for (const one of [strict, wide]) expect((await one.find(token, HOST))?.id).toBe(session.id)
      // Long before the strict one would ask.
      clock.advance(MINUTE)
      await wide.renew(session.id)
      await eventually(async () => (await strict.find(token, HOST)) === null, 'it is refused')
      expect((await wide.find(token, HOST))?.identity.groups).toEqual(['users'])
      expect([(await store.findById(session.id))?.id, asked.tokens.length]).toEqual([session.id, 1])
    }))
})

describe('a sign-out while the provider is asked', () => {
  test.each([0, 5_000])('lets nobody in who waits for the answer (room for %p bytes in memory)', async cacheBytes =>
    inWorld(async ({ clock, asked, signIn, another }) => {
      const sessions = another({
        limits: { ...LIFETIMES, providerTrust: ANY_PROVIDER, cacheBytes, portals: new Map([['home', RULES]]) },
      })
      const { token, session } = await signIn()
      await sessions.find(token, HOST)
      clock.advance(61 * MINUTE)
      const { promise, resolve } = Promise.withResolvers<void>()
      asked.gate = promise
      const waiting = sessions.find(token, HOST)
      await eventually(() => asked.tokens.length === 1, 'the provider is asked')
      await sessions.end(session.id)
      resolve()
      expect(await waiting).toBeNull()
      expect(await sessions.find(token, HOST)).toBeNull()
    }),
  )

  test('lets in who waits for the answer where memory had no room for the session', () =>
    inWorld(async ({ clock, signIn, another }) => {
      const sessions = another({
        limits: { ...LIFETIMES, providerTrust: ANY_PROVIDER, cacheBytes: 0, portals: new Map([['home', RULES]]) },
      })
      const { token } = await signIn()
      clock.advance(61 * MINUTE)
      expect((await sessions.find(token, HOST))?.identity.subject).toBe('ada')
    }))
})

describe('a provider that cannot be asked', () => {
  test('ends nothing until the limit; it is tried again, not at every request', () =>
    inWorld(async ({ clock, asked, signIn, find, logged }) => {
      const { token, session } = await signIn()
      asked.answer = 'down'
      clock.advance(15 * MINUTE)
      expect(await find(token)).toBe(session)
      await eventually(() => logged.length === 1, 'the failure is told')
      for (let index = 0; index < 10; index++) expect(await find(token)).toBe(session)
      expect(asked.tokens).toHaveLength(1)
      clock.advance(11_000)
      expect(await find(token)).toBe(session)
      await eventually(() => logged.length === 2, 'the second failure is told')
      expect(asked.tokens).toHaveLength(2)
      expect(logged.join('')).not.toContain('refresh-')
    }))

  test('lets nobody in past the limit, without asking at every request; once it answers, they are back', () =>
    inWorld(async ({ clock, asked, signIn, find }) => {
      const { token, session } = await signIn()
      asked.answer = 'down'
      clock.advance(60 * MINUTE)
      expect(await find(token)).toBeNull()
      expect(await find(token)).toBeNull()
      expect(asked.tokens).toHaveLength(1)
      asked.answer = 'renewed'
      clock.advance(11_000)
      expect((await find(token))?.id).toBe(session.id)
    }))

  test('costs those past the limit nothing that the rules had not said: a shorter refresh acts at once', () =>
    inWorld(async ({ clock, asked, signIn, find, sessions }) => {
      const { token } = await signIn()
      clock.advance(5 * MINUTE)
      const rules = { ...RULES, refreshMs: MINUTE, refreshLimitMs: 4 * MINUTE }
      sessions.configure({
        ...LIFETIMES,
        providerTrust: ANY_PROVIDER,
        cacheBytes: 500_000,
        portals: new Map([['home', rules]]),
      })
      asked.answer = 'ended'
      expect(await find(token)).toBeNull()
    }))
})

test('what a refresh brought is not lost while the store cannot take it', () =>
  inWorld(async ({ clock, asked, signIn, another }) => {
    const { token, session } = await signIn()
    using folder = temporaryFolder()
    const ports = quietPorts(clock)
    const store = openSqliteStore(join(folder.path, 'other.db'), ports)
    let isFull = true
    let refused = 0
    const failing = another({
      store: {
        ...store,
        update(id, fields) {
          if (isFull) {
            refused++
            throw new Error('database or disk is full')
          }
          return store.update(id, fields)
        },
      },
    })
    const other = await failing.start({
      portal: 'home',
      host: HOST,
      identity: session.identity,
      secrets: { idToken: 'id-0', refreshToken: 'refresh-0' },
    })
    clock.advance(15 * MINUTE)
    await failing.find(other.token, HOST)
    await eventually(async () => (await failing.find(other.token, HOST))?.identity.groups.length === 1, 'it is renewed')
    await eventually(() => refused > 0, 'the store cannot take it')
    isFull = false
    clock.advance(15 * MINUTE)
    await failing.find(other.token, HOST)
    await eventually(
      async () => (await failing.secretsOf(other.session.id))?.refreshToken === 'refresh-1',
      'it is written',
    )
    expect(asked.tokens).toEqual(['refresh-0'])
    expect(token).not.toBe(other.token)
  }))

test('what a refresh brought is forgotten with its session, though the store never took it, and its token is revoked', () =>
  inWorld(async ({ clock, asked, signIn, another, store, revoked }) => {
    let refused = 0
    const failing = another({
      store: {
        ...store,
        close: () => undefined,
        update() {
          refused++
          throw new Error('database or disk is full')
        },
      },
    })
    const { token, session } = await signIn()
    const row = await store.findById(session.id)
    clock.advance(15 * MINUTE)
    await failing.find(token, HOST)
    await eventually(() => refused === 3, 'the store does not take it')
    await eventually(async () => (await store.lease(session.id, clock.now(), 1)) !== null, 'the question is over')
    await failing.end(session.id)
    await eventually(() => revoked.length === 2, 'both tokens are revoked')
    expect(revoked.toSorted()).toEqual(['refresh-0', 'refresh-1'])
    // As a backup brings it back.
    if (row !== null) await store.insert(row, { hash: sha256(token), sessionId: session.id, host: HOST })
    clock.advance(MINUTE)
    await failing.find(token, HOST)
    await eventually(() => asked.tokens.length === 2, 'its provider is asked again')
    expect(asked.tokens).toEqual(['refresh-0', 'refresh-0'])
  }))

describe.each(['sqlite', 'redis'] as const)(
  'a refresh token in %s that was in use when its process ended, or was held up',
  kind => {
    const inStore = (act: (world: World) => Promise<void>) => inWorld(act, RULES, kind)
    /** How a provider answers one process. */
    const LATER = 31_000
    const ended: Answer = { kind: 'ended', reason: 'refused' }
    const renewed = (by: string): Answer => ({
      kind: 'renewed',
      identity: person([by]),
      secrets: { idToken: by, refreshToken: `refresh by ${by}` },
    })

    /** A process whose provider answers when the test says so, and a session of it that is due and has tokens that follow it. */
    async function asking({ another, clock, signIn, store, isLeft }: World) {
      const process = (): Process => {
        const answers: ((answer: Answer | Error) => void)[] = []
        const sessions = another({
          ask: () =>
            new Promise((resolve, reject) => {
              answers.push(answer => (answer instanceof Error ? reject(answer) : resolve(answer)))
            }),
        })
        return { sessions, answers }
      }
      const { token, session } = await signIn()
      const id = ownerIdOf(session)
      const [identity, expiresAtMs] = [JSON.stringify(session.identity), clock.now() + 1000 * MINUTE]
      await keepOwner(store, { id, identity, standing: 'good', notedAtMs: 7, expiresAtMs })
      clock.advance(15 * MINUTE)
      const [one, other] = [process(), process()]
      await one.sessions.find(token, HOST)
      await eventually(() => one.answers.length === 1, 'one asks')
      return {
        one,
        other,
        session,
        isLeft: () => isLeft(session.id),
        find: async (by: Process) => by.sessions.find(token, HOST),
        standing: async () => {
          const { standing, notedAtMs } = (await store.findRecord('owner', { id })) ?? {}
          return [standing, notedAtMs]
        },
      }
    }

    test('is refused to the next one: that asks for a sign-in, and leaves tokens and their time as they were', () =>
      inStore(async world => {
        const { one, other, find, standing } = await asking(world)
        await world.pass(LATER)
        await find(other)
        await eventually(() => other.answers.length === 1, 'the other one asks')
        other.answers[0]?.(ended)
        await eventually(async () => (await find(other)) === null, 'it is over')
        expect(await standing()).toEqual(['good', 7])
        // What comes late is of a session that is gone.
        one.answers[0]?.(renewed('one'))
        await eventually(async () => (await find(one)) === null, 'it is over there too')
        expect(await standing()).toEqual(['good', 7])
      }))

    test('is refused to whoever was held up: what the next one got of it counts, and the next refusal is nobody’s word', () =>
      inStore(async world => {
        const { one, other, find, standing, isLeft } = await asking(world)
        await world.pass(LATER)
        await find(other)
        await eventually(() => other.answers.length === 1, 'the other one asks')
        other.answers[0]?.(renewed('other'))
        await eventually(async () => (await find(other))?.identity.groups[0] === 'other', 'the other one has it')
        await eventually(async () => (await standing())[1] !== 7, 'that is noted of its owner')
        const before = await standing()
        one.answers[0]?.(ended)
        await eventually(async () => (await find(one))?.identity.groups[0] === 'other', 'the first one has it as well')
        await eventually(isLeft, 'its question is over')
        expect([await standing(), before[0]]).toEqual([before, 'good'])
        // The provider may take the second use for a theft, and refuse what it gave to the other.
        world.clock.advance(15 * MINUTE)
        await eventually(async () => (await find(other)) !== null && other.answers.length === 2, 'it is due again')
        other.answers[1]?.(ended)
        await eventually(async () => (await find(other)) === null, 'it is over')
        expect([await standing(), before[0]]).toEqual([before, 'good'])
      }))

    test('is refused to the next one while the answer is with whoever was held up: that counts, and nobody is signed out', () =>
      inStore(async world => {
        const { one, other, session, find, standing } = await asking(world)
        await world.pass(LATER)
        await find(other)
        await eventually(() => other.answers.length === 1, 'the other one asks')
        const secrets = async () => (await world.store.findById(session.id))?.secrets
        const before = await secrets()
        one.answers[0]?.(renewed('one'))
        await eventually(async () => (await find(one))?.identity.groups[0] === 'one', 'the first one has it')
        // It is known there a moment before the other one can find it in the store.
        await eventually(async () => (await secrets()) !== before, 'the store has it')
        other.answers[0]?.(ended)
        await eventually(async () => (await find(other))?.identity.groups[0] === 'one', 'and so has the other one')
        expect((await standing())[0]).toBe('good')
      }))

    test('is not asked with again by whoever was held up while the next one is asking', () =>
      inStore(async world => {
        const { one, other, find, standing } = await asking(world)
        await world.pass(LATER)
        await find(other)
        await eventually(() => other.answers.length === 1, 'the other one asks')
        one.answers[0]?.(ended)
        await Bun.sleep(150)
        expect([one.answers.length, (await find(one)) === null]).toEqual([1, false])
        other.answers[0]?.(renewed('other'))
        await eventually(async () => (await find(one))?.identity.groups[0] === 'other', 'what came of it is known')
        expect([one.answers.length, (await standing())[0]]).toEqual([1, 'good'])
      }))

    test.each<readonly [string, Answer | Error, 'good' | 'refused']>([
      ['of which no answer came', { kind: 'lost', failure: new Error('no answer') }, 'good'],
      ['which was never sent', new Error('connect ECONNREFUSED'), 'refused'],
    ])('and %s: what the log and a refusal after that say', (_, answer, expected) =>
      inStore(async world => {
        const { one, find, standing } = await asking(world)
        one.answers[0]?.(answer)
        await eventually(() => world.logged.some(line => line.includes('it is tried again')), 'the failure is told')
        expect(world.logged.some(line => line.includes('may have used up the refresh token'))).toBe(expected === 'good')
        world.clock.advance(11_000)
        await find(one)
        await eventually(() => one.answers.length === 2, 'it is tried again')
        one.answers[1]?.(ended)
        await eventually(async () => (await find(one)) === null, 'it is over')
        expect((await standing())[0]).toBe(expected)
      }),
    )

    test('is somebody else’s by the provider’s own word, whatever was before', () =>
      inStore(async world => {
        const { one, find, standing } = await asking(world)
        one.answers[0]?.({ kind: 'lost', failure: new Error('no answer') })
        await eventually(() => world.logged.some(line => line.includes('it is tried again')), 'the failure is told')
        world.clock.advance(11_000)
        await find(one)
        await eventually(() => one.answers.length === 2, 'it is tried again')
        one.answers[1]?.({ kind: 'ended', reason: 'other_subject' })
        await eventually(async () => (await find(one)) === null, 'it is over')
        expect((await standing())[0]).toBe('refused')
      }))

    test('is revoked with what the answer brings, where the session ends in another process meanwhile (RFC 7009 §2.1)', () =>
      inStore(async world => {
        const { one, other, session } = await asking(world)
        await other.sessions.end(session.id)
        await eventually(() => world.revoked.length === 1, 'the one that the store has is revoked')
        one.answers[0]?.(renewed('one'))
        await eventually(() => world.revoked.length === 2, 'the new one is revoked')
        expect(world.revoked).toEqual(['refresh-0', 'refresh by one'])
      }))

    test('is revoked as it is when the session ends, though a refresh wrote another a moment before', () =>
      inStore(async world => {
        const { one, session } = await asking(world)
        const { store, revoked } = world
        // Whoever ends it has begun to, and the answer comes first.
        const ending = world.another({
          store: {
            ...store,
            close: () => undefined,
            async remove(...ids) {
              one.answers[0]?.(renewed('one'))
              await eventually(async () => (await store.findById(session.id))?.sid === null, 'the answer is written')
              return store.remove(...ids)
            },
          },
        })
        await ending.end(session.id)
        await eventually(() => revoked.length > 0, 'it is revoked')
        expect(revoked).toEqual(['refresh by one'])
      }))

    test('is revoked where it is another person’s', () =>
      inStore(async world => {
        const { one, find } = await asking(world)
        one.answers[0]?.({ kind: 'ended', reason: 'other_subject', refreshToken: 'of bob' })
        await eventually(async () => (await find(one)) === null, 'it is over')
        await eventually(() => world.revoked.includes('of bob'), 'it is revoked')
      }))

    test('is revoked before a stop is over, where its session ended meanwhile', () =>
      inStore(async world => {
        const { one, other, session } = await asking(world)
        await other.sessions.end(session.id)
        const closing = one.sessions.close(60_000)
        one.answers[0]?.(renewed('one'))
        await closing
        expect(world.revoked).toContain('refresh by one')
      }))

    test('is waited for by a stop, which begins no other', () =>
      inStore(async world => {
        const { one, other, find } = await asking(world)
        const second = await world.signIn()
        await one.sessions.find(second.token, HOST)
        world.clock.advance(15 * MINUTE)
        let isClosed = false
        const closing = one.sessions.close(60_000).then(() => {
          isClosed = true
        })
        expect((await one.sessions.find(second.token, HOST))?.id).toBe(second.session.id)
        await Bun.sleep(50)
        expect([isClosed, one.answers.length]).toEqual([false, 1])
        one.answers[0]?.(renewed('one'))
        await closing
        expect((await find(other))?.identity.groups).toEqual(['one'])
        expect(other.answers).toHaveLength(0)
      }))

    test('is left as in use by a stop that has no time for it, and the log says so', () =>
      inStore(async world => {
        const { one, other, find, standing } = await asking(world)
        await one.sessions.close()
        expect(world.logged.filter(line => line.includes('still being checked'))).toHaveLength(1)
        one.answers[0]?.(renewed('one'))
        await world.pass(LATER)
        await find(other)
        await eventually(() => other.answers.length === 1, 'the next one asks')
        other.answers[0]?.(ended)
        await eventually(async () => (await find(other)) === null, 'it is over')
        expect(await standing()).toEqual(['good', 7])
        expect(world.logged.filter(line => line.includes('could not be checked'))).toEqual([])
      }))
  },
)

test('a session without a refresh token lives by its lifetimes alone', () =>
  inWorld(async ({ clock, asked, signIn, find }) => {
    const { token, session } = await signIn({ refreshToken: null })
    clock.advance(119 * MINUTE)
    expect(await find(token)).toBe(session)
    expect(asked.tokens).toEqual([])
  }))

test('a portal whose refresh is off asks nobody', () =>
  inWorld(
    async ({ clock, asked, signIn, find }) => {
      const { token, session } = await signIn()
      clock.advance(119 * MINUTE)
      expect(await find(token)).toBe(session)
      expect(asked.tokens).toEqual([])
    },
    { ...RULES, refreshMs: null },
  ))

describe('a stream that stays open', () => {
  test('has its session checked, and keeps it in use', () =>
    inWorld(async ({ clock, asked, signIn, find, sessions }) => {
      const { token, session } = await signIn()
      let changes = 0
      sessions.onChange(() => changes++)
      for (let index = 1; index <= 9; index++) {
        asked.groups = [`the ${index}th`]
        clock.advance(15 * MINUTE)
        expect(await sessions.check(session)).toBe(true)
        // An answer counts from when it is stored, which time must not pass by. The question before may still be on its way to the disk.
        await eventually(async () => (await sessions.check(session)) && changes === index, 'the answer is taken over')
      }
      expect(asked.tokens).toHaveLength(9)
      expect((await find(token))?.identity.groups).toEqual(['the 9th'])
    }))

  test('ends with its session: when the provider says so, at the limit, and at the end of the lifetime', () =>
    inWorld(async ({ clock, asked, signIn, sessions, another }) => {
      const one = await signIn()
      const elsewhere = another()
      asked.answer = 'down'
      clock.advance(60 * MINUTE)
      expect(await elsewhere.check(one.session)).toBe(false)
      asked.answer = 'renewed'
      clock.advance(11_000)
      expect(await elsewhere.check(one.session)).toBe(true)
      clock.advance(12 * 60 * MINUTE)
      expect(await sessions.check(one.session)).toBe(false)
      const two = await signIn()
      asked.answer = 'ended'
      clock.advance(61 * MINUTE)
      expect(await sessions.check(two.session)).toBe(false)
    }))
})

describe('lifetimes of a portal', () => {
  const DAY = 24 * 60 * MINUTE
  const REMEMBER = { ...LIFETIMES, rememberMs: 30 * DAY }

  test('a remembered sign-in lives for as long as the portal says, idle or not, and no longer', () =>
    inWorld(async ({ clock, signIn, find }) => {
      const kept = await signIn({ isRemembered: true })
      const usual = await signIn()
      expect(kept.session.isRemembered).toBe(true)
      clock.advance(DAY)
      expect(await find(usual.token)).toBeNull()
      clock.advance(28 * DAY)
      expect(await find(kept.token)).toBe(kept.session)
      clock.advance(DAY)
      expect(await find(kept.token)).toBeNull()
    }, REMEMBER))

  test('a portal that no longer lets people choose has its usual lifetimes for all', () =>
    inWorld(async ({ clock, signIn, find, sessions }) => {
      const kept = await signIn({ isRemembered: true })
      clock.advance(DAY)
      sessions.configure({
        ...LIFETIMES,
        providerTrust: ANY_PROVIDER,
        cacheBytes: 500_000,
        portals: new Map([['home', LIFETIMES]]),
      })
      expect(await find(kept.token)).toBeNull()
    }, REMEMBER))

  test('are its own, whatever the rest of the file says', () =>
    inWorld(
      async ({ clock, signIn, find }) => {
        const { token } = await signIn()
        clock.advance(11 * MINUTE)
        expect(await find(token)).toBeNull()
      },
      { ...LIFETIMES, idleMs: 10 * MINUTE },
    ))
})
