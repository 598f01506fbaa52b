import { expect, test } from 'bun:test'
import { makeIdentity } from '../../../src/identity/identity.ts'
import { createCredentialCache } from '../../../src/session/credentials/cache.ts'
import { issuedSession } from '../../../src/session/credentials/issued.ts'
import { memoryOf } from '../../../src/session/session-cache.ts'

function held(id: string, owner: string | null = null) {
  const row = { id, portal: 'home', createdAtMs: 0, expiresAtMs: 1 }
  return { session: issuedSession(row, makeIdentity('', '', id, {}), owner), owner }
}

/** Of the longest name that is used here. */
const HELD_BYTES = memoryOf(JSON.stringify(held('another').session.identity).length)

const cacheOf = (capacity: number) => createCredentialCache<ReturnType<typeof held>>(() => capacity * HELD_BYTES)

test('the oldest secret makes room, and leaves the others of its link', () => {
  const cache = cacheOf(2)
  const [link, token] = [held('link'), held('token')]
  cache.add('first guest', link)
  cache.add('second guest', link)
  cache.add('token', token)
  expect(cache.get('first guest')).toBeUndefined()
  expect(cache.get('second guest')).toBe(link)
  expect(cache.ofId('link')).toBe(link)
  cache.add('another', held('another'))
  expect(cache.ofId('link')).toBeUndefined()
  expect(cache.get('token')).toBe(token)
})

test('whoever is forgotten is forgotten by every secret, and readings that began before are told', () => {
  const cache = cacheOf(10)
  cache.add('first guest', held('link', 'ada'))
  cache.add('second guest', held('link', 'ada'))
  cache.add('of ben', held('token', 'ben'))
  const before = cache.forgotten
  cache.forgetOwner('ada')
  expect([cache.get('first guest'), cache.get('second guest'), cache.ofId('link')]).toEqual([
    undefined,
    undefined,
    undefined,
  ])
  expect(cache.get('of ben')?.owner).toBe('ben')
  expect(cache.forgotten).toBeGreaterThan(before)
})

test('once all is forgotten there is as much room as at first', () => {
  const cache = cacheOf(2)
  const add = () => {
    for (const secret of ['one', 'two']) cache.add(secret, held('another'))
  }
  add()
  cache.forgetAll()
  expect([cache.get('one'), cache.ofId('another')]).toEqual([undefined, undefined])
  add()
  expect([cache.get('one')?.session.id, cache.get('two')?.session.id]).toEqual(['another', 'another'])
  cache.add('three', held('another'))
  expect(cache.get('one')).toBeUndefined()
})

test('one that is read while it is revoked does not stay', async () => {
  const cache = cacheOf(10)
  cache.add('text', held('token'))
  const isGone = await cache.revoke('token', () => {
    expect(cache.get('text')).toBeUndefined()
    cache.add('text', held('token'))
    return true
  })
  expect(isGone).toBe(true)
  expect(cache.get('text')).toBeUndefined()
})

test('a long identity makes as much room as it takes', () => {
  const cache = cacheOf(4)
  for (const id of ['one', 'two', 'three', 'four']) cache.add(id, held(id))
  const long = held('long')
  const identity = { ...long.session.identity, groups: Array.from({ length: 300 }, (_, at) => `group ${at}`) }
  cache.add('long', { ...long, session: { ...long.session, identity } })
  expect(['one', 'two', 'three', 'four', 'long'].map(id => cache.get(id) === undefined)).toEqual([
    true,
    true,
    true,
    true,
    false,
  ])
  cache.add('five', held('five'))
  expect([cache.get('long'), cache.get('five')?.session.id]).toEqual([undefined, 'five'])
})
