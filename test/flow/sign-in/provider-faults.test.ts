import { afterAll, beforeEach, describe, expect, test } from 'bun:test'
import { browserAt } from '../../kit/browser/browser-lite.ts'
import { aheadClock } from '../../kit/clock.ts'
import { PAGE_LINES } from '../../kit/fields.ts'
import { eventually, type Gate, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { freePort } from '../../kit/programs/child.ts'
import { BAD_PROVIDER_CLIENT, endless, startBadProvider } from '../../kit/provider/bad-provider.ts'
import { EVERYONE, portalTable, providerTable, routeSaying } from '../../kit/toml.ts'
import { rawRequest } from '../../kit/wire/through.ts'
import { sendRaw } from '../../kit/wire/wire.ts'

let gate: Gate
const clock = aheadClock()
const provider = untilTheEnd()(await startBadProvider(clock.nowS))

/** A gate that has asked its provider nothing yet. */
beforeEach(async () => {
  await gate?.[Symbol.asyncDispose]()
  clock.setAhead(0)
  provider.behave({ signsInAtOnce: true })
  gate = await startGate(
    providerTable(provider) +
      portalTable(EVERYONE) +
      routeSaying('open', 'open.example', 'allow = "public"') +
      routeSaying('in', 'app.example', FOR_USERS),
    { ports: clock },
  )
})
afterAll(() => gate?.[Symbol.asyncDispose]())

const FOR_USERS = 'portal = "home"\nallow = ["user"]'

function login() {
  return sendRaw(gate.port, rawRequest('GET /.sallyport/login', 'app.example', PAGE_LINES))
}

async function statusOf(host: string, cookie = ''): Promise<number> {
  return (await sendRaw(gate.port, rawRequest('GET /', host, cookie === '' ? [] : [`Cookie: ${cookie}`]))).status
}

const WELL_KNOWN = '/.well-known/openid-configuration'

const never = () => new Promise<Response>(() => {})

const WRONG: readonly (readonly [what: string, discovery: () => Response])[] = [
  ['answers 500', () => new Response('oops', { status: 500 })],
  ['answers 503', () => new Response('', { status: 503, headers: { 'retry-after': '99999' } })],
  ['answers a page of HTML', () => new Response('<html>hello', { headers: { 'content-type': 'text/html' } })],
  ['answers without an end', endless],
  ['redirects in circles', () => new Response(null, { status: 302, headers: { location: WELL_KNOWN } })],
  ['answers half of it', () => new Response('{"issuer":', { headers: { 'content-type': 'application/json' } })],
]

describe('a provider that, at the start, ', () => {
  test.each(WRONG)(
    '%s: the gate serves, sign-in says so and when to come back, and heals alone',
    async (_what, discovery) => {
      provider.behave({ signsInAtOnce: true, instead: { discovery } })
      const answer = await login()
      expect(answer.status).toBe(503)
      expect(Number(answer.field('retry-after'))).toBeGreaterThan(0)
      expect(Number(answer.field('retry-after'))).toBeLessThanOrEqual(60)
      expect(await statusOf('open.example')).toBe(200)
      const { cookie } = await gate.signIn('app.example')
      expect(await statusOf('app.example', cookie)).toBe(200)
      provider.behave({ signsInAtOnce: true })
      clock.advance(61_000)
      expect((await login()).status).toBe(302)
    },
    300_000,
  )

  test('is silent holds up nobody else, and sign-in for five seconds', async () => {
    provider.behave({ instead: { discovery: never } })
    const answers = [login(), login(), login()]
    expect(await statusOf('open.example')).toBe(200)
    for (const answer of await Promise.all(answers)) expect(answer.status).toBe(503)
    expect(provider.asked.discovery).toBeGreaterThan(0)
  }, 300_000)

  test('does not listen: the same', async () => {
    const closed = { ...BAD_PROVIDER_CLIENT, issuer: `http://127.0.0.1:${await freePort()}` }
    gate.save(
      providerTable(closed) +
        portalTable(EVERYONE) +
        routeSaying('in', 'app.example', FOR_USERS) +
        routeSaying('new', 'new.example', 'allow = "public"'),
    )
    await eventually(async () => (await statusOf('new.example')) === 200, 'the file is in force')
    const answer = await login()
    expect([answer.status, Number(answer.field('retry-after')) > 0]).toEqual([503, true])
    expect(await statusOf('new.example')).toBe(200)
  })
})

describe('a provider that fails later', () => {
  const browser = () => browserAt(gate, 'app.example')

  test('at its token, key or userinfo endpoint ends one sign-in with a page, and no other', async () => {
    const visitor = browser()
    expect((await visitor.open('http://app.example/deep')).text).toBe('in')
    for (const [endpoint, instead] of [
      ['token', () => new Response('oops', { status: 500 })],
      ['token', endless],
      ['userinfo', () => new Response('oops', { status: 500 })],
      ['userinfo', endless],
      ['userinfo', never],
    ] as const) {
      provider.behave({ signsInAtOnce: true, instead: { [endpoint]: instead } })
      const other = browser()
      const page = await other.open('http://app.example/deep')
      expect([endpoint, page.response.status, page.text.includes('<h1>')]).toEqual([endpoint, 503, true])
      expect((await visitor.open('http://app.example/still')).text).toBe('in')
      provider.behave({ signsInAtOnce: true })
      expect((await other.open('http://app.example/deep')).text).toBe('in')
    }
  }, 300_000)

  test('and comes back with other keys lets people in at once', async () => {
    expect((await browser().open('http://app.example/')).text).toBe('in')
    await provider.rotate()
    const before = provider.asked.jwks
    expect((await browser().open('http://app.example/')).text).toBe('in')
    expect(provider.asked.jwks - before).toBe(1)
  })

  test('hundreds of invented keys cost it one question in ten seconds', async () => {
    expect((await browser().open('http://app.example/')).text).toBe('in')
    const before = provider.asked.jwks
    const tokens = await Promise.all(
      Array.from({ length: 250 }, (_, index) => provider.logoutToken({ header: { kid: `made-up-${index}` } })),
    )
    const statuses: number[] = []
    const beganMs = performance.now()
    for (const token of tokens) {
      const body = `logout_token=${token}`
      const fields = ['Content-Type: application/x-www-form-urlencoded', `Content-Length: ${body.length}`]
      const raw = rawRequest('POST /.sallyport/backchannel-logout', 'app.example', fields) + body
      statuses.push((await sendRaw(gate.port, raw)).status)
    }
    // What ends nobody's session is refused without a look after the first 300 of one network.
    expect([...new Set(statuses.slice(0, 300))]).toEqual([400])
    expect(statuses.filter(status => status !== 400 && status !== 429)).toEqual([])
    const turns = 1 + Math.floor((performance.now() - beganMs) / 10_000)
    expect(provider.asked.jwks - before).toBeLessThanOrEqual(turns)
  }, 300_000)

  test.each([
    [55, true],
    [-55, true],
    [90, false],
    [-390, false],
  ])('and whose clock is %i s off: sign-in %p', async (skewS, isIn) => {
    const issued = clock.nowS() + skewS
    provider.behave({ signsInAtOnce: true, claims: { iat: issued, exp: issued + 300 } })
    const page = await browser().open('http://app.example/')
    expect(page.text === 'in').toBe(isIn)
    if (!isIn) expect(page.response.status).toBe(502)
  })
})
