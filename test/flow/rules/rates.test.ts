import { describe, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { startApp } from '../../kit/applications/app.ts'
import { fakeClock } from '../../kit/clock.ts'
import { PORTAL, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { metricsOf } from '../../kit/requests.ts'
import { routeTo } from '../../kit/toml.ts'
import { sendRaw } from '../../kit/wire/wire.ts'

const clock = fakeClock()

function routes(): string {
  const route = (host: string, more: string) => routeTo(app, `${host}.example`, more)
  const two = 'requests = 1, per = "10s", burst = 2'
  return [
    PORTAL,
    route('client', `allow = "public"\nrate = { ${two} }`),
    route('route', `allow = "public"\nrate = { ${two}, by = "route" }`),
    route('user', `portal = "home"\nallow = "public"\nrate = { ${two}, by = "user" }`),
    route('free', 'allow = "public"'),
    route('members', 'portal = "home"\nallow = ["user"]'),
  ].join('\n')
}

const keep = untilTheEnd()
const app = keep(await startApp('ok'))
const gate = keep(
  await startGate(routes(), {
    ports: { now: clock.now },
    server: 'trusted_proxies = ["127.0.0.1"]\nrate = { requests = 1, per = "1s", burst = 1000 }',
  }),
)

async function send(host: string, client: string, fields = '', path = '/') {
  const head = `GET ${path} HTTP/1.1\r\nHost: ${host}.example\r\nX-Forwarded-For: ${client}\r\n`
  return sendRaw(gate.port, `${head}${fields}Connection: close\r\n\r\n`)
}

async function statuses(count: number, host: string, client: string, fields = ''): Promise<number[]> {
  const found: number[] = []
  for (let sent = 0; sent < count; sent++) found.push((await send(host, client, fields)).status)
  return found
}

async function limited(): Promise<number> {
  const text = await metricsOf(gate)
  return Number(/^sallyport_rate_limited_total (\d+)$/m.exec(text)?.[1])
}

describe('a rate', () => {
  test('by client is 429 beyond the burst, says when to come back, and keeps that', async () => {
    const counted = await limited()
    const before = app.paths.length
    expect(await statuses(3, 'client', '192.0.2.1')).toEqual([200, 200, 429])
    expect(await statuses(1, 'client', '192.0.2.2')).toEqual([200])
    const response = await send('client', '192.0.2.1')
    expect(response.field('retry-after')).toBe('10')
    expect(response.body.toString()).toContain('"code":"limit.rate"')
    expect(app.paths.length).toBe(before + 3)
    expect(await limited()).toBe(counted + 2)
    clock.advance(10_000)
    expect(await statuses(2, 'client', '192.0.2.1')).toEqual([200, 429])
  })
  test('is a page that waits, for a person', async () => {
    const person = 'Accept: text/html\r\n'
    expect(await statuses(3, 'client', '192.0.2.3', person)).toEqual([200, 200, 429])
    const response = await send('client', '192.0.2.3', person)
    expect(response.field('content-type')).toStartWith('text/html')
    expect(response.field('retry-after')).toBe('10')
    expect(response.body.toString()).toContain('Too many requests')
  })
  test('by client counts an IPv6 network as one', async () => {
    expect(await statuses(2, 'client', '2001:db8::1')).toEqual([200, 200])
    expect(await statuses(1, 'client', '2001:db8::2')).toEqual([429])
  })
  test('by route is shared by all', async () => {
    expect(await statuses(2, 'route', '192.0.2.4')).toEqual([200, 200])
    expect(await statuses(1, 'route', '192.0.2.5')).toEqual([429])
  })
  test('by user follows people over addresses, and counts anyone else by address', async () => {
    const [ada, bob] = await Promise.all(['ada', 'bob'].map(sub => gate.signIn('user.example', { sub })))
    const as = (who: typeof ada) => `Cookie: ${who?.cookie}\r\n`
    expect(await statuses(2, 'user', '192.0.2.6', as(ada))).toEqual([200, 200])
    expect(await statuses(1, 'user', '192.0.2.7', as(ada))).toEqual([429])
    expect(await statuses(1, 'user', '192.0.2.6', as(bob))).toEqual([200])
    expect(await statuses(3, 'user', '192.0.2.6')).toEqual([200, 200, 429])
    expect(await statuses(3, 'user', '192.0.2.6', 'Cookie: sallyport=junk\r\n')).toEqual([429, 429, 429])
  })
  test('is kept when the file is saved, and follows what it says', async () => {
    expect(await statuses(3, 'client', '192.0.2.8')).toEqual([200, 200, 429])
    gate.save(`${routes()}\n# saved again`)
    expect(gate.server.reload()).not.toBe('refused')
    expect(await statuses(1, 'client', '192.0.2.8')).toEqual([429])
  })
  test('of [server] is shared by all that a client asks for', async () => {
    const found = new Set(await statuses(1000, 'free', '192.0.2.9'))
    expect([...found]).toEqual([200])
    expect(await statuses(1, 'nowhere', '192.0.2.9')).toEqual([429])
    expect(await statuses(1, 'free', '192.0.2.10')).toEqual([200])
  })
})

test('one client may begin many sign-ins, but not without end, and is let in again in a moment', async () => {
  const page = 'Accept: text/html\r\nSec-Fetch-Mode: navigate\r\n'
  const start = async () => (await send('members', '192.0.2.20', page, '/.sallyport/login')).status
  for (let begun = 0; begun < 300; begun++) expect(await start()).toBe(503)
  const response = await send('members', '192.0.2.20', page, '/.sallyport/login')
  expect(response.status).toBe(429)
  expect(response.field('retry-after')).toBe('1')
  clock.advance(1000)
  expect(await start()).toBe(503)
})

test('how many sign-ins one client may begin is for the file to say, and follows it without a restart', async () => {
  const page = 'Accept: text/html\r\nSec-Fetch-Mode: navigate\r\n'
  const rate = (burst: number) =>
    `trusted_proxies = ["127.0.0.1"]\nsign_in_rate = { requests = 2, per = "1m", burst = ${burst} }`
  await using own = await startGate(routes(), { ports: { now: clock.now }, server: rate(3) })
  const start = async () => {
    const head = `GET /.sallyport/login HTTP/1.1\r\nHost: members.example\r\nX-Forwarded-For: 192.0.2.21\r\n`
    const answer = await sendRaw(own.port, `${head}${page}Connection: close\r\n\r\n`)
    return [answer.status, answer.field('retry-after') ?? ''].join(' ').trim()
  }
  for (let begun = 0; begun < 3; begun++) expect(await start()).toStartWith('503')
  expect(await start()).toBe('429 30')
  expect(own.told('Sign-ins are refused', '192.0.2.21', 'raise sign_in_rate in [server]')).toHaveLength(1)
  writeFileSync(own.configPath, readFileSync(own.configPath, 'utf8').replace(rate(3), rate(400)))
  expect(own.server.reload()).not.toBe('refused')
  for (let begun = 3; begun < 400; begun++) expect(await start()).toStartWith('503')
  expect(await start()).toBe('429 30')
})
