import { expect, test } from 'bun:test'
import { makeAuthority } from '../../kit/certificates.ts'
import { aheadClock } from '../../kit/clock.ts'
import { eventually, type Gate, type GateOptions, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { startValkey } from '../../kit/programs/valkey.ts'
import { metricOf, metricsOf } from '../../kit/requests.ts'
import { routeSaying } from '../../kit/toml.ts'

const ROUTE = routeSaying('here', 'app.example', 'allow = "public"')
const DAY_MS = 24 * 60 * 60 * 1000

async function readyz({ adminPort }: Gate): Promise<readonly [number, string]> {
  const answer = await fetch(`http://127.0.0.1:${adminPort}/readyz`)
  return [answer.status, (await answer.text()).trim()]
}

async function isReadyMetric({ adminPort }: Gate): Promise<boolean> {
  return (await metricsOf({ adminPort })).includes('\nsallyport_ready 1\n')
}

needs('valkey-server').test(
  'a session store that is silent, or away, makes a gate unready in words, and it heals',
  async () => {
    await using valkey = await startValkey({ password: 'of-the-store' })
    const sessions = `key = "${Buffer.alloc(32, 7).toString('base64')}"`
    await using gate = await startGate(ROUTE, { store: valkey.url(), sessions })
    await eventually(async () => (await readyz(gate))[0] === 200, 'the store is connected')
    expect([await readyz(gate), await isReadyMetric(gate)]).toEqual([[200, 'ready'], true])
    valkey.freeze()
    const silent = 'session store: it does not answer'
    // What was found is kept for a moment.
    await eventually(async () => (await readyz(gate))[1] === silent, 'it is noticed')
    expect(await isReadyMetric(gate)).toBe(false)
    const status = await (await fetch(`http://127.0.0.1:${gate.adminPort}/status.json`)).json()
    expect(status).toMatchObject({
      status: 'not ready',
      // By now the connection may be given up.
      reason: expect.stringMatching(/^session store: /),
      sessions: { alive: null },
    })
    valkey.thaw()
    await eventually(async () => (await readyz(gate))[0] === 200, 'the store answers again')
    await valkey.kill()
    const gone = 'session store: it cannot be reached'
    await eventually(async () => (await readyz(gate))[1] === gone, 'the store is missed')
    expect(JSON.stringify(await readyz(gate))).not.toContain('of-the-store')
    expect(await metricOf(gate, 'sallyport_store_errors_total{call="read"}')).toBeGreaterThan(0)
  },
  300_000,
)

needs('openssl').test('certificates make a gate unready once the last good one has ended', async () => {
  const clock = aheadClock()
  const authority = makeAuthority()
  const files: Record<string, string> = {}
  for (const name of ['a', 'b']) {
    const { cert, key } = authority.issue(`DNS:${name}.example`)
    Object.assign(files, { [`${name}.pem`]: cert, [`${name}.key`]: key })
  }
  const tls = `
[tls]
listen = ["127.0.0.1:0"]
certificates = [{ cert = "a.pem", key = "a.key" }, { cert = "b.pem", key = "b.key" }]
`
  const options: GateOptions = { files, ports: clock }
  await using gate = await startGate(tls + ROUTE, options)
  expect(await readyz(gate)).toEqual([200, 'ready'])
  clock.setAhead(3 * DAY_MS)
  const [status, words] = await readyz(gate)
  expect(status).toBe(503)
  expect(words).toMatch(/^certificates: the last good one, of [ab]\.example, ended 20\d\d-[-0-9T:.]+Z$/)
  const told = await (await fetch(`http://127.0.0.1:${gate.adminPort}/status.json`)).json()
  expect(told).toMatchObject({ reason: words, certificates: { total: 2, good: 0, ended: 2 } })
})

test('an authority that has yet to give a certificate is waited for while ready: it has to come past whoever looks', async () => {
  const tls = '[tls]\nlisten = ["127.0.0.1:0"]\nacme = { directory = "https://127.0.0.1:9/dir" }\n'
  await using gate = await startGate(tls + ROUTE)
  expect(await readyz(gate)).toEqual([200, 'ready'])
  const told = await (await fetch(`http://127.0.0.1:${gate.adminPort}/status.json`)).json()
  expect(told).toMatchObject({
    certificates: { total: 0, awaited: 1, days_left: null, list: [{ names: ['app.example'], state: 'awaited' }] },
  })
})
