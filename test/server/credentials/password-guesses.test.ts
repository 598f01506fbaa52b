import { beforeAll, expect, test } from 'bun:test'
import { GateError } from '../../../src/base/errors.ts'
import type { PortalConfig } from '../../../src/config/resolve/portals.ts'
import { plainUser } from '../../../src/config/values/users-file.ts'
import { type Attempt, createGuesses } from '../../../src/server/credentials/password-guesses.ts'
import { createPasswords } from '../../../src/server/credentials/passwords.ts'
import { createCodes } from '../../../src/server/credentials/second-factor-codes.ts'
import { createAccounts } from '../../../src/session/accounts/accounts.ts'
import { createOnce } from '../../../src/session/one-time.ts'
import { createRateLimits } from '../../../src/session/rate-limits.ts'
import { createSealer } from '../../../src/session/seal.ts'
import { openSqliteStore } from '../../../src/session/sqlite/store.ts'
import { accepts } from '../../config/checks.ts'
import { fakeClock, quietPorts } from '../../kit/clock.ts'
import { basic } from '../../kit/fields.ts'
import { eventually } from '../../kit/gate.ts'
import { NO_DEFERRED_ENDS } from '../../kit/sessions/lifetimes.ts'
import { codeAt, SECOND_FACTOR } from '../../kit/totp.ts'

const CLIENT = '192.0.2.1'
const ATTEMPT: Attempt = { client: CLIENT, who: 'portal home ada', user: 'ada', browser: null }
let hash = ''
beforeAll(async () => {
  // Those who come at once at several workers have two seconds for all of them: the cheapest there is.
  hash = await Bun.password.hash('secret', { algorithm: 'bcrypt', cost: 4 })
})

/** Sessions of one store, a count of what was asked of it, and a log that is kept. */
function shared() {
  const clock = fakeClock()
  // A server with a clock of its own, ahead of ours.
  const ahead = { now: () => clock.now() + 6 * 60_000 }
  const store = openSqliteStore(':memory:', quietPorts(clock))
  const allowances = createRateLimits(store, ahead)
  const told: string[] = []
  const quiet = quietPorts(clock)
  const ports = { ...quiet, log: { ...quiet.log, warn: (message: string) => void told.push(message) } }
  const state = { spends: 0, isLocked: false }
  const sessions = {
    ...createOnce(store, createSealer(new Uint8Array(32), quiet), clock),
    accounts: createAccounts({
      store,
      sealer: createSealer(new Uint8Array(32), quiet),
      ports: quiet,
      deferredEnds: NO_DEFERRED_ENDS,
      people: [],
    }),
    spend: allowances.spend,
    spendAll(...asked: Parameters<typeof allowances.spendAll>) {
      state.spends++
      return allowances.spendAll(...asked)
    },
    async refund(...asked: Parameters<typeof allowances.refund>) {
      if (state.isLocked) throw new Error('database is locked')
      await allowances.refund(...asked)
    },
  }
  return { clock, ports, sessions, state, told }
}

/**
 * Workers over the same store, at a portal where everybody has the same password. `askAgainMs` is that of the product where right passwords
 * are waited for, and next to none where wrong ones are refused.
 */
function workers(
  howMany: number,
  { of = shared(), askAgainMs }: { of?: ReturnType<typeof shared>; askAgainMs?: number } = {},
) {
  const base = accepts('').portals.get('home')
  if (base === undefined) throw new Error('the fragment has a portal')
  const portal: PortalConfig = { ...base, passwords: new Map([['ada', plainUser(hash)]]) }
  const all = Array.from({ length: howMany }, () =>
    createPasswords({ ...of, portal: () => portal, providers: () => [], askAgainMs }),
  )
  const find = (at: number, password: string, client = CLIENT) =>
    codeOf(async () => all[at % howMany]?.find(basic(`ada:${password}`).authorization, portal, client))
  return { ...of, find }
}

async function codeOf(act: () => Promise<unknown>): Promise<string> {
  try {
    await act()
  } catch (error) {
    if (error instanceof GateError) return error.code
    throw error
  }
  return 'none'
}

/** Somebody with a second factor. */
const ADA = { provider: 'people', name: 'ada', secret: SECOND_FACTOR }

const howMany = (codes: readonly string[], code: string) => codes.filter(one => one === code).length

