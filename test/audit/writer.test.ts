import { describe, expect, test } from 'bun:test'
import { type AuditFacts, parseRecord } from '../../src/audit/record.ts'
import { searchAudit } from '../../src/audit/search.ts'
import type { AuditStore, StoredAudit } from '../../src/audit/store.ts'
import { createAudit } from '../../src/audit/writer.ts'
import { openSqliteStore } from '../../src/session/sqlite/store.ts'
import { fakeClock, quietPorts } from '../kit/clock.ts'
import { recordedLog } from '../kit/log/record.ts'

const BOUNDLESS = { who: null, event: null, sinceMs: null, portal: null }

/** A trail in a store of its own, in memory, and what it says. */
function openTrail(over: Partial<AuditStore> = {}, keepMs = 60 * 60_000) {
  const clock = fakeClock()
  const ports = quietPorts(clock)
  const store = openSqliteStore(':memory:', ports)
  const log: string[] = []
  const lines = recordedLog(clock.now, log)
  const appended: (readonly StoredAudit[])[] = []
  const watched: AuditStore = {
    ...store,
    appendAudit(rows, keptMs) {
      appended.push(rows)
      return store.appendAudit(rows, keptMs)
    },
    ...over,
  }
  const audit = createAudit({ store: watched, ports: { ...ports, log: lines }, keepMs: () => keepMs, lines })
  const rows = async () => {
    const found = []
    for await (const { event, facts } of searchAudit(store, BOUNDLESS)) found.push({ event, ...facts })
    return found
  }
  return { audit, log, rows, appended, clock, store }
}

describe('the audit trail', () => {
  test('has a line and a row for each event, with what may be kept and nothing else', async () => {
    const { audit, log, rows } = openTrail()
    const facts = { user: 'ada', client: '192.0.2.1', agent: 'x'.repeat(5000), path: '/private?key=secret' }
    await audit.keep('sign_in', facts as AuditFacts)
    const kept = { user: 'ada', client: '192.0.2.1', agent: 'x'.repeat(200) }
    expect(log.map(line => JSON.parse(line))).toEqual([
      expect.objectContaining({ level: 'info', message: 'Somebody signed in', event: 'sign_in', ...kept }),
    ])
    expect(log[0]).not.toContain('secret')
    expect(await rows()).toEqual([{ event: 'sign_in', ...kept }])
  })

  test('is a line alone where no rows are kept', async () => {
    const { audit, log, rows, appended } = openTrail({}, 0)
    await audit.keep('sign_in', { user: 'ada' })
    audit.note('access.refused', { client: '192.0.2.1' })
    await audit.close()
    expect([log.length, appended.length, await rows()]).toEqual([2, 0, []])
  })

  test('writes all that comes while one write is under way in one more', async () => {
    const released = Promise.withResolvers<void>()
    const sizes: number[] = []
    const { audit } = openTrail({
      async appendAudit(rows) {
        sizes.push(rows.length)
        await released.promise
      },
    })
    const all = Array.from({ length: 40 }, (_, index) => audit.keep('sign_in', { user: `user-${index}` }))
    released.resolve()
    await Promise.all(all)
    expect(sizes).toEqual([1, 39])
  })

  test('counts what strangers do again and again: two rows for a thousand, a line for each', async () => {
    const { audit, log, rows } = openTrail()
    for (let count = 0; count < 1000; count++) {
      audit.note('access.token_wrong', { client: '2001:db8::1', route: 'wiki', id: `request-${count}` })
      audit.note('access.token_wrong', { client: `2001:db8::${count}`, route: 'wiki' })
    }
    await audit.close()
    expect(log).toHaveLength(2000)
    expect((await rows()).map(({ count }) => count)).toEqual([1999, undefined])
  })

  test('of ever new addresses as few rows are written as of one, and who they were is not said of all', async () => {
    const { audit, rows } = openTrail()
    for (let count = 0; count < 5000; count++) {
      audit.note('access.refused', { client: `198.51.${count >> 8}.${count & 255}`, route: 'wiki', portal: 'home' })
    }
    await audit.close()
    const found = await rows()
    expect(found.length).toBeLessThan(250)
    expect(found.reduce((sum, { count }) => sum + Number(count ?? 1), 0)).toBe(5000)
    expect(found[0]).toEqual({ event: 'access.refused', portal: 'home', count: 4799 })
  })

  test('keeps rows that the store does not take, and writes them once it does', async () => {
    let isDown = true
    const trail = openTrail({
      appendAudit(rows, keepMs) {
        if (isDown) throw new Error('the disk is full')
        return trail.store.appendAudit(rows, keepMs)
      },
    })
    const { audit, log, rows } = trail
    for (let count = 0; count < 10_019; count++) audit.note('sign_in', { user: `user-${count}` })
    await audit.keep('sign_in', { user: 'last' })
    await audit.keep('sign_out', { user: 'last' })
    expect(log.filter(line => line.includes('the disk is full'))).toHaveLength(1)
    expect(await rows()).toEqual([])
    isDown = false
    await audit.close()
    const found = await rows()
    expect(found.filter(({ event }) => event === 'sign_in')).toHaveLength(9_999)
    expect(found.filter(({ event }) => event === 'audit.lost')).toEqual([{ event: 'audit.lost', number: 21 }])
  })

  test('says how many rows are lost where the store fails until the process stops', async () => {
    const { audit, log } = openTrail({
      appendAudit() {
        throw new Error('the disk is full')
      },
    })
    await audit.keep('sign_in', { user: 'ada' })
    await audit.keep('sign_in', { user: 'ben' })
    await audit.close()
    const said = log.map(line => JSON.parse(line)).filter(({ level }) => level === 'error')
    expect(said).toMatchObject([{ error: 'Error: the disk is full' }, { number: 2 }])
  })

  test('a row of another version is passed over', () => {
    expect(parseRecord('[1,"something.new",{}]')).toBeNull()
    expect(parseRecord('[1,"sign_in",null]')).toBeNull()
    expect(parseRecord('{')).toBeNull()
    expect(parseRecord('[1,"sign_in",{"user":"ada","secret":"x"}]')).toEqual({
      atMs: 1,
      event: 'sign_in',
      facts: { user: 'ada' },
    })
  })
})
