import { describe, expect, test } from 'bun:test'
import { describeAgent } from '../../../src/portal/user-agent.ts'
import { cookieName } from '../../../src/session/cookie.ts'
import type { BrowserLite } from '../../kit/browser/browser-lite.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { LIFETIMES } from '../../kit/sessions/lifetimes.ts'
import { GRAFANA, KUMA, openStand, PORTAL } from '../stand.ts'

const SESSION = cookieName('session', true)
const SESSIONS = `${PORTAL}/.sallyport/sessions`
const SCRIPT = { accept: 'application/json', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' }

interface Listed {
  readonly id: string
  readonly is_this: boolean
  readonly subject: string
  readonly device: string
  readonly address: string
}

async function list(browser: BrowserLite, query = ''): Promise<readonly Listed[]> {
  const answer = await browser.visit(`${SESSIONS}${query}`, { headers: SCRIPT })
  expect(answer.headers.get('cache-control')).toBe('no-store')
  const { sessions } = (await answer.json()) as { sessions: Listed[] }
  return sessions
}

function send(browser: BrowserLite, body: Record<string, string>, headers: Record<string, string>) {
  return browser.visit(SESSIONS, {
    method: 'POST',
    body: new URLSearchParams(body).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
  })
}

const isIn = async (browser: BrowserLite) => (await browser.visit(`${PORTAL}/.sallyport/me`)).status === 200

const keep = untilTheEnd()
const stand = keep(await openStand({ adminRole: 'admin' }))

async function signedIn(login: string, agent?: string): Promise<BrowserLite> {
  const browser = stand.browser(agent === undefined ? {} : { 'user-agent': agent })
  await browser.signIn(`${KUMA}/`, login)
  return browser
}

describe('your sessions', () => {
  test('are shown with device, address and times, this one marked, and nobody else’s', async () => {
    const laptop = await signedIn('user10', 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0')
    const phone = await signedIn(
      'user10',
      'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1',
    )
    await signedIn('user11')
    const sessions = await list(laptop)
    expect(sessions.map(({ device, is_this }) => [device, is_this])).toEqual([
      ['Safari on iPhone', false],
      ['Firefox on Linux', true],
    ])
    expect(new Set(sessions.map(({ subject }) => subject))).toEqual(new Set(['user-10']))
    expect(sessions[0]?.address).toBe('192.0.2.1')
    const page = await phone.open(SESSIONS)
    expect(page.html.texts('.row h2')).toEqual(['Safari on iPhone This device', 'Firefox on Linux'])
    // All of them came from one address.
    expect(page.html.texts('.row p')).toEqual(['Kuma · signed in just now', 'Kuma · last used just now'])
    stand.advance(3 * 60_000)
    await laptop.open(`${KUMA}/`)
    stand.advance(2 * 60_000)
    expect((await phone.open(SESSIONS)).html.texts('.row p')).toEqual([
      'Kuma · signed in 5 minutes ago',
      'Kuma · last used 2 minutes ago · signed in 5 minutes ago',
    ])
    for (const host of ['auth', 'kuma']) {
      const cookie = phone.cookie(`${host}.example.com`, SESSION) ?? 'missing'
      expect(page.text).not.toContain(cookie)
    }
    expect(page.html.link('All sessions')).toBeNull()
  })

  test('are on the portal’s host alone: other hosts lead there, and give scripts nothing', async () => {
    const browser = await signedIn('user12')
    expect((await browser.visit(`${KUMA}/.sallyport/sessions`)).headers.get('location')).toBe(SESSIONS)
    expect((await browser.visit(`${KUMA}/.sallyport/sessions`, { headers: SCRIPT })).status).toBe(404)
    const answer = await browser.visit(`${KUMA}/.sallyport/sessions`, {
      method: 'POST',
      body: 'act=end-all',
      headers: { 'content-type': 'application/x-www-form-urlencoded', origin: KUMA, 'sec-fetch-site': 'same-origin' },
    })
    expect(answer.status).toBe(403)
    expect(await isIn(browser)).toBe(true)
  })

  test('ask a visitor to sign in, and come back', async () => {
    expect((await stand.browser().visit(SESSIONS, { headers: SCRIPT })).status).toBe(401)
    const page = await stand.browser().signIn(SESSIONS, 'user13')
    expect(page.address.href).toBe(SESSIONS)
  })

  test('one is ended from another: on every host, at once', async () => {
    const here = await signedIn('user14')
    const there = await signedIn('user14')
    await there.open(`${GRAFANA}/`)
    const other = (await list(here)).find(one => !one.is_this)?.id ?? ''
    const page = await here.submit(await here.open(SESSIONS), {}, other)
    expect(page.address.href).toBe(SESSIONS)
    expect(await isIn(here)).toBe(true)
    expect(await isIn(there)).toBe(false)
    for (const host of [KUMA, GRAFANA]) expect((await there.visit(`${host}/`)).status).toBe(302)
  })

  test('to end the one that asks is to sign out', async () => {
    const here = await signedIn('user15')
    const there = await signedIn('user15')
    const own = (await list(here)).find(one => one.is_this)?.id ?? ''
    const page = await here.submit(await here.open(SESSIONS), {}, own)
    expect(page.address.pathname).toBe('/.sallyport/signed-out')
    expect(here.cookie('auth.example.com', SESSION)).toBeNull()
    expect([await isIn(here), await isIn(there)]).toEqual([false, true])
  })

  test('sign out everywhere ends them all, and nobody else’s', async () => {
    const [one, two, stranger] = [await signedIn('user16'), await signedIn('user16'), await signedIn('user17')]
    const page = await one.submit(await one.open(SESSIONS), {}, 'end-all')
    expect(page.address.pathname).toBe('/.sallyport/signed-out')
    expect([await isIn(one), await isIn(two), await isIn(stranger)]).toEqual([false, false, true])
  })
})

describe('no other site, and no other person, ends a session', () => {
  test('without the browser’s own word the proof of the page decides, and it fits this session alone', async () => {
    const [mine, theirs] = [await signedIn('user19'), await signedIn('user20')]
    const proofOf = async (browser: BrowserLite) => (await browser.open(SESSIONS)).html.form('end').hidden.proof ?? ''
    expect((await send(mine, { act: 'end-all', proof: await proofOf(theirs) }, { origin: 'null' })).status).toBe(403)
    expect((await send(mine, { act: 'end-all', proof: await proofOf(mine) }, { origin: 'null' })).status).toBe(303)
    expect([await isIn(mine), await isIn(theirs)]).toEqual([false, true])
  })

  const OWN = { origin: PORTAL, 'sec-fetch-site': 'same-origin' }

  test('another person’s session is 403; one that is gone, and nonsense, end nothing', async () => {
    const [mine, theirs] = [await signedIn('user21'), await signedIn('user22')]
    const id = (await list(theirs))[0]?.id ?? ''
    expect((await send(mine, { act: 'end', id, all: '1' }, OWN)).status).toBe(403)
    expect((await send(mine, { act: 'end', id: 'gone' }, OWN)).status).toBe(303)
    expect((await send(mine, { act: 'forget' }, OWN)).status).toBe(400)
    expect((await mine.visit(`${SESSIONS}?all=1`)).status).toBe(403)
    expect([await isIn(mine), await isIn(theirs)]).toEqual([true, true])
  })
})

describe('whoever has the admin role', () => {
  test('sees everyone’s sessions, finds some, and ends one, which is logged', async () => {
    const admin = await signedIn('user0')
    const other = await signedIn('user23', 'curl/8.1')
    expect((await list(admin, '?all=1')).length).toBeGreaterThan(2)
    const found = await list(admin, '?all=1&q=USER23')
    expect(found.map(({ subject }) => subject)).toEqual(['user-23'])
    expect((await list(admin, '?all=1&q=curl')).map(({ subject }) => subject)).toEqual(['user-23'])
    expect(await list(admin, '?all=1&q=nobody-at-all')).toEqual([])
    const page = await admin.open(`${SESSIONS}?all=1&q=user23`)
    expect(page.html.texts('[aria-current="page"]')).toEqual(['Administration', 'Sessions'])
    expect(page.html.texts('.row h2')).toEqual(['User 23'])
    const after = await admin.submit(page, {}, found[0]?.id ?? '')
    expect(after.address.href).toBe(`${SESSIONS}?all=1&q=user23`)
    expect(after.html.texts('p')).toContain('No session matches.')
    expect(await isIn(other)).toBe(false)
    const [line = '', ...more] = stand.logged.filter(one => one.includes('An admin ended a session'))
    expect(more).toEqual([])
    for (const fact of ['"event":"sign_out.by_admin"', '"by":"user-0"', '"user":"user-23"'])
      expect(line).toContain(fact)
  })

  test('sees them page by page, each once', async () => {
    const admin = await signedIn('user0')
    const session = await stand.sessions.describe((await list(admin)).find(one => one.is_this)?.id ?? '')
    if (session === null) throw new Error('not signed in')
    const { identity } = session.session
    for (let index = 0; index < 60; index++) {
      const person = { ...identity, subject: `crowd-${index}`, name: `Crowd ${index}` }
      await stand.sessions.start({
        portal: 'home',
        host: 'x',
        identity: person,
        secrets: { idToken: '', refreshToken: null },
      })
    }
    const seen: string[] = []
    let address = `${SESSIONS}?all=1&q=crowd`
    for (let pages = 0; pages < 5 && address !== ''; pages++) {
      const page = await admin.open(address)
      seen.push(...page.html.texts('.row h2'))
      const [older] = page.html.all('a[href*="after="]')
      address = older === undefined ? '' : new URL(older.attribute('href') ?? '', PORTAL).href
    }
    expect(new Set(seen).size).toBe(60)
  })

  test('looks for the names of applications once, for however many sessions', async () => {
    const admin = await signedIn('user0')
    for (const login of ['user24', 'user25']) await signedIn(login)
    const before = stand.applicationsSought()
    const page = await admin.open(`${SESSIONS}?all=1`)
    expect(page.html.texts('.row h2').length).toBeGreaterThan(2)
    expect(page.text).toContain('Kuma')
    expect(stand.applicationsSought() - before).toBe(1)
  })

  test('what is looked for, and names of people, are escaped', async () => {
    const admin = await signedIn('user0')
    const page = await admin.open(`${SESSIONS}?${new URLSearchParams({ all: '1', q: '"><script>x</script>' })}`)
    expect(page.text).not.toContain('<script')
  })
})

describe('a portal where people may stay signed in', () => {
  const DAY = 24 * 3_600_000
  const KEEP = 'Keep me signed in on this device'

  test('asks on its sign-in page; who chooses it keeps cookies and session for that long, on every host', async () => {
    await using own = await openStand({ lifetimes: { ...LIFETIMES, rememberMs: 30 * DAY } })
    const browser = own.browser()
    const page = await browser.open(`${KUMA}/wanted`)
    expect(page.address.origin).toBe(PORTAL)
    const chosen = await browser.follow(page, KEEP)
    expect(chosen.html.text).toContain('for 30 days')
    const form = await browser.follow(chosen, 'Continue with Pocket ID')
    const there = await browser.submit(form, { login: 'user1', password: 'x' })
    expect(there.text).toBe('user-1 sees /wanted')
    for (const host of ['auth', 'kuma'])
      expect(browser.cookieAge(`${host}.example.com`, SESSION)).toBeGreaterThan(29 * 86_400)
    own.advance(29 * DAY)
    expect((await browser.open(`${KUMA}/later`)).text).toBe('user-1 sees /later')
    own.advance(2 * DAY)
    expect((await browser.visit(`${KUMA}/`)).status).toBe(302)
  })

  test('signs out with the browser who does not choose it, with the usual lifetimes', async () => {
    await using own = await openStand({ lifetimes: { ...LIFETIMES, rememberMs: 30 * DAY } })
    const browser = own.browser()
    const page = await browser.open(`${KUMA}/wanted`)
    const form = await browser.follow(page, 'Continue with Pocket ID')
    await browser.submit(form, { login: 'user1', password: 'x' })
    for (const host of ['auth', 'kuma']) expect(browser.cookieAge(`${host}.example.com`, SESSION)).toBeNull()
    own.advance(3 * 3_600_000)
    expect((await browser.visit(`${KUMA}/`)).status).toBe(302)
  })

  test.each(['1', 'of another browser'])('is not chosen by another site’s link: remember=%s', async value => {
    await using own = await openStand({ lifetimes: { ...LIFETIMES, rememberMs: 30 * DAY } })
    const other = await own.browser().open(`${PORTAL}/.sallyport/login`)
    const theirs = new URL(other.html.link(KEEP) ?? '', PORTAL).searchParams.get('remember') ?? ''
    const remember = value === '1' ? value : theirs
    expect(remember).not.toBe('')
    const browser = own.browser()
    const page = await browser.open(`${PORTAL}/.sallyport/login?${new URLSearchParams({ remember })}`)
    expect(page.html.link(KEEP)).not.toBeNull()
    const query = new URLSearchParams({ remember, provider: 'pocket-id' })
    const form = await browser.open(`${PORTAL}/.sallyport/login?${query}`)
    await browser.submit(form, { login: 'user1', password: 'x' })
    expect(browser.cookieAge('auth.example.com', SESSION)).toBeNull()
    expect(await list(browser)).toMatchObject([{ is_remembered: false }])
  })

  test('elsewhere nothing is asked, nobody can choose it, and cookies live as long as the session', async () => {
    const browser = stand.browser()
    await browser.signIn(`${PORTAL}/.sallyport/login?remember=1`, 'user24')
    const ageS = browser.cookieAge('auth.example.com', SESSION) ?? 0
    expect(Math.abs(ageS - 12 * 3600)).toBeLessThan(60)
    const [session] = await list(browser)
    expect(session).toMatchObject({ is_remembered: false })
  })
})

test.each([
  [
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
    'Chrome on Windows',
  ],
  ['Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0', 'Edge on Windows'],
  [
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15',
    'Safari on macOS',
  ],
  ['Mozilla/5.0 (iPad; CPU OS 18_0 like Mac OS X) AppleWebKit/605.1.15 CriOS/140.0 Safari/604.1', 'Chrome on iPad'],
  [
    'Mozilla/5.0 (Linux; Android 15; SM-S911B) AppleWebKit/537.36 SamsungBrowser/28.0 Chrome/130.0 Safari/537.36',
    'Samsung Internet on Android',
  ],
  ['Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/140.0 Safari/537.36', 'Chrome on Linux'],
  ['curl/8.14.1', 'curl/8.14.1'],
  [`${'x'.repeat(500)} y`, 'x'.repeat(60)],
  ['<b>(x', '<b>'],
  [' ', ''],
  [null, ''],
])('the device of %p is %p', (agent, device) => expect(describeAgent(agent)).toBe(device))
