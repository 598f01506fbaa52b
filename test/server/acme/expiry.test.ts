import { expect, test } from 'bun:test'
import type { ServerCertificate } from '../../../src/config/values/certificate.ts'
import { certificateGauges, tellExpiry } from '../../../src/server/acme/expiry.ts'
import { gaugeFamilies } from '../../../src/server/observe/counts.ts'

const DAY_MS = 24 * 60 * 60 * 1000
const NOW_MS = Date.parse('2026-06-01T00:00:00Z')

function ending(name: string, inDays: number): ServerCertificate {
  return { cert: 'c', key: 'k', names: [name], expiresAtMs: NOW_MS + inDays * DAY_MS }
}

test('what ends within two weeks, or has ended, is told; nothing else is', () => {
  const told: unknown[] = []
  const tell = (level: string) => (message: string, facts?: object) => void told.push([level, message, facts])
  const log = { debug: tell('debug'), info: tell('info'), warn: tell('warn'), error: tell('error') }
  tellExpiry([ending('long.example', 15), ending('soon.example', 13), ending('gone.example', -1)], NOW_MS, log)
  expect(told).toEqual([
    ['warn', 'A certificate expires soon', { names: ['soon.example'], expires: '2026-06-14T00:00:00.000Z' }],
    [
      'error',
      'A certificate has expired: browsers refuse it',
      { names: ['gone.example'], expires: '2026-05-31T00:00:00.000Z' },
    ],
  ])
})

test('the metrics say when each certificate ends', () => {
  const [family] = gaugeFamilies(certificateGauges(() => [ending('app.example', 10)]))
  expect([...(family?.series ?? [])]).toEqual([
    ['sallyport_certificate_expiry_timestamp_seconds{names="app.example"}', 1781136000],
  ])
})
