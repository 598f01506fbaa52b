import { beforeAll, describe, expect, test } from 'bun:test'
import { GateError } from '../../../src/base/errors.ts'
import type { PortalConfig } from '../../../src/config/resolve/portals.ts'
import type { ProviderConfig } from '../../../src/config/resolve/providers.ts'
import { plainUser } from '../../../src/config/values/users-file.ts'
import { createPasswords, type Passwords } from '../../../src/server/credentials/passwords.ts'
import { createAccounts } from '../../../src/session/accounts/accounts.ts'
import { createOnce } from '../../../src/session/one-time.ts'
import { createRateLimits } from '../../../src/session/rate-limits.ts'
import { createSealer } from '../../../src/session/seal.ts'
import { openSqliteStore } from '../../../src/session/sqlite/store.ts'
import { accepts } from '../../config/checks.ts'
import { fakeClock, quietPorts } from '../../kit/clock.ts'
import { NO_DEFERRED_ENDS } from '../../kit/sessions/lifetimes.ts'
import { refusal } from '../../kit/thrown.ts'

let hash = ''
let other = ''
beforeAll(async () => {
  hash = await Bun.password.hash('secret', { algorithm: 'bcrypt', cost: 4 })
  other = await Bun.password.hash('other', { algorithm: 'argon2id', memoryCost: 8, timeCost: 1 })
})

const basic = (pair: string) => `Basic ${Buffer.from(pair).toString('base64')}`

/** A portal with these people, which a test may change as a reload does. */
function open() {
  const clock = fakeClock()
  const base = accepts('').portals.get('home')
  if (base === undefined) throw new Error('the fragment has a portal')
  const state = {
    portal: {
      ...base,
      passwords: new Map([
        ['ada', plainUser(hash)],
        ['bob', plainUser(other)],
      ]),
    } satisfies PortalConfig as PortalConfig,
    providers: [] as readonly ProviderConfig[],
  }
  const store = openSqliteStore(':memory:', quietPorts(clock))
  const accounts = createAccounts({
    store,
    sealer: createSealer(new Uint8Array(32), quietPorts(clock)),
    ports: quietPorts(clock),
    deferredEnds: NO_DEFERRED_ENDS,
    people: [],
  })
  const passwords = createPasswords({
    ports: quietPorts(clock),
    sessions: {
      ...createOnce(store, createSealer(new Uint8Array(32), quietPorts(clock)), clock),
      ...createRateLimits(store, clock),
      accounts,
    },
    providers: () => state.providers,
    portal: name => ({ ...state.portal, name }),
    askAgainMs: 5,
  })
  const find = async (pair: string, client = '192.0.2.1') => passwords.find(basic(pair), state.portal, client)
  return {
    clock,
    state,
    store,
    passwords,
    find,
    change(map: NonNullable<PortalConfig['passwords']>) {
      state.portal = { ...state.portal, passwords: map }
    },
  }
}

async function codeOf(act: () => ReturnType<Passwords['find']> | Promise<unknown>): Promise<string> {
  try {
    await act()
  } catch (error) {
    if (error instanceof GateError) return error.code
    throw error
  }
  return 'none'
}

