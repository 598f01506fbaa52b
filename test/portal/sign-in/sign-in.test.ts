import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { cookieName } from '../../../src/session/cookie.ts'
import { htmlPage } from '../../kit/html.ts'
import { GRAFANA, KUMA, openStand, PAGE, PORTAL, type Stand } from '../stand.ts'

const SESSION = cookieName('session', true)

describe('one portal for many hosts', () => {
  let stand: Stand
  beforeAll(async () => {
    stand = await openStand()
  })
  afterAll(() => stand[Symbol.asyncDispose]())

  test('a deep link leads through the portal and the provider, and back to exactly itself', async () => {
    const browser = stand.browser()
    const page = await browser.signIn(`${KUMA}/status/1?tab=a%20b&x=%2F%2Fevil`, 'user7')
    expect(page.text).toBe('user-7 sees /status/1?tab=a%20b&x=%2F%2Fevil')
    expect(page.address.origin).toBe(KUMA)
  })

  test('what a link hints at or asks for besides reaches no provider', async () => {
    const page = await stand.browser().open(`${KUMA}/.sallyport/login?return=/x&login_hint=mallory&prompt=none&hd=evil`)
    const asked = page.trail.find(address => address.startsWith(stand.issuer) && address.includes('client_id='))
    const query = new URL(asked ?? '').searchParams
    expect(query.get('response_type')).toBe('code')
    expect(['login_hint', 'prompt', 'hd'].filter(name => query.has(name))).toEqual([])
    expect(page.trail.filter(address => address.startsWith(stand.issuer)).join(' ')).not.toContain('mallory')
  })

  test('each host has a cookie of its own, host-only, HttpOnly, Secure, Lax, and no two are alike', async () => {
    const browser = stand.browser()
    await browser.signIn(`${KUMA}/`, 'user1')
    const grafana = await browser.open(`${GRAFANA}/d/1`)
    expect(grafana.text).toBe('user-1 sees /d/1')
    expect(grafana.trail.some(address => address.startsWith(stand.issuer))).toBe(false)
    const tokens = ['auth', 'kuma', 'grafana'].map(name => browser.cookie(`${name}.example.com`, SESSION))
    expect(tokens).not.toContain(null)
    expect(new Set(tokens).size).toBe(3)
    const answer = await stand.browser().visit(`${KUMA}/`)
    const [ask = ''] = answer.headers.getSetCookie()
    expect(ask).toMatch(
      /^__Host-sallyport-ask-[\w-]{3}=[\w-]{43}; Path=\/; Max-Age=7200; HttpOnly; Secure; SameSite=Lax$/,
    )
  })

  test('RFC 6265bis §5.6: no cookie is longer than browsers keep, however much is opened and however long it is', async () => {
    const browser = stand.browser()
    for (let tab = 0; tab < 60; tab++) {
      const answer = await browser.visit(`${KUMA}/${tab}/${'x'.repeat(tab * 60)}`)
      for (const setCookie of answer.headers.getSetCookie()) expect(setCookie.length).toBeLessThan(4096)
    }
    expect(browser.cookieHeader(new URL(KUMA)).length).toBeLessThan(8 * 1024)
  })

  test('no token, and no session cookie, is ever in an address', async () => {
    const browser = stand.browser()
    const first = await browser.open(`${KUMA}/`)
    const page = await browser.submit(first, { login: 'user2' })
    const token = browser.cookie('kuma.example.com', SESSION) ?? 'missing'
    for (const address of [...first.trail, ...page.trail]) {
      expect(address).not.toContain(token)
      expect(address).not.toMatch(/eyJ[\w-]+\.eyJ/)
    }
  })

  test('any number of tabs, opened one after the other, sign in each to its own page', async () => {
    const browser = stand.browser()
    const tabs = [
      await browser.open(`${KUMA}/tab/1`),
      await browser.open(`${KUMA}/tab/2`),
      await browser.open(`${KUMA}/tab/3`),
    ]
    for (const [index, tab] of tabs.entries()) {
      const page = await browser.submit(tab, { login: 'user3' })
      expect(page.text).toBe(`user-3 sees /tab/${index + 1}`)
    }
  })

  test('tabs that a browser opens all at once sign in each to its own page, and none has to begin again', async () => {
    const browser = stand.browser()
    const tabs = await Promise.all([1, 2, 3, 4].map(tab => browser.open(`${KUMA}/tab/${tab}`)))
    for (const [index, tab] of tabs.entries()) {
      const page = await browser.submit(tab, { login: 'user3' })
      expect(page.text).toBe(`user-3 sees /tab/${index + 1}`)
    }
  })

  test('sixty tabs at once leave a bounded number of cookies, and the tabs whose own is gone begin again by themselves', async () => {
    const browser = stand.browser()
    const tabs = await Promise.all(Array.from({ length: 60 }, (_, tab) => browser.open(`${KUMA}/tab/${tab}`)))
    await browser.open(`${KUMA}/one/more`)
    expect(browser.cookiesLike('kuma.example.com', '__Host-sallyport-ask').length).toBeLessThanOrEqual(16)
    expect(browser.cookiesLike('auth.example.com', '__Host-sallyport-login').length).toBeLessThanOrEqual(16)
    let restarts = 0
    for (const [index, tab] of tabs.entries()) {
      let page = await browser.submit(tab, { login: 'user3' })
      for (let round = 0; round < 3 && page.response.status === 400; round++, restarts++)
        page = await browser.refresh(page)
      expect(page.text).toBe(`user-3 sees /tab/${index}`)
    }
    expect(restarts).toBeGreaterThan(0)
  }, 300_000)

  test('fifty people signing in at the same time each become themselves', async () => {
    const people = Array.from({ length: 50 }, (_, index) => ({ index, browser: stand.browser() }))
    const forms = await Promise.all(people.map(({ browser, index }) => browser.open(`${KUMA}/p/${index}`)))
    const pages = await Promise.all(
      people.map(async ({ browser, index }) => {
        const form = forms[index]
        if (form === undefined) throw new Error('no form')
        let page = await browser.submit(form, { login: `user${index}` })
        // A provider that a busy machine has answer too late sends nobody to anybody else's: they come again.
        for (let times = 0; page.response.status === 503 && times < 20; times++)
          page = await browser.signIn(`${KUMA}/p/${index}`, `user${index}`)
        return page.text
      }),
    )
    expect(pages).toEqual(people.map(({ index }) => `user-${index} sees /p/${index}`))
    const again = await Promise.all(people.map(({ browser }) => browser.open(`${GRAFANA}/again`)))
    expect(again.map(page => page.text)).toEqual(people.map(({ index }) => `user-${index} sees /again`))
  }, 300_000)

  test('one sign-in serves hosts on domains that have nothing in common, without a cookie that any two of them share', async () => {
    const hosts = ['https://kuma.example.com', 'https://wiki.example.org', 'https://shop.another-example.net']
    await using wide = await openStand({}, hosts)
    const browser = wide.browser()
    const [first = '', ...others] = hosts
    expect((await browser.signIn(`${first}/a`, 'user4')).text).toBe('user-4 sees /a')
    for (const origin of others) {
      const page = await browser.open(`${origin}/b?c=d`)
      expect([page.address.href, page.text]).toEqual([`${origin}/b?c=d`, 'user-4 sees /b?c=d'])
      expect(page.trail.every(address => !address.startsWith(wide.issuer))).toBe(true)
    }
    const cookies = [PORTAL, ...hosts].map(origin => browser.cookie(new URL(origin).hostname, '__Host-sallyport'))
    expect(new Set(cookies).size).toBe(4)
    await browser.submit(await browser.open(`${others[0]}/.sallyport/logout`))
    for (const origin of hosts) expect((await browser.visit(`${origin}/a`)).status).toBe(302)
  })

  test('anything but a page load gets 401 with the address of the sign-in, and never a redirect', async () => {
    for (const headers of [
      { accept: '*/*' },
      { 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' },
      { ...PAGE, 'sec-purpose': 'prefetch' },
    ]) {
      const answer = await stand.ask('GET', `${KUMA}/api`, headers)
      expect(answer.status).toBe(401)
      expect(answer.headers.get('content-type')).toBe('application/problem+json')
      expect(answer.headers.get('cache-control')).toBe('no-store')
      expect(answer.headers.has('www-authenticate')).toBe(false)
      expect(answer.headers.getSetCookie()).toEqual([])
      expect(await answer.json()).toMatchObject({ code: 'access.sign_in', sign_in: `${KUMA}/.sallyport/login` })
    }
    expect((await stand.ask('POST', `${KUMA}/form`, PAGE)).status).toBe(401)
  })

  test('the sign-in address without a destination ends at the portal page', async () => {
    const browser = stand.browser()
    const page = await browser.signIn(`${PORTAL}/.sallyport/login`, 'user4')
    expect(page.address.href).toBe(`${PORTAL}/.sallyport/`)
    expect([page.html.one('h1').text, page.html.address(KUMA)]).toEqual(['Hello, User 4', `${KUMA}/`])
    expect((await browser.open(`${PORTAL}/`)).html.one('h1').text).toBe('Hello, User 4')
    expect((await browser.open(`${KUMA}/.sallyport/`)).address.origin).toBe(PORTAL)
  })

  test('the sign-in address of another host returns to that host', async () => {
    const page = await stand.browser().signIn(`${KUMA}/.sallyport/login?return=/settings`, 'user5')
    expect(page.text).toBe('user-5 sees /settings')
  })

  test('switching account asks the provider again; the old session ends only when the new one begins', async () => {
    const browser = stand.browser()
    await browser.signIn(`${KUMA}/`, 'user6')
    const old = browser.cookie('kuma.example.com', SESSION) ?? ''
    const form = await browser.open(`${KUMA}/.sallyport/login?switch=1&return=/x`)
    expect(form.address.origin).toBe(stand.issuer)
    expect((await browser.open(`${KUMA}/still`)).text).toBe('user-6 sees /still')
    const page = await browser.submit(form, { login: 'user8' })
    expect(page.text).toBe('user-8 sees /x')
    expect(await stand.sessions.find(old, 'kuma.example.com')).toBeNull()
  })

  test('whoever says no at the provider sees a page with a way to start again, and no loop', async () => {
    const browser = stand.browser()
    const form = await browser.open(`${KUMA}/wanted`)
    const page = await browser.submit(form, { action: 'cancel' })
    expect(page.response.status).toBe(403)
    expect(page.html.address(KUMA)).toBe(`${KUMA}/wanted`)
    expect(page.html.has('meta[http-equiv="refresh"]')).toBe(false)
    expect(browser.cookie('auth.example.com', SESSION)).toBeNull()
  })

  test('me says who this is, without ids and tokens', async () => {
    const browser = stand.browser()
    await browser.signIn(`${KUMA}/`, 'user0')
    const answer = await browser.visit(`${KUMA}/.sallyport/me`, { headers: { accept: 'application/json' } })
    const person: unknown = await answer.json()
    expect(person).toMatchObject({
      subject: 'user-0',
      provider: 'pocket-id',
      name: 'User 0',
      username: 'user0',
      email: 'user0@example.com',
      email_verified: true,
      groups: ['admins'],
      roles: ['user'],
    })
    expect(JSON.stringify(person)).not.toContain(browser.cookie('kuma.example.com', SESSION) ?? 'missing')
    expect((await stand.ask('GET', `${KUMA}/.sallyport/me`)).status).toBe(401)
  })

  test('an unknown page of ours is 404, a wrong method 405, for people and programs', async () => {
    const page = await stand.ask('GET', `${KUMA}/.sallyport/nothing`, PAGE)
    expect([page.status, page.headers.get('content-type')]).toEqual([404, 'text/html; charset=utf-8'])
    expect((await stand.ask('GET', `${KUMA}/.sallyport/nothing`)).headers.get('content-type')).toBe(
      'application/problem+json',
    )
    const wrong = await stand.ask('POST', `${KUMA}/.sallyport/me`)
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
  })
})

describe('languages', () => {
  let stand: Stand
  beforeAll(async () => {
    stand = await openStand()
  })
  afterAll(() => stand[Symbol.asyncDispose]())
  const GERMAN = { 'accept-language': 'de-CH,de;q=0.9,en;q=0.5' }

  test('pages come in the language of the browser, say so, and are kept apart by it', async () => {
    const browser = stand.browser()
    await browser.signIn(`${KUMA}/`, 'user1')
    const german: [string, string][] = [
      ['', 'Hallo, User 1'],
      ['logout', 'Die Abmeldung gilt für alle Anwendungen hier.'],
      ['sessions', 'gerade eben'],
      ['nothing', 'Unter dieser Adresse ist nichts zu finden'],
      ['callback', 'Diese Anmeldung ist abgelaufen oder wurde schon verwendet'],
    ]
    for (const [page, text] of german) {
      const answer = await browser.visit(`${PORTAL}/.sallyport/${page}`, { headers: GERMAN })
      expect(answer.headers.get('content-language')).toBe('de')
      expect(answer.headers.get('vary')).toBe('accept-language')
      const html = htmlPage(await answer.text())
      expect(html.one('html').attribute('lang')).toBe('de')
      expect(html.text).toContain(text)
    }
    const english = await browser.visit(`${PORTAL}/.sallyport/`, { headers: { 'accept-language': 'nl' } })
    expect(english.headers.get('content-language')).toBe('en')
    expect(htmlPage(await english.text()).one('h1').text).toBe('Hello, User 1')
  })

  test('programs are answered in English', async () => {
    const answer = await stand.ask('GET', `${KUMA}/.sallyport/nothing`, { ...GERMAN, accept: 'application/json' })
    expect(await answer.json()).toMatchObject({ detail: 'Nothing is served at this address.' })
  })
})

describe('a portal on each host itself', () => {
  let stand: Stand
  beforeAll(async () => {
    stand = await openStand({ url: null, callbackPath: '/oauth2/callback' })
  })
  afterAll(() => stand[Symbol.asyncDispose]())

  test('sign-in stays on the host, with the callback path that is registered', async () => {
    const browser = stand.browser()
    const form = await browser.open(`${KUMA}/deep?x=1`)
    expect(
      form.trail.filter(address => !address.startsWith(stand.issuer)).map(address => new URL(address).pathname),
    ).toEqual(['/deep', '/.sallyport/login'])
    const page = await browser.submit(form, { login: 'user1' })
    expect(page.text).toBe('user-1 sees /deep?x=1')
    expect(page.trail.some(address => address.startsWith(`${KUMA}/oauth2/callback?`))).toBe(true)
    expect((await browser.visit(`${GRAFANA}/`)).status).toBe(302)
  })
})

describe('plain HTTP on loopback', () => {
  test('cookies lose Secure and the prefix, and everything else still works, signing out included', async () => {
    const origin = 'http://kuma.localhost'
    await using stand = await openStand({ url: null, insecureCookies: true }, [origin])
    const browser = stand.browser()
    expect((await browser.signIn(`${origin}/a`, 'user1')).text).toBe('user-1 sees /a')
    expect(browser.cookie('kuma.localhost', cookieName('session', false))).not.toBeNull()
    const confirm = await browser.open(`${origin}/.sallyport/logout`)
    const proof = confirm.html.form().hidden.proof ?? ''
    const post = (headers: Record<string, string>, body: string) =>
      browser.visit(`${origin}/.sallyport/logout`, {
        method: 'POST',
        body,
        headers: {
          'content-type': 'application/x-www-form-urlencoded',
          'content-length': String(body.length),
          ...headers,
        },
      })
    expect((await post({ origin: 'null' }, 'proof=forged')).status).toBe(403)
    expect((await post({ origin: 'null' }, `proof=${proof}`)).status).toBe(303)
    expect((await browser.visit(`${origin}/a`)).status).toBe(302)
  })
})

describe('several providers', () => {
  test('the choice is shown only then, keeps the destination, and escapes labels', async () => {
    await using stand = await openStand({ providers: ['pocket-id', 'work'] })
    const browser = stand.browser()
    const choice = await browser.open(`${KUMA}/deep`)
    expect(choice.address.origin).toBe(PORTAL)
    expect(choice.html.texts('a.act')).toEqual(['Continue with Pocket ID', 'Continue with Work <account>'])
    const page = await browser.signIn(new URL(choice.html.address('provider=work'), choice.address), 'user2')
    expect(page.text).toBe('user-2 sees /deep')
    expect((await stand.ask('GET', `${PORTAL}/.sallyport/login?provider=evil`, PAGE)).status).toBe(404)
  })
})

describe('a provider that is down', () => {
  test('offers the others, on the way to the same place', async () => {
    await using stand = await openStand({ providers: ['pocket-id', 'work'] })
    const browser = stand.browser()
    const choice = await browser.open(`${KUMA}/deep`)
    await stand.stopProvider()
    const work = choice.html.address('provider=work')
    const page = await browser.open(new URL(work, choice.address))
    expect(page.response.status).toBe(503)
    expect(page.html.texts('a').filter(text => text.startsWith('Continue'))).toEqual(['Continue with Pocket ID'])
    const [from, to] = [work, page.html.address('provider=pocket-id')].map(one => new URL(one, PORTAL))
    expect(to?.searchParams.get('to')).toBe(from?.searchParams.get('to') ?? '')
    expect(to?.searchParams.get('to')).not.toBe('')
  })

  test('signing in answers 503 with Retry-After and a page that leads to the same place again; live sessions go on', async () => {
    await using stand = await openStand()
    const browser = stand.browser()
    await browser.signIn(`${KUMA}/`, 'user1')
    await stand.stopProvider()
    stand.advance(61 * 60_000)
    expect((await browser.open(`${KUMA}/live`)).text).toBe('user-1 sees /live')
    await using down = await openStand()
    await down.stopProvider()
    const page = await down.browser().open(`${KUMA}/deep?x=1`)
    expect(page.response.status).toBe(503)
    expect(page.response.headers.get('retry-after')).toBe('1')
    const again = page.html.one('[data-again]')
    expect([again.text, again.attribute('data-again')]).toEqual(['Try again', '3'])
    expect(page.html.link('Try again')).toBe(`${KUMA}/deep?x=1`)
  })
})
