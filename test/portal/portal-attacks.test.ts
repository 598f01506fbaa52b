import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { cookieName } from '../../src/session/cookie.ts'
import { type BrowserLite, pageOf } from '../kit/browser/browser-lite.ts'
import { htmlPage } from '../kit/html.ts'
import { untilTheEnd } from '../kit/opened.ts'
import { AS_PROGRAM, codeOf, GRAFANA, KUMA, openStand, PAGE, PORTAL, stopAt } from './stand.ts'

const SESSION = cookieName('session', true)
const LOGIN = cookieName('login', true)
const ASK = cookieName('ask', true)
const OURS = new Set([PORTAL, KUMA, GRAFANA])

const keep = untilTheEnd()
const stand = keep(await openStand())

/** Signs in on the way to a page of one application, up to one of our addresses, which is not loaded. */
const stopBefore = (path: string, browser: BrowserLite) => stopAt(stand, `${KUMA}/wanted`, path, browser)

describe('redirects stay on our hosts', () => {
  const hosts = ['//evil.example', 'https://evil.example/', '/\\evil.example', '/%09/evil.example', '\\\\evil.example']

  test.each([...hosts, 'javascript:alert(1)', '/..//evil.example', '/\r\nlocation: https://evil.example'])(
    'a destination of %j is forgotten at sign-in',
    async raw => {
      for (const name of ['return', 'to', 'rd', 'redirect_url']) {
        for (const origin of [PORTAL, KUMA]) {
          const browser = stand.browser()
          const page = await browser.signIn(
            `${origin}/.sallyport/login?${new URLSearchParams({ [name]: raw })}`,
            'user1',
          )
          expect(OURS.has(page.address.origin)).toBe(true)
          for (const address of page.trail)
            expect(OURS.has(new URL(address).origin) || address.startsWith(stand.issuer)).toBe(true)
        }
      }
    },
  )

  test.each(['logout', 'signed-out', 'enter', 'me', '', 'kept', 'guest', 'guests'])(
    'no parameter makes %s lead elsewhere',
    async page => {
      for (const name of ['return', 'to', 'rd', 'redirect_uri', 'post_logout_redirect_uri']) {
        const query = new URLSearchParams({ [name]: 'https://evil.example/' })
        const browser = stand.browser()
        await browser.signIn(`${KUMA}/`, 'user1')
        for (const method of page === 'logout' ? ['GET', 'POST'] : ['GET']) {
          const answer = await browser.visit(`${KUMA}/.sallyport/${page}?${query}`, {
            method,
            headers: { 'sec-fetch-site': 'same-origin' },
          })
          const location = answer.headers.get('location')
          if (location !== null) expect(OURS.has(new URL(location, KUMA).origin)).toBe(true)
          expect(await answer.text()).not.toContain('evil.example')
        }
      }
    },
  )

  test('whatever is asked for, a challenge leads to the portal and nowhere else', async () => {
    await fc.assert(
      fc.asyncProperty(fc.webPath(), fc.webQueryParameters(), async (path, query) => {
        const answer = await stand.ask('GET', `${KUMA}${path === '' ? '/' : path}?${query}`, PAGE).catch(() => null)
        const location = answer?.headers.get('location')
        if (location !== null && location !== undefined) expect(new URL(location, KUMA).origin).toBe(PORTAL)
      }),
      { numRuns: 200 },
    )
  })

  test('a destination that was sealed for a host no longer served is forgotten', async () => {
    const to = await stand.seal.seal(
      { origin: 'https://gone.example', host: 'gone.example', path: '/', ask: 'x' },
      'destination at home',
      Date.now() + 60_000,
    )
    const page = await stand.browser().signIn(`${PORTAL}/.sallyport/login?to=${to}`, 'user1')
    expect(page.address.href).toBe(`${PORTAL}/.sallyport/`)
  })

  test('a sealed destination of another portal, or one that was altered, is forgotten', async () => {
    const value = { origin: KUMA, host: 'kuma.example.com', path: '/x', ask: 'x' }
    const foreign = await stand.seal.seal(value, 'destination at other', Date.now() + 60_000)
    for (const to of [foreign, `${foreign}A`, 'e30', JSON.stringify(value)]) {
      const page = await stand.browser().signIn(`${PORTAL}/.sallyport/login?${new URLSearchParams({ to })}`, 'user1')
      expect(page.address.href).toBe(`${PORTAL}/.sallyport/`)
    }
  })
})

