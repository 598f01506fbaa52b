/** Sign-ins by what users of a file have set over it: own passwords, second factors, recovery codes. */

import { beforeAll, describe, expect, spyOn, test } from 'bun:test'
import { GateError } from '../../../src/base/errors.ts'
import type { PortalConfig } from '../../../src/config/resolve/portals.ts'
import type { ProviderConfig } from '../../../src/config/resolve/providers.ts'
import { plainUser } from '../../../src/config/values/users-file.ts'
import type { AccountGround } from '../../../src/identity/identity.ts'
import { personOf } from '../../../src/identity/passwords/users.ts'
import type { FoundUser } from '../../../src/server/credentials/form-users.ts'
import { createPasswords } from '../../../src/server/credentials/passwords.ts'
import { type Account, EMPTY } from '../../../src/session/accounts/account.ts'
import { createAccounts, recoveryHash } from '../../../src/session/accounts/accounts.ts'
import { createOnce } from '../../../src/session/one-time.ts'
import { createRateLimits } from '../../../src/session/rate-limits.ts'
import { createSealer } from '../../../src/session/seal.ts'
import { openSqliteStore } from '../../../src/session/sqlite/store.ts'
import { accepts } from '../../config/checks.ts'
import { fakeClock, quietPorts } from '../../kit/clock.ts'
import { NO_DEFERRED_ENDS } from '../../kit/sessions/lifetimes.ts'
import { codeAt, SECOND_FACTOR } from '../../kit/totp.ts'

const [OF_FILE, OWN, CLIENT] = ['of the file', 'my own', '192.0.2.1']
const RECOVERY = 'abcd-efgh-jkmn-pqrs'
let hashes: readonly string[] = []
beforeAll(async () => {
  hashes = await Promise.all(
    [OF_FILE, OWN].map(text => Bun.password.hash(text, { algorithm: 'argon2id', memoryCost: 8, timeCost: 1 })),
  )
})

/** A provider that is a file with ada and bob; a portal takes HTTP Basic of the same file. */
function open() {
  const clock = fakeClock()
  const ports = quietPorts(clock)
  const [hash = '', own = ''] = hashes
  const entries = new Map([
    ['ada', plainUser(hash)],
    ['bob', plainUser(hash)],
  ])
  const base = accepts('').portals.get('home')
  const provider = accepts('').providers.values().next().value
  if (base === undefined || provider === undefined) throw new Error('the fragment has a portal and a provider')
  const family: ProviderConfig = { ...provider, name: 'family', users: { entries, totp: new Map(), groups: [] } }
  const portal: PortalConfig = { ...base, passwords: entries }
  const state = { portal, turn: Promise.resolve(), onAsked: () => {} }
  const store = openSqliteStore(':memory:', ports)
  const sealer = createSealer(new Uint8Array(32), ports)
  const accounts = createAccounts({ store, sealer, ports, deferredEnds: NO_DEFERRED_ENDS, people: [] })
  const limits = createRateLimits(store, clock)
  const passwords = createPasswords({
    ports,
    sessions: {
      ...createOnce(store, sealer, clock),
      ...limits,
      async spendAll(counts) {
        state.onAsked()
        await state.turn
        return limits.spendAll(counts)
      },
      accounts,
    },
    portal: () => state.portal,
    providers: () => [family],
    askAgainMs: 5,
  })
  const ada = personOf(family, 'ada')
  if (ada === null) throw new Error('ada is in the file')
  const change = async (fields: Partial<Account>) =>
    (await accounts.change(ada, before => ({ ...before, ...fields }))) ?? EMPTY
  const findUser = (name: string, password: string, client = CLIENT) =>
    passwords.findUser(family, { name, password }, client, null)
  return {
    clock,
    accounts,
    passwords,
    portal,
    state,
    family,
    ada,
    change,
    findUser,
    setPassword: () => change({ password: { hash: own, atMs: 1 } }),
    async setFactor(secret = SECOND_FACTOR) {
      const sealed = await accounts.sealFactor(ada, secret)
      return change({ factor: { sealed, atMs: 1 }, recovery: [recoveryHash(ada, RECOVERY)] })
    },
    /** What the code that follows the password is for. */
    async pass(): Promise<AccountGround> {
      const found = await findUser('ada', OF_FILE)
      if (!('code' in found)) throw new Error('no code is asked for')
      return found.code
    },
    check: (code: string, account: AccountGround, client = CLIENT) =>
      passwords.checkCode(family, { name: 'ada', code, account }, client, null),
    basic: async (name: string, password: string) =>
      passwords.find(`Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`, state.portal, CLIENT),
  }
}

/** The code of the error, with its reason where it has one. */
async function outcomeOf(act: Promise<unknown>): Promise<string> {
  try {
    await act
    return 'in'
  } catch (error) {
    if (!(error instanceof GateError)) throw error
    const { reason } = error.facts
    return typeof reason === 'string' ? `${error.code}: ${reason}` : error.code
  }
}

const isIdentity = (found: FoundUser) => ('identity' in found ? found.identity : null)