describe('a password that was right', () => {
  test('is remembered for some minutes, without a promise, as one and the same session', async () => {
    const { passwords, state, find, clock } = open()
    const first = await find('ada:secret')
    const again = passwords.find(basic('ada:secret'), state.portal, '192.0.2.99')
    expect(again).toBe(first)
    clock.advance(10 * 60_000)
    expect(passwords.find(basic('ada:secret'), state.portal, '192.0.2.1')).toBeInstanceOf(Promise)
  })

  test('is hashed once for all that ask at the same time', async () => {
    const { passwords, state } = open()
    const asked = Array.from({ length: 50 }, () => passwords.find(basic('ada:secret'), state.portal, '192.0.2.1'))
    expect(new Set(asked).size).toBe(1)
    expect((await asked[0])?.identity.subject).toBe('htpasswd:ada')
  })

  test('is forgotten with the hash that it was held against, and so is what stands on it', async () => {
    const { passwords, state, find, change } = open()
    const session = await find('ada:secret')
    if (session === null) throw new Error('the password is right')
    expect(passwords.judge(session)).toBe(true)
    change(new Map([['ada', plainUser(other)]]))
    expect(await codeOf(() => passwords.find(basic('ada:secret'), state.portal, '192.0.2.1'))).toBe('access.password')
    expect(passwords.judge(session)).toBe(false)
    change(new Map([['ada', plainUser(hash)]]))
    expect(passwords.judge(session)).toBe(true)
    expect((await find('ada:secret'))?.identity.subject).toBe('htpasswd:ada')
  })

  test('goes on where wrong ones cannot be counted, and no other is tried', async () => {
    const { find, store } = open()
    await find('ada:secret')
    await store.close()
    expect((await find('ada:secret'))?.identity.subject).toBe('htpasswd:ada')
    expect(await codeOf(() => find('bob:other'))).toBe('session.store')
  })

  test('of one portal is nothing at another', async () => {
    const { passwords, state, find } = open()
    await find('ada:secret')
    const elsewhere = { ...state.portal, name: 'work', passwords: new Map([['ada', plainUser(other)]]) }
    expect(await codeOf(() => passwords.find(basic('ada:secret'), elsewhere, '192.0.2.1'))).toBe('access.password')
    expect(
      await codeOf(() => passwords.find(basic('ada:secret'), { ...elsewhere, passwords: null }, '192.0.2.1')),
    ).toBe('access.password')
  })
})

test('a file with one user: another name with that user’s right password is refused, whatever the case and blanks', async () => {
  const { find, change } = open()
  change(new Map([['ada', plainUser(hash)]]))
  for (const name of [
    'bob',
    '',
    'Ada',
    'ada ',
    ' ada',
    'adа',
    'htpasswd:ada'.replace(':', ''),
    '__proto__',
    'constructor',
  ]) {
    expect([name, await codeOf(() => find(`${name}:secret`, `198.51.100.${name.length}`))]).toEqual([
      name,
      'access.password',
    ])
  }
  expect((await find('ada:secret'))?.identity.subject).toBe('htpasswd:ada')
  // And it stays counted, like every wrong one.
  const codes: string[] = []
  for (let times = 0; times < 11; times++) codes.push(await codeOf(() => find('bob:secret', '203.0.113.9')))
  expect(codes).toEqual([...Array(10).fill('access.password'), 'limit.rate'])
})

test('who renews makes room for nobody, and is not the oldest then', async () => {
  const { passwords, state, clock } = open()
  // A portal that anybody has a password at: as many are remembered as there are portals.
  const at = (name: number) =>
    passwords.find(basic('bob:other'), { ...state.portal, name: `portal ${name}` }, '192.0.2.1')
  const isRemembered = (name: number) => !(at(name) instanceof Promise)
  for (const name of Array(9_999).keys()) await at(name)
  clock.advance(10 * 60_000)
  await at(0)
  await at(9_999)
  // All have their room now, and one more needs that of the oldest, which is the one that did not come again.
  await at(1)
  await at(10_000)
  expect([0, 1, 9_999, 10_000].map(isRemembered)).toEqual([true, true, true, true])
}, 300_000)

test('another kind of session is not judged here', async () => {
  const { passwords, find } = open()
  const session = await find('ada:secret')
  if (session === null) throw new Error('the password is right')
  expect(passwords.judge({ ...session })).toBeNull()
})

test('a flood from everywhere is turned away beyond what may wait, and whoever waited is answered', async () => {
  const { passwords, state } = open()
  const codes = await Promise.all(
    Array.from({ length: 200 }, (_, index) =>
      codeOf(() => passwords.find(basic(`who${index}:guess`), state.portal, `10.${index}.0.1`)),
    ),
  )
  const count = (code: string) => codes.filter(one => one === code).length
  expect([count('access.password'), count('limit.rate')]).toEqual([102, 98])
  expect(await codeOf(() => passwords.find(basic('ada:secret'), state.portal, '192.0.3.1'))).toBe('none')
})