describe('a sign-in belongs to the browser that began it', () => {
  test('login CSRF: an answer given to another browser is 400 and no session', async () => {
    const attacker = stand.browser()
    const callback = await stopBefore('/.sallyport/callback', attacker)
    const victim = stand.browser()
    const answer = await victim.visit(callback, { headers: AS_PROGRAM })
    expect([answer.status, await codeOf(answer)]).toEqual([400, 'sign_in.browser'])
    expect(victim.cookie('auth.example.com', SESSION)).toBeNull()
  })

  test('login CSRF: a victim with a sign-in of its own under way gets neither session nor identity of the attacker', async () => {
    const callback = await stopBefore('/.sallyport/callback', stand.browser())
    const victim = stand.browser()
    await victim.open(`${KUMA}/`)
    const answer = await victim.visit(callback)
    expect(answer.status).toBe(400)
    expect(answer.headers.getSetCookie()).toEqual([])
    const page = await victim.refresh(await pageOf(callback, answer))
    expect(page.address.origin).toBe(stand.issuer)
  })

  test('a state is good once: the second use is 400 and no session', async () => {
    const browser = stand.browser()
    const callback = await stopBefore('/.sallyport/callback', browser)
    expect((await browser.visit(callback)).status).toBe(303)
    const again = await browser.visit(callback, { headers: AS_PROGRAM })
    expect([again.status, await codeOf(again)]).toEqual([400, 'sign_in.state'])
    expect(again.headers.getSetCookie()).toEqual([])
  })

  test('two uses at the same moment make one session', async () => {
    const browser = stand.browser()
    const callback = await stopBefore('/.sallyport/callback', browser)
    const answers = await Promise.all(Array.from({ length: 5 }, () => browser.visit(callback)))
    expect(answers.filter(answer => answer.status === 303)).toHaveLength(1)
  })

  test('a sign-in that took longer than an hour is 400', async () => {
    const browser = stand.browser()
    const callback = await stopBefore('/.sallyport/callback', browser)
    stand.advance(61 * 60_000)
    expect(await codeOf(await browser.visit(callback, { headers: AS_PROGRAM }))).toBe('sign_in.state')
    stand.advance(-61 * 60_000)
  })

  test.each(['', 'short', 'A'.repeat(43)])('an invented state (%j) is 400', async state => {
    const browser = stand.browser()
    await browser.open(`${KUMA}/`)
    const answer = await browser.visit(`${PORTAL}/.sallyport/callback?code=x&state=${state}`, { headers: AS_PROGRAM })
    expect([answer.status, await codeOf(answer)]).toEqual([400, 'sign_in.state'])
  })
})

