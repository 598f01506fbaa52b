import { expect, test } from 'bun:test'
import { makeIdentity } from '../../../src/identity/identity.ts'
import { countSessions } from '../../../src/portal/admin/overview.ts'
import { parseBinding } from '../../../src/session/device-binding.ts'
import type { SessionEntry } from '../../../src/session/session.ts'

const NOW_MS = 1_000_000_000
const BINDING = { name: 'home', bindSessions: 'offered' } as const

function entry(at: number): SessionEntry {
  const subject = `person-${Math.floor(at / 3)}`
  const identity = makeIdentity('id', 'https://id.example', subject, {})
  const kept = { key: { x: 'x', y: 'y' }, thumbprint: 't', boundAtMs: 0, network: '' }
  const bound = at % 4 === 0 ? { bound: parseBinding(`${at}`, JSON.stringify(kept)) } : {}
  const times = { createdAtMs: 0, expiresAtMs: 0 }
  const session = { id: `${at}`, portal: 'home', identity, isRemembered: false, ...times, ...bound }
  return { session, agent: '', client: '', lastSeenMs: NOW_MS - at * 60_000 }
}

/** A store with so many sessions, and what it was asked for. */
function storeOf(count: number) {
  const asked: unknown[] = []
  return {
    asked,
    async list(portal: string, { after, limit }: { readonly after: string | null; readonly limit: number }) {
      asked.push([portal, after, limit])
      const entries = Array.from({ length: Math.min(count, limit) }, (_, at) => entry(at))
      return { entries, next: count > limit ? 'more' : null }
    },
    countAt(portal: string) {
      asked.push(portal)
      return count
    },
  }
}

test('of few sessions it is known how many people they are of, and how many were used lately', async () => {
  const store = storeOf(20)
  const { latest, ...counts } = await countSessions(store, BINDING, NOW_MS)
  expect(counts).toEqual({ sessions: 20, people: 7, active: 15, bound: 5, looked: 20 })
  const unbinding = await countSessions(store, { name: 'home', bindSessions: null }, NOW_MS)
  expect(unbinding.bound).toBeNull()
  expect(latest.map(({ session }) => session.id)).toEqual(['0', '1', '2', '3', '4'])
  expect(store.asked).toEqual(Array(2).fill(['home', null, 100]))
})

test('of a hundred thousand sessions a hundred are read, and the others are only counted', async () => {
  const store = storeOf(100_000)
  const { latest, ...counts } = await countSessions(store, BINDING, NOW_MS)
  expect(counts).toEqual({ sessions: 100_000, people: null, active: null, bound: 25, looked: 100 })
  expect(latest).toHaveLength(5)
  expect(store.asked).toEqual([['home', null, 100], 'home'])
})
