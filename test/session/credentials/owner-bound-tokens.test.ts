import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { type Identity, makeIdentity } from '../../../src/identity/identity.ts'
import { keepOwner } from '../../../src/session/credentials/owners.ts'
import { type OpenSessions, openSessions } from '../../../src/session/open.ts'
import type { StoredOwner } from '../../../src/session/records.ts'
import type { Asked } from '../../../src/session/refresh.ts'
import { createSealer } from '../../../src/session/seal.ts'
import type { Session } from '../../../src/session/session.ts'
import { openSqliteStore } from '../../../src/session/sqlite/store.ts'
import { type FakeClock, fakeClock, quietPorts } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { ANY_PROVIDER, LIFETIMES } from '../../kit/sessions/lifetimes.ts'

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE
const REST_DAYS = 30
const HOST = 'app.example'
const LIMITS = { host: null, path: null, methods: null, networks: null }

const ada = (...groups: readonly string[]): Identity =>
  makeIdentity('id', 'https://id.example', 'ada', { groups, auth_time: 1, sid: 's1' })

interface World {
  readonly clock: FakeClock
  readonly sessions: OpenSessions
  /** One more process on the same database. */
  another(): OpenSessions
  /** What the provider says when it is asked. */
  answer: Identity | 'ended' | 'down'
  signIn(identity?: Identity): Promise<{ session: Session; token: string }>
  /** A token that follows whoever has this session. */
  tokenOf(session: Session): Promise<string>
  /** Has the provider asked about a session, and waits until what it said is in the store. */
  refresh(token: string): Promise<void>
}

async function inWorld(act: (world: World) => Promise<void>): Promise<void> {
  using folder = temporaryFolder()
  const clock = fakeClock()
  const ports = quietPorts(clock)
  const opened: OpenSessions[] = []
  let asked = 0
  let released = 0
  const another = () => {
    const store = openSqliteStore(join(folder.path, 's.db'), ports)
    const one = openSessions({
      store: {
        ...store,
        // The last that a refresh does.
        async release(...lease) {
          await store.release(...lease)
          released++
        },
      },
      sealer: createSealer(new Uint8Array(32).fill(7), ports),
      limits: {
        ...LIFETIMES,
        lifetimeMs: 100 * DAY,
        idleMs: 100 * DAY,
        cacheBytes: 500_000,
        providerTrust: ANY_PROVIDER,
        portals: new Map([
          [
            'home',
            {
              ...LIFETIMES,
              lifetimeMs: 100 * DAY,
              idleMs: 100 * DAY,
              refreshMs: 15 * MINUTE,
              refreshLimitMs: 90 * DAY,
            },
          ],
        ]),
        tokenRests: new Map([['home', REST_DAYS * DAY]]),
      },
      ports,
      async ask(): Promise<Asked> {
        asked++
        if (world.answer === 'down') throw new Error('connect ECONNREFUSED')
        if (world.answer === 'ended') return { kind: 'ended', reason: 'invalid_grant' }
        return { kind: 'renewed', identity: world.answer, secrets: { idToken: 'i', refreshToken: `r${asked}` } }
      },
      timers: { watchMs: 20, flushMs: 20, purgeMs: 20 },
    })
    opened.push(one)
    return one
  }
  const sessions = another()
  const world: World = {
    clock,
    sessions,
    another,
    answer: ada('users'),
    signIn: (identity = ada('users')) =>
      sessions.start({ portal: 'home', host: HOST, identity, secrets: { idToken: 'i', refreshToken: 'r0' } }),
    async tokenOf({ identity }) {
      const made = await sessions.tokens.create({
        portal: 'home',
        name: 'n',
        lifetimeMs: 90 * DAY,
        identity,
        limits: LIMITS,
        follows: true,
      })
      return made.text
    },
    async refresh(token) {
      const before = released
      clock.advance(16 * MINUTE)
      await sessions.find(token, HOST)
      await eventually(() => released > before, 'the provider is asked, and what it says is kept')
    },
  }
  try {
    await act(world)
  } finally {
    for (const one of opened) await one.close()
  }
}

