import { expect } from 'bun:test'
import { join } from 'node:path'
import { sha256 } from '../../src/base/bytes.ts'
import { makeIdentity } from '../../src/identity/identity.ts'
import { keepOwner, ownerIdOf } from '../../src/session/credentials/owners.ts'
import type { SessionLimits } from '../../src/session/lifetimes.ts'
import { type OpenSessions, openSessions } from '../../src/session/open.ts'
import { openRedisStore } from '../../src/session/redis/store.ts'
import type { Asked, AskProvider } from '../../src/session/refresh.ts'
import type { RevokeAtProvider } from '../../src/session/revoke-refresh-tokens.ts'
import { storedIdentity } from '../../src/session/rows.ts'
import { createSealer } from '../../src/session/seal.ts'
import type { Session, SignIn } from '../../src/session/session.ts'
import { shownBy } from '../../src/session/sign-in-claims.ts'
import { openSqliteStore } from '../../src/session/sqlite/store.ts'
import type { SessionStore } from '../../src/session/store.ts'
import { NO_CONNECTION } from '../../src/session/store-trouble.ts'
import { type AheadClock, aheadClock, quietPorts } from '../kit/clock.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { eventually } from '../kit/gate.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'
import { startValkey } from '../kit/programs/valkey.ts'
import { ANY_PROVIDER } from '../kit/sessions/lifetimes.ts'
import { redisAt } from '../kit/sessions/shared.ts'
import { refusal } from '../kit/thrown.ts'

const { describe, test } = needs('valkey-server')

const HOUR = 3_600_000
const HOME = {
  lifetimeMs: 12 * HOUR,
  idleMs: 2 * HOUR,
  refreshMs: 60_000,
  refreshLimitMs: HOUR,
  rememberMs: 100 * HOUR,
}
const LIMITS: SessionLimits = {
  ...HOME,
  cacheBytes: 500_000,
  providerTrust: ANY_PROVIDER,
  portals: new Map([['home', HOME]]),
}
const KEY = new Uint8Array(32).fill(7)
const HOST = 'auth.example'
const APP = 'app.example'

const keep = untilTheEnd()
const valkey = keep(await startValkey())
let database = 0

const STORES: Readonly<Record<string, (folder: string, clock: AheadClock) => () => SessionStore>> = {
  sqlite: (folder, clock) => () => openSqliteStore(join(folder, 's.db'), quietPorts(clock)),
  redis: (_, clock) => {
    const url = valkey.url(++database)
    return () => openRedisStore(redisAt(url), quietPorts(clock))
  },
}

/** What a provider says of a sign-in of somebody. */
function signIn(authTimeS: number, more: Record<string, unknown> = {}, sub = 'ada') {
  const identity = makeIdentity('id', 'https://id.example', sub, { sub, auth_time: authTimeS, ...more })
  const secrets = { idToken: `id-of-${authTimeS}`, refreshToken: null }
  return { portal: 'home', host: HOST, identity, secrets }
}

function shownIn(session: Session | null) {
  const { auth_time, acr, amr } = session?.identity.claims ?? {}
  return { auth_time, acr, amr }
}

const REFRESHED = { idToken: 'refreshed', refreshToken: null }
const sealerAt = (nowMs: number) => createSealer(KEY, quietPorts({ now: () => nowMs }))

/** A store that ends no session for as long as that holds. */
const removingNothing =
  (isAway: () => boolean) =>
  (store: SessionStore): SessionStore => ({
    ...store,
    remove(...ids) {
      if (isAway()) throw new Error('the disk is full')
      return store.remove(...ids)
    },
  })