test('who is known at a network is let in while strangers from more networks wait than may', async () => {
  const { passwords, state, find, clock } = open()
  expect(await codeOf(() => find('ada:secret', '198.51.100.7'))).toBe('none')
  clock.advance(11 * 60_000)
  let answered = 0
  const flood = Array.from({ length: 200 }, async (_, index) => {
    await codeOf(() => passwords.find(basic(`who${index}:guess`), state.portal, `10.${index}.0.1`))
    answered++
  })
  const stranger = codeOf(() => find('bob:other', '192.0.2.1'))
  expect(await codeOf(() => find('ada:secret', '198.51.100.7'))).toBe('none')
  expect(answered).toBeLessThan(150)
  expect(await stranger).toBe('limit.rate')
  await Promise.all(flood)
})

test('a network that is many addresses has a few guesses more than one, and keeps nobody else out', async () => {
  const { passwords, state } = open()
  let asked = 0
  const flood = async (addressOf: (index: number) => string, howMany: number) => {
    const codes = await Promise.all(
      Array.from({ length: howMany }, (_, index) =>
        codeOf(() => passwords.find(basic(`who${asked++}:guess`), state.portal, addressOf(index))),
      ),
    )
    return codes.filter(code => code === 'access.password').length
  }
  expect(await flood(index => `192.0.2.${index}`, 90)).toBe(40)
  expect(await flood(index => `2001:db8:0:1${index.toString(16).padStart(2, '0')}::1`, 90)).toBe(40)
  // One /56 of it has had 40.
  let tried = 0
  for (let round = 0; round < 4; round++) {
    tried += await flood(index => `2001:db8:0:${((round * 60 + index + 2) << 8).toString(16)}::1`, 60)
  }
  expect(tried).toBe(120)
  expect(await codeOf(() => passwords.find(basic('ada:secret'), state.portal, '2001:db8:1::1'))).toBe('none')
  expect(await codeOf(() => passwords.find(basic('bob:other'), state.portal, '192.0.3.1'))).toBe('none')
})

test('addresses that guess without end have their turns beside others, and none before them', async () => {
  const { passwords, state, change } = open()
  change(new Map([['ada', plainUser(await Bun.password.hash('secret', { algorithm: 'bcrypt', cost: 6 }))]]))
  const find = (pair: string, client: string) => codeOf(() => passwords.find(basic(pair), state.portal, client))
  let answered = 0
  const flood = Array.from({ length: 13 * 12 }, async (_, index) => {
    const code = await find(`who${index % 100}:guess${index}`, `10.${index % 13}.0.1`)
    if (code === 'access.password') answered++
    return code
  })
  // Whoever has nothing left has no place in the queue, and 13 addresses have less than it holds for each other.
  expect(await find('ada:secret', '198.51.100.7')).toBe('none')
  expect(answered).toBeLessThan(40)
  const codes = await Promise.all(flood)
  expect(codes.filter(code => code === 'limit.rate').length).toBeGreaterThanOrEqual(13 * 2)
})

