import { Database } from 'bun:sqlite'
import { expect } from 'bun:test'
import { join } from 'node:path'
import { makeIdentity } from '../../src/identity/identity.ts'
import { createBindings, isBound } from '../../src/session/bound-sessions.ts'
import { type Binding, parseBinding } from '../../src/session/device-binding.ts'
import { type OpenSessions, openSessions } from '../../src/session/open.ts'
import { openRedisStore } from '../../src/session/redis/store.ts'
import type { AskProvider } from '../../src/session/refresh.ts'
import { parseSession } from '../../src/session/rows.ts'
import { createSealer } from '../../src/session/seal.ts'
import type { Session } from '../../src/session/session.ts'
import { openSqliteStore } from '../../src/session/sqlite/store.ts'
import type { KeptSession, SessionStore } from '../../src/session/store.ts'
import { fakeClock, quietPorts, type SettableClock } from '../kit/clock.ts'
import { makeDevice } from '../kit/device.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { eventually } from '../kit/gate.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'
import { startValkey } from '../kit/programs/valkey.ts'
import { ANY_PROVIDER } from '../kit/sessions/lifetimes.ts'
import { redisAt } from '../kit/sessions/shared.ts'
import { storedSession } from '../kit/sessions/stored.ts'

const { describe, test } = needs('valkey-server')

const HOUR = 3_600_000
const MINUTE = 60_000
const HOME = { lifetimeMs: 12 * HOUR, idleMs: 2 * HOUR, refreshMs: 15 * MINUTE, refreshLimitMs: HOUR, rememberMs: null }
const LIMITS = { ...HOME, cacheBytes: 500_000, providerTrust: ANY_PROVIDER, portals: new Map([['home', HOME]]) }
const KEY = new Uint8Array(32).fill(7)
const HOST = 'auth.example'
const APP = 'app.example'
const IDENTITY = makeIdentity('id', 'https://id.example', 'ada', { groups: ['users'] })

const keep = untilTheEnd()
const valkey = keep(await startValkey())
let database = 0

/** Redis goes by a clock of its own: there no test sets the other. */
const STORES: Readonly<Record<string, (folder: string, clock: SettableClock) => () => SessionStore>> = {
  sqlite: (folder, clock) => () => openSqliteStore(join(folder, 's.db'), quietPorts(clock)),
  redis: (_, clock) => {
    const url = valkey.url(++database)
    return () => openRedisStore(redisAt(url), quietPorts(clock))
  },
}

interface Opened {
  readonly clock: SettableClock
  /** One more process, or machine. */
  open(ask?: AskProvider): OpenSessions
}

async function withSessions(
  of: (folder: string, clock: SettableClock) => () => SessionStore,
  act: (opened: Opened) => Promise<void>,
): Promise<void> {
  using folder = temporaryFolder()
  const clock = fakeClock(Date.now())
  const store = of(folder.path, clock)
  const opened: OpenSessions[] = []
  const open = (ask?: AskProvider) => {
    const ports = quietPorts(clock)
    const asking = ask === undefined ? {} : { ask }
    const one = openSessions({ store: store(), sealer: createSealer(KEY, ports), limits: LIMITS, ports, ...asking })
    opened.push(one)
    return one
  }
  try {
    await act({ clock, open })
  } finally {
    for (const one of opened.reverse()) await one.close()
  }
}

async function signedIn(sessions: OpenSessions, refreshToken: string | null = null) {
  const secrets = { idToken: 'i', refreshToken }
  const { session, token } = await sessions.start({ portal: 'home', host: HOST, identity: IDENTITY, secrets })
  const joined = await sessions.join(session.id, APP, '{}')
  if (joined === null) throw new Error('the session is there')
  return { session, token }
}

const NOBODYS = { brought: null, client: '192.0.2.1' }

/** A session that is bound to a device by a process, with what the browser then has. */
async function bound(sessions: OpenSessions, refreshToken: string | null = null) {
  const { session, token } = await signedIn(sessions, refreshToken)
  const device = await makeDevice()
  const proof = await device.sign(await sessions.bindings.offer(session.id), { isNew: true })
  const registered = await sessions.bindings.register(proof, NOBODYS)
  const identifier = await sessions.bindings.identifierOf(registered)
  return { session, token, device, identifier }
}

/** The value of a proof's cookie. */
function cookieValue(setCookie: string): string {
  return /^__Host-sallyport-bound-[A-Za-z0-9_-]{3}=([^;]*);/.exec(setCookie)?.[1] ?? ''
}

async function provenUntil(
  sessions: OpenSessions,
  session: Session | null,
  value: string,
  nowMs = Date.now(),
): Promise<number> {
  if (session === null || !isBound(session)) throw new Error('the session is bound')
  return sessions.bindings.provenUntil(session, HOST, value, nowMs)
}