describe('a ticket belongs to the browser and the host that asked', () => {
  test('a ticket given to another browser is 400 and no session', async () => {
    const ticket = await stopBefore('/.sallyport/enter', stand.browser())
    const victim = stand.browser()
    const bare = await victim.visit(ticket, { headers: AS_PROGRAM })
    expect([bare.status, await codeOf(bare)]).toEqual([400, 'sign_in.ticket'])
    await victim.visit(`${KUMA}/`)
    const asked = await victim.visit(ticket, { headers: AS_PROGRAM })
    expect([asked.status, await codeOf(asked)]).toEqual([400, 'sign_in.ticket'])
    expect(victim.cookie('kuma.example.com', SESSION)).toBeNull()
  })

  test('a ticket is good once, for a minute, on its own host', async () => {
    const browser = stand.browser()
    const ticket = await stopBefore('/.sallyport/enter', browser)
    for (const { name, value } of browser.cookiesLike('kuma.example.com', ASK))
      browser.plant('grafana.example.com', name, value, true)
    const elsewhere = await browser.visit(`${GRAFANA}${ticket.pathname}${ticket.search}`, { headers: AS_PROGRAM })
    expect(await codeOf(elsewhere)).toBe('sign_in.ticket')

    const other = stand.browser()
    const second = await stopBefore('/.sallyport/enter', other)
    expect((await other.visit(second)).status).toBe(303)
    expect(await codeOf(await other.visit(second, { headers: AS_PROGRAM }))).toBe('sign_in.ticket')

    const late = stand.browser()
    const third = await stopBefore('/.sallyport/enter', late)
    stand.advance(60_000)
    const again = await late.visit(third)
    expect(again.headers.get('location')).toStartWith(`${PORTAL}/.sallyport/login?to=`)
    expect(late.cookie('kuma.example.com', SESSION)).toBeNull()
    expect(await codeOf(await late.visit(third, { headers: AS_PROGRAM }))).toBe('sign_in.ticket')
    stand.advance(-60_000)
  })

  test('a ticket for a session that has ended opens nothing', async () => {
    const browser = stand.browser()
    const ticket = await stopBefore('/.sallyport/enter', browser)
    const session = await stand.sessions.find(browser.cookie('auth.example.com', SESSION) ?? '', 'auth.example.com')
    await stand.sessions.end(session?.id ?? '')
    expect(await codeOf(await browser.visit(ticket, { headers: AS_PROGRAM }))).toBe('sign_in.ticket')
  })

  test('an attacker’s link to the portal hands a signed-in victim’s ticket to nobody', async () => {
    const attackers = await stand.ask('GET', `${KUMA}/`, PAGE)
    const victim = stand.browser()
    await victim.signIn(`${PORTAL}/`, 'user2')
    const answer = await victim.visit(attackers.headers.get('location') ?? '')
    const entered = await victim.visit(new URL(answer.headers.get('location') ?? ''), { headers: AS_PROGRAM })
    expect([entered.status, await codeOf(entered)]).toEqual([400, 'sign_in.ticket'])
  })
})

describe('a count of rounds', () => {
  const ROUNDS = cookieName('rounds', true)

  test('that was invented, or belongs to another host, is none', async () => {
    const browser = stand.browser()
    for (let round = 0; round < 3; round++) {
      await browser.signIn(`${KUMA}/`, 'user1')
      browser.forget('kuma.example.com', SESSION)
    }
    const counted = browser.cookie('kuma.example.com', ROUNDS) ?? ''
    expect((await browser.visit(`${KUMA}/`)).status).toBe(400)
    for (const [host, value] of [
      [GRAFANA, counted],
      [KUMA, `${counted.startsWith('A') ? 'B' : 'A'}${counted.slice(1)}`],
      [KUMA, 'x'],
    ] as const) {
      expect((await stand.ask('GET', `${host}/`, { ...PAGE, cookie: `${ROUNDS}=${value}` })).status).toBe(302)
    }
    stand.advance(61_000)
    expect((await stand.ask('GET', `${KUMA}/`, { ...PAGE, cookie: `${ROUNDS}=${counted}` })).status).toBe(302)
    stand.advance(-61_000)
  })

  test('a browser on plain HTTP, which keeps no Secure cookie, is told about https', async () => {
    const address = `${KUMA}/.sallyport/enter?ticket=${'A'.repeat(43)}`
    const page = await stand.ask('GET', address, { accept: 'text/html' })
    expect(htmlPage(await page.text()).text).toContain('http:// instead of https://')
  })
})

