import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { cookieName } from '../../../src/session/cookie.ts'
import type { BrowserLite } from '../../kit/browser/browser-lite.ts'
import { AS_PROGRAM, codeOf, GRAFANA, KUMA, openStand, PAGE, PORTAL, type Stand, stopAt } from '../stand.ts'

const SESSION = cookieName('session', true)
const LOGIN = cookieName('login', true)
const CALLBACK = '/.sallyport/callback'

/** Gives a browser on one host the cookies that it has on another, as whoever holds both can. */
function carry(browser: BrowserLite, name: string, from: URL, to: URL): void {
  const isSecure = to.protocol === 'https:'
  for (const { name: own, value } of browser.cookiesLike(from.hostname, name)) {
    browser.plant(to.hostname, isSecure ? own : own.replace('__Host-', ''), value, isSecure)
  }
}

describe('what is begun on one host ends on that host: a portal that is mounted on each', () => {
  const OTHER_PORT = `${KUMA}:8443`
  const PLAIN = 'http://kuma.example.com:8080'
  let stand: Stand
  beforeAll(async () => {
    stand = await openStand({ url: null }, [KUMA, GRAFANA, OTHER_PORT, PLAIN])
  })
  afterAll(() => stand[Symbol.asyncDispose]())

  test.each([
    ['another host', GRAFANA, KUMA],
    ['the same host by another port', KUMA, OTHER_PORT],
    ['the same host by another scheme', KUMA, PLAIN],
  ])('code and state that a victim got there open nothing at %s', async (_, evil, good) => {
    const attacker = stand.browser()
    const begun = await attacker.visit(`${evil}/.sallyport/login?return=/`)
    // The victim is led to the provider by the attacker's page, which reads where they come back to.
    const read = await stopAt(stand, begun.headers.get('location') ?? '', CALLBACK, stand.browser(), 'user2')
    carry(attacker, LOGIN, new URL(evil), new URL(good))
    const answer = await attacker.visit(`${good}${read.pathname}${read.search}`, { headers: AS_PROGRAM })
    expect(answer.status).toBe(400)
    expect(await codeOf(answer)).toBe('sign_in.state')
    expect(attacker.cookie(new URL(good).hostname, SESSION)).toBeNull()
    expect(answer.headers.getSetCookie()).toEqual([])
  })

  test('a sign-in that ends where it began is as before', async () => {
    expect((await stand.browser().signIn(`${OTHER_PORT}/x`, 'user1')).text).toBe('user-1 sees /x')
  })
})

describe('what is begun on one host ends on that host: a portal with a host of its own', () => {
  let stand: Stand
  beforeAll(async () => {
    stand = await openStand()
  })
  afterAll(() => stand[Symbol.asyncDispose]())

  test('a callback is answered where it is registered alone', async () => {
    const browser = stand.browser()
    const callback = await stopAt(stand, `${KUMA}/`, CALLBACK, browser)
    carry(browser, LOGIN, callback, new URL(KUMA))
    for (const headers of [PAGE, AS_PROGRAM]) {
      const elsewhere = await browser.visit(`${KUMA}${callback.pathname}${callback.search}`, { headers })
      expect([elsewhere.status, elsewhere.headers.getSetCookie()]).toEqual([404, []])
    }
    expect((await browser.visit(callback)).status).toBe(303)
  })

  test('a ticket is entered on a host that asked for one alone', async () => {
    const browser = stand.browser()
    const ticket = await stopAt(stand, `${KUMA}/`, '/.sallyport/enter', browser)
    const elsewhere = await browser.visit(`${PORTAL}${ticket.pathname}${ticket.search}`, { headers: AS_PROGRAM })
    expect(elsewhere.status).toBe(404)
    expect((await browser.visit(ticket)).status).toBe(303)
  })

  test('the way on to the provider’s own sign-out, which carries an ID token, is open on the host that signed out alone', async () => {
    const browser = stand.browser()
    await browser.signIn(`${KUMA}/`, 'user1')
    const out = await browser.submit(await browser.open(`${KUMA}/.sallyport/logout`))
    const next = /provider-logout\?next=([\w-]+)/.exec(out.text)?.[1] ?? ''
    const at = (origin: string) => browser.visit(`${origin}/.sallyport/provider-logout?next=${next}`)
    expect((await at(GRAFANA)).headers.get('location')).toBe('/.sallyport/signed-out')
    expect((await at(PORTAL)).headers.get('location')).toBe('/.sallyport/signed-out')

    await browser.signIn(`${KUMA}/`, 'user1')
    const again = await browser.submit(await browser.open(`${KUMA}/.sallyport/logout`))
    const good = /provider-logout\?next=([\w-]+)/.exec(again.text)?.[1] ?? ''
    const answer = await browser.visit(`${PORTAL}/.sallyport/provider-logout?next=${good}`)
    expect(answer.headers.get('location')).toStartWith(`${stand.issuer}/`)
  })
})

test('where a callback path of one’s own is registered, the usual one is nobody’s', async () => {
  await using stand = await openStand({ url: null, callbackPath: '/oauth2/callback' })
  const browser = stand.browser()
  const callback = await stopAt(stand, `${KUMA}/`, '/oauth2/callback', browser)
  expect((await browser.visit(`${KUMA}${CALLBACK}${callback.search}`, { headers: AS_PROGRAM })).status).toBe(404)
  expect((await browser.visit(callback)).status).toBe(303)
})