describe.each(Object.entries(STORES))('on %s, a later sign-in of the same person in the same browser', (name, of) => {
  type Started = Awaited<ReturnType<OpenSessions['start']>>

  async function withTwo(
    act: (one: OpenSessions, other: OpenSessions, clock: AheadClock, store: SessionStore) => Promise<void>,
    ask?: AskProvider,
    through: (store: SessionStore) => SessionStore = store => store,
    revoke?: RevokeAtProvider,
  ) {
    using folder = temporaryFolder()
    const clock = aheadClock()
    const reach = of(folder.path, clock)
    const open = () => through(reach())
    const make = (store: SessionStore) => {
      const ports = quietPorts(clock)
      const timers = { watchMs: 20, flushMs: 20, purgeMs: 60_000 }
      return openSessions({
        store,
        sealer: createSealer(KEY, ports),
        limits: LIMITS,
        ports,
        timers,
        ...(ask && { ask }),
        ...(revoke && { revoke }),
      })
    }
    const looking = open()
    const [one, other] = [make(open()), make(open())]
    try {
      await act(one, other, clock, looking)
    } finally {
      await Promise.all([one.close(), other.close(), looking.close()])
    }
  }

  const again = (
    sessions: OpenSessions,
    { session, token }: Started,
    by: Pick<SignIn, 'portal' | 'host' | 'identity' | 'secrets'>,
  ) => sessions.start({ ...by, brought: { session, token } })

  test('goes on with its session, by a new cookie, which shows more than the ones before at any process', () =>
    withTwo(async (one, other, _clock, store) => {
      const ended: string[] = []
      one.onEnd(id => ended.push(id))
      other.onEnd(id => ended.push(id))
      const changed: Session[] = []
      one.onChange(session => changed.push(session))
      const first = await one.start(signIn(100, { acr: 'low', amr: ['pwd'] }))
      const elsewhere = (await one.join(first.session.id, APP, shownBy(first.session))) ?? ''
      for (const sessions of [one, other]) {
        expect(shownIn(await sessions.find(first.token, HOST))).toEqual({ auth_time: 100, acr: 'low', amr: ['pwd'] })
        expect((await sessions.find(elsewhere, APP))?.isReplaced).toBeUndefined()
      }
      const second = await again(one, first, signIn(200, { acr: 'high', amr: ['phr'] }))
      expect([second.session.id, second.token === first.token]).toEqual([first.session.id, false])
      expect(changed.map(({ id }) => id)).toEqual([first.session.id])
      // Another process knows the new cookie at once, and of the old one as soon as it has heard.
      const high = { auth_time: 200, acr: 'high', amr: ['phr'] }
      for (const sessions of [one, other]) expect(shownIn(await sessions.find(second.token, HOST))).toEqual(high)
      for (const sessions of [one, other]) {
        const old = await sessions.find(first.token, HOST)
        expect([shownIn(old), old?.isReplaced]).toEqual([{ auth_time: 100, acr: 'low', amr: ['pwd'] }, true])
        expect(old?.createdAtMs).toBe(first.session.createdAtMs)
        expect(old).toBe(await sessions.find(first.token, HOST))
        const app = await sessions.find(elsewhere, APP)
        expect([shownIn(app), app?.isReplaced]).toEqual([{ auth_time: 100, acr: 'low', amr: ['pwd'] }, undefined])
        expect(app?.expiresAtMs).toBe(first.session.expiresAtMs)
      }
      expect((await one.ofOwner(second.session, null)).map(({ session }) => session.id)).toEqual([first.session.id])
      expect((await one.secretsOf(first.session.id))?.idToken).toBe('id-of-200')
      expect([...(await store.findHosts(first.session.id))].sort()).toEqual([APP, HOST])
      expect(ended).toEqual([])
      await one.end(first.session.id)
      for (const [token, host] of [
        [first.token, HOST],
        [second.token, HOST],
        [elsewhere, APP],
      ] as const) {
        expect(await one.find(token, host)).toBeNull()
        await eventually(async () => (await other.find(token, host)) === null, 'it has ended with all cookies')
      }
    }))

  test('has the cookie that was brought count 30 seconds more, and no longer at any process', () =>
    withTwo(async (one, other, clock) => {
      const first = await one.start(signIn(100))
      await other.find(first.token, HOST)
      const second = await again(one, first, signIn(200))
      clock.advance(1000)
      // Whoever brings it once more, as the next tab, makes it last no longer.
      const third = await again(one, first, signIn(300))
      expect(third.session.id).toBe(first.session.id)
      expect((await one.find(first.token, HOST))?.isReplaced).toBe(true)
      await eventually(async () => (await other.find(first.token, HOST))?.isReplaced === true, 'the other has heard')
      if (name === 'redis') {
        const keys = (await valkey.ask(database, 'KEYS', 'sallyport:1:handle:*')).split('\n')
        const lasts = await Promise.all(keys.map(async key => Number(await valkey.ask(database, 'PTTL', key))))
        const [ending = '', ...more] = keys.filter((_, index) => (lasts[index] ?? 0) <= 30_000)
        expect(more).toEqual([])
        // The server's own time is what counts there.
        await valkey.ask(database, 'PEXPIRE', ending, '1')
        await eventually(async () => (await valkey.ask(database, 'EXISTS', ending)) === '0', 'it is over there')
      }
      clock.advance(30_000)
      for (const sessions of [one, other]) {
        expect(await sessions.find(first.token, HOST)).toBeNull()
        expect((await sessions.find(second.token, HOST))?.id).toBe(first.session.id)
        expect((await sessions.find(third.token, HOST))?.id).toBe(first.session.id)
      }
      clock.advance(13 * HOUR)
      expect(await one.find(third.token, HOST)).toBeNull()
    }))

  test('has another host’s cookie end when it was to, though the session lasts longer', () =>
    withTwo(async (one, other, clock) => {
      const first = await one.start(signIn(100))
      const elsewhere = (await one.join(first.session.id, APP, shownBy(first.session))) ?? ''
      for (let hour = 0; hour < 11; hour++) {
        clock.advance(HOUR)
        await one.find(first.token, HOST)
      }
      const second = await again(one, first, signIn(200))
      clock.advance(HOUR)
      for (const sessions of [one, other]) {
        expect(await sessions.find(elsewhere, APP)).toBeNull()
        expect((await sessions.find(second.token, HOST))?.id).toBe(first.session.id)
      }
    }))

  test('takes what was shown later, in whatever order tabs finish', () =>
    withTwo(async (one, other) => {
      const first = await one.start({ ...signIn(300, { acr: 'high', sid: 's3' }), browser: 'b' })
      const late = await again(one, first, signIn(200, { acr: 'low', sid: 's2', groups: ['new'] }))
      expect(shownIn(late.session)).toEqual({ auth_time: 300, acr: 'high', amr: undefined })
      expect(late.session.identity.groups).toEqual(['new'])
      expect((await one.secretsOf(first.session.id))?.idToken).toBe('id-of-300')
      // Who brings no cookie has shown no more than this sign-in does.
      const weak = await other.start({ ...signIn(250, { acr: 'low' }), browser: 'b' })
      expect(weak.session.id).toBe(first.session.id)
      for (const session of [weak.session, await other.find(weak.token, HOST), await one.find(weak.token, HOST)]) {
        expect(shownIn(session)).toEqual({ auth_time: 250, acr: 'low', amr: undefined })
      }
      expect(shownIn(await one.find(late.token, HOST)).acr).toBe('high')
      const app = (await other.join(weak.session.id, APP, shownBy(weak.session))) ?? ''
      expect(shownIn(await one.find(app, APP)).acr).toBe('low')
    }))

  // One browser, two sessions at the provider: whoever signs out of either has signed out.
  test.each([
    ['earlier', 's2', 's3'],
    ['earlier', 's3', 's2'],
    ['later', 's2', 's3'],
    ['later', 's3', 's2'],
  ])('ends by a logout of its %s session at the provider, where tabs finish as %s, %s', (which, first, second) =>
    withTwo(async (one, other) => {
      const bySid = (sid: string) => signIn(100 * Number(sid.slice(1)), { sid })
      const begun = await one.start(bySid(first))
      const elsewhere = (await one.join(begun.session.id, APP, shownBy(begun.session))) ?? ''
      const late = await again(one, begun, bySid(second))
      expect(late.session.id).toBe(begun.session.id)
      const logout = (sid: string, issuer = 'https://id.example', providers = ['id']) =>
        other.endFor({ issuer, providers, subject: null, sid, isVerified: true, saidAtS: 1 })
      const sid = which === 'earlier' ? first : second
      expect([
        await logout('s4'),
        await logout(sid, 'https://other.example'),
        await logout(sid, undefined, ['x']),
      ]).toEqual([0, 0, 0])
      expect((await other.find(late.token, HOST))?.id).toBe(begun.session.id)
      expect(await logout(sid)).toBe(1)
      for (const [token, host] of [
        [late.token, HOST],
        [begun.token, HOST],
        [elsewhere, APP],
      ] as const) {
        expect(await other.find(token, host)).toBeNull()
        await eventually(async () => (await one.find(token, host)) === null, 'it has ended everywhere')
      }
    }),
  )

  test('gives a ticket’s cookie no more than the cookie that it was given for, and puts it in place of the one that is there', () =>
    withTwo(async (one, other) => {
      const first = await one.start(signIn(100, { acr: 'low' }))
      const ticket = shownBy(first.session)
      await again(one, first, signIn(200, { acr: 'high' }))
      const app = (await one.join(first.session.id, APP, ticket)) ?? ''
      const found = await one.find(app, APP)
      expect(shownIn(found).acr).toBe('low')
      expect((await other.find(app, APP))?.id).toBe(first.session.id)
      if (found === null) throw new Error('found before')
      const next = await one.join(first.session.id, APP, ticket, { session: found, token: app })
      expect((await one.find(app, APP))?.isReplaced).toBe(true)
      await eventually(async () => (await other.find(app, APP))?.isReplaced === true, 'the other process has heard')
      expect((await other.find(next ?? '', APP))?.isReplaced).toBeUndefined()
    }))

  test('of eight tabs at once over two processes, none of which brings a cookie, leaves one session', () =>
    withTwo(async (one, other) => {
      const started = await Promise.all(
        Array.from({ length: 8 }, (_, tab) => (tab % 2 === 0 ? one : other).start({ ...signIn(100), browser: 'b' })),
      )
      const ids = new Set(started.map(({ session }) => session.id))
      expect(ids.size).toBe(1)
      expect(new Set(started.map(({ token }) => token)).size).toBe(8)
      for (const { token, session } of started) {
        expect((await one.ofOwner(session, null)).map(entry => entry.session.id)).toEqual([...ids])
        for (const sessions of [one, other]) expect((await sessions.find(token, HOST))?.id).toBe(session.id)
      }
    }))

  test.each([
    ['', false],
    [', also where the store kept the others for a while', true],
  ])('of tabs at once takes no refresh token back from the session that is left%s', async (_, failsAtFirst) => {
    let isAway = failsAtFirst
    const failing = removingNothing(() => isAway)
    const revoked: string[] = []
    const revoke: RevokeAtProvider = async (_, token) => void revoked.push(token)
    await withTwo(
      async (one, other) => {
        const started = await Promise.all(
          Array.from({ length: 8 }, (_, tab) => {
            const secrets = { idToken: '', refreshToken: `r-${tab}` }
            return (tab % 2 === 0 ? one : other).start({ ...signIn(100), secrets, browser: 'b' })
          }),
        )
        const left = started[0]?.session
        if (left === undefined) throw new Error('eight have begun')
        const count = async () => (await one.ofOwner(left, null)).length
        expect((await count()) > 1).toBe(failsAtFirst)
        isAway = false
        await eventually(async () => (await count()) === 1, 'one is left')
        expect((await one.secretsOf(left.id))?.refreshToken).toMatch(/^r-/)
        await Promise.all([one.close(1000), other.close(1000)])
        expect(revoked).toEqual([])
      },
      undefined,
      failing,
      revoke,
    )
  })

  test('is its provider’s good word of its person: tokens that rest work again', () =>
    withTwo(async (one, other, clock, store) => {
      const first = await one.start(signIn(100))
      const id = ownerIdOf(first.session)
      const identity = JSON.stringify(first.session.identity)
      await keepOwner(store, {
        id,
        identity,
        standing: 'good',
        notedAtMs: clock.now(),
        expiresAtMs: clock.now() + HOUR,
      })
      await other.tokens.suspend(first.session)
      expect((await store.findRecord('owner', { id }))?.standing).toBe('revoked')
      expect((await again(other, first, signIn(200))).session.id).toBe(first.session.id)
      expect((await store.findRecord('owner', { id }))?.standing).toBe('good')
    }))

  test('is nothing of the kind for another person, another browser, or after a sign-out', () =>
    withTwo(async (one, other) => {
      const first = await one.start({ ...signIn(100), browser: 'b' })
      const eve = await again(other, first, { ...signIn(200, {}, 'eve'), ...{ browser: 'b' } })
      const elsewhere = await other.start({ ...signIn(200), browser: 'c' })
      const unknown = await other.start(signIn(200))
      const portal = await again(other, first, { ...signIn(200), portal: 'other' })
      const ids = [first, eve, elsewhere, unknown, portal].map(({ session }) => session.id)
      expect(new Set(ids).size).toBe(5)
      expect((await one.find(first.token, HOST))?.isReplaced).toBeUndefined()
      await one.end(first.session.id)
      const later = await other.start({ ...signIn(300), browser: 'b' })
      expect(ids).not.toContain(later.session.id)
      expect(await one.find(first.token, HOST)).toBeNull()
    }))

  test('begins anew where the one before was to end and could not: its end, which comes later, is not theirs', async () => {
    let isAway = false
    const failing = removingNothing(() => isAway)
    await withTwo(
      async (one, _other, _clock, store) => {
        const first = await one.start({ ...signIn(100), browser: 'b' })
        isAway = true
        const told = await one.end(first.session.id).catch((error: unknown) => error)
        expect(told).toMatchObject({ code: 'session.end' })
        const second = await again(one, first, signIn(200))
        const third = await one.start({ ...signIn(300), browser: 'b' })
        isAway = false
        await eventually(async () => (await store.findById(first.session.id)) === null, 'what was owed has ended')
        for (const { token } of [second, third]) expect((await one.find(token, HOST))?.id).not.toBe(first.session.id)
        expect((await one.find(second.token, HOST))?.id).toBe(second.session.id)
        expect((await one.find(third.token, HOST))?.id).toBe(third.session.id)
      },
      undefined,
      failing,
    )
  })

  test('begins anew at another worker, too, which has been told; that one ends it where the first is gone', async () => {
    let isAway = false
    const failing = removingNothing(() => isAway)
    await withTwo(
      async (one, other, _clock, store) => {
        one.onOwed(ids => other.owe(ids))
        const told: string[] = []
        // What others could not end is told to nobody again.
        other.onOwed(ids => told.push(...ids))
        const first = await one.start(signIn(100))
        isAway = true
        await one.end(first.session.id).catch(() => undefined)
        const second = await again(other, first, signIn(200))
        expect(second.session.id).not.toBe(first.session.id)
        await one.close()
        isAway = false
        await eventually(async () => (await store.findById(first.session.id)) === null, 'what was owed has ended')
        expect((await other.find(second.token, HOST))?.id).toBe(second.session.id)
        expect(await other.find(first.token, HOST)).toBeNull()
        expect(told).toEqual([])
      },
      undefined,
      failing,
    )
  })

  if (name === 'redis') {
    test('begins anew where a server that took over never heard of the end of the one before', () =>
      withTwo(async (one, other, _clock, store) => {
        const first = await one.start({ ...signIn(100), browser: 'b' })
        const row = await store.findById(first.session.id)
        if (row === null) throw new Error('just made')
        await other.find(first.token, HOST)
        await one.end(first.session.id)
        await eventually(async () => (await other.find(first.token, HOST)) === null, 'the other has heard')
        // As a replica has it that had not received the end.
        await store.insert(row, { hash: sha256(first.token), sessionId: row.id, host: HOST })
        for (const sessions of [one, other]) {
          const next = await sessions.start({ ...signIn(200), browser: 'b' })
          expect(next.session.id).not.toBe(row.id)
          expect(await again(sessions, first, signIn(300))).not.toMatchObject({ session: { id: row.id } })
          expect(await sessions.find(first.token, HOST)).toBeNull()
          expect((await sessions.find(next.token, HOST))?.id).toBe(next.session.id)
        }
      }))

    test('begins anew where the password of the one before counts no more, and no cookie of that counts again', () =>
      withTwo(async (one, other, _clock, store) => {
        const by = (credential: string, provider = 'users') => {
          const { portal, host, secrets, identity } = signIn(100)
          return { portal, host, secrets, identity: { ...identity, provider, credential }, browser: 'b' }
        }
        const counting = (...credentials: readonly string[]): SessionLimits => ({
          ...LIMITS,
          providerTrust: {
            ...ANY_PROVIDER,
            counts: ({ identity: { credential } }) => credential !== undefined && credentials.includes(credential),
          },
        })
        const first = await one.start(by('old'))
        const elsewhere = (await one.join(first.session.id, APP, shownBy(first.session))) ?? ''
        for (const sessions of [one, other]) sessions.configure(counting('new'))
        const second = await one.start(by('new'))
        const third = await other.start(by('new'))
        // A tab of before the change, at a gate that has not read it yet.
        other.configure(counting('old', 'new'))
        const late = await again(other, first, by('new'))
        other.configure(counting('new'))
        for (const sessions of [one, other]) {
          expect(await sessions.find(first.token, HOST)).toBeNull()
          expect(await sessions.find(elsewhere, APP)).toBeNull()
          expect((await sessions.find(second.token, HOST))?.id).toBe(second.session.id)
        }
        expect([third, late].map(({ session }) => session.id)).toEqual([second.session.id, second.session.id])
        expect((await store.findById(first.session.id))?.identity).toContain('old')
        // Nor where somebody is vouched for by another client at one issuer, which has its own logouts.
        const client = await one.start(by('new', 'others'))
        expect(client.session.id).not.toBe(second.session.id)
      }))
  }

  /** What others do just before a sign-in is written: its provider's word that it has ended, at the time of this clock. */
  interface Meanwhile {
    other: OpenSessions | null
    clock: AheadClock | null
    isFailing: boolean
  }

  const signedOutMeanwhile = (of: Meanwhile) => (store: SessionStore) => {
    const signOut = async () => {
      const { other, clock } = of
      of.other = null
      const named = { issuer: 'https://id.example', providers: ['id'], subject: null, sid: 'late', isVerified: true }
      await other?.endFor({ ...named, saidAtS: Math.floor((clock?.now() ?? 0) / 1000) })
    }
    const through: SessionStore = {
      ...store,
      async insert(...args) {
        await signOut()
        await store.insert(...args)
      },
      async signInAgain(...args) {
        await signOut()
        return store.signInAgain(...args)
      },
      remove(...ids) {
        if (of.isFailing) throw new Error('the disk is full')
        return store.remove(...ids)
      },
    }
    return through
  }
  const LATE = { ...signIn(200, { sid: 'late' }), shownAtS: 200 }

  test('ends what it went on with where its provider signs it out meanwhile, and who listens is told at once', async () => {
    const state: Meanwhile = { other: null, clock: null, isFailing: false }
    await withTwo(
      async (one, other, clock, store) => {
        const ended: string[] = []
        one.onEnd(id => ended.push(id))
        const first = await one.start(signIn(100))
        Object.assign(state, { other, clock })
        const told = await again(one, first, LATE).catch((error: unknown) => error)
        expect(told).toMatchObject({ code: 'sign_in.state' })
        expect(new Set(ended)).toEqual(new Set([first.session.id]))
        expect(await store.findById(first.session.id)).toBeNull()
      },
      undefined,
      signedOutMeanwhile(state),
    )
  })

  test('leaves the one before as it was where it is refused before anything is written', () =>
    withTwo(async (one, other, clock, store) => {
      const first = await one.start(signIn(100))
      const named = { issuer: 'https://id.example', providers: ['id'], subject: null, sid: 'late', isVerified: true }
      await other.endFor({ ...named, saidAtS: Math.floor(clock.now() / 1000) })
      expect((await refusal(again(one, first, LATE))).code).toBe('sign_in.state')
      expect((await one.find(first.token, HOST))?.id).toBe(first.session.id)
      expect(await store.findById(first.session.id)).not.toBeNull()
    }))

  test.each(['that begins', 'that goes on'])('%s, and is refused while the store fails, ends once it can', kind => {
    const state: Meanwhile = { other: null, clock: null, isFailing: false }
    return withTwo(
      async (one, other, clock, store) => {
        const ended: string[] = []
        one.onEnd(id => ended.push(id))
        const first = kind === 'that begins' ? null : await one.start(signIn(100))
        Object.assign(state, { other, clock, isFailing: true })
        const start = first === null ? one.start(LATE) : again(one, first, LATE)
        expect(await start.catch((error: unknown) => error)).toMatchObject({ code: 'sign_in.state' })
        expect(ended.length).toBeGreaterThan(0)
        const id = ended[0] ?? ''
        expect(await store.findById(id)).not.toBeNull()
        state.isFailing = false
        await eventually(async () => (await store.findById(id)) === null, 'it has ended')
      },
      undefined,
      signedOutMeanwhile(state),
    )
  })

  test('is remembered as it was chosen last', () =>
    withTwo(async (one, other, clock) => {
      const first = await one.start(signIn(100))
      const kept = await again(one, first, { ...signIn(200), ...{ isRemembered: true } })
      expect([kept.session.isRemembered, kept.session.expiresAtMs - kept.session.createdAtMs]).toEqual([
        true,
        100 * HOUR,
      ])
      clock.advance(20 * HOUR)
      expect((await other.find(kept.token, HOST))?.id).toBe(first.session.id)
      const left = await again(other, kept, signIn(300))
      expect([left.session.isRemembered, left.session.expiresAtMs - left.session.createdAtMs]).toEqual([
        false,
        12 * HOUR,
      ])
    }))

  const ADA = { ...signIn(100), secrets: { idToken: 'id-of-100', refreshToken: 'r-of-100' } }
  test.each<[string, Asked]>([
    ['that the sign-in before has ended', { kind: 'ended', reason: 'refused' }],
    [
      'with other tokens',
      { kind: 'renewed', identity: ADA.identity, secrets: { idToken: 'id-of-refresh', refreshToken: 'r' } },
    ],
    ['which is lost', { kind: 'lost', failure: new Error('the connection was closed') }],
  ])('is not undone by a provider’s answer to a question of before: %s', async (_, answer) => {
    const asking = Promise.withResolvers<void>()
    const answered = Promise.withResolvers<Asked>()
    const ask: AskProvider = () => {
      asking.resolve()
      return answered.promise
    }
    let released = 0
    const counting = (store: SessionStore): SessionStore => ({
      ...store,
      async release(...args) {
        await store.release(...args)
        released++
      },
    })
    await withTwo(
      async (one, other, clock, store) => {
        const ended: string[] = []
        one.onEnd(id => ended.push(id))
        const first = await one.start(ADA)
        clock.advance(61_000)
        expect((await one.find(first.token, HOST))?.id).toBe(first.session.id)
        await asking.promise
        const second = await again(other, first, signIn(200))
        answered.resolve(answer)
        await eventually(async () => shownIn(await one.find(second.token, HOST)).auth_time === 200, 'it counts')
        const before = await store.findById(first.session.id)
        await eventually(() => released === 1, 'the question is over')
        // Nothing was asked with the refresh token of the later sign-in: a refusal of that is the provider's word.
        expect(await store.lease(first.session.id, clock.now(), 1)).toBe('taken')
        expect(await store.findById(first.session.id)).toEqual(before)
        expect((await other.secretsOf(first.session.id))?.idToken).toBe('id-of-200')
        expect(shownIn(await one.find(second.token, HOST)).auth_time).toBe(200)
        expect(ended).toEqual([])
      },
      ask,
      counting,
    )
  })

  test('that shows less has tokens of its own where the earlier ones are in use at that moment, and what was shown later', async () => {
    const answered = Promise.withResolvers<Asked>()
    const asked: string[] = []
    const ask: AskProvider = (_session, { refreshToken }) => {
      asked.push(refreshToken)
      return answered.promise
    }
    await withTwo(async (one, other, clock) => {
      const first = await one.start({
        ...ADA,
        ...signIn(300),
        secrets: { idToken: 'id-of-300', refreshToken: 'r-of-300' },
      })
      clock.advance(61_000)
      await one.find(first.token, HOST)
      await eventually(() => asked.length === 1, 'the provider is asked')
      const second = await again(other, first, {
        ...signIn(200),
        secrets: { idToken: 'id-of-200', refreshToken: 'r-of-200' },
      })
      expect(shownIn(second.session).auth_time).toBe(300)
      answered.resolve({
        kind: 'renewed',
        identity: ADA.identity,
        secrets: { idToken: 'by-300', refreshToken: 'by-300' },
      })
      await eventually(async () => (await one.find(second.token, HOST))?.id === first.session.id, 'it goes on')
      // What the provider has used up is in no row any more.
      expect((await other.secretsOf(first.session.id))?.refreshToken).toBe('r-of-200')
    }, ask)
  })

  test('that shows less keeps the note of earlier tokens that their question was never answered', () =>
    withTwo(async (one, other, clock, store) => {
      const first = await one.start(signIn(300))
      const { id } = first.session
      const untilMs = clock.now() + 30_000
      expect(await store.lease(id, clock.now(), untilMs)).toBe('taken')
      await store.release(id, untilMs, first.session.createdAtMs)
      await again(other, first, signIn(200))
      expect((await other.secretsOf(id))?.idToken).toBe('id-of-300')
      expect(await store.lease(id, clock.now(), untilMs)).toBe('left')
    }))

  test('that shows less takes the earlier tokens as they are by then', () =>
    withTwo(
      async (one, other, _clock, store) => {
        const first = await one.start(signIn(300))
        const refreshed = await one.secretsOf(first.session.id)
        expect(refreshed?.idToken).toBe('id-of-300')
        await again(other, first, signIn(200))
        expect((await other.secretsOf(first.session.id))?.idToken).toBe('refreshed')
        expect(await store.lease(first.session.id, 0, 1)).toBe('taken')
      },
      undefined,
      store => ({
        ...store,
        // A refresh elsewhere is written just before.
        async lease(id, nowMs, untilMs) {
          const row = await store.findById(id)
          const sealed = row && (await storedIdentity(row, signIn(300).identity, REFRESHED, sealerAt(nowMs)))
          if (sealed !== null) await store.update(id, { ...sealed, checkedAtMs: nowMs })
          return store.lease(id, nowMs, untilMs)
        },
      }),
    ))

  test('is not undone by the answer to a refresh that was under way', () =>
    withTwo(async (one, _other, _clock, store) => {
      const first = await one.start(signIn(100))
      const row = await store.findById(first.session.id)
      if (row === null) throw new Error('just made')
      await again(one, first, signIn(200))
      expect(await store.update(row.id, { ...row, secrets: 'of-before' }, row.secrets)).toBe(false)
      expect((await one.secretsOf(row.id))?.idToken).toBe('id-of-200')
    }))
})

