import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { cookieName } from '../../../src/session/cookie.ts'
import { BrowserLite } from '../../kit/browser/browser-lite.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { APP, AUTH, PASSWORD, startPasskeyGate } from '../../kit/passkey-gate.ts'
import { AS_PROGRAM, codeOf, KUMA, openStand, PORTAL, type Stand, stopAt } from '../stand.ts'

const keep = untilTheEnd()
const stand = keep(await openStand())

/** What browsers say of everything on a page that is no window. */
const OTHERS = [
  { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' },
  { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'script' },
  { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' },
  { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'frame' },
  { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'fencedframe' },
  { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'embed' },
  { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'object' },
  { 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' },
  { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'empty' },
  { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'empty', 'upgrade-insecure-requests': '1' },
  { 'sec-fetch-mode': 'same-origin', 'sec-fetch-dest': 'empty' },
] as const

/** What they say of a page load that a service worker passes on: as it came, or as a request that it made of it. */
const WORKERS = [
  { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'empty', accept: 'text/html' },
  { 'sec-fetch-mode': 'same-origin', 'sec-fetch-dest': 'empty', 'upgrade-insecure-requests': '1', accept: 'text/html' },
] as const

describe('a sign-in is a matter of windows', () => {
  test.each(OTHERS)('it does not begin by anything else: %j', async other => {
    for (const origin of [PORTAL, KUMA]) {
      const answer = await stand.ask('GET', `${origin}/.sallyport/login`, { ...AS_PROGRAM, ...other })
      expect([origin, answer.status, answer.headers.getSetCookie()]).toEqual([origin, 403, []])
      expect(await codeOf(answer)).toBe('access.origin')
    }
    const page = await stand.ask('GET', `${KUMA}/`, { ...other, accept: 'text/html' })
    expect([page.status, page.headers.getSetCookie()]).toEqual([401, []])
  })

  test('what a page asks for in thousands keeps none of its visitors from signing in', async () => {
    const image = { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image', 'sec-fetch-site': 'cross-site' }
    const waiting = stand.browser()
    const callback = await stopAt(stand, `${KUMA}/`, '/.sallyport/callback', waiting)
    for (let round = 0; round < 600; round++)
      await (await stand.ask('GET', `${PORTAL}/.sallyport/login`, image)).body?.cancel()
    expect((await stand.browser().open(`${KUMA}/`)).address.origin).toBe(stand.issuer)
    expect((await waiting.visit(callback)).status).toBe(303)
  })

  test.each(OTHERS)('neither code nor ticket is used up by %j', async other => {
    const browser = stand.browser()
    const callback = await stopAt(stand, `${KUMA}/`, '/.sallyport/callback', browser)
    expect((await browser.visit(callback, { headers: other })).status).toBe(403)
    const ticket = new URL((await browser.visit(callback)).headers.get('location') ?? '')
    expect((await browser.visit(ticket, { headers: other })).status).toBe(403)
    expect((await browser.visit(ticket)).status).toBe(303)
    expect(browser.cookie('kuma.example.com', cookieName('session', true))).not.toBeNull()
  })

  test('a browser that says nothing of what asks signs in as before', async () => {
    const mute = { 'sec-fetch-mode': '', 'sec-fetch-dest': '' }
    const browser = stand.browser(mute)
    expect((await browser.signIn(`${KUMA}/x`, 'user1')).text).toBe('user-1 sees /x')
  })
})

describe('a ticket is given to a window itself', () => {
  test.each([...WORKERS, ...OTHERS])('and to nothing else of a browser that is signed in: %j', async other => {
    const browser = stand.browser()
    await browser.signIn(`${PORTAL}/`, 'user1')
    const asked = await browser.visit(`${KUMA}/`)
    const way = new URL(asked.headers.get('location') ?? '')
    const answer = await browser.visit(way, { headers: { ...AS_PROGRAM, ...other } })
    expect([answer.status, answer.headers.get('location')]).toEqual([403, null])
    expect(await codeOf(answer)).toBe('access.origin')
    expect((await browser.visit(way)).headers.get('location')).toStartWith(`${KUMA}/.sallyport/enter?ticket=`)
  })

  test.each(WORKERS)('nor at the end of a sign-in, which then begins no session: %j', async worker => {
    const browser = stand.browser()
    const callback = await stopAt(stand, `${KUMA}/`, '/.sallyport/callback', browser)
    const answer = await browser.visit(callback, { headers: { ...AS_PROGRAM, ...worker } })
    expect([answer.status, answer.headers.get('location'), answer.headers.getSetCookie()]).toEqual([403, null, []])
  })

  test.each(WORKERS)('but a service worker of the application may pass it on, as every page load: %j', async worker => {
    const browser = stand.browser()
    const ticket = await stopAt(stand, `${KUMA}/`, '/.sallyport/enter', browser)
    expect((await browser.visit(ticket, { headers: worker })).status).toBe(303)
  })
})

describe('with bind_tickets', () => {
  let bound: Stand
  beforeAll(async () => {
    bound = await openStand({ bindTickets: true })
  })
  afterAll(() => bound[Symbol.asyncDispose]())

  test.each([
    ['192.0.2.1', '192.0.2.77', 303],
    ['192.0.2.1', '192.0.3.1', 400],
    ['2001:db8:0:1::1', '2001:db8:0:1:2:3:4:5', 303],
    ['2001:db8:0:1::1', '2001:db8:0:2::1', 400],
    ['192.0.2.1', '2001:db8::1', 400],
    ['192.0.2.1', '::ffff:192.0.2.9', 303],
  ])('a ticket that was given to %s, and is entered from %s, is %i', async (given, entered, status) => {
    const browser = bound.browser()
    const callback = await stopAt(bound, `${KUMA}/`, '/.sallyport/callback', browser)
    const at = (address: string) => ({ headers: { ...AS_PROGRAM, 'x-real-ip': address } })
    const ticket = new URL((await browser.visit(callback, at(given))).headers.get('location') ?? '')
    const answer = await browser.visit(ticket, at(entered))
    expect([answer.status, browser.cookie('kuma.example.com', cookieName('session', true)) !== null]).toEqual([
      status,
      status === 303,
    ])
  })

  test.each([
    ['says nothing of its client', '', 400],
    ['says where its client is', '203.0.113.9', 200],
    ['says what is no address', 'unknown', 400],
  ])('where the proxy in front %s, a ticket is answered as the row says', async (_what, client, status) => {
    const server = 'trusted_proxies = ["127.0.0.1"]'
    await using gate = await startPasskeyGate({ server, portal: 'bind_tickets = true' })
    const hosts = { [AUTH]: `127.0.0.1:${gate.port}`, [APP]: `127.0.0.1:${gate.port}` }
    const browser = new BrowserLite({ hosts, headers: { 'x-forwarded-for': client } })
    const form = await browser.open(`${gate.app}/`)
    const entered = await browser.submit(form, { name: 'ada', password: PASSWORD })
    expect([entered.response.status, entered.text.includes('htpasswd:ada')]).toEqual([status, status === 200])
    // On the portal's own host nobody needs a ticket.
    expect((await browser.visit(`${gate.portal}/.sallyport/account`)).status).toBe(200)
  })
})
