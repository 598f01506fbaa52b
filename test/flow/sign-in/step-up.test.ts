import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { startAnswering } from '../../kit/applications/answering.ts'
import { BrowserLite, browserAt, type Page } from '../../kit/browser/browser-lite.ts'
import { type FakeClock, fakeClock } from '../../kit/clock.ts'
import { type Gate, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { type BadProvider, type Misbehaviour, startBadProvider } from '../../kit/provider/bad-provider.ts'
import { startProviderFor, type TestProvider } from '../../kit/provider/provider.ts'
import { EVERYONE, type KnownClient, portalTable, providerTable, routeTo } from '../../kit/toml.ts'

const keep = untilTheEnd()
const upstream = keep(
  startAnswering(
    request => new Response(`${request.headers.get('x-token-subject')} at ${new URL(request.url).pathname}`),
  ),
)

/** `app.example` for everyone who signed in, `vault.example` by the rule; people sign in at `auth.example` or at each host. */
function config(client: KnownClient, rule: string, portalUrl = ''): string {
  const route = (host: string, allow: string) =>
    routeTo(upstream, host, `portal = "home"\nallow = ${allow}\nheaders = "x-token"`)
  return [
    providerTable(client),
    portalTable(`${EVERYONE}\n${portalUrl}`),
    route('app.example', '["user"]'),
    route('vault.example', rule),
  ].join('\n')
}

describe('at a certified provider', () => {
  let provider: TestProvider
  let gate: Gate
  let browser: BrowserLite

  beforeAll(async () => {
    provider = await startProviderFor([{ sub: 'ada', name: 'Ada' }], 'http://auth.example/.sallyport/callback')
    gate = await startGate(config(provider, '[{ roles = "user", max_age = "15m" }]', 'url = "http://auth.example"'))
    const authority = `127.0.0.1:${gate.port}`
    browser = new BrowserLite({
      hosts: { 'app.example': authority, 'vault.example': authority, 'auth.example': authority },
    })
  })
  afterAll(async () => {
    await gate[Symbol.asyncDispose]()
    await provider.stop()
  })

  test('who signed in long ago signs in anew, and lands where they wanted to go', async () => {
    const old = await gate.signIn('auth.example', { sub: 'ada', auth_time: Math.floor(Date.now() / 1000) - 3600 })
    browser.plant('auth.example', 'sallyport', old.cookie.slice('sallyport='.length))
    expect((await browser.open('http://app.example/notes')).text).toBe('ada at /notes')

    const asked = await browser.open('http://vault.example/gold?bar=1')
    expect(asked.address.origin).toBe(provider.issuer)
    const authorize = new URL(asked.trail.find(address => address.startsWith(`${provider.issuer}/auth?`)) ?? '')
    expect(authorize.searchParams.get('prompt')).toBe('login')
    expect(authorize.searchParams.get('max_age')).toBe('900')
    const arrived = await browser.submit(asked, { login: 'ada', password: 'x' })
    expect(arrived.text).toBe('ada at /gold')
    expect(arrived.address.href).toBe('http://vault.example/gold?bar=1')
  })

  test('and then passes without being asked, on every host', async () => {
    expect((await browser.open('http://vault.example/again')).trail).toEqual([])
    expect((await browser.open('http://app.example/again')).text).toBe('ada at /again')
  })
})

describe('at a provider that may not do as it is told', () => {
  let provider: BadProvider
  let gate: Gate
  let browser: BrowserLite
  let clock: FakeClock
  const nowS = () => Math.floor(clock.now() / 1000)

  async function start(rule: string, body: () => Promise<void>): Promise<void> {
    clock = fakeClock()
    provider = await startBadProvider(nowS)
    gate = await startGate(config(provider, rule), { ports: { now: clock.now } })
    browser = browserAt(gate, 'vault.example')
    try {
      await body()
    } finally {
      await gate[Symbol.asyncDispose]()
      await provider.stop()
    }
  }

  /** Opens a page, and where that leads to the provider lets it answer at once; answers what it was asked for as well. */
  async function open(address: string, misbehaviour: Misbehaviour): Promise<{ page: Page; asked: URLSearchParams }> {
    provider.behave(misbehaviour)
    let response = await browser.visit(address)
    let at = new URL(address)
    for (let step = 0; step < 5 && response.headers.has('location'); step++) {
      at = new URL(response.headers.get('location') ?? '', at)
      if (at.origin === provider.issuer) break
      response = await browser.visit(at)
    }
    expect(at.origin).toBe(provider.issuer)
    const asked = at.searchParams
    const callback = new URL(asked.get('redirect_uri') ?? '')
    callback.search = String(
      new URLSearchParams({
        code: provider.issueCode(asked.get('nonce') ?? ''),
        state: asked.get('state') ?? '',
        iss: provider.issuer,
      }),
    )
    return { page: await browser.open(callback), asked }
  }

  const VAULT = 'http://vault.example/gold'
  const MAX_AGE = '[{ roles = "user", max_age = "10m" }]'
  const LEVEL = '[{ roles = "user", acr = ["phr", "phrh"] }]'

  test('a time that it confirms opens the door', () =>
    start(MAX_AGE, async () => {
      const first = await open(VAULT, { claims: { auth_time: nowS() } })
      expect(first.page.text).toBe('user-1 at /gold')
      expect([first.asked.get('prompt'), first.asked.get('max_age')]).toEqual([null, String(365 * 24 * 3600)])
      clock.advance(11 * 60_000)
      const { page, asked } = await open(VAULT, { claims: { auth_time: nowS() - 30 } })
      expect(page.text).toBe('user-1 at /gold')
      expect([asked.get('prompt'), asked.get('max_age')]).toEqual(['login', '600'])
    }))

  test('a first sign-in that the provider remembered from long ago does not count as new', () =>
    start(MAX_AGE, async () => {
      const { page } = await open(VAULT, { claims: { auth_time: nowS() - 3600 } })
      expect(page.address.searchParams.get('max_age')).toBe('600')
      expect(page.address.searchParams.get('prompt')).toBe('login')
    }))

  test('a provider that says nothing of the time is taken by when people signed in here', () =>
    start(MAX_AGE, async () => {
      expect((await open(VAULT, {})).page.text).toBe('user-1 at /gold')
      clock.advance(11 * 60_000)
      expect((await open(VAULT, {})).page.response.status).toBe(403)
    }))

  test('no provider is asked for times that no rule looks at', () =>
    start(LEVEL, async () => {
      const { asked } = await open('http://vault.example/.sallyport/login', {})
      expect(asked.has('max_age')).toBe(false)
    }))

  const unconfirmed: [string, Misbehaviour][] = [
    ['does not say when', { claims: {} }],
    ['let someone through who was signed in already', { claims: { auth_time: 1 } }],
    ['names a time that has not come', { claims: { auth_time: 4_000_000_000 } }],
  ]
  test.each(unconfirmed)('OpenID Connect Core §15.1: one that %s ends on a page that says why', (_title, wrong) =>
    start(MAX_AGE, async () => {
      await open(VAULT, { claims: { auth_time: nowS() } })
      const before = browser.cookie('vault.example', 'sallyport')
      clock.advance(11 * 60_000)
      const { page } = await open(VAULT, wrong)
      expect(page.response.status).toBe(403)
      expect(page.html.text).toContain('the provider did not say that it asked you again')
      expect(page.html.has('meta[http-equiv="refresh"]')).toBe(false)
      expect(gate.log.join('\n')).toContain('"check":"auth_time"')
      // The sign-in that was there stays as good as it was.
      expect(browser.cookie('vault.example', 'sallyport')).toBe(before)
      expect((await browser.open('http://vault.example/.sallyport/me')).response.status).toBe(200)
    }),
  )

  test('a time that is no number is refused as a token', () =>
    start(MAX_AGE, async () => {
      await open(VAULT, { claims: { auth_time: nowS() } })
      clock.advance(11 * 60_000)
      const { page } = await open(VAULT, { claims: { auth_time: String(nowS()) } })
      expect(page.response.status).toBeGreaterThanOrEqual(400)
      expect(page.text).not.toContain('user-1 at')
    }))

  test('a level is asked for and looked at', () =>
    start(LEVEL, async () => {
      const first = await open('http://vault.example/.sallyport/login', {})
      expect(first.page.response.status).toBe(200)
      const refused = await open(VAULT, { claims: { acr: 'pwd' } })
      expect(refused.asked.get('acr_values')).toBe('phr phrh')
      expect(refused.asked.get('prompt')).toBe('login')
      expect(refused.asked.has('max_age')).toBe(false)
      expect(gate.told('access.step_up', '"reason":"acr.other"')).toHaveLength(1)
      expect(refused.page.response.status).toBe(403)
      expect(refused.page.html.text).toContain('did not say that yours was one')
      expect((await open(VAULT, { claims: { acr: 'phrh' } })).page.text).toBe('user-1 at /gold')
    }))

  test('a claim of userinfo is no level: only the signed token can state one', () =>
    start(LEVEL, async () => {
      await open('http://vault.example/.sallyport/login', {})
      const { page } = await open(VAULT, { userinfo: { acr: 'phr' } })
      expect(page.response.status).toBe(403)
    }))

  test('RFC 9470: a program gets 401 with what is missing, and an address to sign in', () =>
    start('[{ roles = "user", max_age = "10m", acr = "phr", amr = "mfa" }]', async () => {
      await open('http://vault.example/.sallyport/login', {})
      clock.advance(11 * 60_000)
      const answer = await browser.visit(VAULT, { headers: { accept: 'application/json', 'sec-fetch-mode': 'cors' } })
      expect(answer.status).toBe(401)
      expect(answer.headers.get('www-authenticate')).toMatch(
        /^Bearer error="insufficient_user_authentication", .*max_age="600", acr_values="phr"$/,
      )
      const problem = (await answer.json()) as { code: string; sign_in: string }
      expect(problem).toMatchObject({
        code: 'access.step_up',
        step_up: { max_age: 600, acr_values: ['phr'], amr_values: ['mfa'] },
      })
      const shown = { claims: { auth_time: nowS(), acr: 'phr', amr: ['pwd', 'mfa'] } }
      expect((await open(problem.sign_in, shown)).page.text).toBe('user-1 at /gold')
    }))

  test('whoever writes parameters of their own gets no further with them', () =>
    start(LEVEL, async () => {
      await open('http://vault.example/.sallyport/login', {})
      const own = 'http://vault.example/.sallyport/login?acr_values=pwd&return=/gold'
      const { page } = await open(own, { claims: { acr: 'pwd' } })
      // The new sign-in is good for what it says, and the rule asks the provider for more again.
      expect(page.address.href).toStartWith(`${provider.issuer}/authorize?`)
      expect(page.address.searchParams.get('acr_values')).toBe('phr phrh')
    }))
})