describe('a user who has set a password', () => {
  test('signs in with it and no more with that of the file, also by HTTP Basic', async () => {
    const { setPassword, findUser, basic, accounts, ada } = open()
    expect(isIdentity(await findUser('ada', OF_FILE))?.account?.stamp).toBe('')
    expect((await basic('ada', OF_FILE))?.identity.subject).toBe('htpasswd:ada')
    const { stamp } = await setPassword()
    expect(await outcomeOf(findUser('ada', OF_FILE))).toBe('access.password')
    expect(await outcomeOf(basic('ada', OF_FILE))).toBe('access.password')
    const identity = isIdentity(await findUser('ada', OWN))
    expect([identity?.subject, identity?.claims.amr, identity?.account?.stamp]).toEqual([
      'htpasswd:ada',
      ['pwd'],
      stamp,
    ])
    expect((await basic('ada', OWN))?.identity.subject).toBe('htpasswd:ada')
    expect(await outcomeOf(findUser('bob', OWN))).toBe('access.password')
    await accounts.drop(ada)
    expect(await outcomeOf(basic('ada', OWN))).toBe('access.password')
    expect(await outcomeOf(findUser('ada', OF_FILE))).toBe('in')
  })

  test('ends what HTTP Basic has under way by the one before', async () => {
    const { setPassword, basic, passwords } = open()
    const [session, other] = [await basic('ada', OF_FILE), await basic('bob', OF_FILE)]
    if (session === null || other === null) throw new Error('the passwords are right')
    let changes = 0
    passwords.onChange(() => changes++)
    expect([passwords.judge(session), passwords.judge(other)]).toEqual([true, true])
    await setPassword()
    expect([passwords.judge(session), passwords.judge(other), changes]).toEqual([false, true, 1])
  })

  test.each([
    ['has set another', ({ setPassword }: ReturnType<typeof open>) => setPassword()],
    ['has set a second factor', ({ setFactor }: ReturnType<typeof open>) => setFactor()],
    [
      'has another in the file',
      ({ state, portal }: ReturnType<typeof open>) => {
        state.portal = { ...portal, passwords: new Map([['ada', plainUser(hashes[1] ?? '')]]) }
      },
    ],
  ])(
    'is refused by HTTP Basic who %s while the password waited for its turn, and whoever comes meanwhile',
    async (_, act) => {
      const opened = open()
      const { state, basic } = opened
      const turn = Promise.withResolvers<void>()
      state.turn = turn.promise
      const asked = new Promise<void>(resolve => {
        state.onAsked = resolve
      })
      const waiting = basic('ada', OF_FILE)
      await asked
      await act(opened)
      const later = basic('ada', OF_FILE)
      turn.resolve()
      expect(await Promise.all([outcomeOf(waiting), outcomeOf(later)])).toEqual(['access.password', 'access.password'])
    },
  )

  test('is asked for it again, and guesses there count as at the form', async () => {
    const { setPassword, passwords, family, findUser } = open()
    await setPassword()
    const confirm = (password: string) => passwords.confirm(family, { name: 'ada', password }, CLIENT)
    expect(await outcomeOf(confirm(OWN))).toBe('in')
    expect(await outcomeOf(confirm(OF_FILE))).toBe('access.password')
    for (let at = 0; at < 9; at++) expect(await outcomeOf(confirm(`guess ${at}`))).toBe('access.password')
    expect(await outcomeOf(confirm(OWN))).toBe('limit.rate')
    expect(await outcomeOf(findUser('ada', OWN))).toBe('limit.rate')
  })
})

describe('an unknown name', () => {
  test('costs what one user costs, also where that user has set a password', async () => {
    const { accounts, family, basic, findUser } = open()
    const [, own = ''] = hashes
    for (const name of family.users?.entries.keys() ?? []) {
      const person = personOf(family, name)
      if (person !== null) await accounts.change(person, before => ({ ...before, password: { hash: own, atMs: 1 } }))
    }
    using verify = spyOn(Bun.password, 'verify')
    using reads = spyOn(accounts, 'of')
    const costOf = async (attempt: () => Promise<unknown>) => {
      const before = [verify, reads].map(one => one.mock.calls.length)
      expect(await outcomeOf(attempt())).toBe('access.password')
      const hashed = verify.mock.calls.slice(before[0]).map(([, hash]) => String(hash))
      return [hashed, reads.mock.calls.length - (before[1] ?? 0)]
    }
    for (const name of ['ada', 'nobody', 'mallory'])
      expect([await costOf(() => findUser(name, 'wrong')), await costOf(() => basic(name, 'wrong'))]).toEqual([
        [[own], 1],
        [[own], 1],
      ])
  })

  test('costs as much by HTTP Basic as a user with a second factor, whose password is looked at there, too', async () => {
    const { setPassword, setFactor, basic } = open()
    await setPassword()
    await setFactor()
    using verify = spyOn(Bun.password, 'verify')
    expect(await outcomeOf(basic('ada', OWN))).toBe('access.password')
    expect(verify.mock.calls.map(([, hash]) => String(hash))).toEqual([hashes[1] ?? ''])
  })
})