describe('sessions', () => {
  test('fixation: a planted cookie never becomes a session, and signing in makes a new one', async () => {
    const browser = stand.browser()
    const planted = 'A'.repeat(43)
    for (const host of ['auth.example.com', 'kuma.example.com']) browser.plant(host, SESSION, planted, true)
    expect((await browser.visit(`${KUMA}/`)).status).toBe(302)
    await browser.signIn(`${KUMA}/`, 'user1')
    expect(browser.cookie('kuma.example.com', SESSION)).not.toBe(planted)
    expect(await stand.sessions.find(planted, 'kuma.example.com')).toBeNull()
  })

  test('signing in as somebody else ends the session that this browser had, on every host', async () => {
    const browser = stand.browser()
    await browser.signIn(`${KUMA}/`, 'user1')
    await browser.open(`${GRAFANA}/`)
    const old = ['auth', 'kuma', 'grafana'].map(name => browser.cookie(`${name}.example.com`, SESSION) ?? '')
    await browser.submit(await browser.open(`${KUMA}/.sallyport/login?switch=1`), { login: 'user2' })
    for (const [index, name] of ['auth', 'kuma', 'grafana'].entries()) {
      expect(await stand.sessions.find(old[index] ?? '', `${name}.example.com`)).toBeNull()
    }
    expect((await browser.open(`${GRAFANA}/x`)).text).toBe('user-2 sees /x')
  })

  test('signing in anew gives each host that it leads to another cookie, and the ones before go in half a minute', async () => {
    const browser = stand.browser()
    await browser.signIn(`${KUMA}/`, 'user1')
    const hosts = ['auth.example.com', 'kuma.example.com']
    const before = hosts.map(host => browser.cookie(host, SESSION) ?? '')
    await browser.submit(await browser.open(`${KUMA}/.sallyport/login?switch=1`), { login: 'user1' })
    const after = hosts.map(host => browser.cookie(host, SESSION) ?? '')
    expect(new Set([...before, ...after]).size).toBe(4)
    const found = (tokens: readonly string[]) =>
      Promise.all(hosts.map(async (host, at) => (await stand.sessions.find(tokens[at] ?? '', host))?.isReplaced))
    expect([await found(before), await found(after)]).toEqual([
      [true, true],
      [undefined, undefined],
    ])
    const id = (await stand.sessions.find(after[0] ?? '', 'auth.example.com'))?.id
    stand.advance(30_000)
    for (const [at, host] of hosts.entries()) {
      expect(await stand.sessions.find(before[at] ?? '', host)).toBeNull()
      expect((await stand.sessions.find(after[at] ?? '', host))?.id).toBe(id ?? '')
    }
    stand.advance(-30_000)
  })

  test('planted login and ask cookies of the right shape let no one else finish', async () => {
    const attacker = stand.browser()
    const callback = await stopBefore('/.sallyport/callback', attacker)
    const victim = stand.browser()
    victim.plant('auth.example.com', LOGIN, 'B'.repeat(43), true)
    victim.plant('kuma.example.com', ASK, 'B'.repeat(43), true)
    expect(await codeOf(await victim.visit(callback, { headers: AS_PROGRAM }))).toBe('sign_in.browser')
  })

  test('junk in our cookies is anonymous', async () => {
    for (const junk of ['', 'x', '"', '%00', 'é', '='.repeat(43), 'A'.repeat(5000)]) {
      const cookie = `${SESSION}=${junk}; ${LOGIN}=${junk}; ${ASK}=${junk}`
      expect((await stand.ask('GET', `${KUMA}/`, { ...AS_PROGRAM, cookie })).status).toBe(401)
      const page = await stand.ask('GET', `${KUMA}/`, { ...PAGE, cookie })
      expect(page.headers.getSetCookie()[0]).toMatch(/^__Host-sallyport-ask-[\w-]{3}=[\w-]{43};/)
    }
  })
})

