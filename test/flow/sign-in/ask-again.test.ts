import { describe, expect, test } from 'bun:test'
import { startAnswering } from '../../kit/applications/answering.ts'
import { type BrowserLite, browserAt } from '../../kit/browser/browser-lite.ts'
import { startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { freePort } from '../../kit/programs/child.ts'
import { startProvider, type TestAccount } from '../../kit/provider/provider.ts'

const APP = 'http://app.example'
const PLACE = `${APP}/deep?x=1`

const keep = untilTheEnd()
const upstream = keep(startAnswering(() => new Response('the staff room')))

/** A gate whose people may ask again whether they may open it. */
async function openStand(givesRefreshTokens = true) {
  const port = await freePort()
  const accounts: TestAccount[] = [{ sub: 'ada', name: 'Ada', groups: [] }]
  const gate = await startGate(`
[providers.id]
issuer = "http://127.0.0.1:${port}"
client_id = "gate"
client_secret = "gate-secret"

[portals.home]
providers = ["id"]
insecure_cookies = true
contact = "it@example.com"

[portals.home.roles]
staff = { groups = ["staff"] }

[[routes]]
host = "app.example"
upstream = "http://127.0.0.1:${upstream.port}"
portal = "home"
allow = ["staff"]
`)
  const provider = await startProvider({
    port,
    accounts,
    givesRefreshTokens,
    clients: [{ client_id: 'gate', client_secret: 'gate-secret', redirect_uris: [`${APP}/.sallyport/callback`] }],
  })
  return {
    accounts,
    browser: browserAt(gate, 'app.example'),
    async [Symbol.asyncDispose]() {
      await gate[Symbol.asyncDispose]()
      await provider.stop()
    },
  }
}

const grant = (accounts: TestAccount[]) => accounts.splice(0, 1, { sub: 'ada', name: 'Ada', groups: ['staff'] })

async function denied(browser: BrowserLite) {
  const page = await browser.signIn(PLACE, 'ada')
  expect(page.response.status).toBe(403)
  expect(page.html.form('/deep?x=1').hidden.return).toBe('/deep?x=1')
  expect(page.html.link('it@example.com')).toBe('mailto:it@example.com')
  return page
}

const askAgain = (browser: BrowserLite, origin = APP) =>
  browser.open(`${APP}/.sallyport/again`, {
    method: 'POST',
    body: new URLSearchParams({ return: '/deep?x=1' }).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin },
  })

describe('asking again whether one may', () => {
  test.each([
    ['by the refresh token, without leaving', true],
    ['at the provider, which still knows who it is', false],
  ])('learns of a role that was granted a moment ago: %s', async (_, givesRefreshTokens) => {
    await using stand = await openStand(givesRefreshTokens)
    await denied(stand.browser)
    grant(stand.accounts)
    // The session goes on with what was said at sign-in: nothing is asked before it is due.
    expect((await stand.browser.open(PLACE)).response.status).toBe(403)
    const page = await askAgain(stand.browser)
    expect([page.text, page.address.href]).toEqual(['the staff room', PLACE])
    expect(page.trail.some(one => one.includes('/.sallyport/callback'))).toBe(!givesRefreshTokens)
  })

  test('leads back to the refusal where nothing has changed', async () => {
    await using stand = await openStand()
    await denied(stand.browser)
    const page = await askAgain(stand.browser)
    expect([page.response.status, page.address.href]).toEqual([403, PLACE])
  })

  test('is for a form of this host alone, and has its limit', async () => {
    await using stand = await openStand()
    await denied(stand.browser)
    expect((await askAgain(stand.browser, 'https://evil.example')).response.status).toBe(403)
    const statuses = new Set<number>()
    for (let tries = 0; tries < 3_000 && !statuses.has(429); tries++) {
      statuses.add(
        (
          await stand.browser.visit(`${APP}/.sallyport/again`, {
            method: 'POST',
            body: 'return=/',
            headers: { 'content-type': 'application/x-www-form-urlencoded', origin: APP },
          })
        ).status,
      )
    }
    expect([...statuses]).toEqual([303, 429])
  })

  test('leads nowhere else', async () => {
    await using stand = await openStand()
    await denied(stand.browser)
    const answer = await stand.browser.visit(`${APP}/.sallyport/again`, {
      method: 'POST',
      body: 'return=//evil.example/x',
      headers: { 'content-type': 'application/x-www-form-urlencoded', origin: APP },
    })
    expect(answer.headers.get('location')).toMatch(/^\/(?!\/)/)
  })
})
