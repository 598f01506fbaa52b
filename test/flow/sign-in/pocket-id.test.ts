import { describe, expect, test } from 'bun:test'
import { startAnswering } from '../../kit/applications/answering.ts'
import { type BrowserLite, browserAt } from '../../kit/browser/browser-lite.ts'
import { eventually, type Gate, startGate } from '../../kit/gate.ts'
import { type PocketIdVersion, pocketIdUser } from '../../kit/provider/pocket-id/people.ts'
import { type PocketId, type PocketIdOptions, pocketId } from '../../kit/provider/pocket-id/pocket-id.ts'
import { providerTable } from '../../kit/toml.ts'

const APP = 'http://app.example'
const STEP_MS = 11_000

interface Stand extends AsyncDisposable {
  readonly provider: PocketId
  readonly gate: Gate
  readonly browser: BrowserLite
  /** Lets time go by for the gate; the provider's clock stays within what is tolerated. */
  pass(ms: number): void
}

async function stand(options: PocketIdOptions): Promise<Stand> {
  const stack = new AsyncDisposableStack()
  let offsetMs = 0
  const provider = stack.use(await pocketId(options))
  provider.allowRedirect(`${APP}/.sallyport/callback`)
  const upstream = stack.use(
    startAnswering(request => new Response(`roles: ${request.headers.get('x-token-user-roles')}`)),
  )
  const toml = `
${providerTable(provider)}
[portals.home]
providers = ["id"]
insecure_cookies = true
refresh = "10s"
provider_logout = true
[portals.home.roles]
staff = { groups = ["staff"] }
user = { any = true }
[[routes]]
host = "app.example"
upstream = "http://127.0.0.1:${upstream.port}"
portal = "home"
allow = ["user"]
headers = "x-token"
`
  const gate = stack.use(await startGate(toml, { ports: { now: () => Date.now() + offsetMs } }))
  return {
    provider,
    gate,
    browser: browserAt(gate, 'app.example'),
    pass(ms) {
      offsetMs += ms
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

const see = async (browser: BrowserLite) => {
  const response = await browser.visit(`${APP}/deep?x=1`)
  return response.status === 200 ? response.text() : String(response.status)
}

describe.each<PocketIdVersion>(['2.9', '2.14'])('Pocket ID %s', version => {
  const users = [pocketIdUser('ada', { groups: ['staff'] }), pocketIdUser('bob')]

  test('signs people in, to the place that they wanted, and again without a question', async () => {
    await using at = await stand({ version, users })
    const page = await at.browser.signIn(`${APP}/deep?x=1`, 'ada')
    expect([page.address.href, page.text]).toEqual([`${APP}/deep?x=1`, 'roles: staff user'])
    const again = await at.browser.open(`${APP}/.sallyport/login?again=1&return=/other`)
    expect([again.address.href, again.text]).toEqual([`${APP}/other`, 'roles: staff user'])
    expect((await browserAt(at.gate, 'app.example').signIn(`${APP}/`, 'bob')).text).toBe('roles: user')
  })

  test('signs people in after its key was made anew for another algorithm, and keeps who is signed in', async () => {
    await using at = await stand({ version, users })
    await at.browser.signIn(`${APP}/`, 'ada')
    const discoveries = () => at.provider.asked.filter(({ path }) => path.endsWith('openid-configuration')).length
    for (const algorithm of ['ES256', 'RS256'] as const) {
      await at.provider.rotateKey(algorithm)
      const before = discoveries()
      const page = await browserAt(at.gate, 'app.example').signIn(`${APP}/deep`, 'ada')
      expect(page.text).toBe('roles: staff user')
      expect(await see(at.browser)).toBe('roles: staff user')
      expect(discoveries()).toBe(before + 1)
    }
    // The refresh of who came before meets it too.
    await at.provider.rotateKey('ES256')
    at.pass(STEP_MS)
    at.provider.change('ada', { groups: [] })
    await see(at.browser)
    await eventually(async () => (await see(at.browser)) === 'roles: user', 'the groups are gone')
    expect(at.gate.log.filter(line => line.includes('could not be checked'))).toEqual([])
  })

  test('is asked again by its rotating refresh token, and ends whoever was disabled or may no longer use the client', async () => {
    await using at = await stand({ version, users })
    await at.browser.signIn(`${APP}/deep?x=1`, 'ada')
    at.provider.change('ada', { groups: [] })
    at.pass(STEP_MS)
    await see(at.browser)
    await eventually(async () => (await see(at.browser)) === 'roles: user', 'the groups are gone')
    at.pass(STEP_MS)
    at.provider.change('ada', { isDisabled: true })
    await see(at.browser)
    await eventually(async () => (await see(at.browser)) === '302', 'the session is gone')
    const bob = browserAt(at.gate, 'app.example')
    await bob.signIn(`${APP}/`, 'bob')
    const client = at.provider.clients.get('gate')
    if (client === undefined) throw new Error('no client')
    at.provider.clients.set('gate', { ...client, isGroupRestricted: true })
    at.pass(STEP_MS)
    await see(bob)
    await eventually(async () => (await see(bob)) === '302', 'the session is gone')
  })

  test('is signed out of too: the next sign-in asks who it is', async () => {
    await using at = await stand({ version, users })
    await at.browser.signIn(`${APP}/`, 'ada')
    const back = await at.browser.refresh(await at.browser.submit(await at.browser.open(`${APP}/.sallyport/logout`)))
    expect(back.address.origin + back.address.pathname).toBe(`${APP}/.sallyport/signed-out`)
    expect((await at.browser.open(`${APP}/`)).html.has('[name="login"]')).toBe(true)
  })

  test.each([
    [
      'another secret',
      { secrets: ['another'] },
      version === '2.9' ? 'client_secret is not its secret' : 'client_secret',
    ],
    ['no such client', null, version === '2.9' ? 'knows no client with this client_id' : 'client_id or client_secret'],
  ] as const)('tells the log why a sign-in failed: %s', async (_, changed, hint) => {
    await using at = await stand({ version, users })
    const form = await at.browser.open(`${APP}/`)
    const code = await at.browser.visit(new URL(form.html.form().action ?? '', at.provider.issuer), {
      method: 'POST',
      body: 'login=ada',
    })
    const client = at.provider.clients.get('gate')
    if (client === undefined) throw new Error('no client')
    at.provider.clients.clear()
    if (changed !== null) at.provider.clients.set('gate', { ...client, ...changed })
    const page = await at.browser.open(await lastStep(at.browser, code))
    expect(page.response.status).toBe(502)
    const [line] = at.gate.told('A sign-in step failed')
    expect(line).toContain(hint)
    expect(line).not.toContain('own log says more')
  })
})

/** The address of our own at which the provider's redirects end, without going there. */
async function lastStep(browser: BrowserLite, response: Response): Promise<string> {
  const location = response.headers.get('location') ?? ''
  return location.startsWith(APP) ? location : lastStep(browser, await browser.visit(location))
}