test('right passwords that come at once, at more workers than may be wrong, are all let in, and none stays counted', async () => {
  const { find } = workers(12)
  const codes = await Promise.all(Array.from({ length: 12 }, (_, at) => find(at, 'secret')))
  expect(howMany(codes, 'none')).toBe(12)
  const wrong = await Promise.all(Array.from({ length: 12 }, (_, at) => find(at, `guess${at}`)))
  expect([howMany(wrong, 'access.password'), howMany(wrong, 'limit.rate')]).toEqual([10, 2])
})

test('a user stays known at a network for ninety days from a right password, and no longer', async () => {
  const { ports, sessions, clock } = shared()
  let key = ''
  const putOneTime: typeof sessions.putOneTime = (...asked) => {
    key = asked[1]
    return sessions.putOneTime(...asked)
  }
  const guesses = createGuesses(ports, { ...sessions, putOneTime })
  const guess = await guesses.begin(ATTEMPT)
  await guess.takeBack()
  guess.leave()
  clock.advance(90 * 24 * 60 * 60_000 - 1)
  expect(await sessions.peekOnce('known', key)).not.toBeNull()
  clock.advance(2)
  expect(await sessions.peekOnce('known', key)).toBeNull()
})

test('right passwords of a crowd wait for each other, however slowly this worker hashes them', async () => {
  const { ports, sessions, state } = shared()
  const guesses = createGuesses(ports, sessions)
  const people = Array.from({ length: 32 }, (_, at) => ({ ...ATTEMPT, who: `portal home person-${at}` }))
  let isSlow = true
  const slow = Promise.withResolvers<void>()
  const codes = people.map(person =>
    codeOf(async () => {
      const guess = await guesses.begin(person)
      if (isSlow) await slow.promise
      await guess.takeBack()
      guess.leave()
    }),
  )
  await eventually(() => state.spends === 32, 'all have asked')
  // As long as ten of them are hashed nobody else is asked about again: that would end after two seconds.
  await Bun.sleep(600)
  expect(state.spends).toBe(32)
  isSlow = false
  slow.resolve()
  expect(howMany(await Promise.all(codes), 'none')).toBe(32)
})

test('who finds nothing left but wrong ones is refused once they are known to be wrong', async () => {
  const { ports, sessions, state } = shared()
  const guesses = createGuesses(ports, sessions, 5)
  const held = []
  for (let at = 0; at < 10; at++) held.push(guesses.begin({ ...ATTEMPT, who: `portal home person-${at}` }))
  const waits = codeOf(() => guesses.begin(ATTEMPT))
  const places = []
  for (const one of held.slice(0, 2)) places.push(await one)
  await eventually(() => state.spends === 11, 'all have asked')
  for (const [at, place] of places.entries()) {
    place.leave()
    // At once, and not when it would give up.
    for (let turn = 0; turn < 1000 && state.spends < 12 + at; turn++)
      await new Promise(resolve => setImmediate(resolve))
    expect(state.spends).toBe(12 + at)
  }
  for (const one of held.slice(2)) (await one).leave()
  expect(await waits).toBe('limit.rate')
})

test('no more wrong ones are tried for coming at once at many workers, and one more for each time', async () => {
  const { find, clock } = workers(16, { askAgainMs: 5 })
  const guess = (wave: string) => Promise.all(Array.from({ length: 64 }, (_, at) => find(at, `${wave}${at}`)))
  expect(howMany(await guess('a'), 'access.password')).toBe(10)
  clock.advance(30_000)
  expect(howMany(await guess('b'), 'access.password')).toBe(1)
})

test('strangers who wait leave those room who are known', async () => {
  const { ports, sessions, state } = shared()
  const guesses = createGuesses(ports, sessions)
  const known: Attempt = { ...ATTEMPT, client: '198.51.100.7', browser: 'a browser of hers' }
  const right = async () => {
    const guess = await guesses.begin(known)
    await guess.takeBack()
    guess.leave()
  }
  const wrong = async (at: number) => (await guesses.begin({ ...ATTEMPT, who: `portal home person-${at}` })).leave()
  const strangers = Array.from({ length: 70 }, (_, at) => codeOf(() => wrong(at)))
  await eventually(() => state.spends >= 70, 'all strangers have asked')
  const hers = Array.from({ length: 12 }, () => codeOf(right))
  expect(howMany(await Promise.all(hers), 'none')).toBe(12)
  expect(howMany(await Promise.all(strangers), 'limit.rate')).toBe(60)
})

