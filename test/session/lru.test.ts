import { expect, test } from 'bun:test'
import { makeIdentity } from '../../src/identity/identity.ts'
import { momentsOf } from '../../src/session/life.ts'
import { type HeldSession, SessionCache } from '../../src/session/lru.ts'

const KB = 1024

/** A session in memory whose identity is as long as this. */
function held(id: string, bytes: number): HeldSession {
  const row = { createdAtMs: 0, checkedAtMs: 0, isRefreshable: false, isRemembered: false, expiresAtMs: 1e12 }
  const identity = makeIdentity('id', 'https://id.example', id, {})
  const moments = momentsOf(row, { lifetimeMs: 1e9, idleMs: 1e9, rememberMs: 1e9, refreshMs: 1e9, refreshLimitMs: 1e9 })
  const session = { ...row, id, portal: 'home', identity }
  const rest = { dueAtMs: 1e12, retryAtMs: 0, lastSeenMs: 0, storedSeenMs: 0, opened: null }
  return { session, checkedAtMs: 0, isRefreshable: false, moments, bytes, ...rest }
}

/** A cookie that lasts as long as its session, and stands for all of it. */
const WHOLE = { untilMs: Number.POSITIVE_INFINITY, shown: undefined, as: null, movedAtMs: 0 }

function add(cache: SessionCache, id: string, bytes: number): HeldSession {
  const one = held(id, bytes)
  cache.add({ token: `cookie-${id}`, host: 'app.example', held: one, ...WHOLE })
  return one
}

test('a session whose provider says much takes the place of several, and gives it back', () => {
  const evicted: string[] = []
  const cache = new SessionCache(10, ({ session }) => evicted.push(session.id))
  for (let at = 0; at < 10; at++) add(cache, `small-${at}`, KB)
  expect([cache.size, evicted.length]).toEqual([10, 0])
  add(cache, 'large', 16 * KB)
  expect([cache.size, evicted.length]).toEqual([6, 5])
  cache.dropSession('large')
  for (let at = 0; at < 5; at++) add(cache, `later-${at}`, KB)
  expect([cache.size, evicted.length]).toEqual([10, 5])
})

test('one that grows at a refresh makes room then, and a second cookie to it costs one place', () => {
  const evicted: string[] = []
  const cache = new SessionCache(10, ({ session }) => evicted.push(session.id))
  for (let at = 0; at < 8; at++) add(cache, `small-${at}`, KB)
  const grown = add(cache, 'grown', KB)
  cache.add({ token: 'second', host: 'app.example', held: grown, ...WHOLE })
  expect([cache.size, evicted.length]).toEqual([10, 0])
  grown.bytes = 12 * KB
  cache.weigh('grown')
  expect([cache.size, evicted.length]).toEqual([7, 3])
  cache.drop('second')
  cache.drop('cookie-grown')
  for (let at = 0; at < 5; at++) add(cache, `later-${at}`, KB)
  expect([cache.size, evicted.length]).toEqual([10, 3])
})
