import { expect, test } from 'bun:test'
import { GateError } from '../../../src/base/errors.ts'
import { sayReady } from '../../../src/portal/compat/old-addresses.ts'
import { quietPorts } from '../../kit/clock.ts'

test('a gate whose sessions cannot be read is not ready, and says so in the log alone', async () => {
  const said: unknown[] = []
  const ports = quietPorts({ now: Date.now })
  const log = { ...ports.log, warn: (...line: readonly unknown[]) => void said.push(line) }
  const sessions = { peekOnce: () => Promise.reject(new GateError('session.store', 'the database is away')) }
  const answer = await sayReady({ requestId: 'req-7' }, { ports: { ...ports, log }, sessions })
  expect([answer.status, await answer.text()]).toEqual([503, 'Service Unavailable\n'])
  expect(said).toEqual([[expect.any(String), expect.objectContaining({ id: 'req-7', code: 'session.store' })]])
  const well = await sayReady({ requestId: 'req-8' }, { ports, sessions: { peekOnce: () => Promise.resolve(null) } })
  expect(well.status).toBe(200)
})