describe('a name whose password is tried from everywhere', () => {
  /** So many guesses, each from a network of its own; how many of them were tried. */
  async function guess(find: ReturnType<typeof open>['find'], name: string, howMany: number, from: number) {
    const codes: string[] = []
    for (let index = 0; index < howMany; index++) {
      codes.push(await codeOf(() => find(`${name}:guess${index}`, `10.${from}.${index}.1`)))
      if (codes.at(-1) === 'limit.rate') break
    }
    return codes.filter(code => code === 'access.password').length
  }

  test('is tried thirty times, whether anybody has it or not, and once more every five minutes', async () => {
    const { find, clock } = open()
    expect(await guess(find, 'ada', 30, 1)).toBe(30)
    expect(await guess(find, 'nobody', 31, 2)).toBe(30)
    expect(await codeOf(() => find('ada:secret', '192.0.2.1'))).toBe('limit.rate')
    expect(await codeOf(() => find('bob:other', '192.0.2.1'))).toBe('none')
    clock.advance(5 * 60_000)
    expect(await guess(find, 'ada', 2, 3)).toBe(1)
  }, 300_000)

  test('keeps its owner out nowhere that they have been, however long it lasts', async () => {
    const { find, clock } = open()
    expect(await codeOf(() => find('ada:secret', '192.0.2.1'))).toBe('none')
    for (let day = 0; day < 100; day++) {
      clock.advance(24 * 60 * 60_000)
      if (day % 30 === 0) expect(await guess(find, 'ada', 30, day)).toBe(30)
      expect(await codeOf(() => find('ada:secret', '192.0.2.1'))).toBe('none')
    }
    expect(await guess(find, 'ada', 30, 200)).toBeGreaterThan(0)
    clock.advance(10 * 60_000)
    await guess(find, 'ada', 30, 201)
    // There, as anywhere, ten wrong ones are tried.
    const here: string[] = []
    for (let index = 0; index < 11; index++) here.push(await codeOf(() => find(`ada:here${index}`, '192.0.2.1')))
    expect(here.filter(code => code === 'access.password')).toHaveLength(10)
    // A neighbour is a stranger.
    expect(await codeOf(() => find('ada:secret', '192.0.2.2'))).toBe('limit.rate')
  }, 300_000)

  test('counts apart at another portal', async () => {
    const { find, passwords, state } = open()
    await guess(find, 'ada', 30, 1)
    const elsewhere = { ...state.portal, name: 'work' }
    expect(await codeOf(() => passwords.find(basic('ada:secret'), elsewhere, '192.0.2.1'))).toBe('none')
    expect(await codeOf(() => find('ada:secret', '192.0.2.1'))).toBe('limit.rate')
  }, 300_000)
})

test('a flood from one address is hashed ten times, and the rest is turned away unhashed', async () => {
  const { passwords, state } = open()
  const codes = await Promise.all(
    Array.from({ length: 60 }, (_, index) =>
      codeOf(() => passwords.find(basic(`who${index}:guess`), state.portal, `2001:db8::${index + 1}`)),
    ),
  )
  expect(codes.filter(code => code === 'access.password')).toHaveLength(10)
  expect(codes.filter(code => code === 'limit.rate')).toHaveLength(50)
})

test('a right password that takes long takes back its own count, and none of the wrong ones that came meanwhile', async () => {
  const { passwords, state, change } = open()
  const slow = await Bun.password.hash('secret', { algorithm: 'bcrypt', cost: 12 })
  change(new Map([...(state.portal.passwords ?? []), ['eve', plainUser(slow)]]))
  const right = codeOf(() => passwords.find(basic('eve:secret'), state.portal, '192.0.2.1'))
  const guess = (text: string) => codeOf(() => passwords.find(basic(`ada:${text}`), state.portal, '192.0.2.1'))
  for (let index = 0; index < 9; index++) expect(await guess(`guess${index}`)).toBe('access.password')
  expect(await right).toBe('none')
  expect([await guess('one more'), await guess('and another')]).toEqual(['access.password', 'limit.rate'])
})

test('other work goes on while passwords are hashed', async () => {
  const { passwords, state, change } = open()
  change(new Map([['ada', plainUser(await Bun.password.hash('secret', { algorithm: 'bcrypt', cost: 12 }))]]))
  let isHashed = false
  const flight = codeOf(() => passwords.find(basic('ada:wrong'), state.portal, '192.0.2.1')).then(code => {
    isHashed = true
    return code
  })
  let turns = 0
  while (!isHashed && turns < 20) {
    turns++
    await Bun.sleep(0)
  }
  expect([turns, isHashed]).toEqual([20, false])
  expect(await flight).toBe('access.password')
})

test('the log has the name of a user whose password was wrong, and none that nobody has: it may be a password', async () => {
  const { find } = open()
  const facts = async (pair: string) => (await refusal(find(pair))).facts
  expect(await facts('ada:wrong')).toEqual({ user: 'ada' })
  expect(await facts('secret:ada')).toEqual({})
})