for (const [name, of] of Object.entries(STORES)) {
  describe(`over ${name}`, () => {
    test('what one process binds is bound in every other, and after a restart; each renews it, and a challenge counts once for all', () =>
      withSessions(of, async ({ open }) => {
        const [one, other] = [open(), open()]
        const { session, token } = await signedIn(one)
        expect(await other.find(token, HOST)).toMatchObject({ id: session.id })
        const device = await makeDevice()
        const proof = await device.sign(await one.bindings.offer(session.id), { isNew: true })
        const registered = await other.bindings.register(proof, NOBODYS)
        await eventually(async () => {
          const found = await one.find(token, HOST)
          return found !== null && isBound(found)
        }, 'the first process hears of it')
        for (const sessions of [one, other]) {
          await expect(sessions.bindings.register(proof, NOBODYS)).rejects.toMatchObject({ code: 'access.device' })
        }

        const identifier = await other.bindings.identifierOf(registered)
        const asked = await one.bindings.renew(identifier, null, NOBODYS)
        if (asked.kind !== 'ask') throw new Error(asked.kind)
        const answer = await device.sign(asked.challenge)
        const taken = await Promise.all([one, other].map(each => each.bindings.renew(identifier, answer, NOBODYS)))
        expect(taken.map(({ kind }) => kind).sort()).toEqual(['ask', 'proven'])

        const untilMs = Date.now() + 5 * MINUTE
        const value = cookieValue(await one.bindings.proofFor(session.id, HOST, untilMs))
        const later = open()
        expect(await provenUntil(later, await later.find(token, HOST), value)).toBe(untilMs)
        expect((await later.bindings.renew(identifier, null, NOBODYS)).kind).toBe('ask')
      }))

    test('a refresh and a later sign-in of the same browser leave a session bound', () =>
      withSessions(of, async ({ clock, open }) => {
        let asked = 0
        const renewed = { identity: { ...IDENTITY, groups: ['admins'] }, secrets: { idToken: 'i', refreshToken: 'r2' } }
        const sessions = open(async () => {
          asked++
          return { kind: 'renewed', ...renewed }
        })
        const { session, token } = await bound(sessions, 'r1')
        clock.advance(16 * MINUTE)
        await sessions.find(token, HOST)
        await eventually(() => asked > 0, 'the provider is asked')
        await eventually(async () => (await sessions.find(token, HOST))?.identity.groups[0] === 'admins', 'it answers')
        const found = await sessions.find(token, HOST)
        expect(found !== null && isBound(found)).toBe(true)
        const secrets = { idToken: 'i', refreshToken: null }
        const brought = found === null ? null : { session: found, token }
        const again = await sessions.start({ portal: 'home', host: HOST, identity: IDENTITY, secrets, brought })
        expect([again.session.id, isBound(again.session)]).toEqual([session.id, true])
        const other = await open().find(again.token, HOST)
        expect(other !== null && isBound(other)).toBe(true)
        // A browser that could not prove that session gets another one.
        const unproven = session.id
        const browser = 'the same browser'
        const fresh = await sessions.start({
          portal: 'home',
          host: HOST,
          identity: IDENTITY,
          secrets,
          unproven,
          browser,
        })
        expect([fresh.session.id === session.id, isBound(fresh.session)]).toEqual([false, false])
      }))

    test('a session that has ended is neither bound nor renewed', () =>
      withSessions(of, async ({ open }) => {
        const sessions = open()
        const { session, device, identifier } = await bound(sessions)
        const asked = await sessions.bindings.renew(identifier, null, NOBODYS)
        if (asked.kind !== 'ask') throw new Error(asked.kind)
        const ended = await signedIn(sessions)
        const offer = await sessions.bindings.offer(ended.session.id)
        await sessions.end(session.id, ended.session.id)
        expect(await sessions.bindings.renew(identifier, await device.sign(asked.challenge), NOBODYS)).toEqual({
          kind: 'over',
        })
        const proof = await device.sign(offer, { isNew: true })
        await expect(sessions.bindings.register(proof, NOBODYS)).rejects.toMatchObject({ code: 'access.device' })
      }))

    test('what came without a proof is kept for the sessions page, and told once to the person', () =>
      withSessions(of, async ({ clock, open }) => {
        const [one, other] = [open(), open()]
        const { session, device, identifier } = await bound(one)
        const copied = { client: '198.51.100.7', mayBeOwn: false }
        const firstAtMs = clock.now()
        expect(await one.bindings.noteUnproven(session, copied)).toBe(true)
        expect(await one.bindings.noteUnproven(session, copied)).toBe(false)
        clock.advance(2 * MINUTE)
        expect(await one.bindings.noteUnproven(session, { ...copied, client: '198.51.100.8' })).toBe(true)
        const last = { atMs: firstAtMs + 2 * MINUTE, client: '198.51.100.8' }
        expect(await other.bindings.unprovenOf(session.id)).toEqual(last)
        expect(await other.bindings.tellUnproven(session)).toEqual(last)
        expect(await one.bindings.tellUnproven(session)).toBeNull()
        expect(await one.bindings.unprovenOf(session.id)).toEqual(last)

        // One from the device's own network, as where its browser could not renew, does not hide one from elsewhere.
        const both = await bound(one)
        const found = await one.find(both.token, HOST)
        if (found === null) throw new Error('the session is there')
        expect(await one.bindings.noteUnproven(found, { client: '192.0.2.77', mayBeOwn: false })).toBe(true)
        expect(await one.bindings.unprovenOf(found.id)).toMatchObject({ client: '192.0.2.77' })
        clock.advance(2 * MINUTE)
        await one.bindings.noteUnproven(found, copied)
        clock.advance(2 * MINUTE)
        expect(await one.bindings.noteUnproven(found, { client: '192.0.2.1', mayBeOwn: false })).toBe(true)
        const shown = [await one.bindings.unprovenOf(found.id), await one.bindings.tellUnproven(found)]
        expect(shown.map(each => each?.client)).toEqual(['198.51.100.7', '198.51.100.7'])

        // Of its own browser, which came to another network and then proved itself from there.
        const mine = await bound(one)
        await one.bindings.noteUnproven(mine.session, { client: '203.0.113.5', mayBeOwn: true })
        await renewFrom(one, mine, '203.0.113.9')
        expect([await one.bindings.unprovenOf(mine.session.id), await one.bindings.tellUnproven(session)]).toEqual([
          null,
          null,
        ])
        // A copy that came from there is told of all the same.
        await renewFrom(other, { device, identifier }, '198.51.100.8')
        expect(await one.bindings.unprovenOf(session.id)).toEqual(last)
      }))
  })
}

