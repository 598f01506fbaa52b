import { expect, spyOn } from 'bun:test'
import { join } from 'node:path'
import { readUsers } from '../../../src/config/values/users-file.ts'
import { type Identity, makeIdentity } from '../../../src/identity/identity.ts'
import { type FilePerson, personOf } from '../../../src/identity/passwords/users.ts'
import { EMPTY, type Passkey } from '../../../src/session/accounts/account.ts'
import { accountIdOf, groundOf, recoveryHash } from '../../../src/session/accounts/accounts.ts'
import { passkeyOwner } from '../../../src/session/accounts/passkeys.ts'
import { type OpenSessions, openSessions } from '../../../src/session/open.ts'
import { openRedisStore } from '../../../src/session/redis/store.ts'
import { createSealer } from '../../../src/session/seal.ts'
import { openSqliteStore } from '../../../src/session/sqlite/store.ts'
import type { SessionStore } from '../../../src/session/store.ts'
import { type FakeClock, fakeClock, quietPorts } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { createPasskey, showPasskey } from '../../kit/passkeys.ts'
import { startValkey } from '../../kit/programs/valkey.ts'
import { providerConfig } from '../../kit/provider/config.ts'
import { ANY_PROVIDER, LIFETIMES } from '../../kit/sessions/lifetimes.ts'
import { redisAt } from '../../kit/sessions/shared.ts'
import { refusal } from '../../kit/thrown.ts'

const { describe, test } = needs('valkey-server')

const ports = quietPorts({ now: Date.now })
const keep = untilTheEnd()
const valkey = keep(await startValkey())
let database = 0

const STORES: Readonly<Record<string, (folder: string) => () => SessionStore>> = {
  sqlite: folder => () => openSqliteStore(join(folder, 's.db'), ports),
  redis: () => {
    const url = valkey.url(++database)
    return () => openRedisStore(redisAt(url), ports)
  },
}

const HASH = '$2y$12$abcdefghijklmnopqrstuuVYVvCVmZNqhpgWzXvWoK2gXkzC4kCqS'
const OTHER_HASH = '$2y$12$abcdefghijklmnopqrstuuVYVvCVmZNqhpgWzXvWoK2gXkzC4kCqT'
const TOTP = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'

function providerOf(text: string, path = 'users.toml', totp: Readonly<Record<string, string>> = {}) {
  const { entries, faults } = readUsers(path, text)
  if (faults.length > 0) throw new Error(faults.join())
  return { name: 'family', users: { entries, groups: [], totp: new Map(Object.entries(totp)) } }
}

const TOML_BEN = `[[users]]\nid = "id-of-ben-1"\nname = "ada"\nhash = "${HASH}"\n`
const toml = (id: string, hash = HASH) => `[[users]]\nid = "${id}"\nname = "ada"\nhash = "${hash}"\n`

function adaOf(...file: Parameters<typeof providerOf>): FilePerson {
  const person = personOf(providerOf(...file), 'ada')
  if (person === null) throw new Error('there is no ada')
  return person
}

const ADA = adaOf(toml('id-of-ada-1'))

const passkey = (id: string): Passkey => ({
  id,
  publicKey: 'k',
  counter: 0,
  name: id,
  createdAtMs: 1,
  usedAtMs: null,
  isBackupEligible: true,
  isBackedUp: false,
  rpId: 'auth.example.com',
})

const withPassword = (hash: string) => (before: typeof EMPTY) => ({ ...before, password: { hash, atMs: 1 } })

