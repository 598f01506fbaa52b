import { describe, expect, test } from 'bun:test'
import { startStreaming } from '../../kit/applications/streaming.ts'
import { type FakeClock, fakeClock } from '../../kit/clock.ts'
import { PAGE } from '../../kit/fields.ts'
import { eventually, type Gate, PORTAL, startGate } from '../../kit/gate.ts'
import { htmlPage } from '../../kit/html.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { fetchFrom } from '../../kit/requests.ts'
import { routeTo } from '../../kit/toml.ts'
import { openEvents, openWebSocket } from '../../kit/wire/streams.ts'

/** What reached the upstream: method, path and who. */
const seen: string[] = []

const keep = untilTheEnd()
const upstream = keep(
  startStreaming(({ method, url, headers }) => {
    seen.push(`${method} ${new URL(url).pathname} ${headers.get('x-token-subject')}`)
    return `override=${headers.get('x-http-method-override')}`
  }),
)

const HOST = 'app.example'

function route(allow: string, more = '', host = HOST, name = 'The app'): string {
  return routeTo(upstream, host, `name = "${name}"\nportal = "home"\nallow = ${allow}\nheaders = "x-token"\n${more}`)
}

interface Asked {
  readonly cookie?: string
  readonly from?: string
  readonly method?: string
  readonly path?: string
  readonly page?: boolean
  readonly fields?: Readonly<Record<string, string>>
}

function ask(gate: Gate, { cookie = '', from, method = 'GET', path = '/', page = false, fields = {} }: Asked = {}) {
  const sender: Record<string, string> = from === undefined ? {} : { 'x-forwarded-for': from }
  return fetchFrom(gate, path, { host: HOST, cookie, ...sender, ...(page ? PAGE : {}), ...fields }, { method })
}

async function status(gate: Gate, asked: Asked = {}): Promise<number> {
  const response = await ask(gate, asked)
  await response.body?.cancel()
  return response.status
}

const BEHIND_PROXY = { server: 'trusted_proxies = ["127.0.0.1"]' }

describe('a rule about networks', () => {
  test('holds for the address that a trusted proxy names', async () => {
    await using gate = await startGate(
      PORTAL + route('[{ roles = ["user"], networks = ["203.0.113.0/24"] }]'),
      BEHIND_PROXY,
    )
    const { cookie } = await gate.signIn(HOST)
    expect(await status(gate, { cookie, from: '203.0.113.9' })).toBe(200)
    expect(await status(gate, { cookie, from: '198.51.100.1' })).toBe(403)
    expect(await status(gate, { cookie })).toBe(403)
    expect(await status(gate, { from: '203.0.113.9' })).toBe(401)
    expect(await status(gate, { from: '198.51.100.1' })).toBe(403)
  })

  test('lets people in without a sign-in where it says so, and still tells who is signed in', async () => {
    const rules = '[{ networks = ["192.168.0.0/16"], anonymous = true }, "user"]'
    await using gate = await startGate(PORTAL + route(rules), BEHIND_PROXY)
    const { cookie } = await gate.signIn(HOST, { sub: 'ada' })
    expect(await status(gate, { from: '192.168.1.1', path: '/nobody' })).toBe(200)
    expect(await status(gate, { from: '192.168.1.1', path: '/ada', cookie })).toBe(200)
    expect(await status(gate, { from: '203.0.113.9', cookie })).toBe(200)
    expect(await status(gate, { from: '203.0.113.9' })).toBe(401)
    expect(await status(gate, { from: '203.0.113.9', page: true })).toBe(302)
    expect(seen).toContain('GET /nobody null')
    expect(seen).toContain('GET /ada ada')
  })

  test('needs no portal at all for that', async () => {
    const rules = route('[{ networks = ["192.168.0.0/16"], anonymous = true }]').replace('portal = "home"\n', '')
    await using gate = await startGate(rules, BEHIND_PROXY)
    expect(await status(gate, { from: '192.168.1.1' })).toBe(200)
    const answer = await ask(gate, { from: '203.0.113.9', page: true })
    expect(answer.status).toBe(403)
    const text = await answer.text()
    expect(htmlPage(text).text).toContain('open only from certain networks')
    expect(text).not.toContain('192.168')
  })

  test('denies where deny says so, whoever asks', async () => {
    await using gate = await startGate(
      PORTAL + route('"public"', 'deny = [{ networks = ["203.0.113.0/24"] }]'),
      BEHIND_PROXY,
    )
    const { cookie } = await gate.signIn(HOST)
    expect(await status(gate, { from: '198.51.100.1' })).toBe(200)
    for (const one of ['', cookie]) expect(await status(gate, { from: '203.0.113.9', cookie: one })).toBe(403)
  })
})

describe('one decision for each request', () => {
  test('where methods matter', async () => {
    await using gate = await startGate(PORTAL + route('["admin", { roles = ["user"], methods = ["GET", "HEAD"] }]'))
    const user = await gate.signIn(HOST, { sub: 'ada' })
    const admin = await gate.signIn(HOST, { sub: 'root', groups: ['admins'] })
    expect(await status(gate, { cookie: user.cookie, method: 'DELETE' })).toBe(403)
    expect(await status(gate, { cookie: user.cookie })).toBe(200)
    expect(await status(gate, { cookie: admin.cookie, method: 'DELETE' })).toBe(200)
  })

  test('as time goes by', async () => {
    const clock = fakeClock(Date.parse('2026-01-05T11:59:00Z'))
    await using gate = await startGate(PORTAL + route('[{ roles = "user", hours = "12:00-13:00", days = "mon" }]'), {
      ports: clock,
    })
    const { cookie } = await gate.signIn(HOST)
    expect(await status(gate, { cookie })).toBe(403)
    clock.advance(60_000)
    expect(await status(gate, { cookie })).toBe(200)
    clock.advance(60 * 60_000)
    expect(await status(gate, { cookie })).toBe(403)
  })
})