describe('signing out', () => {
  test('ends the session on every host at once, and only after the question', async () => {
    const browser = stand.browser()
    await browser.signIn(`${KUMA}/`, 'user1')
    await browser.open(`${GRAFANA}/`)
    const confirm = await browser.open(`${KUMA}/.sallyport/logout`)
    expect(confirm.address.href).toBe(`${PORTAL}/.sallyport/logout`)
    expect((await browser.open(`${KUMA}/still`)).text).toBe('user-1 sees /still')
    const out = await browser.submit(confirm)
    expect(out.address.pathname).toBe('/.sallyport/signed-out')
    expect(browser.cookie('auth.example.com', SESSION)).toBeNull()
    for (const origin of [KUMA, GRAFANA, PORTAL]) {
      expect((await browser.visit(`${origin}/.sallyport/me`, { headers: AS_PROGRAM })).status).toBe(401)
    }
  })

  test.each([
    [{ 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }],
    [{ 'sec-fetch-site': 'same-site', origin: GRAFANA }],
    [{ 'sec-fetch-site': 'none' }],
    [{ origin: 'https://evil.example' }],
    [{ origin: 'null' }],
    [{}],
  ] as const)('a form of another page signs nobody out: %j', async headers => {
    const browser = stand.browser()
    await browser.signIn(`${KUMA}/`, 'user1')
    const answer = await browser.visit(`${PORTAL}/.sallyport/logout`, {
      method: 'POST',
      headers: { ...AS_PROGRAM, ...headers },
    })
    expect([answer.status, await codeOf(answer)]).toEqual([403, 'access.origin'])
    expect((await browser.open(`${KUMA}/still`)).text).toBe('user-1 sees /still')
  })

  test('the proof of one session signs no other out', async () => {
    const attacker = stand.browser()
    await attacker.signIn(`${KUMA}/`, 'user2')
    const { proof = '' } = (await attacker.open(`${KUMA}/.sallyport/logout`)).html.form().hidden
    const victim = stand.browser()
    await victim.signIn(`${KUMA}/`, 'user1')
    expect(proof).not.toBe('')
    const body = `proof=${proof}`
    const answer = await victim.visit(`${PORTAL}/.sallyport/logout`, {
      method: 'POST',
      body,
      headers: { origin: 'null', 'content-length': String(body.length) },
    })
    expect(answer.status).toBe(403)
  })
})

describe('what a browser does ahead of a click sets nothing in motion', () => {
  test.each(['HEAD', 'prefetch', 'prerender'])('%s burns neither code nor ticket and signs nobody out', async kind => {
    const init: RequestInit =
      kind === 'HEAD'
        ? { method: 'HEAD' }
        : { headers: { 'sec-purpose': kind === 'prefetch' ? 'prefetch' : 'prefetch;prerender' } }
    const browser = stand.browser()
    const callback = await stopBefore('/.sallyport/callback', browser)
    const ahead = await browser.visit(callback, init)
    expect(ahead.status).toBe(kind === 'HEAD' ? 204 : 503)
    expect(ahead.headers.getSetCookie()).toEqual([])
    const ticket = new URL((await browser.visit(callback)).headers.get('location') ?? '')
    await browser.visit(ticket, init)
    expect((await browser.visit(ticket)).status).toBe(303)
    await browser.visit(`${PORTAL}/.sallyport/logout`, init)
    await browser.visit(`${KUMA}/.sallyport/login?switch=1`, init)
    expect((await browser.open(`${KUMA}/still`)).text).toBe('user-1 sees /still')
  })
})

describe('duplicated parameters are 400 and burn nothing', () => {
  test('at the callback', async () => {
    const browser = stand.browser()
    const callback = await stopBefore('/.sallyport/callback', browser)
    for (const name of ['code', 'state', 'iss', 'x', 'x']) {
      const doubled = new URL(callback)
      doubled.searchParams.append(name, doubled.searchParams.get(name) ?? '1')
      doubled.searchParams.append(name, '2')
      expect(await codeOf(await browser.visit(doubled, { headers: AS_PROGRAM }))).toBe('sign_in.callback')
    }
    expect((await browser.visit(callback)).status).toBe(303)
  })

  test('at enter and login', async () => {
    const browser = stand.browser()
    const ticket = await stopBefore('/.sallyport/enter', browser)
    const doubled = await browser.visit(`${ticket.href}&ticket=${'A'.repeat(43)}`, { headers: AS_PROGRAM })
    expect([doubled.status, await codeOf(doubled)]).toEqual([400, 'target.malformed'])
    expect((await browser.visit(ticket)).status).toBe(303)
    for (const origin of [PORTAL, KUMA]) {
      const twice = await stand.ask('GET', `${origin}/.sallyport/login?return=/a&return=/b`, AS_PROGRAM)
      expect(twice.status).toBe(400)
    }
  })
})