async function renewFrom(
  sessions: OpenSessions,
  { device, identifier }: Pick<Awaited<ReturnType<typeof bound>>, 'device' | 'identifier'>,
  client: string,
): Promise<void> {
  const asked = await sessions.bindings.renew(identifier, null, { brought: null, client })
  if (asked.kind !== 'ask') throw new Error(asked.kind)
  const answer = await sessions.bindings.renew(identifier, await device.sign(asked.challenge), {
    brought: null,
    client,
  })
  expect(answer.kind).toBe('proven')
}

test('of ten thousand sessions that come without a proof it is remembered that they were noted, and no more', async () => {
  const clock = fakeClock()
  const noting = createBindings({
    once: { putOneTime: async () => true, peekOnce: async () => null, consumeOneTime: async () => null },
    ports: quietPorts(clock),
  } as unknown as Parameters<typeof createBindings>[0])
  const from = { client: '198.51.100.7', mayBeOwn: false }
  const note = (at: number) =>
    noting.noteUnproven(
      { id: `s${at}`, portal: 'home', identity: IDENTITY, bound: undefined } as unknown as Session,
      from,
    )
  for (let at = 0; at < 10_000; at++) expect(await note(at)).toBe(true)
  expect([await note(0), await note(9_999)]).toEqual([false, false])
  expect([await note(10_000), await note(0)]).toEqual([true, true])
})

test('a session that goes back to a new store from memory is bound there as it was', () =>
  withSessions(
    (folder, clock) => {
      const store = openSqliteStore(join(folder, 's.db'), quietPorts(clock))
      return () => ({
        ...store,
        onWritten: null,
        async changesSince() {
          const changes = await store.changesSince()
          const takeBack = (all: readonly KeptSession[]) => {
            kept.push(...all)
            return []
          }
          return { ...changes, takeBack }
        },
      })
    },
    async ({ open }) => {
      const sessions = open()
      const { session, token } = await bound(sessions)
      await sessions.find(token, HOST)
      const row = () => kept.findLast(one => one.session.id === session.id && one.session.bound !== undefined)
      await eventually(() => row() !== undefined, 'it is handed back with its device')
      const found = await sessions.find(token, HOST)
      expect(parseBinding(session.id, row()?.session.bound ?? '')).toEqual(found?.bound as Binding)
    },
  ))

const kept: KeptSession[] = []