async function groupsOf(sessions: OpenSessions, text: string): Promise<readonly string[] | null> {
  return (await sessions.tokens.find(text))?.session.identity.groups ?? null
}

describe('a token that follows its owner', () => {
  test('has their newest claims, in every process, and nothing of how they signed in', () =>
    inWorld(async world => {
      const other = world.another()
      const { session, token } = await world.signIn(ada('users', 'admins'))
      const text = await world.tokenOf(session)
      expect(await groupsOf(world.sessions, text)).toEqual(['users', 'admins'])
      expect(await groupsOf(other, text)).toEqual(['users', 'admins'])
      world.answer = ada('users')
      await world.refresh(token)
      for (const one of [world.sessions, other]) {
        await eventually(async () => (await groupsOf(one, text))?.length === 1, 'the group is gone')
      }
      const held = await other.tokens.find(text)
      expect(held?.session.identity.claims).not.toHaveProperty('auth_time')
      expect(held?.session.identity.claims).not.toHaveProperty('sid')
      expect(held?.session.identity).not.toHaveProperty('roles')
      await world.signIn(ada('users', 'ops'))
      await eventually(async () => (await groupsOf(other, text))?.includes('ops') === true, 'a sign-in is news too')
    }))

  test('is the same session value while the claims are the same', () =>
    inWorld(async world => {
      const { session, token } = await world.signIn()
      const text = await world.tokenOf(session)
      const before = await world.sessions.tokens.find(text)
      const ended: string[] = []
      world.sessions.onOwner(id => ended.push(id))
      const ofTheToken = { auth_time: 2, sid: 's2', session_state: 's2', uti: 'u2', rh: 'r2', aio: 'a2' }
      world.answer = makeIdentity('id', 'https://id.example', 'ada', { groups: ['users'], ...ofTheToken })
      await world.refresh(token)
      expect((await world.sessions.tokens.find(text))?.session).toBe(before?.session as Session)
      expect(ended).toEqual([])
    }))

  test('rests in every process once the provider refuses its owner, and works again after they sign in', () =>
    inWorld(async world => {
      const other = world.another()
      const ended: string[] = []
      world.sessions.onOwner(id => ended.push(id))
      const { session, token } = await world.signIn()
      const text = await world.tokenOf(session)
      const id = (await world.sessions.tokens.find(text))?.session.id ?? ''
      expect(await groupsOf(other, text)).toEqual(['users'])
      world.answer = 'ended'
      await world.refresh(token)
      for (const one of [world.sessions, other]) {
        await eventually(async () => (await groupsOf(one, text)) === null, 'it rests')
      }
      // Whatever it had opened is closed, and what another process still has open is not good any more.
      expect([...new Set(ended)]).toEqual([(await world.sessions.tokens.list('home'))[0]?.session.follows ?? ''])
      expect(await other.check({ ...session, id })).toBe(false)
      const listed = async () => (await other.tokens.list('home')).map(one => [one.session.id, one.restsAtMs === 0])
      expect(await listed()).toEqual([[id, true]])
      await world.signIn()
      expect(await groupsOf(world.sessions, text)).toEqual(['users'])
      await eventually(async () => (await groupsOf(other, text)) !== null, 'it works again')
      expect(await other.check({ ...session, id })).toBe(true)
      expect(await listed()).toEqual([[id, false]])
    }))

  test('rests once an admin has put its owner out, until a sign-in: no refresh of another session brings it back', () =>
    inWorld(async world => {
      const [one, two] = [await world.signIn(), await world.signIn()]
      const text = await world.tokenOf(one.session)
      await world.sessions.tokens.suspend(one.session)
      await world.sessions.end(one.session.id)
      expect(await groupsOf(world.sessions, text)).toBeNull()
      await world.refresh(two.token)
      expect(await world.sessions.find(two.token, HOST)).not.toBeNull()
      expect(await groupsOf(world.sessions, text)).toBeNull()
      await world.signIn()
      expect(await groupsOf(world.sessions, text)).toEqual(['users'])
    }))

  test('outlives its owner’s signing out, and a provider that cannot be asked', () =>
    inWorld(async world => {
      const { session, token } = await world.signIn()
      const text = await world.tokenOf(session)
      world.answer = 'down'
      await world.refresh(token)
      expect(await groupsOf(world.sessions, text)).toEqual(['users'])
      await world.sessions.end(session.id)
      expect(await groupsOf(world.sessions, text)).toEqual(['users'])
    }))

  test('rests when nobody has vouched for its owner for long, until the next sign-in or refresh', () =>
    inWorld(async world => {
      const { session, token } = await world.signIn()
      const text = await world.tokenOf(session)
      world.clock.advance((REST_DAYS - 1) * DAY)
      expect(await groupsOf(world.sessions, text)).toEqual(['users'])
      world.clock.advance(DAY)
      expect(await groupsOf(world.sessions, text)).toBeNull()
      await world.refresh(token)
      expect(await groupsOf(world.sessions, text)).toEqual(['users'])
      world.clock.advance((REST_DAYS - 1) * DAY)
      // Nothing has changed, and so nothing was told: it is found when it is needed.
      const other = world.another()
      expect(await groupsOf(other, text)).toEqual(['users'])
      await world.signIn()
      world.clock.advance((REST_DAYS - 1) * DAY)
      expect(await groupsOf(other, text)).toEqual(['users'])
    }))

  test('is nobody else’s: the same subject of another issuer or portal changes nothing', () =>
    inWorld(async world => {
      const { session } = await world.signIn()
      const text = await world.tokenOf(session)
      const stranger = makeIdentity('other', 'https://other.example', 'ada', { groups: ['admins'] })
      const secrets = { idToken: 'i', refreshToken: null }
      await world.sessions.start({ portal: 'home', host: HOST, identity: stranger, secrets })
      await world.sessions.start({ portal: 'work', host: HOST, identity: ada('admins'), secrets })
      await world.sessions.tokens.suspend({ portal: 'work', identity: ada() })
      expect(await groupsOf(world.sessions, text)).toEqual(['users'])
    }))

  test('does not bring a token with roles of its own to rest', () =>
    inWorld(async world => {
      const { session } = await world.signIn()
      const identity = { ...session.identity, roles: ['user'] }
      const made = await world.sessions.tokens.create({
        portal: 'home',
        name: 'n',
        lifetimeMs: DAY,
        identity,
        limits: LIMITS,
      })
      await world.sessions.tokens.suspend(session)
      expect((await world.sessions.tokens.find(made.text))?.session.identity.roles).toEqual(['user'])
    }))
})

test('an owner is kept as long as the last of their tokens, whichever was made first', async () => {
  const owner = { id: 'o', identity: 'first', standing: 'good', notedAtMs: 0, expiresAtMs: 2 } as const
  let kept: StoredOwner | null = null
  const store = {
    changeRecord: (_: string, __: unknown, change: (before: StoredOwner | null) => StoredOwner | undefined) => {
      kept = change(kept) ?? kept
    },
  } as unknown as Parameters<typeof keepOwner>[0]
  const keep = async (expiresAtMs: number) => {
    await keepOwner(store, { ...owner, identity: `until ${expiresAtMs}`, expiresAtMs })
    return kept
  }
  expect(await keep(2)).toEqual({ ...owner, identity: 'until 2' })
  expect(await keep(1)).toEqual({ ...owner, identity: 'until 2' })
  expect(await keep(3)).toEqual({ ...owner, identity: 'until 2', expiresAtMs: 3 })
})