test('a new session whose part of the store is away is kept in another part, and one of a whole store is not tried again', async () => {
  using folder = temporaryFolder()
  const clock = aheadClock()
  const whole = openSqliteStore(join(folder.path, 's.db'), quietPorts(clock))
  const tried: string[] = []
  let awayTimes = 3
  let failure = new Error(`${NO_CONNECTION}partition 3`)
  const insert: SessionStore['insert'] = (session, handle) => {
    tried.push(session.id)
    if (awayTimes-- > 0) throw failure
    return whole.insert(session, handle)
  }
  const open = (store: SessionStore) =>
    openSessions({ store, sealer: createSealer(KEY, quietPorts(clock)), limits: LIMITS, ports: quietPorts(clock) })
  const divided = open({ ...whole, insert, fits: hash => hash > 'd' })
  const { token, session } = await divided.start(signIn(1))
  expect([new Set(tried).size, tried.at(-1)]).toEqual([4, session.id])
  expect(sha256(token) > 'd').toBe(true)
  expect((await divided.find(token, HOST))?.id).toBe(session.id)
  // What was sent may have been done.
  for (const [store, message] of [
    [divided, 'Connection closed'],
    [open({ ...whole, insert }), `${NO_CONNECTION}the server`],
  ] as const) {
    tried.length = 0
    awayTimes = 1
    failure = new Error(message)
    await expect(store.start(signIn(2))).rejects.toThrow('the session store failed')
    expect(tried).toHaveLength(1)
  }
  // Where all of it is away, that is an error in the end.
  tried.length = 0
  awayTimes = 1000
  failure = new Error(`${NO_CONNECTION}partition 3`)
  await expect(divided.start(signIn(3))).rejects.toThrow('the session store failed')
  expect(tried.length).toBeLessThan(20)
  await divided.close()
})
