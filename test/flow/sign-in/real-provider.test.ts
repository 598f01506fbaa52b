import { beforeEach, describe, expect, test } from 'bun:test'
import { startAnswering } from '../../kit/applications/answering.ts'
import { type BrowserLite, browserAt } from '../../kit/browser/browser-lite.ts'
import { eventually, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { freePort } from '../../kit/programs/child.ts'
import { startProvider, type TestAccount } from '../../kit/provider/provider.ts'

/** Little, so that the provider's clock, which nobody moves, stays within the tolerance of ours. */
const STEP_MS = 11_000
const APP = 'http://app.example'
const ADA = { sub: 'ada', name: 'Ada', email: 'ada@example.com', email_verified: true }

let offsetMs = 0
const accounts: TestAccount[] = []

const keep = untilTheEnd()
const upstream = keep(startAnswering(request => new Response(`roles: ${request.headers.get('x-token-user-roles')}`)))
const port = await freePort()
const gate = keep(
  await startGate(
    `
[providers.id]
label = "The provider"
issuer = "http://127.0.0.1:${port}"
client_id = "gate"
client_secret = "gate-secret"

[portals.home]
providers = ["id"]
insecure_cookies = true
refresh = "10s"
provider_logout = true

[portals.home.roles]
staff = { groups = ["staff"] }
user = { any = true }

${['app.example', '127.0.0.1']
  .map(
    host => `[[routes]]
host = "${host}"
upstream = "http://127.0.0.1:${upstream.port}"
portal = "home"
allow = ["user"]
headers = "x-token"
`,
  )
  .join('\n')}`,
    { ports: { now: () => Date.now() + offsetMs } },
  ),
)
const provider = keep(
  await startProvider({
    port,
    accounts,
    clients: [
      {
        client_id: 'gate',
        client_secret: 'gate-secret',
        redirect_uris: [`${APP}/.sallyport/callback`],
        post_logout_redirect_uris: [`${APP}/.sallyport/signed-out`],
        backchannel_logout_uri: `http://127.0.0.1:${gate.port}/.sallyport/backchannel-logout`,
        backchannel_logout_session_required: true,
      },
    ],
  }),
)
beforeEach(() => {
  offsetMs = 0
  accounts.splice(0, accounts.length, { ...ADA, groups: ['staff'] })
})

async function signIn(): Promise<BrowserLite> {
  const browser = browserAt(gate, 'app.example')
  expect((await browser.signIn(`${APP}/`, 'ada')).text).toBe('roles: staff user')
  return browser
}

async function see(browser: BrowserLite): Promise<string> {
  const answer = await browser.visit(`${APP}/`)
  return answer.status === 200 ? answer.text() : String(answer.status)
}

describe('a certified provider', () => {
  test('is asked again with its rotating refresh tokens: groups follow, time after time', async () => {
    const browser = await signIn()
    for (const groups of [['other'], ['staff'], []]) {
      accounts.splice(0, 1, { ...ADA, groups })
      offsetMs += STEP_MS
      const expected = groups.includes('staff') ? 'roles: staff user' : 'roles: user'
      await see(browser)
      await eventually(async () => (await see(browser)) === expected, `the groups are ${groups.join()}`)
    }
    expect(gate.told('could not be checked')).toEqual([])
  })

  test('that no longer knows a person ends their session after the interval', async () => {
    const browser = await signIn()
    accounts.splice(0, 1)
    offsetMs += STEP_MS - 3000
    expect(await see(browser)).toBe('roles: staff user')
    offsetMs += 3000
    await see(browser)
    await eventually(async () => (await see(browser)) === '302', 'the session is gone')
    expect(gate.log.join('\n')).toContain('invalid_grant')
  })

  test('is signed out of too: the next sign-in asks who it is', async () => {
    const browser = await signIn()
    const confirm = await browser.open(`${APP}/.sallyport/logout`)
    const there = await browser.refresh(await browser.submit(confirm))
    expect(there.address.origin).toBe(provider.issuer)
    expect(await see(browser)).toBe('302')
    const back = await browser.submit(there, { logout: 'yes' })
    expect(back.address.origin + back.address.pathname).toBe(`${APP}/.sallyport/signed-out`)
    expect(back.text).toContain('Here, and at The provider.')
    expect((await browser.open(`${APP}/`)).address.pathname).toStartWith('/interaction/')
  })

  test('where one browser signs out, ends what this session of it began, and nothing else', async () => {
    const [one, other] = [await signIn(), await signIn()]
    const told = () => gate.told('A provider signed a user out').length
    const before = told()
    const page = await one.open(`${provider.issuer}/session/end`)
    await one.submit(page, { logout: 'yes' })
    await eventually(async () => (await see(one)) === '302', 'the back channel has told it')
    expect(await see(other)).toBe('roles: staff user')
    // It is told once it is out of the store.
    await eventually(() => told() > before, 'the log says so')
    expect(told()).toBe(before + 1)
  })
})