describe('a user who has set a second factor', () => {
  test('is asked for its code, which is good once', async () => {
    const { setFactor, pass, check, clock } = open()
    await setFactor()
    const account = await pass()
    const code = codeAt(clock.now())
    const { identity, recoveryLeft } = await check(code, account)
    expect([identity.claims.amr, recoveryLeft]).toEqual([['pwd', 'otp'], null])
    expect(await outcomeOf(check(code, await pass()))).toBe('access.password: a code that was used')
    clock.advance(30_000)
    expect(await outcomeOf(check(codeAt(clock.now()), await pass()))).toBe('in')
    expect(await outcomeOf(check('', account))).toBe('access.password: no code')
  })

  test('is refused by HTTP Basic, as an unknown name is', async () => {
    const { setFactor, basic } = open()
    await basic('ada', OF_FILE)
    await setFactor()
    expect(await outcomeOf(basic('ada', OF_FILE))).toBe('access.password')
    expect(await outcomeOf(basic('bob', OF_FILE))).toBe('in')
  })

  test('comes in with a recovery code once, and is told so', async () => {
    const { setFactor, pass, check, accounts, ada, clock } = open()
    const { stamp } = await setFactor()
    expect((await check(' ABCD efgh jkmn-pqrs', await pass())).recoveryLeft).toBe(0)
    const after = await accounts.of(ada)
    expect([after.stamp, after.recovery, after.notices]).toEqual([stamp, [], [{ what: 'recovery', atMs: clock.now() }]])
    expect(await outcomeOf(check(RECOVERY, await pass()))).toBe('access.password: a wrong code')
  })

  test('keeps ten recovery codes that come at once to one', async () => {
    const { setFactor, pass, check } = open()
    await setFactor()
    const account = await pass()
    const outcomes = await Promise.all(Array.from({ length: 10 }, () => outcomeOf(check(RECOVERY, account))))
    expect(outcomes.filter(one => one === 'in')).toHaveLength(1)
  })

  test('holds up who guesses codes and recovery codes, together', async () => {
    const { setFactor, pass, check } = open()
    await setFactor()
    const account = await pass()
    for (let at = 0; at < 10; at++) {
      // From another network each time, so that it is not the address that is held up.
      const wrong = at % 2 === 0 ? '000000' : `zzzz-zzzz-zzzz-zzz${at}`
      expect(await outcomeOf(check(wrong, account, `10.${at}.0.1`))).toBe('access.password: a wrong code')
    }
    expect(await outcomeOf(check(RECOVERY, account, '203.0.113.1'))).toBe('access.password: too many wrong codes')
  })

  test('has to give the password again where the account has changed since', async () => {
    const { setFactor, setPassword, pass, check, clock } = open()
    await setFactor()
    const account = await pass()
    await setPassword()
    expect(await outcomeOf(check(codeAt(clock.now()), account))).toBe('access.password: another account')
  })

  test('is refused for now where it was sealed with another key', async () => {
    const { change, findUser } = open()
    await change({ factor: { sealed: 'AAAA', atMs: 1 } })
    expect(await outcomeOf(findUser('ada', OF_FILE))).toBe('session.store')
    expect(await outcomeOf(findUser('bob', OF_FILE))).toBe('in')
  })
})

test('a second factor that is to be kept is confirmed by a code, which no sign-in takes after that', async () => {
  const { passwords, family, setFactor, pass, check, clock } = open()
  const confirm = (code: string) =>
    passwords.confirmFactor(family, { name: 'ada', secret: SECOND_FACTOR, code }, CLIENT)
  expect(await outcomeOf(confirm('000000'))).toBe('access.password: a wrong code')
  const code = codeAt(clock.now())
  expect(await outcomeOf(confirm(code))).toBe('in')
  expect(await outcomeOf(confirm(code))).toBe('access.password: a code that was used')
  await setFactor()
  expect(await outcomeOf(check(code, await pass()))).toBe('access.password: a code that was used')
})

test('where the provider takes no passwords, no password, code or recovery code counts, though each of them is right', async () => {
  const { passwords, family, setFactor, pass, clock } = open()
  await setFactor()
  const account = await pass()
  const closed = { ...family, takesPasswords: false }
  const given = { name: 'ada', password: OF_FILE }
  const code = codeAt(clock.now())
  const ways = (provider: ProviderConfig) => [
    () => passwords.findUser(provider, given, CLIENT, null),
    () => passwords.confirm(provider, given, CLIENT),
    () => passwords.checkCode(provider, { name: 'ada', code, account }, CLIENT, null),
    () => passwords.checkCode(provider, { name: 'ada', code: RECOVERY, account }, CLIENT, null),
  ]
  const outcomes = async (provider: ProviderConfig) => {
    const found: string[] = []
    for (const way of ways(provider)) found.push(await outcomeOf(way()))
    return found
  }
  expect(await outcomes(closed)).toEqual(Array(4).fill('access.password'))
  expect(await outcomes(family)).toEqual(Array(4).fill('in'))
})
