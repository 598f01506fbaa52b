import { beforeAll, describe, expect, test } from 'bun:test'
import { GateError } from '../../../src/base/errors.ts'
import type { PortalConfig } from '../../../src/config/types/portals.ts'
import { createPasswords, type Passwords } from '../../../src/server/credentials/passwords.ts'
import { createAllowances } from '../../../src/session/spent/allowances.ts'
import { openSqliteStore } from '../../../src/session/sqlite/store.ts'
import { accepts } from '../../config/checks.ts'
import { fakeClock, quietPorts } from '../../kit/clock.ts'

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
        ['ada', hash],
        ['bob', other],
      ]),
    } satisfies PortalConfig as PortalConfig,
  }
  const store = openSqliteStore(':memory:', quietPorts(clock))
  const passwords = createPasswords({
    ports: quietPorts(clock),
    sessions: {
      putOnce: () => Promise.reject(new Error('a password is not kept')),
      ...createAllowances(store, clock),
    },
    portal: name => (name === 'home' ? state.portal : undefined),
  })
  const find = async (pair: string, client = '192.0.2.1') => passwords.find(basic(pair), state.portal, client)
  return {
    clock,
    state,
    store,
    passwords,
    find,
    change(map: ReadonlyMap<string, string>) {
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
    change(new Map([['ada', other]]))
    expect(await codeOf(() => passwords.find(basic('ada:secret'), state.portal, '192.0.2.1'))).toBe('access.password')
    expect(passwords.judge(session)).toBe(false)
    change(new Map([['ada', hash]]))
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
    const elsewhere = { ...state.portal, name: 'work', passwords: new Map([['ada', other]]) }
    expect(await codeOf(() => passwords.find(basic('ada:secret'), elsewhere, '192.0.2.1'))).toBe('access.password')
    expect(
      await codeOf(() => passwords.find(basic('ada:secret'), { ...elsewhere, passwords: null }, '192.0.2.1')),
    ).toBe('access.password')
  })
})

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
      codeOf(() => passwords.find(basic(`ada:guess${index}`), state.portal, `192.0.2.${index}`)),
    ),
  )
  const count = (code: string) => codes.filter(one => one === code).length
  expect([count('access.password'), count('limit.rate')]).toEqual([102, 98])
  expect(await codeOf(() => passwords.find(basic('ada:secret'), state.portal, '192.0.3.1'))).toBe('none')
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
  change(new Map([...(state.portal.passwords ?? []), ['eve', slow]]))
  const right = codeOf(() => passwords.find(basic('eve:secret'), state.portal, '192.0.2.1'))
  const guess = (text: string) => codeOf(() => passwords.find(basic(`ada:${text}`), state.portal, '192.0.2.1'))
  for (let index = 0; index < 9; index++) expect(await guess(`guess${index}`)).toBe('access.password')
  expect(await right).toBe('none')
  expect([await guess('one more'), await guess('and another')]).toEqual(['access.password', 'limit.rate'])
})

test('other work goes on while passwords are hashed', async () => {
  const { passwords, state, change } = open()
  change(new Map([['ada', await Bun.password.hash('secret', { algorithm: 'bcrypt', cost: 12 })]]))
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
