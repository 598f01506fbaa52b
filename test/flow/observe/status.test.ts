import { expect, test } from 'bun:test'
import { startAnswering } from '../../kit/applications/answering.ts'
import { makeAuthority } from '../../kit/certificates.ts'
import { eventually, PORTAL, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { statusOf } from '../../kit/requests.ts'
import { blocksOf } from '../../kit/set-ups.ts'
import { routeForUsers, routeSaying, routeTo } from '../../kit/toml.ts'

const keep = untilTheEnd()
const upstream = keep(startAnswering(() => new Response('here')))
const PUBLIC = 'allow = "public"'

/** What a value is made of: names and kinds, of a list those of its first member. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.slice(0, 1).map(shapeOf)
  if (typeof value !== 'object' || value === null) return value === null ? 'null' : typeof value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, shapeOf(one)]))
}

needs('openssl').test('is made as the chapter on metrics shows it', async () => {
  const { cert, key } = makeAuthority().issue('DNS:app.example')
  const tls = '[tls]\nlisten = ["127.0.0.1:0"]\ncertificates = [{ cert = "a.pem", key = "a.key" }]\n'
  const routes = PORTAL + routeTo(upstream, 'app.example', PUBLIC)
  await using gate = await startGate(tls + routes, { files: { 'a.pem': cert, 'a.key': key } })
  const [shown = ''] = blocksOf('metrics', 'json')
  const told = await (await fetch(`http://127.0.0.1:${gate.adminPort}/status.json`)).json()
  expect(shapeOf(told)).toEqual(shapeOf(JSON.parse(shown)))
  // What it tells gethomepage to look for is there, and so is what Uptime Kuma asks for.
  const fields = [...(blocksOf('metrics', 'yaml').at(-1) ?? '').matchAll(/field: ([\w.]+)/g)].map(
    ([, path = '']) => path,
  )
  expect(fields).toHaveLength(4)
  for (const path of [...fields, 'applications.down', 'reason']) {
    const found = path.split('.').reduce<unknown>((at, name) => Reflect.get(at as object, name), told)
    expect([path, found]).not.toEqual([path, undefined])
  }
})

test('tells of applications, upstreams, sessions, certificates and providers, with what was seen of each', async () => {
  await using gate = await startGate(
    PORTAL +
      routeTo(upstream, 'up.example', `name = "Wiki"\n${PUBLIC}`) +
      routeTo({ port: 9 }, 'down.example', PUBLIC) +
      routeForUsers({ port: 10 }, 'new.example') +
      routeSaying('itself', 'own.example', PUBLIC),
    { name: 'web-1' },
  )
  await gate.signIn('new.example', { sub: 'ada' })
  await gate.signIn('new.example', { sub: 'grace' })
  expect([
    await statusOf(gate, '/', { host: 'up.example' }),
    await statusOf(gate, '/', { host: 'down.example' }),
  ]).toEqual([200, 502])
  const answer = await fetch(`http://127.0.0.1:${gate.adminPort}/status.json`)
  expect(answer.headers.get('content-type')).toContain('application/json')
  const at = `127.0.0.1:${upstream.port}`
  expect(await answer.json()).toEqual({
    status: 'ready',
    reason: null,
    version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    workers: { total: 1, listening: 1 },
    config: { in_force_since: expect.any(String), on_disk: 'in force', refused: false },
    applications: {
      total: 3,
      up: 1,
      down: 1,
      unknown: 1,
      list: [
        { id: 'up.example/', name: 'Wiki', host: 'up.example', state: 'up' },
        { id: 'down.example/', name: 'down.example', host: 'down.example', state: 'down' },
        { id: 'new.example/', name: 'new.example', host: 'new.example', state: 'unknown' },
      ],
    },
    upstreams: {
      total: 3,
      up: 1,
      down: 1,
      unknown: 1,
      list: [
        { upstream: at, address: at, state: 'up', in_flight: 0, failures: 0 },
        { upstream: '127.0.0.1:9', address: '127.0.0.1:9', state: 'down', in_flight: 0, failures: 1 },
        { upstream: '127.0.0.1:10', address: '127.0.0.1:10', state: 'unknown', in_flight: 0, failures: 0 },
      ],
    },
    sessions: { alive: 2 },
    clock: { state: 'good', ahead_s: null },
    gates: { total: 1, other_file: 0, list: [{ name: 'web-1', same_file: true, since: expect.any(String) }] },
    certificates: { total: 0, good: 0, ended: 0, awaited: 0, days_left: null, list: [] },
    providers: { total: 1, failing: 0, list: [{ name: 'id', label: 'id', state: 'unasked' }] },
  })
})

test('whoever may read the metrics may read the status, and nobody else', async () => {
  await using gate = await startGate(routeTo(upstream, 'app.example', PUBLIC))
  const ask = (path: string, init: RequestInit) => fetch(`http://127.0.0.1:${gate.adminPort}${path}`, init)
  for (const init of [
    {},
    { headers: { origin: 'https://evil.example' } },
    { headers: { host: 'evil.example' } },
    { method: 'POST' },
  ]) {
    const [metrics, status] = [await ask('/metrics', init), await ask('/status.json', init)]
    expect(status.status).toBe(metrics.status)
  }
  expect((await ask('/status.json', { headers: { origin: 'https://evil.example' } })).status).toBe(403)
  expect(await statusOf(gate, '/status.json', { host: 'other.example' })).toBe(404)
})

test('a mistake on disk shows, and what it is does not', async () => {
  await using gate = await startGate(routeTo(upstream, 'app.example', PUBLIC))
  gate.save('secret_word = 1')
  const read = async () => (await fetch(`http://127.0.0.1:${gate.adminPort}/status.json`)).text()
  await eventually(async () => (await read()).includes('"refused":true'), 'the mistake is noticed')
  const text = await read()
  expect(JSON.parse(text)).toMatchObject({ status: 'ready', config: { on_disk: 'refused', refused: true } })
  expect(text).not.toContain('secret_word')
})