describe('a stream that is open', () => {
  async function openStreams(gate: Gate, cookie: string) {
    const fields = [`Cookie: ${cookie}`, 'X-Forwarded-For: 203.0.113.9']
    const both = [await openEvents(gate, HOST, fields), await openWebSocket(gate, HOST, fields)]
    return {
      areClosed: () => both.every(stream => stream.isOver()),
      areOpen: () => !both.some(stream => stream.isOver()),
      [Symbol.dispose]: () => {
        for (const stream of both) stream[Symbol.dispose]()
      },
    }
  }

  async function expectClosedAfter(clock: FakeClock, rules: string, ms: number): Promise<void> {
    await using gate = await startGate(PORTAL + route(rules), { ports: clock, recheckMs: 20, ...BEHIND_PROXY })
    const { cookie } = await gate.signIn(HOST)
    using streams = await openStreams(gate, cookie)
    clock.advance(ms - 1)
    await Bun.sleep(100)
    expect(streams.areOpen()).toBe(true)
    clock.advance(1)
    await eventually(streams.areClosed, 'both streams are closed')
  }

  test('is closed when its hours end', () =>
    expectClosedAfter(fakeClock(Date.UTC(2026, 0, 5, 12)), '[{ roles = "user", hours = "08:00-12:30" }]', 30 * 60_000))

  test('is closed when its sign-in has become too old', () =>
    expectClosedAfter(fakeClock(), '[{ roles = "user", max_age = "10m" }]', 10 * 60_000 + 1))

  test('is held against the network rules of a new file, by the address that it came from', async () => {
    await using gate = await startGate(PORTAL + route('["user"]'), BEHIND_PROXY)
    const { cookie } = await gate.signIn(HOST)
    using streams = await openStreams(gate, cookie)
    gate.save(PORTAL + route('[{ roles = "user", networks = "203.0.113.0/24" }]'))
    await eventually(() => gate.told('The changed file is in use').length > 0, 'the first file')
    await Bun.sleep(50)
    expect(streams.areOpen()).toBe(true)
    gate.save(PORTAL + route('[{ roles = "user", networks = "198.51.100.0/24" }]'))
    await eventually(streams.areClosed, 'both streams are closed')
  })
})

describe('who is turned away', () => {
  test('reads why, and nothing about anyone else', async () => {
    const rules =
      '[{ roles = ["user"], hours = "00:00-00:01", days = "mon", timezone = "Asia/Tokyo" }, { subjects = ["bob"], networks = ["203.0.113.0/24"] }]'
    await using gate = await startGate(PORTAL + route(rules), { ports: fakeClock(), ...BEHIND_PROXY })
    const { cookie } = await gate.signIn(HOST, { sub: 'ada', name: 'Ada' })
    const page = await (await ask(gate, { cookie, page: true, from: '198.51.100.9' })).text()
    expect(htmlPage(page).one('h1').text).toBe('The app is not open to you')
    expect(htmlPage(page).texts('p')).toContain(
      'It is open only at certain times: 00:00 to 00:01, Monday (Asia/Tokyo).',
    )
    expect(page).not.toMatch(/\bbob\b|203\.0|networks/)
    const problem = (await (await ask(gate, { cookie, from: '198.51.100.9' })).json()) as Record<string, unknown>
    expect(problem).toMatchObject({
      status: 403,
      code: 'access.denied',
      roles: ['user'],
      needed: [],
      reasons: [{ code: 'hours.outside' }],
    })
    const line = gate.log.find(one => one.includes('denied'))
    expect(JSON.parse(line ?? '{}')).toMatchObject({
      reason: 'hours.outside',
      reasons: ['hours.outside', 'subject.other', 'network.outside'],
    })
  })

  test('by the network is not told that nobody is signed in, whoever asks', async () => {
    const rules = '[{ roles = ["user"], networks = ["203.0.113.0/24"] }, { networks = ["198.51.100.0/24"] }]'
    await using gate = await startGate(PORTAL + route(rules))
    expect((await ask(gate, { page: true })).status).toBe(403)
    expect(htmlPage(await (await ask(gate, { page: true })).text()).text).toContain('open only from certain networks')
    const problem = (await (await ask(gate, {})).json()) as Record<string, unknown>
    expect(problem).toMatchObject({ status: 403, needed: [], reasons: [{ code: 'network.outside' }] })
    const line = gate.log.find(one => one.includes('denied'))
    expect(JSON.parse(line ?? '{}')).toMatchObject({
      reason: 'network.outside',
      needs: 'signed in, network 198.51.100.0/24',
    })
  })

  test('finds in the list of applications only what is open now, or after signing in again', async () => {
    const hosts = ['open', 'closed', 'again', 'other'] as const
    const rules = {
      open: '[{ roles = "user", networks = "127.0.0.1" }]',
      closed: '[{ roles = "user", networks = "10.0.0.1" }]',
      again: '[{ roles = "user", acr = "phr" }]',
      other: '["admin"]',
    }
    const routes = hosts.map(name => route(rules[name], '', `${name}.example`, `app-${name}`))
    await using gate = await startGate(PORTAL + route('["user"]') + routes.join(''))
    const { cookie } = await gate.signIn(HOST)
    const page = await (await ask(gate, { cookie, path: '/.sallyport/', page: true })).text()
    const shown = hosts.filter(name => page.includes(`app-${name}`))
    expect(shown).toEqual(['open', 'again'])
  })
})
