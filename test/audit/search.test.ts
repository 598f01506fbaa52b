import { expect, test } from 'bun:test'
import { renderRecord } from '../../src/audit/record.ts'
import { findAudit, searchAudit } from '../../src/audit/search.ts'
import { auditOver } from '../../src/session/redis/audit.ts'
import type { RedisPartition } from '../../src/session/redis/partitions.ts'

const NOBODY = { who: 'nobody', event: null, sinceMs: null, portal: null }

const record = renderRecord({ atMs: 1, event: 'sign_in', facts: { user: 'ada' } })

/** A store that answers at once, as SQLite does, for a few pages. */
const atOnce = {
  listAudit: ({ after }: { readonly after: string | null }) => {
    const page = Number(after ?? 0) + 1
    return { rows: [{ id: `${page}`, record }], next: page === 9 ? null : `${page}` }
  },
}

/** Whether others had their turn before this was done. */
async function letsOthers(work: () => Promise<unknown>): Promise<boolean> {
  let hadTurn = false
  setImmediate(() => {
    hadTurn = true
  })
  await work()
  return hadTurn
}

test('requests are answered while somebody is looked for who is nowhere', async () => {
  expect(await letsOthers(() => Array.fromAsync(searchAudit(atOnce, NOBODY)))).toBe(true)
  const page = { after: null, limit: 1, lookThrough: 100 }
  expect(await letsOthers(() => findAudit(atOnce, NOBODY, page))).toBe(true)
})

test('a page of two streams of Redis has the latest of both, in the order of their times', async () => {
  const streams: Readonly<Record<string, readonly string[]>> = {
    audit: ['30-0', '20-1', '10-5'],
    'audit-frequent': ['30-1', '20-0', '10-6'],
  }
  const { listAudit } = auditOver({
    prefix: '',
    send: async (_, [stream = '']) => streams[stream]?.map(place => [place, ['record', place]]),
  } as RedisPartition)
  const { rows, next } = await listAudit({ after: null, limit: 5 })
  expect(rows.map(({ record: place }) => place)).toEqual(['30-1', '30-0', '20-1', '20-0', '10-6'])
  expect(next).toBe('20-1 10-6')
})