describe.each(Object.entries(STORES))('on %s, what a user of a file has set', (_name, of) => {
  async function withTwo(
    act: (here: OpenSessions, there: OpenSessions, store: SessionStore) => Promise<void>,
    people: readonly FilePerson[] = [ADA],
  ) {
    using folder = temporaryFolder()
    const open = of(folder.path)
    const store = open()
    const openOne = (one: SessionStore) =>
      openSessions({
        store: one,
        sealer: createSealer(new Uint8Array(32).fill(7), ports),
        limits: { ...LIFETIMES, cacheBytes: 500_000, providerTrust: ANY_PROVIDER, people },
        ports,
      })
    const [here, there] = [openOne(store), openOne(open())]
    try {
      await act(here, there, store)
    } finally {
      await here.close()
      await there.close()
    }
  }

  test('is there for every gate, and is gone for all once it is dropped', () =>
    withTwo(async (here, there) => {
      expect(await here.accounts.of(ADA)).toEqual(EMPTY)
      const changed = await here.accounts.change(ADA, withPassword('own'))
      expect(changed).toEqual({ ...EMPTY, stamp: expect.any(String), password: { hash: 'own', atMs: 1 } })
      expect(changed?.stamp).not.toBe('')
      expect(await there.accounts.of(ADA)).toEqual(changed ?? EMPTY)
      expect(await there.accounts.drop(ADA)).toBe(true)
      expect(await there.accounts.drop(ADA)).toBe(false)
      const left = await here.accounts.of(ADA)
      expect(left).toEqual({ ...EMPTY, stamp: expect.any(String) })
      expect(left.stamp).not.toBe(changed?.stamp ?? '')
    }))

  test('takes nothing that was begun before it was dropped, where nothing was set either', () =>
    withTwo(async (here, there) => {
      const before = groundOf(ADA, await here.accounts.of(ADA))
      expect(await there.accounts.drop(ADA)).toBe(false)
      expect(groundOf(ADA, await here.accounts.of(ADA))).not.toEqual(before)
    }))

  test('loses nothing where two gates change it at once', () =>
    withTwo(async (here, there) => {
      const ids = Array.from({ length: 20 }, (_, index) => `passkey-${index}`)
      await Promise.all(
        ids.map((id, index) =>
          (index % 2 === 0 ? here : there).accounts.change(ADA, before => ({
            ...before,
            passkeys: [...before.passkeys, passkey(id)],
          })),
        ),
      )
      expect((await here.accounts.of(ADA)).passkeys.map(({ id }) => id).sort()).toEqual(ids.toSorted())
    }))

  test('takes a passkey only as the account was when that was confirmed', () =>
    withTwo(async (here, there) => {
      const [origin, rpId] = ['https://auth.example.com', 'auth.example.com']
      const add = (challenge: string, stamp: string, mayAdd: () => Promise<void>) => {
        const { answer } = createPasskey({ challenge, rp: { id: rpId } }, origin)
        return here.passkeys.add(
          ADA,
          { answer, ceremony: { challenge, origin, rpId }, name: 'laptop' },
          { stamp, mayAdd },
        )
      }
      // Its owner ends all other sign-ins while a form of one of these is under way.
      const changed = add('b25l', '', async () => {
        await there.accounts.change(ADA, withPassword('own'))
      })
      expect((await refusal(changed)).code).toBe('access.passkey')
      const { stamp, passkeys } = await here.accounts.of(ADA)
      expect(passkeys).toEqual([])
      await add('dHdv', stamp, async () => undefined)
      expect((await here.accounts.of(ADA)).passkeys.map(({ name }) => name)).toEqual(['laptop'])
    }))

  test('takes no passkey that it has, none beyond 20, and none that was confirmed before a change; nothing is asked then', () =>
    withTwo(async here => {
      const [origin, rpId] = ['https://auth.example.com', 'auth.example.com']
      let asked = 0
      const add = (challenge: string, stamp: string, wrong: Parameters<typeof createPasskey>[2] = {}) => {
        const { answer } = createPasskey({ challenge, rp: { id: rpId } }, origin, wrong)
        const mayAdd = async () => void asked++
        const made = { answer, ceremony: { challenge, origin, rpId }, name: 'laptop' }
        return here.passkeys.add(ADA, made, { stamp, mayAdd })
      }
      const rawId = Buffer.alloc(32, 1)
      const { account } = await add('b25l', '', { rawId })
      const codes = [
        (await refusal(add('dHdv', account.stamp, { rawId }))).code,
        (await refusal(add('dGhyZWU', 'another'))).code,
      ]
      const ids = Array.from({ length: 19 }, (_, index) => `passkey-${index}`)
      const full = await here.accounts.change(ADA, before => ({
        ...before,
        passkeys: [...before.passkeys, ...ids.map(passkey)],
      }))
      codes.push((await refusal(add('Zm91cg', full?.stamp ?? ''))).code)
      expect([asked, ...codes]).toEqual([1, 'access.passkey', 'access.passkey', 'access.passkey'])
    }))

  test('ends who came by a copy of a passkey, also where the store fails at that the first time', () =>
    withTwo(async (here, _there, store) => {
      const [origin, rpId] = ['https://auth.example.com', 'auth.example.com']
      const { name, users } = providerOf(toml('id-of-ada-1'))
      const provider = providerConfig({ issuer: 'file', clientId: '', clientSecret: '' }, { name, users })
      const at = (challenge: string) => ({ challenge, origin, rpId })
      const user = { id: passkeyOwner(ADA, null).handle }
      const { passkey: own, answer } = createPasskey({ ...at('b25l'), rp: { id: rpId }, user }, origin, { counter: 1 })
      const made = { answer, ceremony: at('b25l'), name: 'key' }
      await here.passkeys.add(ADA, made, { mayAdd: async () => undefined })
      const show = (challenge: string, counter: number) =>
        here.passkeys.find(provider, {
          answer: showPasskey(own, { challenge }, origin, { counter }),
          ceremony: at(challenge),
        })
      const { identity } = await show('dHdv', 7)
      const secrets = { idToken: '', refreshToken: null }
      await here.start({ portal: 'home', host: 'app.example', identity, secrets })
      const finding = spyOn(store, 'findBySubject').mockImplementationOnce(() => {
        throw new Error('the disk is full')
      })
      expect((await refusal(show('dGhyZWU', 6))).code).toBe('session.store')
      expect((await refusal(show('Zm91cg', 6))).facts.reason).toBe('cloned')
      finding.mockRestore()
      expect(await store.findBySubject(identity.issuer, identity.subject)).toEqual([])
      expect((await here.accounts.of(ADA)).passkeys).toEqual([])
    }))

  test('lets one of two gates have a recovery code, and its use ends no sign-in', () =>
    withTwo(async (here, there) => {
      const code = 'abcd-efgh-jkmn-pqrs'
      const hash = recoveryHash(ADA, code)
      const before = await here.accounts.change(ADA, one => ({ ...one, recovery: [hash, 'other'] }))
      const use = (one: OpenSessions) =>
        one.accounts.note(ADA, account =>
          account.recovery.includes(recoveryHash(ADA, ' ABCD efgh-jkmnpqrs '))
            ? { ...account, recovery: account.recovery.filter(left => left !== hash) }
            : undefined,
        )
      const used = await Promise.all([here, there, here, there].map(use))
      expect(used.filter(one => one !== null)).toEqual([{ ...EMPTY, stamp: before?.stamp ?? '', recovery: ['other'] }])
    }))

  test('is for the id in the file, or for name and password without one, and for one provider', () =>
    withTwo(async here => {
      await here.accounts.change(ADA, withPassword('own'))
      const [old, ofOthers] = [adaOf(`ada:${HASH}`, 'users'), { ...ADA, provider: 'friends' }]
      await here.accounts.change(old, withPassword('plain'))
      const passwordOf = async (person: FilePerson) => (await here.accounts.of(person)).password?.hash ?? null
      expect(await passwordOf(adaOf(toml('id-of-ada-2')))).toBeNull()
      expect(await passwordOf(adaOf(`ada:${OTHER_HASH}`, 'users'))).toBeNull()
      expect(await passwordOf(ofOthers)).toBeNull()
      expect(await passwordOf(adaOf(`ada:${HASH}`, 'users'))).toBe('plain')
      expect(await passwordOf(adaOf(toml('id-of-ada-1').replace('ada"\n', 'ada"\ngroups = ["x"]\n')))).toBe('own')
    }))

  test('counts for nothing once the operator gives another password or second factor, and does not come back', () =>
    withTwo(async (here, there) => {
      for (const next of [
        adaOf(toml('id-of-ada-1', OTHER_HASH)),
        adaOf(toml('id-of-ada-1'), 'users.toml', { ada: TOTP }),
      ]) {
        await here.accounts.change(ADA, withPassword('own'))
        expect(await there.accounts.of(next)).toEqual(EMPTY)
        const limits = { ...LIFETIMES, cacheBytes: 500_000, providerTrust: ANY_PROVIDER }
        here.configure({ ...limits, people: [next] })
        await eventually(async () => (await there.accounts.of(ADA)).stamp === '', 'the account is removed')
        here.configure({ ...limits, people: [ADA] })
      }
    }))

  test('of a name without an id goes with its line', () => {
    const [old, next] = [HASH, OTHER_HASH].map(hash => adaOf(`ada:${hash}\n`, 'users'))
    if (old === undefined || next === undefined) throw new Error('there are two lines')
    const limits = { ...LIFETIMES, cacheBytes: 500_000, providerTrust: ANY_PROVIDER }
    return withTwo(
      async (here, there) => {
        await here.accounts.change(old, withPassword('own'))
        here.configure({ ...limits, people: [next] })
        await eventually(async () => (await there.accounts.of(old)).stamp === '', 'the account is removed')
        await here.accounts.change(next, withPassword('own'))
        here.configure({ ...limits, people: [] })
        await eventually(async () => (await there.accounts.of(next)).stamp === '', 'and that of the next line')
      },
      [old],
    )
  })

  test('has the latest notices, and not every one', () =>
    withTwo(async here => {
      for (let atMs = 0; atMs < 30; atMs++)
        await here.accounts.note(ADA, before => ({
          ...before,
          notices: [...before.notices, { what: 'recovery', atMs }],
        }))
      const times = (await here.accounts.of(ADA)).notices.map(({ atMs }) => atMs)
      expect([times.length, times.at(0), times.at(-1)]).toEqual([20, 10, 29])
    }))

  test('stays where a slower gate hears of another file after a newer account was made over it', () =>
    withTwo(
      async (here, there) => {
        await here.accounts.change(ADA, withPassword('own'))
        const next = adaOf(toml('id-of-ada-1', OTHER_HASH))
        await here.accounts.change(next, withPassword('newer'))
        await there.accounts.change(LAST, withPassword('last'))
        there.configure({ ...LIFETIMES, cacheBytes: 500_000, providerTrust: ANY_PROVIDER, people: [next] })
        // The removal of what is gone from the file comes after that of whoever stands before it.
        await eventually(async () => (await there.accounts.of(LAST)).stamp === '', 'the last account is removed')
        expect((await there.accounts.of(next)).password?.hash).toBe('newer')
      },
      [ADA, LAST],
    ))

  test('is removed at a start where the file has changed while nothing ran', () =>
    withTwo(async (here, there) => {
      const before = adaOf(toml('id-of-ada-1', OTHER_HASH))
      await here.accounts.change(before, withPassword('own'))
      expect((await there.accounts.of(before)).password?.hash).toBe('own')
      await there.lookForLeftBehind()
      expect(await here.accounts.of(before)).toEqual(EMPTY)
    }))

  test('is removed at a start and at a save, though that of another user cannot be read', () => {
    const [ben, benBefore] = [TOML_BEN, TOML_BEN.replace(HASH, OTHER_HASH)].map(text => adaOf(text, 'users.toml', {}))
    if (ben === undefined || benBefore === undefined) throw new TypeError('two')
    return withTwo(
      async (here, there, store) => {
        const id = accountIdOf(ADA)
        await store.changeRecord('account', { id }, () => ({ id, version: 1, value: 'no json' }))
        await here.accounts.change(benBefore, withPassword('own'))
        await there.lookForLeftBehind()
        expect(await here.accounts.of(benBefore)).toEqual(EMPTY)
        await here.accounts.change(ben, withPassword('own'))
        await here.lookForLeftBehind()
        here.configure({ ...LIFETIMES, cacheBytes: 500_000, providerTrust: ANY_PROVIDER, people: [] })
        await eventually(async () => (await there.accounts.of(ben)).password === null, 'it is removed')
      },
      [ADA, ben],
    )
  })

  /** Two gates and more, each of which tells the others what it runs. */
  async function withGates(
    act: (site: {
      readonly here: OpenSessions
      readonly there: OpenSessions
      readonly told: readonly string[]
      readonly clock: FakeClock
      take(gate: OpenSessions, ...people: readonly FilePerson[]): void
      open(name: string, ...people: readonly FilePerson[]): OpenSessions
      hear(gate: OpenSessions): Promise<void>
    }) => Promise<void>,
  ) {
    using folder = temporaryFolder()
    const openStore = of(folder.path)
    const clock = fakeClock(Date.now())
    const told: string[] = []
    const quiet = quietPorts({ now: Date.now, tick: clock.tick })
    const telling = { ...quiet, log: { ...quiet.log, warn: (message: string) => void told.push(message) } }
    const opened: OpenSessions[] = []
    const limitsOf = (people: readonly FilePerson[]) => ({
      ...LIFETIMES,
      cacheBytes: 500_000,
      providerTrust: ANY_PROVIDER,
      people,
    })
    const fileOf = (people: readonly FilePerson[]) => people.map(({ over }) => over).join()
    const open = (name: string, ...people: readonly FilePerson[]) => {
      const sessions = openSessions({
        store: openStore(),
        sealer: createSealer(new Uint8Array(32).fill(7), ports),
        limits: limitsOf(people),
        ports: telling,
        timers: { watchMs: 20, flushMs: 1e9, purgeMs: 1e9, gatesMs: 20 },
        gate: { own: { id: name, gate: name, name }, fingerprint: fileOf(people) },
      })
      opened.push(sessions)
      return sessions
    }
    try {
      const [here, there] = [open('here', ADA), open('there', ADA)]
      await eventually(async () => (await here.gates.look()).length === 2, 'they have met')
      await act({
        here,
        there,
        told,
        clock,
        take: (gate, ...people) => gate.configure(limitsOf(people), fileOf(people)),
        open,
        // As often as they say what they run.
        hear: async gate => {
          for (let turn = 0; turn < 3; turn++) await gate.gates.look()
        },
      })
    } finally {
      for (const one of opened) await one.close()
    }
  }

  const NEXT = adaOf(toml('id-of-ada-1', OTHER_HASH))
  const ownOf = async ({ accounts }: OpenSessions, person: FilePerson) =>
    (await accounts.of(person)).password?.hash ?? null

  for (const [what, people] of [
    ['gives another password', [NEXT]],
    ['does not know the user', []],
  ] as const) {
    test(`counts for nothing at a gate whose file ${what}, and is gone for all once they agree`, () =>
      withGates(async ({ here, there, told, take, hear }) => {
        await there.accounts.change(ADA, withPassword('own'))
        take(here, ...people)
        await eventually(() => told.length === 1, 'it is logged')
        expect(told[0]).toContain('run another file')
        await hear(here)
        expect([await ownOf(here, NEXT), await ownOf(there, ADA)]).toEqual([null, 'own'])
        take(there, ...people)
        await eventually(async () => (await ownOf(there, ADA)) === null, 'it has ended')
        take(there, ADA)
        expect(await ownOf(there, ADA)).toBeNull()
      }))
  }

  test('is kept where one gate’s file says something else and that is taken back', () =>
    withGates(async ({ here, there, told, take, hear }) => {
      await there.accounts.change(ADA, withPassword('own'))
      take(here, NEXT)
      await eventually(() => told.length === 1, 'it is logged')
      take(here, ADA)
      await hear(here)
      await hear(there)
      expect([await ownOf(here, ADA), await ownOf(there, ADA)]).toEqual(['own', 'own'])
    }))

  test('is kept where a gate starts with another file, until all have it', () =>
    withGates(async ({ here, there, told, take, open, hear }) => {
      await there.accounts.change(ADA, withPassword('own'))
      const third = open('third', NEXT)
      await third.lookForLeftBehind()
      expect(told).toEqual([expect.stringContaining('run another file')])
      await hear(third)
      expect([await ownOf(third, NEXT), await ownOf(there, ADA)]).toEqual([null, 'own'])
      take(here, NEXT)
      take(there, NEXT)
      await eventually(async () => (await ownOf(there, ADA)) === null, 'it has ended')
    }))

  test('ends after an hour where the files of gates still differ', () =>
    withGates(async ({ here, there, told, clock, take, hear }) => {
      await there.accounts.change(ADA, withPassword('own'))
      take(here, NEXT)
      await eventually(() => told.length === 1, 'it is logged')
      clock.advance(60 * 60_000 - 1)
      await hear(here)
      expect(await ownOf(there, ADA)).toBe('own')
      clock.advance(1)
      await eventually(async () => (await ownOf(there, ADA)) === null, 'it has ended')
      expect(told[1]).toContain('others run another file still')
    }))

  test('is heard of by the other gate', () =>
    withTwo(async (here, there) => {
      const heard: (string | null)[] = []
      there.accounts.onChange(id => heard.push(id))
      // A process hears of what comes after it has connected.
      await there.accounts.of(ADA)
      await here.accounts.change(ADA, withPassword('own'))
      await eventually(() => heard.includes(accountIdOf(ADA)), 'the other gate hears of it')
    }))

  test('refuses a sign-in that began before a change, and leaves no session of it', () =>
    withTwo(async (here, there) => {
      const identity: Identity = {
        ...makeIdentity('family', 'users:family', 'htpasswd:ada', {}),
        account: groundOf(ADA, await here.accounts.of(ADA)),
      }
      const signIn = { portal: 'home', host: 'a.example', identity, secrets: { idToken: '', refreshToken: null } }
      await here.start(signIn)
      await there.accounts.note(ADA, before => ({ ...before, notices: [{ what: 'recovery', atMs: 1 }] }))
      await here.start(signIn)
      const account = await there.accounts.change(ADA, withPassword('own'))
      expect((await refusal(here.start(signIn))).code).toBe('access.password')
      const current = { ...identity, account: groundOf(ADA, account ?? EMPTY) }
      await here.start({ ...signIn, identity: current })
      expect(await here.count()).toBe(3)
    }))

  test('ends a session that was written while the account was being changed', () =>
    withTwo(async (here, there, store) => {
      const identity: Identity = {
        ...makeIdentity('family', 'users:family', 'htpasswd:ada', {}),
        account: groundOf(ADA, EMPTY),
      }
      const { insert } = store
      // The change comes between the look before the session is written and the one after.
      const changing = {
        ...store,
        async insert(...row: Parameters<typeof insert>) {
          await there.accounts.change(ADA, withPassword('own'))
          return insert(...row)
        },
      }
      const racing = openSessions({
        store: { ...changing, close: () => undefined },
        sealer: createSealer(new Uint8Array(32).fill(7), ports),
        limits: { ...LIFETIMES, cacheBytes: 500_000, providerTrust: ANY_PROVIDER },
        ports,
      })
      const signIn = { portal: 'home', host: 'a.example', identity, secrets: { idToken: '', refreshToken: null } }
      expect((await refusal(racing.start(signIn))).code).toBe('access.password')
      expect(await here.count()).toBe(0)
      await racing.close()
    }))

  test('keeps a second factor sealed, for its own account alone', () =>
    withTwo(async (here, _there, store) => {
      const sealed = await here.accounts.sealFactor(ADA, TOTP)
      const account = await here.accounts.change(ADA, before => ({ ...before, factor: { sealed, atMs: 1 } }))
      expect(await here.accounts.factorOf(ADA, account ?? EMPTY)).toBe(TOTP)
      const row = await store.findRecord('account', { id: accountIdOf(ADA) })
      expect(row?.value).not.toContain(TOTP)
      const other = adaOf(toml('id-of-ada-2'))
      expect((await refusal(here.accounts.factorOf(other, account ?? EMPTY))).code).toBe('session.store')
    }))

  test('is no empty account where it cannot be read', () =>
    withTwo(async (here, _there, store) => {
      const id = accountIdOf(ADA)
      for (const value of ['{}', 'no json', JSON.stringify({ over: ADA.over, ...EMPTY, passkeys: [{ id: 'x' }] })]) {
        await store.changeRecord('account', { id }, before => ({ id, version: (before?.version ?? 0) + 1, value }))
        expect((await refusal(here.accounts.of(ADA))).code).toBe('session.store')
        expect((await refusal(here.accounts.change(ADA, withPassword('own')))).code).toBe('session.store')
      }
      expect(await here.accounts.drop(ADA)).toBe(true)
      expect(await here.accounts.of(ADA)).toEqual({ ...EMPTY, stamp: expect.any(String) })
    }))
})

const LAST: FilePerson = { provider: 'family', name: 'last', key: ['id', 'id-of-last'], over: 'last' }