test('who waits keeps no place from others, and beyond some nobody waits', async () => {
  const of = shared()
  const { find } = workers(1, { of })
  const other = workers(1, { of })
  for (let at = 0; at < 10; at++) await other.find(0, `guess${at}`)
  of.state.spends = 0
  let settled = 0
  const held = Array.from({ length: 80 }, async (_, at) => {
    const code = await find(0, `more${at}`)
    settled++
    return code
  })
  expect(await find(0, 'secret', '198.51.100.7')).toBe('none')
  // Fifty wait; the others were refused at once.
  expect(settled).toBe(30)
  expect(howMany(await Promise.all(held), 'limit.rate')).toBe(80)
  // Each asks once and again eight times, but for those that find out that others waited in vain.
  expect(of.state.spends).toBeLessThanOrEqual(1 + 80 + 50 * 8)
  of.state.spends = 0
  expect(await find(0, 'and one more')).toBe('limit.rate')
  expect(of.state.spends).toBe(1)
})

test('who waits is let in as soon as what was counted is given back, also after others waited in vain', async () => {
  const { ports, sessions } = shared()
  const [guesses, elsewhere] = [createGuesses(ports, sessions, 5), createGuesses(ports, sessions, 5)]
  const held = []
  for (let times = 0; times < 10; times++) {
    const guess = await elsewhere.begin(ATTEMPT)
    guess.leave()
    held.push(guess)
  }
  expect(await codeOf(() => guesses.begin(ATTEMPT))).toBe('limit.rate')
  await held.pop()?.takeBack()
  const right = await guesses.begin(ATTEMPT)
  await right.takeBack()
  right.leave()
  held.push(await guesses.begin(ATTEMPT))
  const waits = guesses.begin(ATTEMPT)
  await held.pop()?.takeBack()
  await (await waits).takeBack()
})

test('a right password, and a right code, are let in where what was counted cannot be given back, which is told', async () => {
  const of = shared()
  of.state.isLocked = true
  const { find, told } = workers(1, { of })
  expect(await find(0, 'secret')).toBe('none')
  expect(told).toEqual(['Something stays counted as wrong that was not'])

  const codes = createCodes(of.ports, of.sessions)
  const code = codeAt(of.clock.now())
  expect(await codes.checkFactor(ADA, code)).toEqual({ refusal: null, recoveryLeft: null })
  expect(told).toHaveLength(2)
})

test('the last but none is told, by what the store says is left', async () => {
  const of = shared()
  const { find, told } = workers(1, { of })
  for (let at = 0; at < 9; at++) await find(0, `guess${at}`)
  expect(told).toEqual([])
  await find(0, 'the tenth')
  expect(told).toEqual(['An address is close to giving too many wrong passwords'])
})

test('who is refused since the queue is full counts for their own network, and not for the name', async () => {
  const { ports, sessions } = shared()
  const guesses = createGuesses(ports, sessions, 5)
  const refusal = (attempt: Partial<Attempt>): Promise<string> =>
    guesses.begin({ ...ATTEMPT, ...attempt }).then(
      guess => {
        guess.leave()
        return 'tried'
      },
      (error: unknown) => (error instanceof GateError ? `${error.code}: ${error.message}` : String(error)),
    )
  const others = (at: number) => ({ client: `10.${at}.0.1`, who: `portal home other${at}` })
  const held = await Promise.all([0, 1].map(at => guesses.begin({ ...ATTEMPT, ...others(at) })))
  const waiting = Array.from({ length: 100 }, (_, at) => refusal(others(2 + at)))
  const FULL = 'limit.rate: more passwords came than can be checked'
  // More than may be wrong for one name, and from one address as many.
  for (let at = 0; at < 40; at++) expect(await refusal({ client: `192.${at}.0.1` })).toBe(FULL)
  for (let at = 0; at < 9; at++) expect(await refusal({ client: '192.0.0.1', who: `portal home eve${at}` })).toBe(FULL)
  for (const guess of held) guess.leave()
  expect(new Set(await Promise.all(waiting))).toEqual(new Set(['tried']))
  expect(await refusal({ client: '198.51.100.1' })).toBe('tried')
  expect(await refusal({ client: '192.0.0.1', who: 'portal home bob' })).toContain('too many wrong passwords')
})
