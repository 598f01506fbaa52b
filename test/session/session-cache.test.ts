import { expect, test } from 'bun:test'
import { makeIdentity } from '../../src/identity/identity.ts'
import { momentsOf } from '../../src/session/lifetimes.ts'
import { type HeldSession, memoryOf, SessionCache } from '../../src/session/session-cache.ts'

/** A session in memory whose identity is as long as this. */
function held(id: string, jsonLength: number): HeldSession {
  const row = { createdAtMs: 0, checkedAtMs: 0, isRefreshable: false, isRemembered: false, expiresAtMs: 1e12 }
  const identity = makeIdentity('id', 'https://id.example', id, {})
  const moments = momentsOf(row, { lifetimeMs: 1e9, idleMs: 1e9, rememberMs: 1e9, refreshMs: 1e9, refreshLimitMs: 1e9 })
  const session = { ...row, id, portal: 'home', identity }
  const rest = { dueAtMs: 1e12, retryAtMs: 0, lastSeenMs: 0, storedSeenMs: 0, opened: null }
  return { session, checkedAtMs: 0, isRefreshable: false, moments, jsonLength, ...rest }
}

/** A cookie that lasts as long as its session, and stands for all of it. */
const WHOLE = { untilMs: Number.POSITIVE_INFINITY, shown: undefined, as: null, movedAtMs: 0 }

const SMALL = 500
/** One small session with its cookie. */
const PLACE = memoryOf(SMALL) + 512

function add(cache: SessionCache, id: string, jsonLength = SMALL): HeldSession {
  const one = held(id, jsonLength)
  cache.add({ token: `cookie-${id}`, host: 'app.example', held: one, ...WHOLE })
  return one
}

test('a session whose provider says much takes the place of several, and gives it back', () => {
  const evicted: string[] = []
  const cache = new SessionCache(10 * PLACE, ({ session }) => evicted.push(session.id))
  for (let at = 0; at < 10; at++) add(cache, `small-${at}`)
  expect([cache.size, cache.bytes, cache.maxBytes, evicted.length]).toEqual([10, 10 * PLACE, 10 * PLACE, 0])
  // Some 4.5 of the small ones.
  add(cache, 'large', 2_900)
  expect([cache.size, evicted.length]).toEqual([6, 5])
  expect(cache.bytes).toBe(5 * PLACE + memoryOf(2_900) + 512)
  cache.dropSession('large')
  for (let at = 0; at < 5; at++) add(cache, `later-${at}`)
  expect([cache.size, cache.bytes, evicted.length]).toEqual([10, 10 * PLACE, 5])
})

test('one that grows at a refresh makes room then, and a second cookie to it costs a little', () => {
  const evicted: string[] = []
  const cache = new SessionCache(9 * PLACE + 512, ({ session }) => evicted.push(session.id))
  for (let at = 0; at < 8; at++) add(cache, `small-${at}`)
  const grown = add(cache, 'grown')
  cache.add({ token: 'second', host: 'app.example', held: grown, ...WHOLE })
  expect([cache.size, cache.bytes, evicted.length]).toEqual([10, 9 * PLACE + 512, 0])
  cache.add({ token: 'third', host: 'app.example', held: grown, ...WHOLE })
  expect([cache.size, evicted]).toEqual([10, ['small-0']])
  grown.jsonLength = 2_000
  cache.weigh('grown')
  expect([cache.size, evicted.length]).toEqual([8, 3])
  for (const token of ['second', 'third', 'cookie-grown']) cache.drop(token)
  expect([cache.size, cache.bytes]).toEqual([5, 5 * PLACE])
})

test('tokens of the provider that somebody has asked for count, and nothing is left of what is gone', () => {
  const evicted: string[] = []
  const cache = new SessionCache(3 * PLACE, ({ session }) => evicted.push(session.id))
  const [first] = [add(cache, 'first'), add(cache, 'second')]
  const token = { text: 'x'.repeat(PLACE), expiresAtMs: 1e12 }
  first.opened = { checkedAtMs: 0, vain: new Set(), access: token, id: null }
  cache.weigh('first')
  expect([cache.bytes, evicted]).toEqual([3 * PLACE, []])
  add(cache, 'third')
  expect([evicted, cache.bytes]).toEqual([['first'], 2 * PLACE])
  cache.resize(PLACE)
  expect([evicted, cache.bytes]).toEqual([['first', 'second'], PLACE])
  cache.resize(0)
  expect([cache.size, cache.bytes]).toEqual([0, 0])
})