test('while the store takes no writes, or is away, no proof is renewed, and its challenge stays unanswered; then the same proof counts, once', async () => {
  const broken = { put: false, findById: false }
  const failing = (folder: string, clock: SettableClock) => () => {
    const store = openSqliteStore(join(folder, 's.db'), quietPorts(clock))
    const refuse = () => {
      throw Object.assign(new Error('attempt to write a readonly database'), { code: 'SQLITE_READONLY' })
    }
    const put: SessionStore['put'] = (...args) => (broken.put ? refuse() : store.put(...args))
    const findById: SessionStore['findById'] = id => (broken.findById ? refuse() : store.findById(id))
    return { ...store, put, findById }
  }
  await withSessions(failing, async ({ open }) => {
    const sessions = open()
    const { session, device, identifier } = await bound(sessions)
    const asked = await sessions.bindings.renew(identifier, null, NOBODYS)
    if (asked.kind !== 'ask') throw new Error(asked.kind)
    const proof = await device.sign(asked.challenge)
    for (const what of ['put', 'findById'] as const) {
      broken[what] = true
      // Answered by 503: a browser keeps the session, and asks again.
      const renewed = sessions.bindings.renew(identifier, proof, NOBODYS)
      await expect(renewed).rejects.toMatchObject({ code: 'session.store' })
      broken[what] = false
    }
    expect(await sessions.bindings.renew(identifier, proof, NOBODYS)).toMatchObject({
      kind: 'proven',
      session: { id: session.id },
    })
    expect(await sessions.bindings.renew(identifier, proof, NOBODYS)).toMatchObject({ kind: 'ask' })
  })
})

test('a browser’s older key of a session that is bound anew is no thief’s', async () => {
  let place = ''
  const sqlite = (folder: string, clock: SettableClock) => {
    place = join(folder, 's.db')
    return () => openSqliteStore(place, quietPorts(clock))
  }
  await withSessions(sqlite, async ({ open }) => {
    const { session, device, identifier } = await bound(open())
    // As after a backup from before it was bound.
    using database = new Database(place)
    database.run('UPDATE sessions SET bound = NULL')
    const sessions = open()
    const other = await makeDevice()
    const proof = await other.sign(await sessions.bindings.offer(session.id), { isNew: true })
    const anew = await sessions.bindings.register(proof, NOBODYS)
    expect(await sessions.bindings.renew(identifier, null, NOBODYS)).toEqual({ kind: 'over' })
    const now = await sessions.bindings.identifierOf(anew)
    const asked = await sessions.bindings.renew(now, null, NOBODYS)
    if (asked.kind !== 'ask') throw new Error(asked.kind)
    const answer = await device.sign(asked.challenge)
    expect(await sessions.bindings.renew(identifier, answer, NOBODYS)).toEqual({ kind: 'over' })
    expect((await sessions.bindings.renew(now, answer, NOBODYS)).kind).toBe('theft')
  })
})

/** A store whose answer to `what` comes after `meanwhile` has been done. */
function delayed(what: 'findByHash' | 'findById', meanwhile: () => Promise<unknown>) {
  return (folder: string, clock: SettableClock) => () => {
    const store = openSqliteStore(join(folder, 's.db'), quietPorts(clock))
    return {
      ...store,
      async [what](key: string) {
        const found = await store[what](key)
        await meanwhile()
        return found
      },
    }
  }
}

test('what was read of a session before it was bound is not taken for the session after that', async () => {
  let meanwhile: () => Promise<unknown> = async () => {}
  const once = () => {
    const act = meanwhile
    meanwhile = async () => {}
    return act()
  }
  const binding = async (sessions: OpenSessions, sessionId: string) => {
    const device = await makeDevice()
    const proof = await device.sign(await sessions.bindings.offer(sessionId), { isNew: true })
    meanwhile = () => sessions.bindings.register(proof, NOBODYS)
  }
  // By the cookie, in a process that has nothing of it in memory.
  await withSessions(delayed('findByHash', once), async ({ open }) => {
    const { session, token } = await signedIn(open())
    const sessions = open()
    await binding(sessions, session.id)
    const found = await sessions.find(token, HOST)
    expect(found !== null && isBound(found)).toBe(true)
  })
  // By another tab, which signs in meanwhile.
  await withSessions(delayed('findById', once), async ({ open }) => {
    const sessions = open()
    const { session, token } = await signedIn(sessions)
    await binding(sessions, session.id)
    const terms = { portal: 'home', host: HOST, identity: IDENTITY, secrets: { idToken: 'i', refreshToken: null } }
    const again = await sessions.start({ ...terms, brought: { session, token } })
    expect([again.session.id, isBound(again.session)]).toEqual([session.id, true])
    const found = await sessions.find(again.token, HOST)
    expect(found !== null && isBound(found)).toBe(true)
  })
})

test('a row whose device cannot be read is refused, and not taken for one that is bound to none', () => {
  const stored = storedSession('a', { identity: JSON.stringify(IDENTITY) })
  expect(parseSession(stored)).not.toBeNull()
  for (const text of ['', 'null', '{}', '{"key":{"x":"a"},"thumbprint":"t","boundAtMs":1,"network":"n"}', 'x']) {
    expect([text, parseSession({ ...stored, bound: text })]).toEqual([text, null])
  }
})