describe('nothing is reflected', () => {
  const MARKUP = '<script>alert(1)</script>"\'><img src=x onerror=alert(1)>'

  test('an error_description with markup appears on no page, and runs nowhere', async () => {
    const browser = stand.browser()
    const callback = await stopBefore('/.sallyport/callback', browser)
    const state = callback.searchParams.get('state') ?? ''
    const query = new URLSearchParams({ error: MARKUP, error_description: MARKUP, iss: stand.issuer, state })
    const answer = await browser.visit(`${PORTAL}/.sallyport/callback?${query}`)
    expect(answer.status).toBe(403)
    const page = await answer.text()
    expect(page).not.toContain('alert(1)')
    expect(page).not.toContain('<script')
  })

  test.each([
    'login?provider=',
    'login?return=',
    'enter?ticket=',
    'callback?state=',
    'nothing?',
    '%3Cscript%3Ealert(1)%3C/script%3E?',
  ])('a page about a bad address (%s) shows none of it', async path => {
    const answer = await stand.ask('GET', `${PORTAL}/.sallyport/${path}${encodeURIComponent(MARKUP)}`, {
      ...PAGE,
      referer: `https://evil.example/${encodeURIComponent(MARKUP)}`,
    })
    const text = await answer.text()
    expect(text).not.toContain('alert(1)')
    expect(text).not.toContain('evil.example')
  })

  test('every answer is kept by no cache and framed by no page, loads nothing, and tells no one where it was', async () => {
    const browser = stand.browser()
    await browser.signIn(`${KUMA}/`, 'user1')
    const answers = [
      ...(await Promise.all(
        ['', 'logout', 'signed-out', 'nothing', 'enter'].map(page => browser.visit(`${PORTAL}/.sallyport/${page}`)),
      )),
    ]
    for (const answer of answers) {
      expect(answer.headers.get('cache-control')).toBe('no-store')
      expect(answer.headers.get('referrer-policy')).toBe('no-referrer')
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
      const policy = answer.headers.get('content-security-policy') ?? ''
      expect(policy).toMatch(
        /^default-src 'none'; style-src 'sha256-[\w+/=]+'; (?:script-src 'sha256-[\w+/=]+'; connect-src 'self'; )?font-src 'self'; img-src (?:'self' )?data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'$/,
      )
      const text = await answer.text()
      // Of scripts a page has those that its policy names.
      for (const [, script = ''] of text.matchAll(/<script>([\s\S]*?)<\/script>/g))
        expect(policy).toContain(new Bun.CryptoHasher('sha256').update(script).digest('base64'))
      expect(text).not.toMatch(/<script[^>]/)
      const style = /<style>([\s\S]*)<\/style>/.exec(text)?.[1] ?? ''
      expect(policy).toContain(new Bun.CryptoHasher('sha256').update(style).digest('base64'))
      expect(text).not.toMatch(/\son\w+=|\sstyle=|src=|https?:\/\/(?!kuma\.example\.com|www\.w3\.org\/2000\/svg')/)
    }
  })

  test('no secret is in the log', () => {
    const all = stand.logged.join('\n')
    expect(all).toContain('sign_in.browser')
    for (const secret of ['the-client-secret', 'eyJhbGci', 'ticket=', 'code=', 'state='])
      expect(all).not.toContain(secret)
  })
})
