import { describe, expect, test } from 'bun:test'
import { startAnswering } from '../../kit/applications/answering.ts'
import { BrowserLite, type Page } from '../../kit/browser/browser-lite.ts'
import { startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { pocketIdUser } from '../../kit/provider/pocket-id/people.ts'
import { pocketId } from '../../kit/provider/pocket-id/pocket-id.ts'
import { EVERYONE, portalTable, providerTable, routeForUsers } from '../../kit/toml.ts'

const DEEP = 'http://app.example/deep?x=1'
const keep = untilTheEnd()
const upstream = keep(startAnswering(request => new Response(`hello ${request.headers.get('x-token-subject')}`)))

/** A gate before Pocket ID: people sign in at `auth.example`, or at the application's own host. */
async function stand(place: 'auth.example' | 'app.example', lines = '') {
  const stack = new AsyncDisposableStack()
  let offsetMs = 0
  const now = () => Date.now() + offsetMs
  const users = [pocketIdUser('ada'), pocketIdUser('eve')]
  const provider = stack.use(await pocketId({ version: '2.14', users, nowS: () => Math.floor(now() / 1000) }))
  provider.allowRedirect(`http://${place}/.sallyport/callback`)
  const url = place === 'auth.example' ? '\nurl = "http://auth.example"' : ''
  const toml = `${providerTable(provider)}${portalTable(`${EVERYONE}${url}\n${lines}`)}${routeForUsers(upstream, 'app.example', 'headers = "x-token"')}`
  const gate = stack.use(await startGate(toml, { ports: { now } }))
  const authority = `127.0.0.1:${gate.port}`
  const hosts = { 'app.example': authority, 'auth.example': authority }
  return {
    provider,
    gate,
    place,
    browser: (refuses: (name: string) => boolean = () => false) => new BrowserLite({ hosts, refuses }),
    pass(ms: number) {
      offsetMs += ms
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

type Stand = Awaited<ReturnType<typeof stand>>

const MINUTE = 60_000
const LED_ON = 'came back too late or once more'

/** Opens the deep link up to the provider's form. */
async function toForm({ provider }: Stand, browser: BrowserLite, address = DEEP): Promise<Page> {
  const form = await browser.open(address)
  expect(form.address.origin).toBe(provider.issuer)
  return form
}

/** Where the provider sends a browser back to once its form is sent; nothing goes there yet. */
async function comeBack(form: Page, browser: BrowserLite): Promise<string> {
  const response = await browser.visit(new URL(form.html.form().action ?? '', form.address), {
    method: 'POST',
    body: 'login=ada',
  })
  return response.headers.get('location') ?? ''
}

describe.each(['auth.example', 'app.example'] as const)('people who sign in at %s', place => {
  test.each([11, 59])('may take %d minutes at the provider', async minutes => {
    await using at = await stand(place)
    const browser = at.browser()
    const form = await toForm(at, browser)
    at.pass(minutes * MINUTE)
    const page = await browser.submit(form, { login: 'ada' })
    expect([page.address.href, page.text]).toEqual([DEEP, 'hello sub-of-ada'])
    expect(at.gate.told(LED_ON)).toEqual([])
  })

  test('and take longer begin again by themselves, and come to the place that they wanted', async () => {
    await using at = await stand(place)
    const browser = at.browser()
    const form = await toForm(at, browser)
    at.pass(130 * MINUTE)
    const page = await browser.submit(form, { login: 'ada' })
    expect([page.address.href, page.text]).toEqual([DEEP, 'hello sub-of-ada'])
    expect(at.gate.told(LED_ON, '"is_signed_in":false')).toHaveLength(1)
  })

  test('and go back from the application to the provider are led on to where that sign-in was going', async () => {
    await using at = await stand(place)
    const browser = at.browser()
    const form = await toForm(at, browser)
    const old = form.trail.find(address => address.includes('/authorize?')) ?? ''
    await browser.submit(form, { login: 'ada' })
    const before = browser.cookie(place, 'sallyport')
    const page = await browser.open(old)
    expect([page.address.href, page.text]).toEqual([DEEP, 'hello sub-of-ada'])
    expect(browser.cookie(place, 'sallyport')).toBe(before)
    expect(at.gate.told(LED_ON, '"is_signed_in":true')).toHaveLength(1)
    at.pass(3 * 60 * MINUTE)
    expect((await browser.open(old)).address.href).toBe(DEEP)
    expect(at.gate.told(LED_ON)).toHaveLength(2)
  })

  test('in a browser that keeps no cookies are led round once, and then told why, with a way to the same place', async () => {
    await using at = await stand(place)
    const browser = at.browser(name => name.startsWith('sallyport-login'))
    const page = await browser.submit(await toForm(at, browser), { login: 'ada' })
    expect(page.address.pathname).toBe('/.sallyport/callback')
    expect([page.response.status, page.html.text]).toEqual([400, expect.stringContaining('did not keep the cookie')])
    expect(page.html.address('/deep')).toBe(place === 'app.example' ? '/deep?x=1' : DEEP)
    expect(at.gate.told(LED_ON)).toHaveLength(1)
  })

  test('by another’s link get nothing of it: they sign in as themselves', async () => {
    await using at = await stand(place)
    const eve = at.browser()
    const link = await comeBack(await toForm(at, eve, 'http://app.example/of-eve'), eve)
    expect(new URL(link).searchParams.get('code')).not.toBeNull()
    const victim = at.browser()
    const page = await victim.open(link)
    expect(page.address.origin).toBe(at.provider.issuer)
    expect(victim.cookie(place, 'sallyport')).toBeNull()
    expect((await victim.submit(page, { login: 'eve' })).text).toBe('hello sub-of-eve')
  })

  test('cannot be led by a state that is not whole, of another host, or old', async () => {
    await using at = await stand(place)
    const browser = at.browser()
    const form = await toForm(at, browser)
    const asked = new URL(form.trail.find(address => address.includes('/authorize?')) ?? '')
    const state = asked.searchParams.get('state') ?? ''
    const [key = '', sealed = ''] = state.split('.')
    expect([key.length, state]).toEqual([43, expect.not.stringMatching(/\bdeep\b/)])
    const ask = (value: string, host: string = place) =>
      at.browser().visit(`http://${host}/.sallyport/callback?code=x&state=${value}`)
    for (const value of [key, `${key}.`, `${key}.${sealed}A`, `${key}.A${sealed.slice(1)}`, `${key}.${key}`]) {
      expect((await ask(value)).status).toBe(400)
    }
    expect((await ask(state)).status).toBe(302)
    expect((await ask(`${state}.more`)).headers.get('location')).not.toContain('.more')
    const program = await at.browser().visit(`http://${place}/.sallyport/callback?code=x&state=${state}`, {
      headers: { accept: 'application/json', 'sec-fetch-mode': '', 'sec-fetch-dest': '' },
    })
    expect(program.status).toBe(400)
    at.pass(25 * 60 * MINUTE)
    expect((await ask(state)).status).toBe(400)
  })
})

test('who has said no at the provider, too late, is not asked once more', async () => {
  await using at = await stand('auth.example')
  const browser = at.browser()
  const asked = new URL((await toForm(at, browser)).trail.find(address => address.includes('/authorize?')) ?? '')
  at.pass(130 * MINUTE)
  const answer = new URLSearchParams({ error: 'access_denied', state: asked.searchParams.get('state') ?? '' })
  const page = await browser.open(`http://auth.example/.sallyport/callback?${answer}`)
  expect([page.response.status, page.text]).toEqual([400, expect.stringContaining(`href="${DEEP}"`)])
})

describe('a ticket to another host', () => {
  const AGAIN = 'A ticket came too late'

  /** Signs in up to the ticket, which is not entered yet. */
  async function ticketAt(at: Stand, browser: BrowserLite): Promise<string> {
    const answer = await browser.visit(await comeBack(await toForm(at, browser), browser))
    const ticket = answer.headers.get('location') ?? ''
    expect(ticket).toStartWith('http://app.example/.sallyport/enter?ticket=')
    expect(decodeURIComponent(ticket)).not.toMatch(/\bdeep\b/)
    return ticket
  }

  test.each([11, 59])('may be %d seconds on its way, as in a phone that was locked', async seconds => {
    await using at = await stand('auth.example')
    const browser = at.browser()
    const ticket = await ticketAt(at, browser)
    at.pass(seconds * 1000)
    const page = await browser.open(ticket)
    expect([page.address.href, page.text, page.trail]).toEqual([DEEP, 'hello sub-of-ada', [ticket]])
    expect(at.gate.told(AGAIN)).toEqual([])
    expect((await browser.visit(ticket)).status).toBe(400)
  })

  test.each([61, 59 * 60])('of %d seconds begins again by itself, once, to the place in its record', async seconds => {
    await using at = await stand('auth.example')
    const browser = at.browser()
    const ticket = await ticketAt(at, browser)
    at.pass(seconds * 1000)
    const page = await browser.open(`${ticket}&return=%2Felsewhere&path=%2Felsewhere`)
    expect([page.address.href, page.text]).toEqual([DEEP, 'hello sub-of-ada'])
    expect(page.trail.filter(address => address.includes('/enter?'))).toHaveLength(2)
    expect(at.gate.told(AGAIN)).toHaveLength(1)
    expect((await browser.visit(ticket)).status).toBe(400)
  })

  test('that is older than its record leads nowhere', async () => {
    await using at = await stand('auth.example')
    const browser = at.browser()
    const ticket = await ticketAt(at, browser)
    at.pass(61 * MINUTE)
    expect((await browser.visit(ticket)).status).toBe(400)
    expect(browser.cookie('app.example', 'sallyport')).toBeNull()
  })

  test('that is late gives another browser nothing but a sign-in of its own', async () => {
    await using at = await stand('auth.example')
    const victim = at.browser()
    await toForm(at, victim, 'http://app.example/of-victim')
    const ticket = await ticketAt(at, at.browser())
    at.pass(MINUTE + 1000)
    const page = await victim.open(ticket)
    expect([page.response.status, victim.cookie('app.example', 'sallyport')]).toEqual([400, null])
    expect(await (await at.browser().visit(ticket)).text()).toContain('cookie')
    expect(at.gate.told(AGAIN)).toEqual([])
  })

  test('that is late leads on whoever is signed in there meanwhile', async () => {
    await using at = await stand('auth.example')
    const browser = at.browser()
    const ticket = await ticketAt(at, browser)
    at.pass(MINUTE + 1000)
    expect((await browser.open('http://app.example/other')).text).toBe('hello sub-of-ada')
    const before = browser.cookie('app.example', 'sallyport')
    expect((await browser.open(ticket)).address.href).toBe(DEEP)
    expect(browser.cookie('app.example', 'sallyport')).toBe(before)
  })

  test('that is late again and again is a loop, and told as one', async () => {
    await using at = await stand('auth.example')
    const browser = at.browser()
    const late: string[] = []
    for (let round = 0; round < 4; round++) late.push(await nextTicket(at, browser, round === 0))
    at.pass(MINUTE + 1000)
    const statuses: number[] = []
    for (const ticket of late) statuses.push((await browser.visit(ticket)).status)
    expect(statuses).toEqual([302, 302, 302, 400])
    expect(at.gate.told('sign_in.loop')).toHaveLength(1)
    expect(at.gate.told(AGAIN)).toHaveLength(4)
  })

  /** The first by a sign-in, the others by the portal's session. */
  async function nextTicket(at: Stand, browser: BrowserLite, isFirst: boolean): Promise<string> {
    if (isFirst) return ticketAt(at, browser)
    const asked = (await browser.visit(DEEP)).headers.get('location') ?? ''
    return (await browser.visit(asked)).headers.get('location') ?? ''
  }
})
